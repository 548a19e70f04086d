"""Money on trial in one cycle: what does not come out of it, and what is remembered of its market."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.kit.app.cycle import DONE, REHEARSED, SEEN, A, B, SessionDouble, wired
from tests.kit.app.cycle import journal as journal
from tests.kit.decision.holds_edges import plan_of, put, take
from tests.kit.market_builder import snapshot, usdc
from tests.kit.risk.protections import JOB
from yieldbot.app import cycle
from yieldbot.app.cycle import is_trial, run_job
from yieldbot.errors import InvariantError
from yieldbot.execution.approvals import Approval
from yieldbot.execution.results import LegResult
from yieldbot.journal.store import Journal
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Declined, NoWayOut
from yieldbot.model.tx import Reverted

TRIAL = plan_of(put(1_000), take(500, A), put(50_000))


async def tried(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, *results: LegResult, raises: int | None = None
) -> tuple[SessionDouble, cycle.Report | None]:
    inside = snapshot(99_000, replace(A, held=usdc(1_000)), B)
    back = snapshot(99_500, replace(A, held=usdc(500)), B)
    live = SessionDouble([SEEN, inside, back, back], results=list(results))
    if raises is not None:
        execute = live.execute

        async def fails(approval: Approval, index: int, view: Snapshot) -> LegResult:
            if index == raises:
                raise InvariantError("other money came out")
            return await execute(approval, index, view)

        monkeypatch.setattr(live, "execute", fails)
    world = wired(monkeypatch, journal, live, min_move="0")
    approval = Approval(TRIAL, "a person", TRIAL.expires_at)
    try:
        return live, await cycle._carry_out(world, live, JOB, approval, cycle.Report(job=JOB))  # type: ignore[arg-type]
    except InvariantError:
        return live, None


def refusals(live: SessionDouble) -> list[Any]:
    return [one[1:] for one in live.did if one[0] == "refused"]


async def test_what_does_not_come_out_of_a_trial_is_written_down_as_real_money(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [is_trial(TRIAL, index) for index in range(3)] == [False, True, False]
    assert not is_trial(plan_of(put(1), take(1)), 1), "another market's"
    assert not is_trial(plan_of(take(1, A), put(1)), 0)
    good = LegResult((DONE,))
    live, report = await tried(journal, monkeypatch, good)
    assert report is not None and report.declined is None and len(report.outcomes) == 3 and not refusals(live)
    said = "500 USDC of what went in do not come out: why"
    for bad, code in (
        (LegResult((Reverted("0xbb", SEEN.block, 1, "why"),)), None),
        (LegResult((), Declined("WOULD_REVERT", "why")), "WOULD_REVERT"),
        (LegResult((), Declined("DELTA_NOT_PLANNED", "why")), "DELTA_NOT_PLANNED"),
    ):
        live, report = await tried(journal, monkeypatch, good, bad)
        assert refusals(live) == [(A.market.id, said, True)] and ("execute", 2) not in live.did
        assert report is not None and (report.declined.code if report.declined else None) == code
    for fine in (LegResult((), Declined("EXPIRED", "why")),):
        live, _ = await tried(journal, monkeypatch, good, fine)
        assert not refusals(live)
    live, report = await tried(journal, monkeypatch, LegResult((Reverted("0xbb", SEEN.block, 1, "why"),)))
    assert not refusals(live) and report is not None, "what did not go in"


async def test_other_money_than_foreseen_stops_and_is_the_markets_doing_where_it_came_out_of_it(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, report = await tried(journal, monkeypatch, LegResult((DONE,)), raises=1)
    assert report is None and refusals(live) == [(A.market.id, "other money came out", True)]
    live, report = await tried(journal, monkeypatch, LegResult((DONE,)), raises=0)
    assert report is None and not refusals(live)


@pytest.mark.parametrize("lasting", [True, False])
async def test_a_market_that_does_not_give_back_is_remembered_where_that_lasts(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, lasting: bool
) -> None:
    trap = NoWayOut("NO_WAY_OUT", "it does not come out", A.market.id, lasting)
    live = SessionDouble(rehearsals=[trap, REHEARSED])
    await run_job(wired(monkeypatch, journal, live), JOB)
    wanted = [(A.market.id, "it does not come out", False)] if lasting else []
    assert refusals(live) == wanted and live.known and live.known[0] == 0
    live = SessionDouble(results=[LegResult((), trap)])
    await run_job(wired(monkeypatch, journal, live), JOB)
    assert refusals(live) == wanted
