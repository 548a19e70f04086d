"""The list of runs for callers over the network: those in the journal, and requested ones that are in progress."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import Field

from yieldbot.app import telemetry
from yieldbot.app.document import Part
from yieldbot.app.workers import WorkerFailed
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    from yieldbot.access.caller import Caller

MOST = 200
"""Most requested runs that are kept in memory."""
ENDED, RUNNING, FAILED = "ended", "running", "failed"


class RunJob(Part):
    """One job's cycle in a run."""

    wallet: str = Field(description="the wallet's name")
    owner: str = Field(description="the account's address")
    chain_id: str = Field(description="the chain's identifier")
    assets: tuple[str, ...] = Field(description="symbols of the job's assets")
    outcome: str = Field(
        description="`executed`, `held`, `queued`, `rehearsed`, `handed_over`, `rejected`, `refused`, `reverted`, "
        "`skipped` or `failed`"
    )
    code: str = Field(description="code of the safety rule that refused, or kind of the error; empty: neither")
    reason: str = Field(description="why it ended so; empty: the outcome says it all")
    plan_id: str | None = Field(description="the plan that it made or carried out; null: none")
    seconds: float = Field(description="duration in seconds")


class RunRow(Part):
    """A run: a cycle of one or more jobs."""

    id: str = Field(description="its id")
    by: str = Field(description="who asked for it: `terminal`, `schedule`, or `key NAME`")
    command: str = Field(description="the use case, as `run`, `dry-run`, `approve` or `exit`")
    state: str = Field(description="`running`, `ended`, or `failed` where it broke off before its jobs began")
    began_at: int = Field(description="when it began or was requested, in unix seconds")
    seconds: float | None = Field(description="from its beginning to its end; null: it has not ended")
    error: str | None = Field(description="why it broke off; null: it did not")
    jobs: tuple[RunJob, ...] = Field(description="how each job's cycle ended")


@dataclass(frozen=True, slots=True)
class Requested:
    """A run that a caller requested."""

    row: RunRow
    """The run's state so far."""
    accounts: frozenset[str] | None
    """The accounts that the caller may see; None: all."""


class RequestedRuns:
    """Runs that callers requested from this server. Used only by its event loop."""

    def __init__(self, now: Callable[[], float], shown: Callable[[str], str] = str) -> None:
        """now: returns unix seconds; shown: an error's text as callers may see it."""
        self._now, self._shown = now, shown
        self._known: OrderedDict[str, Requested] = OrderedDict()
        self._under_way: set[asyncio.Task[None]] = set()
        self.changes = 0
        """Number of changes so far, part of the list's version."""

    def start(self, caller: Caller, work: Callable[[str], Any]) -> RunRow:
        """Begin a run without waiting for its end. work: called with the run's id, returns the run's document; may
        raise WorkerFailed."""
        row = RunRow(
            id=telemetry.for_run(),
            by=f"key {caller.name}",
            command="run",
            state=RUNNING,
            began_at=int(self._now()),
            seconds=None,
            error=None,
            jobs=(),
        )
        self._known[row.id] = Requested(row, caller.accounts)
        while len(self._known) > MOST:
            self._known.popitem(last=False)
        self.changes += 1
        task = asyncio.create_task(self._followed(row, work))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return row

    def seen_by(self, caller: Caller, ended: Iterable[RunRow]) -> list[dict[str, Any]]:
        """Rows that a caller may see, the newest first. ended: the journal's runs; what the journal has of a run
        replaces what was known before."""
        written = {row.id: row for row in ended}
        rows = [row for row in (_limited(row, caller) for row in written.values()) if row is not None]
        for one in self._known.values():
            if one.row.id not in written and _covers(caller.accounts, one.accounts):
                rows.append(one.row)
        rows.sort(key=lambda row: (row.began_at, row.id), reverse=True)
        return [row.model_dump(mode="json") for row in rows]

    def all(self) -> tuple[Requested, ...]:
        """The last requested runs, the oldest first."""
        return tuple(self._known.values())

    async def _followed(self, row: RunRow, work: Callable[[str], Any]) -> None:
        state, error = ENDED, None
        try:
            await work(row.id)
        except WorkerFailed as failure:
            state, error = FAILED, self._shown(str(failure))
        finally:
            known = self._known.get(row.id)
            if known is not None:
                seconds = round(self._now() - row.began_at, 1)
                ended = row.model_copy(update={"state": state, "error": error, "seconds": seconds})
                self._known[row.id] = replace(known, row=ended)
            self.changes += 1


def run_of(name: str, rows: Sequence[Mapping[str, Any]]) -> RunRow:
    """The run with this id from its rows of the journal (``JournalEvent``)."""
    rows = sorted(rows, key=lambda row: int(row["seq"]))
    bodies = [row["body"] for row in rows]
    began = min(body["began"] for body in bodies)
    return RunRow(
        id=name,
        by=bodies[0]["by"],
        command=bodies[0]["command"],
        state=ENDED,
        began_at=began,
        seconds=max(body["began"] - began + float(body["seconds"]) for body in bodies),
        error=None,
        jobs=tuple(
            RunJob(
                wallet=body["wallet"],
                owner=row["owner"],
                chain_id=row["chain"],
                assets=tuple(body["assets"]),
                outcome=body["outcome"],
                code=body["code"],
                reason=body["reason"],
                plan_id=row["plan_id"],
                seconds=float(body["seconds"]),
            )
            for row, body in zip(rows, bodies, strict=True)
        ),
    )


def _limited(row: RunRow, caller: Caller) -> RunRow | None:
    """The run with the caller's own jobs alone; None where it has none."""
    if caller.accounts is None:
        return row
    own = tuple(job for job in row.jobs if caller.sees(job.owner))
    return row.model_copy(update={"jobs": own}) if own else None


def _covers(seen: frozenset[str] | None, of: frozenset[str] | None) -> bool:
    return seen is None or (of is not None and of <= seen)
