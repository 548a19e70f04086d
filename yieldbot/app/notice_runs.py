"""Which findings a run gives that has just ended: failures, refusals that the journal lacks, too little gas. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from yieldbot.app.run_documents import JobFailure, JobReport
from yieldbot.errors import TransientError, YieldbotError
from yieldbot.model.notices import Finding, Severity, Topic

if TYPE_CHECKING:
    from yieldbot.app.run import RunAnswer
    from yieldbot.app.run_documents import RunDocument
    from yieldbot.model.market import Snapshot
    from yieldbot.model.settings import Job

DAY = 86_400
EXPECTED = ("QUEUED", "DRY_RUN", "HUMAN_REJECTED", "WAITS_FOR_OWNERS")
"""Codes that are no refusal, or that a person gave."""
PASSING = ("TransientError", "NodeRefused", "HttpRefused", "RunTimedOut", "PendingError", "WorkerFailed")
"""Kinds of errors that may pass by themselves."""
ENOUGH = 3
"""Exits from everything that is held, for which an account should have gas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnd:
    """How something that is done again and again ended."""

    name: str
    """What it is, as ``main: USDC on base``."""
    failure: str | None = None
    """Why it failed; None: it did not."""
    lasting: bool = False
    """Whether the failure will not pass by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What a command brings that the journal does not have."""

    ends: tuple[JobEnd, ...] = ()
    """How its jobs ended."""
    findings: tuple[Finding, ...] = ()
    """Findings."""


def of_run(document: RunDocument, reports: Iterable[tuple[Job, Snapshot | None]], now: int) -> News:
    """The news of a run. reports: each job with the newest snapshot of its markets."""
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
    gas = (low_gas(job, snapshot, now) for job, snapshot in reports if snapshot is not None)
    return News(ends=tuple(ends), findings=(*found, *(one for one in gas if one is not None)))


def of_answer(command: str, answer: RunAnswer, now: int) -> News:
    """The news of a command's answer."""
    found = of_run(answer.document, ((one.job, one.after or one.snapshot) for one in answer.reports), now)
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


def of_failure(command: str, failure: YieldbotError) -> News | None:
    """The news of a command that ended with an error; None where it says only that another run is in progress."""
    if type(failure) is YieldbotError:
        return None
    lasting = not isinstance(failure, TransientError) and type(failure).__name__ not in PASSING
    return News(ends=(JobEnd(name=command, failure=str(failure), lasting=lasting),))


def low_gas(job: Job, snapshot: Snapshot, now: int) -> Finding | None:
    """That an account's native tokens would not pay ENOUGH exits from all that it holds, at fees of that block; None:
    they would, or nothing is held."""
    need = sum(snapshot.fees.cost(state.gas_withdraw) for state in snapshot.markets if state.held)
    have = snapshot.native_balance_raw / 10**job.chain.family.native_decimals * snapshot.fees.native_price
    if have >= ENOUGH * need or not need:
        return None
    amount = snapshot.native_balance_raw / 10**job.chain.family.native_decimals
    times = have / need
    return Finding(
        key=f"gas:{job.chain.chain}:{job.wallet.address}",
        topic=Topic.GAS,
        severity=Severity.CRITICAL if times < 1 else Severity.WARNING,
        text=f"{job.wallet.name} on {job.chain.name} has {amount:.6f} {job.chain.native_symbol}: enough gas to leave "
        f"everything {times:.1f} times at present fees; send it more",
        at=now,
        again_seconds=DAY,
    )
