"""Fault schedules on Solana."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.faults.proxy import FAILS, LIES
from tests.kit.draws import draws
from tests.kit.schedules import faults
from tests.kit.solana_schedules import (
    BOUNDARIES,
    EVENTS,
    FUNDS_RAW,
    SWAPPED_AT_MOST_RAW,
    Arena,
    arena,
    drawn,
    over_both,
)


@pytest.fixture(scope="module")
def made() -> Iterator[Arena]:
    """One cluster with its proxies for all schedules; ``-s`` shows how often each fault was done."""
    with arena() as ready:
        yield ready
        print(json.dumps({"ended": dict(ready.tally.ended), "faults": dict(ready.tally.done)}))
        if sum(ready.tally.ended.values()) > 40:  # not where a person has chosen a few
            assert ready.tally.ended["killed"] > 5 < ready.tally.ended["exit 0"], "the schedules do not try enough"


SEEDS = range(draws(3, 1), draws(8, 21))


def test_the_sample_has_every_fault() -> None:
    every = {*FAILS, *LIES, "wrong_chain", *EVENTS, *BOUNDARIES}
    assert faults(one for seed in SEEDS for one in drawn(seed)[1]) == every
    assert {over_both(seed) for seed in SEEDS} == {False, True}


@pytest.mark.parametrize("seed", SEEDS)
def test_what_must_hold_holds_after_the_schedule(made: Arena, seed: int) -> None:
    end = made.schedule(seed)
    lost = SWAPPED_AT_MOST_RAW if over_both(seed) else 0
    assert end.legs >= 2 and 0 <= end.wealth_raw - FUNDS_RAW + 10 + lost < FUNDS_RAW // 1000
