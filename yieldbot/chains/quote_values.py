"""Pools, prices and fees that a quote is computed from, on any chain."""

from __future__ import annotations

from collections.abc import Mapping

from yieldbot.errors import MarketError
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.exchange import Exchange, PoolState, Price
from yieldbot.model.fees import SWAP_TXS
from yieldbot.rpc.flows import Handle

WEI = 10**18
MICRO_LAMPORTS = 10**15
"""Micro-lamports in one SOL."""


@dataclass(frozen=True, slots=True)
class QuoteInputs:
    """What was read at one block to quote one pair of tokens."""

    block: BlockRef
    """The block or slot."""
    states: list[PoolState]
    """The pools that could be read."""
    prices: dict[str, float]
    """Whole output tokens for one input token, by price oracle."""
    usd: Mapping[Token, Price]
    """US dollar prices by token, of tokens that have a feed."""
    unit_native: float
    """Cost of one unit of gas (Solana: one compute unit), in whole native tokens."""
    native: Price | None
    """The native token's US dollar price; None: unknown, so that gas is not counted."""
    unread: list[str]
    """What could not be read, each with the reason."""
    tx_native: float = 0.0
    """What a transaction pays in addition to its gas, in whole native tokens."""

    def way_cost(self, token: Token) -> float:
        """Fees in addition to the gas for one route's transactions, in base units of ``token``; 0 if no feed prices
        them."""
        if self.native is None or token not in self.usd:
            return 0.0
        return SWAP_TXS * self.tx_native * self.native.usd / self.usd[token].usd * token.one

    def unit_cost(self, token: Token) -> float:
        """Cost of one unit of gas in base units of ``token``; 0 if no feed prices it."""
        if self.native is None or token not in self.usd:
            return 0.0
        return self.unit_native * self.native.usd / self.usd[token].usd * token.one


def read_of(
    block: BlockRef,
    exchange: Exchange,
    pair: tuple[Token, Token],
    unit_native: float,
    native: Price | MarketError | None,
) -> QuoteInputs:
    """The inputs of a quote for ``pair``. unit_native: cost of one unit of gas, in whole native tokens. native: the
    native token's feed; None: the chain names none."""
    weighed, unread = native if isinstance(native, Price) else None, list(exchange.unread)
    if weighed is None or not set(pair) <= exchange.usd.keys():
        unread.append("gas is not counted: a USD feed of the native token or of what is swapped is missing")
    rates = exchange.rates(*pair)
    return QuoteInputs(block, list(exchange.states), rates, exchange.usd, unit_native, weighed, unread)


def feeds_in(feeds: Mapping[Token, Handle[Price]]) -> tuple[dict[Token, Price], list[str]]:
    """(US dollar prices by token, reasons of feeds that failed), from the feeds that were read, by token."""
    usd = {token: feed.answer for token, feed in feeds.items() if isinstance(feed.answer, Price)}
    return usd, [f"{t.symbol}'s feed: {f.answer}" for t, f in feeds.items() if isinstance(f.answer, MarketError)]
