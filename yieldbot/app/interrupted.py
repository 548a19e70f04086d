"""Plans whose process was ended before it was done, as by a power cut: found at the next start, under the run lock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from yieldbot.app.wrong_clock import end_too_long
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus
from yieldbot.model.text import counted

if TYPE_CHECKING:
    from yieldbot.chains.ports import Session
    from yieldbot.execution.world import Wiring
    from yieldbot.journal.fold import StoredPlan, StoredTx
    from yieldbot.journal.store import Journal
    from yieldbot.model.ids import Address, ChainId
    from yieldbot.model.settings import Job
    from yieldbot.model.tx import Outcome

BY = "execution"


async def settle(world: Wiring, job: Job, live: Session) -> tuple[Outcome, ...]:
    """Settle the account's open transactions, then mark its interrupted plans, and those that would wait for
    longer than a plan may; returns the outcomes."""
    found = await live.settle()
    account, policy = (job.chain.chain, job.wallet.address), world.settings.policy
    mark_interrupted(world.journal, world.now(), account)
    end_too_long(world.journal, world.now(), policy.plan_ttl_seconds, account)
    return found


def mark_interrupted(journal: Journal, now: int, account: tuple[ChainId, Address] | None = None) -> None:
    """Mark the plans that an earlier process approved and did not finish, once they have no open transaction. The
    caller holds the run lock, so that nobody is carrying them out. now: unix seconds; account: None: every account."""
    if marks := tuple(_marks(journal, now, account)):
        journal.append(*marks)


def _marks(journal: Journal, now: int, account: tuple[ChainId, Address] | None) -> Iterator[PlanMarked]:
    for stored in journal.plans(PlanStatus.APPROVED):
        owner = stored.plan.block.chain, stored.plan.owner
        if account not in (None, owner):
            continue
        sent = [one for one in journal.transactions(*owner) if one.signed.plan_id == stored.plan.id]
        if not any(one.outcome is None for one in sent):
            yield _mark(stored, sent, bool(journal.approvals(stored.plan.id)), now)


def _mark(stored: StoredPlan, sent: list[StoredTx], by_signatures: bool, now: int) -> PlanMarked:
    """The mark for an interrupted plan. A plan that persons signed, and of which no transaction was signed yet, waits
    again: their signatures are still valid, and it is observed and rehearsed anew."""
    plan_id, legs = stored.plan.id, len(stored.plan.legs)
    if sent:
        last = max(one.signed.leg for one in sent) + 1
        settled = counted(len(sent), "transaction is", "transactions are")
        reason = f"the process was ended at leg {last} of {legs}: {settled} settled, the rest is left"
        return PlanMarked(plan_id, PlanStatus.INTERRUPTED, BY, reason)
    reason = "the process was ended before it signed a transaction"
    if not by_signatures:
        return PlanMarked(plan_id, PlanStatus.INTERRUPTED, BY, reason)
    if now >= stored.plan.expires_at:
        return PlanMarked(plan_id, PlanStatus.EXPIRED, BY, f"{reason}, and it has expired since")
    return PlanMarked(plan_id, PlanStatus.QUEUED, BY, f"{reason}: it waits again")
