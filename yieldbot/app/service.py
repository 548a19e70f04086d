"""The server's state and operations: the newest documents, the journal, and use cases that callers start.

Everything that reads a chain runs in a worker process (``workers.py``); here only memory and the journal are read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.access.answers import Answers
from yieldbot.access.database import url_of
from yieldbot.access.ring import KeyRing
from yieldbot.app import collections, plan_signatures
from yieldbot.app.admission import AUDIT_SECONDS, Admission, Caller, Scope
from yieldbot.app.audit_pace import AuditPace
from yieldbot.app.collections import NOTHING, Collection, visible
from yieldbot.app.events import Events
from yieldbot.app.halt import HaltRequest, ResumeRequest, halt, resume
from yieldbot.app.journal_rows import JournalRows
from yieldbot.app.reject import RejectRequest, reject
from yieldbot.app.remembered import ShowRequest, show
from yieldbot.app.requested_runs import RequestedRuns, RunRow
from yieldbot.app.serve_jobs import JOB_SECONDS, ServerJobs
from yieldbot.app.signer_link import SignerLink
from yieldbot.app.started_work import StartedWork
from yieldbot.app.wiring import JOURNAL
from yieldbot.app.workers import WorkerFailed, Workers
from yieldbot.errors import YieldbotError
from yieldbot.execution.halt import halted
from yieldbot.execution.register import REGISTER
from yieldbot.journal.access_entries import AccessNoted
from yieldbot.journal.store import Journal
from yieldbot.model.dataclass import dataclass
from yieldbot.model.text import as_fields

if TYPE_CHECKING:
    from yieldbot.app.approver_documents import SignedPlanDocument, ToSignDocument
    from yieldbot.app.asking import Assistant
    from yieldbot.app.context import Context
    from yieldbot.app.halt_documents import HaltDocument, ResumeDocument
    from yieldbot.app.run_documents import RejectDocument

MOST_REMEMBERED = 64
"""Most stored histories that are kept at a time."""
STALE_ROUNDS = 3
"""After this many intervals without a new reading the server reports that it is not ready."""


@dataclass(slots=True)
class Service(StartedWork):
    """The state of one server. Used only by its event loop."""

    context: Context
    """The configuration."""
    every_seconds: float
    """Seconds between two readings of the chains."""
    socket: Path | None = None
    """The signer's socket; None: plans are carried out by `yieldbot approve`."""
    assistant: Assistant | None = field(init=False, default=None)
    """Answers questions in words; None: the extra is not installed."""
    signer: SignerLink | None = field(init=False, default=None)
    """Hands plans over to the signer; None: there is none."""
    workers: Workers = field(init=False)
    """The worker processes that run use cases."""
    jobs: ServerJobs = field(init=False)
    """The server's own periodic jobs."""
    requested: RequestedRuns = field(init=False)
    """Runs that callers requested."""
    events: Events = field(init=False)
    """The events for callers with an open stream."""
    admission: Admission = field(init=False)
    """Authentication and rate limits of callers."""
    answers: Answers = field(init=False)
    """Answers kept for requests that may be repeated with an Idempotency-Key."""
    _pace: AuditPace = field(init=False, default_factory=lambda: AuditPace(AUDIT_SECONDS))
    """When audit entries are written."""
    _unwritten: str = field(init=False, default="")
    """Why the last attempt to write the audit failed; empty: it succeeded."""
    failing: str | None = field(init=False, default=None)
    """Why the last reading failed; None if it did not."""
    read_at: int = field(init=False, default=0)
    """When chains were last read, in unix seconds; 0: never."""
    attempts: int = field(init=False, default=0)
    """How often reading was attempted."""
    began_at: int = field(init=False)
    """When the server began, in unix seconds."""
    _now: Callable[[], float] = field(init=False, default=time.time)
    """Unix seconds."""
    _newest: dict[str, Collection] = field(init=False, default_factory=dict)
    """The newest rows, by name."""
    idle: dict[tuple[str, str, str], float] = field(init=False, default_factory=dict)
    """Whole tokens in the wallet by (wallet, chain, asset), at the last reading."""
    trends: dict[tuple[str, str], Sequence[float | None]] = field(init=False, default_factory=dict)
    """What each market paid lately, by (chain's identifier, market's identifier)."""
    memory_until: int = field(init=False, default=0)
    """Time of the newest reading in memory, by the chains' own clocks; 0: there is none."""
    _forecast: dict[str, Any] | None = field(init=False, default=None)
    """The newest forecasts; None where too little history is stored."""
    _rows: JournalRows = field(init=False)
    """The journal's rows, grown by what is appended."""
    _journal: dict[str, Collection] = field(init=False, default_factory=dict)
    """Rows of the journal by name, read when its file had the stamp ``_journal_is``."""
    _journal_is: tuple[int, ...] | None = field(init=False, default=None)
    """A stamp that changes with the journal's file."""
    _accounts: Collection = field(init=False, default=NOTHING)
    """Our accounts, with the time since which their rows are unchanged."""
    _reading: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)
    """Lock held while the journal is read."""
    _remembered: dict[tuple[Any, ...], Collection] = field(init=False, default_factory=dict)
    """Stored histories that were asked for since the last reading."""
    _first: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)
    """Held while chains are read for the first time."""

    def __post_init__(self) -> None:
        self.workers = Workers(self.context.config.absolute(), self.context.relay)
        self.jobs = ServerJobs(self, lambda: self._now())
        self.events = Events(self)
        url = url_of(self.context.settings.data_dir)
        self.admission, self.answers = Admission(KeyRing(url, server=True)), Answers(url)
        self.answers.drop_unanswered()
        if self.socket is not None:
            self.signer = SignerLink(self.context, self.socket)
        self._rows = JournalRows(self.context.settings.data_dir)
        self.requested = RequestedRuns(lambda: self._now(), self.shown)
        self.began_at = int(self._now())

    @property
    def journal_file(self) -> Path:
        """The journal's file."""
        return self.context.settings.data_dir / JOURNAL

    async def observe(self) -> None:
        """Read every chain anew. If that fails, ``failing`` says why, and the last reading is still served."""
        try:
            found = await self.workers.run("newest", {}, JOB_SECONDS, own=True)
        except WorkerFailed as failure:
            self.attempts += 1
            self.failing = str(failure)
            return
        self.attempts += 1
        jobs = found["markets"]["jobs"]
        if jobs and all(job.get("skipped") for job in jobs):  # nothing was read, and nothing is not none
            self.failing = "; ".join(collections.unread_of(found["markets"]))
            return
        at = int(self._now())
        self.failing, self.read_at = None, at
        self._forecast = found.get("forecast")
        self.trends = {(row["chain_id"], row["id"]): row["rates"] for row in found["trends"]["markets"]}
        self.memory_until = found["trends"]["until"]
        self.idle = collections.idle_of(found["positions"])
        self._newest |= collections.of_reading(found, at)

    def newest(self, name: str) -> Collection:
        """The newest rows of one kind (``collections.of_reading``)."""
        return self._newest.get(name, NOTHING)

    @property
    def forecasts(self) -> Mapping[str, Any] | None:
        """The newest forecasts of all markets (``ForecastDocument``); None where too little history is stored."""
        return self._forecast

    def forecast_of(self, market_id: str) -> dict[str, Any] | None:
        """The newest forecast of a market; None where too little of its history is stored."""
        rows = (self._forecast or {}).get("markets", ())
        return next((dict(row) for row in rows if row["market"] == market_id), None)

    def forecast_skill(self) -> dict[tuple[str, ...], float]:
        """Skill of the newest forecasts, by (forecaster, class of markets, horizon in days): 1 less their mean absolute
        error divided by that of the quote."""
        rows = (self._forecast or {}).get("standings", ())
        return {(row["forecaster"], row["market_class"], str(row["horizon_days"])): row["skill"] for row in rows}

    async def journalled(self, name: str) -> Collection:
        """Rows of the journal (``JournalRows.read``), the newest first; what was appended is read where its file
        changed. Raises InvariantError for a damaged one."""
        async with self._reading:
            known = self._stamp()
            if known is None:
                return NOTHING
            if known != self._journal_is:
                self._journal = await asyncio.to_thread(self._read_journal, f"{known}")
                self._journal_is = known
        return self._journal[name]

    def gaps(self) -> dict[tuple[str, ...], float]:
        """The certified gap of each account's newest plan, in bp of its wealth a year, by (wallet, chain)."""
        places = {
            (job.wallet.address, job.chain.chain): (job.wallet.name, job.chain.name)
            for job in self.context.settings.jobs
        }
        found: dict[tuple[str, ...], float] = {}
        for row in self._journal.get("plans", NOTHING).rows:
            place = places.get((row["owner"], row["chain"]))
            if place is not None and place not in found and row["gap_bps"] is not None:
                found[place] = row["gap_bps"]
        return found

    def journal_states(self) -> dict[str, dict[tuple[str, ...], float]]:
        """Plans by status and transactions by result (``open``: none yet), as the journal was read last."""
        found: dict[str, dict[tuple[str, ...], float]] = {"plans": {}, "transactions": {}}
        for name, field_name in (("plans", "status"), ("transactions", "result")):
            for row in self._journal.get(name, NOTHING).rows:
                key = (row[field_name] or "open",)
                found[name][key] = found[name].get(key, 0.0) + 1.0
        return found

    def shown(self, text: str, commands: Mapping[str, str] | None = None) -> str:
        """A message as callers of a networked interface see it: fields in place of flags, and no folder of this
        machine. commands: what the interface has in place of commands (``model.text.as_fields``)."""
        folders = ((self.context.settings.data_dir, "data_dir"), (self.context.config.parent, "."))
        for folder, name in folders:
            text = text.replace(f"{folder.absolute()}/", f"{name}/")
        return as_fields(text, commands=commands)

    def accounts(self) -> Collection:
        """Our accounts, one row for each chain."""
        stopped = self._stopped()
        rows: dict[str, dict[str, Any]] = {}
        for job in self.context.settings.jobs:
            key = f"{job.chain.chain}~{job.wallet.address}"
            before = rows.get(key, {"assets": ()})
            rows[key] = {
                "key": key,
                "wallet": job.wallet.name,
                "owner": job.wallet.address,
                "chain": job.chain.name,
                "chain_id": job.chain.chain,
                "assets": tuple(dict.fromkeys((*before["assets"], *(token.symbol for token in job.assets)))),
                "stopped": stopped.get((job.chain.chain, job.wallet.address)),
            }
        found = tuple(rows.values())
        if found != self._accounts.rows or not self._accounts.as_of:
            at = int(self._now())
            self._accounts = Collection(found, f"accounts-{at}-{hash(str(found))}", at)
        return self._accounts

    def ready(self) -> str | None:
        """Why the server's answers should not be relied on now; None if it is ready."""
        if not self.read_at:
            return self.failing or "chains are being read for the first time"
        if self._now() - self.read_at > STALE_ROUNDS * self.every_seconds:
            return (
                f"the last reading is {int(self._now() - self.read_at)} s old: {self.failing or 'reading takes long'}"
            )
        return None

    def halted(self) -> str | None:
        """Why nothing is signed; None: no halt is in force. A halt of the signer is lifted only at its own terminal."""
        own = halted(self.context.settings.data_dir)
        if own is None and self.signer is not None and self.signer.halted is not None:
            return f"the signer: {self.signer.halted}"
        return own

    def halt(self, reason: str) -> HaltDocument:
        """Halt every run."""
        return halt(HaltRequest(reason=reason), self.context)

    async def halt_signer(self, reason: str) -> None:
        """Halt the signer too. If it does not answer, a line of progress says so and the request is repeated."""
        if self.signer is not None:
            await self.signer.halt(reason)

    def resume(self) -> ResumeDocument:
        """Lift the halt. Stopped accounts stay stopped: a person at the machine clears them."""
        return resume(ResumeRequest(), self.context)

    async def write_due_audit(self) -> None:
        """``write_audit``, at once while lines are few and gathered while they are many."""
        if self.admission.noted and self._pace.due(time.monotonic()):
            await self.write_audit()

    async def write_audit(self) -> None:
        """Write the audit entries that are not yet written; those that cannot be are logged, and kept."""
        if not (lines := self.admission.taken()):
            return
        try:
            await asyncio.to_thread(self._keep, lines)
        except YieldbotError as failure:
            for one in lines:
                self.admission.note(one.by, one.where, one.what, one.outcome, one.times)
            if str(failure) != self._unwritten:
                self.context.complain(f"the audit cannot be written: {failure}")
            self._unwritten = str(failure)
        else:
            if self._unwritten:
                self.context.say("the audit is written again")
            self._unwritten = ""

    async def to_sign(self, plan_id: str) -> ToSignDocument:
        """What a person signs to approve a waiting plan, and the persons who have signed it. Raises ConfigError,
        SafetyError."""
        return await asyncio.to_thread(plan_signatures.to_sign, plan_id, self.context)

    async def sign(self, plan_id: str, name: str, signature: str) -> SignedPlanDocument:
        """Add a person's signature; the signer, or ``yieldbot approve --signed``, carries the plan out once enough have
        signed. Raises ConfigError, SafetyError."""
        plan_signatures.approvable(self.halted())
        request = plan_signatures.SignRequest(plan_id=plan_id, name=name, signature=signature)
        found = await asyncio.to_thread(plan_signatures.sign, request, self.context)
        if found.enough and self.signer is not None:
            self.signer.soon()
        return found

    async def reject(self, request: RejectRequest) -> RejectDocument:
        """Reject a plan that waits, at the signer too. Raises ConfigError, SafetyError, SignerAway, and YieldbotError
        while a run is in progress."""
        if self.signer is not None:
            await self.signer.reject(request.plan_id, request.reason)
        return await asyncio.to_thread(reject, request, self.context)

    async def runs(self, caller: Caller) -> Collection:
        """Runs that a caller may see, the newest first, those in progress too."""
        ended = (await self.journalled("runs")).rows if self._stamp() is not None else ()
        rows = self.requested.seen_by(caller, (row["run"] for row in ended))
        version = f"runs-{self._journal_is}-{self.requested.changes}"
        return Collection(tuple(rows), version, self._journal["runs"].as_of if self._journal else self.began_at)

    def start_run(self, caller: Caller, jobs: Mapping[str, Any]) -> RunRow:
        """Begin a run whose plans wait for a person, for a caller that does not wait for its end."""
        asked = {"jobs": jobs, "by": f"key {caller.name}"}
        return self.requested.start(caller, lambda run_id: self.queue(asked | {"run": run_id}))

    def moment(self) -> tuple[Any, ...]:
        """A stamp that changes with each reading and whatever is written to the journal."""
        return self.read_at, self._stamp()

    async def remembered(self, market_id: str, chain_id: str, days: int, every: str = "1d") -> dict[str, Any]:
        """Stored history of a market over the last ``days`` days, a row for each step. Raises ConfigError where there
        is none."""
        first = datetime.fromtimestamp(self._now() - days * 86_400, UTC).strftime("%Y-%m-%d")
        request = ShowRequest(market=market_id, chain=chain_id, start=first, every=every)
        found = (await asyncio.to_thread(show, request, self.context)).as_json()
        faults = [{name: self.shown(text) for name, text in one.items()} for one in found["faults"]]
        return found | {"history": "memory", "faults": faults}

    async def remembered_rows(self, market_id: str, chain_id: str, days: int, step_seconds: int) -> Collection:
        """Stored history of a market over the last ``days`` days, as rows of a table; cached until the chains are read
        again. Raises ConfigError if there is none."""
        asked = (chain_id, market_id, days, step_seconds)
        if (known := self._remembered.get(asked)) is None or known.as_of != self.read_at:
            at = self.read_at
            found = await self.remembered(market_id, chain_id, days, f"{step_seconds}s")
            unread = tuple(f"{one['where']}: {one['what']}" for one in found["faults"])
            known = Collection(tuple(found["rows"]), f"remembered-{asked}-{at}", at, unread)
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[asked] = known
        return known

    async def first_reading(self) -> None:
        """Read the chains unless they have been read; simultaneous callers wait for the same reading."""
        async with self._first:
            if not self.read_at:
                await self.jobs.run("observe")

    async def close(self) -> None:
        """End every worker; write the audit entries and counts of quotas that are not yet written."""
        self.events.close()
        await self.workers.close()
        await self.write_audit()
        try:
            self.admission.close()
        except YieldbotError as failure:
            self.context.complain(str(failure))

    def _stamp(self) -> tuple[int, ...] | None:
        """A stamp that changes with the journal's file, with SQLite's log (WAL), which grows before it, and with the
        register of approvers, by which signatures count; None: there is no journal."""
        found = list[int]()
        for name in (JOURNAL, f"{JOURNAL}-wal", REGISTER):
            try:
                file = self.journal_file.with_name(name).stat()
                found += (file.st_mtime_ns, file.st_size, file.st_ino)
            except OSError:
                found += (0, 0, 0)
        return tuple(found) if found[0] else None

    def _read_journal(self, version: str) -> dict[str, Collection]:
        made = self._rows.collections(version, int(self._now()))
        return {name: collections.newer(self._journal.get(name), one) for name, one in made.items()}

    def _stopped(self) -> Mapping[Any, str]:
        from yieldbot.app.halt import stopped_accounts

        return stopped_accounts(self.context)

    def _keep(self, lines: Sequence[AccessNoted]) -> None:
        with Journal.open(self.journal_file, appended=True) as journal:
            journal.append(*lines)


__all__ = ["NOTHING", "Collection", "Scope", "Service", "visible"]
