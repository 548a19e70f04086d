"""The shipped trees: what one says, that LightGBM's are put down as they are, and whom they speak of."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.forecast import markets
from yieldbot.forecast.model import HORIZONS
from yieldbot.forecast.regression import Frozen
from yieldbot.forecast.series import Series
from yieldbot.forecast.trees import INPUTS, LEAVES, QUESTIONS, Tree, Trees, inputs, shipped


def test_a_tree_asks_three_questions() -> None:
    tree = Tree((0, 1, 1, 2, 2, 2, 2), (0.0, 1.0, 2.0, 0.1, 0.2, 0.3, 0.4), tuple(float(one) for one in range(8)))
    rows = [(-1, 0, 0.1), (-1, 0, 0.11), (-1, 3, 0.2), (-1, 3, 0.21), (1, 2, 0.3), (1, 2, 0.31), (1, 3, 0), (1, 3, 1)]
    assert tree.answers(list(np.array(rows, dtype=float).T)).tolist() == list(range(8))


def test_a_tree_of_lightgbm_says_the_same_as_numbers() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    from tests.bench.forecast_trees import SETTINGS, tree

    random = np.random.default_rng(3)
    known = random.normal(size=(2000, len(INPUTS)))
    wanted = known[:, 0] * (known[:, 3] > 0.5) + 0.1 * random.normal(size=2000)
    model = lightgbm.train(SETTINGS | {"min_data_in_leaf": 300}, lightgbm.Dataset(known, wanted), 20)
    made = [tree(one["tree_structure"]) for one in model.dump_model()["tree_info"]]
    assert any(one.above.count(1e9) for one in made)  # some end sooner
    said = sum(one.answers(list(known.T)) for one in made)
    off = np.abs(said - model.predict(known))
    assert np.quantile(off, 0.999) < 1e-3 * np.abs(said).max()  # numbers are rounded; few stand on a threshold


def test_shipped_trees_are_whole() -> None:
    assert len(shipped()) == len(HORIZONS)
    for tree in (one for trees in shipped() for one in trees):
        assert len(tree.asks) == len(tree.above) == QUESTIONS and len(tree.says) == LEAVES
        assert all(0 <= one < len(INPUTS) for one in tree.asks) and max(map(abs, tree.says)) < 0.5


def test_they_speak_of_dollars_alone() -> None:
    quotes = markets.rates(80, 4, 2)
    dollars, others = (Series(markets.panel(quotes, markets.keys(4, asset))) for asset in ("USDC", "WETH"))
    assert np.array_equal(Trees().means(others), Frozen().means(others), equal_nan=True)
    assert not np.allclose(Trees().means(dollars)[40:], Frozen().means(dollars)[40:])


def test_what_they_ask_has_no_level() -> None:
    quotes = markets.rates(60, 3, 4)
    low, high = (inputs(Series(markets.panel(one)))[0] for one in (quotes, 3.0 * quotes))
    np.testing.assert_allclose(low[30:], high[30:], rtol=1e-6, atol=1e-9)
