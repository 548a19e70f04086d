"""A liquidity pool as a market of one of its tokens: our holding, what more would earn, what entering and leaving cost.
Pure.

Entering swaps in the same pool until both tokens fit the range; leaving swaps back there. The value of a holding is
therefore what leaving would bring now, exact to the base unit except for rounding at ticks that our own position
created.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from yieldbot.allocator.liquidity_advice import (
    GAS_ENTER,
    GAS_LEAVE,
    GAS_REBALANCE,
    best_of,
    pool_estimate,
    price_of,
    value_of,
)
from yieldbot.math.concentrated import Unswappable, V3Pool
from yieldbot.math.liquidity_curve import NOTHING, LiquidityCurve, RangeOutlook, outlook
from yieldbot.math.liquidity_range import Range
from yieldbot.math.range_yield import FULL, PoolEstimate, RangeBounds, bounds_of, full_range
from yieldbot.math.venues import V3Venue
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import MarketId
from yieldbot.model.liquidity import LiquidityMarket, LiquidityPool, PoolHistory, PoolPosition
from yieldbot.model.market import Exit, Kind, Market, MarketState, Status
from yieldbot.model.names import POOLS, pool_id, pool_name
from yieldbot.model.policy import Base
from yieldbot.model.units import BPS

DUST = 0.001
"""Positions below this fraction of the wealth are ignored: anybody can send us one."""
OFF = "price-off-the-feeds"
"""Flag of a pool whose price is too far from the feeds' price."""
MOST_ROOM = 2**120
"""Capacity, in base units, of a range that takes hardly any of the other token."""
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolObservation:
    """A pool at one block."""

    state: LiquidityPool
    """Price, liquidity and fee."""
    history: PoolHistory
    """Fees and ticks that it has recorded."""
    deployment: Deployment
    """The exchange's table in chains/."""
    pool: V3Pool
    """The pool with its ticks, for swaps."""
    positions: tuple[PoolPosition, ...]
    """Our positions in it."""
    gas_price: float
    """token1 base units for a unit of gas."""
    fair: float
    """Price by the feeds: token1 base units for one base unit of token0."""


def market_id(pool: Pool) -> MarketId:
    """The id under which a pool's liquidity is in the journal."""
    return pool_id(pool)


def market_of(pool: Pool, asset: Token, deployment: str = "") -> Market:
    """The market of one of the pool's tokens. ``deployment``: name of the exchange's table in chains/."""
    name, protocol, chain = pool_name(pool), f"{pool.protocol}{POOLS}", pool.token0.chain
    return Market(market_id(pool), protocol, Kind.LIQUIDITY, chain, name, asset, pool.address, deployment=deployment)


def without_positions(pool: V3Pool, positions: Sequence[PoolPosition]) -> V3Pool:
    """The pool as if we had no liquidity in it."""
    net, liquidity = dict(pool.net), pool.liquidity
    for position in positions:
        if position.ticks is None or not position.liquidity:
            continue
        low, high = position.ticks
        if low <= pool.tick < high:
            liquidity -= position.liquidity
        for tick, more in ((low, -position.liquidity), (high, position.liquidity)):
            if tick in net:
                net[tick] += more
    return replace(pool, net=net, liquidity=liquidity)


def position_value(state: LiquidityPool, position: PoolPosition) -> float:
    """token1 base units that a position and its uncollected fees are worth, at the pool's price."""
    return value_of(state, position.amounts) + value_of(state, position.fees)


def proceeds(rest: V3Pool, amounts: Pair, zero: bool) -> int:
    """Base units of one token (``zero``: token0) that these amounts of both bring, the other token swapped in the pool.

    Raises Unswappable.
    """
    own, other = amounts if zero else amounts[::-1]
    return own + (V3Venue(rest, not zero).quote_exact_in(other)[0] if other else 0)


def share_for(wanted: int, held: int, fees: int) -> Fraction:
    """The fraction of the liquidity that brings ``wanted`` of ``held`` base units, if ``fees`` of them come out in any
    case."""
    if wanted >= held:
        return Fraction(1)
    return max(Fraction(0), Fraction(wanted - fees, max(1, held - fees)))


def fees_of(state: MarketState, lp: LiquidityMarket) -> int:
    """The value of uncollected fees at the pool's price, in the asset's base units, rounded down."""
    zero, one = (sum(position.fees[i] for position in lp.positions) for i in (0, 1))
    return int(value_of(lp.state, (zero, one)) * lp.tokens * state.market.asset.one)


def pool_market_state(
    observed: PoolObservation, asset: Token, wealth: Amount, block: BlockRef, base: Base
) -> MarketState:
    """The state of the market. ``wealth``: the most that might go in; the range is chosen for it.

    If the pool has no history of fees or prices, nothing may enter, and no plan takes anything out.
    """
    state, positions = observed.state, observed.positions
    pool, price = state.pool, price_of(state)
    zero = asset == pool.token0
    tokens = (1.0 / price if zero else 1.0) / asset.one
    rest = without_positions(observed.pool, positions)
    amounts = _sum([position.amounts for position in positions] + [position.fees for position in positions])
    worth = max(float(wealth), 1.0) / tokens
    least = DUST * (worth + sum(position_value(state, position) for position in positions))
    weighty = [position for position in positions if position_value(state, position) >= least]
    main = max((p for p in weighty if p.in_range and p.liquidity), key=lambda p: position_value(state, p), default=None)
    gone = main is None and bool(weighty)
    impact = base.max_impact_bps / BPS
    swaps = _Swaps(rest, zero, price, impact, abs(price / observed.fair - 1.0) > impact)
    ours = observed.pool.liquidity - rest.liquidity
    whole = pool_estimate(state, observed.history, worth, observed.gas_price, base.confidence, 1.0, ours)
    estimate = replace(whole, enter=0.0)
    ticks = Range(*main.ticks) if main and main.ticks else best_of(state, estimate).ticks
    part = _part(state, ticks, zero)
    room = swaps.room(part)
    entry_cost = swaps.cost(part, min(float(wealth), room / asset.one) * asset.one)
    curve = LiquidityCurve(
        stays=_stays(observed, estimate, ticks, tokens, amounts) if positions else NOTHING,
        enters=_outlook(state, estimate, ticks, observed.gas_price, tokens, surely=True),
        held=0.0,
        entry_cost=entry_cost,
    )
    held, out = swaps.held(amounts)
    curve = replace(curve, held=held / asset.one)
    likely = _outlook(state, estimate, ticks, observed.gas_price, tokens)
    supplied = max(held, int(value_of(state, state.reserves) * tokens * asset.one))
    return MarketState(
        market=market_of(pool, asset, observed.deployment.name),
        block=block,
        held=Amount(asset, held),
        shares=sum(position.liquidity for position in positions),
        share_token=None,
        liquidity=Amount(asset, out),
        capacity=Amount(asset, room),
        supplied=Amount(asset, supplied),
        borrowed=None,
        status=_status(observed, gone),
        curve=curve,
        quoted=Apr(likely.fees / (likely.others + held / asset.one) - likely.lost),
        pools=frozenset({market_id(pool)}),
        gas_deposit=GAS_ENTER,
        gas_withdraw=GAS_LEAVE * max(1, len(positions)),
        flags=(*(("out-of-range",) if gone else ()), *((OFF,) if swaps.off else ())),
        entry_cost_bps=entry_cost * BPS,
        exit=Exit(cash=Amount(asset, out)),
        liquidity_market=LiquidityMarket(
            state=state,
            history=observed.history,
            deployment=observed.deployment,
            other=pool.token1 if zero else pool.token0,
            positions=positions,
            ticks=(ticks.low, ticks.high),
            token_id=main.token_id if main else None,
            tokens=tokens,
            gas_price=observed.gas_price,
            part=part,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Swaps:
    """The swaps of entering and leaving, computed in the pool without our liquidity."""

    rest: V3Pool
    """The pool without our liquidity."""
    zero: bool
    """Whether the asset is token0."""
    price: float
    """token1 base units for one of token0."""
    impact: float
    """Largest price impact on the last unit swapped, the pool's fee included, as a fraction."""
    off: bool
    """Whether the pool's price differs from the feeds' price by more than ``impact``, so that nothing is swapped
    there."""

    @property
    def into(self) -> float:
        """Base units of the other token for one base unit of the asset."""
        return self.price if self.zero else 1.0 / self.price

    def room(self, part: float) -> int:
        """Base units of the asset that can go in and come out again, each way within the price impact. part: the
        fraction of the asset that is swapped for the other token."""
        if part <= 0.0 or self.off:
            return 0
        given = V3Venue(self.rest, self.zero).amount_until_price(self.into * (1.0 - self.impact))
        back = V3Venue(self.rest, not self.zero).amount_until_price((1.0 - self.impact) / self.into) / self.into
        return int(min(min(given, back) / part, MOST_ROOM))

    def cost(self, part: float, raw: float) -> float:
        """The fraction of ``raw`` base units of the asset that the swaps of entering and leaving take."""
        given = int(part * raw)
        if given <= 0:
            return 0.0
        try:
            got = V3Venue(self.rest, self.zero).quote_exact_in(given)[0]
            back = V3Venue(self.rest, not self.zero).quote_exact_in(int(given * self.into))[0]
        except Unswappable:
            return 1.0
        return part * (max(0.0, 1.0 - got / (given * self.into)) + max(0.0, 1.0 - back / given))

    def held(self, amounts: Pair) -> tuple[int, int]:
        """(value of these amounts of both tokens in base units of the asset, how much of that can come out now)."""
        own, other = amounts if self.zero else amounts[::-1]
        most = V3Venue(self.rest, not self.zero).amount_until_price((1.0 - self.impact) / self.into)
        try:
            whole = proceeds(self.rest, amounts, self.zero)
        except Unswappable:
            return own + int(other / self.into), 0
        if self.off:
            return whole, 0
        return whole, whole if other <= most else whole * most // other


def _stays(
    observed: PoolObservation, estimate: PoolEstimate, ticks: Range, tokens: float, amounts: Pair
) -> RangeOutlook:
    """Outlook of the present holding. In range: at the mean estimates. Out of range: what a new range would earn at the
    policy's confidence, less the cost of the rebalance."""
    state = observed.state
    if any(position.in_range and position.liquidity for position in observed.positions):
        return _outlook(state, estimate, ticks, observed.gas_price, tokens)
    gas = GAS_REBALANCE * observed.gas_price
    once = gas + (estimate.rebalance - gas) / estimate.value * value_of(state, amounts)
    return _outlook(state, estimate, ticks, observed.gas_price, tokens, surely=True, once=once * tokens)


def _outlook(
    state: LiquidityPool,
    estimate: PoolEstimate,
    ticks: Range,
    gas_price: float,
    tokens: float,
    *,
    surely: bool = False,
    once: float = 0.0,
) -> RangeOutlook:
    """A range's outlook. surely: at the fees and volatility for which the net yield holds with the policy's
    confidence."""
    full = not state.spacing or ticks == full_range(state.spacing)
    bounds: RangeBounds = FULL if full else bounds_of(ticks, state.sqrt_price_x96)
    fees, sigma = (estimate.fees.low, estimate.sigma.high) if surely else (estimate.fees.mean, estimate.sigma.mean)
    gas = GAS_REBALANCE * gas_price
    return outlook(estimate, bounds, fees, sigma, full=full, gas=gas, tokens=tokens, once=once)


def _status(observed: PoolObservation, gone: bool) -> Status:
    if observed.history.missing and observed.positions:
        return Status.PAUSED
    return Status.FROZEN if gone else Status.ACTIVE


def _part(state: LiquidityPool, ticks: Range, zero: bool) -> float:
    """The other token's fraction of the value that a range takes at the present price."""
    amounts = ticks.amounts(1 << 96, state.sqrt_price_x96)
    whole = value_of(state, amounts)
    if whole <= 0.0:
        return 0.0
    own = amounts[0] * price_of(state) if zero else amounts[1]
    return 1.0 - own / whole


def _sum(pairs: Sequence[Pair]) -> Pair:
    return sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
