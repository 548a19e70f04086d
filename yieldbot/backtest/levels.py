"""The forecasts of a policy's forecaster at every row of a panel, over the policy's horizon: computed once for all
windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from yieldbot.forecast.levels import over
from yieldbot.forecast.model import Walk
from yieldbot.forecast.outlook import QUOTE, outlook
from yieldbot.forecast.rules import Rule
from yieldbot.history.panel import Panel
from yieldbot.model.dataclass import dataclass
from yieldbot.model.market import RateForecast
from yieldbot.model.policy import Policy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Levels:
    """One forecaster's forecasts for every row, each made from that row and those before it."""

    mean: NDArray[np.float64]
    """(times, markets): simple annual fractions; NaN for none."""
    low: NDArray[np.float64]
    """Lower ends of the 80 % intervals."""
    high: NDArray[np.float64]
    """Upper ends of the 80 % intervals."""
    days: float
    """The horizon, in days."""
    by: str
    """Name of the forecaster."""

    def of(self, columns: Sequence[int], row: int) -> list[RateForecast | None]:
        """The forecast for each of these markets; None where nothing is known."""
        return [self._of(row, column) for column in columns]

    def _of(self, row: int, column: int) -> RateForecast | None:
        mean, low, high = (float(grid[row, column]) for grid in (self.mean, self.low, self.high))
        if not low <= mean <= high:  # NaN among them
            return None
        return RateForecast(mean=mean, low=low, high=high, days=self.days, by=self.by)


def levels_of(
    panel: Panel, policies: Mapping[str, Policy], entrants: Sequence[Rule] | None = None
) -> dict[str, Levels]:
    """Forecasts by the policy's name. entrants: the forecasters that take part in a combined forecast, as for
    ``Tournament``."""
    walks: dict[str, Walk] = {}
    made: dict[tuple[str, float], Levels] = {}
    for policy in policies.values():
        key = policy.forecaster, policy.mean_days
        if policy.forecaster not in walks and policy.forecaster != QUOTE:
            walks[policy.forecaster] = outlook(panel, policy.forecaster, entrants).walk
        if key not in made:
            made[key] = _levels(panel, walks.get(policy.forecaster), *key)
    return {name: made[policy.forecaster, policy.mean_days] for name, policy in policies.items()}


def _levels(panel: Panel, walk: Walk | None, forecaster: str, days: float) -> Levels:
    import numpy as np

    if walk is None:
        nothing = np.full((len(panel.times), len(panel.keys)), np.nan)
        return Levels(nothing, nothing, nothing, days, forecaster)
    found = [over(walk.at(row), days) for row in range(len(panel.times))]
    mean, low, high = (np.array([one[k] for one in found]) for k in range(3))
    return Levels(mean, low, high, days, forecaster)
