"""The library's functions (docs/library.md). They sign, send and write nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from yieldbot.chains.open import watch
from yieldbot.decision.decide import Decision
from yieldbot.decision.decide import decide as _decide
from yieldbot.model.policy import Policy

if TYPE_CHECKING:
    from yieldbot.journal.fold import Record
    from yieldbot.model.amounts import Amount
    from yieldbot.model.market import Snapshot
    from yieldbot.model.policy import Policy
    from yieldbot.model.settings import Job


async def observe(job: Job, policy: Policy | None = None, records: Sequence[Record] = ()) -> Snapshot:
    """Read every market of a job's assets, our positions and the fees, at one block. Markets that cannot be read are
    in ``Snapshot.quarantined``.

    ``policy``: ``Settings.policy``; None: the default policy. ``records``: ``Journal.history()``, which has what is
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
) -> Decision:
    """What a run would do with the job's money, by the same function that a run calls: the assessments, the allocation
    with its certificate, and a Plan or a Hold.

    snapshot: of this job (``observe``). now: unix seconds; None: this machine's clock. wealth: assumed wealth in the
    job's first asset; None: what the snapshot holds. records: ``Journal.history()``, for the limits over time. Raises
    ValueError for a snapshot without the idle market. Methods and formulas: docs/allocator.md, docs/risk.md.
    """
    return _decide(snapshot, policy, job, int(time.time()) if now is None else now, wealth, records=records)
