"""Every stay of our money in a market, including those that ended: when it was, what it earned and at what rate. Pure.

A stay lasts from the time at which money went in, or was first observed there, until nothing is left. Earned is what
came out plus what is there, less what went in; the rate is that divided by the money that was in, over the time that it
was in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field

from yieldbot.books.entries import Account, Entry, EntryKind, is_liquidity
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import Observed
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId
from yieldbot.model.units import SECONDS_PER_YEAR

IN = (EntryKind.DEPOSIT, EntryKind.OPENING)
LEAST_SECONDS = 3600
"""No rate is computed for a stay of less than an hour, in which rounding to a base unit would look like yield."""
ROUNDING = 10
"""Base units that a protocol's rounding may take off over several transactions."""
DUST = 1e-6
"""A stay counts as ended if at most this fraction of what was deposited is left, apart from rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """Money of ours in one market, from first to last. Amounts are base units of its asset."""

    account: Account
    """The account."""
    market_id: MarketId
    """The market."""
    name: str
    """The market's name in tables, as runs recorded it."""
    asset: str
    """The asset's address; empty in older entries."""
    since: int
    """Unix seconds at which it began."""
    until: int | None
    """Unix seconds at which it ended; None: it goes on."""
    seen: int
    """Unix seconds at which it ended, or was last observed."""
    put_in: int
    """Amount that went in."""
    earned: int | None
    """Amount earned; None if the money left by a transaction that is not ours, so that the payout is unknown."""
    realised: float | None
    """The rate that was earned, a simple annual fraction, entry and exit fees deducted; None if unknown, and in the
    first hour."""
    expected: float | None
    """The first expected rate that was recorded for it; None: none was."""
    plans: frozenset[str]
    """Ids of the plans that brought money."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A holding as observed by a run, or on the chain now."""

    at: int
    """Unix seconds of its block."""
    raw: int
    """Base units held; 0: nothing is there."""
    name: str = ""
    """The market's name."""
    asset: str = ""
    """The asset's address."""
    expected: float | None = None
    """The yearly rate that the run expected of the holding, as a fraction; None: not recorded."""


@dataclass(slots=True)
class _Open:
    """A stay that has not ended, while its entries are added."""

    since: int
    """Unix seconds at which it began."""
    at: int
    """Unix seconds up to which ``held_seconds`` is counted."""
    put_in: int = 0
    """Base units."""
    taken_out: int = 0
    """Base units taken out since it began."""
    held_seconds: int = 0
    """Sum of (base units in the market) x (seconds)."""
    there: int = 0
    """Base units in the market, by the last observation and the flows since."""
    last: Noted | None = None
    """The last observation."""
    expected: float | None = None
    """The first expected rate that was recorded."""
    plans: set[str] = field(default_factory=set)
    """Ids of the plans that brought money."""

    def until(self, at: int) -> None:
        """Count the time up to ``at`` with what is in the market."""
        self.held_seconds += max(0, self.put_in - self.taken_out) * max(0, at - self.at)
        self.at = max(self.at, at)


def looks_of(records: Iterable[Record]) -> dict[Account, list[Observed]]:
    """What runs observed of each account, in order."""
    found = dict[Account, list[Observed]]()
    for row in records:
        if isinstance(row.entry, Observed):
            found.setdefault((row.entry.chain, row.entry.owner), []).append(row.entry)
    return found


def stays(
    looks: Iterable[Observed],
    entries: Iterable[Entry],
    account: Account,
    now: Mapping[MarketId, Noted] | None = None,
) -> tuple[Stay, ...]:
    """Every stay of one account, by market and time, liquidity in pools left out. looks: what runs
    observed of it (``looks_of``). entries: in order. now: present holdings on the chain, used in addition to those."""
    notes = _notes(looks)
    for market_id, one in (now or {}).items():
        notes.setdefault(market_id, []).append(one)
    flows: dict[MarketId, list[Entry]] = {}
    for entry in entries:
        if entry.account == account and entry.market_id and entry.kind in (*IN, EntryKind.WITHDRAW):
            flows.setdefault(entry.market_id, []).append(entry)
    found: list[Stay] = []
    for market_id in dict.fromkeys((*flows, *notes)):
        if is_liquidity(market_id):
            continue
        own = notes.get(market_id, [])
        name = next((one.name for one in reversed(own) if one.name), market_id)
        asset = next((one.asset for one in own if one.asset), "")
        found += _of_market(account, market_id, (name, asset), flows.get(market_id, []), own)
    return tuple(found)


def _notes(looks: Iterable[Observed]) -> dict[MarketId, list[Noted]]:
    """What runs observed in each market: each holding, and that nothing was there any more."""
    found: dict[MarketId, list[Noted]] = {}
    held: dict[str, set[MarketId]] = {}
    for entry in looks:
        if entry.holdings is None:
            continue
        asset, at = entry.asset or "", entry.block.timestamp
        for market_id, one in entry.holdings.items():
            found.setdefault(market_id, []).append(Noted(at, one.held_raw, one.name, asset, one.apr))
        for market_id in held.get(asset, set()) - entry.holdings.keys():
            found[market_id].append(Noted(at, 0, asset=asset))
        held[asset] = set(entry.holdings)
    return found


def _of_market(
    account: Account, market_id: MarketId, called: tuple[str, str], flows: Sequence[Entry], notes: Sequence[Noted]
) -> list[Stay]:
    """One market's stays. An observation in the same second as a transaction comes after it."""
    steps: list[tuple[int, int, Entry | Noted]] = [(one.at, 0, one) for one in flows]
    steps += [(one.at, 1, one) for one in notes]
    found: list[Stay] = []
    run: _Open | None = None
    for at, _, step in sorted(steps, key=lambda one: one[:2]):
        if run is not None:
            run.until(at)
        if isinstance(step, Entry):
            raw = step.change(step.asset) if step.asset is not None else 0
            if step.kind in IN:
                more = raw if step.kind is EntryKind.OPENING else -raw
                if more <= 0 or (step.kind is EntryKind.OPENING and run is not None):
                    continue
                run = run or _Open(at, at)
                run.put_in, run.there = run.put_in + more, run.there + more
                run.plans |= {step.plan} if step.plan else set()
            elif run is not None and raw > 0:
                run.taken_out, run.there = run.taken_out + raw, run.there - raw
                if step.all:
                    found.append(_stay(account, market_id, called, run, at, 0))
                    run = None
        elif step.raw > 0:
            if run is None:
                run = _Open(at, at, put_in=step.raw)
            run.there, run.last = step.raw, step
            run.expected = step.expected if run.expected is None else run.expected
        elif run is not None:
            found.append(_stay(account, market_id, called, run, at, 0))
            run = None
    if run is not None:
        found.append(_stay(account, market_id, called, run, None, run.last.raw if run.last else None))
    return found


def _stay(
    account: Account, market_id: MarketId, called: tuple[str, str], run: _Open, until: int | None, held: int | None
) -> Stay:
    """The stay as a result. held: what is there at the end; None: not observed since it went in."""
    end = until if until is not None else (run.last.at if run.last else run.at)
    gone = until is not None and run.there > ROUNDING + DUST * run.put_in  # by no transaction that we know of
    stale = until is None and run.last is not None and run.last.at < run.at  # money moved since the last observation
    earned = None if held is None or gone or stale else held + run.taken_out - run.put_in
    seconds = end - run.since
    realised = None
    if earned is not None and run.held_seconds > 0 and seconds >= LEAST_SECONDS:
        realised = earned / run.held_seconds * SECONDS_PER_YEAR
    return Stay(
        account=account,
        market_id=market_id,
        name=called[0],
        asset=called[1],
        since=run.since,
        until=until,
        seen=end,
        put_in=run.put_in,
        earned=earned,
        realised=realised,
        expected=run.expected,
        plans=frozenset(run.plans),
    )
