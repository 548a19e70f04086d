"""Profit and loss of a position since it was entered, in its asset and in the base currency, without gas. Pure.

In the asset: present value plus what was taken out, less what was put in. In the base currency each amount counts at
its price when it moved: the value of what left, less its first-in-first-out cost, is realised; the value of what is
there now, less the cost of what remains, is unrealised.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from fractions import Fraction

from yieldbot.books.entries import Account, Entry, EntryKind
from yieldbot.books.ledger import PriceQuote, QuoteOf, value_of
from yieldbot.books.lots import Lot, Lots, cost, put, take
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId


@dataclass(frozen=True, slots=True)
class Pnl:
    """Profit and loss of a position. Money in the base currency is None where a price is missing."""

    since: int
    """Unix seconds of the entry into the position."""
    put_in: Amount
    """Amount put in since then."""
    taken_out: Amount
    """Amount taken out since then."""
    earned: Amount
    """Profit in the asset, realised and unrealised."""
    realised: Fraction | None
    """Profit on what was taken out, in the base currency."""
    unrealised: Fraction | None
    """Profit on what is there now, in the base currency."""
    gas: Amount | None
    """Native tokens paid since the entry for transactions of this market; None where a fee is not known."""
    gas_base: Fraction | None
    """Their value when they were paid, in the base currency."""

    @property
    def base(self) -> Fraction | None:
        """Realised plus unrealised profit."""
        return None if self.realised is None or self.unrealised is None else self.realised + self.unrealised


@dataclass(slots=True)
class _Run:
    """One position, while its entries are added."""

    since: int | None = None
    """Unix seconds at which the position was entered."""
    put_in: int = 0
    """Base units put in since ``since``."""
    taken_out: int = 0
    """Base units taken out since ``since``."""
    lots: Lots = ()
    """The lots that are in the market."""
    realised: Fraction | None = field(default_factory=Fraction)
    """Realised profit, in the base currency."""
    gas: int | None = 0
    """Base units of the native token; None where a fee is not known."""
    gas_base: Fraction | None = field(default_factory=Fraction)
    """Its value in the base currency."""
    native: Token | None = None
    """Token that fees are paid in."""
    closed: bool = False
    """Whether everything was taken out, so that the next entry begins a new run."""


def pnl(
    entries: Iterable[Entry],
    account: Account,
    market_id: MarketId,
    held: Amount,
    now: PriceQuote | None,
    quote_of: QuoteOf,
) -> Pnl | None:
    """A position's profit and loss since it was last empty; None if no entry shows how it began. entries: in order.
    held: its present value, at the price ``now``."""
    run = _Run()
    for entry in entries:
        if entry.account == account and entry.market_id == market_id:
            run = _after(run, entry, held.token, quote_of)
    if run.since is None:
        return None
    remaining, worth = cost(run.lots), value_of(held.token, held.raw, now)
    return Pnl(
        since=run.since,
        put_in=Amount(held.token, run.put_in),
        taken_out=Amount(held.token, run.taken_out),
        earned=Amount(held.token, held.raw + run.taken_out - run.put_in),
        realised=run.realised,
        unrealised=None if remaining is None or worth is None else worth - remaining,
        gas=None if run.gas is None or run.native is None else Amount(run.native, run.gas),
        gas_base=run.gas_base,
    )


def _after(run: _Run, entry: Entry, asset: Token, quote_of: QuoteOf) -> _Run:
    """The run after one more entry; a new run after a full exit."""
    raw, quote = entry.change(asset), quote_of(entry, asset)
    if run.closed:
        run = _Run()
    if entry.kind is EntryKind.OPENING:
        return run if run.put_in else _put_in(run, entry, raw, quote)
    if entry.kind is EntryKind.DEPOSIT and raw < 0:
        _put_in(run, entry, -raw, quote)
    elif entry.kind is EntryKind.WITHDRAW and raw > 0:
        taken, run.lots, _ = take(run.lots, raw)
        run.realised = _plus(run.realised, _less(value_of(asset, raw, quote), cost(taken)))
        run.taken_out += raw
        if entry.all:
            run.realised = _plus(run.realised, _less(Fraction(0), cost(run.lots)))
            run.lots, run.closed = (), True
    return _paid(run, entry, quote_of)


def _put_in(run: _Run, entry: Entry, raw: int, quote: PriceQuote | None) -> _Run:
    run.since = entry.at if run.since is None else run.since
    run.put_in += raw
    assert entry.asset is not None
    run.lots = put(run.lots, Lot(raw, value_of(entry.asset, raw, quote), entry.at))
    return run


def _paid(run: _Run, entry: Entry, quote_of: QuoteOf) -> _Run:
    """The run with the entry's fee."""
    run.native = run.native or entry.native
    if entry.native is not None and entry.fee_raw != 0:
        fee_raw = entry.fee_raw
        run.gas = None if run.gas is None or fee_raw is None else run.gas + fee_raw
        value = None if fee_raw is None else value_of(entry.native, fee_raw, quote_of(entry, entry.native))
        run.gas_base = _plus(run.gas_base, value)
    return run


def _plus(one: Fraction | None, other: Fraction | None) -> Fraction | None:
    return None if one is None or other is None else one + other


def _less(one: Fraction | None, other: Fraction | None) -> Fraction | None:
    return None if one is None or other is None else one - other
