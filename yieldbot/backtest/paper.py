"""A paper wallet: live readings as it would observe them, and what its holdings earned between two of them. Pure.

A paper wallet takes the place of the real one and is not added to it: what the real wallet holds in a market is removed
from the reading, and what the paper wallet holds there is put in. With the same money in the same markets both earn the
same. Where no real money is on the chain, the paper money dilutes a market as real money would have.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

from yieldbot.allocator.liquidity_advice import value_of
from yieldbot.allocator.liquidity_market import without_positions
from yieldbot.backtest.carried import Asked, SimulatedHoldings
from yieldbot.backtest.paper_liquidity import SimulatedPosition, grown_position, pool_of, swapped_pools, value, with_own
from yieldbot.math.concentrated import Unswappable, V3Pool
from yieldbot.math.curves import EnteredCurve, LookThroughCurve
from yieldbot.math.liquidity_curve import LiquidityCurve
from yieldbot.math.savings_rate import StatedCurve
from yieldbot.math.stake_pool import StakeCurve
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.curve import YieldCurve
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId
from yieldbot.model.market import ExitKind, Kind, Leaving, MarketState, Snapshot
from yieldbot.model.policy import Base
from yieldbot.model.rewards import Reward
from yieldbot.model.units import SECONDS_PER_YEAR

MOST_RATIO = 10.0
"""Cap on how much more a market is assumed to have paid without the real money than with it: a market that pays almost
nothing with it allows no conclusion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperHolding:
    """A paper holding at one reading."""

    raw: int
    """Base units, without what is leaving by a two-step exit."""
    index: float | None
    """The market's index at that reading; None where it has none."""
    time: int
    """Unix seconds of the block."""
    rate: float
    """Rate that the market paid on the holding at that reading, a simple annual fraction."""
    expected: float
    """Rate that the holding was expected to earn from then on, by the forecast or else by the quoted rate."""
    real: float
    """Whole tokens that the real wallet held there."""
    since: int
    """Unix seconds at which a plan last changed the holding."""
    since_raw: int
    """Base units held after that change."""


@dataclass(frozen=True, slots=True)
class Accrual:
    """What one holding earned between two readings."""

    raw: int
    """Base units; negative: the market lost money."""
    exact: bool
    """True: computed from the chain's own count (a market's index, a range's fee growth). False: estimated, from the
    mean of the quoted rates at both readings."""


def gained(position: PaperHolding, state: MarketState, real: float) -> Accrual:
    """What a holding earned from its reading to a later one. ``state``: the market as the real wallet observes it;
    real: whole tokens that the real wallet held there in between, on average.

    The growth of the index is what everybody there earned, with the real wallet's money in the market. Its logarithm is
    multiplied by (what the market pays on the paper holding) / (what it pays on the real one), see ``dilution``. A loss
    is shared in full.
    """
    seconds = state.block.timestamp - position.time
    if seconds <= 0 or not position.raw:
        return Accrual(0, state.index is not None)
    tokens = position.raw / state.market.asset.one
    if position.index is not None and state.index is not None and position.index > 0.0 < state.index:
        growth = math.log(state.index / position.index)
        part = growth * dilution(state, tokens, real, seconds) if growth > 0.0 else growth
        return Accrual(int(position.raw * math.expm1(part)), True)
    rate = (position.rate + _rate(state, tokens, seconds)) / 2
    return Accrual(int(position.raw * rate * seconds / SECONDS_PER_YEAR), False)


def dilution(state: MarketState, paper: float, real: float, seconds: float) -> float:
    """What the market pays if we hold ``paper``, divided by what it pays if we hold ``real``, both in whole tokens. 1
    if they are equal, or if it pays nothing."""
    with_real = _rate(state, real, seconds)
    if with_real <= 0.0:
        return 1.0
    return min(MOST_RATIO, max(0.0, _rate(state, paper, seconds) / with_real))


def _rate(state: MarketState, tokens: float, seconds: float) -> float:
    """What the market pays on a holding that is already there, without entry fees."""
    return rebased(state.curve, tokens).apr(tokens, max(1.0, seconds))


def rebased(curve: YieldCurve, held: float) -> YieldCurve:
    """The curve for somebody who already holds ``held`` whole tokens: entry fees apply only to what is added, and a
    vault has already invested this holding."""
    match curve:
        case EnteredCurve() | StakeCurve() | StatedCurve():
            return replace(curve, held=held)
        case LiquidityCurve():
            return replace(curve, held=held, stays=curve.stays if curve.held else curve.enters)
        case LookThroughCurve():
            slots = []
            for slot, there in zip(curve.slots, curve.holdings(held), strict=True):
                more = there - slot.held
                slots.append(
                    replace(
                        slot, held=there, room=max(0.0, slot.room - more), liquidity=max(0.0, slot.liquidity + more)
                    )
                )
            return replace(curve, ours=held, slots=tuple(slots))
        case _:
            return curve


def accrued(state: MarketState, raw: int, since: int) -> dict[MarketId, int]:
    """Rewards that a holding of ``raw`` earned since a time, in base units by the claims' ids: its part of what all
    depositors get, as of this reading."""
    tokens, now, found = raw / state.market.asset.one, state.block.timestamp, dict[MarketId, int]()
    for reward in state.rewards:
        end = now if reward.ends_at is None else min(now, reward.ends_at)
        shared = max(0.0, reward.others) + tokens
        if end > since and tokens > 0.0:
            found[reward.claim_id(state.market.id)] = int(reward.raw_per_second * (end - since) * tokens / shared)
    return found


def liquidity_gained(
    snapshot: Snapshot, own: SimulatedHoldings, market_id: MarketId
) -> tuple[SimulatedPosition, Accrual, int] | None:
    """(a pool's position at this reading, the change of what leaving it would bring, the fees in it) since its last
    reading; None if the pool cannot be read. snapshot: what the real wallet observed. The change has the fees and what
    the price did to the position; ``exact`` says where the fees are from. Fees are in base units of the market's asset,
    at the pool's price."""
    state, position = snapshot.states.get(market_id), own.liquidity[market_id]
    lp = None if state is None else state.liquidity_market
    pool = None if lp is None else pool_of(snapshot, lp)
    if state is None or lp is None or pool is None:
        return None
    later, exact = grown_position(position, state, pool)
    zero = state.market.asset == lp.state.pool.token0
    try:
        now = value(without_positions(pool, lp.positions), later, zero)
    except Unswappable:
        return None
    more = (later.fees[0] - position.fees[0], later.fees[1] - position.fees[1])
    fees = int(value_of(lp.state, more) * lp.tokens * state.market.asset.one)
    return later, Accrual(now - own.held.get(market_id, 0), exact), fees


def as_held(
    snapshot: Snapshot,
    own: SimulatedHoldings,
    rewards: Mapping[MarketId, int],
    entered: Collection[MarketId] = (),
    base: Base | None = None,
) -> Snapshot:
    """The snapshot that the real wallet observed, as the paper wallet would have observed it.

    rewards: what the paper wallet could claim, in base units by the claims' ids. entered: markets in which the paper
    wallet has made its own trial. base: the job's; without one there is no liquidity in pools. A pool whose ticks could
    not be read is left out, and so is a market whose shares are bought and sold at a price.
    """
    states, pools = dict[MarketId, MarketState](), dict[str, V3Pool]()
    for market_id, state in snapshot.states.items():
        if state.liquidity_market is not None:
            wealth = Amount(state.market.asset, _wealth(snapshot, own, state.market.asset))
            made = None if base is None else with_own(snapshot, state, own.liquidity.get(market_id), wealth, base)
            if made is not None:
                states[market_id] = _forecast_without(made[0], state)
                pools[state.liquidity_market.state.pool.address] = made[1]
        elif state.market.kind is Kind.IDLE:
            states[market_id] = _wallet(state, own)
        elif state.prices is None:  # what a sale of paper shares would bring is not computed
            states[market_id] = _market(state, own, rewards, state.market.id in entered)
    return swapped_pools(replace(snapshot, states=states), pools)


def _wealth(snapshot: Snapshot, own: SimulatedHoldings, asset: Token) -> int:
    """All of the paper wallet's money in base units of one asset, by the feeds."""
    idle = sum(raw / token.one * snapshot.price(token) for token, raw in own.idle.items())
    held = 0.0
    for market_id, raw in own.held.items():
        if (state := snapshot.states.get(market_id)) is not None:
            held += raw / state.market.asset.one * snapshot.price(state.market.asset)
    return int((idle + held) / snapshot.price(asset) * asset.one)


def _forecast_without(state: MarketState, real: MarketState) -> MarketState:
    """The state whose forecast names how much real money was in the market when its rates were observed."""
    if state.forecast is None or state.forecast.ours is not None:
        return state
    return replace(state, forecast=replace(state.forecast, ours=float(real.held)))


def tried(snapshot: Snapshot, entered: Collection[MarketId]) -> Snapshot:
    """The snapshot in which markets whose trial was simulated need no further trial."""
    states = {
        market_id: replace(state, untried=False) if market_id in entered and state.untried else state
        for market_id, state in snapshot.states.items()
    }
    return replace(snapshot, states=states)


def _wallet(state: MarketState, own: SimulatedHoldings) -> MarketState:
    amount = Amount(state.market.asset, own.idle.get(state.market.asset, 0))
    return replace(state, held=amount, liquidity=amount, supplied=amount, rewards=())


def _market(state: MarketState, own: SimulatedHoldings, rewards: Mapping[MarketId, int], entered: bool) -> MarketState:
    token, market_id = state.market.asset, state.market.id
    inside, asked = own.held.get(market_id, 0), own.asked.get(market_id)
    held, real = inside + (asked.raw if asked else 0), state.held.raw

    def instead(amount: Amount) -> Amount:
        return Amount(token, max(0, amount.raw - real) + held)

    cash = state.exit.cash
    return replace(
        state,
        held=Amount(token, held),
        shares=held,
        liquidity=state.liquidity if state.opaque else instead(state.liquidity),
        capacity=None if state.capacity is None else Amount(token, max(0, state.capacity.raw + real - held)),
        supplied=instead(state.supplied),
        curve=rebased(state.curve, held / token.one) if held != real else state.curve,
        exit=state.exit if cash is None else replace(state.exit, cash=instead(cash)),
        offered=_offered(state, Amount(token, inside)),
        rent_deposit=0 if held else state.rent_deposit,
        rewards=tuple(_reward(one, own, rewards.get(one.claim_id(market_id), 0)) for one in state.rewards),
        untried=state.untried and not entered,
        leaving=None if asked is None else _leaving(state, asked),
        forecast=_forecast_without(state, state).forecast,
    )


def _offered(state: MarketState, inside: Amount) -> Amount | None:
    """How much may be withdrawn at once, for a market that states it: all that is inside; nothing if the exit has two
    steps."""
    if state.offered is None or state.exit.kind is not ExitKind.INSTANT:
        return state.offered
    return inside


def _reward(reward: Reward, own: SimulatedHoldings, raw: int) -> Reward:
    there = own.rewards.get(reward.token, 0) + own.idle.get(reward.token, 0)
    return replace(reward, claimable=Amount(reward.token, raw), in_wallet=Amount(reward.token, there))


def _leaving(state: MarketState, asked: Asked) -> Leaving:
    token = state.market.asset
    nothing, whole = Amount(token, 0), Amount(token, asked.raw)
    ready = asked.until is not None and state.block.timestamp >= asked.until
    return Leaving(
        requested=nothing if ready else whole, ready=whole if ready else nothing, back=nothing, until=asked.until
    )
