"""What the accounting needs of the journal's records, so that it can be kept as of one row and completed later. Pure.

``gathered`` makes it from all records; ``completed`` from what was kept as of a row (``to_keep``) and the records
since, which gives the same figures, or None where a later record says something new about what was kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from itertools import pairwise

from yieldbot.books.entries import Account, Entry, EntryKind, Opened, Place, by_place, placed
from yieldbot.books.recorded_prices import Recorded, joined, recorded_prices
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import (
    Observed,
    PlanMarked,
    PlanStatus,
    PlanWritten,
    TxNoted,
    TxSent,
    TxSettled,
    TxSigned,
)
from yieldbot.journal.observations import NO_PRICES, RecordedHolding
from yieldbot.model.dataclass import dataclass
from yieldbot.model.tx import Confirmed

Kept = TxSigned | TxSent | TxNoted | TxSettled | PlanWritten | PlanMarked
"""Records of which entries are made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBooks:
    """The accounting's part of a journal."""

    placed: tuple[tuple[Place, Entry], ...] = ()
    """Accounting entries with their places, in order."""
    opened: Opened = frozenset()
    """What has an opening, or is known to have begun with nothing."""
    signed: Mapping[Account, Mapping[str, int]] = field(default_factory=dict)
    """Number of the row of every transaction that each account signed, by its hash."""
    plans: frozenset[str] = frozenset()
    """Ids of the plans that were written."""
    looks: tuple[Record, ...] = ()
    """What runs observed, in order."""
    prices: Recorded = field(default_factory=dict)
    """Every price in the journal."""
    rest: tuple[Record, ...] = ()
    """Records about plans and transactions: of what was kept, only about those that were open or handed over."""
    thinned: Mapping[Account, int] = field(default_factory=dict)
    """Unix seconds up to which ``looks`` lacks those of an account that say the same as the two beside them."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The accounting entries, by time and height."""
        return tuple(entry for _, entry in self.placed)

    def lacks_looks_of(self, account: Account, entries: Iterable[Entry], now: int | None) -> bool:
        """Whether observations were left out of a time of which the account has an entry that the journal lacks, or
        that the chain has not reached yet. now: the time of the chain's block; None: not known."""
        signed, until = self.signed.get(account, {}), self.thinned.get(account, -1)
        if now is not None and now <= until:
            return True
        return any(entry.at <= until and entry.hash not in signed for entry in entries if entry.hash)

    def hashes(self, account: Account) -> frozenset[str]:
        """Every transaction that an account signed, in lower case."""
        return frozenset(name.lower() for name in self.signed.get(account, ()))


def gathered(records: Iterable[Record]) -> KeptBooks:
    """All of it. Raises ValueError for records that contradict each other."""
    return _with(KeptBooks(), tuple(records))


def completed(kept: KeptBooks, since: int, records: Sequence[Record]) -> KeptBooks | None:
    """What was kept as of row number ``since``, with the records that were open then and those after it, in order;
    None: one of them changes what was kept. Raises ValueError for records that contradict each other."""
    known = kept.plans | {one.plan for _, one in kept.placed if one.plan}
    ours = {name for own in kept.signed.values() for name in own}
    newest: dict[Account, int] = {}
    for (_, number, _), one in kept.placed:
        if one.kind is not EntryKind.REVERTED:
            newest[one.account] = max(number, newest.get(one.account, 0))
    numbers: dict[str, int] = {}
    for row in records:
        match row.entry:
            case PlanWritten(plan=plan) if plan.id in known:
                return None
            case PlanMarked(plan_id=plan_id) if plan_id in kept.plans:
                return None
            case TxSigned(hash=tx_hash, plan_id=plan_id):
                if tx_hash in ours or plan_id in kept.plans:
                    return None
                numbers.setdefault(tx_hash, row.seq)
            case TxSent(hash=tx_hash) | TxNoted(hash=tx_hash) if tx_hash in ours:
                return None
            case TxSettled(outcome=outcome) as entry:
                account = (entry.chain, entry.owner)
                if outcome.hash in ours:
                    return None
                if not isinstance(outcome, Confirmed):
                    continue
                if numbers.get(outcome.hash, 0) < newest.get(account, 0):
                    return None  # what it opens was opened by a later one
                if row.seq > since and outcome.block.timestamp <= kept.thinned.get(account, -1):
                    return None
            case Observed() as entry if entry.block.timestamp <= kept.thinned.get((entry.chain, entry.owner), -1):
                return None
            case _:
                pass
    return _with(kept, records)


def to_keep(records: Sequence[Record], open_rows: Iterable[int]) -> tuple[KeptBooks, tuple[int, ...]]:
    """(what can be kept of all records, numbers of the rows that must be read again with it). open_rows: rows that may
    yet be dropped, or are about plans and transactions that have not ended."""
    again, of_tx, newest = set(open_rows), dict[str, tuple[str, int]](), dict[Account, int]()
    rows, waiting = dict[str, list[int]](), set[str]()
    confirmed: list[tuple[Account, str, int]] = []
    ended: set[str] = set()
    for row in records:
        match row.entry:
            case PlanWritten(plan=plan):
                rows.setdefault(plan.id, []).append(row.seq)
            case PlanMarked(plan_id=plan_id, status=status):
                rows.setdefault(plan_id, []).append(row.seq)
                if status is PlanStatus.HANDED_OVER:
                    waiting.add(plan_id)
            case TxSigned(hash=tx_hash, plan_id=plan_id):
                rows.setdefault(plan_id, []).append(row.seq)
                of_tx.setdefault(tx_hash, (plan_id, row.seq))
            case TxSent(hash=tx_hash) | TxNoted(hash=tx_hash) if tx_hash in of_tx:
                rows[of_tx[tx_hash][0]].append(row.seq)
            case TxSettled(outcome=outcome) as entry if outcome.hash in of_tx:
                plan_id, seq = of_tx[outcome.hash]
                rows[plan_id].append(row.seq)
                ended.add(outcome.hash)
                if isinstance(outcome, Confirmed):
                    confirmed.append(((entry.chain, entry.owner), plan_id, seq))
            case _:
                pass
    waiting |= {plan_id for tx_hash, (plan_id, _) in of_tx.items() if tx_hash not in ended}
    waiting |= {plan_id for plan_id, numbers in rows.items() if not again.isdisjoint(numbers)}
    for account, plan_id, seq in confirmed:
        if plan_id in waiting:  # nothing that was signed later is kept, since its opening might be the earlier one's
            newest[account] = min(seq, newest.get(account, seq))
    waiting |= {plan_id for account, plan_id, seq in confirmed if seq >= newest.get(account, seq + 1)}
    for plan_id in waiting:
        again.update(rows.get(plan_id, ()))
    made = gathered(row for row in records if row.seq not in again)
    until = dict[Account, int]()
    for row in made.looks:
        assert isinstance(row.entry, Observed)
        account = (row.entry.chain, row.entry.owner)
        until[account] = max(_time(row), until.get(account, 0))
    kept = replace(made, looks=_thinned(made.looks, gathered(records).entries), rest=(), thinned=until)
    return kept, tuple(sorted(again))


def _with(kept: KeptBooks, records: Sequence[Record]) -> KeptBooks:
    about = tuple(row for row in records if isinstance(row.entry, Kept))
    looks = [row for row in records if isinstance(row.entry, Observed)]
    found, opened = placed(about, kept.opened)
    signed = {account: dict(own) for account, own in kept.signed.items()}
    for row in about:
        if isinstance(row.entry, TxSigned):
            signed.setdefault((row.entry.chain, row.entry.owner), {}).setdefault(row.entry.hash, row.seq)
    return replace(
        kept,
        placed=by_place((*kept.placed, *found)),
        opened=opened,
        signed=signed,
        plans=kept.plans.union(row.entry.plan.id for row in about if isinstance(row.entry, PlanWritten)),
        looks=tuple(sorted((*kept.looks, *looks), key=lambda row: row.seq)),
        prices=joined(kept.prices, recorded_prices(looks)),
        rest=about,
    )


def _thinned(looks: Sequence[Record], entries: Sequence[Entry]) -> tuple[Record, ...]:
    """The observations without those which say the same as the two beside them, interest excepted, where nothing of the
    account's moved meanwhile; only what the accounting needs of them."""
    moved: dict[Account, list[int]] = {}
    for entry in entries:
        moved.setdefault(entry.account, []).append(entry.at)
    groups: dict[tuple[Account, str], list[Record]] = {}
    for row in looks:
        assert isinstance(row.entry, Observed)
        groups.setdefault(((row.entry.chain, row.entry.owner), row.entry.asset or ""), []).append(row)
    left_out: set[int] = set()
    for (account, _), group in groups.items():
        steps = sorted([(_time(row), 1) for row in group] + [(at, 0) for at in moved.get(account, ())])
        if any(_time(one) >= _time(other) for one, other in pairwise(group)):
            continue
        alone = {
            one[0]
            for before, one, after in zip(steps, steps[1:], steps[2:], strict=False)
            if before[1] == one[1] == after[1] == 1
        }
        for before, row, after in zip(group, group[1:], group[2:], strict=False):
            if _time(row) in alone and _same(before, row) and _same(row, after):
                left_out.add(row.seq)
    return tuple(replace(row, entry=_slim(row.entry)) for row in looks if row.seq not in left_out)


def _time(row: Record) -> int:
    assert isinstance(row.entry, Observed)
    return row.entry.block.timestamp


def _same(one: Record, other: Record) -> bool:
    """Whether two observations are of the same holdings, with no forecast among them."""
    a, b = one.entry, other.entry
    assert isinstance(a, Observed) and isinstance(b, Observed)
    if a.predicted or b.predicted or a.holdings is None or b.holdings is None or list(a.holdings) != list(b.holdings):
        return False
    pairs = zip(a.holdings.values(), b.holdings.values(), strict=True)
    return all(x.held_raw > 0 < y.held_raw and x.forecast is None is y.forecast for x, y in pairs)


def _slim(entry: object) -> Observed:
    assert isinstance(entry, Observed)
    holdings = None
    if entry.holdings is not None:
        holdings = {
            market: RecordedHolding(
                held_raw=one.held_raw, apr=one.apr, horizon_seconds=0.0, name=one.name, forecast=one.forecast
            )
            for market, one in entry.holdings.items()
        }
    return replace(entry, holdings=holdings, idle_raw=None, prices=NO_PRICES, paper=None)
