"""``check``: signed transactions of ours that were given up but could still be included, and what they allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.app.wiring import JOURNAL
from yieldbot.chains.findings import Finding
from yieldbot.chains.open import chain_of
from yieldbot.errors import YieldbotError
from yieldbot.journal.store import Journal

if TYPE_CHECKING:
    from yieldbot.app.context import Context


async def left_over(context: Context) -> list[Finding]:
    """A finding for each, by account. They are not faults (code 0): the next runs cancel them."""
    file = context.settings.data_dir / JOURNAL
    if not file.exists():
        return []
    try:
        with Journal.read(file) as journal:
            jobs = {(job.chain.chain, job.wallet.address): job for job in context.settings.jobs}
            every = {key: journal.transactions(*key) for key in jobs}
    except YieldbotError:  # reported with the journal
        return []
    found: list[Finding] = []
    for key, transactions in every.items():
        if transactions and jobs[key].chain.rpc_urls:
            found += await chain_of(jobs[key].chain).check_given_up(key[1], transactions)
    return found
