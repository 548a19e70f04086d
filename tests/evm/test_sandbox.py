"""The sandbox: real protocols that stand as it says, a wallet that opens, a clock that can be moved and put back."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from eth_abi import decode, encode
from eth_account import Account
from eth_utils import function_signature_to_4byte_selector as selector

from tests.kit.contracts import call, calldata, mined, send
from yieldbot.chains.evm.node.anvil import find_anvil, is_anvil, spawn, stop
from yieldbot.chains.evm.node.fork import fork_of
from yieldbot.errors import ConfigError, NodeRefused, TransientError
from yieldbot.model.ids import Address
from yieldbot.model.reads import EthCall, Flow
from yieldbot.sandbox import down, load
from yieldbot.sandbox.evm.node import CHAIN, PAST_SECONDS, Sandbox
from yieldbot.sandbox.local import Local

pytestmark = pytest.mark.sandbox
M = 10**12  # a million USDC in base units
RAY, WAD, YEAR_SECONDS = 10**27, 10**18, 31_536_000


def read(sandbox: Sandbox, name: str, signature: str, *values: object) -> list[int]:
    """A view's answer as 32-byte words, at the head."""
    raw = call(sandbox, sandbox.addresses[name], signature, *values)
    return [int.from_bytes(raw[i : i + 32], "big") for i in range(0, len(raw), 32)]


def attempt(sandbox: Sandbox, name: str, signature: str, *values: object) -> None:
    """The call as the wallet would make it, without sending it. Raises NodeRefused when it reverts."""
    call(sandbox, sandbox.addresses[name], signature, *values, sender=sandbox.wallet)


def aave_reserve(sandbox: Sandbox, prefix: str) -> tuple[int, int]:
    """USDC supplied and borrowed, raw."""
    words = read(sandbox, f"{prefix}_data_provider", "getReserveData(address)", sandbox.addresses["usdc"])
    return words[2], words[4]


def test_aave_markets_stand_as_described(sandbox: Sandbox) -> None:
    usdc = sandbox.addresses["usdc"]
    supplied, borrowed = aave_reserve(sandbox, "aave")
    assert 8 * M <= supplied < 8.1 * M and borrowed / supplied == pytest.approx(0.8, abs=0.005)
    supplied, _ = aave_reserve(sandbox, "aave_prime")
    _, cap = read(sandbox, "aave_prime_data_provider", "getReserveCaps(address)", usdc)
    assert cap * 10**6 <= supplied, "Prime is at its supply cap"
    frozen = {
        prefix: read(sandbox, f"{prefix}_data_provider", "getReserveConfigurationData(address)", usdc)[9]
        for prefix in ("aave", "aave_prime", "aave_legacy")
    }
    assert frozen == {"aave": 0, "aave_prime": 0, "aave_legacy": 1}
    supply = "supply(address,uint256,address,uint16)"
    refused = {"aave_prime": "SupplyCapExceeded()", "aave_legacy": "ReserveFrozen()"}
    for prefix in ("aave", "aave_prime", "aave_legacy"):
        approve = calldata("approve(address,uint256)", sandbox.addresses[f"{prefix}_pool"], M)
        send(sandbox, usdc, approve, sender=sandbox.wallet)
        arguments = (sandbox, f"{prefix}_pool", supply, usdc, 10**9, sandbox.wallet, 0)
        if prefix in refused:
            with pytest.raises(NodeRefused) as refusal:
                attempt(*arguments)
            assert refusal.value.data == selector(refused[prefix])
        else:
            attempt(*arguments)


def test_comet_is_above_its_kink(sandbox: Sandbox) -> None:
    (utilisation,) = read(sandbox, "comet", "getUtilization()")
    (kink,) = read(sandbox, "comet", "supplyKink()")
    assert kink < utilisation < WAD
    assert utilisation / WAD == pytest.approx(0.95, abs=0.001)


@pytest.mark.parametrize(("letter", "expected"), [("a", 0.85), ("b", 0.92)])
def test_morpho_markets_stand_as_described(sandbox: Sandbox, letter: str, expected: float) -> None:
    market_id = bytes.fromhex(sandbox.addresses[f"morpho_market_{letter}"][2:])
    supplied, _, borrowed, *_ = read(sandbox, "morpho", "market(bytes32)", market_id)
    assert borrowed / supplied == pytest.approx(expected, abs=0.002)
    if letter == "b":
        assert supplied - borrowed < 100_000 * 10**6, "less liquidity than our wallet could supply"


def test_metamorpho_spreads_over_both_markets_and_is_capped_in_the_second(sandbox: Sandbox) -> None:
    assert read(sandbox, "metamorpho", "supplyQueueLength()") == [2]
    caps = [
        read(sandbox, "metamorpho", "config(bytes32)", bytes.fromhex(sandbox.addresses[f"morpho_market_{m}"][2:]))[0]
        for m in "ab"
    ]
    assert caps == [20_000_000 * 10**6, 300_000 * 10**6]
    assert read(sandbox, "metamorpho", "totalAssets()")[0] == pytest.approx(M, rel=1e-3)


def test_vaults_earn_what_they_say(sandbox: Sandbox) -> None:
    growing = ("stata", "metamorpho", "drip")
    shares = {name: 10 ** read(sandbox, name, "decimals()")[0] for name in growing}
    before = {name: read(sandbox, name, "convertToAssets(uint256)", shares[name])[0] for name in growing}
    (assets,) = read(sandbox, "drip", "totalAssets()")
    at = sandbox.status().timestamp
    sandbox.warp(30)
    for name in growing:
        (now,) = read(sandbox, name, "convertToAssets(uint256)", shares[name])
        assert 1.001 < now / before[name] < 1.05, name
    (per_second,) = read(sandbox, "drip", "perSecond()")
    assert read(sandbox, "drip", "totalAssets()")[0] - assets == per_second * (sandbox.status().timestamp - at)
    assert 0 <= 45_000 * 10**6 - per_second * YEAR_SECONDS < YEAR_SECONDS


def test_exchange_and_feeds_agree_on_the_price_of_ether(sandbox: Sandbox) -> None:
    quote = (sandbox.addresses["weth"], sandbox.addresses["usdc"], WAD, 500, 0)
    data = bytes(selector("quoteExactInputSingle((address,address,uint256,uint24,uint160))"))
    call = {
        "to": sandbox.addresses["uniswap_quoter"],
        "data": "0x" + (data + encode(["(address,address,uint256,uint24,uint160)"], [quote])).hex(),
    }
    bought = int(sandbox.rpc("eth_call", call, "latest")[2:66], 16)
    _, usd, _, updated_at, _ = read(sandbox, "weth_feed", "latestRoundData()")
    assert usd == 3000 * 10**8 and updated_at > 0
    assert bought / 10**6 == pytest.approx(3000, rel=0.01)
    assert read(sandbox, "usdc_feed", "latestRoundData()")[1] == 10**8


def test_prices_move_a_little_where_a_person_lets_time_pass_so_that_none_is_taken_for_a_constant(
    sandbox: Sandbox,
) -> None:
    def said() -> list[int]:
        usdc, weth = sandbox.addresses["usdc"], sandbox.addresses["weth"]
        prices = [read(sandbox, "aave_prime_oracle", "getAssetPrice(address)", token)[0] for token in (usdc, weth)]
        return [*prices, read(sandbox, "morpho_oracle", "price()")[0] // 10**16]

    local, before = Local(sandbox.directory, sandbox, None), said()
    for step in (1, 2):
        local.warp(15)
        assert [now - then for now, then in zip(said(), before, strict=True)] == [step] * 3
    call = {"from": sandbox.rpc("eth_accounts")[0], "to": sandbox.addresses["weth_feed"]}
    mined(sandbox, call | {"data": "0x" + bytes(selector("stop()")).hex(), "gas": hex(10**6)})
    local.warp(15)
    assert read(sandbox, "weth_feed", "latestRoundData()")[1] == 3000 * 10**8 + 2, "a silent feed stays silent"


def test_wallet_holds_its_funds_and_opens_with_its_passphrase(sandbox: Sandbox) -> None:
    assert read(sandbox, "usdc", "balanceOf(address)", sandbox.wallet) == [100_000 * 10**6]
    assert int(sandbox.rpc("eth_getBalance", sandbox.wallet, "latest"), 16) == 10 * WAD
    keystore = sandbox.directory / "keys" / "main.json"
    passphrase = (sandbox.directory / "passphrase").read_text().strip()
    key = Account.decrypt(json.loads(keystore.read_text()), passphrase)
    assert Account.from_key(key).address == sandbox.wallet
    for secret in (keystore, sandbox.directory / "passphrase", sandbox.directory / ".env"):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600, secret
    settings = tomllib.loads(sandbox.config.read_text())
    assert settings["wallets"][0]["address"] == sandbox.wallet
    assert bytes(key).hex() not in sandbox.config.read_text()


async def test_every_address_has_code_and_one_aggregate3_reads_them(sandbox: Sandbox) -> None:
    contracts = [Address(a) for name, a in sandbox.addresses.items() if not name.startswith("morpho_market_")]

    def sizes() -> Flow[list[int]]:
        balance = calldata("balanceOf(address)", sandbox.wallet)
        (held,) = yield [EthCall(Address(sandbox.addresses["usdc"]), balance)]
        return [int.from_bytes(held, "big")]

    async with sandbox.node() as node:
        for address in contracts:
            assert await node.code(address), address
        assert await node.run([sizes()], await node.block()) == [[100_000 * 10**6]]


async def test_recent_blocks_stay_readable_and_can_be_forked(sandbox: Sandbox) -> None:
    async with sandbox.node() as node:
        head = await node.block()
        share = calldata("convertToAssets(uint256)", 10**12)
        drip = Address(sandbox.addresses["drip"])
        past, now = [
            decode(["uint256"], await node.call(drip, share, await node.block(height)))[0]
            for height in (head.height - 5, head.height)
        ]
        assert past < now, "a trailing rate can be read"
        earlier = await node.block(head.height - 2)
        sandbox.warp(30)
        async with fork_of(
            sandbox.rpc_url, earlier, chain=CHAIN, multicall3=Address(sandbox.addresses["multicall3"])
        ) as fork:
            assert await fork.call(drip, share) == await node.call(drip, share, earlier)


def test_the_clock_starts_in_the_past_moves_and_is_put_back(sandbox: Sandbox) -> None:
    before = sandbox.status()
    assert 0 < PAST_SECONDS - before.seconds_to_wall_clock < 5 * 86_400
    snapshot = sandbox.rpc("evm_snapshot")
    sandbox.warp(30)
    after = sandbox.status()
    assert after.height == before.height + 1
    assert 30 * 86_400 <= after.timestamp - before.timestamp <= 30 * 86_400 + 120
    sandbox.rpc("evm_revert", snapshot)
    assert sandbox.status().height == before.height
    sandbox.rpc("evm_mine")
    assert sandbox.status().timestamp - before.timestamp < 120, "the clock is put back too"


def test_load_and_down_know_the_node_by_more_than_its_number(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no sandbox runs"):
        load(tmp_path)
    assert not down(tmp_path)
    state = {
        "directory": "",
        "rpc_url": sandbox.rpc_url,
        "pid": sandbox.pid,
        "born": sandbox.born + 1,  # an anvil of that process id lives, but it is not the one that was started
        "wallet": sandbox.wallet,
        "transactions": 1,
        "addresses": {},
    }
    (tmp_path / "sandbox.json").write_text(json.dumps(state))
    assert not down(tmp_path)
    assert sandbox.alive
    (tmp_path / "sandbox.json").write_text(json.dumps(state | {"born": sandbox.born}))
    assert load(tmp_path).status() == sandbox.status()


def test_a_node_can_outlive_its_starter_until_it_is_stopped(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from yieldbot.chains.evm.node.anvil import spawn;"
        "print(spawn([], log=Path(sys.argv[1]), temporary=False).pid)"
    )
    shown = subprocess.run([sys.executable, "-c", program, str(tmp_path / "log")], capture_output=True, check=True)
    pid = int(shown.stdout)
    try:
        assert is_anvil(pid)
    finally:
        stop(pid)
    assert not is_anvil(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends children with their parent on Linux alone")
def test_a_temporary_node_dies_with_its_starter(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from yieldbot.chains.evm.node.anvil import spawn;"
        "print(spawn([], log=Path(sys.argv[1]), temporary=True).pid, flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "log")], stdout=subprocess.PIPE)
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    assert is_anvil(pid)
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    deadline = time.monotonic() + 60
    while is_anvil(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_anvil(pid)


def test_an_anvil_that_does_not_start_says_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="while it started: see"):
        spawn(["--no-such-option"], log=tmp_path / "log", temporary=True)
    with pytest.raises(ConfigError, match="is not a program"):
        find_anvil(tmp_path / "anvil")
