"""What pools say a dollar token is worth: the second source of a peg, beside its feed. Pure.

A pool's price counts by its depth, so that one which nobody trades in, and whose price stands where it was left, says
little. The other token is valued by its own feed; a dollar that is off itself is no measure.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from yieldbot.history.networks import is_dollar
from yieldbot.model.amounts import Token
from yieldbot.model.exchange import FEEDS, Exchange, PoolState, Price
from yieldbot.model.ids import Address

TRUSTED = 0.005
"""A dollar whose own feed is further off says nothing of another one."""
DEEP = 0.01
"""Depth is what goes in until the price has fallen by this."""
LEAST_DEPTH = 1_000.0
"""Whole tokens that all pools together must take: who brings a thousand back by a hundredth earns five dollars, a
transaction's gas. Below it nobody does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPrice:
    """What one pool says of a token."""

    other: Token
    """The token that it is exchanged for."""
    rate: float
    """Whole tokens of it for one, between what is paid for buying and for selling."""
    depth: float
    """Whole tokens that go in until the rate has fallen by ``DEEP``."""


def traded(prices: Iterable[PoolPrice], usd: Mapping[Address, Price], pegged: Collection[Address]) -> float | None:
    """Dollars for one whole token by its pools: the median over their depth; None where they are too shallow.

    usd: prices by feeds, by token address. pegged: tokens that are dollars."""
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
    """Of a pool of Uniswap v3's form at a (mean) tick with a (mean) liquidity.

    Source: Uniswap v3's white paper, 6.2: token0 between two prices is L (1/sqrt(a) - 1/sqrt(b)), token1
    L (sqrt(b) - sqrt(a)), in base units."""
    root = 1.0001 ** (tick / 2)
    step = math.sqrt(1.0 - DEEP)
    raw = liquidity / root * (1.0 / step - 1.0) if is_token0 else liquidity * root * (1.0 / step - 1.0)
    rate = root * root if is_token0 else 1.0 / (root * root)
    return PoolPrice(other=other, rate=rate * token.one / other.one, depth=raw / token.one)


def quoted(exchange: Exchange, token: Token) -> Iterator[PoolPrice]:
    """What the pools that were read would pay now: of those alone that keep no TWAP, since one swap moves it."""
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
    fees = math.sqrt(bought / token.one)  # of one way, where both are alike
    rate = sold / fees
    least = sold / token.one * (1.0 - DEEP)
    return PoolPrice(other=other, rate=rate / other.one, depth=venue.amount_until_price(least) / token.one)


def of_exchange(exchange: Exchange, token: Token) -> float | None:
    """Dollars for one whole token by the pools of an exchange: their TWAPs, else what they would pay now."""
    usd = {other.address: price for other, price in exchange.usd.items()}
    dollars = {other.address for other in exchange.usd if is_dollar(other.symbol)}
    found = traded(means(exchange, token), usd, dollars)
    return traded(quoted(exchange, token), usd, dollars) if found is None else found


def with_traded(pegs: Mapping[Token, Price | None], exchange: Exchange) -> dict[Token, Price | None]:
    """The prices of pegged tokens with what an exchange's pools say of them."""
    return {
        token: None if price is None else replace(price, traded=of_exchange(exchange, token))
        for token, price in pegs.items()
    }


def means(exchange: Exchange, token: Token) -> Iterator[PoolPrice]:
    """The TWAPs of pools that say no depth: each counts alike, and as deep enough."""
    for other in exchange.usd:
        if other != token:
            for source, rate in exchange.rates(token, other).items():
                if source != FEEDS:
                    yield PoolPrice(other=other, rate=rate, depth=LEAST_DEPTH)
