"""Joins the pools that several exchanges list."""

from __future__ import annotations

from collections.abc import Iterable

from yieldbot.errors import MarketError
from yieldbot.model.amounts import Token
from yieldbot.model.exchange import Pool


def pools_of(answers: Iterable[tuple[Pool, ...] | MarketError]) -> tuple[list[Pool], list[str]]:
    """The listed pools, and the reasons of listings that failed. A pool that two tables list counts once, for its
    liquidity and as one independent price."""
    pools, unread = dict[tuple[str, frozenset[Token]], Pool](), list[str]()
    for found in answers:
        if isinstance(found, MarketError):
            unread.append(str(found))
            continue
        for pool in found:
            pools.setdefault((pool.id, frozenset((pool.token0, pool.token1))), pool)
    return list(pools.values()), unread
