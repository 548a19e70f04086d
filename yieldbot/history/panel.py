"""The history of several markets on one grid of times, the input of forecasts and backtests.

A panel is only ever handed out up to a moment (``Panel.until``): the arrays contain nothing later, so nothing can look
ahead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from yieldbot.history.reading import MarketKey
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Grid = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Readings of markets at equal steps. Arrays are (times, markets), float64; NaN: not known.

    A cell holds the last reading at or before its time and after the previous time; nothing is filled forward.
    """

    keys: tuple[MarketKey, ...]
    """The markets, in the order of the columns."""
    times: NDArray[np.int64]
    """Unix seconds, ascending, ``step_seconds`` apart."""
    step_seconds: int
    """Seconds of a step; 86,400 is a day."""
    quoted: Grid
    """Supply rate as quoted at the reading, a simple annual fraction."""
    realised: Grid
    """Mean supply rate since the previous cell, by growth of the index; without an index, the mean of the two
    quotes."""
    utilisation: Grid
    """Borrowed over supplied."""
    supplied: Grid
    """Whole tokens of the asset."""
    cash: Grid
    """Whole tokens that all suppliers together could withdraw."""
    borrow_rate: Grid
    """Borrow rate as quoted, a simple annual fraction."""
    reserve_factor: Grid
    """Fraction of the interest that the protocol keeps."""
    blocked: NDArray[np.bool_]
    """Frozen or paused: no deposits are accepted."""

    def __post_init__(self) -> None:
        shape = (len(self.times), len(self.keys))
        for one in _grids():
            if getattr(self, one).shape != shape:
                raise ValueError(f"{one} has the shape {getattr(self, one).shape}, not {shape}")

    def until(self, row: int) -> Panel:
        """The first ``row + 1`` times: what was known at ``row``. The arrays are copies, because a view would give
        access to later values (``base``)."""
        return self._rows(slice(0, row + 1), copy=True)

    def between(self, first: int, last: int) -> Panel:
        """Rows ``first`` to ``last``, both included."""
        return self._rows(slice(first, last + 1))

    def of(self, columns: Sequence[int]) -> Panel:
        """Only these markets, in this order."""
        chosen = list(columns)
        arrays = {one: getattr(self, one)[:, chosen] for one in _grids()}
        return replace(self, keys=tuple(self.keys[i] for i in chosen), **arrays)

    def _rows(self, rows: slice, copy: bool = False) -> Panel:
        arrays = {one: getattr(self, one)[rows] for one in ("times", *_grids())}
        return replace(self, **({one: array.copy() for one, array in arrays.items()} if copy else arrays))


def _grids() -> tuple[str, ...]:
    """Names of the fields that are (times, markets)."""
    return tuple(one.name for one in fields(Panel) if one.name not in {"keys", "times", "step_seconds"})
