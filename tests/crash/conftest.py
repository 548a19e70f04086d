"""The arena of the fault schedules."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.kit.schedules import Arena, arena


@pytest.fixture(scope="module")
def made() -> Iterator[Arena]:
    """One node with its proxies for a file's schedules; ``-s`` shows how often each fault was done."""
    with arena() as ready:
        yield ready
        done = {"ended": dict(ready.tally.ended), "faults": dict(ready.tally.done)}
        if sum(ready.tally.ended.values()) > 100:  # not where a person has chosen a few
            assert ready.tally.ended["killed"] > 10 < ready.tally.ended["exit 0"], "the schedules do not try enough"
        print(json.dumps(done))
