"""Annual yields: any growth has one, also where everything is lost, or a share price was inflated a thousand times."""

from __future__ import annotations

import math

import pytest

from yieldbot.model.amounts import Apr, Apy
from yieldbot.model.units import SECONDS_PER_YEAR

DAY = 86_400.0


def test_a_year_of_growth_is_its_yield_and_parts_of_it_compound() -> None:
    assert Apy.from_growth(0.05, SECONDS_PER_YEAR).value == pytest.approx(0.05)
    assert Apy.from_growth(0.01, SECONDS_PER_YEAR / 4).value == pytest.approx(1.01**4 - 1)
    assert Apr(0.04).compounded(SECONDS_PER_YEAR / 4).value == pytest.approx(1.01**4 - 1)
    assert Apr(0.04).compounded().value == pytest.approx(math.expm1(0.04), rel=1e-6)


@pytest.mark.parametrize("growth", [-1.0, -1.5, -1e9])
def test_who_loses_everything_or_more_loses_all(growth: float) -> None:
    assert Apy.from_growth(growth, DAY) == Apy(-1.0)
    assert Apr(growth * 365.25).compounded(DAY) == Apy(-1.0)


def test_a_growth_beyond_all_floats_is_infinite_and_no_error() -> None:
    assert Apy.from_growth(1_000.0, DAY).value == math.inf
    assert Apr(1e12).compounded(DAY).value == math.inf
