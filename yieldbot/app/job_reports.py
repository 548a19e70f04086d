"""Makes document parts of a cycle's Report, and its exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from yieldbot.app.alarm_documents import MarketAlarm
from yieldbot.app.formatting import number
from yieldbot.app.parts import BalanceChange, Block, JobHead, Money, Refusal, transaction
from yieldbot.app.plan_parts import Leg, Quarantined, plan_or_hold
from yieldbot.app.run_documents import (
    FurtherTransaction,
    Holding,
    JobError,
    JobFailure,
    JobReport,
    LeftOut,
    LegTransaction,
    PlanRehearsal,
    ProposedTransaction,
    RehearsedLeg,
    RehearsedTransaction,
    Stuck,
)
from yieldbot.app.still_in import still_in
from yieldbot.app.thinking import MEANWHILE, NO_ANSWER
from yieldbot.app.yields import apy_after
from yieldbot.errors import SafetyError, YieldbotError

if TYPE_CHECKING:
    from yieldbot.app.cycle import Report
    from yieldbot.execution.rehearsed import Rehearsed
    from yieldbot.execution.results import Proposed
    from yieldbot.model import plan as model
    from yieldbot.model.policy import Policy
    from yieldbot.model.settings import Job
    from yieldbot.model.tx import Outcome

DONE, FAILED, WAITING, REFUSED, OPEN, BUSY = 0, 1, 3, 4, 5, 6

_WORST_FIRST = (FAILED, 2, BUSY, OPEN, REFUSED, WAITING, DONE)
_OF_REFUSAL = {
    **dict.fromkeys(("DRY_RUN", "HUMAN_REJECTED"), DONE),
    **dict.fromkeys(("QUEUED", "WAITS_FOR_OWNERS", "APPROVALS_MISSING"), WAITING),
    NO_ANSWER: FAILED,
    MEANWHILE: BUSY,
}
"""What no safety rule refused, by its code: a person said no, the plan waits, nobody answered and nothing waits,
another command changed what was shown."""
_REHEARSAL: TypeAdapter[PlanRehearsal] = TypeAdapter(PlanRehearsal)
_OF_LEG: TypeAdapter[LegTransaction] = TypeAdapter(LegTransaction)


def exit_code(report: Report) -> int:
    """The exit code of one job's cycle."""
    if report.skipped is not None or report.failed or any(one.held for one in report.unread):
        return FAILED
    if report.proposed is not None:
        return WAITING  # for the Safe's other owners
    return DONE if report.declined is None else code_of(report.declined)


def code_of(refusal: model.Declined) -> int:
    """The exit code of what was not carried out: 4 only if a safety rule refused."""
    return _OF_REFUSAL.get(refusal.code, REFUSED)


def worst(codes: Sequence[int]) -> int:
    """The gravest exit code: failure, configuration, another run, open transaction, refusal, waiting plan, in this
    order."""
    return next((code for code in _WORST_FIRST if code in codes), max(codes, default=DONE))


def rehearsal(found: Rehearsed) -> PlanRehearsal:
    """The part for a rehearsal. The names of its fees depend on the chain family."""
    legs = tuple(
        RehearsedLeg(
            index=leg.index,
            gas_used=leg.gas_used,
            transactions=tuple(
                RehearsedTransaction(words=tx.description, to=tx.to, gas_used=tx.gas_used, gas_limit=tx.gas_limit)
                for tx in leg.txs
            ),
            deltas=tuple(BalanceChange.of(change) for change in leg.deltas),
        )
        for leg in found.legs
    )
    deltas = tuple(BalanceChange.of(change) for change in found.deltas)
    common = {"block": Block.of(found.block), "gas_used": found.gas_used, "legs": legs, "deltas": deltas}
    return _REHEARSAL.validate_python(common | dict(found.fee_terms))


def report(found: Report, policy: Policy) -> JobReport:
    """The part for one job's cycle. Stages that were not reached are null or empty."""
    decision, snapshot = found.decision, found.snapshot
    return JobReport(
        **JobHead.fields_of(found.job, snapshot, found.skipped),
        rpc_left_out=tuple(LeftOut(host=host, reason=why) for host, why in found.left_out),
        settled=tuple(transaction(outcome) for outcome in found.settled),
        quarantined=Quarantined.of(found.unread),
        plan=plan_or_hold(decision.outcome) if decision else None,
        rehearsal=rehearsal(found.rehearsal) if found.rehearsal else None,
        declined=Refusal.or_none(found.declined),
        reported=found.reported,
        stuck=_stuck(found),
        transactions=tuple(_of_leg(leg, outcome, found.words) for leg, outcome in found.outcomes),
        proposed=_proposed(found.proposed) if found.proposed else None,
        holdings=holdings(found, policy),
        exit_code=exit_code(found),
        contradicted=snapshot.contradicted if snapshot else (),
        still_in=still_in(found),
        alarms=MarketAlarm.every(snapshot),
    )


def _of_leg(leg: model.Leg, outcome: Outcome, words: Mapping[str, str]) -> LegTransaction:
    """The part for a transaction, with its leg."""
    part = transaction(outcome)
    return _OF_LEG.validate_python(
        {
            "leg": Leg.of(leg),
            "words": words.get(outcome.hash, ""),
            **{name: getattr(part, name) for name in type(part).model_fields},
        }
    )


def _stuck(found: Report) -> tuple[Stuck, ...]:
    """Holdings that could not be withdrawn in this cycle."""
    states = found.snapshot.markets if found.snapshot else ()
    return tuple(Stuck(market_id=s.market.id, held=Money.of(s.held), reason=s.stuck) for s in states if s.stuck)


def _proposed(found: Proposed) -> ProposedTransaction:
    """The part for a Safe transaction that waits for the other owners."""
    return ProposedTransaction(
        hash=found.hash,
        threshold=found.threshold,
        owners=found.owners,
        safe_transaction=found.document,
        further=tuple(FurtherTransaction(hash=one.hash, safe_transaction=one.document) for one in found.further),
    )


def holdings(found: Report, policy: Policy) -> tuple[Holding, ...]:
    """Holdings after the cycle, the wallet included, with their yields."""
    snapshot = found.after or found.snapshot
    if snapshot is None:
        return ()
    return tuple(
        Holding(
            id=state.market.id,
            name=state.market.name,
            held=Money.of(state.held),
            apy=number(apy_after(state, state.held, policy.horizon_seconds, policy).value),
        )
        for state in snapshot.states.values()
        if state.held
    )


def failure(job: Job, error: YieldbotError) -> JobFailure:
    """The part for a job that ended with an error."""
    code = error.code if isinstance(error, SafetyError) else None
    part = JobError(kind=type(error).__name__, code=code, message=str(error))
    return JobFailure(**JobHead.fields_of(job), error=part, exit_code=error.exit_code)
