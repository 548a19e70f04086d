"""What the chain shows of an account that the journal does not: transfers, prices at past blocks, balances. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from yieldbot.books.entries import Account, Entry, EntryKind, in_order
from yieldbot.books.ledger import PriceQuote, QuoteOf
from yieldbot.books.recorded_prices import Recorded, nearest
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import LegKind
from yieldbot.model.settings import Job
from yieldbot.model.tx import Delta

Quotes = Mapping[tuple[ChainId, int, Address], PriceQuote]
"""Feeds' prices by chain, height and token."""


@dataclass(frozen=True, slots=True)
class WalletCheck:
    """A wallet's balance of one token, computed from the entries and read from the chain."""

    token: Token
    """The token."""
    books_raw: int
    """The balance by the entries, in base units."""
    chain_raw: int
    """The balance on chain, in base units."""
    known: bool = True
    """Whether the balance before the first entry was read."""
    grows: bool = False
    """Whether the balance grows by itself (a rebasing token), so that the chain's may be larger."""

    @property
    def difference(self) -> Amount:
        """The chain's balance less the entries'."""
        return Amount(self.token, self.chain_raw - self.books_raw)

    @property
    def explained(self) -> bool:
        """Whether they agree, or differ only as a rebasing token does."""
        return not self.difference or (self.grows and self.difference.raw > 0)


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Plans handed over to a Safe's owners, who may or may not execute them."""

    heights: tuple[int, ...] = ()
    """Blocks at which the plans were decided."""
    legs: tuple[tuple[MarketId, int], ...] = ()
    """(market, base units; negative: out of the wallet) of their deposits and withdrawals."""


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
    """What the chain shows of one account."""

    account: Account
    """The account."""
    block: BlockRef
    """The block up to which the chain was read."""
    since: int
    """Height from which on the entries are complete."""
    entries: tuple[Entry, ...]
    """The account's entries, plus one for each transaction of others and each unexplained difference."""
    quotes: Quotes
    """Feeds' prices at the entries' blocks."""
    checks: tuple[WalletCheck, ...]
    """Balances by the entries and by the chain."""
    snapshots: tuple[tuple[Job, Snapshot], ...] = ()
    """The jobs with their snapshots."""
    notes: tuple[str, ...] = ()
    """What could not be read, a line each."""


def wallet_sums(entries: Iterable[Entry]) -> dict[Token, int]:
    """The wallet balances that follow from the entries, fees and rent included, in base units."""
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
    """The entries, completed so that they add up to the chain's balances.

    If no opening balance could be read, it is computed backwards from the present balance; an unexplained difference
    becomes an entry of its own. Markets' receipt tokens are not touched.
    """
    own = [check for check in checks if check.difference and check.token not in receipts]
    first = min((entry.at for entry in entries), default=block.timestamp)
    begun = Entry(
        account=account, kind=EntryKind.OPENING, at=first, height=0, description="worked back from the balance now"
    )
    opened = tuple(Delta(c.token, c.difference.raw) for c in own if not c.known)
    ended = Entry(
        account=account,
        kind=EntryKind.UNEXPLAINED,
        at=block.timestamp,
        height=block.height,
        description="no transaction of ours and no event explains it",
        changes=tuple(Delta(c.token, c.difference.raw) for c in own if c.known),
    )
    made = [replace(begun, changes=opened)] if opened else []
    return in_order((*made, *entries, *([ended] if ended.changes else [])))


def priced_tokens(entry: Entry, also: Iterable[Token] = ()) -> set[Token]:
    """The tokens whose prices at an entry's block count: those that moved, that of its fee, and further ones."""
    native = {entry.native} if entry.native is not None and entry.fee_raw else set()
    return {delta.token for delta in entry.changes} | native | set(also)


def quote_of(quotes: Quotes, written: Recorded) -> QuoteOf:
    """The price by a feed at the entry's block, else the one that a run recorded near it."""

    def price(entry: Entry, token: Token) -> PriceQuote | None:
        chain = entry.account[0]
        found = quotes.get((chain, entry.height, token.address))
        return found or nearest(written, chain, token.address, entry.at)

    return price


def quote_now(usd: float | None) -> PriceQuote | None:
    """The present price, by the snapshot."""
    return None if usd is None else PriceQuote(Fraction(repr(usd)), "now")
