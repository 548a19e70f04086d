"""A cycle's Report as a JSON document, and the exit code that it ends with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from yieldbot.app import documents as docs
from yieldbot.app.documents import Doc
from yieldbot.errors import SafetyError, YieldbotError
from yieldbot.model.amounts import Amount
from yieldbot.model.policy import Job
from yieldbot.model.tx import Delta

if TYPE_CHECKING:
    from yieldbot.app.cycle import Report
    from yieldbot.execution.rehearsed import Rehearsed
    from yieldbot.execution.results import Proposed

DONE, FAILED, WAITING, REFUSED, OPEN = 0, 1, 3, 4, 5

LAMPORTS = "1" * 32
"""The address that stands for SOL as fees are paid in it (execution/svm/account.py)."""

_WORST_FIRST = (FAILED, 2, OPEN, REFUSED, WAITING, DONE)
_A_PERSON_SAID_NO = ("DRY_RUN", "HUMAN_REJECTED")


def exit_code(report: Report) -> int:
    """What one job's report means for a script that called us."""
    if report.skipped is not None or report.failed or any(one.held for one in report.unread):
        return FAILED
    if report.proposed is not None:
        return WAITING  # for the Safe's other owners
    if report.declined is None or report.declined.code in _A_PERSON_SAID_NO:
        return DONE
    return WAITING if report.declined.code in ("QUEUED", "WAITS_FOR_OWNERS") else REFUSED


def worst(codes: Sequence[int]) -> int:
    """One exit code for several jobs: a failure before an open transaction, a refusal, a waiting plan."""
    return next((code for code in _WORST_FIRST if code in codes), max(codes, default=DONE))


def rehearsal(found: Rehearsed) -> Doc:
    """Each leg of a plan as it went on the fork."""
    return {
        "block": docs.block(found.block),
        "gas_used": found.gas_used,
        **found.fee_terms,
        "legs": [
            {
                "index": leg.index,
                "gas_used": leg.gas_used,
                "transactions": [
                    {"words": tx.words, "to": tx.to, "gas_used": tx.gas_used, "gas_limit": tx.gas_limit}
                    for tx in leg.txs
                ],
                "deltas": [docs.delta(change) for change in leg.deltas],
            }
            for leg in found.legs
        ],
        "deltas": [docs.delta(change) for change in found.deltas],
    }


def report(found: Report, horizon_seconds: float) -> Doc:
    """One job's cycle. Stages that were not reached are null or empty."""
    decision, snapshot = found.decision, found.snapshot
    return {
        **docs.job_head(found.job, snapshot, found.skipped),
        "rpc_left_out": [{"host": host, "reason": why} for host, why in found.left_out],
        "settled": [docs.outcome(outcome) for outcome in found.settled],
        "quarantined": docs.unread(found.unread),
        "plan": docs.plan(decision.outcome) if decision else None,
        "rehearsal": rehearsal(found.rehearsal) if found.rehearsal else None,
        "declined": docs.declined(found.declined),
        "stuck": _stuck(found),
        "transactions": [{"leg": docs.leg(leg), **docs.outcome(outcome)} for leg, outcome in found.outcomes],
        "proposed": _proposed(found.proposed) if found.proposed else None,
        "holdings": holdings(found, horizon_seconds),
        "exit_code": exit_code(found),
    }


def _stuck(found: Report) -> list[Doc]:
    """What is held and could not be taken out in this cycle."""
    states = found.snapshot.markets if found.snapshot else ()
    return [{"market_id": s.market.id, "held": docs.money(s.held), "reason": s.stuck} for s in states if s.stuck]


def _proposed(found: Proposed) -> Doc:
    """A Safe transaction that waits for the other owners."""
    return {
        "hash": found.hash,
        "threshold": found.threshold,
        "owners": list(found.owners),
        "safe_transaction": found.document,
    }


def holdings(found: Report, horizon_seconds: float) -> list[Doc]:
    """What is held after the cycle, the wallet included, at what yield."""
    snapshot = found.after or found.snapshot
    if snapshot is None:
        return []
    return [
        {
            "id": state.market.id,
            "name": state.market.name,
            "held": docs.money(state.held),
            "apy": docs.number(docs.apy_after(state, state.held, horizon_seconds).value),
        }
        for state in snapshot.states.values()
        if state.held
    ]


def failure(job: Job, error: YieldbotError) -> Doc:
    """A job that ended with an error."""
    code = error.code if isinstance(error, SafetyError) else None
    said = {"kind": type(error).__name__, "code": code, "message": str(error)}
    return {**docs.job_head(job), "error": said, "exit_code": error.exit_code}


def signed(change: Delta) -> str:
    """A balance change for people: +1,000 USDC. Six decimals at most, or four digits of what is smaller than one."""
    value = Amount(change.token, change.raw).decimal
    text = f"{value:+,.6f}" if abs(value) >= 1 else f"{float(value):+.4g}" if abs(value) < 1e-4 else f"{value:+.6f}"
    if "." in text and "e" not in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text} {change.token.symbol}"


def moved(changes: Sequence[Delta]) -> list[str]:
    """The changes that are not zero, for people.

    Where SOL is the asset there are two of that symbol: what the leg moves, and the wallet's own lamports, of which the
    former is a part.
    """
    told = [change for change in changes if change.raw]
    symbols = [change.token.symbol for change in told]
    return [
        f"(in the wallet, fees and rent included: {signed(change)})"
        if change.token.address == LAMPORTS and change.token.symbol in symbols[:place]
        else signed(change)
        for place, change in enumerate(told)
    ]
