"""Curve's metapools, named one by one in the chain's file: a coin against the shares of another pool, the base, and
through them against each of its coins; each is its own router.

Source: curvefi/stableswap-ng 2abe778 (CurveStableSwapMetaNG) and curvefi/curve-factory 5272fd2 (MetaUSD). ``exchange``
swaps the pool's own two coins; ``exchange_underlying`` also puts a coin into the base pool or takes one out. Both pay
the caller and have no deadline. What is computed is compared with the pool's own ``get_dy`` or ``get_dy_underlying``
and with the base's virtual price whenever the pool is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.errors import MarketError
from yieldbot.math.concentrated import Unswappable
from yieldbot.math.curve_meta import OWN, SHARES, MetaPool
from yieldbot.math.stableswap import MOST_COINS, Flavour, StablePool, StableVenue, get_dy, invariant
from yieldbot.math.stableswap_liquidity import SharedPool
from yieldbot.model.amounts import Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, PoolState
from yieldbot.model.gas import SWAPS
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.evm.curve_pools import SWAP, CurveCalls, StableReads, compared, probes_of
from yieldbot.protocols.reads import GroupHandle, Reads

SWAP_UNDERLYING = "exchange_underlying"
OTHERWISE = ": it quotes otherwise"


class CurveMetaParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    pools: list[str] = Field(min_length=1)
    """Addresses of metapools over one base pool."""
    base: str
    """Address of the base pool."""
    flavour: Literal["template", "plain2", "ng"] = "ng"
    """How the metapools round: "template" (the factory's of 2021), "plain2", "ng"."""
    base_flavour: Flavour = "ng"
    """How the base pool rounds, as ``flavour`` of curve_stableswap."""


class CurveMeta(CurveCalls):
    """Metapools over one base pool."""

    protocol: ClassVar[str] = "curve_meta"
    params: ClassVar[type[BaseModel]] = CurveMetaParams
    reverts: ClassVar[Mapping[str, str]] = {
        "Exchange resulted in fewer coins than expected": "the swap would give less than the least that was named"
    }

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        codec, reads, name = abi(self.protocol), Reads(), deployment.name
        base, metas = checksum(deployment.params["base"]), [checksum(text) for text in deployment.params["pools"]]
        below = reads.group(codec.read(base, "coins", k, optional=True) for k in range(MOST_COINS))
        own = [reads.group(codec.read(at, "coins", k, optional=True) for k in (OWN, SHARES)) for at in metas]
        bases = [reads.add(codec.read(at, "BASE_POOL", optional=True)) for at in metas]
        yield from reads.made()
        coins_below = _coins(below)
        if len(coins_below) < 2:
            raise MarketError(f"{name}: {base} is no pool of Curve's")
        listed = {token.address: token for pair in pairs for token in pair}
        wanted = {frozenset(pair) for pair in pairs}
        found = list[Pool]()
        for at, group, named in zip(metas, own, bases, strict=True):
            coins = _coins(group)
            if len(coins) != 2:
                raise MarketError(f"{name}: {at} is no metapool of Curve's")
            if len(named.data) == 32 and codec.one("BASE_POOL", named.data) != base:
                raise MarketError(f"{name}: {at} is a metapool of another base than {base}")
            symbols = [listed[coin].symbol if coin in listed else "?" for coin in (coins[OWN], *coins_below)]
            params = {"coins": coins, "underlying": (coins[OWN], *coins_below), "router": at, "base": base}
            params |= {key: deployment.params[key] for key in ("flavour", "base_flavour")}
            title = f"{name} {symbols[0]}/{'+'.join(symbols[1:])}"
            found += [
                Pool(self.protocol, title, at, listed[coins[OWN]], listed[other], params)
                for other in (coins[SHARES], *coins_below)
                if coins[OWN] in listed and other in listed and {listed[coins[OWN]], listed[other]} in wanted
            ]
        return tuple(found)

    def observe(self, pool: Pool) -> Flow[PoolState]:
        state, price = yield from _read(pool)
        try:
            d, expected = invariant(state.pool), state.base.price
        except Unswappable as bad:
            raise MarketError(f"{pool.name} ({pool.address}): {bad}") from None
        why = f"is no metapool of the flavour {pool.params['flavour']!r} over one of {pool.params['base_flavour']!r}"
        if price != expected:
            raise MarketError(f"{pool.name} ({pool.address}) {why}: a share of its base is worth otherwise")
        _, coins = self.call(pool)
        i, j = (coins.index(token.address) for token in (pool.token0, pool.token1))
        if _own(pool):
            probes = probes_of(state.pool.balances, i, j)
            yield from compared(
                pool, [lambda *probe: get_dy(state.pool, *probe)], probes, f"{why}: it quotes otherwise"
            )
            zero, one = StableVenue(state.pool, i, j, d), StableVenue(state.pool, j, i, d)
            return PoolState(pool, zero, one, gas=SWAPS["curve_stableswap"])
        shares = state.pool.balances[SHARES] * state.base.d // state.base.supply
        most = [state.pool.balances[OWN], *(shares * 10**18 // rate for rate in state.base.pool.rates)]
        probes = probes_of(most, i, j)
        yield from compared(pool, [state.own_quote], probes, f"{why}{OTHERWISE}", "get_dy_underlying")
        return PoolState(pool, state.venue(i, j), state.venue(j, i), gas=SWAPS[self.protocol])

    def held(self, pool: Pool) -> Flow[tuple[int, int]]:
        """The metapool's balance of its own coins, the base pool's of the coins below."""
        codec, coins = abi("curve_stableswap"), pool.params["coins"]
        places = [
            (pool.address, coins.index(token.address))
            if token.address in coins
            else (pool.params["base"], pool.params["underlying"].index(token.address) - 1)
            for token in (pool.token0, pool.token1)
        ]
        zero, one = yield [codec.read(at, "balances", place) for at, place in places]
        return codec.one("balances", zero), codec.one("balances", one)

    def call(self, pool: Pool) -> tuple[str, tuple[Address, ...]]:
        return (SWAP, pool.params["coins"]) if _own(pool) else (SWAP_UNDERLYING, pool.params["underlying"])


def _own(pool: Pool) -> bool:
    """Whether the pool exchanges the metapool's own two coins, and no coin of the base."""
    return {pool.token0.address, pool.token1.address} == set(pool.params["coins"])


def _coins(group: GroupHandle) -> tuple[Address, ...]:
    return tuple(abi(CurveMeta.protocol).one("coins", data) for data in group.data if len(data) == 32)


def _read(pool: Pool) -> Flow[tuple[MetaPool, int]]:
    """(the metapool and its base, what the base says that a share is worth)."""
    codec, base = abi(CurveMeta.protocol), pool.params["base"]
    own, shares = pool.params["coins"]
    reads = Reads()
    price = reads.add(codec.read(base, "get_virtual_price"))
    supply = reads.add(codec.read(shares, "totalSupply"))
    above = StableReads(reads, pool.params["flavour"], pool.address, (own, shares))
    below = StableReads(reads, pool.params["base_flavour"], base, pool.params["underlying"][1:])
    yield from reads.made()
    worth, minted = codec.one("get_virtual_price", price.data), codec.one("totalSupply", supply.data)
    meta, under = above.state(), below.state()
    if not minted or not all(meta.balances) or not all(under.balances):
        raise MarketError(f"{pool.name} ({pool.address}) is empty")
    if meta.flavour != "ng":
        meta = StablePool(meta.flavour, meta.balances, (meta.rates[OWN], worth), meta.amp, meta.fee)
    return MetaPool(meta, SharedPool(under, minted)), worth


EXCHANGE = CurveMeta()
