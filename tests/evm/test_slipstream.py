"""Slipstream's real pools, compiled from their sources: our integers are theirs, and swaps by the real router."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.kit.exchange_world import ExchangeWorld
from tests.kit.pools import own_sandbox
from yieldbot.math.concentrated import MOST_TICK, V3Pool, sqrt_at
from yieldbot.math.venues import V3Venue, VenuePath
from yieldbot.model.address import checksummed
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.exchange import Pool
from yieldbot.model.gas import SWAP_TX
from yieldbot.model.gas import SWAPS as SWAPS_GAS
from yieldbot.model.tx import EvmCall
from yieldbot.model.units import MAX_UINT256
from yieldbot.protocols import exchanges
from yieldbot.sandbox.evm.artifacts import own
from yieldbot.sandbox.evm.deployer import Deployer
from yieldbot.sandbox.evm.exchanges.slipstream import CAP, Contracts, deploy_contracts, new_pool
from yieldbot.sandbox.evm.node import Sandbox

__all__ = ["own_sandbox"]  # a fixture: hundreds of blocks are mined

SLIPSTREAM = exchanges()["slipstream"]
SWAPS = 12
"""Real swaps in each of three pools, each compared with what we said of it and with the pool's state afterwards."""
SPACINGS = (1, 50, 200)
NEAR = sorted(range(-20, 21), key=abs)
"""By how much (1e-6) the fee may differ from the one that was read two blocks before."""


@dataclass(kw_only=True)
class World(ExchangeWorld):
    """The exchange and three tokens, in the order of their addresses."""

    protocol = "slipstream"
    made: Contracts
    tokens: tuple[Token, ...]

    @property
    def params(self) -> dict[str, Any]:
        return {"factory": self.made.factory.address, "router": self.made.router.address, "spacings": [*SPACINGS]}

    async def pool(self, pair: tuple[Token, Token], spacing: int, draw: random.Random) -> Pool:
        """A pool at a random price with liquidity in random ranges and, thin, everywhere."""
        tick = draw.randint(-60_000, 60_000)
        at = await new_pool(self.d, self.made, [token.address for token in pair], spacing, sqrt_at(tick) + 1)
        full = MOST_TICK // spacing * spacing
        await self.d.send(self.made.minter, "mint", at.address, -full, full, 10 ** draw.randint(20, 21))
        for width in (1, 10, 100):
            low = (tick + draw.randint(-2 * width, width) * spacing) // spacing * spacing
            liquidity = 10 ** draw.randint(17, 22)
            await self.d.send(self.made.minter, "mint", at.address, low, low + 2 * width * spacing, liquidity)
        await self.d.send(at, "increaseObservationCardinalityNext", 400)
        return next(pool for pool in await self.listed([pair]) if pool.params["tick_spacing"] == spacing)


@pytest.fixture
async def world(own_sandbox: Sandbox) -> AsyncIterator[World]:
    async with own_sandbox.node() as node:
        snapshot = await node.request("evm_snapshot", [])
        await node.request("anvil_setBlockTimestampInterval", [1])  # however slow the machine is
        d = Deployer(node, [checksummed(a) for a in await node.request("eth_accounts", [])])
        made, artifact = await deploy_contracts(d), own()["TestToken"]
        tokens = [await d.deploy(artifact, f"T{k}", f"T{k}", 18) for k in range(3)]
        tokens.sort(key=lambda token: int(token.address, 16))
        for token in tokens:
            await d.send(token, "mint", d.me, 10**40)
            await d.send(token, "approve", made.minter.address, MAX_UINT256)
        listed = tuple(Token(node.chain, checksummed(t.address), f"T{k}", 18) for k, t in enumerate(tokens))
        yield World(d=d, token_abi=artifact.abi, made=made, tokens=listed)
        await node.request("anvil_removeBlockTimestampInterval", [])
        await node.request("evm_revert", [snapshot])


async def swapped(w: World, pool: Pool, given: Token, raw: int) -> tuple[V3Pool, int]:
    """(the pool as it was read before, what came out)."""
    wanted = pool.token1 if given == pool.token0 else pool.token0
    state = (await w.state(pool)).zero
    assert isinstance(state, V3Venue)
    before = await w.balance(wanted)
    (call,) = SLIPSTREAM.swap((pool,), Amount(given, raw), Amount(wanted, 0), w.d.me, 2**40)
    await w.send(call)
    return state.pool, await w.balance(wanted) - before


def after_swap(pool: V3Pool, fee_pips: int, zero: bool, raw: int) -> tuple[int, int, int, int]:
    """(price, tick, liquidity and what comes out) of a swap at this fee."""
    done = replace(pool, fee_pips=fee_pips).swap(raw, zero)
    into, out = (done.amount0, done.amount1) if zero else (done.amount1, done.amount0)
    assert into == raw
    return done.sqrt_price_x96, done.tick, done.liquidity, -out


@pytest.mark.parametrize("spacing", SPACINGS)
async def test_swaps_are_the_pools_to_the_unit_with_the_fee_of_the_moment(spacing: int, world: World) -> None:
    draw, fees, same = random.Random(spacing), set[int](), 0
    pair = (world.tokens[0], world.tokens[1])
    pool = await world.pool(pair, spacing, draw)
    assert pool.name == f"Slipstream CL{spacing}" and pool.params["tick_spacing"] == spacing
    later = (await world.d.node.block()).timestamp + 1200  # the TWAP that the fee depends on spans 10 minutes
    await world.d.node.request("evm_setNextBlockTimestamp", [later])
    await world.d.node.request("evm_mine", [])
    for _ in range(SWAPS):
        zero, raw = draw.random() < 0.5, int(10 ** draw.uniform(3, 19.5))
        before, out = await swapped(world, pool, pair[0 if zero else 1], raw)
        after = (await world.state(pool)).zero
        assert isinstance(after, V3Venue)
        # The TWAP moves with each block, and the fee with it, by a few units of 1e-6 since it was read.
        found = (after.pool.sqrt_price_x96, after.pool.tick, after.pool.liquidity, out)
        off = next(off for off in NEAR if after_swap(before, before.fee_pips + off, zero, raw) == found)
        same += off == 0
        fees.add(before.fee_pips)
    assert same >= SWAPS * 3 // 4 and len(fees) > 1 and max(fees) <= CAP


async def test_the_router_gives_what_we_say_through_two_pools_and_no_less(world: World) -> None:
    draw, tokens = random.Random(5), world.tokens
    pools = tuple([await world.pool((tokens[k], tokens[k + 1]), spacing, draw) for k, spacing in enumerate((1, 200))])
    now = (await world.d.node.block()).timestamp
    for row, way in ((tokens, pools), (tokens[::-1], pools[::-1])):
        states = [await world.state(pool) for pool in way]
        venues = [state.venue(token) for state, token in zip(states, row, strict=False)]
        given = Amount(row[0], 10**15 + 7)
        out = VenuePath(*venues).quote_exact_in(given.raw)[0]

        def swap(least: int, deadline: int = now + 3000, way: Any = way, given: Any = given, row: Any = row) -> EvmCall:
            (call,) = SLIPSTREAM.swap(way, given, Amount(row[-1], least), world.d.me, deadline)
            return call

        assert await world.reverts(swap(out, now - 1)) == "None"  # Slipstream's deadline has no message
        assert "did not move from our account" in await world.reverts(swap(out))  # nothing is allowed to it yet
        await world.d.send(world.contract(row[0]), "approve", world.made.router.address, given.raw)
        assert "less than the least" in await world.reverts(swap(out + 10**12))
        before = [await world.balance(token) for token in (row[0], row[-1])]
        gas = await world.send(swap(out * 9999 // 10_000))
        after = [await world.balance(token) for token in (row[0], row[-1])]
        assert before[0] - after[0] == given.raw and abs(after[1] - before[1] - out) <= out // 10_000
        assert gas <= SWAP_TX + 2 * SWAPS_GAS["slipstream"]
        left = await world.d.read(world.contract(row[0]), "allowance", world.d.me, world.made.router.address)
        assert not any(left)
