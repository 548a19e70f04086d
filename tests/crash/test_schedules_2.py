"""Fault schedules from the hundred and first on (files run beside each other)."""

from __future__ import annotations

import pytest

from tests.crash.test_schedules_1 import SEEDS as FIRST
from tests.faults.proxy import FAILS, LIES
from tests.kit.child import BOUNDARIES, RAW
from tests.kit.draws import draws
from tests.kit.schedules import EVENTS, Beside, End, drawn, faults
from tests.kit.small_market import FUNDS_RAW

SEEDS = range(101, 101 + draws(7, 100))


def test_the_sample_has_every_fault() -> None:
    every = {*FAILS, *LIES, "wrong_chain", *EVENTS, *BOUNDARIES}
    assert faults(one for seed in (*FIRST, *SEEDS) for one in drawn(seed)[1]) == every


@pytest.mark.parametrize("seed", SEEDS)
def test_what_must_hold_holds_after_the_schedule(made: Beside, seed: int) -> None:
    end = made.schedule(seed)
    assert end == End(FUNDS_RAW - RAW, RAW, 0, end.nonces) and end.nonces == tuple(range(len(end.nonces))) != ()
