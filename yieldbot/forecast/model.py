"""What a forecast is, and what gives one.

A forecaster is given a panel that ends at the moment of the forecast, and nothing else: the arrays are copies, so that
what came later is not even in memory that they refer to (``Panel.until``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from yieldbot.history.panel import Panel
from yieldbot.history.reading import MarketKey

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Grid = NDArray[np.float64]

HORIZONS = (1, 3, 7, 14, 30)
"""Days over which a market's mean supply rate is forecast."""
LOW, HIGH = 0.1, 0.9
"""The quantiles that an 80 % interval reaches from and to."""
DAY = 86_400

DOLLAR, OTHER = "dollar", "other"
"""The classes of markets that are weighed apart: lent dollars, whose rates borrowers make, and all else."""
DOLLARS = frozenset(("DAI", "SAI", "XDAI", "WXDAI", "GHO", "FRAX", "MAI", "MIMATIC", "DOLA", "BOLD", "EURC"))
"""Symbols of what is lent like a dollar and has no USD in its name (the euro's coin behaves so too)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecasts:
    """What markets are expected to pay from a moment on. Arrays are (markets, horizons), simple annual fractions; NaN
    in all three where there is no forecast (``none``)."""

    keys: tuple[MarketKey, ...]
    """The markets, in the order of the rows."""
    time: int
    """Unix seconds: the last moment that was known."""
    horizons: tuple[int, ...] = HORIZONS
    """Days, in the order of the columns."""
    mean: Grid
    """The mean supply rate expected over the horizon."""
    low: Grid
    """One in ten ends below."""
    high: Grid
    """One in ten ends above."""

    @property
    def none(self) -> NDArray[np.bool_]:
        """(markets, horizons): where nothing is forecast, since too little is known."""
        import numpy as np

        return np.isnan(self.mean)


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """The forecasts made at each time of a panel, each from what was known then. Arrays are (times, markets,
    horizons)."""

    keys: tuple[MarketKey, ...]
    """The markets."""
    times: NDArray[np.int64]
    """Unix seconds, ascending: when each forecast was made."""
    horizons: tuple[int, ...] = HORIZONS
    """Days."""
    mean: Grid
    """As in ``Forecasts``."""
    low: Grid
    """As in ``Forecasts``."""
    high: Grid
    """As in ``Forecasts``."""

    def at(self, row: int) -> Forecasts:
        """What was forecast at the time of one row."""
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
    """Who forecasts. Third parties' are found by the entry point group ``yieldbot.forecasters``."""

    @property
    def name(self) -> str:
        """What it is called in tables: letters, digits, blanks, ``-`` and ``_``."""
        ...

    def forecast(self, panel: Panel) -> Forecasts:
        """What each market of the panel pays from the panel's last time on."""
        ...


def class_of(key: MarketKey) -> str:
    """``dollar`` or ``other``, by the asset's symbol; what has no symbol is ``other``."""
    symbol = (key.asset or key.market).upper().replace("₮", "T").removeprefix("M.").removesuffix(".E")
    return DOLLAR if "USD" in symbol or symbol in DOLLARS else OTHER


def steps_of(panel: Panel, days: float) -> int:
    """How many rows so many days are; 0 where they are less than one."""
    return round(days * DAY / panel.step_seconds) if days * DAY >= panel.step_seconds else 0
