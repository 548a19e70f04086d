"""Which markets a name in the policy covers: one rule for all of its lists and tables, and for ``plan --exclude``.
Pure.

A market can be named by its protocol, its flavour, its table in chains/ ("Drip Vault"), its own name in tables ("Drip
Vault dvUSDC"), or its id. An id cut off at a ``/`` covers every market below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from yieldbot.model.exchange import Pool
from yieldbot.model.ids import MarketId, market_chain

if TYPE_CHECKING:
    from yieldbot.model.market import Market

T = TypeVar("T")
POOLS = "_lp"
"""Suffix of the protocol name of a pool's liquidity, after the exchange's."""


def matches(name: str, market_id: str, names: Iterable[str] = ()) -> bool:
    """Whether a name covers the market with this id and the names ``names``."""
    return bool(name) and (name in names or f"{market_id}/".startswith(f"{name}/"))


def means(name: str, market: Market) -> bool:
    """Whether a name covers this market."""
    return matches(name, market.id, _called(market))


def named(market: Market, names: Iterable[str]) -> bool:
    """Whether one of the names covers this market."""
    called = _called(market)
    return any(matches(name, market.id, called) for name in names)


def of_table(table: Mapping[str, T], market: Market, default: T) -> T:
    """The table's value for this market, by the narrowest name that covers it. From narrow to wide: an id (the longest
    first), the market's name, the name of its table in chains/, its flavour, its protocol; if none is in the table,
    ``default``."""
    if not table:
        return default
    ids = market.id.split("/")
    narrowing = [market.protocol, ids[0], _flavour(market), market.deployment, market.name]
    narrowing += ["/".join(ids[:count]) for count in range(2, len(ids) + 1)]
    return next((table[name] for name in reversed(narrowing) if name and name in table), default)


def pool_id(pool: Pool) -> MarketId:
    """The market id of a pool's liquidity."""
    return MarketId(f"{pool.protocol}{POOLS}/{market_chain(pool.token0.chain)}/{pool.id.lower()}")


def pool_named(pool: Pool, names: Iterable[str]) -> bool:
    """Whether one of the names covers liquidity in a pool: the id or name of its market, the exchange, the pool's
    address, or the pool's name with or without its tokens."""
    called = {pool.name, pool_name(pool), pool.protocol, f"{pool.protocol}{POOLS}", pool.address.lower(), pool.id}
    market_id = pool_id(pool)
    return any(matches(name, market_id, called) or pool.name.startswith(f"{name} ") for name in names if name)


def pool_name(pool: Pool) -> str:
    """The market name of a pool's liquidity."""
    first, second = pool.token0.symbol, pool.token1.symbol
    before, _, last = pool.name.rpartition(" ")
    own = before if before and {first, second} <= set(re.split(r"[/+]", last)) else pool.name
    return f"{own} {first}/{second}"


def _flavour(market: Market) -> str:
    return str(market.params.get("flavour", ""))


def _called(market: Market) -> tuple[str, ...]:
    return (market.name, market.deployment, _flavour(market), market.protocol)
