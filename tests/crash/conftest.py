"""The fault schedules of a file."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest

from tests.kit.schedules import Beside


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    """A file's schedules, begun together; ``-s`` shows how often each fault was done."""
    items = [one for one in request.session.items if one.path == request.path and isinstance(one, pytest.Function)]
    seeds = [one.callspec.params["seed"] for one in items if hasattr(one, "callspec")]
    with contextlib.closing(Beside(tmp_path_factory.mktemp("schedules"), seeds)) as ready:
        yield ready
        done = {"ended": dict(ready.tally.ended), "faults": dict(ready.tally.done)}
        if sum(ready.tally.ended.values()) > 100:  # not where a person has chosen a few
            assert ready.tally.ended["killed"] > 10 < ready.tally.ended["exit 0"], "the schedules do not try enough"
        print(json.dumps(done))
