"""``check``: markets into which nothing goes for what the journal knows of their way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.cli.findings import Finding
from yieldbot.cli.wiring import JOURNAL
from yieldbot.errors import YieldbotError

if TYPE_CHECKING:
    from yieldbot.cli.context import Context


def no_way_out(context: Context) -> list[Finding]:
    """A line for each. They are no fault (code 0): the money goes elsewhere."""
    from yieldbot.journal.fold import fold_exits
    from yieldbot.journal.store import Journal

    file = context.settings.data_dir / JOURNAL
    if not file.exists():
        return []
    try:
        with Journal.read(file) as journal:
            records = journal.history()
    except YieldbotError:  # told of with the journal
        return []
    accounts = dict.fromkeys((job.chain.chain, job.wallet.address) for job in context.settings.jobs)
    return [
        Finding(
            market_id, f"nothing goes in until it changes: {why}", "`yieldbot resume --clear` has it rehearsed again"
        )
        for account in accounts
        for market_id, known in fold_exits(records, *account).items()
        for why in list(known.refusals.values())[-1:]
    ]
