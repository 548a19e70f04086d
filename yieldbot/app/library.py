"""The library's functions (docs/library.md). They sign, send and write nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app.alarms import with_alarms
from yieldbot.app.looks import standing, with_backing
from yieldbot.chains.open import watch
from yieldbot.decision.decide import Decision
from yieldbot.decision.decide import decide as _decide
from yieldbot.model.policy import Policy

if TYPE_CHECKING:
    from yieldbot.journal.fold import Record
    from yieldbot.model.amounts import Amount
    from yieldbot.model.ids import MarketId
    from yieldbot.model.market import Snapshot
    from yieldbot.model.policy import Policy
    from yieldbot.model.settings import Job
    from yieldbot.risk.triggers import Found


NOWHERE = Path(os.devnull)
"""In place of a data directory: nothing is there."""


def _ignored(line: str) -> None:
    """What could not be read stops new money, which the decision says."""


async def observe(job: Job, policy: Policy | None = None, records: Sequence[Record] = ()) -> Snapshot:
    """Read every market of a job's assets, our positions and the fees, at one block. Markets that cannot be read are
    in ``Snapshot.quarantined``.

    ``policy``: ``Settings.policy``; None: the default policy. ``records``: ``Journal.records()``, which has what is
    known of the markets' exits. Raises ConfigError if the nodes serve another chain, TransientError if they cannot be
    reached.
    """

    async with watch(job) as live:
        await live.verify_chain()
        return await live.with_exits(await live.observe(records), records, policy or Policy())


def decide(
    snapshot: Snapshot,
    policy: Policy,
    job: Job,
    *,
    now: int | None = None,
    wealth: Amount | None = None,
    records: Sequence[Record] = (),
    data_dir: Path | None = None,
) -> Decision:
    """What a run would do with the job's money, by the same function that a run calls: the assessments, the allocation
    with its certificate, and a Plan or a Hold.

    snapshot: of this job (``observe``). now: unix seconds; None: this machine's clock. wealth: assumed wealth in the
    job's first asset; None: what the snapshot holds. records: ``Journal.records()``, for the limits over time and the
    alarms that stand. data_dir: ``Settings.data_dir``, for alarms that need its memory or its looks; None: alarms are
    those that the snapshot and the records show. Grades, and the losses expected by them, play no part. Raises
    ValueError for a snapshot without the idle market. Methods and formulas: docs/allocator.md, docs/risk.md.
    """
    where = data_dir or NOWHERE
    signs: Mapping[MarketId, Sequence[Found]] = {}
    if data_dir is not None:
        seen = standing(snapshot, data_dir, _ignored, policy.alarms)
        snapshot, signs = with_backing(snapshot, seen.backing), seen.signs
    snapshot, _ = with_alarms(snapshot, where, policy, _ignored, records, signs)
    return _decide(snapshot, policy, job, int(time.time()) if now is None else now, wealth, records=records)
