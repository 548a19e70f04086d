"""Accounts, tokens and entries to post."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from yieldbot.books.entries import EVM_NATIVE, Entry, EntryKind
from yieldbot.books.ledger import PriceQuote, QuoteOf
from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address, MarketId, evm_chain
from yieldbot.model.tx import Delta

CHAIN = evm_chain(31337)
OWNER = Address("0x" + "0a" * 20)
ACCOUNT = (CHAIN, OWNER)
USDC = Token(CHAIN, Address("0x" + "01" * 20), "USDC", 6)
WETH = Token(CHAIN, Address("0x" + "02" * 20), "WETH", 18)
SHARES = Token(CHAIN, Address("0x" + "03" * 20), "aUSDC", 6)
ETH = Token(CHAIN, EVM_NATIVE, "ETH", 18)
AAVE = MarketId("aave_v3/31337/0x04")
DAY = 86_400
BORN = 1_700_000_000


def entry(kind: EntryKind, day: int = 0, *changes: tuple[Token, int], **more: Any) -> Entry:
    """One entry, ``day`` days after the first; a deposit or withdrawal is Aave's."""
    in_market = kind in (EntryKind.DEPOSIT, EntryKind.WITHDRAW)
    fields: dict[str, Any] = {
        "account": ACCOUNT,
        "kind": kind,
        "at": BORN + day * DAY,
        "height": 100 + day,
        "hash": f"0x{day:064x}",
        "changes": tuple(Delta(token, raw) for token, raw in changes),
        "native": ETH,
    }
    if in_market:
        fields |= {"market_id": AAVE, "asset": USDC, "shares": frozenset({SHARES})}
    return Entry(**(fields | more))


def quotes(prices: Mapping[Token, str | Mapping[int, str]]) -> QuoteOf:
    """Prices by token, the same at all times or by day."""

    def quote_of(at: Entry, token: Token) -> PriceQuote | None:
        told = prices.get(token)
        price = told if isinstance(told, str) or told is None else told.get((at.at - BORN) // DAY)
        return None if price is None else PriceQuote(Fraction(price), "a test")

    return quote_of
