"""Prices by feeds at the blocks of our own transactions, remembered: they do not change any more, and reading one for
each transaction ever made would make ``positions`` and ``export`` slower with each.

One file in memory's folder, a line a price with a digest of it; it may be deleted at any time, and is then read from
the chain again, as is each price whose line is damaged or was edited. A price is known by its transaction and its feed,
so that another chain or another feed is never mixed up with it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app.memory import FOLDER
from yieldbot.books.chain_record import priced_tokens
from yieldbot.books.ledger import PriceQuote
from yieldbot.model.native import feed_of

if TYPE_CHECKING:
    from yieldbot.books.chain_record import ChainRecord, Quotes
    from yieldbot.books.entries import Entry
    from yieldbot.model.amounts import Token
    from yieldbot.model.ids import Address, ChainId
    from yieldbot.model.settings import ChainSettings

FILE = "past-prices.jsonl"
SETTLED_SECONDS = 86_400
"""Prices of younger transactions are not kept: their block may still be replaced by another."""

TAIL = len(', ""]') + 64
"""Characters at a line's end: the digest of what stands before it."""

Key = tuple[str, str, str, str]
"""Chain, transaction, token and feed."""


class PastPrices:
    """The file, read once."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FOLDER / FILE
        self._known: dict[Key, str | PriceQuote] = {}  # the rest of a line until its price is asked for
        with suppress(OSError):
            for line in self._path.read_bytes().decode(errors="replace").splitlines():
                if _digest(line[:-TAIL] + "]") != line[-TAIL + 3 : -2]:  # cut off by a full disk, edited
                    continue
                if len(parts := line[2:].split('", "', 4)) == 5:
                    self._known[parts[0], parts[1], parts[2], parts[3]] = parts[4]

    def of(self, settings: ChainSettings, entries: Sequence[Entry], also: Sequence[Token] = ()) -> Quotes:
        """The known prices of tokens of these entries, and of further ones at each, by chain, height and token."""
        found: dict[tuple[ChainId, int, Address], PriceQuote] = {}
        feeds: dict[Token, str] = {}
        for entry in entries if self._known else ():
            for token in priced_tokens(entry, also):
                if (quote := self._quote(_key(settings, entry, token, feeds))) is not None:
                    found[settings.chain, entry.height, token.address] = quote
        return found

    def _quote(self, key: Key) -> PriceQuote | None:
        """A known price; None: there is none, or its line says no price."""
        found = self._known.get(key)
        if not isinstance(found, str):
            return found
        with suppress(ValueError, ArithmeticError):
            usd, source, _ = found.split('", "')
            over, _, under = usd.partition("/")
            if (price := Fraction(int(over), int(under or 1))) > 0:
                quote = self._known[key] = PriceQuote(price, source)
                return quote
        del self._known[key]
        return None

    def keep(self, settings: ChainSettings, record: ChainRecord, also: Sequence[Token] = ()) -> None:
        """Keep the prices of a history that are old enough. A disk that takes none is no fault: they are read again."""
        lines: list[str] = []
        feeds: dict[Token, str] = {}
        for entry in record.entries:
            if not entry.hash or record.block.timestamp - entry.at < SETTLED_SECONDS:
                continue
            for token in priced_tokens(entry, also):
                key = _key(settings, entry, token, feeds)
                quote = record.quotes.get((settings.chain, entry.height, token.address))
                if quote is not None and key[3] and key not in self._known and "\\" not in json.dumps(quote.source):
                    self._known[key] = quote
                    fields = [*key, str(quote.price), quote.source]
                    lines.append(json.dumps([*fields, _digest(json.dumps(fields))]) + "\n")
        if not lines:
            return
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                if file.tell() and not self._path.read_bytes().endswith(b"\n"):
                    lines.insert(0, "\n")
                os.write(file.fileno(), "".join(lines).encode())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _key(settings: ChainSettings, entry: Entry, token: Token, feeds: dict[Token, str]) -> Key:
    """feeds: those that were looked up before, by token."""
    if (feed := feeds.get(token)) is None:
        feed = feeds[token] = feed_of(settings, token) or ""
    return settings.chain, entry.hash, token.address, feed
