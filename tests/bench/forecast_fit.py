"""Makes ``yieldbot/forecast/parameters.py``, all that forecasts begin with, from the development part alone.

``scripts/bench forecast --fit`` prints the file; ``--fit-trees`` then prints ``trees.json``, which stands on it
(``forecast_trees``). What comes after the development part is not read. Both need the extra ``forecast``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.bench.forecast_trees import trained
from yieldbot.forecast import conformal, parameters, regression, trees
from yieldbot.forecast.boosting import Boosted
from yieldbot.forecast.model import DOLLAR, HIGH, HORIZONS, OTHER
from yieldbot.forecast.regression import CEILING, FEATURES, FLOOR, Frozen, Regression, features, fit
from yieldbot.forecast.rules import rules
from yieldbot.forecast.series import Series
from yieldbot.forecast.trees import Trees
from yieldbot.history.panel import Panel

CLASSES = (DOLLAR, OTHER)
PULL = {DOLLAR: 0.03, OTHER: 0.3}
"""How strongly coefficients are drawn to nothing: what is no dollar follows no rule that both recordings share."""
WIDTH_PULL = 0.03
ITERATIONS = 60


def coefficients(recordings: Sequence[Series], market_class: str) -> list[list[float]]:
    """Of the median regression, for each horizon; each recording weighs the same."""
    made = []
    for horizon in HORIZONS:
        found = [_trained(one, market_class, features(one), one.realised(horizon) - one.quote) for one in recordings]
        made.append(_joined(found, 0.5, PULL[market_class]))
    return made


def widths(recordings: Sequence[Series], market_class: str) -> list[list[list[float]]]:
    """Of intervals, downwards and upwards, for each horizon: no coefficient below nothing."""
    sides = []
    for sign in (-1.0, 1.0):
        made = []
        for place, horizon in enumerate(HORIZONS):
            found = [
                _trained(
                    one,
                    market_class,
                    conformal.shape(one),
                    sign * (one.realised(horizon) - Frozen().means(one)[:, :, place]),
                )
                for one in recordings
            ]
            active = list(range(found[0][0].shape[1]))
            while True:
                some = _joined([(x[:, active], y, w) for x, y, w in found], HIGH, WIDTH_PULL)
                if min(some) >= 0.0:
                    break
                active.pop(int(np.argmin(some)))
            whole = np.zeros(found[0][0].shape[1])
            whole[active] = some
            made.append(whole.tolist())
        sides.append(made)
    return sides


def frozen(recordings: Sequence[Series]) -> None:
    """Put what is fitted on these recordings in the place of what is shipped, in this process."""
    for market_class in CLASSES:
        parameters.COEFFICIENTS[market_class] = coefficients(recordings, market_class)  # type: ignore[index]
    for market_class in CLASSES:
        parameters.WIDTHS[market_class] = widths(recordings, market_class)  # type: ignore[index]
    found = trained(recordings)
    trees.shipped = lambda: found  # type: ignore[assignment]


def skills(recordings: Sequence[Series]) -> dict[str, dict[str, list[float]]]:
    """Each entrant's skill on each recording, with coefficients from the others alone; the mean of them."""
    found: dict[str, dict[str, list[list[float]]]] = {one: {} for one in CLASSES}
    for place, one in enumerate(recordings):
        frozen([other for i, other in enumerate(recordings) if i != place])
        for entrant in (*rules()[1:], Frozen(), Regression(), Trees(), Boosted()):
            means = entrant.means(one)
            for market_class in CLASSES:
                found[market_class].setdefault(entrant.name, []).append(_skill(one, market_class, means))
    return {
        market_class: {name: np.mean(values, axis=0).tolist() for name, values in rows.items()}
        for market_class, rows in found.items()
    }


def text(panels: Mapping[str, Panel]) -> str:
    """The module's source."""
    recordings = [Series(one) for one in panels.values()]
    earlier = skills(recordings)
    frozen(recordings)
    width = len(FEATURES)
    lines = [
        '"""What forecasts begin with: fitted on recordings, then frozen. Made by ``scripts/bench forecast --fit``.',
        "",
        f"From {'; '.join(panels)}. Nothing later was read.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "from collections.abc import Mapping, Sequence",
        "",
        "# fmt: off",
        "COEFFICIENTS: Mapping[str, Sequence[Sequence[float]]] = {",
        *_rows(parameters.COEFFICIENTS),
        "}",
        f'"""Of the median regression: class, horizon, {width} features (``regression.FEATURES``)."""',
        "",
        "WIDTHS: Mapping[str, Sequence[Sequence[Sequence[float]]]] = {",
    ]
    for market_class, sides in parameters.WIDTHS.items():
        lines.append(f'    "{market_class}": (')
        for side in sides:
            lines += ["        (", *(f"            {_numbers(row)}," for row in side), "        ),"]
        lines.append("    ),")
    lines += [
        "}",
        '"""Of intervals: class, down and up, horizon, parts (``conformal.shape``)."""',
        "",
        "SKILLS: Mapping[str, Mapping[str, Sequence[float]]] = {",
    ]
    for market_class, by_name in earlier.items():
        lines.append(f'    "{market_class}": {{')
        lines += [f'        "{name}": {_numbers(row)},' for name, row in by_name.items()]
        lines.append("    },")
    lines += [
        "}",
        '"""Of each built-in against persistence, by class and horizon: on each recording with coefficients from the',
        'other alone, the mean of both."""',
    ]
    return "\n".join(lines) + "\n"


def _rows(table: Mapping[str, Any]) -> list[str]:
    lines = []
    for market_class, rows in table.items():
        lines += [f'    "{market_class}": (', *(f"        {_numbers(row)}," for row in rows), "    ),"]
    return lines


def _numbers(row: Sequence[float]) -> str:
    return "(" + ", ".join(f"{one:.4g}" for one in row) + ")"


Trained = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def _trained(series: Series, market_class: str, inputs: NDArray[np.float64], wanted: NDArray[np.float64]) -> Trained:
    columns = [i for i, one in enumerate(series.classes) if one == market_class]
    inputs, wanted = inputs[:, columns], wanted[:, columns]
    quote = series.quote[:, columns]
    good = np.isfinite(wanted) & np.isfinite(inputs).all(axis=-1) & (np.abs(quote) < CEILING)
    weights = 1.0 / np.sqrt(np.maximum(series.mean(30)[:, columns][good], FLOOR))
    return inputs[good], wanted[good], weights * 1e4 / (weights * np.abs(wanted[good])).sum()


def _joined(found: Sequence[Trained], quantile: float, pull: float) -> list[float]:
    inputs, wanted, weights = (np.concatenate([one[i] for one in found]) for i in range(3))
    return regression_fit(inputs, wanted, weights, quantile, pull)


def regression_fit(
    inputs: NDArray[np.float64], wanted: NDArray[np.float64], weights: NDArray[np.float64], quantile: float, pull: float
) -> list[float]:
    """``regression.fit`` with many iterations, drawn to nothing."""
    nothing = np.zeros(inputs.shape[1])
    return [float(one) for one in fit(inputs, wanted, weights, quantile, nothing, pull, ITERATIONS)]


def _skill(series: Series, market_class: str, means: NDArray[np.float64]) -> list[float]:
    columns = [i for i, one in enumerate(series.classes) if one == market_class]
    root = np.sqrt(np.maximum(series.mean(30)[:, columns], FLOOR))
    found = []
    for place, horizon in enumerate(HORIZONS):
        came, quote, said = series.realised(horizon)[:, columns], series.quote[:, columns], means[:, columns, place]
        good = np.isfinite(came) & np.isfinite(said) & np.isfinite(quote)
        own, usual = (np.abs(one - came) / root for one in (said, quote))
        found.append(1.0 - float(own[good].sum()) / float(usual[good].sum()))
    return found


assert regression.COEFFICIENTS is parameters.COEFFICIENTS and conformal.WIDTHS is parameters.WIDTHS
