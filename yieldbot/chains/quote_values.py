"""What an exchange's quote was made from, on any chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from yieldbot.errors import MarketError
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.exchange import Exchange, PoolState, Price
from yieldbot.model.fees import SWAP_TXS

WEI = 10**18
MICRO_LAMPORTS = 10**15
"""Of one SOL."""


@dataclass(frozen=True, slots=True)
class Read:
    """prices: whole tokens wanted for one given, by who says so; usd: each token's feed, where it has one; unit_native:
    what a unit of gas (Solana: a compute unit) costs in whole native tokens, and native: the feed that weighs it (None:
    not known); tx_native: what a transaction pays beside its gas; unread: why not."""

    block: BlockRef
    states: list[PoolState]
    prices: dict[str, float]
    usd: Mapping[Token, Price]
    unit_native: float
    native: Price | None
    unread: list[str]
    tx_native: float = 0.0

    def way_cost(self, token: Token) -> float:
        """What the transactions of one way of a swap pay beside their gas, in base units of ``token``."""
        if self.native is None or token not in self.usd:
            return 0.0
        return SWAP_TXS * self.tx_native * self.native.usd / self.usd[token].usd * token.one

    def unit_cost(self, token: Token) -> float:
        """A unit of gas in base units of ``token``; 0 where no feed weighs it."""
        if self.native is None or token not in self.usd:
            return 0.0
        return self.unit_native * self.native.usd / self.usd[token].usd * token.one


def read_of(
    block: BlockRef,
    exchange: Exchange,
    pair: tuple[Token, Token],
    unit_native: float,
    native: Price | MarketError | None,
) -> Read:
    weighed, unread = native if isinstance(native, Price) else None, list(exchange.unread)
    if weighed is None or not set(pair) <= exchange.usd.keys():
        unread.append("gas is not counted: a USD feed of the native token or of what is swapped is missing")
    rates = exchange.rates(*pair)
    return Read(block, list(exchange.states), rates, exchange.usd, unit_native, weighed, unread)


def feeds_in(fed: Sequence[Token], said: Sequence[Price | MarketError]) -> tuple[dict[Token, Price], list[str]]:
    """Tokens' prices, and what could not be read."""
    usd = {token: price for token, price in zip(fed, said, strict=False) if isinstance(price, Price)}
    return usd, [f"{t.symbol}'s feed: {p}" for t, p in zip(fed, said, strict=False) if isinstance(p, MarketError)]
