"""Quotas: requests of a day are counted over restarts, cheaply, and a killed server allows none twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.draws import draws
from yieldbot.access.caller import Scope
from yieldbot.access.quotas import DAY, STEPS, Quotas, quota_of
from yieldbot.access.ring import KeyRing
from yieldbot.errors import ConfigError

NOW = 20_000 * DAY + 3_600


class Stored:
    """Counts in memory, and how often they were written."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[int, int]] = {}
        self.writes = 0

    def used_on(self, name: str, day: int) -> tuple[int, int]:
        before, used = self.found.get(name, (day, 0))
        return (before, used) if before >= day else (day, 0)

    def keep_used(self, name: str, day: int, used: int) -> None:
        self.found[name] = (day, used)
        self.writes += 1


def test_a_day_of_requests_and_the_next() -> None:
    quotas = Quotas(Stored())
    left = [quotas.take("bot", 3, NOW) for _ in range(5)]
    assert [one.remaining for one in left] == [2, 1, 0, 0, 0] and [one.refused for one in left] == [False] * 3 + [
        True
    ] * 2
    assert left[4].limit == 3 and left[4].wait_seconds == left[4].reset_seconds == DAY - 3_600
    assert not quotas.take("other", 3, NOW).refused, "each key has its own"
    assert not quotas.take("bot", 3, NOW, always=True).refused
    assert quotas.take("bot", 3, NOW - 2 * DAY).refused, "a clock that is set back begins no new day"
    assert quotas.take("bot", 3, NOW + DAY).remaining == 2


@given(
    quota=st.integers(1, 1_000),
    lives=st.lists(st.tuples(st.integers(0, 400), st.booleans()), min_size=1, max_size=8),
)
@settings(max_examples=draws(30, 2_000), deadline=None)
def test_restarts_and_kills_allow_no_request_twice(quota: int, lives: list[tuple[int, bool]]) -> None:
    """Each life of the server takes some requests, and ends itself or is killed."""
    stored, allowed, kills = Stored(), 0, 0
    for requests, ends in lives:
        quotas = Quotas(stored)
        allowed += sum(not quotas.take("bot", quota, NOW).refused for _ in range(requests))
        if ends:
            quotas.close()
            assert stored.found.get("bot", (0, 0))[1] >= allowed
        kills += not ends
    step = max(1, quota // STEPS)
    wanted = min(quota, sum(requests for requests, _ in lives))
    assert wanted - kills * step <= allowed <= quota
    assert stored.writes <= allowed // step + 2 * len(lives)


def test_it_is_kept_with_the_keys_and_their_successors(tmp_path: Path) -> None:
    ring = KeyRing.of(tmp_path)
    key, _ = ring.new("bot", frozenset((Scope.READ,)), NOW, quota=500)
    ring.new("free", frozenset((Scope.READ,)), NOW)
    quotas = Quotas(ring)
    for _ in range(7):
        quotas.take("bot", 500, NOW)
    quotas.close()
    later = KeyRing.of(tmp_path)
    later.rotate("bot", NOW + 1, overlap=60)
    assert [(one.name, one.quota, one.counted) for one in later.all()] == [
        ("bot", 500, (20_000, 7)),
        ("free", None, (0, 0)),
        ("bot", 500, (20_000, 7)),
    ]
    assert (found := later.find(key[3:11])) is not None and found.quota == 500
    assert Quotas(later).take("bot", 500, NOW).remaining == 492


def test_how_it_is_written() -> None:
    assert quota_of("5000/d") == 5_000
    for text in ("0/d", "5000", "5000/h", "-1/d", "1e3/d", "9999999999/d", "٣/d"):
        with pytest.raises(ConfigError, match=r"--quota .*as 5000/d"):
            quota_of(text)
