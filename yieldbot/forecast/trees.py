"""Shipped trees: a correction of the median regression, trained on recorded history and then frozen.

For dollar markets and each horizon, a sum of ``TREES`` decision trees of depth three, made by gradient boosting with
the L1 objective (Friedman 2001) by ``scripts/bench forecast --fit-trees``, and kept in ``trees.json``. They are
evaluated with NumPy alone, without an extra. Their inputs are distances in multiples of the market's level. The level
itself and the utilisation are no inputs, because what trees learned from them did not transfer from one protocol to
another.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.forecast.model import DOLLAR, HORIZONS
from yieldbot.forecast.regression import HALF_LIVES, Frozen, usual_distances, within
from yieldbot.forecast.series import Series
from yieldbot.model.dataclass import dataclass
from yieldbot.model.json_text import loads

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Grid = NDArray[np.float64]
    Cube = NDArray[np.float64]

INPUTS = (
    *("mean-0.5d", "mean-1d", "mean-2d", "mean-5d", "median-30d"),
    *("over-1.5", "over-1.2", "over-median", "restless"),
    *("mean-14d", "mean-30d", "median-7d", "lowest-30d", "highest-30d", "swing", "class"),
)
"""Names of the inputs, in their order."""
LEAST_SCALE = 2e-3
"""Least level of a market, as a rate."""
QUESTIONS = 7
"""Inner nodes of a tree of depth three (1 + 2 + 4); it has ``LEAVES`` leaves."""
LEAVES = 8


@dataclass(frozen=True, slots=True)
class Tree:
    """A decision tree of depth three; each inner node asks whether an input is above a threshold."""

    asks: tuple[int, ...]
    """Input index of each inner node, level by level."""
    above: tuple[float, ...]
    """Threshold of each inner node."""
    says: tuple[float, ...]
    """Value of each leaf, in multiples of the market's level."""

    def answers(self, inputs: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """The leaf values of the examples. inputs: one array for each name of ``INPUTS``."""
        import numpy as np

        yes = [inputs[one] > least for one, least in zip(self.asks, self.above, strict=True)]
        second = np.where(yes[0], yes[2], yes[1])
        third = np.where(yes[0], np.where(second, yes[6], yes[5]), np.where(second, yes[4], yes[3]))
        leaf = 4 * yes[0].astype(np.int8) + 2 * second.astype(np.int8) + third
        return np.asarray(np.take(self.says, leaf))


@dataclass(frozen=True, slots=True)
class Trees:
    """The frozen regression, corrected by the shipped trees for dollar markets."""

    name: str = "trees"
    """Its name in tables."""
    says: str = "the frozen regression, corrected by shipped trees that were trained on recordings"
    """What it does, in one line."""

    def means(self, series: Series) -> Cube:
        """See ``Rule``."""
        import numpy as np

        base = Frozen().means(series)
        columns = [i for i, one in enumerate(series.classes) if one == DOLLAR]
        if not columns:
            return base
        made, scale = inputs(series)
        known = np.isfinite(made[:, columns]).all(axis=-1)
        examples = [np.ascontiguousarray(one) for one in made[:, columns][known].T]
        out = base.copy()
        for place, trees in enumerate(shipped()):
            said = np.zeros(known.shape)
            said[known] = sum(one.answers(examples) for one in trees)
            out[:, columns, place] += said * np.where(known, scale[:, columns], 0.0)
        return within(series, out)


@cache
def shipped() -> tuple[tuple[Tree, ...], ...]:
    """The trees of each horizon, from ``trees.json``."""
    found = loads(Path(__file__).with_name("trees.json").read_text(encoding="utf-8"))
    if found["inputs"] != list(INPUTS) or [one["horizon_days"] for one in found["horizons"]] != list(HORIZONS):
        raise ValueError("trees.json is of other inputs or horizons")
    return tuple(tuple(Tree(*(tuple(part) for part in tree)) for tree in one["trees"]) for one in found["horizons"])


def inputs(series: Series) -> tuple[Cube, Grid]:
    """(the inputs (times, markets, inputs) in multiples of the market's level, that level)."""
    import numpy as np

    series.prepare_means((*HALF_LIVES, 14, 30))
    quote = series.quote
    scale = np.maximum(np.maximum(np.abs(quote), np.abs(series.mean(5))), LEAST_SCALE)
    low, high = series.range
    parts = [
        *(series.mean(one) - quote for one in HALF_LIVES),
        *usual_distances(series),
        series.mean(14) - quote,
        series.mean(30) - quote,
        series.window("median", 7) - quote,
        low - quote,
        high - quote,
        series.swing(),
        others(series),
    ]
    return np.stack(parts, axis=-1) / scale[:, :, None], scale


def others(series: Series) -> Grid:
    """Distance of each quote from the median of its class."""
    import warnings

    import numpy as np

    made = np.full_like(series.quote, np.nan)
    for market_class in sorted(set(series.classes)):
        columns = [i for i, one in enumerate(series.classes) if one == market_class]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a row without any quote
            made[:, columns] = np.nanmedian(series.quote[:, columns], axis=1, keepdims=True) - series.quote[:, columns]
    return made
