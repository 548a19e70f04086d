"""Incentives beside the yield: what our own deposit would get of them, as a curve of its own on top of the market's.

Source of the shares: Aave v3 RewardsDistributor (emission by scaled supply) and Comet's tracking index (by principal):
both hand out a fixed amount a second by share of what is supplied, so that x tokens of ours get x / (others + x) of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from yieldbot.model.curve import YieldCurve
from yieldbot.model.units import SECONDS_PER_YEAR


@dataclass(frozen=True, slots=True)
class RewardTerm:
    """One reward. others: what everybody else shares it by, in whole tokens of the asset.

    value_per_year: whole asset tokens to all of them together, after its haircut; seconds_left: until it ends (inf
    where no end is known). claim_cost: whole asset tokens for one claim, made at the horizon's end: a share that does
    not pay it is not claimed and counts nothing.
    """

    others: float
    value_per_year: float
    seconds_left: float
    claim_cost: float

    def _rates(self, horizon_seconds: float) -> tuple[float, float]:
        """To all together, and what the claim takes; both a year, as means over the horizon."""
        flow = self.value_per_year * min(1.0, self.seconds_left / horizon_seconds)
        return flow, self.claim_cost * SECONDS_PER_YEAR / horizon_seconds

    def income(self, x: float, horizon_seconds: float) -> float:
        """Whole asset tokens a year to a holding of x: max(0, flow * x / (others + x) - cost)."""
        if x <= 0.0:
            return 0.0
        flow, cost = self._rates(horizon_seconds)
        return max(0.0, flow * x / (self.others + x) - cost)

    def slope(self, x: float, horizon_seconds: float) -> float:
        """d income / dx, from the right."""
        flow, cost = self._rates(horizon_seconds)
        total = self.others + x
        if total <= 0.0 or flow * x / total < cost:
            return 0.0
        return flow * self.others / total**2

    def start(self, horizon_seconds: float) -> float | None:
        """The holding from which on it pays its claim: there the income bends up. None where no holding does."""
        flow, cost = self._rates(horizon_seconds)
        return cost * self.others / (flow - cost) if flow > cost else None


@dataclass(frozen=True, slots=True)
class RewardedCurve:
    """A market's own curve and its rewards: their incomes are added, and nothing of one is in the other."""

    base: YieldCurve
    terms: tuple[RewardTerm, ...]

    @property
    def others(self) -> float:
        """What the base is shared with, where it says so: the scale on which incomes bend."""
        return float(getattr(self.base, "others", 0.0)) or max(term.others for term in self.terms)

    def reward_apr(self, x: float, horizon_seconds: float) -> float:
        """The rewards' part of ``apr``. At 0 the limit from above where claims cost nothing, and else 0."""
        if x > 0.0:
            return sum(term.income(x, horizon_seconds) for term in self.terms) / x
        return sum(term.slope(0.0, horizon_seconds) for term in self.terms if not term.claim_cost and term.others > 0.0)

    def apr(self, x: float, horizon_seconds: float) -> float:
        return self.base.apr(x, horizon_seconds) + self.reward_apr(x, horizon_seconds)

    def marginal(self, x: float, horizon_seconds: float) -> float:
        return self.base.marginal(x, horizon_seconds) + sum(term.slope(x, horizon_seconds) for term in self.terms)

    def breakpoints(self) -> tuple[float, ...]:
        """The base's: where a reward starts to pay its claim depends on the horizon (``RewardTerm.start``)."""
        return self.base.breakpoints()
