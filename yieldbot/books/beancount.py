"""The accounting as text for Beancount (version 3 syntax). Pure.

Tokens are commodities and move between accounts in their own units, so every transaction balances without a price;
prices are separate directives, one a day. Value, cost and gain (first in, first out) are metadata of postings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field

from yieldbot.books.entries import Account, Entry
from yieldbot.books.export_text import DisplayNames, day, decimal, utc, whole
from yieldbot.books.ledger import BASE, LedgerRow, RowKind
from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.families import family_of
from yieldbot.model.ids import MarketId, evm_number
from yieldbot.model.text import one_line
from yieldbot.model.units import DAY_SECONDS

OTHER_SIDE = {
    RowKind.OPENING: "Equity:Opening-Balances",
    RowKind.IN: "Equity:Transfers",
    RowKind.OUT: "Equity:Transfers",
    RowKind.INTEREST: "Income:Interest",
    RowKind.CLAIM: "Income:Rewards",
    RowKind.LOSS: "Expenses:Losses",
    RowKind.FEE: "Expenses:Fees",
    RowKind.OTHER: "Equity:Other",
    RowKind.SWAP: "Equity:Other",
    RowKind.LIQUIDITY: "Equity:Liquidity",
    RowKind.UNEXPLAINED: "Equity:Unexplained",
    RowKind.SHARES: "Equity:Receipts",
}
"""Account of the opposite posting of each kind of row; deposits, withdrawals, rent and both sides of a swap stay among
our assets."""
RESERVED = ("TRUE", "FALSE", "NULL")
"""Words that Beancount's lexer reads as values before it looks for commodities."""


@dataclass(slots=True)
class _Book:
    """The names that the file uses."""

    names: DisplayNames
    """Display names of chains, wallets and markets."""
    commodities: dict[Token, str] = field(default_factory=dict)
    """Beancount commodity of each token."""
    markets: dict[MarketId, str] = field(default_factory=dict)
    """Account component of each market."""
    accounts: dict[str, None] = field(default_factory=dict)
    """Accounts in the order of first use."""

    def commodity(self, token: Token) -> str:
        """The token's unique commodity name: its symbol in upper case; if that is taken, with the chain's name or a
        number appended."""
        if token not in self.commodities:
            plain = re.sub(r"[^A-Z0-9'._-]", "", token.symbol.upper())
            name = plain if re.fullmatch(r"[A-Z]([A-Z0-9'._-]{0,15}[A-Z0-9])?", plain) else _fit(plain)
            name = f"{name}-TOKEN" if name in RESERVED else name
            self.commodities[token] = _unused(name, _where(token), set(self.commodities.values()) | {BASE})
        return self.commodities[token]

    def wallet(self, account: Account) -> str:
        chain, wallet = _component(self.names.chain(account[0])), _component(self.names.wallet(account))
        return f"Assets:{chain}:{wallet}"

    def place(self, account: Account, name: str) -> str:
        return self.used(f"{self.wallet(account)}:{name}")

    def market(self, account: Account, market_id: MarketId) -> str:
        if market_id not in self.markets:
            name = _component(self.names.market(market_id))
            self.markets[market_id] = _unused(name, "", {*self.markets.values(), "Wallet", "Rent"})
        return self.place(account, self.markets[market_id])

    def used(self, account: str) -> str:
        self.accounts.setdefault(account)
        return account


def to_beancount(
    rows: Sequence[LedgerRow],
    names: DisplayNames,
    opening: Sequence[LedgerRow] = (),
    closing: Mapping[tuple[Account, Token], tuple[int, int]] | None = None,
) -> str:
    """The whole file.

    opening: rows before the period, of which only the sums are written. closing: wallet balances to assert, in base
    units, each with the unix seconds at which it was read from the chain.
    """
    book = _Book(names)
    transactions = _opening(book, opening, rows)
    transactions += [_transaction(book, group) for group in _grouped(rows)]
    prices = _prices(book, rows)
    checked = _balances(book, closing or {})
    first = min((row.entry.at for row in (*opening, *rows)), default=0)
    head = [
        'option "title" "yieldbot"',
        f'option "operating_currency" "{BASE}"',
        "",
        *(f"{day(first)} commodity {name}" for name in sorted(book.commodities.values())),
        "",
        *(f"{day(first)} open {account}" for account in sorted(book.accounts)),
    ]
    parts = ["\n".join(head), *transactions, "\n".join(prices), "\n".join(checked)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _grouped(rows: Sequence[LedgerRow]) -> list[list[LedgerRow]]:
    """The rows of each entry together, in order."""
    groups: list[list[LedgerRow]] = []
    for row in rows:
        if groups and groups[-1][0].entry is row.entry:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def _transaction(book: _Book, rows: Sequence[LedgerRow]) -> str:
    entry = rows[0].entry
    lines = [f'{day(entry.at)} * "{_quoted(entry.description or entry.kind.value)}"', f'  time: "{utc(entry.at)}"']
    lines += [f'  transaction: "{entry.hash}"'] if entry.hash else []
    given, got = _swap(rows)
    for row in rows:
        if row not in (given, got):
            lines += _postings(book, row)
    if given is not None and got is not None:
        wallet = book.place(entry.account, "Wallet")
        paid = f"{whole(got.token, got.raw)} {book.commodity(got.token)}"
        lines += [f"  {wallet}  {_amount(book, given)} @@ {paid}", *_meta(given)]
        lines += [f"  {wallet}  {_amount(book, got)}", *_meta(got)]
    if not any(line.startswith("  Assets") for line in lines):
        return f'{day(entry.at)} note {book.place(entry.account, "Wallet")} "{_quoted(_bare(entry))}"'
    return "\n".join(lines)


def _swap(rows: Sequence[LedgerRow]) -> tuple[LedgerRow | None, LedgerRow | None]:
    given = [row for row in rows if row.what is RowKind.SWAP and (row.raw or 0) < 0]
    got = [row for row in rows if row.what is RowKind.SWAP and (row.raw or 0) > 0]
    return (given[0], got[0]) if len(given) == len(got) == 1 else (None, None)


def _bare(entry: Entry) -> str:
    """The note on a transaction whose fee is unknown."""
    return f"{entry.description or entry.kind.value}: {entry.kind.value}, its fee is not known, {entry.hash}"


def _postings(book: _Book, row: LedgerRow) -> list[str]:
    """Both postings of a row; a swap's two rows are combined elsewhere."""
    entry, wallet = row.entry, book.place(row.entry.account, "Wallet")
    if not row.raw:
        return []
    ours, other = wallet, OTHER_SIDE.get(row.what, "")
    if row.market is not None and row.what in (RowKind.LOSS, RowKind.OPENING):
        ours = book.market(entry.account, row.market)
    if row.what in (RowKind.DEPOSIT, RowKind.WITHDRAW):
        assert row.market is not None  # they are of a market by definition
        other = book.market(entry.account, row.market)
    elif row.what is RowKind.RENT:
        other = book.place(entry.account, "Rent")
    opposite = f"{whole(row.token, -row.raw)} {book.commodity(row.token)}"
    return [f"  {ours}  {_amount(book, row)}", *_meta(row), f"  {book.used(other)}  {opposite}"]


def _amount(book: _Book, row: LedgerRow) -> str:
    return f"{whole(row.token, row.raw)} {book.commodity(row.token)}"


def _meta(row: LedgerRow) -> list[str]:
    """Value, cost and gain as metadata, where they are known."""
    known = {"value": row.value, "cost": row.cost, "gain": row.gain}
    lines = [f"    {name}: {decimal(money)} {BASE}" for name, money in known.items() if money is not None]
    return lines + ([f'    price: "{_quoted(row.quote.source)}"'] if row.quote else [])


def _opening(book: _Book, rows: Sequence[LedgerRow], later: Sequence[LedgerRow]) -> list[str]:
    """Everything before the period, as balances."""
    sums: dict[tuple[str, Token], int] = {}
    for row in rows:
        for place, raw in _moved(book, row):
            sums[place, row.token] = sums.get((place, row.token), 0) + raw
    if not any(sums.values()):
        return []
    at = min((row.entry.at for row in later), default=max(row.entry.at for row in rows))
    lines = [f'{day(at)} * "balances before"']
    other = book.used(OTHER_SIDE[RowKind.OPENING])
    for (place, token), raw in sums.items():
        if raw:
            name = book.commodity(token)
            lines += [f"  {place}  {whole(token, raw)} {name}", f"  {other}  {whole(token, -raw)} {name}"]
    return ["\n".join(lines)]


def _moved(book: _Book, row: LedgerRow) -> list[tuple[str, int]]:
    """(account, base units) of each change in our asset accounts by a row."""
    account, raw = row.entry.account, row.raw or 0
    wallet = book.place(account, "Wallet")
    if row.market is not None and row.what in (RowKind.DEPOSIT, RowKind.WITHDRAW):
        return [(wallet, raw), (book.market(account, row.market), -raw)]
    if row.market is not None and row.what in (RowKind.LOSS, RowKind.OPENING):
        return [(book.market(account, row.market), raw)]
    return [(wallet, raw), (book.place(account, "Rent"), -raw)] if row.what is RowKind.RENT else [(wallet, raw)]


def _prices(book: _Book, rows: Iterable[LedgerRow]) -> list[str]:
    """The last price of each token on each day."""
    last: dict[tuple[str, str], str] = {}
    for row in rows:
        if row.quote is not None:
            last[day(row.entry.at), book.commodity(row.token)] = decimal(row.quote.price)
    return [f"{at} price {name} {price} {BASE}" for (at, name), price in sorted(last.items())]


def _balances(book: _Book, closing: Mapping[tuple[Account, Token], tuple[int, int]]) -> list[str]:
    """Assertions of each wallet's balance as read from the chain, for the beginning of the next day."""
    lines = []
    for (account, token), (raw, at) in closing.items():
        wallet = book.place(account, "Wallet")
        lines.append(f"{day(at + DAY_SECONDS)} balance {wallet}  {whole(token, raw)} {book.commodity(token)}")
    return sorted(lines)


def _component(text: str) -> str:
    """A component of an account's name: letters, digits and dashes, beginning with a capital or a digit."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-") or "X"
    return plain[0].upper() + plain[1:]


def _fit(plain: str) -> str:
    """A symbol turned into a valid commodity name: begins with a letter, ends with a letter or digit, at most 16
    characters."""
    inner = re.sub(r"[^A-Z0-9]", "", plain)[:16]
    return inner if inner[:1].isalpha() else f"T{inner or 'OKEN'}"


def _where(token: Token) -> str:
    return family_of(token.chain).coin_unit or str(evm_number(token.chain))


def _unused(name: str, behind: str, taken: set[str]) -> str:
    """The name; if it is taken, with ``behind`` or a number appended."""
    if name not in taken:
        return name
    tried = f"{name}-{behind}" if behind else name
    number = 2
    while tried in taken:
        tried, number = f"{name}-{number}", number + 1
    return tried


def _quoted(text: str) -> str:
    """Text for a quoted string."""
    return one_line(text).replace("\\", "\\\\").replace('"', '\\"')
