"""Curve's StableSwap pools, named one by one in the chain's file; each is its own router.

Source: the pools' own getters and ``exchange`` (Curve's published 3pool, pool template, factory plain pools and
StableSwap-NG). The flavour says where the pool rounds; it is checked against the pool's own ``get_dy`` whenever the
pool is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.errors import MarketError
from yieldbot.math.concentrated import Unswappable
from yieldbot.math.stableswap import MOST_COINS, Flavour, StableVenue, get_dy, invariant
from yieldbot.model.amounts import Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, PoolState
from yieldbot.model.gas import SWAPS
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow
from yieldbot.protocols.evm.curve_pools import CurveCalls, StableReads, coins_of, compared, listed_pools, probes_of
from yieldbot.protocols.reads import Reads


class CurveParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    pools: list[str] = Field(min_length=1)
    """Addresses of the pools."""
    flavour: Flavour = "ng"
    """"3pool" (of 2020, A without decimals), "template" (the pool template and factory plain pools of three and four
    coins), "plain2" (factory plain pools of two), "ng"."""


class CurveStableSwap(CurveCalls):
    """Pools of plain coins, valued only by their decimals (NG: by the pool's own stored rates)."""

    protocol: ClassVar[str] = "curve_stableswap"
    params: ClassVar[type[BaseModel]] = CurveParams
    reverts: ClassVar[Mapping[str, str]] = {
        "Exchange resulted in fewer coins than expected": "the swap would give less than the least that was named"
    }

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        coins = yield from coins_of(self.protocol, deployment, MOST_COINS)
        return listed_pools(self.protocol, deployment, coins, pairs, {"flavour": deployment.params["flavour"]})

    def observe(self, pool: Pool) -> Flow[PoolState]:
        at, flavour = pool.address, pool.params["flavour"]
        coins: tuple[Address, ...] = pool.params["coins"]
        reads = Reads()
        rows = StableReads(reads, flavour, at, coins)
        yield from reads.made()
        state = rows.state()
        i, j = (coins.index(token.address) for token in (pool.token0, pool.token1))
        why = f"is no pool of the flavour {flavour!r}: it rounds otherwise"
        yield from compared(pool, [lambda *probe: get_dy(state, *probe)], probes_of(state.balances, i, j), why)
        try:
            d = invariant(state)
        except Unswappable as bad:
            raise MarketError(f"{pool.name} ({at}): {bad}") from None
        return PoolState(pool, StableVenue(state, i, j, d), StableVenue(state, j, i, d), gas=SWAPS["curve_stableswap"])


EXCHANGE = CurveStableSwap()
