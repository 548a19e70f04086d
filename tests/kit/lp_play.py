"""Carries out liquidity orders on real pools, and compares the wallet's changes with what the orders predict."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.kit.pools import FAR, FEES, World, new_pool
from yieldbot.chains.evm.execution.balances import fetch_allowance
from yieldbot.chains.evm.liquidity.orders import Prepared, adding, collecting, compounding, removing
from yieldbot.chains.evm.liquidity.swaps import Terms
from yieldbot.errors import MarketError
from yieldbot.math.concentrated import MOST_TICK
from yieldbot.math.liquidity_range import Range
from yieldbot.model.amounts import Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import Address
from yieldbot.model.liquidity import LiquidityPool, PoolPosition
from yieldbot.protocols.evm.uniswap_v3_liquidity import LIQUIDITY

SLIPPAGE = 0.005
MOST_LIQUIDITY = 1 << 105


@dataclass
class Tally:
    """Number of orders carried out, by kind. errors: sum of the differences in base units, over both tokens of all
    orders."""

    played: dict[str, int] = field(default_factory=dict)
    errors: int = 0
    left_allowed: int = 0


@dataclass
class Field:
    """One pool of a world."""

    world: World
    pool: Pool
    deployment: Deployment
    tally: Tally

    async def state(self) -> LiquidityPool:
        flow = LIQUIDITY.observe(self.pool, self.deployment)
        (found,) = await self.world.node.run([flow], await self.world.node.block())
        assert isinstance(found, LiquidityPool), found
        return found

    async def position(self, token_id: int) -> PoolPosition:
        state = await self.state()
        flow = LIQUIDITY.position({self.pool.address: state}, self.deployment, token_id)
        (found,) = await self.world.node.run([flow], await self.world.node.block())
        assert isinstance(found, PoolPosition), found
        return found

    def terms(self) -> Terms:
        return Terms(id="play", owner=self.world.deployer.me, slippage=SLIPPAGE, deadline=FAR)

    async def balances(self) -> tuple[int, int]:
        d, found = self.world.deployer, []
        for token in self.world.tokens:
            found.append(int.from_bytes(await d.read(token, "balanceOf", d.me), "big"))
        return found[0], found[1]

    async def play(self, kind: str, prepared: Prepared) -> None:
        """Send every step as the owner's transaction, and add the difference to the tally."""
        before, d = await self.balances(), self.world.deployer
        async for step in prepared.steps(self.world.node):
            await d._send({"to": step.call.to, "data": "0x" + step.call.data.hex()}, step.call.description)
        after = await self.balances()
        for was, now, said in zip(before, after, prepared.expected, strict=True):
            self.tally.errors += abs(now - was - said)
        for token in self.world.tokens:
            left = await fetch_allowance(self.world.node, token.address, Address(d.me), self.world.positions.address)
            self.tally.left_allowed += left
        self.tally.played[kind] = self.tally.played.get(kind, 0) + 1

    async def swaps(self, draw: random.Random, fee: int, count: int = 3) -> None:
        pair = [token.address for token in self.world.tokens]
        for _ in range(count):
            given, taken = pair if draw.random() < 0.5 else pair[::-1]
            terms = (given, taken, fee, self.world.deployer.me, FAR, int(10 ** draw.uniform(6, 22)), 0, 0)
            try:
                await self.world.deployer.send(self.world.router, "exactInputSingle", terms)
            except Exception as empty:  # the price left all liquidity: try another amount
                assert "reverted" in str(empty)


async def play(world: World, draw: random.Random, tally: Tally, positions: int) -> None:
    """A random pool, random positions in it; each is opened, added to, compounded, collected, halved and emptied,
    with trades in between."""
    fee = draw.choice(list(FEES))
    address = await new_pool(world, draw, fee)
    chain = world.node.chain
    for token in world.tokens:  # revoke the allowances of the pool's first positions: from here on allowances are exact
        await world.deployer.send(token, "approve", world.positions.address, 0)
    token0, token1 = (Token(chain, token.address, f"T{i}", 18) for i, token in enumerate(world.tokens))
    pool = Pool("uniswap_v3", "test", address, token0, token1)
    params: dict[str, Any] = {"factory": world.factory.address, "manager": world.positions.address}
    ground = Field(world, pool, Deployment("uniswap_v3", chain, "test", params, (token0, token1)), tally)
    spacing, most = FEES[fee], MOST_TICK // FEES[fee] * FEES[fee]
    for _ in range(positions):
        state = await ground.state()
        low = state.tick // spacing * spacing - spacing * draw.choice([0, 1, 5, 100, 400])
        high = low + spacing * draw.choice([1, 2, 30, 300, 900])
        ticks = Range(max(-most, low), min(most, high))
        have = int(10 ** draw.uniform(6, 24)), int(10 ** draw.uniform(6, 24))
        if ticks.low >= ticks.high or ticks.liquidity(state.sqrt_price_x96, *have) >= MOST_LIQUIDITY:
            continue  # the pool refuses more liquidity at a tick than it may hold
        try:
            await ground.play("add", adding(state, have, ticks, None, ground.terms()))
        except MarketError:
            continue  # amounts that make no liquidity there
        data = await world.deployer.read(world.positions, "balanceOf", world.deployer.me)
        data = await world.deployer.read(
            world.positions, "tokenOfOwnerByIndex", world.deployer.me, int.from_bytes(data, "big") - 1
        )
        token_id = int.from_bytes(data, "big")
        await ground.swaps(draw, fee)
        position = await ground.position(token_id)
        with suppress(MarketError):  # no fees, or of one token alone
            await ground.play("compound", compounding(position, ground.terms()))
        state = await ground.state()
        with suppress(MarketError):
            if ticks.liquidity(state.sqrt_price_x96, *have) < MOST_LIQUIDITY:
                await ground.play("increase", adding(state, have, ticks, token_id, ground.terms()))
        await ground.swaps(draw, fee)
        await ground.play("collect", collecting(await ground.position(token_id), ground.terms()))
        await ground.swaps(draw, fee, 2)
        position = await ground.position(token_id)
        await ground.play("remove some", removing(position, position.liquidity // 2, ground.terms()))
        position = await ground.position(token_id)
        await ground.play("remove all", removing(position, position.liquidity, ground.terms()))
        emptied = await ground.position(token_id)
        assert emptied.liquidity == 0 and emptied.fees == (0, 0)
