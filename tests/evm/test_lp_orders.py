"""Orders of liquidity on the real position manager: to the unit, within their minimums, and nothing left allowed."""

from __future__ import annotations

import random

import pytest

from tests.kit.lp_play import Tally, play
from tests.kit.pools import World, mint, new_pool, own_sandbox, world
from yieldbot.allocator.liquidity_advice import value_of
from yieldbot.math.concentrated import sqrt_at
from yieldbot.math.liquidity_range import Range, moved
from yieldbot.model.amounts import Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import Address
from yieldbot.model.liquidity import LiquidityPool, PoolPosition
from yieldbot.protocols.evm import uniswap_v3_liquidity
from yieldbot.protocols.evm.uniswap_v3_liquidity import LIQUIDITY

__all__ = ["own_sandbox", "world"]  # fixtures


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_added_removed_and_collected_is_what_was_said(seed: int, world: World) -> None:
    tally = Tally()
    await play(world, random.Random(100 + seed), tally, 3)
    assert tally.errors == 0 and tally.left_allowed == 0
    assert tally.played.get("add", 0) >= 1 and tally.played["remove all"] == tally.played["add"]


@pytest.mark.parametrize("seed", range(200))
def test_minimums_hold_at_every_price_within_the_slippage(seed: int) -> None:
    draw = random.Random(seed)
    tick, slippage = draw.randint(-500_000, 500_000), draw.choice([0.001, 0.005, 0.03])
    low = tick - draw.choice([10, 200, 5000])
    ticks, root = Range(low, tick + draw.choice([10, 300, 8000])), sqrt_at(tick)
    have = 10 ** draw.randint(9, 24), 10 ** draw.randint(9, 24)
    liquidity, desired, needed = ticks.settled(root, *have)
    if not liquidity:
        return
    assert ticks.liquidity(root, *desired) == liquidity and ticks.amounts(liquidity, root, up=True) == needed
    assert all(n <= d <= h for n, d, h in zip(needed, desired, have, strict=True))
    whole = ticks.liquidity(root, *have)
    if min(whole, root * sqrt_at(ticks.high) >> 96) > 10**6:  # else a rounding takes more
        assert liquidity >= whole * 0.999, "hardly less than all of it would make"
    put, out = ticks.least_put(root, desired, slippage), ticks.least_out(root, liquidity, slippage)
    for part in (-slippage, -slippage / 3, 0.0, slippage / 2, slippage):
        price = moved(root, part)
        taken = ticks.amounts(ticks.liquidity(price, *desired), price, up=True)
        assert all(least <= real <= most for least, real, most in zip(put, taken, desired, strict=True))
        assert all(least <= real for least, real in zip(out, ticks.amounts(liquidity, price), strict=True))


async def test_positions_in_pools_that_are_not_listed_are_named(world: World) -> None:
    draw = random.Random(9)
    await new_pool(world, draw, 500)
    params = {"factory": world.factory.address, "manager": world.positions.address}
    table = Deployment("uniswap_v3", world.node.chain, "test", params, ())
    (found,) = await world.node.run([LIQUIDITY.owned({}, table, world.deployer.me)], await world.node.block())
    assert isinstance(found, tuple) and found[0] == [] and found[1] == tuple(range(1, len(found[1]) + 1)) != ()


async def test_what_strangers_give_hides_no_position_of_ours(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody can open positions for our account: of more than are looked at closely, the dearest are."""
    draw = random.Random(4)
    address = await new_pool(world, draw, 500)
    chain, pair = world.node.chain, [token.address for token in world.tokens]
    token0, token1 = (Token(chain, Address(at), f"T{i}", 18) for i, at in enumerate(pair))
    params = {"factory": world.factory.address, "manager": world.positions.address}
    table = Deployment("uniswap_v3", chain, "test", params, (token0, token1))
    block = await world.node.block()
    (state,) = await world.node.run([LIQUIDITY.observe(Pool("uniswap_v3", "p", address, token0, token1), table)], block)
    assert isinstance(state, LiquidityPool)
    middle = state.tick // 10 * 10
    await mint(world, pair, 500, middle - 1000, middle + 1000, 10**22)
    for _ in range(8):
        await mint(world, pair, 500, middle - 1000, middle + 1000, 10**12)

    async def owned() -> list[PoolPosition]:
        flow = LIQUIDITY.owned({address: state}, table, world.deployer.me)
        (found,) = await world.node.run([flow], await world.node.block())
        assert isinstance(found, tuple), found
        return list(found[0])

    everything = await owned()
    dearest = sorted(everything, key=lambda position: value_of(state, position.amounts))[-2:]
    monkeypatch.setattr(uniswap_v3_liquidity, "MOST_POSITIONS", 2)
    few = await owned()
    assert len(everything) >= 9 and {p.token_id for p in few} == {p.token_id for p in dearest}
