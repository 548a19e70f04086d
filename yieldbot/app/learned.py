"""Compares forecast and realised rates for every position ever held, from the journal and memory.

Forecasts are read from the journal only, whose hash chain was verified when it was opened. Realised rates are computed
from the transactions and holdings that it recorded, and from the growth of the market's index in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from yieldbot.app.formatting import number
from yieldbot.app.learned_documents import EverHeld, ForecastThen
from yieldbot.books.entries import Account, Entry
from yieldbot.books.stays import Noted, Stay, looks_of, stays
from yieldbot.history.paid import Paid, paid
from yieldbot.history.predictions import Prediction, predictions
from yieldbot.history.store import Store
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import Observed
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Snapshot

DAY = 86_400
Held = Mapping[Account, Mapping[MarketId, Noted]]
"""Holdings as the chain shows them now, by account."""
NOTHING: Held = {}


def held_now(observed: Iterable[tuple[Account, Snapshot]]) -> Held:
    """Our holding in each market of the snapshots, by account, including markets in which we hold nothing."""
    found: dict[Account, dict[MarketId, Noted]] = {}
    for account, snapshot in observed:
        for state in snapshot.markets:
            market = state.market
            noted = Noted(snapshot.block.timestamp, state.held.raw, market.name, market.asset.address)
            found.setdefault(account, {})[market.id] = noted
    return found


def accounts_of(records: Sequence[Record]) -> tuple[Account, ...]:
    """Every account (chain and owner) whose holdings the journal records, in the order of their first records."""
    noted = [row.entry for row in records if isinstance(row.entry, Observed)]
    return tuple(dict.fromkeys((one.chain, one.owner) for one in noted))


def ever_held(
    records: Sequence[Record],
    entries: Mapping[Account, Sequence[Entry]],
    memory: Path,
    now: Held = NOTHING,
) -> tuple[EverHeld, ...]:
    """Every position of these accounts, by account, market and time. entries: each account's transactions, in order.
    memory: its folder; without one, nothing is known of what markets paid."""
    said: dict[tuple[Account, MarketId], list[Prediction]] = {}
    looks = looks_of(records)
    for one in predictions(records):
        said.setdefault(((one.chain, one.owner), one.market_id), []).append(one)
    found: list[EverHeld] = []
    for account, own in entries.items():
        found += [
            _row(stay, said.get((account, stay.market_id), ()), memory)
            for stay in stays(looks.get(account, ()), own, account, now.get(account))
        ]
    return tuple(found)


def _row(stay: Stay, said: Sequence[Prediction], memory: Path) -> EverHeld:
    entry = _at_entry(stay, said)
    during = [one for one in said if stay.since <= one.block.timestamp <= stay.seen]
    if entry is not None and entry not in during:
        during.insert(0, entry)
    came = _paid(stay, during, memory)
    over = [
        (one, rate)
        for one in during
        if (rate := came.over(one.block.timestamp, one.block.timestamp + one.days * DAY)) is not None
    ]
    known = {one.block.timestamp: rate for one, rate in over}
    predicted = entry.expected if entry is not None and entry.plan else stay.expected
    return EverHeld(
        chain_id=stay.account[0],
        owner=stay.account[1],
        id=stay.market_id,
        name=stay.name,
        since=stay.since,
        until=stay.until,
        predicted=number(predicted),
        realised=number(stay.realised),
        earned_raw=None if stay.earned is None else str(stay.earned),
        forecast=None if entry is None else _then(entry, known.get(entry.block.timestamp)),
        forecasts=len(during),
        forecasts_over=len(over),
        forecasts_off=sum(rate - one.mean for one, rate in over) / len(over) if over else None,
        forecasts_inside=sum(one.low <= rate <= one.high for one, rate in over) / len(over) if over else None,
    )


def _at_entry(stay: Stay, said: Sequence[Prediction]) -> Prediction | None:
    """The forecast when a stay began: the one of the plan that deposited the money, else the first one recorded while
    it was held."""
    by_plan = [one for one in said if one.plan and one.plan in stay.plans and one.block.timestamp <= stay.since]
    if by_plan:
        return by_plan[-1]
    return next((one for one in said if stay.since <= one.block.timestamp <= stay.seen), None)


def _paid(stay: Stay, said: Sequence[Prediction], memory: Path) -> Paid:
    if not said or not memory.is_dir():
        return Paid.nothing()
    times = [one.block.timestamp for one in said]
    end = max(at + one.days * DAY for at, one in zip(times, said, strict=True))
    return paid(Store(memory), stay.account[0], stay.market_id, min(times), int(end))


def _then(one: Prediction, came: float | None) -> ForecastThen:
    return ForecastThen(
        at=one.block.timestamp,
        height=one.block.height,
        by=one.by,
        days=one.days,
        quoted=one.quoted,
        mean=one.mean,
        low=one.low,
        high=one.high,
        paid=came,
        inside=None if came is None else one.low <= came <= one.high,
    )
