"""Formats numbers, times and names for exports: the same input gives the same text on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from fractions import Fraction

from yieldbot.books.entries import Account
from yieldbot.books.ledger import LedgerRow
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import ChainId, MarketId

PLACES = 10
"""Decimals of money in the base currency, the last one rounded half to even."""


@dataclass(frozen=True, slots=True)
class DisplayNames:
    """Display names; anything without a name is shown by its id."""

    chains: Mapping[ChainId, str]
    """Names by chain id."""
    wallets: Mapping[Account, str]
    """Names by account."""
    markets: Mapping[MarketId, str]
    """Names by market id."""

    def chain(self, chain: ChainId) -> str:
        return self.chains.get(chain, chain)

    def wallet(self, account: Account) -> str:
        return self.wallets.get(account, account[1])

    def market(self, market_id: MarketId | None) -> str:
        return "" if market_id is None else self.markets.get(market_id, market_id)


def decimal(value: Fraction | None) -> str:
    """Base currency in decimal notation without trailing zeros; empty for None."""
    if value is None:
        return ""
    with localcontext() as context:
        context.prec = 100
        rounded = Decimal(round(value * 10**PLACES)).scaleb(-PLACES)
        return trimmed(f"{rounded:f}")


def trimmed(text: str) -> str:
    """The number without trailing zeros in its fraction, and without a negative zero."""
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def whole(token: Token, raw: int | None) -> str:
    """Base units as whole tokens, exactly."""
    return "" if raw is None else trimmed(f"{Amount(token, raw).decimal:f}")


def utc(at: int) -> str:
    """Unix seconds as 2026-11-25T20:05:00Z."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day(at: int) -> str:
    """The day in UTC, as 2026-11-25."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def within(row: LedgerRow, start: int | None, end: int | None) -> bool:
    """Whether a row lies in start <= time < end (unix seconds; None: unbounded)."""
    return (start is None or row.entry.at >= start) and (end is None or row.entry.at < end)
