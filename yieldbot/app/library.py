"""The bot as a library: what a notebook or another program asks for. Nothing is signed, sent or written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from yieldbot.chains.open import watch
from yieldbot.decision.decide import Decision
from yieldbot.decision.decide import decide as _decide

if TYPE_CHECKING:
    from yieldbot.journal.fold import Record
    from yieldbot.model.amounts import Amount
    from yieldbot.model.market import Snapshot
    from yieldbot.model.policy import Policy
    from yieldbot.model.settings import Job


async def observe(job: Job, policy: Policy | None = None, records: Sequence[Record] = ()) -> Snapshot:
    """Every market of a job's assets, our positions and the fees, at one block.

    records: the journal's (``Journal.history``), with what they know of the markets' ways out; policy: the
    configuration's (``Settings.policy``), by which those are judged, the default one without. Raises ConfigError where
    the nodes serve another chain, TransientError where they do not serve.
    """
    from yieldbot.model.policy import Policy

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
    """What a run would do with the job's money: the same function that a run calls.

    now: unix seconds, the clock's without; wealth: as if we had this much; records: the journal's, for the limits that
    time sets.
    """
    return _decide(snapshot, policy, job, int(time.time()) if now is None else now, wealth, records=records)
