"""The sign of danger of a request that nobody serves: a deposit or an exit waits for a protocol's operator. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from yieldbot.journal.fold import Record, fold_leaving
from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Snapshot
from yieldbot.model.risk import Act, Evidence
from yieldbot.risk.triggers import Found

DAY = 86_400


def unserved(snapshot: Snapshot, records: Sequence[Record], limits: AlarmLimits) -> dict[MarketId, Found]:
    """A sign for each market in which a request of ours, without a known end, has waited for ``unserved_days``: counted
    from the cycle that first saw it, and again from each step (a cancellation, a part that was served in full)."""
    found: dict[MarketId, Found] = {}
    for market_id, asked in fold_leaving(records, snapshot.block.chain, snapshot.owner).items():
        state = snapshot.states.get(market_id)
        gone = state.leaving if state is not None else None
        if gone is None or not gone.requested or gone.until is not None or not asked.asked:
            continue
        days = (snapshot.block.timestamp - asked.time) / DAY
        if days >= limits.unserved_days:
            what = "to be deposited" if gone.entering else "to be paid out"
            saw = f"{gone.requested} have waited {days:z.0f} days {what}: nobody has served the request"
            proof = Evidence(what="days since the request", value=f"{days:z.1f}", source="journal")
            found[market_id] = Found(code="UNSERVED", act=Act.STOP, saw=saw, evidence=(proof,))
    return found
