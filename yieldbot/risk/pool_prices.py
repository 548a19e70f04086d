"""The dollar price of a pegged token in pools: the second source of a peg, in addition to its feed. Pure.

Each pool's price is weighted by its depth, because a pool without trades keeps an old price. The other token of a pool
is valued by its own feed; a pool against a dollar token that is itself off its peg is not used.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from yieldbot.history.networks import is_dollar
from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.exchange import FEEDS, Exchange, PoolState, Price
from yieldbot.model.ids import Address

TRUSTED = 0.005
"""Distance from one dollar, by its feed, beyond which a dollar token is not used to price another."""
DEEP = 0.01
"""Fall of the price, as a fraction, up to which depth is measured."""
LEAST_DEPTH = 1_000.0
"""Least total depth of the pools, in whole tokens. Moving a depth of 1,000 back by 1 % earns an arbitrageur five
dollars, about the gas of a transaction: a shallower pool's price is not corrected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPrice:
    """A token's price in one pool."""

    other: Token
    """The pool's other token."""
    rate: float
    """Whole tokens of ``other`` for one token, midway between the prices for buying and selling."""
    depth: float
    """Whole tokens that can be sold until the rate has fallen by ``DEEP``."""


def traded(prices: Iterable[PoolPrice], usd: Mapping[Address, Price], pegged: Collection[Address]) -> float | None:
    """Dollars for one whole token: the depth-weighted median over its pools; None: they are too shallow. usd: dollar
    prices by feeds, by token address. pegged: tokens that are pegged to the dollar."""
    rows = sorted(
        (one.rate * usd[one.other.address].usd, one.depth)
        for one in prices
        if one.other.address in usd
        and not (one.other.address in pegged and abs(usd[one.other.address].usd - 1.0) >= TRUSTED)
        and 0.0 < one.rate < math.inf
        and 0.0 < one.depth < math.inf
    )
    whole = sum(depth for _, depth in rows)
    if whole < LEAST_DEPTH:
        return None
    reached = 0.0
    for price, depth in rows:
        reached += depth
        if reached >= whole / 2:
            return price
    return rows[-1][0]


def concentrated(token: Token, other: Token, tick: float, liquidity: float, is_token0: bool) -> PoolPrice:
    """Price in a concentrated-liquidity pool (Uniswap v3) at a tick, spot or TWAP, with its active liquidity.

    Source: Uniswap v3 white paper, 6.2: between the prices a and b lie L (1/sqrt(a) - 1/sqrt(b)) of token0 and L
    (sqrt(b) - sqrt(a)) of token1, in base units.
    """
    root = 1.0001 ** (tick / 2)
    step = math.sqrt(1.0 - DEEP)
    raw = liquidity / root * (1.0 / step - 1.0) if is_token0 else liquidity * root * (1.0 / step - 1.0)
    rate = root * root if is_token0 else 1.0 / (root * root)
    return PoolPrice(other=other, rate=rate * token.one / other.one, depth=raw / token.one)


def quoted(exchange: Exchange, token: Token) -> Iterator[PoolPrice]:
    """Spot prices of the pools that were read and keep no TWAP. A single swap can move such a price."""
    with_twap = {pool.id for pool, _ in exchange.oracle_prices}
    for state in exchange.states:
        if state.pool.id in with_twap or token not in (state.pool.token0, state.pool.token1):
            continue
        try:
            found = _quoted(state, token)
        except (ValueError, ArithmeticError):
            continue
        if found is not None:
            yield found


def _quoted(state: PoolState, token: Token) -> PoolPrice | None:
    other = state.pool.token1 if token == state.pool.token0 else state.pool.token0
    venue = state.venue(token)
    sold = venue.quote_exact_in(token.one)[0]
    bought = state.venue(other).quote_exact_in(sold)[0] if sold else 0
    if not bought:
        return None
    fees = math.sqrt(bought / token.one)  # one direction is enough: both are alike
    rate = sold / fees
    least = sold / token.one * (1.0 - DEEP)
    return PoolPrice(other=other, rate=rate / other.one, depth=venue.amount_until_price(least) / token.one)


def of_exchange(exchange: Exchange, token: Token) -> float | None:
    """Dollars for one whole token by the pools of an exchange: by their TWAPs, else by their spot prices."""
    usd = {other.address: price for other, price in exchange.usd.items()}
    dollars = {other.address for other in exchange.usd if is_dollar(other.symbol)}
    found = traded(means(exchange, token), usd, dollars)
    return traded(quoted(exchange, token), usd, dollars) if found is None else found


def with_traded(pegs: Mapping[Token, Price | None], exchange: Exchange) -> dict[Token, Price | None]:
    """The prices with the pool prices of pegged tokens added."""
    return {
        token: None if price is None else replace(price, traded=of_exchange(exchange, token))
        for token, price in pegs.items()
    }


def means(exchange: Exchange, token: Token) -> Iterator[PoolPrice]:
    """TWAPs of pools whose depth is not known: each gets the same weight, and counts as deep enough."""
    for other in exchange.usd:
        if other != token:
            for source, rate in exchange.rates(token, other).items():
                if source != FEEDS:
                    yield PoolPrice(other=other, rate=rate, depth=LEAST_DEPTH)
