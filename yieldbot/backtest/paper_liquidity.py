"""Liquidity of a simulated wallet in Uniswap v3 pools, by the pools' own arithmetic. Pure.

A simulated wallet has at most one position in a pool. It stands in the place of the real wallet's positions: their
liquidity is taken out of the pool before the simulated one is put in. Others are assumed to trade as they did.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from yieldbot.allocator.liquidity_market import OFF, PoolObservation, pool_market_state, proceeds, without_positions
from yieldbot.math.concentrated import Q128, Unswappable, V3Pool
from yieldbot.math.liquidity_range import MASK256, Growth, Range
from yieldbot.math.range_entry import around_price, balancing, with_position
from yieldbot.math.venues import V3Venue
from yieldbot.model.amounts import Amount
from yieldbot.model.dataclass import dataclass
from yieldbot.model.exchange import PoolState
from yieldbot.model.liquidity import LiquidityMarket, PoolPosition
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.policy import Base

NUMBER = 0
"""Number of a simulated position, in the place of the position manager's."""
MOST_RATIO = 10.0
"""Cap on how much more a unit of liquidity is assumed to have earned without the real wallet's liquidity in range."""
FIELDS = (
    "held",
    "shares",
    "liquidity",
    "capacity",
    "supplied",
    "status",
    "curve",
    "quoted",
    "gas_withdraw",
    "entry_cost_bps",
    "exit",
    "liquidity_market",
)
"""Names of the fields of ``MarketState`` that depend on our own position in the pool."""
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedPosition:
    """A simulated position at one reading. Pairs are of token0 and token1."""

    ticks: Pair
    """Lower and upper tick."""
    liquidity: int
    """Units of the pool's liquidity."""
    fees: Pair = (0, 0)
    """Uncollected fees, base units."""
    inside: Pair | None
    """Fee growth inside of the range at the reading (Q128); None: a tick of the range is not initialised on chain."""
    everywhere: Pair | None
    """The pool's fee growth at the reading (Q128); None: not read."""
    time: int
    """Unix seconds of the reading's block."""

    def out(self, sqrt_price_x96: int) -> Pair:
        """Base units that removing all of it pays at a price, uncollected fees included."""
        zero, one = Range(*self.ticks).amounts(self.liquidity, sqrt_price_x96)
        return zero + self.fees[0], one + self.fees[1]


def pool_of(snapshot: Snapshot, lp: LiquidityMarket) -> V3Pool | None:
    """The market's pool with its ticks, as the snapshot's exchange has it; None: it could not be read."""
    for one in snapshot.exchange.states if snapshot.exchange is not None else ():
        if one.pool.address == lp.state.pool.address and isinstance(one.zero, V3Venue):
            return one.zero.pool
    return None


def value(rest: V3Pool, position: SimulatedPosition, zero: bool) -> int:
    """Base units of one token (``zero``: token0) that leaving a position would bring, the other token swapped in the
    same pool. rest: the pool without the position. Raises ValueError if the pool cannot take the swap."""
    return proceeds(rest, position.out(rest.sqrt_price_x96), zero)


def grown_position(position: SimulatedPosition, state: MarketState, pool: V3Pool) -> tuple[SimulatedPosition, bool]:
    """(the position at a newer reading with the fees accrued since, whether they are the chain's own figure).

    state, pool: as the real wallet observes them. The chain counts the growth of fees inside of a range whose ticks
    are initialised at both readings. For any other range the pool's whole growth counts, times the fraction of the
    time in which the price was in the range: by the pool's oracle, else by both readings. Both are multiplied by the
    liquidity that was in range over what would have been with the simulated position in the place of the real ones.
    """
    lp, now, low, high = state.liquidity_market, state.block.timestamp, *position.ticks
    assert lp is not None
    everywhere, inside = lp.history.growth, _inside(lp, pool, position.ticks)
    later = replace(position, inside=inside, everywhere=everywhere, time=now)
    if everywhere is None:  # fees accrue for the whole time once it is read again
        return position, False
    if position.everywhere is None:
        return later, False
    whole = _less(everywhere, position.everywhere)
    exact = inside is not None and position.inside is not None
    grown = _less(inside, position.inside) if inside is not None and position.inside is not None else whole
    if exact and any(one > most for one, most in zip(grown, whole, strict=True)):
        exact, grown = False, whole  # a tick was cleared and initialised again: its counters began anew
    part = 1.0 if exact else _time_inside(lp, pool.tick, low, high, now - position.time)
    part *= _dilution(lp, position)
    fees = tuple(
        had + int(position.liquidity * more * Fraction(part) / Q128)
        for had, more in zip(position.fees, grown, strict=True)
    )
    return replace(later, fees=(fees[0], fees[1])), exact


def _inside(lp: LiquidityMarket, pool: V3Pool, ticks: Pair) -> Pair | None:
    outside = [pool.outside.get(tick) for tick in ticks]
    if lp.history.growth is None or outside[0] is None or outside[1] is None:
        return None
    found = Range(*ticks).growth_inside(pool.tick, Growth(*lp.history.growth), Growth(*outside[0]), Growth(*outside[1]))
    return found.zero, found.one


def _less(now: Pair, then: Pair) -> Pair:
    """Growth between two readings; counters wrap around at 2^256."""
    return (now[0] - then[0]) & MASK256, (now[1] - then[1]) & MASK256


def _time_inside(lp: LiquidityMarket, tick: int, low: int, high: int, seconds: int) -> float:
    """Fraction of the last ``seconds`` in which the price was in a range, by averages of the pool's oracle; without
    one, whether it is there now."""
    history = lp.history
    means = [(late - early) / history.tick_seconds for early, late in pairwise(history.ticks)]
    recent = means[-max(1, round(seconds / history.tick_seconds)) :] if means and history.tick_seconds else [tick]
    return sum(low <= one < high for one in recent) / len(recent)


def _dilution(lp: LiquidityMarket, position: SimulatedPosition) -> float:
    """Liquidity in range on chain over that with the simulated position in the place of the real ones."""
    real = sum(one.liquidity for one in lp.positions if one.in_range)
    inside = position.liquidity if position.ticks[0] <= lp.state.tick < position.ticks[1] else 0
    whole = lp.state.liquidity - real + inside
    return min(MOST_RATIO, lp.state.liquidity / whole) if whole > 0 else 1.0


def with_own(
    snapshot: Snapshot, state: MarketState, own: SimulatedPosition | None, wealth: Amount, base: Base
) -> tuple[MarketState, V3Pool] | None:
    """(a pool's market as the simulated wallet observes it, the pool with the simulated position); None if the pool or
    the feeds of its tokens could not be read. wealth: all of the simulated wallet's money, in the market's asset."""
    lp, exchange = state.liquidity_market, snapshot.exchange
    pool = None if lp is None else pool_of(snapshot, lp)
    if lp is None or pool is None or exchange is None:
        return None
    tokens = lp.state.pool.token0, lp.state.pool.token1
    if not set(tokens) <= exchange.usd.keys():
        return None
    real = sum(one.liquidity for one in lp.positions if one.in_range)
    pool = without_positions(pool, lp.positions)
    if own is not None:
        pool = with_position(pool, Range(*own.ticks), own.liquidity)
    inside = own.liquidity if own is not None and own.ticks[0] <= lp.state.tick < own.ticks[1] else 0
    whole = lp.state.liquidity - real + inside
    # The history has fees for each unit of the liquidity that is in range now: their sum stays the same.
    scale = lp.state.liquidity / whole if whole > 0 else 1.0
    there = replace(lp.state, liquidity=whole)
    ours = () if own is None else (_listed(own, replace(lp, state=there)),)
    made = pool_market_state(
        PoolObservation(
            state=there,
            history=replace(lp.history, fees=tuple(fee * scale for fee in lp.history.fees)),
            deployment=lp.deployment,
            pool=pool,
            positions=ours,
            gas_price=lp.gas_price,
            fair=exchange.usd[tokens[0]].usd / tokens[0].one / (exchange.usd[tokens[1]].usd / tokens[1].one),
        ),
        state.market.asset,
        wealth,
        state.block,
        base,
    )
    flags = (*(one for one in state.flags if one not in ("out-of-range", OFF)), *made.flags)
    return replace(state, **{name: getattr(made, name) for name in FIELDS}, flags=flags), pool


def _listed(own: SimulatedPosition, lp: LiquidityMarket) -> PoolPosition:
    return PoolPosition(
        state=lp.state,
        token_id=NUMBER,
        ticks=own.ticks,
        liquidity=own.liquidity,
        amounts=Range(*own.ticks).amounts(own.liquidity, lp.state.sqrt_price_x96),
        fees=own.fees,
    )


def swapped_pools(snapshot: Snapshot, pools: dict[str, V3Pool]) -> Snapshot:
    """The snapshot whose exchange swaps in these pools, by address."""
    if snapshot.exchange is None or not pools:
        return snapshot

    def now(one: PoolState) -> PoolState:
        pool = pools.get(one.pool.address)
        return one if pool is None else replace(one, zero=V3Venue(pool, True), one=V3Venue(pool, False))

    return replace(snapshot, exchange=replace(snapshot.exchange, states=tuple(map(now, snapshot.exchange.states))))


@dataclass(frozen=True, slots=True)
class LiquidityStep:
    """The effect of one leg on a pool's position."""

    position: SimulatedPosition | None
    """The position afterwards; None: nothing is left."""
    back: Pair
    """Base units of both tokens that go to the wallet."""


def enter(
    lp: LiquidityMarket, pool: V3Pool, own: SimulatedPosition | None, given: Pair, ticks: Pair, now: int
) -> LiquidityStep:
    """Put tokens into the position with these ticks, or into a new one of the same width around the price: swap in the
    pool as the range needs, then add. pool: with the present position. What the range does not take goes back.

    A present position with other ticks, which is too small to count, is taken out and put in again.
    """
    have, kept = given, own
    if own is not None and own.ticks != ticks:
        out = own.out(pool.sqrt_price_x96)
        pool, have, kept = with_position(pool, Range(*own.ticks), -own.liquidity), _sum(given, out), None
    try:
        place = Range(*ticks) if kept is not None else around_price(pool, Range(*ticks), have)
        price = pool.sqrt_price_x96
        if (swap := balancing(pool, place, have)) is not None:
            done = pool.swap(swap[1], swap[0])
            have, price = (have[0] - done.amount0, have[1] - done.amount1), done.sqrt_price_x96
        liquidity, _, taken = place.settled(price, *have)
    except Unswappable as refused:
        raise ValueError(f"{lp.state.pool.name}: {refused}") from None
    if not liquidity:
        raise ValueError(f"{lp.state.pool.name}: the range takes nothing of it")
    where = (place.low, place.high)
    made = SimulatedPosition(
        ticks=where,
        liquidity=liquidity + (kept.liquidity if kept else 0),
        fees=kept.fees if kept else (0, 0),
        inside=_inside(lp, pool, where),
        everywhere=lp.history.growth,
        time=now,
    )
    return LiquidityStep(made, (have[0] - taken[0], have[1] - taken[1]))


def leave(pool: V3Pool, own: SimulatedPosition, share: Fraction, zero: bool) -> LiquidityStep:
    """Remove a fraction of the liquidity and all uncollected fees, and swap all of it into one token (``zero``:
    token0). pool: with the position."""
    taken = min(own.liquidity, -(-own.liquidity * share.numerator // share.denominator))
    amounts = Range(*own.ticks).amounts(taken, pool.sqrt_price_x96)
    try:
        raw = proceeds(with_position(pool, Range(*own.ticks), -taken), _sum(amounts, own.fees), zero)
    except Unswappable as refused:
        raise ValueError(str(refused)) from None
    left = own.liquidity - taken
    rest = replace(own, liquidity=left, fees=(0, 0)) if left else None
    return LiquidityStep(rest, (raw, 0) if zero else (0, raw))


def rebalance(lp: LiquidityMarket, pool: V3Pool, own: SimulatedPosition, ticks: Pair, now: int) -> LiquidityStep:
    """Take everything out and put it into a new position as wide as ``ticks``, around the price."""
    out = own.out(pool.sqrt_price_x96)
    return enter(lp, with_position(pool, Range(*own.ticks), -own.liquidity), None, out, ticks, now)


def _sum(one: Pair, other: Pair) -> Pair:
    return one[0] + other[0], one[1] + other[1]
