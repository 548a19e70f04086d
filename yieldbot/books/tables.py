"""The accounting as CSV: in our own columns, and in rotki's import formats for events and for trades. Pure.

RFC 4180: lines end with CR LF; cells with a comma, a quote or a line break are quoted. A cell that a spreadsheet would
read as a formula is prefixed with an apostrophe; numbers are left as numbers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from yieldbot.books.entries import Entry, EntryKind
from yieldbot.books.export_text import DisplayNames, decimal, utc, whole
from yieldbot.books.ledger import BASE, INCOME, LedgerRow, RowKind
from yieldbot.model.amounts import Token
from yieldbot.model.families import EVM_NATIVE, SVM_NATIVE, family_of
from yieldbot.model.ids import evm_chain
from yieldbot.model.known import WRAPPED_SOL
from yieldbot.model.text import cell_text

COLUMNS = (
    *("time", "unix_time", "chain", "chain_id", "block", "transaction", "wallet", "address", "kind", "market"),
    *("market_id", "token", "token_address", "amount", f"price_{BASE.lower()}", f"value_{BASE.lower()}"),
    *(f"cost_{BASE.lower()}", f"gain_{BASE.lower()}", f"income_{BASE.lower()}", "price_source", "description"),
)
"""Columns of ``--format csv``; docs/books.md explains each."""
EVENTS = ("Type", "Location", "Currency", "Amount", "Fee", "Fee Currency", "Description", "Timestamp")
TRADES = (
    *("Location", "Spend Currency", "Spend Amount", "Receive Currency", "Receive Amount"),
    *("Fee", "Fee Currency", "Description", "Timestamp"),
)
"""Headers of rotki's custom import: of generic events and of generic trades."""
NATIVE = {evm_chain(137): "eip155:137/erc20:0x0000000000000000000000000000000000001010"}
"""Native tokens that rotki does not know by their symbol."""


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\r\n")
    for row in chain([header], rows):
        writer.writerow(row)
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def to_csv(rows: Iterable[LedgerRow], names: DisplayNames) -> Iterator[str]:
    """One line a row, in our own columns; each line as soon as its row is known."""
    return _csv(COLUMNS, (_line(row, names) for row in rows))


def _line(row: LedgerRow, names: DisplayNames) -> list[str]:
    entry, (chain, owner) = row.entry, row.entry.account
    return [
        utc(entry.at),
        str(entry.at),
        cell_text(names.chain(chain)),
        chain,
        str(entry.height or ""),
        entry.hash,
        cell_text(names.wallet(entry.account)),
        owner,
        row.what.value,
        cell_text(names.market(row.market)),
        row.market or "",
        cell_text(row.token.symbol),
        row.token.address,
        whole(row.token, row.raw),
        decimal(row.quote.price if row.quote else None),
        decimal(row.value),
        decimal(row.cost),
        decimal(row.gain),
        decimal(row.value) if row.what in INCOME else "",
        cell_text(row.quote.source if row.quote else ""),
        cell_text(entry.description),
    ]


ROTKI_TYPES = {
    RowKind.OPENING: "Deposit",
    RowKind.IN: "Deposit",
    RowKind.OUT: "Withdrawal",
    RowKind.INTEREST: "Income",
    RowKind.CLAIM: "Income",
    RowKind.LOSS: "Loss",
    RowKind.FEE: "Spend",
}
"""rotki's type of each kind of row. Deposits into markets and withdrawals have none: that money stays ours."""


def to_rotki(rows: Iterable[LedgerRow], names: DisplayNames) -> Iterator[str]:
    """Events for rotki's custom import, a line at a time; ``is_trade`` says which rows belong in its file of trades."""
    return _csv(EVENTS, _events(rows, names))


def is_trade(row: LedgerRow) -> bool:
    """Whether a row is the side of a swap that rotki takes as a trade."""
    return row.what is RowKind.SWAP and (row.raw or 0) < 0


def _events(rows: Iterable[LedgerRow], names: DisplayNames) -> Iterator[list[str]]:
    for row in rows:
        kind = ROTKI_TYPES.get(row.what)
        if row.what in (RowKind.OTHER, RowKind.LIQUIDITY, RowKind.UNEXPLAINED) and row.raw:
            kind = "Deposit" if row.raw > 0 else "Withdrawal"
        if kind is not None and row.raw:
            amount = whole(row.token, abs(row.raw))
            note = f"{row.what.value}: {_description(row.entry, names)}"
            yield [kind, "blockchain", identifier(row.token), amount, "", "", cell_text(note), _ms(row.entry)]


def to_rotki_trades(rows: Iterable[LedgerRow], names: DisplayNames) -> Iterator[str]:
    """Swaps for rotki's custom import of trades; their gas is among the events."""
    pairs: dict[tuple[str, str], list[LedgerRow]] = {}
    for row in rows:
        if row.what is RowKind.SWAP and row.entry.kind is EntryKind.SWAP:
            pairs.setdefault((row.entry.account[0], row.entry.hash), []).append(row)
    lines = []
    for found in pairs.values():
        given, got = [r for r in found if (r.raw or 0) < 0], [r for r in found if (r.raw or 0) > 0]
        if len(given) == len(got) == 1:
            sides = [
                cell for r in (given[0], got[0]) for cell in (identifier(r.token), whole(r.token, abs(r.raw or 0)))
            ]
            entry = given[0].entry
            lines.append(["blockchain", *sides, "", "", cell_text(_description(entry, names)), _ms(entry)])
    return _csv(TRADES, lines)


def identifier(token: Token) -> str:
    """A token's identifier in rotki: CAIP-19 of its contract or mint; a native token's symbol."""
    if token.address in (EVM_NATIVE, SVM_NATIVE, WRAPPED_SOL):
        return NATIVE.get(token.chain, cell_text(token.symbol))
    family = family_of(token.chain)
    return f"{family.rotki_chain or token.chain}/{family.token_namespace}:{token.address}"


def _description(entry: Entry, names: DisplayNames) -> str:
    """The description of a row."""
    where = f"{names.wallet(entry.account)} on {names.chain(entry.account[0])}"
    return f"{entry.description or entry.kind.value} ({where}" + (f", {entry.hash})" if entry.hash else ")")


def _ms(entry: Entry) -> str:
    return str(entry.at * 1000)
