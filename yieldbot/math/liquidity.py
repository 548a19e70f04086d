"""What providing liquidity yields: fees of our share, less loss versus rebalancing, gas and re-ranging; pure.

Sources: Milionis, Moallemi, Roughgarden, Zhang, arXiv 2208.06046 (loss versus rebalancing, LVR: of a value V(p)
sigma^2 p^2 |V''(p)| / 2 a unit of time); Nezlobin, Tassy, arXiv 2505.05113 (what arbitrage keeps of it where blocks
come at equal times); Uniswap v3's V(p) = L (2 sqrt p - p / sqrt pb - sqrt pa).

The whole of LVR is taken off the whole of the fees. A part of the fees is paid by the very arbitrage that causes the
loss; it is in what was measured, so that it must be in what is taken off. A range is laid around the price and laid
anew when the price has left it; the price is a driftless geometric Brownian motion. Values are in token1, a ``share``
is of the position's value, rates are a year's. Bounds a < 0 < b of a range are logarithms of price over present price.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from yieldbot.math.concentrated import MOST_TICK, Q96
from yieldbot.math.estimate import LOG_TICK, Interval
from yieldbot.math.positions import Range
from yieldbot.model.units import SECONDS_PER_YEAR

ZETA_TERM = 1.7164
"""sqrt(2 pi) / |zeta(1/2)|."""
WIDER = 1.05
"""Widths are tried in steps of this ratio: near its maximum a yield is flat."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """A range as logarithms of its bounds over the present price; infinite for the full range."""

    low: float
    high: float

    @property
    def value(self) -> float:
        """The value of one unit of liquidity over the square root of the price: 2 for the full range."""
        return 2.0 - math.exp(-self.high / 2) - math.exp(self.low / 2)

    def years_inside(self, sigma: float) -> float:
        """Expected time until the price leaves: 2 (-a - P (b - a)) / sigma^2 with P = (1 - e^a) / (e^b - e^a), the
        chance to leave above (optional stopping of the price and of its logarithm). 0 where the price is outside."""
        if self.low >= 0.0 or self.high <= 0.0:
            return 0.0
        if sigma**2 == 0.0 or math.isinf(self.high) or math.isinf(self.low):
            return math.inf
        # (1 - e^a) / (e^b - e^a) with e^b taken out: no overflow for wide ranges
        above = -math.expm1(self.low) * math.exp(-self.high) / -math.expm1(self.low - self.high)
        return 2.0 * (-self.low - above * (self.high - self.low)) / sigma**2

    def lost(self, sigma: float) -> float:
        """LVR a year, as a share of the value: sigma^2 L sqrt p / 4 over V; sigma^2 / 8 for the full range.

        The rate at the present price; over a time it is a little less (the mean of sqrt p falls).
        """
        return sigma**2 / (4.0 * self.value)


FULL = Bounds(-math.inf, math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """A pool and what we would do in it.

    fees: of all providers at the present price, a year; liquidity: in range, without ours; root: the square root of
    the price, so that a liquidity is worth ``root * Bounds.value``; sigma: of the log price. value: ours. enter: what
    going in and out costs; rerange: what laying a range anew costs; both in token1. idle_years: how long a range stays
    left before it is laid anew. horizon_years: what enter is spread over.
    """

    fees: Interval
    liquidity: float
    root: float
    sigma: Interval
    value: float
    enter: float
    rerange: float
    idle_years: float
    horizon_years: float


@dataclass(frozen=True, slots=True)
class Yield:
    """Shares of our value a year. inside: the part of the time in which the position earns; cost: gas and swaps."""

    fees: float
    lost: float
    cost: float
    inside: float

    @property
    def net(self) -> float:
        return self.fees - self.lost - self.cost


def yield_of(venue: Venue, bounds: Bounds, fees: float, sigma: float, *, full: bool = False) -> Yield:
    """At these fees and this volatility. It falls with sigma: less time inside and more ranges, while LVR of one stay
    does not depend on it. ``full``: nothing is ever laid anew."""
    if math.isinf(sigma):
        return Yield(0.0, math.inf, 0.0, 0.0)
    ours = venue.value / (venue.root * bounds.value)
    income = fees * ours / (venue.liquidity + ours) / venue.value
    entry = venue.enter / venue.value / venue.horizon_years
    stay = math.inf if full else bounds.years_inside(sigma)
    if math.isinf(stay):
        return Yield(income, bounds.lost(sigma), entry, 1.0)
    turn = stay + venue.idle_years
    inside = stay / turn if turn else 0.0
    # By renewal theory the ranges laid within a time are at most its length over a turn's, in the mean.
    again = venue.rerange / venue.value / turn if turn else math.inf
    return Yield(income * inside, bounds.lost(sigma) * inside, entry + again, inside)


def net_of(venue: Venue, bounds: Bounds, *, full: bool = False) -> Interval:
    """The net yield: its low end at the lowest fees and the highest volatility, its high end the other way.

    Where each of the two intervals holds at 1 - (1 - c) / 2, both do at c (Bonferroni), and so does this one.
    """
    low = yield_of(venue, bounds, venue.fees.low, venue.sigma.high, full=full).net
    high = yield_of(venue, bounds, venue.fees.high, venue.sigma.low, full=full).net
    return Interval(low, yield_of(venue, bounds, venue.fees.mean, venue.sigma.mean, full=full).net, high)


def bounds_of(ticks: Range, sqrt_price_x96: int) -> Bounds:
    """A range's bounds seen from a price."""
    now = 2.0 * math.log(sqrt_price_x96 / Q96)
    return Bounds(ticks.low * LOG_TICK - now, ticks.high * LOG_TICK - now)


def full_range(spacing: int) -> Range:
    """All ticks that a pool takes."""
    most = MOST_TICK // spacing * spacing
    return Range(-most, most)


def around(tick: int, half: int, spacing: int) -> Range:
    """The range of ``half`` ticks to each side, out to the next ticks that the pool takes."""
    most = MOST_TICK // spacing * spacing
    return Range(max(-most, (tick - half) // spacing * spacing), min(most, -((-tick - half) // spacing) * spacing))


def moved_to(ticks: Range, tick: int, spacing: int) -> Range:
    """A range of the same width with a tick in its middle, as nearly as the pool's ticks let it."""
    width, most = ticks.high - ticks.low, MOST_TICK // spacing * spacing
    low = max(-most, min(most - width, round((tick - width / 2) / spacing) * spacing))
    return Range(low, low + width)


@dataclass(frozen=True, slots=True)
class Best:
    """The range whose net yield's low end is the highest, with its yield at the estimates."""

    ticks: Range
    net: Interval
    at_mean: Yield
    full: bool


def best_range(venue: Venue, sqrt_price_x96: int, tick: int, spacing: int) -> Best:
    """Over ranges as wide below as above (in ticks), from one spacing to all ticks, and the full one.

    The low end is what entry is decided by, so that it is what is maximised; where nothing pays, the full range loses
    least. Widths are tried in steps of 5 %.
    """
    whole = full_range(spacing)
    halves, half = [], float(spacing)
    while half < MOST_TICK:
        halves.append(round(half))
        half *= WIDER
    ranges = dict.fromkeys(around(tick, each, spacing) for each in halves)
    tried = [(net_of(venue, bounds_of(ticks, sqrt_price_x96)), ticks) for ticks in ranges if ticks != whole]
    tried.append((net_of(venue, FULL, full=True), whole))
    net, ticks = max(tried, key=lambda one: one[0].low)
    bounds = FULL if ticks == whole else bounds_of(ticks, sqrt_price_x96)
    at_mean = yield_of(venue, bounds, venue.fees.mean, venue.sigma.mean, full=ticks == whole)
    return Best(ticks, net, at_mean, ticks == whole)


def kept_by_arbitrage(sigma: float, fee: float, block_seconds: float) -> float:
    """What arbitrage keeps of LVR, the rest being the fees that it pays: 1 / (1 + 1.7164 f / sigma_b), f = -ln(1 - fee)
    the distance to either side within which nobody trades, sigma_b the volatility of a block's time.

    Nezlobin and Tassy's closed form, their spread being the whole width 2 f.
    """
    a_block = sigma * math.sqrt(block_seconds / SECONDS_PER_YEAR)
    return 1.0 / (1.0 + ZETA_TERM * -math.log1p(-fee) / a_block) if a_block else 0.0


def held_against(now: tuple[float, float], put: tuple[float, float], price: float) -> float | None:
    """Impermanent loss: what a position's tokens are worth over what was put in would be, less 1. ``price``: token1
    for one token0. None where nothing was put in. Fees are not in it."""
    held = put[0] * price + put[1]
    return (now[0] * price + now[1]) / held - 1.0 if held > 0.0 else None
