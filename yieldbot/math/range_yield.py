"""The yield of a range of concentrated liquidity: fees on our part, less LVR, gas and rebalancing. Pure.

Sources: Milionis, Moallemi, Roughgarden, Zhang, arXiv 2208.06046 (loss versus rebalancing, LVR: a position of value
V(p) loses sigma^2 p^2 |V''(p)| / 2 a unit of time); Nezlobin, Tassy, arXiv 2505.05113 (the fraction of LVR that
arbitrage keeps when blocks come at equal times); Uniswap v3's V(p) = L (2 sqrt p - p / sqrt pb - sqrt pa).

All of LVR is deducted from all of the fees. Part of the fees is paid by the very arbitrage that causes the loss; since
the measured fees include that part, the deducted loss must include it too. A range is centred on the price, and is
rebalanced once the price has left it; the price is a driftless geometric Brownian motion. Values are in token1, rates
are annual. Bounds a < 0 < b of a range are logarithms of (price / present price).
"""

from __future__ import annotations

import math

from yieldbot.math.concentrated import MOST_TICK, Q96
from yieldbot.math.estimate import LOG_TICK, Interval
from yieldbot.math.liquidity_range import Range
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import SECONDS_PER_YEAR

ZETA_TERM = 1.7164
"""sqrt(2 pi) / |zeta(1/2)|."""
WIDER = 1.05
"""Widths are tried in steps of this ratio: near its maximum a yield hardly changes."""


@dataclass(frozen=True, slots=True)
class RangeBounds:
    """A range as logarithms of (bound / present price); infinite for the full range."""

    low: float
    """log(lower bound / price)."""
    high: float
    """log(upper bound / price)."""

    @property
    def value(self) -> float:
        """Value of one unit of liquidity / square root of the price: 2 for the full range."""
        return 2.0 - math.exp(-self.high / 2) - math.exp(self.low / 2)

    def years_inside(self, sigma: float) -> float:
        """Expected years until the price leaves the range; 0 if it is outside.

        With P = (1 - e^a) / (e^b - e^a), the probability of leaving at the top: 2 (-a - P (b - a)) / sigma^2
        (optional stopping of the price and of its logarithm).
        """
        if self.low >= 0.0 or self.high <= 0.0:
            return 0.0
        if sigma**2 == 0.0 or math.isinf(self.high) or math.isinf(self.low):
            return math.inf
        # (1 - e^a) / (e^b - e^a) with e^b taken out: no overflow for wide ranges
        above = -math.expm1(self.low) * math.exp(-self.high) / -math.expm1(self.low - self.high)
        return 2.0 * (-self.low - above * (self.high - self.low)) / sigma**2

    def lost(self, sigma: float) -> float:
        """LVR a year, as a fraction of the value: sigma^2 L sqrt p / 4 divided by V; sigma^2 / 8 for the full range.

        This is the rate at the present price; over time it is a little lower (the mean of sqrt p falls).
        """
        return sigma**2 / (4.0 * self.value)


FULL = RangeBounds(-math.inf, math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolEstimate:
    """A pool's estimated fees and volatility, and the size and costs of our position in it."""

    fees: Interval
    """Fees of all providers at the present price, in token1 base units a year."""
    liquidity: float
    """Liquidity in range, without ours."""
    root: float
    """Square root of the price, so that a liquidity L is worth L * root * RangeBounds.value."""
    sigma: Interval
    """Annual standard deviation of the log price."""
    value: float
    """Value of our position, in token1 base units."""
    enter: float
    """Cost of entering and leaving, in token1 base units."""
    rebalance: float
    """Cost of rebalancing a range, in token1 base units."""
    idle_years: float
    """How long a position stays out of range before it is rebalanced."""
    horizon_years: float
    """Years over which ``enter`` is spread."""


@dataclass(frozen=True, slots=True)
class RangeYield:
    """A range's annual yield by its parts, each a fraction of our value."""

    fees: float
    """Fees earned from swaps."""
    lost: float
    """Loss versus rebalancing (LVR): what arbitrage takes."""
    cost: float
    """Gas and swaps of rebalances."""
    inside: float
    """Fraction of the time in which the position is in range."""

    @property
    def net(self) -> float:
        """Fees less LVR and costs."""
        return self.fees - self.lost - self.cost


def yield_of(
    estimate: PoolEstimate, bounds: RangeBounds, fees: float, sigma: float, *, full: bool = False
) -> RangeYield:
    """The yield at these fees (token1 base units a year) and this volatility. full: the range is never rebalanced.

    It falls with sigma: less time in range and more rebalances. LVR during one stay in the range does not depend on
    sigma.
    """
    if math.isinf(sigma):
        return RangeYield(0.0, math.inf, 0.0, 0.0)
    ours = estimate.value / (estimate.root * bounds.value)
    income = fees * ours / (estimate.liquidity + ours) / estimate.value
    entry = estimate.enter / estimate.value / estimate.horizon_years
    stay = math.inf if full else bounds.years_inside(sigma)
    if math.isinf(stay):
        return RangeYield(income, bounds.lost(sigma), entry, 1.0)
    turn = stay + estimate.idle_years
    inside = stay / turn if turn else 0.0
    # By renewal theory the expected number of rebalances is at most the time over the length of a turn.
    again = estimate.rebalance / estimate.value / turn if turn else math.inf
    return RangeYield(income * inside, bounds.lost(sigma) * inside, entry + again, inside)


def net_of(estimate: PoolEstimate, bounds: RangeBounds, *, full: bool = False) -> Interval:
    """The net yield: its lower bound at the lowest fees and the highest volatility, its upper bound the other way
    round.

    If each of the two intervals holds with confidence 1 - (1 - c) / 2, both hold with c (Bonferroni), and so does this
    one.
    """
    low = yield_of(estimate, bounds, estimate.fees.low, estimate.sigma.high, full=full).net
    high = yield_of(estimate, bounds, estimate.fees.high, estimate.sigma.low, full=full).net
    return Interval(low, yield_of(estimate, bounds, estimate.fees.mean, estimate.sigma.mean, full=full).net, high)


def bounds_of(ticks: Range, sqrt_price_x96: int) -> RangeBounds:
    """A range's bounds as seen from a price (Q64.96 square root)."""
    now = 2.0 * math.log(sqrt_price_x96 / Q96)
    return RangeBounds(ticks.low * LOG_TICK - now, ticks.high * LOG_TICK - now)


def full_range(spacing: int) -> Range:
    """All ticks that a pool of this tick spacing allows."""
    most = MOST_TICK // spacing * spacing
    return Range(-most, most)


def around(tick: int, half: int, spacing: int) -> Range:
    """The range of ``half`` ticks to each side of a tick, extended to the next ticks that the pool allows."""
    most = MOST_TICK // spacing * spacing
    return Range(max(-most, (tick - half) // spacing * spacing), min(most, -((-tick - half) // spacing) * spacing))


def moved_to(ticks: Range, tick: int, spacing: int) -> Range:
    """A range of the same width, centred on a tick as nearly as the pool's ticks allow."""
    width, most = ticks.high - ticks.low, MOST_TICK // spacing * spacing
    low = max(-most, min(most - width, round((tick - width / 2) / spacing) * spacing))
    return Range(low, low + width)


@dataclass(frozen=True, slots=True)
class BestRange:
    """The range with the highest lower bound of the net yield."""

    ticks: Range
    """The range."""
    net: Interval
    """Net yield of the range."""
    at_mean: RangeYield
    """Yield of the range at the mean estimates."""
    full: bool
    """Whether it is the full range."""


def best_range(estimate: PoolEstimate, sqrt_price_x96: int, tick: int, spacing: int) -> BestRange:
    """The best of all ranges that are as wide below as above (in ticks), from one spacing to all ticks, and of the full
    range.

    The lower bound of the net yield is maximised, because it decides about entry; if nothing pays, the full range loses
    least. Widths are tried in steps of 5 %. tick: the present one.
    """
    whole = full_range(spacing)
    halves, half = [], float(spacing)
    while half < MOST_TICK:
        halves.append(round(half))
        half *= WIDER
    ranges = dict.fromkeys(around(tick, each, spacing) for each in halves)
    tried = [(net_of(estimate, bounds_of(ticks, sqrt_price_x96)), ticks) for ticks in ranges if ticks != whole]
    tried.append((net_of(estimate, FULL, full=True), whole))
    net, ticks = max(tried, key=lambda one: one[0].low)
    bounds = FULL if ticks == whole else bounds_of(ticks, sqrt_price_x96)
    at_mean = yield_of(estimate, bounds, estimate.fees.mean, estimate.sigma.mean, full=ticks == whole)
    return BestRange(ticks, net, at_mean, ticks == whole)


def kept_by_arbitrage(sigma: float, fee: float, block_seconds: float) -> float:
    """The fraction of LVR that arbitrage keeps: 1 / (1 + 1.7164 f / sigma_b). It pays the rest as fees.

    f = -ln(1 - fee) is how far the price may move to either side before anybody trades, sigma_b the volatility over one
    block's time. Nezlobin and Tassy's closed form; their spread is the whole width 2 f.
    """
    a_block = sigma * math.sqrt(block_seconds / SECONDS_PER_YEAR)
    return 1.0 / (1.0 + ZETA_TERM * -math.log1p(-fee) / a_block) if a_block else 0.0


def held_against(now: tuple[float, float], put: tuple[float, float], price: float) -> float | None:
    """Impermanent loss: (value of a position's tokens) / (value that the deposited tokens would have) - 1. Without
    fees.

    now, put: whole tokens of (token0, token1); price: token1 for one token0. None if nothing was put in.
    """
    held = put[0] * price + put[1]
    return (now[0] * price + now[1]) / held - 1.0 if held > 0.0 else None
