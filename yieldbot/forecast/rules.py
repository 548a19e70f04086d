"""Forecasts without a model: the last quote, exponential means, the spike rule, medians.

Each is a function from a panel's running statistics (``Series``) to means (times, markets, horizons). All rows are
computed at once, each from itself and earlier rows only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from yieldbot.forecast.model import HORIZONS
from yieldbot.forecast.series import Series
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Cube = NDArray[np.float64]

PERSISTENCE = "persistence"
HALF_LIVES = (1, 2, 3, 5, 7)
"""Half-lives of the exponentially weighted means, in days."""
MEDIANS = (7, 30)
"""Lengths of the windows of the medians, in days."""
SPIKE = 1.5
"""A quote above this many times its 7-day mean is a spike. Measured on 172 spikes in 39 markets (medians): 73 % of
the excess is gone after one day, 90 % after two."""


class Rule(Protocol):
    """A built-in forecaster: it forecasts all rows of a panel at once, each from itself and earlier rows only."""

    @property
    def name(self) -> str:
        """Its name in tables."""
        ...

    @property
    def says(self) -> str:
        """What it does, in one line."""
        ...

    def means(self, series: Series) -> Cube:
        """Expected means (times, markets, horizons); NaN: no forecast."""
        ...


@dataclass(frozen=True, slots=True)
class Persistence:
    """Persistence: the quoted rate lasts."""

    name: str = PERSISTENCE
    """Its name in tables."""
    says: str = "what is quoted now lasts"
    """What it does, in one line."""

    def means(self, series: Series) -> Cube:
        """The quote, for each horizon."""
        return _each(series.quote)


@dataclass(frozen=True, slots=True)
class ExponentialMean:
    """The rate equals the exponential mean of the quotes."""

    half_life: float
    """Half-life of the weights, in days."""

    @property
    def name(self) -> str:
        """``mean-3d``."""
        return f"mean-{self.half_life:g}d"

    @property
    def says(self) -> str:
        """What it does, in one line."""
        return f"the exponential mean of the quotes, half-life {self.half_life:g} days, lasts"

    def means(self, series: Series) -> Cube:
        """The mean, for each horizon."""
        return _each(series.mean(self.half_life))


@dataclass(frozen=True, slots=True)
class PaidMean:
    """The rate equals the exponential mean of the rates paid between readings (growth of the index); of the quotes
    where those are not known. A quote is one moment, at which an overnight loan may be outstanding; a paid rate is a
    mean itself."""

    half_life: float
    """Half-life of the weights, in days."""

    @property
    def name(self) -> str:
        """``paid-3d``."""
        return f"paid-{self.half_life:g}d"

    @property
    def says(self) -> str:
        """What it does, in one line."""
        return f"the exponential mean of what was paid between readings, half-life {self.half_life:g} days, lasts"

    def means(self, series: Series) -> Cube:
        """The mean, for each horizon."""
        return _each(series.paid(self.half_life))


@dataclass(frozen=True, slots=True)
class SpikeRule:
    """The exponential mean with a half-life of one day; if the quote is a spike, the average of that mean and the
    7-day mean."""

    name: str = "spike"
    """Its name in tables."""
    says: str = f"mean of a day; where the quote is over {SPIKE} times its 7-day mean, the mean of both"
    """What it does, in one line."""

    def means(self, series: Series) -> Cube:
        """The same mean for every horizon."""
        import numpy as np

        day, week = series.mean(1), series.window("mean", 7)
        return _each(np.where(series.quote > SPIKE * week, (day + week) / 2.0, day))


@dataclass(frozen=True, slots=True)
class Median:
    """The rate equals the median of the quotes of the last days."""

    days: int
    """Number of days."""

    @property
    def name(self) -> str:
        """``median-30d``."""
        return f"median-{self.days}d"

    @property
    def says(self) -> str:
        """What it does, in one line."""
        return f"the median of the quotes of {self.days} days lasts"

    def means(self, series: Series) -> Cube:
        """The median, for each horizon."""
        return _each(series.window("median", self.days))


def rules() -> tuple[Rule, ...]:
    """The rules of this file, persistence first."""
    return (
        Persistence(),
        *(ExponentialMean(one) for one in HALF_LIVES),
        SpikeRule(),
        *(Median(one) for one in MEDIANS),
    )


def _each(grid: NDArray[np.float64]) -> Cube:
    """The same mean for every horizon."""
    import numpy as np

    return np.repeat(grid[:, :, None], len(HORIZONS), axis=2)
