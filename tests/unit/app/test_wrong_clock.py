"""A clock that was two days ahead: its plan ends in the next run, and one line says which clock is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.decision.holds import NOW, SEEN, planned
from yieldbot.app.wrong_clock import ahead, end_too_long, newest_entry
from yieldbot.errors import SafetyError
from yieldbot.history.recorded import queued_plan
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten
from yieldbot.journal.store import Journal
from yieldbot.model.ids import ChainId

DAYS, HOUR = 2 * 86_400, 3600


def test_a_plan_made_two_days_ahead_ends_in_the_next_run_and_is_not_carried_out_before(tmp_path: Path) -> None:
    plan = planned(SEEN)
    now = plan.expires_at - DAYS - HOUR
    with Journal.open(tmp_path / "journal.db", clock=lambda: now + DAYS) as journal:
        assert newest_entry(journal) is None
        journal.append(PlanWritten(plan, ()), PlanMarked(plan.id, PlanStatus.QUEUED, "queue"))
        line = ahead(newest_entry(journal), now, now - 12)
        assert line is not None and "is 2 days ahead of this machine's clock" in line and "the clock was ahead" in line
        end_too_long(journal, now + DAYS, HOUR)  # by the clock that made it, all is well
        end_too_long(journal, now, HOUR, (ChainId("eip155:7"), plan.owner))  # another account's run
        assert queued_plan(journal, plan.id, now + DAYS, HOUR) == plan
        end_too_long(journal, now, HOUR, (plan.block.chain, plan.owner))
        (stored,) = journal.plans()
        assert (
            stored.status is PlanStatus.EXPIRED and "another 2.04 days, longer than plan_ttl_seconds" in stored.reason
        )
    with Journal.open(tmp_path / "approved.db") as journal:  # by `approve` before the next run
        journal.append(PlanWritten(plan, ()), PlanMarked(plan.id, PlanStatus.QUEUED, "queue"))
        with pytest.raises(SafetyError, match="counts as expired: it would wait"):
            queued_plan(journal, plan.id, now, HOUR)
        assert journal.plans()[0].status is PlanStatus.EXPIRED


def test_the_chain_says_which_clock_is_wrong() -> None:
    assert ahead(None, NOW, NOW) is ahead(NOW + 300, NOW, NOW) is None
    behind = ahead(NOW, NOW - DAYS, NOW + 12) or ""
    assert "so the clock is behind now; set it by NTP (`timedatectl`)" in behind and "\n" not in behind
    assert "one of both was wrong" in (ahead(NOW, NOW - DAYS, None) or "")
