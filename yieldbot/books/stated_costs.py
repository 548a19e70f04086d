"""What the user says that tokens cost, for books that cannot know it: ``costs.csv`` beside yieldbot.toml."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Mapping
from dataclasses import field
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path

from yieldbot.books.entries import Account, Entry, EntryKind
from yieldbot.errors import ConfigError
from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import ChainId
from yieldbot.model.spelling import did_you_mean
from yieldbot.resources import read_text

FILE = "costs.csv"
"""The file that is read by default, in the folder of yieldbot.toml."""
COLUMNS = ("wallet", "chain", "token", "transaction", "price_usd")
FROM_OUTSIDE = (EntryKind.IN, EntryKind.OPENING, EntryKind.UNEXPLAINED)
"""Kinds of entries whose tokens the user may have paid for elsewhere."""
MOST_PRICE = Decimal(10) ** 15

Owned = tuple[Account, str]
"""An account and a token's address in lower case."""


@dataclass(frozen=True, slots=True)
class StatedCosts:
    """Prices that were paid, in the base currency for a whole token."""

    by_transaction: Mapping[tuple[Owned, str], Fraction] = field(default_factory=dict)
    """Of tokens that came by one transaction, by its hash."""
    otherwise: Mapping[Owned, Fraction] = field(default_factory=dict)
    """Of all whose cost is not known in another way."""
    lines: Mapping[tuple[Owned, str], str] = field(default_factory=dict)
    """Where each of ``by_transaction`` stands, as ``costs.csv:3``."""

    def unused(self, entries: Iterable[Entry]) -> list[str]:
        """A sentence for each line whose transaction brought the token from nowhere, by these entries."""
        came = {
            ((entry.account, change.token.address.lower()), (entry.hash or "").lower())
            for entry in entries
            if entry.kind in FROM_OUTSIDE
            for change in entry.changes
            if change.raw > 0
        }
        return [
            f"{where}: transaction {key[1]} brought none of this token from elsewhere: the line counts for nothing"
            for key, where in self.lines.items()
            if key not in came
        ]

    def of(self, entry: Entry, token: Token, raw: int, known: Fraction | None) -> Fraction | None:
        """The cost of ``raw`` units that an entry brought; ``known``: what the books take it for, None: they cannot
        know it. A price that is stated for the transaction counts before the value on arrival."""
        owned = (entry.account, token.address.lower())
        price = None
        if entry.kind in FROM_OUTSIDE:
            price = self.by_transaction.get((owned, (entry.hash or "").lower()))
        if price is None:
            return known if known is not None else self.rest(entry.account, token, raw)
        return price * raw / token.one

    def rest(self, account: Account, token: Token, raw: int) -> Fraction | None:
        """The cost of ``raw`` units that no entry explains; None: it is not stated."""
        price = self.otherwise.get((account, token.address.lower()))
        return None if price is None else price * raw / token.one


NOTHING = StatedCosts()
"""Nothing is stated."""


def read(
    file: Path, wallets: Mapping[Account, str], chains: Mapping[ChainId, str], tokens: Collection[Token]
) -> StatedCosts:
    """The costs in a file; nothing where there is no file.

    wallets: names by account; chains: names by chain id; tokens: those that the books know. A wallet is named or given
    by its address, a chain by its name or id, a token by its symbol or address. Raises ConfigError, with the line.
    """
    if not file.exists():
        return NOTHING
    rows = csv.DictReader(io.StringIO(read_text(file)))
    if tuple(rows.fieldnames or ()) != COLUMNS:
        raise ConfigError(f"{file}: the first line must be {','.join(COLUMNS)}")
    single, rest = dict[tuple[Owned, str], Fraction](), dict[Owned, Fraction]()
    lines = dict[tuple[Owned, str], str]()
    for row in rows:
        where = f"{file}:{rows.line_num}"
        if None in row or None in row.values():
            raise ConfigError(f"{where}: a line has {len(COLUMNS)} columns: {','.join(COLUMNS)}")
        account = _account(row["wallet"], row["chain"], wallets, chains, where)
        transaction = row["transaction"].strip()
        for owned in _owned(account, row["token"], tokens, where):
            key: object = (owned, transaction.lower()) if transaction else owned
            into: dict[object, Fraction] = single if transaction else rest  # type: ignore[assignment]
            if key in into:
                raise ConfigError(f"{where}: the same wallet, chain, token and transaction stand in a line before")
            into[key] = _price(row["price_usd"], where)
            if transaction:
                lines[owned, transaction.lower()] = where
    return StatedCosts(single, rest, lines)


def lines_for(
    owned: Iterable[tuple[Account, Token]], wallets: Mapping[Account, str], chains: Mapping[ChainId, str]
) -> str:
    """The file's first line, and one to complete for each of these."""
    missing = [
        f"{wallets.get(account, account[1])},{chains.get(account[0], account[0])},{token.symbol},,"
        for account, token in owned
    ]
    return " | ".join([",".join(COLUMNS), *missing])


def _account(
    wallet: str, chain: str, wallets: Mapping[Account, str], chains: Mapping[ChainId, str], where: str
) -> Account:
    found = [
        account
        for account, name in wallets.items()
        if wallet.strip().lower() in (name.lower(), account[1].lower())
        and chain.strip().lower() in (chains.get(account[0], account[0]).lower(), account[0].lower())
    ]
    if len(found) != 1:
        known = sorted({f"{name} on {chains.get(account[0], account[0])}" for account, name in wallets.items()})
        raise ConfigError(
            f"{where}: {wallet} on {chain}: no such account; {did_you_mean(f'{wallet} on {chain}', known)}"
        )
    return found[0]


def _owned(account: Account, token: str, tokens: Collection[Token], where: str) -> tuple[Owned, ...]:
    there = [one for one in tokens if one.chain == account[0]]
    named = token.strip().lower()
    found = {one.address.lower() for one in there if named in (one.symbol.lower(), one.address.lower())}
    if len(found) > 1:
        raise ConfigError(f"{where}: several tokens are called {token}: write the address of the one that is meant")
    if not found:
        raise ConfigError(f"{where}: {token}: no token of the books; {did_you_mean(token, [t.symbol for t in there])}")
    return tuple((account, address) for address in found)


def _price(text: str, where: str) -> Fraction:
    try:
        price = Decimal(text.strip())
    except InvalidOperation:
        raise ConfigError(f"{where}: price_usd {text!r}: write US dollars for a whole token, as 2500.50") from None
    if not price.is_finite() or not 0 <= price <= MOST_PRICE:
        raise ConfigError(f"{where}: price_usd {text}: write a price from 0 to {MOST_PRICE:,f}")
    return Fraction(price)
