"""A server's jobs: observe, watch, settle, claim and plan, each in a worker process without a key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from yieldbot.app import telemetry
from yieldbot.app.workers import WorkerFailed
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    from yieldbot.app.service import Service

JOB_SECONDS = 900.0
"""Seconds that a job may take."""
IN_PROGRESS = "RunInProgress"
"""``WorkerFailed.kind`` of the error that another run is in progress."""
WAITS_FOR_RUN = ("settle", "claim", "plan")
"""Jobs that need the run lock, so that one server runs them one at a time."""
PLAN_WAITS, REFUSED, OPEN, BUSY = 3, 4, 5, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnd:
    """How a job last ended."""

    ended_at: float
    """When it ended, in unix seconds."""
    seconds: float
    """How long it took, in seconds."""
    outcome: str
    """``done``, ``waits`` (a plan waits), ``refused``, ``open`` (a transaction is), ``busy`` (another run is in
    progress) or ``failed``."""
    failure: str | None = None
    """Why it failed; None: it did not."""
    succeeded_at: float | None = None
    """End of its last run without a failure, in unix seconds; None: there was none."""

    @property
    def exit_code(self) -> int:
        """The exit code for this outcome."""
        return {"done": 0, "waits": PLAN_WAITS, "refused": REFUSED, "open": OPEN, "busy": BUSY}.get(self.outcome, 1)


@dataclass(frozen=True, slots=True)
class Said:
    """The outcome of a job, read from its worker's answer."""

    outcome: str
    """See ``JobEnd``."""
    lines: tuple[str, ...] = ()
    """Lines for the log."""


class ServerJobs:
    """Runs the jobs, and keeps how each last ended. Used only by the server's event loop."""

    def __init__(self, service: Service, now: Callable[[], float] = time.time) -> None:
        """now: unix seconds."""
        self._service, self._now = service, now
        self.ends: dict[str, JobEnd] = {}
        """The last end of each job, by name."""
        self.ended: list[Callable[[str, JobEnd], None]] = []
        """Called at the end of each job with (its name, how it ended)."""
        self.began: list[Callable[[str], None]] = []
        """Functions that are called with the job's name when a job begins."""
        self._turn = asyncio.Lock()
        self._begun = dict[str, asyncio.Task[JobEnd]]()

    def work(self, name: str) -> Callable[[], Awaitable[None]]:
        """A function that runs the job of this name, for a schedule."""

        async def once() -> None:
            await self.run(name)

        return once

    def soon(self, name: str) -> None:
        """Begin a job now, unless it was begun in this way and has not ended."""
        if name not in self._begun:
            self._begun[name] = asyncio.create_task(self.run(name))
            self._begun[name].add_done_callback(lambda _: self._begun.pop(name, None))

    async def run(self, name: str) -> JobEnd:
        """Run a job once. Never raises: a failure is printed and kept in ``ends``."""
        telemetry.begin()
        with telemetry.span(f"job {name}"):
            if name in WAITS_FOR_RUN:
                async with self._turn:
                    return await self._run(name)
            return await self._run(name)

    async def _run(self, name: str) -> JobEnd:
        complain, began, failure = self._service.context.complain, time.monotonic(), None
        for one in self.began:
            one(name)
        try:
            said = await self._said(name)
        except WorkerFailed as failed:
            busy = failed.kind == IN_PROGRESS
            said = Said("busy" if busy else "failed", (f"{'skipped' if busy else 'failed'}: {failed}",))
        if said.outcome == "failed":
            failure = "; ".join(said.lines) or "it failed"
        for line in said.lines:
            complain(f"{name}: {line}")
        at, before = self._now(), self.ends.get(name)
        last = at if said.outcome not in ("failed", "busy") else before.succeeded_at if before else None
        end = JobEnd(
            ended_at=at,
            seconds=time.monotonic() - began,
            outcome=said.outcome,
            failure=failure,
            succeeded_at=last,
        )
        self.ends[name] = end
        for after in self.ended:
            after(name, end)
        return end

    async def _said(self, name: str) -> Said:
        service = self._service
        if name == "observe":
            await service.observe()
            return Said("done") if service.failing is None else Said("failed", (f"failed: {service.failing}",))
        if name == "settle" and service.signer is not None:
            return Said("done")  # the signer settles what it has sent, and its outcomes are copied
        asked = {} if service.signer is None else {"signer": True}
        if name == "plan":
            return _of_run(await service.workers.run("queue", asked, JOB_SECONDS, own=True))
        found = await service.workers.run(name, asked, JOB_SECONDS, own=True)
        return {"watch": _of_watch, "settle": _of_settle, "claim": _of_run}[name](found)


def _of_run(document: Mapping[str, Any]) -> Said:
    """The outcome in a RunDocument."""
    outcomes = {0: "done", PLAN_WAITS: "waits", REFUSED: "refused", OPEN: "open"}
    lines = list[str]()
    for job in document["jobs"]:
        if (error := job.get("error")) is not None:
            lines.append(f"{job['wallet']} on {job['chain']}: {error['message']}")
        elif job.get("skipped"):
            lines.append(f"{job['wallet']} on {job['chain']}: {job['skipped']}")
        elif (declined := job.get("declined")) is not None:
            lines.append(f"{job['wallet']} on {job['chain']}: {declined['reason']}")
    return Said(outcomes.get(document["exit_code"], "failed"), tuple(lines))


def _of_watch(document: Mapping[str, Any]) -> Said:
    """The outcome in a WatchDocument, with the number of markets in which something changed."""
    skipped = [f"{job['chain']}: {job['skipped']}" for job in document["jobs"] if job["skipped"] is not None]
    news = sum(len(job["messages"]) for job in document["jobs"])
    lines = (*skipped, *((f"{news} markets with news: `yieldbot watch` and notices say which",) if news else ()))
    return Said("failed" if skipped else "done", lines)


def _of_settle(answer: Mapping[str, Any]) -> Said:
    done = (f"{answer['settled']} transactions are settled",) if answer["settled"] else ()
    outcome = "failed" if answer["failures"] else "open" if answer["waits"] else "done"
    return Said(outcome, (*answer["failures"], *answer["waits"], *done))
