"""What Curve's exchanges share: the list of a deployment's pools, the comparison with a pool's own quotes, and the call
of a pool, which is its own router.

``exchange`` names no recipient, so the output goes to the caller, and no deadline: only its minimum out limits a
pending swap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any, ClassVar

from yieldbot.errors import MarketError
from yieldbot.math.concentrated import Unswappable
from yieldbot.math.stableswap import Flavour, StablePool
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, tokens_along
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.protocols.descriptions import swap_description
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.evm.swap_calls import explain_swap
from yieldbot.protocols.reads import Reads

SWAP = "exchange"
PROBES = (10, 1000, 100_000)
"""Parts of a coin's balance for which our arithmetic is compared with the pool's own quote."""

Quote = Callable[[int, int, int], int]
"""Output for (coin in, coin out, base units in); raises Unswappable where the pool refuses."""


def coins_of(protocol: str, deployment: Deployment, most: int) -> Flow[dict[Address, tuple[Address, ...]]]:
    """The coins of each pool that the table names. most: how many a pool has at most."""
    codec, reads = abi(protocol), Reads()
    rows = {
        checksum(text): reads.group(codec.read(checksum(text), "coins", i, optional=True) for i in range(most))
        for text in deployment.params["pools"]
    }
    yield from reads.made()
    found = {}
    for at, listing in rows.items():
        found[at] = tuple(codec.one("coins", data) for data in listing.data if len(data) == 32)
        if len(found[at]) < 2:
            raise MarketError(f"{deployment.name}: {at} is no pool of Curve's")
    return found


def listed_pools(
    protocol: str,
    deployment: Deployment,
    coins_by_pool: Mapping[Address, tuple[Address, ...]],
    pairs: Sequence[tuple[Token, Token]],
    more: Mapping[str, Any],
) -> tuple[Pool, ...]:
    """Each wanted pair of each pool. more: further parameters of them all."""
    listed = {token.address: token for pair in pairs for token in pair}
    wanted = {frozenset(pair) for pair in pairs}
    found = []
    for at, coins in coins_by_pool.items():
        name = " ".join([deployment.name, "/".join(listed[c].symbol if c in listed else "?" for c in coins)])
        params = {"coins": coins, "router": at, **more}
        known = [listed[coin] for coin in coins if coin in listed]
        found += [Pool(protocol, name, at, a, b, params) for a, b in combinations(known, 2) if {a, b} in wanted]
    return tuple(found)


Probe = tuple[int, int, int]
"""(coin in, coin out, base units in)."""


def probes_of(balances: Sequence[int], i: int, j: int) -> list[Probe]:
    """Swaps of parts of two coins' balances, both ways."""
    return [(a, b, balances[a] // part) for a, b in ((i, j), (j, i)) for part in PROBES if balances[a] >= part]


def compared(
    pool: Pool, quotes: Sequence[Quote], probes: Sequence[Probe], why: str, getter: str = "get_dy"
) -> Flow[int]:
    """Which of ``quotes`` gives what the pool's own ``getter`` does. Raises MarketError if none does. why: what such a
    pool is."""
    codec = abi(pool.protocol)
    answers = yield [codec.read(pool.address, getter, *probe, optional=True) for probe in probes]
    theirs = [codec.one(getter, data) if data else None for data in answers]
    for place, quote in enumerate(quotes):
        if None not in theirs and [_quoted(quote, probe) for probe in probes] == theirs:
            return place
    raise MarketError(f"{pool.name} ({pool.address}) {why}")


def _quoted(quote: Quote, probe: Probe) -> int | None:
    try:
        return quote(*probe)
    except Unswappable:
        return None


class StableReads:
    """The reads of a StableSwap pool's state, added to a round, and the state from their answers."""

    def __init__(self, reads: Reads, flavour: Flavour, at: Address, coins: Sequence[Address]) -> None:
        codec, self._flavour = abi("curve_stableswap"), flavour
        self._amp = reads.add(codec.read(at, "A" if flavour == "3pool" else "A_precise"))
        self._fee = reads.add(codec.read(at, "fee"))
        self._held = reads.group(codec.read(at, "balances", k) for k in range(len(coins)))
        self._places = reads.group(abi("erc20").read(coin, "decimals") for coin in coins)
        more = ("offpeg_fee_multiplier", "stored_rates") if flavour == "ng" else ()
        self._ng = {name: reads.add(codec.read(at, name)) for name in more}

    def state(self) -> StablePool:
        """The pool's state, once the round is made."""
        codec = abi("curve_stableswap")
        balances = tuple(codec.one("balances", data) for data in self._held.data)
        rates = tuple(10 ** (36 - abi("erc20").one("decimals", data)) for data in self._places.data)
        offpeg = 0
        if self._ng:
            offpeg = codec.one("offpeg_fee_multiplier", self._ng["offpeg_fee_multiplier"].data)
            rates = tuple(codec.one("stored_rates", self._ng["stored_rates"].data))
        amp, fee = codec.one("A", self._amp.data), codec.one("fee", self._fee.data)
        return StablePool(self._flavour, balances, rates, amp, fee, offpeg)


class CurveCalls:
    """Swaps in pools that are their own routers and whose ``exchange`` names both coins by their index."""

    protocol: ClassVar[str]
    reverts: ClassVar[Mapping[str, str]]
    """By a pool's own words, what they mean."""

    def swap(
        self, pools: tuple[Pool, ...], given: Amount, least: Amount, owner: Address, deadline: int
    ) -> tuple[EvmCall, ...]:
        (pool,) = self._one(pools)
        tokens_along(pools, given.token, least.token)
        name, coins = self.call(pool)
        i, j = (coins.index(token.address) for token in (given.token, least.token))
        data = abi(self.protocol).encode(name, i, j, given.raw, least.raw)
        words = swap_description(pools, given, least)
        return (EvmCall(pool.address, data, 0, words, Allowance(given.token, pool.address, given.raw), least),)

    def targets(self, pools: tuple[Pool, ...]) -> dict[Address, frozenset[bytes]]:
        (pool,) = self._one(pools)
        return {pool.address: frozenset({abi(self.protocol).selector(self.call(pool)[0])})}

    def call(self, pool: Pool) -> tuple[str, tuple[Address, ...]]:
        """(name of the pool's function that swaps its two tokens, the coins that this function counts)."""
        return SWAP, pool.params["coins"]

    def spenders(self, pools: tuple[Pool, ...]) -> tuple[Address, ...]:
        return (self._one(pools)[0].address,)

    def explain_revert(self, data: bytes) -> str | None:
        return explain_swap(self.protocol, self.reverts, data)

    def _one(self, pools: tuple[Pool, ...]) -> tuple[Pool, ...]:
        if len(pools) != 1:
            raise MarketError("Curve's pools are swapped in one at a time: each is its own router")
        return pools
