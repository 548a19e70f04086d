"""Forecasts without a model: the last quote, exponential means, the spike rule, medians.

Each is a function of a panel's running statistics (``Series``) to means of (times, markets, horizons), made for all
rows at once, each from that row and those before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from yieldbot.forecast.model import HORIZONS
from yieldbot.forecast.series import Series

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Cube = NDArray[np.float64]

PERSISTENCE = "persistence"
HALF_LIVES = (1, 2, 3, 5, 7)
"""Days."""
MEDIANS = (7, 30)
"""Days."""
SPIKE = 1.5
"""A quote so many times its 7-day mean is a spike: 73 % of its excess is gone after a day, 90 % after two (medians of
172 spikes in 39 markets)."""


class Rule(Protocol):
    """A forecaster of ours: it forecasts all rows of a panel at once, each from that row and those before it."""

    @property
    def name(self) -> str:
        """What it is called in tables."""
        ...

    @property
    def says(self) -> str:
        """What it does, in one line."""
        ...

    def means(self, series: Series) -> Cube:
        """(times, markets, horizons); NaN for none."""
        ...


@dataclass(frozen=True, slots=True)
class Persistence:
    """What is quoted now lasts."""

    name: str = PERSISTENCE
    """What it is called in tables."""
    says: str = "what is quoted now lasts"
    """What it does, in one line."""

    def means(self, series: Series) -> Cube:
        """The quote, for each horizon."""
        return _each(series.quote)


@dataclass(frozen=True, slots=True)
class ExponentialMean:
    """The exponential mean of the quotes lasts."""

    half_life: float
    """Days."""

    @property
    def name(self) -> str:
        """``mean-3d``."""
        return f"mean-{self.half_life:g}d"

    @property
    def says(self) -> str:
        """In one line."""
        return f"the exponential mean of the quotes, half-life {self.half_life:g} days, lasts"

    def means(self, series: Series) -> Cube:
        """The mean, for each horizon."""
        return _each(series.mean(self.half_life))


@dataclass(frozen=True, slots=True)
class PaidMean:
    """The exponential mean of what markets paid between readings (growth of their index) lasts; of the quote where
    that is not known. A quote is one moment, at which a loan of a night may stand; what was paid is a mean itself."""

    half_life: float
    """Days."""

    @property
    def name(self) -> str:
        """``paid-3d``."""
        return f"paid-{self.half_life:g}d"

    @property
    def says(self) -> str:
        """In one line."""
        return f"the exponential mean of what was paid between readings, half-life {self.half_life:g} days, lasts"

    def means(self, series: Series) -> Cube:
        """The mean, for each horizon."""
        return _each(series.paid(self.half_life))


@dataclass(frozen=True, slots=True)
class SpikeRule:
    """The exponential mean of a day; where the quote is a spike, the middle between it and the 7-day mean."""

    name: str = "spike"
    """What it is called in tables."""
    says: str = f"mean of a day; where the quote is over {SPIKE} times its 7-day mean, the mean of both"
    """What it does, in one line."""

    def means(self, series: Series) -> Cube:
        """The same for each horizon."""
        import numpy as np

        day, week = series.mean(1), series.window("mean", 7)
        return _each(np.where(series.quote > SPIKE * week, (day + week) / 2.0, day))


@dataclass(frozen=True, slots=True)
class Median:
    """The median of the quotes of the last days lasts."""

    days: int
    """How many."""

    @property
    def name(self) -> str:
        """``median-30d``."""
        return f"median-{self.days}d"

    @property
    def says(self) -> str:
        """In one line."""
        return f"the median of the quotes of {self.days} days lasts"

    def means(self, series: Series) -> Cube:
        """The median, for each horizon."""
        return _each(series.window("median", self.days))


def rules() -> tuple[Rule, ...]:
    """Those of this file, persistence first."""
    return (
        Persistence(),
        *(ExponentialMean(one) for one in HALF_LIVES),
        SpikeRule(),
        *(Median(one) for one in MEDIANS),
    )


def _each(grid: NDArray[np.float64]) -> Cube:
    """The same for each horizon."""
    import numpy as np

    return np.repeat(grid[:, :, None], len(HORIZONS), axis=2)
