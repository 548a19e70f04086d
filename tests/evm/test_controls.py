"""Who controls what: OpenZeppelin's, Safe's and Aave's own bytecode on the sandbox, as the reader understands it."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address

from tests.kit.contracts import calldata, send
from tests.kit.evm.safe import BUILT
from yieldbot.config.load import load
from yieldbot.errors import MarketError
from yieldbot.model.controls import ContractFacts, Controller, ControllerKind, Dependency, Part
from yieldbot.model.ids import Address
from yieldbot.protocols import adapters
from yieldbot.protocols.evm.control_facts import facts_of
from yieldbot.protocols.evm.control_reads import MOST_MODULES, KnownCode, Reading, read_controls, remembered
from yieldbot.protocols.evm.standing import stands_on
from yieldbot.sandbox.evm.artifacts import packaged
from yieldbot.sandbox.evm.node import Sandbox

OZ5 = "@openzeppelin/contracts/build/contracts"
OZ3 = "@uniswap/v3-periphery/node_modules/@openzeppelin/contracts/build/contracts"
SINGLETON = Address("0x41675C099F32341bf84BFc5382aF534df5C7461a")
NOBODY = "0x" + "00" * 20
DAY = 86_400
KEY, OTHER, THIRD = (Address(to_checksum_address("0x" + n * 20)) for n in ("a1", "b2", "c3"))


def deploy(sandbox: Sandbox, file: str, types: list[str] = (), *values: Any) -> Address:  # type: ignore[assignment]
    code = bytes.fromhex(packaged(file).bytecode) + encode(list(types), list(values))
    return Address(str(to_checksum_address(send(sandbox, None, code)["contractAddress"])))


def safe_of(sandbox: Sandbox, owners: list[Address], threshold: int, singleton: Address = SINGLETON) -> Address:
    """A Safe proxy of the package's own code, over Safe 1.4.1 at its canonical address."""
    made = deploy(sandbox, f"{BUILT}/Safe.sol/Safe.json")
    sandbox.rpc("anvil_setCode", singleton, sandbox.rpc("eth_getCode", made, "latest"))
    proxy = deploy(sandbox, f"{BUILT}/proxies/SafeProxy.sol/SafeProxy.json", ["address"], singleton)
    setup = "setup(address[],uint256,address,bytes,address,address,uint256,address)"
    send(sandbox, proxy, calldata(setup, owners, threshold, NOBODY, b"", NOBODY, NOBODY, 0, NOBODY))
    return proxy


async def look(
    sandbox: Sandbox, wanted: list[Dependency], known: KnownCode | None = None
) -> tuple[dict[Address, Reading], int]:
    """The readings, and how many requests they took."""
    async with sandbox.node() as node:
        block = await node.block()
        before = node.round_trips
        (answer,) = await node.run([read_controls(wanted, known)], block)
        assert not isinstance(answer, MarketError), answer
        return answer, node.round_trips - before


async def facts(sandbox: Sandbox, address: Address) -> ContractFacts:
    one = Dependency(address, Part.POOL)
    readings, _ = await look(sandbox, [one])
    return facts_of(one, readings)


def kinds(controller: Controller) -> list[str]:
    return [str(one.kind) for one in controller.chain]


async def test_a_proxy_behind_its_admin_behind_a_timelock_behind_a_safe(sandbox: Sandbox) -> None:
    safe = safe_of(sandbox, [KEY, OTHER, THIRD], 2)
    timelock = deploy(
        sandbox,
        f"{OZ5}/TimelockController.json",
        ["uint256", "address[]", "address[]", "address"],
        2 * DAY,
        [safe],
        [safe],
        NOBODY,
    )
    token = Address(sandbox.addresses["usdc"])
    proxy = deploy(
        sandbox, f"{OZ5}/TransparentUpgradeableProxy.json", ["address", "address", "bytes"], token, timelock, b""
    )
    found = await facts(sandbox, proxy)
    assert found.implementation == token and found.implementation_hash and found.code_hash and not found.beacon
    assert kinds(found.upgrade_by) == ["contract", "timelock"], "the ProxyAdmin that v5 makes, then its owner"
    assert found.upgrade_by.warning_seconds == 2 * DAY


async def test_owners_of_every_kind(sandbox: Sandbox) -> None:
    safe = safe_of(sandbox, [KEY, OTHER, THIRD], 2)
    implementation = Address(sandbox.addresses["usdc"])

    async def owned(owner: str) -> Controller:
        beacon = deploy(sandbox, f"{OZ5}/UpgradeableBeacon.json", ["address", "address"], implementation, owner)
        return (await facts(sandbox, beacon)).owner

    by_safe = await owned(safe)
    assert (by_safe.kind, by_safe.threshold, set(by_safe.owners)) == (ControllerKind.SAFE, 2, {KEY, OTHER, THIRD})
    assert by_safe.signatures == 2
    by_key = await owned(KEY)
    assert (by_key.kind, by_key.address, by_key.signatures) == (ControllerKind.EOA, KEY, 1)
    sandbox.rpc("anvil_setCode", OTHER, "0xef0100" + "11" * 20)  # EIP-7702: still one key
    assert (await owned(OTHER)).kind is ControllerKind.EOA
    false = safe_of(sandbox, [KEY, OTHER, THIRD], 3, singleton=Address(to_checksum_address("0x" + "5a" * 20)))
    by_false = await owned(false)
    assert by_false.kind is ControllerKind.CONTRACT and "not that of a Safe" in by_false.why
    assert by_false.signatures == 0, "what its singleton does is not known"


async def test_a_safe_is_as_weak_as_the_weakest_of_its_modules(sandbox: Sandbox) -> None:
    safe = safe_of(sandbox, [KEY, OTHER, THIRD], 2)
    beacon = deploy(sandbox, f"{OZ5}/UpgradeableBeacon.json", ["address", "address"], sandbox.addresses["usdc"], safe)
    assert kinds((await facts(sandbox, beacon)).owner) == ["safe"]
    strong = safe_of(sandbox, [KEY, OTHER, THIRD], 3)
    send(sandbox, safe, calldata("enableModule(address)", strong), sender=safe)
    assert kinds((await facts(sandbox, beacon)).owner) == ["safe"], "a module that is stronger weakens nothing"
    send(sandbox, safe, calldata("enableModule(address)", THIRD), sender=safe)
    weak = (await facts(sandbox, beacon)).owner
    assert kinds(weak) == ["safe", "eoa"] and (weak.signatures, weak.threshold) == (1, 2)
    send(sandbox, safe, calldata("enableModule(address)", safe_of(sandbox, [KEY], 1)), sender=safe)
    assert (await facts(sandbox, beacon)).owner.signatures == 1
    for n in range(MOST_MODULES):
        send(sandbox, safe, calldata("enableModule(address)", "0x" + f"{n + 16:02x}" * 20), sender=safe)
    many = (await facts(sandbox, beacon)).owner
    assert kinds(many) == ["safe", "unknown"] and "10 modules and more" in many.words


async def test_a_beacon_proxy_is_upgraded_by_the_beacons_owner_and_an_old_proxy_by_its_admins(sandbox: Sandbox) -> None:
    implementation = Address(sandbox.addresses["usdc"])
    beacon = deploy(sandbox, f"{OZ5}/UpgradeableBeacon.json", ["address", "address"], implementation, KEY)
    proxy = deploy(sandbox, f"{OZ5}/BeaconProxy.json", ["address", "bytes"], beacon, b"")
    found = await facts(sandbox, proxy)
    assert (found.beacon, found.implementation) == (beacon, implementation)
    assert found.upgrade_by.address == beacon and kinds(found.upgrade_by) == ["contract", "eoa"]
    admin = deploy(sandbox, f"{OZ3}/ProxyAdmin.json")
    old = deploy(
        sandbox, f"{OZ3}/TransparentUpgradeableProxy.json", ["address", "address", "bytes"], implementation, admin, b""
    )
    found = await facts(sandbox, old)
    assert found.implementation == implementation and kinds(found.upgrade_by) == ["contract", "eoa"]
    send(sandbox, admin, calldata("renounceOwnership()"))
    found = await facts(sandbox, old)
    assert kinds(found.upgrade_by) == ["contract", "none"], "a proxy admin that nobody owns upgrades nothing"


async def test_a_timelock_of_either_version_states_its_delay(sandbox: Sandbox) -> None:
    new = deploy(
        sandbox,
        f"{OZ5}/TimelockController.json",
        ["uint256", "address[]", "address[]", "address"],
        3600,
        [KEY],
        [KEY],
        NOBODY,
    )
    old = deploy(sandbox, f"{OZ3}/TimelockController.json", ["uint256", "address[]", "address[]"], 7200, [KEY], [KEY])
    for timelock, delay in ((new, 3600), (old, 7200)):
        beacon = deploy(
            sandbox, f"{OZ5}/UpgradeableBeacon.json", ["address", "address"], sandbox.addresses["usdc"], timelock
        )
        owner = (await facts(sandbox, beacon)).owner
        assert (owner.kind, owner.delay_seconds) == (ControllerKind.TIMELOCK, delay)


async def test_owners_in_a_circle_end(sandbox: Sandbox) -> None:
    implementation = sandbox.addresses["usdc"]
    one = deploy(sandbox, f"{OZ5}/UpgradeableBeacon.json", ["address", "address"], implementation, KEY)
    two = deploy(sandbox, f"{OZ5}/UpgradeableBeacon.json", ["address", "address"], implementation, one)
    send(sandbox, one, calldata("transferOwnership(address)", two), sender=KEY)
    found = await facts(sandbox, one)
    assert kinds(found.owner) == ["contract", "unknown"] and found.owner.signatures == 0
    assert "controlled by what it controls" in found.owner.words


async def test_the_sandboxs_markets_cold_and_warm(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    chain = load(sandbox.config).jobs[0].chain
    known = adapters()
    async with sandbox.node() as node:
        lists = await node.run([known[d.protocol].discover(d) for d in chain.deployments], await node.block())
    wanted = dict[Address, Dependency]()
    markets = 0
    for deployment, listed in zip(chain.deployments, lists, strict=True):
        assert not isinstance(listed, MarketError), listed
        for market in listed:
            markets += 1
            for one in stands_on(market, deployment.params):
                wanted.setdefault(one.address, one)
    cold, requests = await look(sandbox, list(wanted.values()))
    assert requests <= 8
    memory = remembered(list(wanted.values()), cold)
    warm, again = await look(sandbox, list(wanted.values()), memory)
    assert again == 2, "one batch and one aggregate"
    one, two = ([facts_of(one, readings) for one in wanted.values()] for readings in (cold, warm))
    assert one == two and all(found.code_hash for found in one)
    with capsys.disabled():
        print(f"\n{markets} markets, {len(wanted)} contracts, {len(cold)} addresses: {requests} requests, then {again}")


async def test_an_upgrade_is_seen_by_a_warm_look_with_all_its_views(sandbox: Sandbox) -> None:
    admin = deploy(sandbox, f"{OZ3}/ProxyAdmin.json")
    plain = Address(sandbox.addresses["usdc"])
    proxy = deploy(
        sandbox, f"{OZ3}/TransparentUpgradeableProxy.json", ["address", "address", "bytes"], plain, admin, b""
    )
    wanted = [Dependency(proxy, Part.POOL)]
    before, _ = await look(sandbox, wanted)
    assert facts_of(wanted[0], before).owner.kind is ControllerKind.NONE
    timelock = deploy(sandbox, f"{OZ3}/TimelockController.json", ["uint256", "address[]", "address[]"], 60, [], [])
    send(sandbox, admin, calldata("upgrade(address,address)", proxy, timelock))
    after, _ = await look(sandbox, wanted, remembered(wanted, before))
    assert facts_of(wanted[0], after).implementation == timelock
    assert after[proxy].word("getMinDelay") is not None, "functions that the old code did not have are tried"
