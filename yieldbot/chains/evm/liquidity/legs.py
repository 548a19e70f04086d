"""Steps of a plan's liquidity legs: enter with one token, leave into one token, rebalance a range.

A leg only moves its own amount, what comes out of positions, and what these become; what the wallet held before stays
there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from fractions import Fraction

from yieldbot.allocator.liquidity_market import without_positions
from yieldbot.chains.evm.liquidity.order import LiquidityOrder, OrderCall, Steps, Tally
from yieldbot.chains.evm.liquidity.orders import manager_of, putting_in, removing
from yieldbot.chains.evm.liquidity.swaps import Swapper, Terms, router_of
from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import SafetyError
from yieldbot.math.liquidity_range import Range
from yieldbot.math.range_entry import around_price
from yieldbot.model.amounts import Token
from yieldbot.model.liquidity import LiquidityMarket, PoolPosition
from yieldbot.model.policy import Base
from yieldbot.model.units import BPS

NOTHING_BEFORE: Mapping[Token, int] = {}
"""Empty balances before the leg: what a leg has is counted only by its tally."""


def swapper(
    lp: LiquidityMarket, usd: Mapping[Token, float], base: Base, terms: Terms, start: Mapping[Token, int]
) -> Swapper:
    """The Swapper of the market's pool, with the base's price limits for swaps. start: what the leg puts in, by token;
    empty for a leg that removes liquidity."""
    state, near = lp.state, base.max_impact_bps / BPS
    order = LiquidityOrder(
        id=terms.id,
        manager=manager_of(state),
        tokens=(state.pool.token0, state.pool.token1),
        fee_pips=round(state.fee * 1_000_000),
        token_id=None,
        expires_at=terms.deadline,
        router=router_of(state),
    )
    return Swapper(state.pool, lp.deployment, order, usd, near, terms, near, Tally(start))


def entering(lp: LiquidityMarket, pool: Swapper, shift: int) -> Steps:
    """Steps that put the tally's start into the market's range: into our position there, or into a new range of the
    same width around the price, shifted by at most ``shift`` ticks."""

    async def steps(node: Node) -> AsyncIterator[OrderCall]:
        ticks = Range(*lp.ticks)
        if lp.token_id is None:
            ticks = _near(await pool.centred(node, ticks, NOTHING_BEFORE), lp, shift)
        async for step in putting_in(pool, node, ticks, lp.token_id, NOTHING_BEFORE):
            yield step

    return steps


def leaving(lp: LiquidityMarket, share: Fraction, asset: Token, pool: Swapper) -> Steps:
    """Steps that remove the fraction ``share`` of each position's liquidity and all uncollected fees, and swap all of
    it into ``asset``."""

    async def steps(node: Node) -> AsyncIterator[OrderCall]:
        async for step in _out(lp, share, pool, node):
            yield step
        async for step in pool.sold(node, asset != pool.order.tokens[0], NOTHING_BEFORE):
            yield step

    return steps


def rebalancing(lp: LiquidityMarket, pool: Swapper, shift: int) -> Steps:
    """Steps that remove everything and put it into one new position of the same width around the price, shifted by at
    most ``shift`` ticks. That limit is checked before anything is removed."""

    async def steps(node: Node) -> AsyncIterator[OrderCall]:
        have = [amounts for p in lp.positions for amounts in (p.amounts, p.fees)]
        rest = without_positions(await pool.read(node), lp.positions)
        _near(around_price(rest, Range(*lp.ticks), (sum(a[0] for a in have), sum(a[1] for a in have))), lp, shift)
        async for step in _out(lp, Fraction(1), pool, node):
            yield step
        ticks = await pool.centred(node, Range(*lp.ticks), NOTHING_BEFORE)
        async for step in putting_in(pool, node, ticks, None, NOTHING_BEFORE):
            yield step

    return steps


def _near(found: Range, lp: LiquidityMarket, shift: int) -> Range:
    """The range, if it is at most ``shift`` ticks from the approved one. Raises SafetyError."""
    if abs(found.low - lp.ticks[0]) <= shift:
        return found
    reason = f"the price has moved since the plan was made: the range would be ticks {found.low} to {found.high}"
    raise SafetyError("NOT_IN_PLAN", f"{reason}, {lp.ticks[0]} to {lp.ticks[1]} was approved")


async def _out(lp: LiquidityMarket, share: Fraction, pool: Swapper, node: Node) -> AsyncIterator[OrderCall]:
    """Steps that remove liquidity from each position. The minimums of each are computed when its turn comes, at the
    pool's price then, which independent prices must confirm."""
    for position in lp.positions:
        await pool.trusted(node)
        now: PoolPosition = replace(position, state=await pool.state(node))
        taken = -(-position.liquidity * share.numerator // share.denominator)
        async for step in removing(now, min(position.liquidity, taken), pool.terms).steps(node):
            yield step
