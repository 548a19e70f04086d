"""A holding of principal tokens (PT): what buying more costs, what a sale or the redemption brings, and what is earned.

Integers are those of the contracts (``math/pendle.py``); the curve is their formula in floats. A PT that is held until
its expiry pays its asset; one that is sold before pays what the market gives for it then.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property

from yieldbot.math.pendle import (
    MOST_PT,
    ONE,
    PendleError,
    PtMarket,
    after_trade,
    most_pt_out,
    pt_for_sy,
    pt_terms,
    trade,
)
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import BPS, SECONDS_PER_YEAR

LEEWAY_SECONDS = 60
"""The router is offered the amount that would be right so many seconds after the block that was read."""
NEARNESS = 2 * 10**11
"""How much of what is paid (10^18 is one) the router may leave in the market."""
ROUNDING_RAW = 4
"""Base units that may be left in the market as well."""
SLIPPAGE_BPS = 10
"""How much less than computed a purchase or a sale may bring until it is mined."""
MOST_STEPS = 60
"""Of Newton's method, of which a few are needed."""
CLOSE = 1e-15
"""A step below this part of the amount is the last."""
LEAST_ODDS = -14.0
"""The logarithm of PT over SY beyond which, either way, nothing is computed: a millionth."""
MOST_SLOPE = 1e6
"""PT for one more token of the asset, where a sale of more brings next to nothing."""


def least_out(expected: int) -> int:
    """The least that may come where so much is expected."""
    return expected - -(-expected * SLIPPAGE_BPS // BPS)


@dataclass(frozen=True)
class PtPrices:
    """One account's PT and the market that trades it, at one time. Amounts are base units of the asset, and of PT."""

    market: PtMarket
    """The market."""
    now: int
    """Unix seconds of the block."""
    rate: int
    """Asset for one SY that the yield token pays (``exchangeRate``); 10^18 is one."""
    shares: int
    """PT that we hold."""
    least: int | None = None
    """What a leg was approved to bring at least: PT of a purchase, base units of the asset of a sale; None: what is
    computed here, less SLIPPAGE_BPS."""

    @property
    def slippage_bps(self) -> int:
        """How much less than computed a purchase or a sale may bring, in bp."""
        return SLIPPAGE_BPS

    def limited(self, least: int) -> PtPrices:
        """The same with the least that was approved."""
        return replace(self, least=least)

    def least_of(self, expected: int) -> int:
        """The least that a call which is expected to bring so much must bring."""
        return least_out(expected) if self.least is None else self.least

    @property
    def expired(self) -> bool:
        """Whether it is redeemed and no longer traded."""
        return self.now >= self.market.expiry

    @cached_property
    def most_sold(self) -> int:
        """The most PT that the market takes."""
        try:
            asset = pt_terms(self.market, self.now).total_asset
        except PendleError:
            return 0
        whole = self.market.total_pt + asset
        low, high = 0, max(0, whole * MOST_PT // ONE - self.market.total_pt)
        while low < high:
            middle = high if not low and self._sells(high) else (low + high + 1) // 2
            if self._sells(middle):
                low = middle
            else:
                high = middle - 1
        return low

    def _sells(self, shares: int) -> bool:
        """Whether the market takes so much, and pays something for the last of it."""
        try:
            left, done = after_trade(self.market, -shares, self.now)
            return left.total_sy > 0 and done.sy > trade(self.market, shares // 1000 - shares, self.now).sy
        except PendleError:
            return False

    def redeemed(self, shares: int) -> int:
        """What the redemption of PT pays at the present index, from the expiry on."""
        return shares * ONE // self.market.index * self.rate // ONE

    def sold(self, shares: int) -> int:
        """What a sale of PT brings now, at most of ``most_sold``; after expiry what its redemption does."""
        if shares <= 0:
            return 0
        if self.expired:
            return self.redeemed(shares)
        shares = min(shares, self.most_sold)
        return trade(self.market, -shares, self.now).sy * self.rate // ONE if shares else 0

    def needed(self, raw: int) -> int:
        """The fewest of our PT whose sale brings ``raw``; all of ours if they bring less."""
        low, high = 0, self.shares
        while low < high:
            middle = (low + high) // 2
            if self.sold(middle) >= raw:
                high = middle
            else:
                low = middle + 1
        return low

    def worth(self) -> int:
        """What our PT would bring: a part that the market could not take now counts at the price of the last that it
        takes."""
        if self.expired or not self.shares:
            return self.redeemed(self.shares)
        most, whole = self.most_sold, self.sold(self.shares)
        if self.shares <= most or not most:
            return whole
        last = -(-most // 1000)
        return whole + (self.shares - most) * (whole - self.sold(most - last)) // last

    def bought(self, raw: int, later_seconds: int = 0) -> int:
        """PT that ``raw`` buys; 0: none can be bought."""
        try:
            return pt_for_sy(self.market, raw * ONE // self.rate, self.now + later_seconds)
        except PendleError:
            return 0

    def fewest(self, raw: int) -> int:
        """PT that pay ``raw`` at the expiry: no purchase may bring fewer, whatever the market is said to be."""
        return -(-raw * self.market.index // self.rate)

    def most_paid(self, shares: int) -> int:
        """What buying so much PT costs; 0: it cannot be bought."""
        try:
            return -trade(self.market, shares, self.now).sy * self.rate // ONE if shares > 0 else 0
        except PendleError:
            return 0

    def room(self) -> int:
        """The most of the asset that buys PT which pay more than they cost."""
        try:
            most = most_pt_out(self.market, self.now)
        except PendleError:
            return 0
        cost = self.most_paid(most)
        return max(0, cost - cost // 10**6)

    def cost_bps(self, raw: int) -> float:
        """What is lost of ``raw`` if it buys PT and all that we then have is sold again at once, beyond what selling
        only what we have now loses: in bp of ``raw``."""
        shares = self.bought(raw, LEEWAY_SECONDS)
        if raw <= 0 or not shares:
            return 0.0
        try:
            left, _ = after_trade(self.market, shares, self.now)
        except PendleError:
            return float(BPS)
        after = PtPrices(left, self.now, self.rate, self.shares + shares)
        return max(0.0, (raw + self.worth() - after.worth()) / raw * BPS)

    def nearness(self, raw: int) -> int:
        """How near the router must come to what ``raw`` buys; 10^18 is one."""
        return NEARNESS + ROUNDING_RAW * ONE // max(1, raw)  # PT and asset count alike; shares may count finer


@dataclass(frozen=True)
class FixedTermCurve:
    """What PT earns that is held until its expiry, as a function of the whole holding's worth: below ``held`` a part is
    sold, above more is bought. After the expiry it earns nothing."""

    held: float
    """What all of our PT would bring now, in whole tokens of the asset."""
    shares: float
    """Our PT, in whole tokens; each pays one token of the asset."""
    total_pt: float
    """PT in the market, in whole tokens."""
    total_asset: float
    """What the SY in the market is worth, in whole tokens of the asset."""
    scalar: float
    """Steepness of the price."""
    anchor: float
    """The exchange rate at an equal share of both."""
    fee: float
    """The fee as a factor of the exchange rate, 1 or more."""
    seconds_left: float
    """Until the expiry."""

    def _rate(self, out: float) -> tuple[float, float]:
        """(PT for one token of the asset, its slope by PT taken out), before the fee."""
        whole = self.total_pt + self.total_asset
        part = min(max((self.total_pt - out) / whole, 1e-12), 1.0 - 1e-12)
        odds = part / (1.0 - part)
        return math.log(odds) / self.scalar + self.anchor, -1.0 / (self.scalar * part * (1.0 - part) * whole)

    @cached_property
    def _most_bought(self) -> tuple[float, float]:
        """(the most PT that is sold for less than it pays, what it costs)."""
        exponent = min(max((self.fee - self.anchor) * self.scalar, LEAST_ODDS), -LEAST_ODDS)
        odds = math.exp(exponent)
        most = max(0.0, self.total_pt - odds / (1.0 + odds) * (self.total_pt + self.total_asset))
        return most, most * self.fee / self._rate(most)[0]

    @cached_property
    def _most_sold(self) -> tuple[float, float]:
        """(the most PT that the market takes, what it pays for all of it)."""
        low, high = 0.0, max(0.0, MOST_PT / ONE * (self.total_pt + self.total_asset) - self.total_pt)
        while high - low > high * 1e-12:
            middle = high if not low and self._price(high) > 0.0 else (low + high) / 2.0
            low, high = (middle, high) if self._price(middle) > 0.0 else (low, middle)
        return low, low / (self._rate(-low)[0] * self.fee)

    def _price(self, sold: float) -> float:
        """What the market pays for one more PT after so much was sold."""
        rate, slope = self._rate(-sold)
        return (1.0 / rate + sold * slope / rate**2) / self.fee

    @property
    def stays(self) -> float:
        """The part of the holding's worth that the market would not take now."""
        return max(0.0, self.held - self._most_sold[1])

    def bought(self, paid: float) -> tuple[float, float]:
        """(PT that ``paid`` buys, PT that one more token of the asset buys)."""
        most, cost = self._most_bought
        if paid >= cost:
            return most, 0.0
        amount = min(most, paid * self._rate(0.0)[0] / self.fee)
        for _ in range(MOST_STEPS):
            rate, slope = self._rate(amount)
            step = (amount * self.fee / rate - paid) / (self.fee * (1.0 / rate - amount * slope / rate**2))
            amount = min(most, max(0.0, amount - step))
            if abs(step) <= CLOSE * amount:
                break
        rate, slope = self._rate(amount)
        return amount, rate**2 / (self.fee * (rate - amount * slope))

    def sold(self, brings: float) -> tuple[float, float]:
        """(PT whose sale brings so much, PT for one more token of the asset); no more than the market takes."""
        most, _ = self._most_sold
        amount = brings * self._rate(0.0)[0] * self.fee
        for _ in range(MOST_STEPS):
            rate = self._rate(-amount)[0]
            step = (amount / (rate * self.fee) - brings) / self._price(amount)
            amount = min(most, max(0.0, amount - step))
            if abs(step) <= CLOSE * amount:
                break
        return amount, 1.0 / self._price(amount)

    def gained(self, x: float) -> tuple[float, float]:
        """(tokens that a holding of ``x`` gains until the expiry, their slope)."""
        if x >= self.held:
            more, slope = self.bought(x - self.held)
            return self.shares + more - x, slope - 1.0
        if x < self.stays:  # as if all that stays had gained alike
            kept = self.gained(self.stays)[0] / self.stays
            return kept * x, kept
        less, slope = self.sold(self.held - x)
        return max(0.0, self.shares - less) - x, min(slope, MOST_SLOPE) - 1.0

    def _yearly(self, horizon_seconds: float) -> float:
        return SECONDS_PER_YEAR / max(horizon_seconds, self.seconds_left)

    def apr(self, x: float, horizon_seconds: float) -> float:
        if self.seconds_left <= 0.0:
            return 0.0
        if x <= 0.0:
            return self.marginal(0.0, horizon_seconds)
        return self.gained(x)[0] / x * self._yearly(horizon_seconds)

    def marginal(self, x: float, horizon_seconds: float) -> float:
        if self.seconds_left <= 0.0:
            return 0.0
        return self.gained(x)[1] * self._yearly(horizon_seconds)

    def breakpoints(self) -> tuple[float, ...]:
        found = (self.stays, self.held, self.held + self._most_bought[1])
        return tuple(x for x in found if x > 0.0)


def fixed_term(prices: PtPrices, one: int) -> FixedTermCurve:
    """The curve of a holding; ``one``: base units of a whole token. Raises PendleError where nothing can be traded."""
    terms = pt_terms(prices.market, prices.now)
    return FixedTermCurve(
        held=prices.worth() / one,
        shares=prices.shares / one,
        total_pt=prices.market.total_pt / one,
        total_asset=terms.total_asset / one,
        scalar=terms.rate_scalar / ONE,
        anchor=terms.rate_anchor / ONE,
        fee=terms.fee_rate / ONE,
        seconds_left=float(prices.market.expiry - prices.now),
    )
