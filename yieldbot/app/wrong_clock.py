"""What follows from a clock of this machine that was, or is, wrong: journal entries from its future, and plans that
would wait for longer than any plan may."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from yieldbot.app.formatting import when
from yieldbot.app.wiring import JOURNAL
from yieldbot.chains.findings import Finding
from yieldbot.chains.open import chain_of
from yieldbot.errors import YieldbotError
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus
from yieldbot.journal.store import Journal
from yieldbot.model.durations import duration
from yieldbot.model.plan_life import CLOCK_SECONDS, waits_too_long

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.model.ids import Address, ChainId

ROWS = 100
"""How many of the journal's last entries are looked at."""
SET = "set it by NTP (`timedatectl`)"


def newest_entry(journal: Journal) -> int | None:
    """The latest time of the journal's last entries, in unix seconds; None: it has none."""
    head, _ = journal.head()
    return max((row[1] for row in journal.rows_after(max(0, head - ROWS), ROWS)), default=None)


def ahead(newest: int | None, now: float, chain_seconds: int | None) -> str | None:
    """One line if the journal's newest entry is later than this machine's clock, and which of both is wrong by the
    chain's clock; None: it is not. chain_seconds: the time of a chain's newest block; None: none was read. Pure."""
    if newest is None or newest - now <= CLOCK_SECONDS:
        return None
    line = f"the journal's newest entry ({when(newest)}) is {duration(newest - now)} ahead of this machine's clock"
    if chain_seconds is None:
        return f"{line}: one of both was wrong; {SET}"
    block = f"the chain's newest block is from {when(chain_seconds)}"
    if abs(chain_seconds - now) <= abs(chain_seconds - newest):
        return f"{line}: {block}, so the clock was ahead when the entry was written; limits by day count it until then"
    return f"{line}: {block}, so the clock is behind now; {SET}"


async def check_clock(context: Context) -> list[Finding]:
    """A warning if the journal is ahead of this machine's clock."""
    file, now = context.settings.data_dir / JOURNAL, time.time()
    if not file.exists():
        return []
    try:
        with Journal.read(file) as journal:
            newest = newest_entry(journal)
    except YieldbotError:  # reported with the journal
        return []
    if ahead(newest, now, None) is None:
        return []
    at: int | None = None
    for chain in context.settings.chains.values():
        if chain.rpc_urls:
            try:
                at = (await chain_of(chain).newest()).timestamp
                break
            except YieldbotError:  # reported with the chain
                continue
    return [Finding("clock", ahead(newest, now, at) or "", warns=True)]


def end_too_long(journal: Journal, now: int, ttl_seconds: int, account: tuple[ChainId, Address] | None = None) -> None:
    """Mark waiting plans as expired that would wait for longer than a plan may from now on. The caller holds the run
    lock. now: unix seconds; ttl_seconds: how long a plan is valid; account: None: every account."""
    marks = [
        PlanMarked(one.plan.id, PlanStatus.EXPIRED, "clock", why)
        for one in journal.plans(PlanStatus.QUEUED)
        if account in (None, (one.plan.block.chain, one.plan.owner))
        and (why := waits_too_long(one.plan, now, ttl_seconds))
    ]
    if marks:
        journal.append(*marks)
