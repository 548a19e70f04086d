"""Our swap arithmetic against real Uniswap v4 pools, to the unit, and what of them is found and read."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from eth_abi.abi import decode

from tests.kit.pools import own_sandbox, without_exchange
from tests.kit.program import yieldbot
from tests.kit.v4 import ANY_HOOK, V4World, compare, new_v4_pool, quoting, take_protocol_fee, v4_world
from yieldbot.config.load import load
from yieldbot.errors import ConfigError, MarketError
from yieldbot.math.concentrated import MOST_TICK
from yieldbot.math.venues import V3Venue
from yieldbot.model.exchange import Pool, PoolState
from yieldbot.model.v4 import PoolKey
from yieldbot.protocols import exchanges
from yieldbot.protocols.evm.uniswap_v4 import read_pool, ways
from yieldbot.sandbox.evm.node import Sandbox

__all__ = ["own_sandbox", "v4_world"]  # fixtures

V4 = exchanges()["uniswap_v4"]
QUOTES = 250
"""Of each of eight pools, without a protocol's fee and with one: 4,000 in all."""
KEYS = [(100, 1), (500, 10), (3000, 60), (10_000, 200), (0, 1), (137, 7), (250_000, 1000)]


async def venues_of(world: V4World, pool: Pool) -> tuple[V3Venue, V3Venue]:
    """Both ways of a pool, with all of its ticks."""
    (read,) = await world.node.run([read_pool(pool, 2 * MOST_TICK)], await world.node.block())
    assert isinstance(read, tuple), read
    return ways(*read)


@pytest.mark.parametrize("seed", range(8))
async def test_v4_swaps_are_the_pools_to_the_unit(seed: int, v4_world: V4World) -> None:
    draw = random.Random(seed)
    fee, spacing = draw.choice(KEYS)
    key = await new_v4_pool(v4_world, draw, fee, spacing)
    (pool,) = await v4_world.listed(KEYS)
    assert pool.id == "0x" + key.id.hex() and (pool.params["fee"], pool.params["spacing"]) == (fee, spacing)
    same, refused = await compare(v4_world, key, await venues_of(v4_world, pool), draw, QUOTES)
    assert same >= QUOTES // 4 and same + refused == QUOTES
    # The protocol takes its part, another one each way; nothing else has changed.
    taken = draw.randint(1, 1000), draw.randint(0, 1000)
    await take_protocol_fee(v4_world, key, *taken)
    after = await venues_of(v4_world, pool)
    assert [v.pool.fee_pips for v in after] == [fee + p - fee * p // 10**6 for p in taken]
    same, refused = await compare(v4_world, key, after, draw, QUOTES)
    assert same >= QUOTES // 4 and same + refused == QUOTES


async def test_pools_with_hooks_or_dynamic_fees_are_not_found(v4_world: V4World) -> None:
    """They can be made, and no key that the chain's file can spell is theirs."""
    d, (zero, one) = v4_world.deployer, (token.address for token in v4_world.tokens)
    plain = PoolKey(zero, one, 3000, 60)
    hooks = "0x" + "00" * 18 + "1080"  # an address whose bits ask for calls after a pool is made and before swaps
    await d.node.request("anvil_setCode", [hooks, ANY_HOOK])
    for fields in ((*plain.fields[:4], hooks), (zero, one, 0x800000, 60, hooks)):
        await d.send(v4_world.v4.manager, "initialize", fields, 2**96)
    assert await v4_world.listed(KEYS) == ()
    await d.send(v4_world.v4.manager, "initialize", plain.fields, 2**96)
    (found,) = await v4_world.listed(KEYS)
    assert found.id == "0x" + plain.id.hex() and found.name == "v4 0.30%"
    other = await v4_world.listed([(3000, 60), (3000, 1), (50, 1)])
    assert other == (found,)
    for fee, spacing, name in ((3000, 1, "v4 0.30%/1"), (50, 1, "v4 0.005%/1")):
        await d.send(v4_world.v4.manager, "initialize", (zero, one, fee, spacing, plain.fields[4]), 2**96)
        (one_more,) = await v4_world.listed([(fee, spacing)])
        assert one_more.name == name and one_more != found and one_more.id != found.id


async def test_a_view_of_another_manager_is_refused(v4_world: V4World, own_sandbox: Sandbox) -> None:
    with pytest.raises(AssertionError, match="looks at another pool manager"):
        await v4_world.listed(KEYS, pool_manager=own_sandbox.addresses["v4_manager"])


async def test_a_pool_without_liquidity_or_ticks_is_no_surprise(v4_world: V4World) -> None:
    key = PoolKey(v4_world.tokens[0].address, v4_world.tokens[1].address, 500, 10)
    await v4_world.deployer.send(v4_world.v4.manager, "initialize", key.fields, 2**96)
    (pool,) = await v4_world.listed(KEYS)
    (state,) = await v4_world.node.run([V4.observe(pool)], await v4_world.node.block())
    assert isinstance(state, PoolState)
    with pytest.raises(ValueError, match="beyond the ticks"):
        state.zero.quote_exact_in(1000)
    (gone,) = await v4_world.node.run(
        [V4.observe(replace(pool, params={**pool.params, "id": "0x" + "11" * 32}))], await v4_world.node.block()
    )
    assert isinstance(gone, MarketError) and "no pool of a static fee" in str(gone)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("[[8388608, 60]]", "8388608 is no static fee"),
        ("[[3000, 0]]", "0 is no tick spacing"),
        ("[[3000]]", "keys"),
        ("[]", "keys"),
    ],
)
def test_keys_that_are_none_are_refused(keys: str, said: str, sandbox: Sandbox) -> None:
    file = sandbox.directory / "chains" / "sandbox.toml"
    file.write_text(re.sub("^keys = .*$", f"keys = {keys}", file.read_text(), flags=re.MULTILINE))
    with pytest.raises(ConfigError, match=said):
        load(sandbox.config)


@pytest.mark.parametrize(("given", "wanted", "amount"), [("USDC", "WETH", "6000"), ("WETH", "USDC", "2")])
def test_quotes_are_split_over_v3_and_v4(
    given: str, wanted: str, amount: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    ended = yieldbot("--config", sandbox.config, "quote", given, wanted, amount, "--json", cwd=tmp_path)
    assert ended.code == 0, ended.err
    document = ended.document
    assert document["gap_bps"] < 0.1 and document["unread"] == [] and document["declined"] is None
    of_v3, of_v4 = document["parts"]
    assert (of_v3["pools"][0]["name"], of_v4["pools"][0]["name"]) == ("Uniswap v3 0.05%", "Uniswap v4 0.30%")
    usdc, weth = (sandbox.addresses[name] for name in ("usdc", "weth"))
    key = PoolKey(*sorted((usdc, weth), key=lambda token: int(token, 16)), 3000, 60)
    (shown,) = of_v4["pools"]
    assert shown["id"] == "0x" + key.id.hex() and shown["address"] == sandbox.addresses["v4_manager"]
    given_is_zero = (usdc if given == "USDC" else weth) == key.zero
    read = quoting(sandbox.addresses["v4_quoter"], key, given_is_zero, int(of_v4["taken"]["raw"]))
    answer = sandbox.rpc("eth_call", {"to": read.to, "data": "0x" + read.data.hex()}, "latest")
    assert decode(["uint256", "uint256"], bytes.fromhex(answer[2:]))[0] == int(of_v4["given"]["raw"])
    without_exchange(sandbox, "uniswap_v4")
    alone = yieldbot("--config", sandbox.config, "quote", given, wanted, amount, "--json", cwd=tmp_path).document
    assert int(alone["given"]["raw"]) < int(document["given"]["raw"])


def test_check_sees_a_router_of_another_manager(sandbox: Sandbox) -> None:
    file = sandbox.directory / "chains" / "sandbox.toml"
    good, router = file.read_text(), sandbox.addresses["v4_router"]

    def said() -> tuple[bool, str]:
        rows = yieldbot("--json", "check", cwd=sandbox.directory).document["checks"]
        (row,) = (row for row in rows if row["what"] == "sandbox Uniswap v4")
        return row["ok"], row["said"]

    assert said()[0], said()
    v3 = sandbox.addresses["uniswap_router"]
    file.write_text(good.replace(router, v3))
    assert said() == (False, f"{v3} names no pool manager: it is no router")
    state_view, usdc = sandbox.addresses["v4_state_view"], sandbox.addresses["usdc"]
    manager = sandbox.addresses["v4_manager"]
    file.write_text(good.replace(f'pool_manager = "{manager}"', f'pool_manager = "{usdc}"'))
    assert said() == (False, f"{state_view} is of the pool manager {manager.lower()}")
