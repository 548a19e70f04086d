"""Types of forecasts and forecasters.

A forecaster is given a panel that ends at the moment of the forecast and nothing else. The arrays are copies, so that
later values are not even reachable through NumPy's ``base`` (``Panel.until``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from yieldbot.history.panel import Panel
from yieldbot.history.reading import MarketKey
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Grid = NDArray[np.float64]

HORIZONS = (1, 3, 7, 14, 30)
"""Days over which a market's mean supply rate is forecast."""
LOW, HIGH = 0.1, 0.9
"""The quantiles at the ends of an 80 % interval."""
DAY = 86_400

DOLLAR, OTHER = "dollar", "other"
"""The two classes of markets, for which forecasters are weighted separately: lending of dollars, whose rates follow
the demand of borrowers, and everything else."""
DOLLARS = frozenset(("DAI", "SAI", "XDAI", "WXDAI", "GHO", "FRAX", "MAI", "MIMATIC", "DOLA", "BOLD", "EURC"))
"""Symbols without USD in their name that belong to the class ``dollar``; EURC's rates behave like a dollar's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecasts:
    """Forecasts made at one moment. Arrays are (markets, horizons), simple annual fractions; NaN in all three: no
    forecast (``none``)."""

    keys: tuple[MarketKey, ...]
    """The markets, in the order of the rows."""
    time: int
    """Unix seconds of the last known reading: the moment of the forecast."""
    horizons: tuple[int, ...] = HORIZONS
    """Horizons in days, in the order of the columns."""
    mean: Grid
    """Expected mean supply rate over the horizon."""
    low: Grid
    """Low end of the 80 % interval: one realised rate in ten is below."""
    high: Grid
    """High end of the 80 % interval: one realised rate in ten is above."""

    @property
    def none(self) -> NDArray[np.bool_]:
        """Mask (markets, horizons): where there is no forecast, because too little is known."""
        import numpy as np

        return np.isnan(self.mean)


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """The forecasts made at each time of a panel, each from what was known at that time. Arrays are (times, markets,
    horizons)."""

    keys: tuple[MarketKey, ...]
    """The markets."""
    times: NDArray[np.int64]
    """Unix seconds, ascending: the time of each forecast."""
    horizons: tuple[int, ...] = HORIZONS
    """Horizons in days, in the order of the columns."""
    mean: Grid
    """As in ``Forecasts``."""
    low: Grid
    """As in ``Forecasts``."""
    high: Grid
    """As in ``Forecasts``."""

    def at(self, row: int) -> Forecasts:
        """The forecasts made at the time of one row."""
        return Forecasts(
            keys=self.keys,
            time=int(self.times[row]),
            horizons=self.horizons,
            mean=self.mean[row],
            low=self.low[row],
            high=self.high[row],
        )


@runtime_checkable
class Forecaster(Protocol):
    """A forecaster. Those of third parties are found by the entry point group ``yieldbot.forecasters``."""

    @property
    def name(self) -> str:
        """Its name in tables: letters, digits, blanks, ``-`` and ``_``."""
        ...

    def forecast(self, panel: Panel) -> Forecasts:
        """Forecasts for each market of the panel, from the panel's last time on."""
        ...


def class_of(key: MarketKey) -> str:
    """The class of a market by its asset's symbol: ``dollar`` or ``other``; without a symbol ``other``."""
    symbol = (key.asset or key.market).upper().replace("₮", "T").removeprefix("M.").removesuffix(".E")
    return DOLLAR if "USD" in symbol or symbol in DOLLARS else OTHER


def steps_of(panel: Panel, days: float) -> int:
    """Number of a panel's rows in so many days; 0 if they are shorter than a step."""
    return round(days * DAY / panel.step_seconds) if days * DAY >= panel.step_seconds else 0
