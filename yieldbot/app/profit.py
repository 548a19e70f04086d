"""Profit and loss of each market since entry, for ``positions``: from the journal and the account's history on
chain."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING

from yieldbot.app.account_entries import by_account, open_of
from yieldbot.app.past_prices import PastPrices
from yieldbot.books.chain_record import ChainRecord, Quotes, handed_over, quote_now, quote_of
from yieldbot.books.entries import Account, Entry, EntryKind, of_accounts, receipts
from yieldbot.books.kept import KeptBooks
from yieldbot.books.ledger import BASE, PriceQuote, QuoteOf, in_unit
from yieldbot.books.pnl import Pnl, pnl
from yieldbot.chains.open import chain_of
from yieldbot.chains.ports import AccountHistoryRequest
from yieldbot.errors import TransientError
from yieldbot.history.holdings import recorded_holdings, recorded_names
from yieldbot.model import families
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId
from yieldbot.model.known import WRAPPED_SOL
from yieldbot.model.market import Kind as MarketKind

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.app.overview import Observation
    from yieldbot.history.holdings import MeasuredPosition
    from yieldbot.journal.fold import Record
    from yieldbot.model.market import Snapshot
    from yieldbot.model.settings import ChainSettings, Job

MOST_PARTS = 40
"""The most log queries that ``positions`` makes of one chain; ``export`` makes as many as it needs."""
NOT_READ = "not known: it is no longer among the configured markets, and the last run saw money of ours there"
NO_QUOTES: Quotes = {}
STRANGE = (EntryKind.IN, EntryKind.OUT, EntryKind.SWAP, EntryKind.OTHER)


@dataclass(frozen=True, slots=True)
class Earned:
    """One market's profit and loss since entry."""

    market_id: MarketId
    """The market's identifier."""
    name: str
    """The market's name."""
    found: Pnl | str
    """Profit and loss, or why it is not known."""
    left: bool = False
    """Whether everything was taken out again."""
    unit: str = BASE
    """The currency of the figures: USD, or the unit of the job's base."""


@dataclass(frozen=True, slots=True)
class Accounting:
    """The journal, and the accounting entries made from it and from each account's history on chain."""

    books: KeptBooks
    """The accounting's part of the journal."""
    histories: Mapping[Account, ChainRecord]
    """History on chain of each account whose chain could be read."""
    entries: Mapping[Account, Sequence[Entry]] = field(init=False)
    """Accounting entries made from the journal only, by account."""
    names: Mapping[MarketId, str] = field(init=False)
    """Names of markets as last recorded by runs."""
    _own: Mapping[Account, Sequence[Record]] = field(init=False)
    """The records about each account's plans and transactions."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", of_accounts(self.books.entries))
        object.__setattr__(self, "names", recorded_names(self.books.looks))
        object.__setattr__(self, "_own", by_account(self.books.rest))

    def own(self, account: Account) -> tuple[Entry, ...]:
        """An account's entries: from its history on chain if that was read, else from the journal only."""
        history = self.histories.get(account)
        return history.entries if history else tuple(self.entries.get(account, ()))

    def quotes(self, account: Account, more: Quotes = NO_QUOTES) -> QuoteOf:
        """Prices in US dollars at the account's entries; ``more``: further known prices."""
        history = self.histories.get(account)
        return quote_of({**more, **(history.quotes if history else {})}, self.books.prices)

    def open(self, account: Account) -> dict[MarketId, str]:
        """Markets with an open transaction, each with why its profit is not known."""
        return {
            MarketId(tx.signed.market_id): f"not known: {tx.signed.hash} is still open; `yieldbot run` settles it"
            for tx in open_of(self._own.get(account, ()), account)
        }


def accounting_of(context: Context, books: KeptBooks, observed: Sequence[Observation]) -> Accounting:
    """The accounting of all jobs whose chain could be served."""
    jobs = [(job, snapshot) for job, snapshot in observed if not isinstance(snapshot, str)]
    return Accounting(books, asyncio.run(_histories(context, books, jobs)))


def earned(accounting: Accounting, observed: Sequence[Observation]) -> list[tuple[Earned, ...]]:
    """For each job, the profit and loss of every market that it is or was in, liquidity in pools left out; empty for a
    skipped job and without a journal."""
    names = accounting.names
    found: list[tuple[Earned, ...]] = []
    for job, snapshot in observed:
        if isinstance(snapshot, str):
            found.append(())
            continue
        account = (job.chain.chain, job.wallet.address)
        own, priced = accounting.own(account), accounting.quotes(account)
        unit, token = unit_of(job)
        now = quote_now(snapshot.asset_usd)
        if unit != BASE:
            priced, now = in_native(priced, token), per_native(now, token, snapshot)
        booked = list(dict.fromkeys(e.market_id for e in own if e.market_id and _of(job, e)))
        gone = _gone(accounting.books.looks, account, job, set(booked), snapshot)
        strange = gone | _strange(own, snapshot) | accounting.open(account)
        rows = []
        for market_id in booked:
            state = snapshot.states.get(market_id)
            held = _as_booked(job, state.held if state else Amount(job.asset, 0))
            if state is None and any(bad.market.id == market_id for bad in snapshot.quarantined):
                continue
            result = strange.get(market_id) or pnl(own, account, market_id, held, now, priced)
            if result is not None:
                name = state.market.name if state else names.get(market_id, market_id)
                rows.append(Earned(market_id, name, result, not held and market_id not in gone, unit))
        found.append(tuple(rows))
    return found


def _gone(
    looks: Sequence[Record], account: Account, job: Job, booked: set[MarketId], snapshot: Snapshot
) -> dict[MarketId, str]:
    """Markets with entries that were not read although the last run saw money of ours there: what is in them now is not
    known."""
    lost = booked - set(snapshot.states) - {one.market.id for one in snapshot.glanced}
    held = recorded_holdings(looks, *account, job.asset) if lost else {}
    return {market_id: NOT_READ for market_id in lost if market_id in held}


def agreed(held: Sequence[MeasuredPosition], gains: Sequence[Earned]) -> tuple[MeasuredPosition, ...]:
    """The positions with ``earned`` taken from profit and loss if known, so that the two figures never differ."""
    known = {gain.market_id: gain.found.earned for gain in gains if isinstance(gain.found, Pnl)}
    return tuple(replace(row, earned=known.get(row.state.market.id, row.earned)) for row in held)


def unit_of(job: Job) -> tuple[str, Token | None]:
    """The unit of the job's base (USD without one), and the native token where that is the unit."""
    if job.base is None or job.base.unit == BASE:
        return BASE, None
    return job.base.unit, native_of(job.chain) if job.chain.native_symbol == job.base.unit else None


def in_native(priced: QuoteOf, token: Token | None) -> QuoteOf:
    """Prices in units of the native token; if ``token`` is None, no price is known."""
    return in_unit(priced, token) if token is not None else lambda entry, other: None


def per_native(now: PriceQuote | None, token: Token | None, snapshot: Snapshot) -> PriceQuote | None:
    """A present US dollar price in units of the native token."""
    native = quote_now(snapshot.native_usd)
    if token is None or now is None or native is None:
        return None
    return PriceQuote(now.price / native.price, f"{token.symbol} now")


def native_of(chain: ChainSettings) -> Token:
    """A chain's native token, as accounting entries name it."""
    return families.native_of(chain.chain, chain.native_symbol)


def _as_booked(job: Job, held: Amount) -> Amount:
    """Wrapped SOL as the native token, under which the entries count SOL."""
    return Amount(native_of(job.chain), held.raw) if held.token.address == WRAPPED_SOL else held


def _of(job: Job, entry: Entry) -> bool:
    """Whether an entry is about the job's asset; native and wrapped SOL count as one."""
    return entry.asset is not None and (entry.asset == job.asset or entry.asset == entry.native)


async def _histories(
    context: Context,
    books: KeptBooks,
    jobs: Sequence[tuple[Job, Snapshot]],
) -> dict[Account, ChainRecord]:
    """The history on chain of each account that has entries; a chain that cannot be read is reported and left out."""
    groups: dict[Account, list[tuple[Job, Snapshot]]] = {}
    entries, rows, past = of_accounts(books.entries), by_account(books.rest), PastPrices(context.settings.data_dir)
    for job, snapshot in jobs:
        account = (job.chain.chain, job.wallet.address)
        if account in entries or handed_over(rows.get(account, ()), account).heights:
            groups.setdefault(account, []).append((job, snapshot))

    async def one(account: Account, group: Sequence[tuple[Job, Snapshot]]) -> tuple[Account, ChainRecord] | None:
        own = entries.get(account, ())
        its_jobs, snapshots = [job for job, _ in group], [snapshot for _, snapshot in group]
        name, chain = its_jobs[0].chain.name, its_jobs[0].chain
        also = [token for job in its_jobs if (token := unit_of(job)[1]) is not None]
        try:
            query = AccountHistoryRequest(
                ours=books.hashes(account),
                handed=handed_over(rows.get(account, ()), account),
                checked=False,
                also=also,
                quotes=past.of(chain, own, also),
                most_parts=MOST_PARTS,
                snapshots=snapshots,
            )
            history = await chain_of(chain).account_history(its_jobs, own, query)
            past.keep(chain, history, also)
        except TransientError as passing:
            context.say(f"{name}: profit and loss comes from the journal alone: {passing}")
            return None
        for note in history.notes:
            context.say(f"{name}: {note}")
        return account, history

    answers = await asyncio.gather(*(one(account, group) for account, group in groups.items()))
    return dict(answer for answer in answers if answer is not None)


def _strange(entries: Sequence[Entry], snapshot: Snapshot) -> dict[MarketId, str]:
    """Markets whose shares or money of ours moved in a transaction that we did not sign, each with the reason why its
    profit is not known."""
    outside = (MarketKind.IDLE, MarketKind.LIQUIDITY)
    states = [state for state in snapshot.states.values() if state.market.kind not in outside]
    shares = receipts(entries) | {s.share_token: s.market.id for s in states if s.share_token is not None}
    takers: dict[str, list[MarketId]] = {}
    for state in states:
        if state.share_token is None:
            takers.setdefault(state.market.address.lower(), []).append(state.market.id)
    found: dict[MarketId, str] = {}
    for entry in entries:
        if entry.kind in STRANGE:
            markets = {shares[delta.token] for delta in entry.changes if delta.token in shares}
            markets |= {m for taker, ids in takers.items() if taker in entry.description for m in ids}
            found |= dict.fromkeys(markets, f"not known: {entry.hash} moved part of it and is not ours")
    return found
