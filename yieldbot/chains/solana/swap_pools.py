"""Reads the pools of a cluster and the prices that swaps are judged by: flows, and an Exchange from their answers.

Orca's pools keep no TWAP. So in addition to the feeds, the price oracles of the cluster's file are read: TWAPs that
other pools record, and stake pools' own rates.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import combinations

from yieldbot.chains.pools import FoundPools, Listings, PoolReads
from yieldbot.errors import MarketError
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.exchange import Exchange, Pool, PoolState, Price
from yieldbot.model.settings import ChainSettings
from yieldbot.protocols import svm_exchanges, svm_price_oracles
from yieldbot.rpc.flows import Flows

SAME_PRICE = 0.002
"""Fraction by which a price may differ between nodes that were read at different slots."""


def add_listings(flows: Flows, chain: ChainSettings) -> Listings:
    """Add a flow for each of the cluster's exchanges, then one for each of its price oracles."""
    pairs = list(combinations(chain.tokens.values(), 2))
    return Listings(
        tuple((row, flows.add(svm_exchanges()[row.protocol].pools(row, pairs))) for row in chain.exchanges),
        tuple((row, flows.add(svm_price_oracles()[row.protocol].pools(row, pairs))) for row in chain.price_oracles),
    )


def add_oracles(flows: Flows, chain: ChainSettings, token: Token) -> Listings:
    """Add a flow for each of the cluster's price oracles, which lists those of a token and another one."""
    pairs = [(token, other) for other in chain.tokens.values() if other != token]
    rows = chain.price_oracles
    return Listings((), tuple((row, flows.add(svm_price_oracles()[row.protocol].pools(row, pairs))) for row in rows))


def add_states(
    flows: Flows, found: FoundPools, tokens: Iterable[Token], block: BlockRef
) -> PoolReads[tuple[Pool, float]]:
    """Add a flow for the state of each pool, then one for the price of each oracle; only those between two of
    ``tokens``."""
    wanted = set(tokens)
    pools, oracles = (
        [pool for pool in part if {pool.token0, pool.token1} <= wanted] for part in (found.pools, found.oracles)
    )
    return PoolReads(
        tuple((pool, flows.add(svm_exchanges()[pool.protocol].observe(pool))) for pool in pools),
        tuple((o, flows.add(svm_price_oracles()[o.protocol].price(o, block.timestamp))) for o in oracles),
        found.unread,
    )


def exchange_of(reads: PoolReads[tuple[Pool, float]], usd: Mapping[Token, Price]) -> Exchange:
    """The Exchange from the answers of ``add_states``."""
    states, prices, bad = list[PoolState](), list[tuple[Pool, float]](), list(reads.unread)
    for pool, state in reads.states:
        if isinstance(state.answer, PoolState):
            states.append(state.answer)
        else:
            bad.append(f"{pool.name}: {state.answer}")
    for pool, price in reads.prices:
        answer = price.answer
        if isinstance(answer, MarketError):
            bad.append(f"{pool.name}: {answer}")
        elif 0.0 < answer[1] < math.inf:
            prices.append(answer)
        else:
            bad.append(f"{pool.name}: {answer[1]} is no price")
    return Exchange(tuple(states), dict(usd), tuple(prices), tuple(bad))


def apart(one: Exchange, other: Exchange, most: float) -> str | None:
    """Why two nodes' pools and prices, read within a few slots of each other, cannot both be right; None if they can.
    most: fraction by which a price may differ. Pure."""
    if {s.pool for s in one.states} != {s.pool for s in other.states} or [pool for pool, _ in one.oracle_prices] != [
        pool for pool, _ in other.oracle_prices
    ]:
        return "it shows other pools, or other price oracles"
    prices = [
        (token.symbol, price.usd, other.usd[token].usd if token in other.usd else 0.0)
        for token, price in one.usd.items()
    ]
    prices += [
        (pool.name, mean, also) for (pool, mean), (_, also) in zip(one.oracle_prices, other.oracle_prices, strict=True)
    ]
    theirs_of = {state.pool: state for state in other.states}
    prices += [(state.pool.name, _marginal(state), _marginal(theirs_of[state.pool])) for state in one.states]
    for name, mine, theirs in prices:
        if abs(mine - theirs) > most * max(abs(mine), abs(theirs)):
            return f"it shows another price of {name}"
    return None


def _marginal(state: PoolState) -> float:
    """The output for one whole token0, in base units of token1; 0 if the pool gives none."""
    try:
        return float(state.zero.quote_exact_in(state.pool.token0.one)[0])
    except ValueError:
        return 0.0
