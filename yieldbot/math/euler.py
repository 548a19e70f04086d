"""Euler v2's integer arithmetic: caps, shares, and rates by utilisation.

Source: euler-xyz/euler-vault-kit@5b98b42 (AmountCap.sol, ConversionHelpers.sol, Shares.sol, Constants.sol, Cache.sol).
Interest compounds every second at a rate that only changes when somebody uses the vault (RiskManager.checkVaultStatus).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from yieldbot.math.curves import Points
from yieldbot.math.slots import SLOTS_PER_YEAR, SlotCurve
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import SECONDS_PER_YEAR

RAY = 10**27
VIRTUAL = 10**6
"""Shares, and base units of the asset, that conversions add (ConversionHelpers.VIRTUAL_DEPOSIT_AMOUNT)."""
FEE_SCALE = 10_000
MOST_RATE = 291_867_278_914_945_094_175
"""The highest rate a second that a vault takes from its model, in RAY (MAX_ALLOWED_INTEREST_RATE)."""
WHOLE = 2**32 - 1
"""Utilisation 1 as IRMLinearKink counts it."""
EVEN = tuple(WHOLE * tenth // 10 for tenth in range(11))
"""Utilisations at which every rate model is asked."""
STRAIGHT = 1e-6
"""A rate that is nearer than this to the line between its neighbours, as a fraction of the highest, is left out."""


def cap_of(encoded: int) -> int | None:
    """AmountCap.resolve: base units; None: no cap."""
    if encoded == 0:
        return None
    return int(10 ** (encoded & 63)) * (encoded >> 6) // 100


def worth(shares: int, assets_raw: int, supply: int) -> int:
    """Base units that ``shares`` are worth: rounded down (SharesLib.toAssetsDown)."""
    return shares * (assets_raw + VIRTUAL) // (supply + VIRTUAL)


def points_of(asked: Sequence[int], rates: Sequence[int]) -> Points:
    """(utilisation, annual borrow rate), from a model's rates a second (in RAY) at utilisations that are parts of
    ``WHOLE``; those that lie on the line between their neighbours are left out."""
    rows = sorted({u: min(rate, MOST_RATE) for u, rate in zip(asked, rates, strict=True)}.items())
    points = [(u / WHOLE, rate * SECONDS_PER_YEAR / RAY) for u, rate in rows]
    near = STRAIGHT * max((rate for _, rate in points), default=0.0)
    kept = points[:1]
    for place in range(1, len(points) - 1):
        (u0, y0), (u, y), (u1, y1) = kept[-1], points[place], points[place + 1]
        if abs(y0 + (y1 - y0) * (u - u0) / (u1 - u0) - y) > near:
            kept.append(points[place])
    return tuple(kept + points[-1:])


def with_kink(points: Points, kink: float) -> Points:
    """The points of a line that bends once, at ``kink``, which lies between two of them: with the kink, found by
    the line below it."""
    below = [point for point in points if point[0] < kink]
    above = [point for point in points if point[0] > kink]
    if len(below) < 1 or not above or any(point[0] == kink for point in points):
        return points
    (u0, y0), (u1, y1) = (points[0], below[-1]) if len(below) > 1 else (below[0], below[0])
    if u1 == u0:
        return points
    return (points[0], (kink, y0 + (y1 - y0) * (kink - u0) / (u1 - u0)), *above[-1:])


def rate_at(points: Points, u: float) -> float:
    """The annual rate at a utilisation, by the line between the points around it."""
    for (u0, y0), (u1, y1) in pairwise(points):
        if u <= u1:
            return y0 + (y1 - y0) * (u - u0) / (u1 - u0)
    return points[-1][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultTotals:
    """A vault's totals at a block, interest included, in base units of its asset."""

    cash_raw: int
    """What it counts as paid in and not lent out."""
    borrowed_raw: int
    """Debt of all borrowers, rounded up."""
    assets_raw: int
    """What all shares are worth: cash and debt."""
    supply: int
    """All shares, fees that were not converted yet included."""
    fee: int
    """Part of the interest that suppliers do not get, in parts of ``FEE_SCALE``."""
    points: Points
    """(utilisation, annual borrow rate) by its rate model."""

    @property
    def utilisation(self) -> float:
        """Debt over cash and debt."""
        return self.borrowed_raw / self.assets_raw if self.assets_raw else 0.0

    @property
    def keep(self) -> float:
        """The fraction of the interest that suppliers get."""
        return 1.0 - self.fee / FEE_SCALE

    def at_rate(self, rate: float) -> VaultTotals:
        """The same vault with a line through the annual rate in force, which stays until it is used again."""
        now = rate_at(self.points, self.utilisation)
        part = rate / now if now > 0.0 else 1.0
        return replace(self, points=tuple((u, there * part) for u, there in self.points))

    def curve(self, one: int, held_raw: int) -> SlotCurve:
        """The rate after a deposit, interest compounded every second; ``one``: base units of a whole token.

        The virtual deposit takes its share of the interest and is not part of utilisation, hence a negative ``fees``.
        """
        return SlotCurve(
            others=(self.assets_raw + VIRTUAL - held_raw) / one,
            borrowed=self.borrowed_raw / one,
            points=self.points,
            keep=self.keep,
            slot_seconds=SECONDS_PER_YEAR / SLOTS_PER_YEAR,
            compounds=True,
            fees=-VIRTUAL / one,
        )
