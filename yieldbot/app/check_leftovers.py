"""``check``: signed bytes of ours that were given up and could still be mined, and what they allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.app.wiring import JOURNAL
from yieldbot.chains.evm.execution.nonces import cancels, leftovers
from yieldbot.chains.evm.node.connect import connect
from yieldbot.chains.findings import FAILED, Finding
from yieldbot.errors import YieldbotError
from yieldbot.journal.store import Journal

if TYPE_CHECKING:
    from yieldbot.app.context import Context


async def left_over(context: Context) -> list[Finding]:
    """A line for each, by account. They are no fault (code 0): the next runs see to them."""
    file = context.settings.data_dir / JOURNAL
    if not file.exists():
        return []
    found: list[Finding] = []
    try:
        with Journal.read(file) as journal:
            jobs = {(job.chain.chain, job.wallet.address): job for job in context.settings.jobs}
            every = {key: leftovers(journal.transactions(*key)) for key in jobs}
    except YieldbotError:  # told of with the journal
        return []
    for key, left in every.items():
        chain, what = jobs[key].chain, f"account {key[1]} on {jobs[key].chain.name}"
        if not left or not chain.rpc_urls:
            continue
        try:
            async with connect(chain) as node:
                nonce = await node.nonce(key[1])
        except YieldbotError as failure:
            found.append(Finding(what, f"what of it was given up cannot be looked at: {failure}", "", FAILED))
            continue
        for tx in left:
            if cancels(tx):
                continue
            signed = tx.signed
            bid = any(cancels(other) and other.signed.nonce == signed.nonce for other in left)
            lacking = signed.nonce - nonce
            when = f"once {lacking} more transactions are sent" if lacking > 0 else "now"
            said = f"{signed.hash} (nonce {signed.nonce}) was given up and can be mined {when}; it would {signed.words}"
            outbid = "a cancellation at higher fees was sent, and " if bid else ""
            found.append(Finding(what, said, f"{outbid}it is cancelled before anything else when its nonce has come"))
    return found
