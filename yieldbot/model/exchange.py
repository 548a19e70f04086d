"""Pools that exchange two tokens, each direction as a one-way venue, and independent prices to compare them with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from typing import Any, Protocol

from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.gas import USUAL_SWAP
from yieldbot.model.ids import Address


class Venue(Protocol):
    """One direction of a pool, in base units. What comes out is a concave function of what goes in, rounded down."""

    def quote_exact_in(self, taken: int) -> tuple[int, int]:
        """(base units out for exactly ``taken`` in, how many units rounding may have taken off).

        Raises ValueError if the pool does not take so much.
        """

    def off(self, taken: int) -> int:
        """By how many input units ``amount_until_price`` may be wrong when it returns ``taken``."""

    def quote_exact_out(self, given: int) -> int:
        """Base units in for exactly ``given`` out. Raises ValueError for more than the pool has."""

    def amount_until_price(self, price: float) -> int:
        """Largest input whose last unit is still paid at least ``price`` output units; 0 if no unit is."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of two tokens; token0 and token1 as the pool orders them."""

    protocol: str
    """Name of the exchange's adapter."""
    name: str
    """Name in tables, its fee included."""
    address: Address
    """The contract or account of the pool."""
    token0: Token
    """The pool's first token."""
    token1: Token
    """The pool's second token."""
    params: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """Parameters that only the adapter uses."""

    @property
    def id(self) -> str:
        """Unique id: the id inside the contract if that holds many pools (``params["id"]``), else the pool's
        address."""
        return str(self.params.get("id", self.address))

    @property
    def uses(self) -> frozenset[str]:
        """Ids of the pools whose liquidity a swap here changes: its own, and that of the pool below a metapool."""
        return frozenset({self.id, *((str(self.params["base"]),) if "base" in self.params else ())})


@dataclass(frozen=True, slots=True)
class PoolState:
    """A pool at one block."""

    pool: Pool
    """The pool."""
    zero: Venue
    """The venue that takes token0 in."""
    one: Venue
    """The venue that takes token1 in."""
    gas: int = USUAL_SWAP
    """Approximate gas (Solana: compute units) of a swap in it."""

    def venue(self, given: Token) -> Venue:
        """The venue that takes ``given`` in."""
        return self.zero if given == self.pool.token0 else self.one


@dataclass(frozen=True, slots=True)
class SwapTerms:
    """The approved terms of one swap."""

    pools: tuple[Pool, ...]
    """The pools, in the order in which they are passed."""
    given: Amount
    """Exact amount in."""
    least: Amount
    """Minimum out."""

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The tokens along the route, both ends included. Raises ValueError if the pools do not connect them."""
        return tokens_along(self.pools, self.given.token, self.least.token)


def tokens_along(pools: Sequence[Pool], given: Token, wanted: Token) -> tuple[Token, ...]:
    """The tokens from ``given`` to ``wanted`` through the pools. Raises ValueError if the pools do not connect them."""
    found = [given]
    for pool in pools:
        if found[-1] not in (pool.token0, pool.token1):
            raise ValueError(f"{pool.name} does not take {found[-1].symbol}")
        found.append(pool.token1 if found[-1] == pool.token0 else pool.token0)
    if not pools or found[-1] != wanted:
        raise ValueError(f"the pools do not lead from {given.symbol} to {wanted.symbol}")
    return tuple(found)


def v3_path(terms: SwapTerms) -> bytes:
    """The route as Uniswap v3's routers encode it: token (20 bytes), fee (3 bytes), token, and so on; Slipstream's have
    the tick spacing in the fee's place.

    Source: v3 periphery, Path; Slipstream's Path. Raises ValueError for pools that have neither.
    """
    tokens = terms.tokens
    found = bytes.fromhex(tokens[0].address[2:])
    for pool, token in zip(terms.pools, tokens[1:], strict=True):
        key = pool.params.get("tick_spacing", pool.params.get("fee"))
        if not isinstance(key, int):
            raise ValueError(f"{pool.name} is no pool of a fee tier")
        found += key.to_bytes(3, "big") + bytes.fromhex(token.address[2:])
    return found


@dataclass(frozen=True, slots=True)
class Price:
    """A token's price by its feed."""

    usd: float
    """US dollars for one whole token."""
    updated_at: int
    """Unix seconds at which the feed last published the price."""
    unsure: float = 0.0
    """Half of the feed's confidence interval, as a fraction of the price; 0 if the feed publishes none."""
    traded: float | None = None
    """US dollars for one whole token by its price in pools; None: no pool was read, or none has a usable price."""


FEEDS = "the feeds"
"""Name of the feeds among the sources of prices."""


class PoolsByPair:
    """The pools grouped by the two tokens that they exchange."""

    def __init__(self, states: Iterable[PoolState]) -> None:
        self._by_pair: dict[tuple[Token, Token], list[PoolState]] = {}
        for state in states:
            one, other = state.pool.token0, state.pool.token1
            self._by_pair.setdefault((one, other), []).append(state)
            if one != other:
                self._by_pair.setdefault((other, one), []).append(state)

    def of(self, one: Token, other: Token) -> Sequence[PoolState]:
        """The pools that exchange these two tokens, in either direction."""
        return self._by_pair.get((one, other), ())

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        """Every token that a pool exchanges, by address."""
        found = {token for pair in self._by_pair for token in pair}
        return tuple(sorted(found, key=lambda token: token.address))


@dataclass(frozen=True)
class Exchange:
    """The pools of several tokens at one block, and the tokens' prices by price oracles.

    The class has no slots, because ``cached_property`` needs a ``__dict__``: pools and prices by pair are computed
    once.
    """

    states: tuple[PoolState, ...]
    """The pools that could be read."""
    usd: Mapping[Token, Price]
    """US dollar prices by the feeds."""
    oracle_prices: tuple[tuple[Pool, float], ...] = ()
    """(pool, whole token1 for one whole token0), from TWAPs and from stake pools' own rates."""
    unread: tuple[str, ...] = ()
    """What could not be read, each a phrase for a message."""

    def rates(self, given: Token, wanted: Token) -> dict[str, float]:
        """Whole ``wanted`` tokens for one ``given``, by price oracle; no price that a single swap can move."""
        if (given, wanted) not in self._rates:
            self._rates[given, wanted] = self._rates_of(given, wanted)
        return self._rates[given, wanted]

    @cached_property
    def _rates(self) -> dict[tuple[Token, Token], dict[str, float]]:
        """What ``rates`` has found."""
        return {}

    def _rates_of(self, given: Token, wanted: Token) -> dict[str, float]:
        found: dict[str, float] = {}
        if given in self.usd and wanted in self.usd:
            found[FEEDS] = self.usd[given].usd / self.usd[wanted].usd
        for pool, price in self._oracle_prices.get((given, wanted), ()):
            name = f"{pool.name}'s {pool.params.get('says', 'TWAP')}"
            # two pools with the same name may have different prices
            name += f" ({pool.address})" if name in found else ""
            found[name] = price if given == pool.token0 else 1.0 / price
        return found

    @cached_property
    def by_pair(self) -> PoolsByPair:
        """The pools by pair."""
        return PoolsByPair(self.states)

    @cached_property
    def sent_by_pair(self) -> PoolsByPair:
        """The pools for which chains/*.toml names a router, by pair; no others are swapped in."""
        return PoolsByPair(state for state in self.states if state.pool.params.get("router"))

    @cached_property
    def _oracle_prices(self) -> Mapping[tuple[Token, Token], list[tuple[Pool, float]]]:
        """``oracle_prices`` by pair, in both orders."""
        found: dict[tuple[Token, Token], list[tuple[Pool, float]]] = {}
        for pool, price in self.oracle_prices:
            for pair in dict.fromkeys(((pool.token0, pool.token1), (pool.token1, pool.token0))):
                found.setdefault(pair, []).append((pool, price))
        return found
