"""A curve whose rates are whole basis points has the very rate that the program computes from whole numbers."""

from __future__ import annotations

from itertools import pairwise
from math import gcd

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldbot.math.jupiter_lend import WholeBpCurve, borrow_rate_bps
from yieldbot.model.units import BPS

KINKS = st.lists(st.integers(1, 99).map(lambda part: part * 100), min_size=1, max_size=2, unique=True).map(sorted)
RATES = st.lists(st.integers(0, 400).map(lambda part: part * 50), min_size=4, max_size=4)


@given(KINKS, RATES, st.integers(0, BPS - 1))
def test_the_rate_at_each_utilisation_is_the_programs(kinks: list[int], rates: list[int], any_used: int) -> None:
    points = list(zip((0, *kinks, BPS), rates, strict=False))
    tried = {any_used}
    for (x1, y1), (x2, y2) in pairwise(points):  # where the rate is whole, and the slope has been rounded before
        step = (x2 - x1) // gcd(x2 - x1, y2 - y1)
        tried |= {*range(x1, x2, step)} if step > 1 else set()
    for used in sorted(tried)[:200]:
        line = tuple((float(u), float(rate)) for u, rate in points)
        curve = WholeBpCurve(
            others=float(BPS), free=0.0, borrowed=used + 0.5, points=line, keep=0.9, paying=1.0, price=1.0
        )
        expected = borrow_rate_bps(line, used) / BPS * used / BPS * 0.9
        assert curve.apr(0.0, 1.0) == pytest.approx(expected, rel=1e-12, abs=1e-15), (used, points)
