"""A plan's liquidity leg as executable work: its steps from the newest pool, and what they may name."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from yieldbot.allocator.convert import price_refusal
from yieldbot.allocator.liquidity_market import fees_of, proceeds, share_for, without_positions
from yieldbot.chains.evm.execution.account import LegWork
from yieldbot.chains.evm.liquidity.legs import entering, leaving, rebalancing, swapper
from yieldbot.chains.evm.liquidity.order import Provides, Steps
from yieldbot.chains.evm.liquidity.swaps import Swapper, Terms
from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import MarketError, SafetyError
from yieldbot.math.concentrated import Unswappable
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.ids import Address
from yieldbot.model.liquidity import LiquidityMarket
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.plan import Leg, LegKind, Plan
from yieldbot.model.policy import Base
from yieldbot.model.reads import Flow
from yieldbot.model.units import BPS
from yieldbot.protocols import liquidity
from yieldbot.protocols.evm.uniswap_v3 import read_pool


def provide_work(plan: Plan, index: int, leg: Leg, snapshot: Snapshot, base: Base, now: int) -> LegWork:
    """The leg with its steps. now: unix seconds by the clock that the plan expires by; deadlines are in the chain's
    time.

    Raises SafetyError if the prices of the pool's tokens cannot be trusted.
    """
    state, exchange = snapshot.of(leg.market_id), snapshot.exchange
    asset = state.market.asset
    if state.liquidity_market is None or exchange is None:
        raise SafetyError("NOT_IN_PLAN", f"{state.market.name} is no pool that plans provide liquidity to")
    lp = over(state.liquidity_market, leg)
    for token in (asset, lp.other) if leg.kind is not LegKind.WITHDRAW else ():
        if (why := price_refusal(exchange, token, base, snapshot.block.timestamp)) is not None:
            raise SafetyError(why.code, why.reason)
    left_seconds = max(1, plan.expires_at - now)
    lasts_seconds = min(base.deadline_seconds, left_seconds)
    terms = Terms(
        id=plan.id,
        owner=plan.owner,
        slippage=base.slippage_bps / BPS,
        deadline=snapshot.block.timestamp + left_seconds,
        lasts_seconds=base.deadline_seconds,
    )
    usd = {token: price.usd for token, price in exchange.usd.items()}
    start = {asset: leg.amount.raw} if leg.kind is LegKind.DEPOSIT else {}
    pool = swapper(lp, usd, base, terms, start)
    steps, words = _steps_of(leg, state, lp, pool, shift_ticks(base, lp))
    position = Token(asset.chain, pool.order.manager, "position", 0)
    assert pool.order.router is not None and pool.tally is not None
    provides = Provides(
        steps=steps,
        tally=pool.tally,
        manager=pool.order.manager,
        router=pool.order.router,
        pair=pool.order.tokens,
        tokens=(asset, lp.other, position),
        token_ids=frozenset(p.token_id for p in lp.positions if p.token_id is not None),
        description=words,
        entry_cost_bps=state.entry_cost_bps + base.slippage_bps,
        slippage_bps=base.slippage_bps,
        shift_ticks=shift_ticks(base, lp),
    )

    async def back(fork: Node) -> Provides:
        block = await fork.block()
        (now,) = await fork.run([_observed(state, plan.owner, block)], block)
        if isinstance(now, MarketError):
            raise now
        later = replace(terms, deadline=block.timestamp + base.deadline_seconds)
        out = swapper(now, usd, base, later, {})
        assert out.tally is not None
        return replace(provides, steps=leaving(now, Fraction(1), asset, out), tally=out.tally)

    return LegWork(
        index=index,
        leg=leg,
        market=state.market,
        calls=(),
        share_token=None,
        targets={},
        spenders=(),
        observe=lambda block: _worth(state, plan.owner, block),
        lasts_seconds=lasts_seconds,
        provides=replace(provides, back=back),
    )


def over(lp: LiquidityMarket, leg: Leg) -> LiquidityMarket:
    """The market with the leg's approved range: our position with exactly that range, else a new position."""
    if leg.ticks is None:
        return lp
    same = (p.token_id for p in lp.positions if p.ticks == leg.ticks and leg.kind is LegKind.DEPOSIT)
    return replace(lp, ticks=leg.ticks, token_id=next(same, None))


def shift_ticks(base: Base, lp: LiquidityMarket) -> int:
    """Number of ticks by which the plan's earlier swaps and the leg's own swap may move the price: the policy's price
    impact for each (a tick is a bp), plus one tick spacing."""
    return int(2 * base.max_impact_bps) + lp.state.spacing


def _steps_of(leg: Leg, state: MarketState, lp: LiquidityMarket, pool: Swapper, shift: int) -> tuple[Steps, str]:
    """The leg's steps, and their description."""
    low, high = lp.ticks
    place = f"{state.market.name} over ticks {low} to {high}"
    if leg.kind is LegKind.DEPOSIT:
        return entering(lp, pool, shift), f"provide {leg.amount} to {place}"
    if leg.kind is LegKind.REBALANCE:
        return rebalancing(lp, pool, shift), f"rebalance the range of {leg.amount} in {place}"
    share = Fraction(1) if leg.all else share_for(leg.amount.raw, state.held.raw, fees_of(state, lp))
    return leaving(lp, share, leg.amount.token, pool), f"take {leg.amount} out of {state.market.name}"


def _worth(state: MarketState, owner: Address, block: BlockRef) -> Flow[MarketState]:
    """Reads what our positions in the pool would pay now, including those opened since the snapshot."""
    lp = yield from _observed(state, owner, block)
    pool, positions = (yield from read_pool(lp.state.pool.address)), lp.positions
    parts = [amounts for position in positions for amounts in (position.amounts, position.fees)]
    whole = sum(a[0] for a in parts), sum(a[1] for a in parts)
    try:
        raw = proceeds(without_positions(pool, positions), whole, state.market.asset == lp.state.pool.token0)
    except Unswappable as refused:
        raise MarketError(f"{lp.state.pool.name}: {refused}") from None
    return replace(state, block=block, held=Amount(state.market.asset, raw))


def _observed(state: MarketState, owner: Address, block: BlockRef) -> Flow[LiquidityMarket]:
    """Reads the pool and our positions in it."""
    lp = state.liquidity_market
    assert lp is not None
    address, adapter = lp.state.pool.address, liquidity()[lp.state.pool.protocol]
    now = yield from adapter.observe(lp.state.pool, lp.deployment)
    positions, _ = yield from adapter.owned({address: now}, lp.deployment, owner)
    return replace(lp, state=now, positions=tuple(positions))
