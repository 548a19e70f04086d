"""Findings of a run that has just ended: failures, refusals that the journal does not record, too little gas. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from yieldbot.app.run_documents import JobFailure, JobReport
from yieldbot.errors import RunInProgress, TransientError, YieldbotError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.fees import ENTER_TXS
from yieldbot.model.notices import Finding, Severity, Topic
from yieldbot.model.plan import LegKind, Plan

if TYPE_CHECKING:
    from yieldbot.app.cycle import Report
    from yieldbot.app.run import RunAnswer
    from yieldbot.app.run_documents import RunDocument
    from yieldbot.app.serve_jobs import JobEnd as Ended
    from yieldbot.model.settings import Job

DAY = 86_400
EXPECTED = ("QUEUED", "DRY_RUN", "HUMAN_REJECTED", "WAITS_FOR_OWNERS")
"""Codes of ``Declined`` that are not reported: they are no refusal, or a person's own decision."""
PASSING = ("TransientError", "NodeRefused", "HttpRefused", "RunTimedOut", "PendingError", "WorkerFailed")
"""Classes of errors that may pass by themselves."""
ENOUGH = 3
"""Number of complete exits for which an account should have gas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnd:
    """The end of one run of a recurring job."""

    name: str
    """Its name, as ``main: USDC on base``."""
    failure: str | None = None
    """Why it failed; None: it did not."""
    lasting: bool = False
    """Whether the failure will not pass by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GasNeed:
    """The cost of one job's next moves, in whole native tokens at the fees of its block."""

    job: Job
    """The job."""
    has: float
    """The account's balance of the native token."""
    exits: float
    """Cost of one exit from each market that it holds."""
    plan: float
    """Cost of the plan that is not carried out yet; 0: there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What a command reports that is not in the journal."""

    ends: tuple[JobEnd, ...] = ()
    """How its jobs ended."""
    findings: tuple[Finding, ...] = ()
    """Other findings."""


def of_run(document: RunDocument, reports: Iterable[Report], now: int) -> News:
    """The news of a run. reports: each job's cycle."""
    ends, found = [], []
    for row in document.jobs:
        name = f"{row.wallet}: {'+'.join(row.assets)} on {row.chain}"
        if isinstance(row, JobFailure):
            lasting = row.error.kind not in PASSING
            ends.append(JobEnd(name=name, failure=row.error.message, lasting=lasting))
            continue
        ends.append(JobEnd(name=name, failure=row.skipped))
        assert isinstance(row, JobReport)
        if row.declined is not None and row.declined.code not in EXPECTED:
            found.append(
                Finding(
                    key=f"declined:{name}:{row.declined.code}",
                    topic=Topic.REFUSED,
                    severity=Severity.WARNING,
                    text=f"{name}: refused ({row.declined.code}): {row.declined.reason}",
                    at=now,
                    again_seconds=DAY,
                )
            )
    needs = [need for one in reports if (need := gas_need(one)) is not None]
    return News(ends=tuple(ends), findings=(*found, *low_gas(needs, now)))


def of_answer(command: str, answer: RunAnswer, now: int) -> News:
    """The news of a command's answer."""
    found = of_run(answer.document, answer.reports, now)
    return News(ends=(*found.ends, JobEnd(name=command)), findings=found.findings)


def of_reading(failing: str | None, unread: Iterable[str], chains: Iterable[str]) -> News:
    """The news of a server's reading. failing: why it failed as a whole, or None; unread: what could not be read, each
    with its name before a colon; chains: names of the chains that were to be read."""
    ends = [JobEnd(name="reading", failure=failing)]
    if failing is None:
        lines = tuple(unread)
        for chain in dict.fromkeys(chains):
            missing = next((line for line in lines if line.startswith(f"{chain}: ")), None)
            ends.append(JobEnd(name=f"reading of {chain}", failure=missing and missing.removeprefix(f"{chain}: ")))
    return News(ends=tuple(ends))


def of_jobs(ended: Mapping[str, Ended], counted: dict[str, float]) -> News:
    """The news of a server's jobs other than its reading. counted: by job the time of its last end that was reported
    already, in unix seconds; updated here."""
    found = list[JobEnd]()
    for name, end in ended.items():
        if name != "observe" and counted.get(name) != end.ended_at and end.outcome != "busy":
            counted[name] = end.ended_at
            found.append(JobEnd(name=name, failure=end.failure))
    return News(ends=tuple(found))


def of_failure(command: str, failure: YieldbotError) -> News | None:
    """The news of a command that ended with an error; None where it says only that another run is in progress."""
    if isinstance(failure, RunInProgress):
        return None
    lasting = not isinstance(failure, TransientError) and type(failure).__name__ not in PASSING
    return News(ends=(JobEnd(name=command, failure=str(failure), lasting=lasting),))


def gas_need(report: Report) -> GasNeed | None:
    """What the next moves of a job need; None where its chain was not read, or has no price of its native token."""
    snapshot = report.after or report.snapshot
    if snapshot is None or snapshot.fees.native_price <= 0:
        return None
    fees, price = snapshot.fees, snapshot.fees.native_price
    exits = sum(fees.cost(state.gas_withdraw) for state in snapshot.markets if state.held)
    planned = report.decision.outcome if report.decision is not None and not report.outcomes else None
    cost = 0.0
    if isinstance(planned, Plan):
        if report.rehearsal is not None:
            cost = fees.cost(report.rehearsal.gas_used, txs=ENTER_TXS * len(planned.legs))
        else:  # it was refused before its rehearsal, for instance for lack of gas
            known = [
                (leg.kind, snapshot.states[leg.market_id]) for leg in planned.legs if leg.market_id in snapshot.states
            ]
            cost = sum(
                fees.cost(state.gas_deposit, state.rent_deposit, ENTER_TXS)
                if kind is LegKind.DEPOSIT
                else fees.cost(state.gas_withdraw)
                for kind, state in known
            )
    has = snapshot.native_balance_raw / 10**report.job.chain.family.native_decimals
    return GasNeed(job=report.job, has=has, exits=exits / price, plan=cost / price)


def low_gas(needs: Iterable[GasNeed], now: int) -> tuple[Finding, ...]:
    """Findings about accounts whose native tokens would not pay for ENOUGH exits from all markets that they hold, or
    for the next plan. Jobs of one account pay from the same balance."""
    accounts: dict[tuple[str, str], list[GasNeed]] = {}
    for one in needs:
        accounts.setdefault((one.job.chain.chain, one.job.wallet.address), []).append(one)
    found = []
    for (chain, address), group in accounts.items():
        job, has = group[-1].job, group[-1].has
        exits, plan = sum(one.exits for one in group), sum(one.plan for one in group)
        if has >= max(ENOUGH * exits, plan):
            continue
        symbol = job.chain.native_symbol
        text = f"{job.wallet.name} on {job.chain.name} has {has:z.6f} {symbol}"
        if exits:
            text += f": enough gas to leave everything {has / exits:z.1f} times at present fees"
        if has < plan:
            text += f"; what is planned next needs {plan:z.6f} {symbol}"
        critical = bool(exits) and has < exits
        found.append(
            Finding(
                key=f"gas:{chain}:{address}:{'critical' if critical else 'low'}",
                topic=Topic.GAS,
                severity=Severity.CRITICAL if critical else Severity.WARNING,
                text=f"{text}; send it more",
                at=now,
                again_seconds=DAY,
            )
        )
    return tuple(found)
