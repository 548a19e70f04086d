"""``history backfill``: reads past blocks through an archive node, with the same adapters as a run, into memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app.days import moment
from yieldbot.app.memory import folder_of, keep
from yieldbot.app.memory_documents import HistoryBackfillDocument
from yieldbot.app.remembered import duration
from yieldbot.app.wiring import JobFilter, jobs_of
from yieldbot.chains.open import chain_of
from yieldbot.errors import ConfigError, HttpRefused, NodeRefused, TransientError
from yieldbot.history.store import Appended, Store
from yieldbot.model.dataclass import dataclass
from yieldbot.model.text import counted
from yieldbot.model.time_left import about, time_left

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.chains.ports import ArchiveWatch
    from yieldbot.model.settings import Job

SOURCE = "backfill"
PART_OF_STEP = 20
MOST_SLACK_SECONDS = 300
"""Most seconds by which a block may lie before the requested time; at most a twentieth of the step."""
MOST_TIMES = 1_000_000

Progress = Callable[[int, int, str], None]
"""Called after each time: (times done, times in all, what comes next as text)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillRequest:
    """Which past readings to fetch."""

    start: str
    """The first time, as 2026-01-01."""
    every: str
    """Time from one reading to the next, as 6h."""
    end: str | None = None
    """The last time; None: now."""
    jobs: JobFilter = field(default_factory=JobFilter)
    """The jobs whose markets are read; all of one chain."""
    folder: Path | None = None
    """Memory's folder; None: the configuration's."""
    requests_per_second: float = 10.0
    """Most requests a second, on average."""
    again: bool = False
    """Also read times of which there is a reading already: for markets that the configuration did not have then."""


@dataclass(slots=True)
class _Done:
    """The progress of a backfill so far."""

    kept: Appended = field(default_factory=Appended)
    """What memory accepted, and what it did not."""
    read: int = 0
    """Number of times that were read."""
    absent: int = 0
    """Number of times at which no market of the job existed."""
    failure: str = ""
    """Why it ended early; empty if it did not."""


def backfill(request: BackfillRequest, context: Context, progress: Progress) -> tuple[HistoryBackfillDocument, int]:
    """Reads past blocks, the oldest first, and stores the readings; the exit code is 1 if it ended early. What was read
    is kept, and the next call continues from there. Raises ConfigError for a request that no adapter can answer."""
    start, end, step = moment(request.start), moment(request.end, end=True), duration(request.every)
    assert start is not None and step is not None
    end = int(time.time()) if end is None else end
    if start > end:
        raise ConfigError(f"--from {request.start} lies after --to, or in the future")
    if (end - start) // step >= MOST_TIMES:
        raise ConfigError(
            f"that makes {(end - start) // step + 1:,} times: {MOST_TIMES:,} at most, by a longer --every"
        )
    if request.requests_per_second <= 0:
        raise ConfigError("--rate must be more than 0 requests a second")
    job = _one(jobs_of(request.jobs, context))
    folder = folder_of(context, request.folder)
    times = list(range(start, end + 1, step))
    known = set[int]() if request.again else _known(folder, job, start, end, step)
    left = [at for at in times if at not in known]
    done = _Done()
    requests = asyncio.run(_read(request, job, folder, left, step, done, context, progress)) if left else 0
    document = HistoryBackfillDocument(
        history=str(folder),
        chain=job.chain.name,
        every_seconds=step,
        times=len(times),
        known=len(known),
        read=done.read,
        absent=done.absent,
        kept=done.kept.rows,
        requests=requests,
        failure=done.failure or None,
    )
    return document, int(bool(done.failure))


def _one(jobs: tuple[Job, ...]) -> Job:
    """One job that has all assets of the chain's jobs. Raises ConfigError for jobs of several chains."""
    chains = {job.chain.name for job in jobs}
    if len(chains) > 1:
        raise ConfigError(f"one chain at a time: name it by --chain ({', '.join(sorted(chains))})")
    first = jobs[0]
    tokens = dict.fromkeys(token for job in jobs for token in job.assets)
    if set(tokens) == set(first.assets):
        return first
    widest = max(jobs, key=lambda job: len(job.assets))
    if set(widest.assets) != set(tokens):
        raise ConfigError("the jobs of this chain have different assets: name one by --asset, then the other")
    return widest


def _known(folder: Path, job: Job, start: int, end: int, step: int) -> set[int]:
    """Times for which an earlier backfill has already read the block just before."""
    found = set[int]()
    for content, _ in Store(folder).tables(job.chain.chain, start - step + 1, end, ("time", "source")):
        for at, source in zip(content["time"].to_pylist(), content["source"].to_pylist(), strict=True):
            if source == SOURCE:
                found.add(start + -(-(at - start) // step) * step)
    return found


async def _read(
    request: BackfillRequest,
    job: Job,
    folder: Path,
    left: list[int],
    step: int,
    done: _Done,
    context: Context,
    progress: Progress,
) -> int:
    """Read the times in ``left``; returns the number of requests made."""
    slack = min(MOST_SLACK_SECONDS, step // PART_OF_STEP)
    async with chain_of(job.chain).archive(job) as archive:
        await archive.verify_chain()
        newest = (await archive.newest()).timestamp
        left = [at for at in left if at <= newest]
        began, before = time.monotonic(), archive.round_trips
        progress(0, len(left), f"{counted(len(left), 'time')}, some six requests each")
        for count, at in enumerate(left, start=1):
            done.failure = await _at(archive, at, slack, folder, done, context)
            if done.failure:
                break
            spent = archive.round_trips - before
            due = spent / request.requests_per_second - (time.monotonic() - began)
            if due > 0:
                await asyncio.sleep(due)
            to_come = spent / count * (len(left) - count)
            seconds = time_left(count, len(left), time.monotonic() - began)
            soon = "" if seconds is None else f", {about(seconds)} left"
            words = f"some {to_come:z,.0f} requests to come{soon}" if to_come else "done"
            progress(count, len(left), words)
        return archive.round_trips - before


async def _at(archive: ArchiveWatch, at: int, slack: int, folder: Path, done: _Done, context: Context) -> str:
    """Read one time. Returns why nothing at all can be read any more; empty: no such reason."""
    try:
        block = await archive.block_before(at, slack)
        if block is None:
            done.absent += 1
            return ""
        snapshot = await archive.observe(block)
    except (NodeRefused, HttpRefused) as refused:
        return f"{refused}: an archive node is needed to read the past"
    except (TransientError, ConfigError) as failure:  # a feed or a token that was not there yet; or nobody answers
        try:
            await archive.newest()
        except TransientError:
            return str(failure)
        context.detail(f"{at}: {failure}")
        done.absent += 1
        return ""
    kept = keep(folder, [replace(snapshot, quarantined=())], context.complain, SOURCE)
    done.kept += kept
    done.read += 1
    return kept.failure
