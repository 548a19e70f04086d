"""Aave v4's integer arithmetic: what a hub counts of one asset, and the yield of adding to it.

Source: aave/aave-v4 v0.5.11 (cdacec5): Hub.sol, AssetLogic, SharesMath, Premium, AssetInterestRateStrategy. Spokes draw
from the hub at one rate and owe a premium besides, as so many more shares of the same index; suppliers get both, less
the liquidity fee. A rate stays as the last use left it; interest on it is simple.
"""

from __future__ import annotations

from dataclasses import replace

from yieldbot.math.curves import KinkedCurve, Points
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import BPS, SECONDS_PER_YEAR

RAY = 10**27
BP_RAY = RAY // BPS
VIRTUAL = 10**6
"""Shares, and as many base units, that each asset of a hub has beyond what was added (SharesMath)."""
NO_CAP = 2**40 - 1
"""A spoke's cap of this many whole tokens is none (MAX_ALLOWED_SPOKE_CAP)."""


def _up(a: int, b: int) -> int:
    return -(-a // b)


@dataclass(frozen=True, slots=True)
class RateTerms:
    """AssetInterestRateStrategy's terms of one asset, in basis points."""

    optimal_bps: int
    """Usage at the kink."""
    base_bps: int
    """Annual rate with nothing drawn."""
    before_bps: int
    """What the rate grows by from there to the kink."""
    after_bps: int
    """What it grows by from the kink to full usage."""

    @property
    def points(self) -> Points:
        """(usage, annual drawn rate), for a curve."""
        kink = self.base_bps + self.before_bps
        full = kink + self.after_bps
        return ((0.0, self.base_bps / BPS), (self.optimal_bps / BPS, kink / BPS), (1.0, full / BPS))

    def rate_ray(self, liquidity_raw: int, drawn_raw: int, swept_raw: int) -> int:
        """The annual drawn rate, in rays (calculateInterestRate)."""
        if not drawn_raw:
            return self.base_bps * BP_RAY
        used, kink = _up(drawn_raw * RAY, liquidity_raw + drawn_raw + swept_raw), self.optimal_bps * BP_RAY
        if used <= kink:
            return self.base_bps * BP_RAY + _up(_up(self.before_bps * BP_RAY * used, RAY) * RAY, kink)
        steep = _up(_up(self.after_bps * BP_RAY * (used - kink), RAY) * RAY, RAY - kink)
        return (self.base_bps + self.before_bps) * BP_RAY + steep


@dataclass(frozen=True, slots=True)
class HubAsset:
    """A hub's record of one asset. Amounts in base units, indices and rates in rays."""

    liquidity_raw: int
    """What lies in the hub and can be drawn or removed."""
    fees_raw: int
    """Fees that were taken from suppliers and for which no shares exist yet."""
    added_shares: int
    """Shares of all suppliers."""
    swept_raw: int
    """What the reinvestment controller has taken out."""
    premium_offset_ray: int
    """What is taken off the worth of the premium shares, in rays."""
    drawn_shares: int
    """Shares of the debt."""
    premium_shares: int
    """Shares on whose growth the premiums are owed."""
    fee_bps: int
    """The part of the interest that is a fee."""
    index_ray: int
    """Base units owed for one share of the debt."""
    rate_ray: int
    """Annual drawn rate since the last use."""
    updated: int
    """Time of the last use, in unix seconds."""
    deficit_ray: int
    """Bad debt that spokes have reported and nobody has covered, in rays."""

    def accrued(self, now: int) -> HubAsset:
        """The asset as a use at ``now`` (unix seconds) would find it. Raises OverflowError for a time before the last
        use."""
        if now < self.updated:
            raise OverflowError("the hub's last use lies in the future")
        if now == self.updated or not (self.drawn_shares or self.premium_shares):
            return replace(self, updated=now)
        grown = RAY + self.rate_ray * (now - self.updated) // SECONDS_PER_YEAR
        later = replace(self, index_ray=_up(self.index_ray * grown, RAY), updated=now)
        earned_raw = _up(later.owed_ray, RAY) - _up(self.owed_ray, RAY)
        return replace(later, fees_raw=self.fees_raw + earned_raw * self.fee_bps // BPS)

    @property
    def premium_ray(self) -> int:
        """Premiums that spokes owe, in rays. Raises OverflowError if negative, as the hub does."""
        found = self.premium_shares * self.index_ray - self.premium_offset_ray
        if found < 0:
            raise OverflowError("the hub's premiums are negative")
        return found

    @property
    def owed_ray(self) -> int:
        """Debt, premiums and bad debt, in rays."""
        return self.drawn_shares * self.index_ray + self.premium_ray + self.deficit_ray

    @property
    def drawn_raw(self) -> int:
        """Debt without premiums."""
        return _up(self.drawn_shares * self.index_ray, RAY)

    @property
    def borrowed_raw(self) -> int:
        """Debt with premiums, without bad debt."""
        return self.drawn_raw + _up(self.premium_ray, RAY)

    @property
    def total_raw(self) -> int:
        """What all suppliers own, bad debt included (totalAddedAssets)."""
        return self.liquidity_raw + self.swept_raw + _up(self.owed_ray, RAY) - self.fees_raw

    @property
    def lost_raw(self) -> int:
        """Bad debt."""
        return _up(self.deficit_ray, RAY)

    @property
    def price(self) -> float:
        """Base units of the asset for one share."""
        return (self.total_raw + VIRTUAL) / (self.added_shares + VIRTUAL)

    def worth_raw(self, shares: int) -> int:
        """What removing so many shares would pay."""
        return shares * (self.total_raw + VIRTUAL) // (self.added_shares + VIRTUAL)

    def counted_raw(self, shares: int) -> int:
        """What a spoke's shares count against its cap."""
        return _up(shares * (self.total_raw + VIRTUAL), self.added_shares + VIRTUAL)

    def drawn_rate_ray(self, terms: RateTerms) -> int:
        """The annual drawn rate that a use now would set."""
        return terms.rate_ray(self.liquidity_raw, self.drawn_raw, self.swept_raw)

    def keep(self) -> float:
        """What suppliers get of the interest on the debt alone: premiums make it more, the fee less."""
        extra = self.premium_shares / self.drawn_shares if self.drawn_shares else 0.0
        return (1.0 + extra) * (1.0 - self.fee_bps / BPS)

    def quoted(self) -> float:
        """What suppliers earn at the rate in force, a simple annual fraction."""
        return self.rate_ray / RAY * self.keep() * self.drawn_raw / (self.total_raw + VIRTUAL)

    def curve(self, terms: RateTerms, held_raw: int, one: int) -> HubCurve:
        """The rate as a function of our whole holding, of which ``held_raw`` is added already. one: base units of a
        whole token."""
        pool_raw = self.liquidity_raw + self.drawn_raw + self.swept_raw
        deficit_raw = self.total_raw + VIRTUAL - pool_raw
        return HubCurve(
            others=(pool_raw - held_raw) / one,
            borrowed=self.drawn_raw / one,
            points=terms.points,
            keep=self.keep(),
            deficit=deficit_raw / one,
            beside=(deficit_raw - self.lost_raw) / one,
        )


@dataclass(frozen=True, slots=True)
class HubCurve(KinkedCurve):
    """A KinkedCurve whose ``deficit`` is all that suppliers share and usage does not count: bad debt, and premiums
    owed less fees."""

    beside: float = 0.0
    """The part of ``deficit`` that is no bad debt, in whole tokens; negative if fees exceed the premiums owed."""

    @property
    def bad_debt(self) -> float:
        return self.deficit - self.beside
