"""``check``: which markets' exits the journal has proofs of, and which markets get no money."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.app.wiring import JOURNAL
from yieldbot.chains.findings import Finding
from yieldbot.errors import YieldbotError
from yieldbot.journal.fold import fold_exits
from yieldbot.journal.store import Journal
from yieldbot.model.text import counted

if TYPE_CHECKING:
    from yieldbot.app.context import Context


def no_way_out(context: Context) -> list[Finding]:
    """Findings about markets whose exit failed a rehearsal. They are no faults (code 0), since the money is put into
    other markets."""
    file = context.settings.data_dir / JOURNAL
    if not file.exists():
        return []
    try:
        with Journal.read(file) as journal:
            records = journal.records()
    except YieldbotError:  # reported with the journal
        return []
    accounts = dict.fromkeys((job.chain.chain, job.wallet.address) for job in context.settings.jobs)
    exits = [one for account in accounts for one in fold_exits(records, *account).items()]
    proofs = [proof for _, known in exits for proof in known.proofs]
    found = []
    if proofs:
        tried = {proof.market_id for proof in proofs if proof.on_chain}
        worked = {proof.market_id for proof in proofs}
        found.append(
            Finding(
                "exits", f"worked from {counted(len(worked), 'market')}, from {len(tried)} of these with real money"
            )
        )
    for market_id, known in exits:
        for fingerprint, why in list(known.refusals.items())[-1:]:
            again = "exclude it, or wait until it changes: real money did not come out"
            remedy = again if fingerprint in known.lost else "`yieldbot resume --clear` has its exit rehearsed again"
            found.append(Finding(market_id, f"nothing goes in until it changes: {why}", remedy))
    return found
