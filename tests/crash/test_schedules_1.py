"""The first fault schedules; ``scripts/soak`` tries thousands (files run beside each other)."""

from __future__ import annotations

import pytest

from tests.kit.child import RAW
from tests.kit.draws import draws
from tests.kit.schedules import Beside, End
from tests.kit.small_market import FUNDS_RAW

SEEDS = range(draws(5, 1), draws(12, 101))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_must_hold_holds_after_the_schedule(made: Beside, seed: int) -> None:
    end = made.schedule(seed)
    assert end == End(FUNDS_RAW - RAW, RAW, 0, end.nonces) and end.nonces == tuple(range(len(end.nonces))) != ()
