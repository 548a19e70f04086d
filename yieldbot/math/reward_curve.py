"""Income from incentives on top of the market's own curve, as a function of our holding.

Source of the division: Aave v3 RewardsDistributor (emission by scaled supply) and Comet's tracking index (by
principal). Both pay a fixed amount a second pro rata to supply, so that x tokens of ours get the fraction x / (others +
x).
"""

from __future__ import annotations

from yieldbot.model.curve import YieldCurve
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import SECONDS_PER_YEAR


@dataclass(frozen=True, slots=True)
class RewardTerm:
    """One reward."""

    others: float
    """What everybody else holds, in the unit by which the reward is divided: whole tokens of the asset."""
    value_per_year: float
    """Value of the reward to all holders together, in whole asset tokens a year, net of its haircut."""
    seconds_left: float
    """Seconds until it ends; infinite if no end is known."""
    claim_cost: float
    """Cost of one claim at the horizon's end, in whole asset tokens: a reward that is worth less is not claimed and
    counts as 0."""

    def _rates(self, horizon_seconds: float) -> tuple[float, float]:
        """(reward to all holders together, cost of the claim), both in asset tokens a year, averaged over the
        horizon."""
        flow = self.value_per_year * min(1.0, self.seconds_left / horizon_seconds)
        return flow, self.claim_cost * SECONDS_PER_YEAR / horizon_seconds

    def income(self, x: float, horizon_seconds: float) -> float:
        """Whole asset tokens a year to a holding of x: max(0, flow * x / (others + x) - cost)."""
        if x <= 0.0:
            return 0.0
        flow, cost = self._rates(horizon_seconds)
        return max(0.0, flow * x / (self.others + x) - cost)

    def slope(self, x: float, horizon_seconds: float) -> float:
        """d income / dx at x, from the right."""
        flow, cost = self._rates(horizon_seconds)
        total = self.others + x
        if total <= 0.0 or flow * x / total < cost:
            return 0.0
        return flow * self.others / total**2

    def start(self, horizon_seconds: float) -> float | None:
        """The holding from which on it pays for its claim, where income bends upwards; None if no holding does."""
        flow, cost = self._rates(horizon_seconds)
        return cost * self.others / (flow - cost) if flow > cost else None


@dataclass(frozen=True, slots=True)
class RewardedCurve:
    """A market's own curve plus its rewards."""

    base: YieldCurve
    """The market's own curve."""
    terms: tuple[RewardTerm, ...]
    """The market's rewards."""

    @property
    def others(self) -> float:
        """The scale on which incomes bend, in whole tokens: ``others`` of the base curve, if it has that."""
        return float(getattr(self.base, "others", 0.0)) or max(term.others for term in self.terms)

    def reward_apr(self, x: float, horizon_seconds: float) -> float:
        """The rewards' part of ``apr``. At holding 0: the limit from above if claims cost nothing, else 0."""
        if x > 0.0:
            return sum(term.income(x, horizon_seconds) for term in self.terms) / x
        return sum(term.slope(0.0, horizon_seconds) for term in self.terms if not term.claim_cost and term.others > 0.0)

    def apr(self, x: float, horizon_seconds: float) -> float:
        return self.base.apr(x, horizon_seconds) + self.reward_apr(x, horizon_seconds)

    def marginal(self, x: float, horizon_seconds: float) -> float:
        return self.base.marginal(x, horizon_seconds) + sum(term.slope(x, horizon_seconds) for term in self.terms)

    def breakpoints(self) -> tuple[float, ...]:
        """The base curve's; the holding where a reward starts to pay depends on the horizon (``RewardTerm.start``)."""
        return self.base.breakpoints()
