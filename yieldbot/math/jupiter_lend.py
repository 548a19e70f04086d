"""Jupiter Lend's integer arithmetic (Fluid on Solana): exchange prices, rates and the withdrawal limit that grows with
time; and the yield of a deposit.

Source: Instadapp/fluid-solana-programs, programs/liquidity (token_reserve.rs, rate_model.rs, user_supply_position.rs)
and programs/lending (utils/helpers.rs). Exchange prices have 12 decimals, rates and utilisation are whole basis points.
A rate stays as the last operation left it; interest on it is simple.
"""

from __future__ import annotations

import math

from yieldbot.math.curves import Points, _crossings
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import BPS, SECONDS_PER_YEAR

PRICE_ONE = 10**12
"""An exchange price of 1."""
RATIO_ONE = 10**17
"""Scale of the fraction of borrowers that pay interest."""
RETURN_ONE = 100 * PRICE_ONE
"""Scale of a return on a share's price."""
MOST_REWARDS = 50 * PRICE_ONE
"""The highest rate of rewards: 50 % a year."""
MOST_RATE_BPS = 65_535
"""The highest borrow rate, in basis points."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """The liquidity program's account of one token."""

    borrow_rate_bps: int
    """Borrow rate since the last operation."""
    fee_bps: int
    """The program's fraction of the interest."""
    used_bps: int
    """Utilisation at the last operation."""
    timestamp: int
    """Time of the last operation, in unix seconds."""
    supply_price: int
    """Base units of the token for one raw unit of supply, times 10^12."""
    borrow_price: int
    """Base units of the token for one raw unit of debt, times 10^12."""
    supply_shares: int
    """Supply that earns interest, in raw units."""
    supply_free_raw: int
    """Supply that earns none, in base units."""
    borrow_shares: int
    """Debt that pays interest, in raw units."""
    borrow_free_raw: int
    """Debt that pays none, in base units."""

    @property
    def paying(self) -> int:
        """Fraction of the debt that pays interest, times 10^17."""
        part = _ratio(self.borrow_shares, self.borrow_free_raw)
        small = part * RATIO_ONE // (BPS + part)
        return small if self.borrow_shares < self.borrow_free_raw else RATIO_ONE - small

    def prices(self, now: int) -> tuple[int, int]:
        """(supply price, borrow price) at a time (calculate_exchange_prices). Raises OverflowError where the program
        fails."""
        seconds = now - self.timestamp
        if seconds < 0 or not self.supply_price or not self.borrow_price:
            raise OverflowError("the reserve's last operation lies in the future, or its price is 0")
        if not (seconds and self.borrow_rate_bps and self.borrow_shares):
            return self.supply_price, self.borrow_price
        year = SECONDS_PER_YEAR * BPS
        borrow_price = self.borrow_price - (-self.borrow_price * self.borrow_rate_bps * seconds // year)
        earned = earned_bps(self.used_bps, self.supply_shares, self.supply_free_raw, self.paying)
        rate = self.borrow_rate_bps * earned * (BPS - self.fee_bps)
        return self.supply_price + self.supply_price * rate * seconds // year // (BPS * BPS), borrow_price

    def supplied_raw(self, supply_price: int) -> int:
        """All supply at a supply price, in base units."""
        return self.supply_free_raw + self.supply_shares * supply_price // PRICE_ONE

    def borrowed_raw(self, borrow_price: int) -> int:
        """All debt at a borrow price, in base units."""
        return self.borrow_free_raw + self.borrow_shares * borrow_price // PRICE_ONE


def _ratio(one: int, other: int) -> int:
    """The smaller as a part of the larger, in basis points."""
    larger = max(one, other)
    return min(one, other) * BPS // larger if larger else 0


def earned_bps(used_bps: int, supply_shares: int, supply_free_raw: int, paying: int) -> int:
    """What interest-bearing supply earns of the borrow rate, in basis points: utilisation, more where some supply earns
    nothing, less where some debt pays nothing."""
    part = _ratio(supply_shares, supply_free_raw)
    if not supply_shares or (supply_shares < supply_free_raw and not part):
        return 0
    if supply_shares < supply_free_raw:
        ratio = used_bps * (RATIO_ONE + RATIO_ONE * BPS // part) // BPS
    else:
        ratio = used_bps * RATIO_ONE * (BPS + part) // (BPS * BPS)
    return ratio * paying // RATIO_ONE * BPS // RATIO_ONE


def borrow_rate_bps(points: Points, used_bps: int) -> int:
    """Borrow rate at a utilisation, in whole basis points (calc_borrow_rate_from_utilization). points: (utilisation,
    rate), both in basis points, from 0 to 10,000. Raises OverflowError where the program fails."""
    rate = _rate_bps(points, used_bps)
    if rate < 0:
        raise OverflowError("the borrow rate would be negative")
    return min(MOST_RATE_BPS, rate)


def _rate_bps(points: Points, used_bps: int) -> int:
    """The slope is rounded towards 0 first, and with it a rate that would be a whole number may be one less."""
    at = next((i for i in range(1, len(points) - 1) if used_bps < points[i][0]), len(points) - 1)
    (x1, y1), (x2, y2) = ((int(x), int(y)) for x, y in points[at - 1 : at + 1])
    rise = (y2 - y1) * PRICE_ONE
    slope = rise // (x2 - x1) if rise >= 0 else -(-rise // (x2 - x1))
    return (slope * used_bps + y1 * PRICE_ONE - slope * x1) // PRICE_ONE


@dataclass(frozen=True, slots=True)
class Position:
    """What the lending program itself has supplied to the liquidity program; all depositors share its limit."""

    amount: int
    """Its supply, in raw units if it earns interest, else in base units."""
    limit: int
    """Supply that had to stay after the last operation; 0: none."""
    timestamp: int
    """Time of the last operation, in unix seconds."""
    expand_bps: int
    """Part of the supply that may leave within ``expand_seconds``."""
    expand_seconds: int
    """Time in which the limit grows to its full size."""

    def must_stay(self, now: int) -> int:
        """Supply that must stay at a time (calc_withdrawal_limit_before_operate), in the unit of ``amount``. Raises
        OverflowError where the program fails."""
        if not self.limit:
            return 0
        most = self.amount * self.expand_bps // BPS
        if not self.expand_seconds or most > self.amount or now < self.timestamp:
            raise OverflowError("the withdrawal limit's settings are impossible")
        grown = most * (now - self.timestamp) // self.expand_seconds
        return max(self.amount - most, self.limit - grown, 0)


@dataclass(frozen=True, slots=True)
class Rewards:
    """The program's rewards, which raise the price of a share."""

    least_assets: int
    """Assets below which nothing is paid, in base units."""
    start: int
    """Start in unix seconds; 0: none."""
    seconds: int
    """Duration."""
    yearly_raw: int
    """Base units a year, to all depositors together."""
    next_seconds: int
    """Duration of the rewards that follow."""
    next_raw: int
    """Base units of the rewards that follow, over their whole duration; 0: none."""

    @property
    def end(self) -> int:
        """End of the present rewards, in unix seconds."""
        return self.start + self.seconds

    def returned(self, assets: int, since: int, now: int) -> int:
        """The return of a share from ``since`` to ``now``, in parts of ``RETURN_ONE`` (get_rate,
        calculate_new_token_exchange_price). assets: those of all depositors, in base units."""
        if not self.start or now < self.start:
            return 0
        paid = 0
        rate, following = self._rates(assets)
        if rate and since < self.end:
            begin, until = max(since, self.start), min(now, self.end)
            if until > begin:
                paid, since = rate * (until - begin) // SECONDS_PER_YEAR, until
        if following and now > self.end:
            begin, until = max(since, self.end), min(now, self.end + self.next_seconds)
            paid += following * max(0, until - begin) // SECONDS_PER_YEAR
        return paid

    def _rates(self, assets: int) -> tuple[int, int]:
        if assets < self.least_assets or not assets:
            return 0, 0
        rate = min(MOST_REWARDS, self.yearly_raw * RETURN_ONE // assets)
        if not self.next_raw or not self.next_seconds:
            return rate, 0
        yearly = self.next_raw * SECONDS_PER_YEAR // self.next_seconds
        return rate, min(MOST_REWARDS, yearly * RETURN_ONE // assets)


def share_price(old: int, old_supply_price: int, supply_price: int, rewards: int) -> int:
    """Price of a share, times 10^12, after the supply price rose and ``rewards`` (``Rewards.returned``) were added.
    Raises OverflowError where the program fails."""
    if supply_price < old_supply_price or not old_supply_price:
        raise OverflowError("the liquidity program's exchange price fell")
    earned = (supply_price - old_supply_price) * RETURN_ONE // old_supply_price
    return old + old * (rewards + earned) // RETURN_ONE


def _more(mostly: bool, part: int) -> float:
    """How much more than utilisation earning supply earns, since some supply earns nothing. mostly: whether most of it
    earns; part: the smaller of the two as a part of the larger, in basis points."""
    if mostly:
        return 1.0 + part / BPS
    return 1.0 + BPS / part if part else 0.0


@dataclass(frozen=True, slots=True)
class WholeBpCurve:
    """A pool whose borrow rate is piecewise linear in utilisation, where both are rounded down to whole basis points.

    The rate that the last operation leaves stays until the horizon's end: simple interest.
    """

    others: float
    """What others supply that earns interest, in whole tokens."""
    free: float
    """What is supplied and earns none, in whole tokens."""
    borrowed: float
    """What is lent out, in whole tokens."""
    points: Points
    """(utilisation, borrow rate), both in basis points, from 0 to 10,000."""
    keep: float
    """Fraction of the interest that suppliers get."""
    paying: float
    """Fraction of the debt that pays interest."""
    price: float
    """Whole tokens for one raw unit of the supply that earns interest."""

    def apr(self, x: float, horizon_seconds: float) -> float:
        earning = self.others + x
        if earning <= 0.0:
            return 0.0
        used = math.floor(self.borrowed / (earning + self.free) * BPS)
        shares = earning / self.price if self.free > 0.0 else 1.0
        part = math.floor(min(shares, self.free) / max(shares, self.free) * BPS)
        earned = math.floor(used * _more(shares >= self.free, part) * self.paying + 1e-9)
        return self._rate(used)[0] / BPS * earned / BPS * self.keep

    def marginal(self, x: float, horizon_seconds: float) -> float:
        """The slope of the income without the rounding."""
        earning = self.others + x
        if earning <= 0.0:
            return 0.0
        total = earning + self.free
        used = self.borrowed / total * BPS
        rate, slope = self._rate(used)
        falls = (slope * used / total + rate / earning) / BPS * self.borrowed / earning * self.paying * self.keep
        return self.apr(x, horizon_seconds) - x * falls

    def breakpoints(self) -> tuple[float, ...]:
        return _crossings(tuple((u / BPS, rate) for u, rate in self.points), self.borrowed, self.others + self.free)

    def _rate(self, used: float) -> tuple[float, float]:
        """(borrow rate in basis points, rounded down at a whole utilisation; its slope)."""
        last = len(self.points) - 1
        at = next((i for i in range(1, last) if used < self.points[i][0]), last)
        (x1, y1), (x2, y2) = self.points[at - 1 : at + 1]
        slope = (y2 - y1) / (x2 - x1) if x2 > x1 else 0.0
        rate = y1 + slope * (used - x1)
        whole = _rate_bps(self.points, int(used)) if float(used).is_integer() else rate
        return min(float(MOST_RATE_BPS), max(0.0, whole)), slope
