"""Statistics of a panel are the same to the last digit whatever rows stand beside them."""

from __future__ import annotations

import numpy as np

from yieldbot.forecast.series import weighted_sums


def test_a_rows_weighted_sums_do_not_depend_on_how_many_rows_there_are() -> None:
    drawn = np.random.default_rng(5)
    inputs, weights = drawn.normal(size=(57, 9)), drawn.normal(size=(5, 9))
    whole = weighted_sums(inputs, weights)
    np.testing.assert_allclose(whole, inputs @ weights.T, rtol=1e-12, atol=1e-12)
    for rows in range(1, 57):
        np.testing.assert_array_equal(weighted_sums(inputs[:rows], weights), whole[:rows])
        np.testing.assert_array_equal(weighted_sums(inputs[:rows][-1:], weights)[0], whole[rows - 1])
