"""Shipped trees: what the median regression gets wrong, as it was learnt from recorded history and then frozen.

For dollar markets, for each horizon, the sum of ``TREES`` small decision trees of three questions each, made by
gradient boosting with the L1 objective (Friedman 2001) by ``scripts/bench forecast --fit-trees``, and kept in
``trees.json``. They are read by numpy alone: no extra is needed. Their inputs are distances in multiples of the
market's level, none of them the level itself or the utilisation, which did not carry over from one protocol to another.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.forecast.model import DOLLAR, HORIZONS
from yieldbot.forecast.regression import HALF_LIVES, Frozen, usual_distances, within
from yieldbot.forecast.series import Series

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
"""Names of what a tree may ask about, in the order of the inputs."""
LEAST_SCALE = 2e-3
"""A market's level counts as at least so much."""
QUESTIONS = 7
"""Of a tree: one, then one of two, then one of four; ``LEAVES`` answers."""
LEAVES = 8


@dataclass(frozen=True, slots=True)
class Tree:
    """Three questions one after the other, the next depending on the answer: is this input above that?"""

    asks: tuple[int, ...]
    """Of each question, which input; the questions of one level after those of the level before."""
    above: tuple[float, ...]
    """Of each question, the number to be above."""
    says: tuple[float, ...]
    """Of each leaf, what is added, in multiples of the market's level."""

    def answers(self, inputs: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """What it says of each example; inputs: one array each, in the order of ``INPUTS``."""
        import numpy as np

        yes = [inputs[one] > least for one, least in zip(self.asks, self.above, strict=True)]
        second = np.where(yes[0], yes[2], yes[1])
        third = np.where(yes[0], np.where(second, yes[6], yes[5]), np.where(second, yes[4], yes[3]))
        leaf = 4 * yes[0].astype(np.int8) + 2 * second.astype(np.int8) + third
        return np.asarray(np.take(self.says, leaf))


@dataclass(frozen=True, slots=True)
class Trees:
    """The frozen regression and, upon it for dollar markets, the shipped trees."""

    name: str = "trees"
    """What it is called in tables."""
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
    """The trees of each horizon, as ``trees.json`` has them."""
    found = json.loads(Path(__file__).with_name("trees.json").read_text(encoding="utf-8"))
    if found["inputs"] != list(INPUTS) or [one["horizon_days"] for one in found["horizons"]] != list(HORIZONS):
        raise ValueError("trees.json is of other inputs or horizons")
    return tuple(tuple(Tree(*(tuple(part) for part in tree)) for tree in one["trees"]) for one in found["horizons"])


def inputs(series: Series) -> tuple[Cube, Grid]:
    """(times, markets, inputs) in multiples of the market's level, and that level."""
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
    """How far each quote is from the median of its class."""
    import warnings

    import numpy as np

    made = np.full_like(series.quote, np.nan)
    for market_class in sorted(set(series.classes)):
        columns = [i for i, one in enumerate(series.classes) if one == market_class]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a row without any quote
            made[:, columns] = np.nanmedian(series.quote[:, columns], axis=1, keepdims=True) - series.quote[:, columns]
    return made
