"""Where tokens are exchanged: pools, and each pool's state as two one-way venues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address


class Venue(Protocol):
    """One direction of a pool, in base units. What comes out is a concave function of what goes in, rounded down."""

    def quote_exact_in(self, taken: int) -> tuple[int, int]:
        """(what comes out, how many units of it roundings may have taken). Raises ValueError for more than it takes."""

    def off(self, taken: int) -> int:
        """How many units of what goes in ``amount_until_price``, where it names ``taken``, may be off by."""

    def quote_exact_out(self, given: int) -> int:
        """What must go in so that ``given`` comes out. Raises ValueError for more than there is."""

    def amount_until_price(self, price: float) -> int:
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

    @property
    def id(self) -> str:
        """What tells it from other pools: its id where one contract holds many (``params["id"]``), else its address."""
        return str(self.params.get("id", self.address))


@dataclass(frozen=True, slots=True)
class PoolState:
    """A pool at one block. zero: token0 goes in; one: token1 goes in. gas: about what a swap in it uses."""

    pool: Pool
    zero: Venue
    one: Venue
    gas: int = 100_000

    def venue(self, given: Token) -> Venue:
        """The direction in which ``given`` goes in."""
        return self.zero if given == self.pool.token0 else self.one


@dataclass(frozen=True, slots=True)
class SwapTerms:
    """What one swap may do: exactly ``given`` along ``pools``, in their order, for at least ``least``."""

    pools: tuple[Pool, ...]
    given: Amount
    least: Amount

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The tokens along the way, both ends included. Raises ValueError where the pools do not lead there."""
        return tokens_along(self.pools, self.given.token, self.least.token)


def tokens_along(pools: Sequence[Pool], given: Token, wanted: Token) -> tuple[Token, ...]:
    """The tokens from ``given`` to ``wanted`` through the pools. Raises ValueError where they do not lead there."""
    found = [given]
    for pool in pools:
        if found[-1] not in (pool.token0, pool.token1):
            raise ValueError(f"{pool.name} does not take {found[-1].symbol}")
        found.append(pool.token1 if found[-1] == pool.token0 else pool.token0)
    if not pools or found[-1] != wanted:
        raise ValueError(f"the pools do not lead from {given.symbol} to {wanted.symbol}")
    return tuple(found)


def v3_path(terms: SwapTerms) -> bytes:
    """The way as Uniswap v3's routers take it: token (20 bytes), fee (3 bytes), token, and so on. Source: v3 periphery,
    Path. Raises ValueError for pools that have no fee tier."""
    tokens = terms.tokens
    found = bytes.fromhex(tokens[0].address[2:])
    for pool, token in zip(terms.pools, tokens[1:], strict=True):
        if not isinstance(pool.params.get("fee"), int):
            raise ValueError(f"{pool.name} is no pool of a fee tier")
        found += int(pool.params["fee"]).to_bytes(3, "big") + bytes.fromhex(token.address[2:])
    return found


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for one whole token, and when the feed last said so (unix seconds). unsure: half of the interval that
    it is in by the feed's own word, as a part of it; 0 where the feed says none."""

    usd: float
    updated_at: int
    unsure: float = 0.0


FEEDS = "the feeds"


@dataclass(frozen=True, slots=True)
class Exchange:
    """Where a chain's tokens are exchanged at one block, and who says what they are worth besides.

    usd: the feeds' word; means: of a pool the whole token1 for one token0 over a while, by its own oracle; unread: what
    could not be read, in words.
    """

    states: tuple[PoolState, ...]
    usd: Mapping[Token, Price]
    means: tuple[tuple[Pool, float], ...] = ()
    unread: tuple[str, ...] = ()

    def rates(self, given: Token, wanted: Token) -> dict[str, float]:
        """Whole tokens wanted for one given, by who says so; none of them is a price that one swap can move."""
        found: dict[str, float] = {}
        if given in self.usd and wanted in self.usd:
            found[FEEDS] = self.usd[given].usd / self.usd[wanted].usd
        for pool, mean in self.means:
            if {pool.token0, pool.token1} == {given, wanted}:
                name = f"{pool.name}'s {pool.params.get('says', 'mean')}"
                name += f" ({pool.address})" if name in found else ""  # two pools of one name are two that may differ
                found[name] = mean if given == pool.token0 else 1.0 / mean
        return found
