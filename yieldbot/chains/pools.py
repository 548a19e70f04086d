"""Which pools were found, from what every exchange's listing answered."""

from __future__ import annotations

from collections.abc import Iterable

from yieldbot.errors import MarketError
from yieldbot.model.amounts import Token
from yieldbot.model.exchange import Pool


def pools_of(answers: Iterable[tuple[Pool, ...] | MarketError]) -> tuple[list[Pool], list[str]]:
    """The pools that listings found, and what could not be read. One that was named twice is one: its liquidity is not
    there twice, nor is its word that of two."""
    pools, unread = dict[tuple[str, frozenset[Token]], Pool](), list[str]()
    for found in answers:
        if isinstance(found, MarketError):
            unread.append(str(found))
            continue
        for pool in found:
            pools.setdefault((pool.id, frozenset((pool.token0, pool.token1))), pool)
    return list(pools.values()), unread
