"""The skill that docs/forecast.md states, on the part of the recordings that nothing was fitted on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from yieldbot.forecast.model import DOLLAR

FOLDER = Path(os.environ.get("YIELDBOT_DATA", "/nowhere"))
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="YIELDBOT_DATA names no folder of recordings")

COVERED = {False: (0.75, 0.85), True: (0.77, 0.83)}
"""By whether LightGBM is there: the share of futures that 80 % intervals are to hold, a point more or less."""
SHORT_IN_A_STRESS = {
    False: {("Aave v3 on 11 chains", 30): 0.62},
    True: {("Aave v3 on 11 chains", 30): 0.61, ("Compound v2", 1): 0.65, ("Compound v2", 7): 0.66},
}
"""Where intervals hold less in a stress than 65 % (with LightGBM 70 %), and what they hold at least there."""


@pytest.mark.parametrize(("extras", "least"), [(False, (5, 8, 9, 8)), (True, (5, 8, 10, 12))])
def test_dollars_are_forecast_better_than_by_the_quote(extras: bool, least: tuple[int, ...]) -> None:
    from tests.bench.forecast import compare

    found: dict[str, dict[int, Any]] = {}
    for row in compare(without_extras=not extras)["rows"]:
        if row["class"] == DOLLAR:
            found.setdefault(row["recording"], {})[row["horizon_days"]] = row
    aave, compound = found["Aave v3 on 11 chains"], found["Compound v2"]
    for horizon, percent in zip((3, 7, 14, 30), least, strict=True):
        assert 100 * aave[horizon]["skill"] >= percent and aave[horizon]["skill_low"] > 0, horizon
        assert compound[horizon]["skill"] > 0, horizon
    for row in (*aave.values(), *compound.values()):
        place = row["recording"], row["horizon_days"]
        low, high = COVERED[extras]
        assert low - 0.01 <= row["coverage"] <= high + 0.01, place
        assert row["coverage_stress"] >= SHORT_IN_A_STRESS[extras].get(place, 0.70 if extras else 0.65), place
        assert row["pinball_less_bare"] >= (0.19 if place == ("Compound v2", 1) else 0.20 if extras else 0.15), place
