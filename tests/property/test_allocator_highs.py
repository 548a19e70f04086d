"""The certificate against HiGHS: what its branch and cut finds is never above our bound, nor ours above its own."""

from __future__ import annotations

import pytest

from tests.bench.highs import Model, solve
from tests.bench.problems import problem
from yieldbot.allocator.answer import pose
from yieldbot.allocator.document import read
from yieldbot.allocator.optimise import optimise


@pytest.mark.parametrize(("markets", "seeds"), [(3, 60), (6, 60), (20, 15)])
def test_neither_solver_beats_the_others_bound(markets: int, seeds: int) -> None:
    finished = 0
    for seed in range(seeds):
        posed = pose(read(problem(seed, markets))).problem
        best = optimise(posed)
        model = Model.of(posed)
        solved = solve(model, gap=1e-7, seconds=20.0)
        finished += solved.finished
        if solved.holdings is not None and posed.feasible(solved.holdings):
            rounding = 1e-9 * posed.wealth
            assert posed.objective(solved.holdings) <= best.upper_bound + rounding, (markets, seed)
        # Its bound is on its broken lines, so that our holdings are valued by those too; HiGHS is exact to a millionth.
        assert model.objective(best.holdings) <= solved.bound + 1e-8 * posed.wealth, (markets, seed)
    assert finished >= 0.9 * seeds
