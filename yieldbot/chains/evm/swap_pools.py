"""Reads the pools of a chain's tokens and the prices that swaps are judged by: flows, and an Exchange from their
answers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import combinations

from yieldbot.chains.pools import FoundPools, Listings, PoolReads
from yieldbot.model.amounts import Token
from yieldbot.model.exchange import Exchange, Pool, PoolState, Price
from yieldbot.model.settings import ChainSettings
from yieldbot.protocols import exchanges
from yieldbot.protocols.evm.uniswap_v3 import UniswapV3, twap
from yieldbot.rpc.flows import Flows

TWAP_SECONDS = 1800
"""Window of a pool's TWAP: to move it, a price must be held against arbitrage for this long."""


def add_listings(flows: Flows, chain: ChainSettings, near: Collection[Token] | None = None) -> Listings:
    """Add a flow for each of the chain's exchanges, which lists its pools of any two of the chain's tokens, one of them
    in ``near`` (None: any).

    For a swap between two tokens these pools are enough: a route has at most two pools.
    """
    known = exchanges()
    pairs = [p for p in combinations(chain.tokens.values(), 2) if near is None or not {*p}.isdisjoint(near)]
    return Listings(tuple((row, flows.add(known[row.protocol].pools(row, pairs))) for row in chain.exchanges))


def add_states(flows: Flows, found: FoundPools, tokens: Iterable[Token]) -> PoolReads[float]:
    """Add a flow for each pool's state, then one for the TWAP of each pool of two of ``tokens`` that has an oracle."""
    known, wanted = exchanges(), set(tokens)
    with_twap = [p for p in found.pools if p.protocol == UniswapV3.protocol and {p.token0, p.token1} <= wanted]
    return PoolReads(
        tuple((pool, flows.add(known[pool.protocol].observe(pool))) for pool in found.pools),
        tuple((pool, flows.add(twap(pool, TWAP_SECONDS))) for pool in with_twap),
        found.unread,
    )


def exchange_of(reads: PoolReads[float], usd: Mapping[Token, Price]) -> Exchange:
    """The Exchange from the answers of ``add_states``."""
    states, oracle_prices, bad = list[PoolState](), list[tuple[Pool, float]](), list(reads.unread)
    for pool, state in reads.states:
        if isinstance(state.answer, PoolState):
            states.append(state.answer)
        else:
            bad.append(f"{pool.name}: {state.answer}")
    for pool, price in reads.prices:
        if isinstance(price.answer, float):
            oracle_prices.append((pool, price.answer))
        else:
            bad.append(f"{pool.name}: no TWAP over {TWAP_SECONDS // 60} minutes: {price.answer}")
    return Exchange(tuple(states), dict(usd), tuple(oracle_prices), tuple(bad))
