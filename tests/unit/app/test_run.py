"""``run``, ``approve`` and ``reject`` as use cases, on a labelled double of a session: who is shown what, who is asked
when, and what is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.kit.app.cycle import DONE, IN_A, SEEN, SessionDouble
from tests.kit.market_builder import OWNER
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB
from yieldbot.app import cycle, wiring
from yieldbot.app.approve_signed import approve_all, latest, waiting_ids
from yieldbot.app.context import Context
from yieldbot.app.exit import ExitRequest, leave, standing
from yieldbot.app.job_reports import rehearsal
from yieldbot.app.reject import RejectRequest, reject
from yieldbot.app.run import (
    ApproveRequest,
    DryRunRequest,
    RunRequest,
    approve,
    by_account,
    dry_run,
    run,
)
from yieldbot.app.still_in import still_in
from yieldbot.app.wiring import JobFilter
from yieldbot.errors import ConfigError, RunInProgress, SafetyError, TransientError
from yieldbot.execution.approvals import Proposal
from yieldbot.execution.lock import run_lock
from yieldbot.journal.journal_entries import AccountStopped, PlanStatus
from yieldbot.journal.run_entries import RunEnded
from yieldbot.journal.store import Journal
from yieldbot.model.market import ExitKind
from yieldbot.model.settings import Settings

EVM_FEES = {"max_fee_wei": "7", "l1_fee_wei": "0", "operator_fee_wei": "0", "l1_gas": 0}
REHEARSED: Any = SimpleNamespace(
    block=SEEN.block, gas_used=9, legs=(), deltas=(), lines=("supply it",), fee_terms=EVM_FEES, fees_beside=()
)


class Person:
    """Looks, answers, and remembers in which order that was."""

    def __init__(self, answer: bool, did: list[Any]) -> None:
        self.answer, self.did, self.shown = answer, did, list[Proposal]()

    def show(self, proposal: Proposal) -> None:
        self.did.append("show")
        self.shown.append(proposal)

    def ask(self) -> bool:
        self.did.append("ask")
        return self.answer


@pytest.fixture
def live() -> SessionDouble:
    return SessionDouble([SEEN, SEEN, IN_A], rehearsals=[REHEARSED])


@pytest.fixture
def context(tmp_path: Path, live: SessionDouble, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    @asynccontextmanager
    async def opened(world: Any, job: Any) -> AsyncIterator[SessionDouble]:
        yield live

    def signers(context: Context) -> Any:
        return lambda wallet: SimpleNamespace(opened=False, open=lambda: live.did.append("open the key"))

    monkeypatch.setattr(cycle, "session", opened)
    monkeypatch.setattr(wiring, "signers", signers)
    job = replace(JOB, chain=replace(JOB.chain, rpc_urls=("http://127.0.0.1:9",)))
    made = Context(tmp_path / "yieldbot.toml")
    made._settings = Settings(
        source=tmp_path / "yieldbot.toml",
        data_dir=tmp_path / "data",
        wallets={},
        chains={},
        jobs=(job,),
        policy=loose(horizon_days=30.0, idle_buffer="0", auto_max_move="1000000", auto_max_total="1000000"),
    )
    yield made


def stored(context: Context) -> list[PlanStatus]:
    with Journal.read(context.settings.data_dir / wiring.JOURNAL) as journal:
        return [plan.status for plan in journal.plans()]


def runs(context: Context) -> list[RunEnded]:
    with Journal.read(context.settings.data_dir / wiring.JOURNAL) as journal:
        return [row.entry for row in journal.history() if isinstance(row.entry, RunEnded)]


def test_how_each_cycle_ended_is_in_the_journal(
    context: Context, live: SessionDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASE_RPC_URL", "https://rpc.example/a-provider-key")
    live.views = [SEEN]
    person = Person(False, live.did)
    run(RunRequest(), context, show=person.show, ask=person.ask)
    (waits,) = runs(context)
    assert (waits.by, waits.command, waits.outcome, waits.code) == ("terminal", "run", "queued", "QUEUED")
    assert waits.owner == JOB.wallet.address and waits.assets == (JOB.asset.symbol,) and waits.seconds >= 0
    context.asked_by, context.run_id = "key bot", "a1b2"
    approve(ApproveRequest(plan_id=waits.plan_id), context, show=person.show, ask=person.ask)
    dry_run(DryRunRequest(), context)
    _, again, dry = runs(context)
    assert (again.by, again.run, again.command, again.plan_id) == ("key bot", "a1b2", "approve", waits.plan_id)
    assert (dry.command, dry.outcome) == ("dry-run", "rehearsed") and dry.plan_id

    def fails(*_: Any) -> None:
        raise SafetyError("HALTED", "halted, as https://rpc.example/a-provider-key says\nso")

    live.observe = fails  # type: ignore[method-assign, assignment]
    run(RunRequest(), context, show=person.show, ask=person.ask)
    failed = runs(context)[-1]
    assert (failed.outcome, failed.code, failed.plan_id) == ("failed", "HALTED", "")
    assert "provider" not in failed.reason and "\n" not in failed.reason


def test_a_dry_run_asks_nobody_and_opens_no_key(context: Context, live: SessionDouble) -> None:
    done = dry_run(DryRunRequest(), context)
    assert done.document.exit_code == 0 and ("execute", 0) not in live.did and "open the key" not in live.did
    document = done.document.as_json()
    assert list(document) == ["schema", "exit_code", "jobs", "across_chains", "together"]
    assert document["schema"] == "yieldbot/dry-run/v1" and document["across_chains"] == []
    (job,) = document["jobs"]
    assert job["declined"] == {"code": "DRY_RUN", "reason": "nothing is signed in a dry run"} and job["exit_code"] == 0
    assert job["plan"]["action"] == "move" and job["transactions"] == job["settled"] == []
    assert list(job["rehearsal"]) == ["block", "gas_used", *EVM_FEES, "legs", "deltas"]
    assert stored(context) == []


@pytest.mark.parametrize("answer", [False, True])
def test_a_person_sees_the_plan_before_being_asked_and_the_key_is_opened_after_a_yes(
    answer: bool, context: Context, live: SessionDouble
) -> None:
    person = Person(answer, live.did)
    done = run(RunRequest(approve="ask"), context, show=person.show, ask=person.ask)
    did = [step for step in live.did if step in ("show", "ask", "open the key", ("execute", 0))]
    assert did == ["show", "ask", *([("execute", 0)] if answer else [])]
    assert done.document.exit_code == 0 and done.document.as_json()["schema"] == "yieldbot/run/v1"
    (job,) = done.document.as_json()["jobs"]
    if answer:
        assert job["declined"] is None and [tx["result"] for tx in job["transactions"]] == ["confirmed"]
        keys = ["leg", "words", "result", "hash", "block", "gas_used", "gas_price_wei", "fee_raw", "deltas"]
        assert list(job["transactions"][0]) == keys and job["transactions"][0]["hash"] == DONE.hash
        assert stored(context) == [PlanStatus.APPROVED]  # the double's session leaves no mark of a leg
    else:
        assert job["declined"]["code"] == "HUMAN_REJECTED" and stored(context) == [PlanStatus.REJECTED]


def test_the_policy_approves_inside_its_limits_and_the_key_is_opened_before_the_rehearsal(
    context: Context, live: SessionDouble
) -> None:
    person = Person(False, live.did)
    run(RunRequest(approve="auto"), context, show=person.show, ask=person.ask)
    assert "show" not in live.did and "ask" not in live.did
    rehearsed = next(step for step in live.did if isinstance(step, tuple) and step[0] == "rehearse")
    assert live.did.index("open the key") < live.did.index(rehearsed) < live.did.index(("execute", 0))


def test_a_plan_waits_is_asked_about_once_more_and_is_refused(context: Context, live: SessionDouble) -> None:
    live.views = [SEEN]
    person = Person(False, live.did)
    waits = run(RunRequest(), context, show=person.show, ask=person.ask).document
    assert waits.exit_code == 3 and not person.shown
    plan_id = waits.as_json()["jobs"][0]["plan"]["id"]

    live.did.clear()
    still = approve(ApproveRequest(plan_id=plan_id), context, show=person.show, ask=person.ask).document.as_json()
    assert still["schema"] == "yieldbot/approve/v1" and still["exit_code"] == 3
    reason = f"you said no; plan {plan_id} still waits: {context.program} approve {plan_id}"
    assert still["jobs"][0]["declined"] == {"code": "QUEUED", "reason": reason}
    assert live.did.index("open the key") < live.did.index("show") < live.did.index("ask")
    assert ("execute", 0) not in live.did and stored(context) == [PlanStatus.QUEUED]

    done = reject(RejectRequest(plan_id=plan_id, reason="not\nnow"), context)
    nothing = {"not_before": None, "until_gain": None, "reached": False}
    assert done.as_json() == {"schema": "yieldbot/reject/v1", "plan_id": plan_id, "status": "rejected", **nothing}
    with Journal.read(context.settings.data_dir / wiring.JOURNAL) as journal:
        (plan,) = journal.plans()
        assert (plan.status, plan.reason) == (PlanStatus.REJECTED, "not now")
    with pytest.raises(SafetyError, match=f"plan {plan_id} is rejected already"):
        reject(RejectRequest(plan_id=plan_id), context)
    with pytest.raises(SafetyError, match="is rejected already"):
        reject(RejectRequest(plan_id=plan_id, by="key k", not_again_seconds=60), context)
    reject(RejectRequest(plan_id=plan_id, not_again_seconds=3600), context)
    held = run(RunRequest(), context, show=person.show, ask=person.ask).document.as_json()["jobs"][0]["plan"]
    assert held["action"] == "hold" and f"terminal rejected this (plan {plan_id})" in held["reason"]
    seen = live.views[-1]
    gains = held["reason"]
    said = reject(RejectRequest(plan_id=plan_id, until_gain="+50%"), context)
    assert said.not_before is None and said.until_gain is not None and not said.reached
    held = run(RunRequest(), context, show=person.show, ask=person.ask).document.as_json()["jobs"][0]["plan"]
    assert f"until it gains {said.until_gain:,.2f} " in held["reason"] and held["reason"] != gains
    reject(RejectRequest(plan_id=plan_id, not_again_seconds=0), context)
    with Journal.read(context.settings.data_dir / wiring.JOURNAL) as journal:
        assert journal.plans()[0].reason == "not now", "the reason stays"
    assert reject(RejectRequest(plan_id=plan_id, until_gain=f"{said.until_gain / 1.6}"), context).reached
    again = run(RunRequest(), context, show=person.show, ask=person.ask).document.as_json()["jobs"][0]
    assert again["declined"]["code"] == "QUEUED" and live.views[-1] is seen, "it gains more than what was named now"
    with pytest.raises(ConfigError, match="no plan nothing in the journal"):
        reject(RejectRequest(plan_id="nothing"), context)


def test_a_run_whose_lock_another_took_while_a_person_thought_begins_no_further_job(
    context: Context, live: SessionDouble
) -> None:
    (job,) = context.settings.jobs
    elsewhere = replace(job, wallet=replace(job.wallet, name="other"))
    context._settings = replace(context.settings, jobs=(job, elsewhere))
    other = run_lock(context.settings.data_dir, "other")

    def ask() -> bool:
        live.did.append("ask")
        other.__enter__()
        return True

    person = Person(True, live.did)
    done = run(RunRequest(approve="ask"), context, show=person.show, ask=ask)
    assert live.did.count("ask") == len(person.shown) == 1 and ("execute", 0) not in live.did
    assert done.document.exit_code == 6 and len(done.document.jobs) == 1
    other.__exit__(None, None, None)


def test_a_plan_that_nobody_answered_waits_and_is_no_refusal(context: Context, live: SessionDouble) -> None:
    done = run(RunRequest(approve="ask"), context, show=lambda _: None, ask=lambda: None)
    (job,) = done.document.as_json()["jobs"]
    assert done.document.exit_code == 3 and job["declined"]["code"] == "QUEUED"
    assert job["declined"]["reason"].startswith("nobody answered in time: nothing is signed; plan ")
    assert waiting_ids(context) == (job["plan"]["id"],) and ("execute", 0) not in live.did


def test_an_exit_that_nobody_answered_failed_and_one_that_others_changed_is_as_a_run_in_progress(
    context: Context, live: SessionDouble
) -> None:
    def meanwhile() -> bool:
        with Journal.open(context.settings.data_dir / wiring.JOURNAL) as journal:
            journal.append(AccountStopped(SEEN.block.chain, OWNER, "a loss"))
        return True

    for ask, code, why in ((lambda: None, 1, "NO_ANSWER"), (meanwhile, 6, "RUN_MEANWHILE")):
        live.views = [IN_A]
        request = ExitRequest(market=next(one.market.name for one in IN_A.markets if one.held), approve="ask")
        said = leave(request, context, show=lambda _: None, ask=ask)
        (job,) = said.document.as_json()["jobs"]
        assert (said.document.exit_code, job["declined"]["code"]) == (code, why)
        assert waiting_ids(context) == () and standing(JobFilter(), context).exits == ()


def test_an_exit_that_a_person_refuses_is_not_said_to_stand(context: Context, live: SessionDouble) -> None:
    live.views = [IN_A]
    (held,) = [state for state in IN_A.markets if state.held]
    person = Person(False, live.did)
    said = leave(ExitRequest(market=held.market.name, approve="ask"), context, show=person.show, ask=person.ask)
    (job,) = said.document.as_json()["jobs"]
    assert person.shown and job["declined"]["code"] == "HUMAN_REJECTED"
    assert "the order is lifted again" in job["declined"]["reason"] and job["still_in"] == job["ordered"] == []
    assert not still_in(said.reports[0][0]) and standing(JobFilter(), context).exits == ()


def test_a_way_out_of_two_steps_that_waits_for_a_yes_says_so(context: Context, live: SessionDouble) -> None:
    (held,) = [state for state in IN_A.markets if state.held]
    slow = replace(held, exit=replace(held.exit, kind=ExitKind.REQUEST, seconds=None))
    live.views = [replace(IN_A, states={**IN_A.states, slow.market.id: slow})]
    said = leave(ExitRequest(market=held.market.name), context, show=lambda _: None, ask=lambda: None)
    (left,) = said.document.as_json()["jobs"][0]["still_in"]
    assert " waits: " in left["why"] and left["next"].startswith("its way out begins once the plan is approved")


def test_an_exit_whose_lock_another_run_took_meanwhile_leaves_no_order(context: Context, live: SessionDouble) -> None:
    live.views = [IN_A]
    (held,) = [state for state in IN_A.markets if state.held]
    other = run_lock(context.settings.data_dir, "other")
    ask = lambda: other.__enter__() is None  # noqa: E731 - a person who says no after another run has begun
    said = leave(ExitRequest(market=held.market.name, approve="ask"), context, show=lambda _: None, ask=ask)
    (job,) = said.document.as_json()["jobs"]
    assert said.document.exit_code == 6 and "the order is lifted again" in job["error"]["message"]
    assert standing(JobFilter(), context).exits == ()
    other.__exit__(None, None, None)


def test_a_plan_that_waits_stays_until_something_material_changes(context: Context, live: SessionDouble) -> None:
    live.views = [SEEN]
    person = Person(True, live.did)

    def waits() -> str:
        plan_id: str = run(RunRequest(), context, show=person.show, ask=person.ask).document.as_json()["jobs"][0][
            "plan"
        ]["id"]
        return plan_id

    assert waiting_ids(context) == ()
    with pytest.raises(ConfigError, match="no plan waits"):
        latest(context)
    first = waits()
    live.views = [replace(SEEN, block=replace(SEEN.block, height=SEEN.block.height + 1, hash="0x" + "ee" * 32))]
    assert waits() == first == latest(context) and stored(context) == [PlanStatus.QUEUED]
    assert sum(isinstance(one, tuple) and one[0] == "rehearse" for one in live.did) == 2, "it is rehearsed each time"
    more = replace(SEEN.idle[0], held=SEEN.idle[0].held + SEEN.idle[0].held)
    live.views = [replace(SEEN, states={**SEEN.states, more.market.id: more})]
    newer = waits()
    assert newer != first and waiting_ids(context) == (newer,)
    with Journal.read(context.settings.data_dir / wiring.JOURNAL) as journal:
        assert [(one.status, one.reason) for one in journal.plans()] == [
            (PlanStatus.EXPIRED, f"superseded by {newer}"), (PlanStatus.QUEUED, ""),
        ]  # fmt: skip
    with pytest.raises(SafetyError, match=f"plan {first} waits no more: superseded by {newer}"):
        approve(ApproveRequest(plan_id=first), context, show=person.show, ask=person.ask)
    done = approve_all(context, show=person.show, ask=person.ask).document
    assert done.exit_code == 0 and [one.plan.id for one in person.shown] == [newer] and len(done.jobs) == 1
    assert approve_all(context, show=person.show, ask=person.ask).document.jobs == ()


def test_a_yes_to_the_plan_by_its_id_carries_it_out(context: Context, live: SessionDouble) -> None:
    live.views = [SEEN]
    person = Person(True, live.did)
    waits = run(RunRequest(), context, show=person.show, ask=person.ask).document.as_json()
    plan_id = waits["jobs"][0]["plan"]["id"]
    done = approve(ApproveRequest(plan_id=plan_id), context, show=person.show, ask=person.ask)
    assert done.document.exit_code == 0 and live.did.index("ask") < live.did.index(("execute", 0))
    assert [one.plan.id for one in person.shown] == [plan_id] and stored(context) == [PlanStatus.APPROVED]
    assert [report.outcomes[0][1] for report in done.reports] == [DONE]


def test_a_chain_that_is_down_and_an_error_are_parts_of_the_answer(
    context: Context, live: SessionDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    live.fails = TransientError("no node answers")
    (job,) = dry_run(DryRunRequest(), context).document.as_json()["jobs"]
    assert job["skipped"] == "no node answers" and job["exit_code"] == 1 and job["block"] is job["plan"] is None
    live.fails = SafetyError("HALTED", "it is halted")
    done = dry_run(DryRunRequest(), context)
    (job,) = done.document.as_json()["jobs"]
    assert job["error"] == {"kind": "SafetyError", "code": "HALTED", "message": str(live.fails)}
    assert done.document.exit_code == job["exit_code"] == 4 and done.reports == ()
    assert str(live.fails) in capsys.readouterr().err


def test_nothing_runs_beside_another_run_or_for_a_job_that_is_not_there(context: Context) -> None:
    person = Person(True, [])
    with run_lock(context.settings.data_dir):
        for use in (
            lambda: dry_run(DryRunRequest(), context),
            lambda: run(RunRequest(), context, show=person.show, ask=person.ask),
            lambda: approve(ApproveRequest(plan_id="p1"), context, show=person.show, ask=person.ask),
            lambda: reject(RejectRequest(plan_id="p1"), context),
        ):
            with pytest.raises(RunInProgress, match="another run is in progress"):
                use()
    with pytest.raises(ConfigError, match="--wallet nobody: no job has it"):
        dry_run(DryRunRequest(jobs=JobFilter(wallet="nobody")), context)


def test_jobs_of_one_account_are_one_group() -> None:
    other = replace(JOB, wallet=replace(JOB.wallet, address="0x" + "77" * 20))
    assert by_account((JOB, other, JOB)) == [[(0, JOB), (2, JOB)], [(1, other)]]


def test_a_rehearsal_on_solana_names_its_own_fee() -> None:
    found: Any = SimpleNamespace(**(vars(REHEARSED) | {"fee_terms": {"fee_lamports": "5000"}}))
    made = rehearsal(found).model_dump(mode="json")
    assert list(made) == ["block", "gas_used", "fee_lamports", "legs", "deltas"] and made["fee_lamports"] == "5000"
