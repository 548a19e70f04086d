"""Joins the pools that several exchanges list, and holds the handles of the flows that read them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from yieldbot.errors import MarketError
from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, PoolState
from yieldbot.rpc.flows import Handle

P = TypeVar("P")

Listed = tuple[tuple[Deployment, Handle[tuple[Pool, ...]]], ...]
"""Each table of a chain's file with the handle of the flow that lists its pools."""


@dataclass(frozen=True, slots=True)
class FoundPools:
    """The pools of a chain's tokens."""

    pools: tuple[Pool, ...] = ()
    """Pools that swaps may use."""
    oracles: tuple[Pool, ...] = ()
    """Pools that are only read for their price."""
    unread: tuple[str, ...] = ()
    """Reasons of listings that failed."""


@dataclass(frozen=True, slots=True)
class Listings:
    """Flows that list a chain's pools; ``found`` reads their results once they have run."""

    exchanges: Listed = ()
    """Flows that list pools in which swaps may be made."""
    oracles: Listed = ()
    """Flows that list further price oracles."""

    @property
    def found(self) -> FoundPools:
        """The pools that were listed, and the reasons of listings that failed."""
        pools, unread = pools_of(handle.answer for _, handle in self.exchanges)
        oracles, more = pools_of(handle.answer for _, handle in self.oracles)
        return FoundPools(tuple(pools), tuple(oracles), (*unread, *more))


@dataclass(frozen=True, slots=True)
class PoolReads(Generic[P]):
    """Flows that read the states of pools and the prices of oracles."""

    states: tuple[tuple[Pool, Handle[PoolState]], ...]
    """Each pool's state."""
    prices: tuple[tuple[Pool, Handle[P]], ...]
    """Each oracle's price."""
    unread: tuple[str, ...]
    """Reasons of listings that failed."""


def pools_of(answers: Iterable[tuple[Pool, ...] | MarketError]) -> tuple[list[Pool], list[str]]:
    """(the listed pools, the reasons of listings that failed). A pool that two tables list counts once, both for its
    liquidity and as one independent price."""
    pools, unread = dict[tuple[str, frozenset[Token]], Pool](), list[str]()
    for found in answers:
        if isinstance(found, MarketError):
            unread.append(str(found))
            continue
        for pool in found:
            pools.setdefault((pool.id, frozenset((pool.token0, pool.token1))), pool)
    return list(pools.values()), unread
