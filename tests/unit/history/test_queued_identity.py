"""An edited row of the journal, its hashes computed anew, is not the plan that was shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.decision.holds import NOW, SEEN, planned
from tests.kit.market_builder import usdc
from yieldbot.errors import SafetyError
from yieldbot.history.recorded import queued_plan
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten
from yieldbot.journal.store import Journal


def test_an_edited_plan_is_refused_under_its_old_id(tmp_path: Path) -> None:
    plan = planned(SEEN)
    leg = plan.legs[-1]
    more = (*plan.legs[:-1], replace(leg, amount=usdc(float(leg.amount) / 2)))
    for number, stored in enumerate(
        (plan, replace(plan, legs=more), replace(plan, expires_at=plan.expires_at + 9_999))
    ):
        with Journal.open(tmp_path / f"{number}.db") as journal:  # written as a whole: every hash of it holds
            journal.append(PlanWritten(stored, ()), PlanMarked(plan.id, PlanStatus.QUEUED, "queue"))
            journal.verify()
            if stored == plan:
                assert queued_plan(journal, plan.id, NOW, 10**9) == plan
                continue
            with pytest.raises(SafetyError, match="is not what was shown") as refused:
                queued_plan(journal, plan.id, NOW, 10**9)
            assert refused.value.code == "NOT_THE_PLAN"
