"""Our swap arithmetic against real Uniswap v2 and v3 pools: every unit, every price, both ways."""

from __future__ import annotations

import random

import pytest
from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector as selector

from tests.kit.pools import FAR, FEES, World, ask, compare, new_pool, own_sandbox, world
from yieldbot.math import constant_product
from yieldbot.math.concentrated import MOST_TICK, Unswappable, V3Pool, sqrt_at, tick_at
from yieldbot.model.address import checksummed
from yieldbot.model.reads import EthCall
from yieldbot.model.units import MAX_UINT256
from yieldbot.protocols.evm.uniswap_v3 import read_pool
from yieldbot.sandbox.evm.artifacts import packaged
from yieldbot.sandbox.evm.deployer import Contract

__all__ = ["own_sandbox", "world"]  # fixtures

QUOTES = 200
"""Of each of eight pools, before a real swap in it and after: 3,200 in all."""
PAIRS = 750
"""Random pairs that a real router is asked about, four times: 3,000 in all."""


@pytest.mark.parametrize("seed", range(8))
async def test_v3_swaps_are_the_pools_to_the_unit(seed: int, world: World) -> None:
    draw = random.Random(seed)
    fee = draw.choice(list(FEES))
    address = await new_pool(world, draw, fee)
    block = await world.node.block()
    (pool,) = await world.node.run([read_pool(address, 2 * MOST_TICK)], block)
    assert isinstance(pool, V3Pool)
    same, refused = await compare(world, pool, draw, fee, QUOTES)
    assert same >= QUOTES // 4 and same + refused == QUOTES

    # A real swap, then the pool's own state: price, tick and liquidity are ours.
    zero_for_one, amount = draw.random() < 0.5, int(10 ** draw.uniform(3, 20))
    expected = pool.swap(amount, zero_for_one)
    pair = [token.address for token in world.tokens]
    given, taken = pair if zero_for_one else pair[::-1]
    terms = (given, taken, fee, world.deployer.me, FAR, amount, 0, 0)
    await world.deployer.send(world.router, "exactInputSingle", terms)
    (after,) = await world.node.run([read_pool(address, 2 * MOST_TICK)], await world.node.block())
    assert isinstance(after, V3Pool)
    told = (after.sqrt_price_x96, after.tick, after.liquidity)
    assert told == (expected.sqrt_price_x96, expected.tick, expected.liquidity)
    same, refused = await compare(world, after, draw, fee, QUOTES)
    assert same + refused == QUOTES


async def test_what_was_not_read_is_not_guessed(world: World) -> None:
    draw = random.Random(3)
    address = await new_pool(world, draw, 500)
    (near,) = await world.node.run([read_pool(address, 100)], await world.node.block())
    assert isinstance(near, V3Pool) and near.last_word - near.first_word <= 1
    with pytest.raises(Unswappable, match="beyond the ticks that were read"):
        near.swap(10**29, True)


@pytest.mark.parametrize("seed", range(4))
async def test_v2_swaps_are_the_pairs_to_the_unit(seed: int, world: World) -> None:
    draw = random.Random(seed)
    d = world.deployer
    factory = await d.deploy(packaged("@uniswap/v2-core/build/UniswapV2Factory.json"), d.me)
    router_file = packaged("@uniswap/v2-periphery/build/UniswapV2Router02.json")
    router = await d.deploy(router_file, factory.address, world.tokens[0].address)
    pair = [token.address for token in world.tokens]
    for token in world.tokens:
        await d.send(token, "approve", router.address, MAX_UINT256)
    reserves = [int(10 ** draw.uniform(4, 24)) for _ in range(2)]
    # The router derives a pair's address from its code's hash, which another compilation changes: by the pair itself.
    await d.send(factory, "createPair", *pair)
    at = checksummed(await d.read_address(factory, "getPair", *pair))
    pool = Contract(at, packaged("@uniswap/v2-core/build/UniswapV2Pair.json").abi)
    for token, amount in zip(world.tokens, reserves, strict=True):
        await d.send(token, "transfer", at, amount)
    await d.send(pool, "mint", d.me)
    names = {True: "getAmountOut(uint256,uint256,uint256)", False: "getAmountIn(uint256,uint256,uint256)"}
    asked = []
    for number in range(PAIRS):  # the router's library is pure: other reserves are other pairs
        exact_in, zero = draw.random() < 0.5, draw.random() < 0.5
        pair_of = reserves if number < 100 else [int(10 ** draw.uniform(0, 33)) for _ in range(2)]
        sides = pair_of if zero else pair_of[::-1]
        asked.append((exact_in, int(10 ** draw.uniform(0, 25)), *sides))
    calls = [
        EthCall(router.address, bytes(selector(names[kind])) + encode(["uint256"] * 3, numbers), optional=True)
        for kind, *numbers in asked
    ]
    (answers,) = await world.node.run([ask(calls)], await world.node.block())
    told = 0
    for (exact_in, amount, into, out), answer in zip(asked, answers, strict=True):
        ours = constant_product.amount_out if exact_in else constant_product.amount_in
        try:
            found = ours(amount, into, out)
        except Unswappable:
            assert not answer
            continue
        assert found == int.from_bytes(answer, "big")
        told += 1
    assert told >= PAIRS // 3
    # The pair itself takes exactly this, and refuses a unit more.
    amount = max(10, reserves[0] // 7)
    out = constant_product.amount_out(amount, *reserves)
    if out:
        await d.send(world.tokens[0], "transfer", at, amount)
        with pytest.raises(Exception, match="reverted"):
            await d.send(pool, "swap", 0, out + 1, d.me, b"")
        await d.send(pool, "swap", 0, out, d.me, b"")


def test_ticks_and_prices_are_each_others() -> None:
    draw = random.Random(1)
    for tick in (
        -MOST_TICK,
        MOST_TICK - 1,
        0,
        1,
        -1,
        *(draw.randint(-MOST_TICK + 1, MOST_TICK - 1) for _ in range(3000)),
    ):
        price = sqrt_at(tick)
        assert tick_at(price) == tick
        if tick > -MOST_TICK:
            assert tick_at(price - 1) == tick - 1
