"""Running statistics of a panel's quotes, the input of rules and models; each row depends on itself and earlier rows
only.

Every statistic is a recursion or a window that ends at its row, so that the rows of a longer panel begin with those of
a shorter one; a test compares them bit by bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from yieldbot.forecast.model import DAY, HORIZONS, class_of, steps_of
from yieldbot.history.panel import Panel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Grid = NDArray[np.float64]

STALE_DAYS = 3
"""Days after which a reading is stale; a market with a stale reading has no forecast of its own."""
COMPLETE = 0.8
"""Fraction of a horizon's rows that must be recorded for its mean to count as realised."""

MOST_RATE = 100.0
"""Largest rate (100.0 is 10,000 % a year, of either sign); beyond it a reading counts as not read."""
LEAST_LEVEL = 1e-4
WILD = 5.0
"""A market whose volatility exceeds this many times its level is left out of the volatility of its class."""


class Series:
    """A panel's running statistics, computed once each. Arrays are (times, markets), NaN: not known."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.per_day = DAY / panel.step_seconds
        self.classes = tuple(class_of(key) for key in panel.keys)
        self._means: dict[float, Grid] = {}
        self._paid: dict[float, Grid] = {}
        self._windows: dict[tuple[str, float], Grid] = {}

    @cached_property
    def raw(self) -> Grid:
        """The quotes; implausible ones are NaN."""
        return _rates(self.panel.quoted)

    @cached_property
    def quote(self) -> Grid:
        """The last quote that was read, unless it is stale."""
        import numpy as np

        known = np.isfinite(self.raw)
        rows = np.arange(len(self.raw))[:, None]
        last = np.maximum.accumulate(np.where(known, rows, -1), axis=0)
        age = rows - last
        found = np.take_along_axis(self.raw, np.maximum(last, 0), axis=0)
        return np.where((last >= 0) & (age <= STALE_DAYS * self.per_day), found, np.nan)

    def last_read(self, row: int, column: int) -> str | None:
        """The day (2026-01-31) of a market's last reading up to a row if that is stale by then; None: it is not, or
        there is none."""
        import numpy as np

        known = np.flatnonzero(np.isfinite(self.raw[: row + 1, column]))
        if not len(known) or np.isfinite(self.quote[row, column]):
            return None
        return f"{datetime.fromtimestamp(int(self.panel.times[known[-1]]), UTC):%Y-%m-%d}"

    @cached_property
    def readings(self) -> Grid:
        """Days of readings that each market has up to each row."""
        import numpy as np

        return np.cumsum(np.isfinite(self.raw), axis=0) / self.per_day

    def mean(self, half_life: float) -> Grid:
        """Exponential mean of the quotes; ``half_life`` in days. In gaps the weights keep decaying and nothing is
        added."""
        if half_life not in self._means:
            self.prepare_means((half_life,))
        return self._means[half_life]

    def prepare_means(self, half_lives: Sequence[float]) -> None:
        """Compute several exponential means in one pass."""
        import numpy as np

        wanted = [one for one in half_lives if one not in self._means]
        if wanted:
            made = decayed(self.raw, [one * self.per_day for one in wanted])
            for one, grid in zip(wanted, made, strict=True):
                self._means[one] = np.where(np.isnan(self.quote), np.nan, grid)

    def paid(self, half_life: float) -> Grid:
        """Exponential mean (``half_life`` in days) of the rate paid since the previous reading; of the quote where
        that is not known."""
        if half_life not in self._paid:
            self.prepare_paid((half_life,))
        return self._paid[half_life]

    def prepare_paid(self, half_lives: Sequence[float]) -> None:
        """Compute several means of paid rates in one pass."""
        import numpy as np

        wanted = [one for one in half_lives if one not in self._paid]
        if wanted:
            rates = _rates(self.panel.realised)
            filled = np.where(np.isfinite(rates), rates, self.raw)
            for one, grid in zip(wanted, decayed(filled, [one * self.per_day for one in wanted]), strict=True):
                self._paid[one] = np.where(np.isnan(self.quote), np.nan, grid)

    def window(self, kind: str, days: float) -> Grid:
        """The quotes' ``mean`` or ``median`` over the last ``days``."""
        import numpy as np

        if (kind, days) not in self._windows:
            steps = max(1, round(days * self.per_day))
            made = rolling_mean(self.raw, steps) if kind == "mean" else rolling_median(self.raw, steps)
            self._windows[kind, days] = np.where(np.isnan(self.quote), np.nan, made)
        return self._windows[kind, days]

    def swing(self, half_life: float = 7) -> Grid:
        """Volatility: exponential mean (``half_life`` in days) of the absolute change of the quote in a day."""
        import numpy as np

        if ("swing", half_life) not in self._windows:
            filled = self.quote
            moved = np.where(np.isfinite(self.raw), np.abs(np.diff(filled, axis=0, prepend=filled[:1])), np.nan)
            made = np.nan_to_num(decayed(moved, [half_life * self.per_day])[0]) * np.sqrt(self.per_day)
            self._windows["swing", half_life] = np.where(np.isnan(filled), np.nan, made)
        return self._windows["swing", half_life]

    @cached_property
    def unrest(self) -> Grid:
        """Volatility of a class: the mean over its markets of volatility / level."""
        import numpy as np

        share = self.swing() / np.maximum(np.abs(self.mean(30)), LEAST_LEVEL)
        made = np.zeros_like(share)
        for market_class in sorted(set(self.classes)):
            columns = [i for i, one in enumerate(self.classes) if one == market_class]
            own = share[:, columns]
            known = np.isfinite(own) & (own < WILD)
            total, number = np.where(known, own, 0.0).sum(axis=1), known.sum(axis=1)
            made[:, columns] = (total / np.maximum(number, 1))[:, None]
        return np.where(np.isnan(self.quote), np.nan, made)

    @cached_property
    def range(self) -> tuple[Grid, Grid]:
        """The lowest and the highest quote of the last 30 days."""
        import numpy as np

        steps = max(1, round(30 * self.per_day))
        low, high = rolling_ends(self.raw, steps)
        return np.where(np.isnan(self.quote), np.nan, low), np.where(np.isnan(self.quote), np.nan, high)

    def realised(self, horizon: int) -> Grid:
        """The realised rate after each row: the mean over the next ``days``; NaN: the horizon is not over, or less
        than ``COMPLETE`` of it is recorded. This is the future: only scoring and training may use it, and training
        at a row only ``realised[: row - steps + 1]``."""
        import numpy as np

        steps = steps_of(self.panel, horizon)
        rates = _rates(self.panel.realised)
        found = np.full_like(rates, np.nan)
        if not steps or len(rates) <= steps:
            return found
        known = np.isfinite(rates)
        total = np.cumsum(np.where(known, rates, 0.0), axis=0)
        count = np.cumsum(known, axis=0)
        number = count[steps:] - count[:-steps]
        mean = (total[steps:] - total[:-steps]) / np.maximum(number, 1)
        found[:-steps] = np.where(number >= COMPLETE * steps, mean, np.nan)
        return found

    @cached_property
    def futures(self) -> NDArray[np.float64]:
        """``realised`` for every horizon: (times, markets, horizons)."""
        import numpy as np

        return np.stack([self.realised(horizon) for horizon in HORIZONS], axis=-1)


def _rates(grid: Grid) -> Grid:
    import numpy as np

    return np.where(np.isfinite(grid) & (np.abs(grid) <= MOST_RATE), grid, np.nan)


def decayed(values: Grid, half_lives: Sequence[float]) -> list[Grid]:
    """Exponential means along the rows, ignoring NaN; half-lives in rows."""
    import numpy as np

    rows, columns = values.shape
    keep = (0.5 ** (1.0 / np.asarray(half_lives)))[:, None]
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    total, weight = np.zeros((len(half_lives), columns)), np.zeros((len(half_lives), columns))
    made = np.full((len(half_lives), rows, columns), np.nan)
    for row in range(rows):
        total = total * keep + filled[row]
        weight = weight * keep + known[row]
        made[:, row] = total / np.where(weight > 0.0, weight, np.nan)
    return list(made)


def rolling_mean(values: Grid, steps: int) -> Grid:
    """Mean of the last ``steps`` rows, ignoring NaN. Each window is summed by itself: a running sum would keep the
    rounding error of a huge value that has left the window."""
    import numpy as np

    windows = _windows(values, steps)
    known = np.isfinite(windows)
    number = known.sum(axis=-1)
    return np.asarray(np.where(known, windows, 0.0).sum(axis=-1) / np.where(number > 0, number, np.nan))


def rolling_median(values: Grid, steps: int) -> Grid:
    """Median of the last ``steps`` rows, ignoring NaN."""
    import numpy as np

    ordered = np.sort(_windows(values, steps), axis=-1)  # NaN sorts last
    number = np.isfinite(ordered).sum(axis=-1)
    lower = np.maximum((number - 1) // 2, 0)[..., None]
    upper = np.maximum(number // 2, 0)[..., None]
    middle = np.take_along_axis(ordered, lower, -1) + np.take_along_axis(ordered, np.minimum(upper, steps - 1), -1)
    return np.where(number > 0, middle[..., 0] / 2.0, np.nan)


def rolling_ends(values: Grid, steps: int) -> tuple[Grid, Grid]:
    """Least and greatest value of the last ``steps`` rows, ignoring NaN."""
    import numpy as np

    windows = _windows(values, steps)
    known = np.isfinite(windows)
    low = np.where(known, windows, np.inf).min(axis=-1)
    high = np.where(known, windows, -np.inf).max(axis=-1)
    return np.where(np.isfinite(low), low, np.nan), np.where(np.isfinite(high), high, np.nan)


def _windows(values: Grid, steps: int) -> Grid:
    """(times, markets, steps): the window of each row, padded with NaN before the first row."""
    import numpy as np

    before = np.full((steps - 1, values.shape[1]), np.nan)
    padded = np.concatenate([before, values]) if steps > 1 else values
    return np.lib.stride_tricks.sliding_window_view(padded, steps, axis=0)


def weighted_sums(inputs: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(rows, outputs) of inputs (rows, features) and weights (outputs, features): each row's weighted sum.
    The features are added one after the other, so that a row's last digit does not depend on how many other rows there
    are, nor on the processor; a matrix product of BLAS promises neither."""
    import numpy as np

    out = np.zeros((inputs.shape[0], weights.shape[0]))
    for feature in range(weights.shape[1]):
        out += inputs[:, feature, None] * weights[None, :, feature]
    return out
