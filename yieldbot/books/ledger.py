"""Turns entries into rows: each change with its value; for what left, its cost (first in, first out) and gain. Pure.

The choices, which docs/books.md explains to the user:

- A deposit into a market is no disposal: the tokens stay ours, at their cost. What comes back counts as principal
  first; anything beyond it is interest: income, valued on arrival. Principal that a full exit does not return is a
  loss.
- A swap disposes of the token given, for the value of the token received (if that has no price, for the value of the
  token given).
- A claim is income at its value on arrival. A fee disposes of native tokens at their value.
- Tokens that go into a pool's liquidity are disposed of at their value; what comes out is acquired at its value.
- Tokens received from outside cost their value on arrival; tokens sent outside take their cost along, without a gain.
- What the user states (``stated_costs.py``) counts before the value on arrival, and where no cost is known.
- Tokens without a price have no value, and their cost is then unknown: nothing is estimated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field
from enum import StrEnum
from fractions import Fraction

from yieldbot.books.entries import Account, Entry, EntryKind
from yieldbot.books.lots import Lot, Lots, cost, put, take
from yieldbot.books.stated_costs import NOTHING, StatedCosts
from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId
from yieldbot.model.tx import Delta

BASE = "USD"
"""The base currency: that of the feeds."""


class RowKind(StrEnum):
    """The kind of a ledger's row."""

    OPENING = "opening"
    IN = "in"
    OUT = "out"
    DEPOSIT = "deposit"
    WITHDRAW = "withdraw"
    INTEREST = "interest"
    LOSS = "loss"
    SWAP = "swap"
    CLAIM = "claim"
    LIQUIDITY = "liquidity"
    FEE = "fee"
    RENT = "rent"
    SHARES = "shares"
    OTHER = "other"
    UNEXPLAINED = "unexplained"


INCOME = frozenset({RowKind.INTEREST, RowKind.CLAIM})
GAINS = frozenset({RowKind.SWAP, RowKind.LIQUIDITY, RowKind.FEE, RowKind.LOSS, RowKind.OTHER})
"""Kinds of rows that are income on arrival (INCOME), and kinds whose disposals have a gain or loss (GAINS)."""


@dataclass(frozen=True, slots=True)
class PriceQuote:
    """A token's price."""

    price: Fraction
    """Base currency for one whole token."""
    source: str
    """Where it comes from, as a phrase."""


QuoteOf = Callable[[Entry, Token], "PriceQuote | None"]
"""The price of a token at an entry's block; None if there is none."""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One change. Money is in the base currency; None: not known, or does not apply."""

    entry: Entry
    """The entry that it belongs to."""
    what: RowKind
    """The kind of change."""
    token: Token
    """The token."""
    raw: int | None
    """Base units; negative: we no longer own them; None: unknown (the fee of an old revert)."""
    market: MarketId | None = None
    """The market that the row's money is in; None: the wallet."""
    quote: PriceQuote | None = None
    """The token's price at that time."""
    value: Fraction | None = None
    """The value at that price."""
    cost: Fraction | None = None
    """The cost of the units that left, or of the units that came in."""
    gain: Fraction | None = None
    """Gain on the units that left."""


def value_of(token: Token, raw: int, quote: PriceQuote | None) -> Fraction | None:
    """``raw`` base units in the base currency; None without a price."""
    if quote is None:
        return None
    return Fraction(quote.price.numerator * raw, quote.price.denominator * token.one)


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums in the base currency."""

    income: Fraction
    """Interest and claims."""
    gains: Fraction
    """Gains of disposals, native tokens paid as fees included."""
    fees: Fraction
    """Fees paid for transactions."""
    unknown: int
    """Number of rows of these kinds whose figure is unknown and missing from the sum."""


class Sums:
    """The sums over rows, such as those of a tax year, while rows are added."""

    def __init__(self) -> None:
        self._income, self._gains, self._fees, self._unknown = Fraction(0), Fraction(0), Fraction(0), 0

    def add(self, row: LedgerRow) -> None:
        """Add a row."""
        if row.what in INCOME:
            self._income += row.value or 0
            self._unknown += row.value is None
        elif row.what is RowKind.FEE:
            self._fees -= row.value or 0
            self._unknown += row.value is None
        if row.what in GAINS and (row.raw or 0) < 0:
            self._gains += row.gain or 0
            self._unknown += row.gain is None

    @property
    def totals(self) -> Totals:
        """The sums so far."""
        return Totals(self._income, self._gains, self._fees, self._unknown)


def totals(rows: Iterable[LedgerRow]) -> Totals:
    """The sums over all of these rows."""
    sums = Sums()
    for row in rows:
        sums.add(row)
    return sums.totals


def in_unit(quote_of: QuoteOf, unit: Token) -> QuoteOf:
    """Prices in whole tokens of ``unit`` instead of the base currency: the quotient of both prices at the same
    block."""

    def price_in_unit(entry: Entry, token: Token) -> PriceQuote | None:
        quote, one = quote_of(entry, token), quote_of(entry, unit)
        return None if quote is None or one is None else PriceQuote(quote.price / one.price, quote.source)

    return price_in_unit


WalletKey = tuple[Account, Token]
"""Key of a wallet balance."""
MarketKey = tuple[Account, MarketId, Token]
"""Key of a token's principal in a market."""


@dataclass(slots=True)
class Ledger:
    """The rows in order, and the balances that they lead to."""

    rows: list[LedgerRow] = field(default_factory=list)
    """The rows, in the order of the entries."""
    wallet: dict[WalletKey, int] = field(default_factory=dict)
    """Wallet balances in base units by account and token, receipts of markets included."""
    principal: dict[MarketKey, int] = field(default_factory=dict)
    """Base units that lie in each market."""
    lots: dict[WalletKey, Lots] = field(default_factory=dict)
    """Lots of all tokens, wallet and markets together."""


def post(entries: Iterable[Entry], quote_of: QuoteOf, stated: StatedCosts = NOTHING) -> Ledger:
    """Post every entry, in the order given. stated: what the user says that tokens cost."""
    books = Ledger()
    books.rows = list(posted(books, entries, quote_of, stated))
    return books


def posted(
    books: Ledger, entries: Iterable[Entry], quote_of: QuoteOf, stated: StatedCosts = NOTHING
) -> Iterator[LedgerRow]:
    """The same, row by row: ``books`` gets the balances, but keeps no row."""
    for entry in entries:
        _Posting(books, entry, quote_of, stated).post()
        rows, books.rows = books.rows, []
        yield from rows


class _Posting:
    """One entry being posted to the ledger."""

    def __init__(self, books: Ledger, entry: Entry, quote_of: QuoteOf, stated: StatedCosts) -> None:
        self.books = books
        self.entry = entry
        self.quote_of = quote_of
        self.stated = stated

    def post(self) -> None:
        entry = self.entry
        others = [d for d in entry.changes if d.token not in entry.shares]
        if entry.kind is EntryKind.OPENING and entry.market_id is not None:
            for delta in others:
                self._opened(delta, entry.market_id)
            return
        for delta in entry.changes:
            self._move(delta.token, delta.raw)
        if entry.kind is EntryKind.SWAP:
            self._swapped(others)
        else:
            for delta in others:
                self._changed(delta)
        for delta in entry.changes:
            if delta.token in entry.shares:
                self._row(RowKind.SHARES, delta.token, delta.raw, market=entry.market_id)
        self._costs()

    def _changed(self, delta: Delta) -> None:
        entry, market = self.entry, self.entry.market_id
        in_market = market is not None and delta.token == entry.asset
        if entry.kind is EntryKind.DEPOSIT and in_market and delta.raw < 0:
            assert market is not None
            place = (entry.account, market, delta.token)
            self.books.principal[place] = self.books.principal.get(place, 0) - delta.raw
            self._row(RowKind.DEPOSIT, delta.token, delta.raw, market=market)
        elif entry.kind is EntryKind.WITHDRAW and in_market and delta.raw > 0:
            assert market is not None
            self._withdrawn(delta, market)
        elif delta.raw > 0:
            self._got(delta)
        else:
            self._gave(delta)

    def _withdrawn(self, delta: Delta, market: MarketId) -> None:
        """Principal first, then interest; what a full exit leaves of the principal is a loss."""
        place = (self.entry.account, market, delta.token)
        principal = self.books.principal.get(place, 0)
        back = min(delta.raw, principal)
        rest = principal - back
        if back:
            self._row(RowKind.WITHDRAW, delta.token, back, market=market)
        if delta.raw > back:
            self._acquired(RowKind.INTEREST, delta.token, delta.raw - back, market=market)
        if self.entry.all and rest:
            self._disposed(RowKind.LOSS, delta.token, rest, Fraction(0), market=market)
            rest = 0
        self.books.principal[place] = rest

    def _opened(self, delta: Delta, market: MarketId) -> None:
        """Sets a market's opening principal when nothing else is known of it."""
        place = (self.entry.account, market, delta.token)
        if not self.books.principal.get(place):
            self.books.principal[place] = delta.raw
            self._row(
                RowKind.OPENING, delta.token, delta.raw, market=market, cost=self._put(delta.token, delta.raw, None)
            )

    def _got(self, delta: Delta) -> None:
        kind = self.entry.kind
        if kind in (EntryKind.OPENING, EntryKind.UNEXPLAINED):
            self._row(RowKind(kind.value), delta.token, delta.raw, cost=self._put(delta.token, delta.raw, None))
        else:
            what = _NAMED.get(kind, RowKind.OTHER)
            self._acquired(what, delta.token, delta.raw, market=self.entry.market_id)

    def _gave(self, delta: Delta) -> None:
        kind = self.entry.kind
        if kind in (EntryKind.OUT, EntryKind.UNEXPLAINED):
            self._row(RowKind(kind.value), delta.token, delta.raw, cost=self._take(delta.token, -delta.raw))
        else:
            value = self._value(delta.token, -delta.raw)
            what = RowKind.LIQUIDITY if kind is EntryKind.LIQUIDITY else RowKind.OTHER
            self._disposed(what, delta.token, -delta.raw, value, market=self.entry.market_id)

    def _swapped(self, changes: Sequence[Delta]) -> None:
        """A swap's rows: the same exchange value for both sides, if there is one token on each."""
        outs, ins = [d for d in changes if d.raw < 0], [d for d in changes if d.raw > 0]
        received = _sum([self._value(d.token, d.raw) for d in ins])
        given = _sum([self._value(d.token, -d.raw) for d in outs])
        exchanged = received if received is not None else given
        for delta in outs:
            proceeds = exchanged if len(outs) == 1 else self._value(delta.token, -delta.raw)
            self._disposed(RowKind.SWAP, delta.token, -delta.raw, proceeds)
        for delta in ins:
            paid = exchanged if len(ins) == 1 else self._value(delta.token, delta.raw)
            self._row(RowKind.SWAP, delta.token, delta.raw, cost=self._put(delta.token, delta.raw, paid), value=paid)

    def _costs(self) -> None:
        """The fee and the rent, both in the native token."""
        entry, native = self.entry, self.entry.native
        if native is None or entry.fee_raw == 0 == entry.rent_raw:
            return
        if entry.fee_raw is None:
            self._row(RowKind.FEE, native, None, market=entry.market_id)
        elif entry.fee_raw:
            self._move(native, -entry.fee_raw)
            value = self._value(native, entry.fee_raw)
            self._disposed(RowKind.FEE, native, entry.fee_raw, value, market=entry.market_id)
        if entry.rent_raw:
            self._move(native, -entry.rent_raw)
            self._row(RowKind.RENT, native, -entry.rent_raw, market=entry.market_id)

    def _acquired(self, what: RowKind, token: Token, raw: int, market: MarketId | None = None) -> None:
        paid = self._put(token, raw, self._value(token, raw))
        self._row(what, token, raw, market=market, cost=paid)

    def _disposed(
        self, what: RowKind, token: Token, raw: int, proceeds: Fraction | None, market: MarketId | None = None
    ) -> None:
        """``raw`` units leave for ``proceeds`` (base currency; None: unknown)."""
        paid = self._take(token, raw)
        gain = None if paid is None or proceeds is None else proceeds - paid
        value = None if proceeds is None else -proceeds
        self._row(what, token, -raw, market=market, cost=paid, gain=gain, value=value, valued=True)

    def _row(
        self,
        what: RowKind,
        token: Token,
        raw: int | None,
        *,
        market: MarketId | None = None,
        cost: Fraction | None = None,
        gain: Fraction | None = None,
        value: Fraction | None = None,
        valued: bool = False,
    ) -> None:
        quote = None if what is RowKind.SHARES else self.quote_of(self.entry, token)
        if value is None and raw is not None and not valued:
            value = value_of(token, raw, quote)
        self.books.rows.append(LedgerRow(self.entry, what, token, raw, market, quote, value, cost, gain))

    def _value(self, token: Token, raw: int) -> Fraction | None:
        return value_of(token, raw, self.quote_of(self.entry, token))

    def _move(self, token: Token, raw: int) -> None:
        pool = (self.entry.account, token)
        self.books.wallet[pool] = self.books.wallet.get(pool, 0) + raw

    def _put(self, token: Token, raw: int, known: Fraction | None) -> Fraction | None:
        """Put a lot on top, and return its cost; None if it is unknown. known: what the books take it for."""
        pool, paid = (self.entry.account, token), self.stated.of(self.entry, token, raw, known)
        self.books.lots[pool] = put(self.books.lots.get(pool, ()), Lot(raw, paid, self.entry.at))
        return paid

    def _take(self, token: Token, raw: int) -> Fraction | None:
        """Take ``raw`` units off the lots and return their cost; None if it is unknown."""
        pool = (self.entry.account, token)
        taken, self.books.lots[pool], missing = take(self.books.lots.get(pool, ()), raw)
        paid = cost(taken)
        if not missing or paid is None:
            return paid
        rest = self.stated.rest(self.entry.account, token, missing)
        return None if rest is None else paid + rest


_NAMED = {EntryKind.IN: RowKind.IN, EntryKind.CLAIM: RowKind.CLAIM, EntryKind.LIQUIDITY: RowKind.LIQUIDITY}


def _sum(values: Sequence[Fraction | None]) -> Fraction | None:
    known = [value for value in values if value is not None]
    return sum(known, Fraction(0)) if values and len(known) == len(values) else None
