"""Positions in real Uniswap v3 pools: amounts and fees to the unit, as the position manager pays them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from eth_abi.abi import decode

from tests.kit.pools import FAR, FEES, World, mint, new_pool, own_sandbox, world
from yieldbot.math.concentrated import MOST_TICK
from yieldbot.math.liquidity_range import MASK128, Range
from yieldbot.protocols.evm.uniswap_v3 import read_pool
from yieldbot.protocols.evm.v3_position import V3Position, read_position

__all__ = ["own_sandbox", "world"]  # fixtures


async def told(world: World, function: str, *args: Any) -> tuple[int, ...]:
    """What a call of the manager's by its owner would answer, undone at once."""
    data = world.positions.data(function, *args)
    asked = {"from": world.deployer.me, "to": world.positions.address, "data": data}
    answer = bytes.fromhex((await world.node.request("eth_call", [asked, "latest"]))[2:])
    return tuple(decode(["uint256"] * (len(answer) // 32), answer))


async def read(world: World, token_id: int) -> V3Position:
    flow = read_position(world.positions.address, world.factory.address, token_id)
    (found,) = await world.node.run([flow], await world.node.block())
    assert isinstance(found, V3Position), found
    return found


async def swap(world: World, draw: random.Random, fee: int) -> None:
    pair = [token.address for token in world.tokens]
    given, taken = pair if draw.random() < 0.5 else pair[::-1]
    terms = (given, taken, fee, world.deployer.me, FAR, int(10 ** draw.uniform(6, 22)), 0, 0)
    try:
        await world.deployer.send(world.router, "exactInputSingle", terms)
    except Exception as empty:  # the price ran out of all liquidity: another amount will do
        assert "reverted" in str(empty)


@pytest.mark.parametrize("seed", range(6))
async def test_amounts_and_fees_are_what_the_manager_pays(seed: int, world: World) -> None:
    draw = random.Random(seed)
    fee = draw.choice(list(FEES))
    address = await new_pool(world, draw, fee)
    pair = [token.address for token in world.tokens]
    (pool,) = await world.node.run([read_pool(address)], await world.node.block())
    spacing, middle = FEES[fee], pool.tick // FEES[fee] * FEES[fee]  # type: ignore[union-attr]
    for _ in range(3):  # twice the same range, so that the manager's and the pool's counts differ by roundings
        low = middle - spacing * draw.randint(1, 200)
        for _ in range(2):
            await mint(world, pair, fee, low, middle + spacing * 300, 10 ** draw.randint(6, 24))
    (count,) = await told(world, "balanceOf", world.deployer.me)
    ids = range(1, count + 1)
    for _ in range(4):
        for _ in range(3):
            await swap(world, draw, fee)
        for token_id in ids:
            found = await read(world, token_id)
            if not found.liquidity:
                continue
            collected = await told(world, "collect", (token_id, world.deployer.me, MASK128, MASK128))
            assert collected == found.fees, token_id
            part = max(1, found.liquidity // draw.choice([1, 2, 3, 7]))
            taken = await told(world, "decreaseLiquidity", (token_id, part, 0, 0, FAR))
            assert taken == found.ticks.amounts(part, found.sqrt_price_x96)
        chosen = draw.choice(list(ids))
        await world.deployer.send(world.positions, "collect", (chosen, world.deployer.me, MASK128, MASK128))
        assert (await read(world, chosen)).fees == (0, 0)


@pytest.mark.parametrize("seed", range(4))
async def test_liquidity_of_amounts_is_the_managers(seed: int, world: World) -> None:
    draw = random.Random(50 + seed)
    fee = draw.choice(list(FEES))
    address = await new_pool(world, draw, fee)
    pair = [token.address for token in world.tokens]
    (pool,) = await world.node.run([read_pool(address)], await world.node.block())
    spacing, checked = FEES[fee], 0
    for _ in range(25):
        tick = pool.tick // spacing * spacing  # type: ignore[union-attr]
        low = tick + spacing * draw.randint(-400, 300)
        ticks = Range(max(low, -MOST_TICK // spacing * spacing + spacing), low + spacing * draw.randint(1, 500))
        zero, one = (int(10 ** draw.uniform(3, 24)) for _ in range(2))
        expected = ticks.liquidity(pool.sqrt_price_x96, zero, one)  # type: ignore[union-attr]
        terms = (*pair, fee, ticks.low, ticks.high, zero, one, 0, 0, world.deployer.me, FAR)
        if not 0 < expected < 1 << 110:
            continue
        _, liquidity, took0, took1 = await told(world, "mint", terms)
        assert liquidity == expected
        assert (took0, took1) == ticks.amounts(expected, pool.sqrt_price_x96, up=True)  # type: ignore[union-attr]
        checked += 1
    assert checked >= 10
