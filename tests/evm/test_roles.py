"""Who holds roles: OpenZeppelin's own bytecode on the sandbox, with a list of holders, by events, and an AccessManager;
and what the watch says when a role is given away."""

from __future__ import annotations

import pytest
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from tests.evm.test_controls import DAY, KEY, NOBODY, OTHER, OZ3, OZ5, THIRD, deploy, safe_of
from tests.evm.test_watch import alarms, looked
from tests.kit.contracts import call, calldata, send
from tests.kit.evm.home import Home
from yieldbot.errors import MarketError
from yieldbot.model.controls import ContractFacts, ControllerKind, Dependency, Part, Role
from yieldbot.model.ids import Address, MarketId
from yieldbot.protocols.evm.control_facts import facts_of
from yieldbot.protocols.evm.control_reads import KnownCode, read_controls, remembered
from yieldbot.protocols.evm.role_reads import KnownRoles, RoleReads, with_roles
from yieldbot.sandbox.evm.node import Sandbox

ADMIN, MINTER, PAUSER = bytes(32), keccak(text="MINTER_ROLE"), keccak(text="PAUSER_ROLE")
M = MarketId("test/1/pool")


@pytest.fixture
def home(sandbox: Sandbox) -> Home:
    return Home(sandbox)


def manager_of(sandbox: Sandbox) -> Address:
    """Aave's ACLManager."""
    provider = call(sandbox, sandbox.addresses["aave_pool"], "ADDRESSES_PROVIDER()").hex()[-40:]
    return Address(to_checksum_address("0x" + call(sandbox, "0x" + provider, "getACLManager()").hex()[-40:]))


async def read(
    sandbox: Sandbox, address: Address, known: KnownCode | None = None, roles: dict[Address, KnownRoles] | None = None
) -> tuple[ContractFacts, KnownCode, RoleReads, int]:
    """The facts, what the next look may take as known, and the requests."""
    one = Dependency(address, Part.POOL)
    async with sandbox.node() as node:
        block = await node.block()
        book, before = RoleReads(block.height, roles or {}), node.round_trips
        (answer,) = await node.run([read_controls([one], known, (book,))], block)
        assert not isinstance(answer, MarketError), answer
        readings = with_roles(answer, book)
        return facts_of(one, readings), remembered([one], readings), book, node.round_trips - before


def held(facts: ContractFacts) -> dict[str, set[str | None]]:
    return {role.name: {one.address for one in role.holders} for role in facts.roles}


def role(facts: ContractFacts, name: str) -> Role:
    return next(one for one in facts.roles if one.name == name)


async def test_a_token_that_lists_who_holds_its_roles(sandbox: Sandbox) -> None:
    me = Address(to_checksum_address(sandbox.rpc("eth_accounts")[0]))
    safe = safe_of(sandbox, [KEY, OTHER, THIRD], 2)
    token = deploy(sandbox, f"{OZ3}/ERC20PresetMinterPauser.json", ["string", "string"], "T", "T")
    send(sandbox, token, calldata("grantRole(bytes32,address)", MINTER, safe))
    for n in range(6):
        send(sandbox, token, calldata("grantRole(bytes32,address)", PAUSER, "0x" + f"{n + 0x70:02x}" * 20))
    facts, known, book, requests = await read(sandbox, token)
    assert requests <= 8
    found = held(facts)
    assert {k: v for k, v in found.items() if v} == {
        "DEFAULT_ADMIN_ROLE": {me},
        "MINTER_ROLE": {me, safe},
        "PAUSER_ROLE": {me, *(address for address in found["PAUSER_ROLE"] if address != me)},
    }
    assert len(found["PAUSER_ROLE"]) == 7, "more than are asked for at once"
    assert {one.kind for one in role(facts, "MINTER_ROLE").holders} == {ControllerKind.EOA, ControllerKind.SAFE}
    assert [one.kind for one in facts.changers] == [ControllerKind.EOA] and not facts.missing
    send(sandbox, token, calldata("revokeRole(bytes32,address)", MINTER, me))
    again, _, _, requests = await read(sandbox, token, known, book.remembered())
    assert held(again)["MINTER_ROLE"] == {safe}
    assert requests <= 4


async def test_a_timelock_says_who_proposes_only_by_events_and_hasrole(sandbox: Sandbox) -> None:
    safe = safe_of(sandbox, [KEY, OTHER, THIRD], 2)
    types = ["uint256", "address[]", "address[]", "address"]
    timelock = deploy(sandbox, f"{OZ5}/TimelockController.json", types, 2 * DAY, [safe], [NOBODY], NOBODY)
    beacon = deploy(
        sandbox, f"{OZ5}/UpgradeableBeacon.json", ["address", "address"], sandbox.addresses["usdc"], timelock
    )
    facts, known, book, requests = await read(sandbox, beacon)
    assert requests <= 8
    assert [one.kind for one in facts.owner.chain] == [ControllerKind.TIMELOCK, ControllerKind.SAFE]
    assert (facts.owner.warning_seconds, facts.owner.signatures) == (2 * DAY, 2)
    grant = calldata("grantRole(bytes32,address)", keccak(text="PROPOSER_ROLE"), KEY)
    send(sandbox, timelock, grant, sender=timelock)
    weak, known, book, _ = await read(sandbox, beacon, known, book.remembered())
    assert [one.kind for one in weak.owner.chain] == [ControllerKind.TIMELOCK, ControllerKind.EOA]
    _, _, _, warm = await read(sandbox, beacon, known, book.remembered())
    assert warm == 2
    revoke = calldata("revokeRole(bytes32,address)", keccak(text="PROPOSER_ROLE"), KEY)
    send(sandbox, timelock, revoke, sender=timelock)
    strong, _, _, _ = await read(sandbox, beacon, known, book.remembered())
    assert strong.owner.signatures == 2, "an event says who may hold it, the contract who does"


async def test_an_access_managers_admins_act_after_their_delays(sandbox: Sandbox) -> None:
    manager = deploy(sandbox, f"{OZ5}/AccessManager.json", ["address"], KEY)
    beacon = deploy(
        sandbox, f"{OZ5}/UpgradeableBeacon.json", ["address", "address"], sandbox.addresses["usdc"], manager
    )
    facts, known, book, _ = await read(sandbox, beacon)
    assert [one.kind for one in facts.owner.chain] == [ControllerKind.CONTRACT, ControllerKind.EOA]
    safe = safe_of(sandbox, [KEY, OTHER, THIRD], 2)
    send(sandbox, manager, calldata("grantRole(uint64,address,uint32)", 0, safe, DAY), sender=KEY)
    send(sandbox, manager, calldata("renounceRole(uint64,address)", 0, KEY), sender=KEY)
    facts, _, _, _ = await read(sandbox, beacon, known, book.remembered())
    assert facts.owner.warning_seconds == DAY and facts.owner.signatures == 2
    (member,) = (one for one in (await read(sandbox, manager))[0].roles)
    assert member.name == "ADMIN_ROLE of its AccessManager" and "multisig 2 of 3" in member.holders[0].words


async def test_aaves_roles_are_those_of_its_manager(sandbox: Sandbox) -> None:
    facts, _, _, requests = await read(sandbox, Address(sandbox.addresses["aave_pool"]))
    assert requests <= 8
    print(held(facts))
    assert held(facts)["DEFAULT_ADMIN_ROLE"] and held(facts)["POOL_ADMIN"]
    assert any(one.kind is ControllerKind.EOA for one in facts.changers)


def test_a_role_given_to_a_key_is_one_line_and_its_market_is_left(home: Home) -> None:
    sandbox = home.sandbox
    manager, me = manager_of(sandbox), sandbox.rpc("eth_accounts")[0]
    first = looked(home)
    aave = next(one["market_id"] for one in first["markets"] if one["market_id"].startswith("aave_v3"))
    send(sandbox, manager, calldata("addPoolAdmin(address)", KEY), sender=me)
    job = looked(home)
    lines = [line for one in job["messages"] if one["market_id"] == aave for line in one["lines"]]
    assert len([line for line in lines if "POOL_ADMIN" in line]) == 1, lines
    assert ("CONTROL_WEAKER", "leave") in alarms(job, aave)
    assert any("POOL_ADMIN was given to one key" in one["saw"] for one in job["alarms"])
    assert looked(home)["messages"] == []
    send(sandbox, manager, calldata("removePoolAdmin(address)", KEY), sender=me)
    assert alarms(looked(home), aave) == []
