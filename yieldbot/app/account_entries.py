"""The accounting entries of every account of a command: from the journal, and from the chains that can be read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from yieldbot.app import kept_books
from yieldbot.app.alike import skips
from yieldbot.app.past_prices import PastPrices
from yieldbot.app.wiring import JOURNAL, JobFilter, jobs_of, named_jobs
from yieldbot.books.chain_record import ChainRecord, handed_over, quote_of
from yieldbot.books.entries import Account, Entry, in_order, of_accounts
from yieldbot.books.export_text import DisplayNames
from yieldbot.books.kept import KeptBooks
from yieldbot.books.ledger import QuoteOf
from yieldbot.chains.open import chain_of
from yieldbot.chains.ports import AccountHistoryRequest
from yieldbot.errors import ConfigError, TransientError
from yieldbot.execution.world import records_for
from yieldbot.history.holdings import recorded_names
from yieldbot.journal.fold import Record, StoredTx, fold_transactions
from yieldbot.journal.journal_entries import PlanMarked, PlanWritten, TxNoted, TxSent, TxSettled, TxSigned
from yieldbot.journal.store import Journal
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.model.settings import Job

FAILED = 1


@dataclass(slots=True)
class AccountEntries:
    """Entries of several accounts, with what is needed to value and name them."""

    entries: tuple[Entry, ...]
    """All entries, in order of time."""
    quote_of: QuoteOf
    """Prices in US dollars at an entry's time."""
    names: DisplayNames
    """Display names of chains, wallets and markets."""
    accounts: dict[Account, ChainRecord | None]
    """Each account's history on chain; None if its chain was not read, or could not be served."""
    skipped: dict[Account, str] = field(default_factory=dict)
    """Why an account's chain could not be served."""
    notes: list[str] = field(default_factory=list)
    """Notes for a reader of the entries, a line each."""

    @property
    def code(self) -> int:
        """The exit code: 1 if a chain should have been read and could not be served, else 0."""
        return FAILED if self.skipped else 0


def journalled(context: Context, job: Job | None = None) -> tuple[Record, ...]:
    """The journal's entries that count (``Queries.records``), of all accounts or of a job's; none while there is no
    journal."""
    file = context.settings.data_dir / JOURNAL
    if not file.exists():
        return ()
    with Journal.read(file, appended=True) as journal:
        if job is None:
            return journal.records()
        return records_for(journal, job, context.settings.policy, time.time())


def booked(context: Context, *, all_rows: bool = False) -> KeptBooks:
    """The accounting's part of the journal; nothing while there is no journal. all_rows: read all of them, whatever is
    kept. Raises InvariantError for a journal that contradicts itself."""
    file = context.settings.data_dir / JOURNAL
    if not file.exists():
        return KeptBooks()
    with Journal.read(file, appended=True) as journal:
        return kept_books.whole(journal) if all_rows else kept_books.books_of(journal)


def gather(wanted: JobFilter, context: Context, *, offline: bool, since: int | None) -> AccountEntries:
    """Entries of the jobs' accounts; without a filter also of accounts of former jobs that are in the journal.

    offline: use only the journal, read no chain. since: block from which transfers are searched (one chain); None: from
    each account's first entry. Raises ConfigError, InvariantError.
    """
    books = booked(context)
    entries = books.entries
    by_owner = of_accounts(entries)
    narrowed = wanted != JobFilter()
    jobs = named_jobs(wanted, context) if offline else jobs_of(wanted, context)
    groups: dict[Account, list[Job]] = {}
    for job in jobs:
        groups.setdefault((job.chain.chain, job.wallet.address), []).append(job)
    if since is not None and len({chain for chain, _ in groups}) > 1:
        raise ConfigError("--from-block applies to one chain: name it with --chain")
    accounts: dict[Account, ChainRecord | None] = dict.fromkeys(groups)
    if not narrowed:
        accounts |= {entry.account: None for entry in entries if entry.account not in accounts}
    gathered = AccountEntries((), quote_of({}, books.prices), _names(context, books, ()), accounts)
    gathered.notes += [
        f"{tx.signed.hash} ({tx.signed.words}) is still open and not among them: `yieldbot run` settles it"
        for account, rows in by_account(books.rest).items()
        if account in accounts
        for tx in open_of(rows, account)
    ]
    if not offline:
        asyncio.run(_ask(gathered, groups, by_owner, books, context, since))
        gathered.names = _names(context, books, accounts.values())
    found: list[Entry] = []
    for account, history in accounts.items():
        found += history.entries if history else by_owner.get(account, ())
    quotes = {key: quote for history in accounts.values() if history for key, quote in history.quotes.items()}
    gathered.entries, gathered.quote_of = in_order(found), quote_of(quotes, books.prices)
    return gathered


async def _ask(
    gathered: AccountEntries,
    groups: dict[Account, list[Job]],
    entries: Mapping[Account, Sequence[Entry]],
    books: KeptBooks,
    context: Context,
    since: int | None,
) -> None:
    """Add each account's history on chain. If a chain cannot be served, a note says so and only the journal is used."""

    rows, past = by_account(books.rest), PastPrices(context.settings.data_dir)

    async def one(account: Account, jobs: list[Job]) -> None:
        chain, own_rows = jobs[0].chain, rows.get(account, ())
        own = entries.get(account, ())
        try:
            query = AccountHistoryRequest(
                ours=books.hashes(account),
                handed=handed_over(own_rows, account),
                since=since,
                say=context.detail,
                quotes=past.of(chain, own),
            )
            history = await chain_of(chain).account_history(jobs, own, query)
            past.keep(chain, history)
        except TransientError as passing:
            gathered.skipped[account] = str(passing)
            return
        gathered.accounts[account] = history
        gathered.notes += [f"{chain.name}: {note}" for note in history.notes]
        gathered.notes += [
            f"{chain.name}: {check.token.symbol}: the chain has {check.difference} more than the entries make"
            for check in history.checks
            if check.known and not check.explained
        ]

    await asyncio.gather(*(one(account, jobs) for account, jobs in groups.items()))
    lost = [(jobs[0], gathered.skipped[account]) for account, jobs in groups.items() if account in gathered.skipped]
    gathered.notes += skips([(job.chain.name, job.wallet.name, why) for job, why in lost], "wallet")


def hashes(records: Iterable[Record], account: Account) -> frozenset[str]:
    """Every transaction that an account signed, in lower case."""
    events = [row.entry for row in records]
    return frozenset(e.hash.lower() for e in events if isinstance(e, TxSigned) and (e.chain, e.owner) == account)


def by_account(records: Iterable[Record]) -> dict[Account, list[Record]]:
    """Each account's records about plans and transactions, in order."""
    found: dict[Account, list[Record]] = {}
    plans: dict[str, Account] = {}
    for row in records:
        match row.entry:
            case PlanWritten(plan=plan):
                account = plans.setdefault(plan.id, (plan.block.chain, plan.owner))
            case PlanMarked(plan_id=plan_id) if plan_id in plans:
                account = plans[plan_id]
            case TxSigned() | TxSent() | TxNoted() | TxSettled() as entry:
                account = entry.chain, entry.owner
            case _:
                continue
        found.setdefault(account, []).append(row)
    return found


def open_of(records: Iterable[Record], account: Account) -> list[StoredTx]:
    """An account's transactions without an outcome."""
    own = [tx for tx in fold_transactions(records).values() if (tx.signed.chain, tx.signed.owner) == account]
    return [tx for tx in own if tx.outcome is None]


def _names(context: Context, books: KeptBooks, found: Iterable[ChainRecord | None]) -> DisplayNames:
    """Display names: chains and wallets from the configuration, markets as runs recorded them or as they are called
    now."""
    settings = context.settings
    chains = {chain.chain: chain.name for chain in settings.chains.values()}
    wallets = {(job.chain.chain, job.wallet.address): job.wallet.name for job in settings.jobs}
    markets = recorded_names(books.looks)
    snapshots = [snapshot for history in found if history for _, snapshot in history.snapshots]
    markets |= {state.market.id: state.market.name for snapshot in snapshots for state in snapshot.states.values()}
    return DisplayNames(chains, wallets, markets)
