"""What a person may write for the gain at which a rejected plan is shown again, and when a waiting plan is reported."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.kit.journal.store import CHAIN, OWNER, plan
from yieldbot.app.reject import gain_of
from yieldbot.app.waiting import reported_before
from yieldbot.errors import ConfigError
from yieldbot.journal.run_entries import RunEnded
from yieldbot.journal.store import Journal

PLAN = replace(plan(), gain_per_year=40.0, expires_at=10_000)


@pytest.mark.parametrize(("text", "gain"), [("", 0.0), ("500", 500.0), ("0.5", 0.5), ("+50%", 60.0), ("+0.5%", 40.2)])
def test_a_gain_is_an_amount_a_year_or_so_much_more(text: str, gain: float) -> None:
    assert gain_of(text, PLAN) == pytest.approx(gain)


@pytest.mark.parametrize("text", ["0", "-1", "much", "nan", "inf", "50%", "+50", "+%", "+-5%", "1e999"])
def test_what_is_no_gain_is_refused_with_both_forms(text: str) -> None:
    with pytest.raises(ConfigError, match=r"write a gain a year as 500 \(in the plan.s asset\), or as \+50% "):
        gain_of(text, PLAN)


@dataclass
class World:
    """A labelled double of what ``reported_before`` asks."""

    journal: Journal
    at: int
    settings: Any

    def now(self) -> int:
        return self.at


def test_a_plan_that_waits_is_reported_once_and_again_when_half_of_its_time_has_passed(tmp_path: Path) -> None:
    settings = SimpleNamespace(policy=SimpleNamespace(plan_ttl_seconds=4000))
    clock = SimpleNamespace(at=6000)
    world = World(Journal.open(tmp_path / "journal.sqlite", clock=lambda: clock.at), 6000, settings)
    found = []
    for at in (6000, 7000, 7999, 8500, 9000):
        world.at = clock.at = at
        found.append(reported_before(world, PLAN))  # type: ignore[arg-type]
        ended = RunEnded(
            chain=CHAIN, owner=OWNER, plan_id=PLAN.id, run="r", by="schedule", command="run", wallet="w",
            assets=("USDC",), began=at, seconds=1.0, outcome="queued", code="QUEUED", reason="waits",
        )  # fmt: skip
        world.journal.append_unless_repeated(ended)
    assert found == [False, True, True, False, True]
    assert len(world.journal.history()) == 1, "the others are counted"
    world.journal.append(replace(ended, by="anna"), replace(ended, plan_id="other", by="ben"))
    assert world.journal.asked_by() == {PLAN.id: "schedule", "other": "ben"}
    assert world.journal.asked_by([PLAN.id, "other"]) == world.journal.asked_by()
    assert world.journal.asked_by(["other", "none"]) == {"other": "ben"} and world.journal.asked_by([]) == {}
    world.journal.close()
