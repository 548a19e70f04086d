"""``observe``: read every market and remember it. Nothing is decided."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app import memory, overview
from yieldbot.app.alerts import measure
from yieldbot.app.memory_documents import ObservedJob, ObserveDocument
from yieldbot.app.wiring import JobFilter
from yieldbot.history.observed import NO_MARKETS
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.model.market import Snapshot
    from yieldbot.model.settings import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveRequest:
    """The jobs whose markets are read, and where the readings are stored."""

    jobs: JobFilter = field(default_factory=JobFilter)
    """The jobs whose markets they are."""
    folder: Path | None = None
    """Memory's folder; None: the configuration's."""


def observe(request: ObserveRequest, context: Context) -> tuple[ObserveDocument, int]:
    """Reads every chain and stores the readings; the exit code is 1 if a chain was not served or something was not
    stored. Raises ConfigError if no job matches."""
    observed = overview.fetch_snapshots(request.jobs, context)
    folder = memory.folder_of(context, request.folder)
    kept = memory.keep(folder, overview.snapshots_of(observed), context.complain)
    measure(observed, context)
    rows = tuple(_row(job, seen) for job, seen in observed)
    document = ObserveDocument(
        history=str(folder), kept=kept.rows, known=kept.known, failure=kept.failure or None, jobs=rows
    )
    return document, overview.exit_code(observed) or int(bool(kept.failure))


def _row(job: Job, seen: Snapshot | str) -> ObservedJob:
    skipped = seen if isinstance(seen, str) else None
    states = () if isinstance(seen, str) else tuple(seen.states.values())
    return ObservedJob(
        wallet=job.wallet.name,
        chain=job.chain.name,
        assets=tuple(token.symbol for token in job.assets),
        block=None if isinstance(seen, str) else seen.block.height,
        markets=sum(state.market.kind not in NO_MARKETS for state in states),
        unread=0 if isinstance(seen, str) else len(seen.quarantined),
        skipped=skipped,
    )
