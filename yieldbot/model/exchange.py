"""Where tokens are exchanged: pools, and each pool's state as two one-way venues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address


class Venue(Protocol):
    """One direction of a pool, in base units. What comes out is a concave function of what goes in, rounded down."""

    def give(self, taken: int) -> tuple[int, int]:
        """(what comes out, how many units roundings may have taken). Raises ValueError for more than it takes."""

    def until(self, price: float) -> int:
        """What goes in until one more unit is paid less than ``price`` units; 0 where none is paid so much."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of two tokens, in its own order. name: how tables call it, its fee included; params: what the adapter
    needs of it."""

    protocol: str
    name: str
    address: Address
    token0: Token
    token1: Token
    params: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class PoolState:
    """A pool at one block. zero: token0 goes in; one: token1 goes in."""

    pool: Pool
    zero: Venue
    one: Venue

    def venue(self, given: Token) -> Venue:
        """The direction in which ``given`` goes in."""
        return self.zero if given == self.pool.token0 else self.one
