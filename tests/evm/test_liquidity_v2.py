"""Liquidity of a real Uniswap v2 pair: fees by a share's growth, prices by its sums, and what burning a share pays."""

from __future__ import annotations

import math
import random

import pytest

from tests.kit.policies import loose
from tests.kit.pools import World, own_sandbox, world
from yieldbot.allocator.liquidity_advice import appraise
from yieldbot.math import constant_product
from yieldbot.math.estimate import LOG_TICK
from yieldbot.model.address import checksummed
from yieldbot.model.amounts import Apy, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool
from yieldbot.model.liquidity import LiquidityPool, PoolHistory
from yieldbot.protocols.evm.uniswap_v2_liquidity import LIQUIDITY
from yieldbot.sandbox.evm.artifacts import packaged
from yieldbot.sandbox.evm.deployer import Contract

__all__ = ["own_sandbox", "world"]  # fixtures
RESERVES = (4_000 * 10**18, 1_000 * 10**18)
EVERY = 600


async def test_a_pairs_liquidity(world: World) -> None:
    d, node = world.deployer, world.node
    factory = await d.deploy(packaged("@uniswap/v2-core/build/UniswapV2Factory.json"), d.me)
    pair = [token.address for token in world.tokens]
    await d.send(factory, "createPair", *pair)
    at = checksummed(await d.read_address(factory, "getPair", *pair))
    contract = Contract(at, packaged("@uniswap/v2-core/build/UniswapV2Pair.json").abi)
    for token, amount in zip(world.tokens, RESERVES, strict=True):
        await d.send(token, "transfer", at, amount)
    await d.send(contract, "mint", d.me)
    tokens = [Token(node.chain, token.address, f"T{i}", 18) for i, token in enumerate(world.tokens)]
    pool = Pool("uniswap_v2", "pair", at, tokens[0], tokens[1], {"fee_bps": 30})
    deployment = Deployment("uniswap_v2", node.chain, "v2", {"factory": factory.address}, tuple(tokens))

    async def state() -> LiquidityPool:
        (found,) = await node.run([LIQUIDITY.observe(pool, deployment)], await node.block())
        assert isinstance(found, LiquidityPool), found
        return found

    draw, fees, prices = random.Random(3), [], []
    for _ in range(24):
        reserves = (await state()).reserves
        zero, amount = draw.random() < 0.5, int(10**18 * draw.uniform(1, 20))
        sides = reserves if zero else reserves[::-1]
        out = constant_product.amount_out(amount, *sides)
        await d.send(world.tokens[0 if zero else 1], "transfer", at, amount)
        await d.send(contract, "swap", 0 if zero else out, out if zero else 0, d.me, b"")
        after = await state()
        prices.append(after.reserves[1] / after.reserves[0])
        fees.append((zero, amount * 0.003, prices[-1]))
        await d.warp(EVERY)
    seen = await state()
    (record,) = await node.run([LIQUIDITY.history(seen, 72)], await node.block())  # three blocks a trade
    assert isinstance(record, PoolHistory) and not record.missing and len(record.fees) == 12
    price = seen.reserves[1] / seen.reserves[0]
    earned = math.fsum(record.fees) * seen.liquidity
    # A share grows by half of a fee's part of its reserve: valued now, a fee counts at the root of both prices.
    paid_in = math.fsum(raw * math.sqrt(price * then if zero else price / then) for zero, raw, then in fees)
    assert earned == pytest.approx(paid_in, rel=0.01)
    assert math.fsum(record.fee_seconds) == pytest.approx(24 * EVERY, rel=0.02)
    means = [(b - a) / record.tick_seconds for a, b in zip(record.ticks, record.ticks[1:], strict=False)]
    expected = [math.log((prices[2 * i] + prices[2 * i + 1]) / 2) / LOG_TICK for i in range(12)]
    assert means == pytest.approx(expected, abs=2.0), "each window's mean price, in ticks"

    found = appraise(seen, record, 10.0**18, 1e3, loose(horizon_days=30.0), [Apy(0.03)])
    assert found.best.full and found.best.at_mean.lost == pytest.approx(found.estimate.sigma.mean**2 / 8)
    assert found.net[0] < found.net[1] < found.net[2]

    (owned,) = await node.run([LIQUIDITY.owned({at: seen}, deployment, d.me)], await node.block())
    assert isinstance(owned, tuple)
    mine = owned[0]
    assert len(mine) == 1 and mine[0].in_range and mine[0].ticks is None
    before = [int.from_bytes(await d.read(token, "balanceOf", d.me), "big") for token in world.tokens]
    held = int.from_bytes(await d.read(contract, "balanceOf", d.me), "big")
    await d.send(contract, "transfer", at, held)
    await d.send(contract, "burn", d.me)
    paid = [
        int.from_bytes(await d.read(t, "balanceOf", d.me), "big") - was
        for t, was in zip(world.tokens, before, strict=True)
    ]
    assert tuple(paid) == mine[0].amounts, "to the unit"
