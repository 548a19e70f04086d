"""Makes ``yieldbot/forecast/trees.json``, the trees that forecasts of dollars begin with, from the development part.

``scripts/bench forecast --fit-trees`` prints the file. It takes the extra ``forecast`` (LightGBM), whose trees are put
down as numbers; the shipped forecaster does not need it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yieldbot.forecast.model import DOLLAR, HORIZONS
from yieldbot.forecast.regression import CEILING, Frozen
from yieldbot.forecast.series import Series
from yieldbot.forecast.trees import INPUTS, LEAVES, QUESTIONS, Tree, inputs

TREES = 50
SETTINGS: dict[str, Any] = {
    "objective": "l1",
    "learning_rate": 0.06,
    "num_leaves": LEAVES,
    "max_depth": 3,
    "min_data_in_leaf": 200,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "verbose": -1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 1,
}
SCALE = 1e4


def trained(recordings: Sequence[Series]) -> tuple[tuple[Tree, ...], ...]:
    """The trees of each horizon, on what the frozen regression, as it is in this process, gets wrong; each recording
    weighs the same."""
    import lightgbm

    made = []
    for place, horizon in enumerate(HORIZONS):
        parts = [_examples(one, place, horizon) for one in recordings]
        known, wanted, weights = (np.concatenate([one[i] for one in parts]) for i in range(3))
        data = lightgbm.Dataset(known, wanted, weight=weights, params={"verbose": -1})
        dump = lightgbm.train(SETTINGS, data, TREES).dump_model()
        made.append(tuple(tree(one["tree_structure"]) for one in dump["tree_info"]))
    return tuple(made)


def text(recordings: Sequence[Series], names: Sequence[str]) -> str:
    """The file."""
    lines = [
        "{",
        f'"from": {json.dumps(list(names))},',
        f'"inputs": {json.dumps(list(INPUTS))},',
        '"tree": "three questions one after the other: of each which input, above what; then what the leaves say",',
        '"horizons": [',
    ]
    found = trained(recordings)
    for place, (horizon, trees) in enumerate(zip(HORIZONS, found, strict=True)):
        lines.append(f'{{"horizon_days": {horizon}, "trees": [')
        rows = [json.dumps([one.asks, one.above, one.says], separators=(",", ":")) for one in trees]
        lines += [*(f"{row}," for row in rows[:-1]), rows[-1], "]}" + ("," if place + 1 < len(found) else "")]
    return "\n".join([*lines, "]", "}"]) + "\n"


def tree(node: dict[str, Any]) -> Tree:
    """LightGBM's tree with every branch three questions long: where it ends sooner, a question that none is above."""
    asks, above, says = [0] * QUESTIONS, [1e9] * QUESTIONS, [0.0] * LEAVES

    def put(one: dict[str, Any], question: int) -> None:
        leaf = question - QUESTIONS
        if leaf >= 0:
            says[leaf] = float(f"{one['leaf_value']:.4g}")
        elif "leaf_value" in one:
            put(one, 2 * question + 1)
            put(one, 2 * question + 2)
        else:
            asks[question], above[question] = one["split_feature"], float(f"{one['threshold']:.6g}")
            put(one["left_child"], 2 * question + 1)
            put(one["right_child"], 2 * question + 2)

    put(node, 0)
    return Tree(tuple(asks), tuple(above), tuple(says))


def _examples(series: Series, place: int, horizon: int) -> tuple[NDArray[np.float64], ...]:
    columns = [i for i, one in enumerate(series.classes) if one == DOLLAR]
    made, scale = inputs(series)
    came, base, quote = series.realised(horizon), Frozen().means(series)[:, :, place], series.quote
    error, moved, quote = ((one / scale)[:, columns] for one in (came - base, came - quote, quote * scale))
    good = np.isfinite(error) & np.isfinite(made[:, columns]).all(axis=-1) & (np.abs(quote) < CEILING)
    weights = np.sqrt(scale[:, columns][good])
    return made[:, columns][good], error[good], weights * SCALE / (weights * np.abs(moved[good])).sum()
