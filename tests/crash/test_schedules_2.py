"""The second hundred fault schedules (files run beside each other); ``-s`` shows how often each fault was done."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from schedules import Arena, arena


@pytest.fixture(scope="module")
def made() -> Iterator[Arena]:
    with arena() as ready:
        yield ready
        done = {"ended": dict(ready.tally.ended), "faults": dict(ready.tally.done)}
        if sum(ready.tally.ended.values()) > 100:  # not where a person has chosen a few
            assert ready.tally.ended["killed"] > 10 < ready.tally.ended["exit 0"], "the schedules do not try enough"
        print(json.dumps(done))


@pytest.mark.parametrize("seed", range(101, 201))
def test_what_must_hold_holds_after_the_schedule(made: Arena, seed: int) -> None:
    made.schedule(seed)
