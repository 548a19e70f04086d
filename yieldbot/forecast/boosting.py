"""Boosted trees (LightGBM) on top of the shipped ones: the extra ``forecast``.

They model the error that regression and shipped trees (``trees``) still make for dollar markets over each horizon, in
multiples of the market's level. Inputs are those of the shipped trees, the level itself and the utilisation; training
data is the user's own history alone. Few leaves, few trees and the L1 objective keep the correction small while history
is short. Retrained every four weeks, walk-forward: a training example's horizon ends before the rows that the model is
used on. One thread and a fixed seed make results the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from yieldbot.errors import ConfigError
from yieldbot.forecast.model import DOLLAR, HORIZONS
from yieldbot.forecast.regression import CEILING, examples, refits, within
from yieldbot.forecast.series import Series
from yieldbot.forecast.trees import Trees, inputs
from yieldbot.model.dataclass import dataclass
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Cube = NDArray[np.float64]

REMEDY = "the forecaster `boosted` needs LightGBM: `pip install 'yieldbot[forecast]'`; all else works without it"
LEAST_EXAMPLES = 500
"""Fewest training examples; with fewer the frozen regression is used alone."""
FULL_DAYS = 730
"""Days of history from which ``TREES`` trees are trained; with less, proportionally fewer."""
TREES = 80
SETTINGS: dict[str, Any] = {
    "objective": "l1",
    "learning_rate": 0.03,
    "num_leaves": 8,
    "min_data_in_leaf": 300,
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


BROKEN = "the forecaster `boosted` takes no part: LightGBM is there but does not load ({why})"
LIBRARY = "; its library OpenMP is missing: `apt install libgomp1`, or your system's name for it"


def installed() -> bool:
    """Whether LightGBM can be used."""
    return missing() == ""


def missing() -> str:
    """Why LightGBM cannot be used, in one line with the remedy; empty: it can. A leftover folder of an uninstalled
    package does not count as installed, nor does a package whose compiled library does not load."""
    from importlib import import_module
    from importlib.util import find_spec

    found = find_spec("lightgbm")
    if found is None or found.origin is None:
        return REMEDY
    try:
        import_module("lightgbm")
    except (ImportError, OSError) as bad:
        return BROKEN.format(why=one_line(str(bad))) + (LIBRARY if "libgomp" in str(bad) else "")
    return ""


@dataclass(frozen=True, slots=True)
class Boosted:
    """Regression, corrected by the shipped trees and by trees trained on this history."""

    name: str = "boosted"
    """Its name in tables."""
    says: str = "LightGBM on what the shipped trees get wrong, trained every four weeks by the history so far"
    """What it does, in one line."""

    def means(self, series: Series) -> Cube:
        """See ``Rule``. Raises ConfigError where LightGBM cannot be used."""
        import numpy as np

        if why := missing():
            raise ConfigError(why)
        base = Trees().means(series)
        made, scale = inputs(series)
        made = np.concatenate([made, np.stack([series.quote / scale, series.panel.utilisation], axis=-1)], axis=-1)
        out = base.copy()
        columns = [i for i, one in enumerate(series.classes) if one == DOLLAR]
        own = made[:, columns]
        for place, horizon in enumerate(HORIZONS if columns else ()):
            for first, end in refits(series):
                model = _trained(series, own, base[:, columns, place], scale[:, columns], columns, horizon, first)
                if model is None:
                    continue
                asked = own[first:end].reshape(-1, own.shape[-1])
                said = model.predict(asked, num_threads=1).reshape(end - first, len(columns))
                out[first:end, columns, place] += said * scale[first:end, columns]
        return within(series, np.where(np.isnan(base), np.nan, out))


def _trained(
    series: Series,
    own: Cube,
    base: NDArray[np.float64],
    scale: NDArray[np.float64],
    columns: Sequence[int],
    horizon: int,
    row: int,
) -> Any:
    """A model trained on examples whose horizon is over at ``row``; None: there are too few."""
    import numpy as np

    allowed = examples(series, columns, horizon, row, apart=max(1, horizon // 7))
    came = series.realised(horizon)[:, list(columns)]
    level = np.abs(series.quote[:, list(columns)])
    good = allowed & np.isfinite(came) & np.isfinite(base) & (level < CEILING)
    if good.sum() < LEAST_EXAMPLES:
        return None
    import lightgbm

    days = float(good.any(axis=1).sum()) / series.per_day * max(1, horizon // 7)
    wanted = (came - base)[good] / scale[good]
    data = lightgbm.Dataset(own[good], wanted, weight=np.sqrt(scale[good]), params={"verbose": -1})
    return lightgbm.train(SETTINGS, data, max(5, round(TREES * min(1.0, days / FULL_DAYS))))
