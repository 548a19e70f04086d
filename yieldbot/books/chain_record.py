"""What the chain tells of an account beside the journal: transfers, prices at past blocks, balances to check by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from yieldbot.books.entries import Account, Entry, EntryKind, in_order
from yieldbot.books.ledger import Quote, QuoteOf
from yieldbot.books.recorded_prices import Recorded, nearest
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import LegKind
from yieldbot.model.policy import Job
from yieldbot.model.tx import Delta

Quotes = Mapping[tuple[ChainId, int, Address], Quote]
"""Feeds' prices by chain, height and token."""


@dataclass(frozen=True, slots=True)
class WalletCheck:
    """A balance by the entries beside the chain's. known: whether what was there before the first entry was read;
    grows: whether the token's balance grows by itself, so that the chain's is more."""

    token: Token
    books_raw: int
    chain_raw: int
    known: bool = True
    grows: bool = False

    @property
    def difference(self) -> Amount:
        """The chain's less the entries'."""
        return Amount(self.token, self.chain_raw - self.books_raw)

    @property
    def explained(self) -> bool:
        return not self.difference or (self.grows and self.difference.raw > 0)


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Plans that a Safe's owners carry out, if they do: where they were decided, and (market, base units, negative: out
    of the wallet) of their legs."""

    heights: tuple[int, ...] = ()
    legs: tuple[tuple[MarketId, int], ...] = ()


NOTHING_HANDED_OVER = HandedOver()


def handed_over(records: Iterable[Record], account: Account) -> HandedOver:
    """The account's plans that were handed over. Pure."""
    rows = tuple(records)
    ids = {
        e.plan_id
        for e in (row.entry for row in rows)
        if isinstance(e, PlanMarked) and e.status is PlanStatus.HANDED_OVER
    }
    plans = [row.entry.plan for row in rows if isinstance(row.entry, PlanWritten) and row.entry.plan.id in ids]
    own = [plan for plan in plans if (plan.block.chain, plan.owner) == account]
    signs = {LegKind.DEPOSIT: -1, LegKind.WITHDRAW: 1}
    legs = [(leg.market_id, signs[leg.kind] * leg.amount.raw) for plan in own for leg in plan.legs if leg.kind in signs]
    return HandedOver(tuple(plan.block.height for plan in own), tuple(legs))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRecord:
    """What the chain told of one account at ``block``. since: the height from which entries are complete.

    entries: the account's, those of strangers' transactions and of unexplained differences among them; notes: what
    could not be read, each a line.
    """

    account: Account
    block: BlockRef
    since: int
    entries: tuple[Entry, ...]
    quotes: Quotes
    checks: tuple[WalletCheck, ...]
    snapshots: tuple[tuple[Job, Snapshot], ...] = ()
    notes: tuple[str, ...] = ()


def wallet_sums(entries: Iterable[Entry]) -> dict[Token, int]:
    """What the entries make of each balance of the wallet, fees and rent taken off."""
    sums: dict[Token, int] = {}
    for entry in entries:
        if entry.kind is EntryKind.OPENING and entry.market_id is not None:
            continue
        for delta in entry.changes:
            sums[delta.token] = sums.get(delta.token, 0) + delta.raw
        if entry.native is not None and (spent := (entry.fee_raw or 0) + entry.rent_raw):
            sums[entry.native] = sums.get(entry.native, 0) - spent
    return sums


def reconciled(
    entries: Sequence[Entry],
    checks: Sequence[WalletCheck],
    account: Account,
    block: BlockRef,
    receipts: frozenset[Token],
) -> tuple[Entry, ...]:
    """The entries with what makes them equal to the chain: an opening balance where none could be read, and a
    difference that nothing explains as an entry of its own. Receipts of markets are left as they are."""
    own = [check for check in checks if check.difference and check.token not in receipts]
    first = min((entry.at for entry in entries), default=block.timestamp)
    begun = Entry(account=account, kind=EntryKind.OPENING, at=first, height=0, words="worked back from the balance now")
    opened = tuple(Delta(c.token, c.difference.raw) for c in own if not c.known)
    ended = Entry(
        account=account,
        kind=EntryKind.UNEXPLAINED,
        at=block.timestamp,
        height=block.height,
        words="no transaction of ours and no event tells of it",
        changes=tuple(Delta(c.token, c.difference.raw) for c in own if c.known),
    )
    made = [replace(begun, changes=opened)] if opened else []
    return in_order((*made, *entries, *([ended] if ended.changes else [])))


def quote_of(quotes: Quotes, written: Recorded) -> QuoteOf:
    """A feed's price at the block, else one that a run wrote down near it."""

    def told(entry: Entry, token: Token) -> Quote | None:
        chain = entry.account[0]
        found = quotes.get((chain, entry.height, token.address))
        return found or nearest(written, chain, token.address, entry.at)

    return told


def quote_now(usd: float | None) -> Quote | None:
    """The price that a snapshot was made with."""
    return None if usd is None else Quote(Fraction(repr(usd)), "now")
