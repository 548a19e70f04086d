"""Reads the pools of a chain's tokens and the prices that swaps are judged by: flows, and an Exchange from their
answers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import combinations
from typing import TYPE_CHECKING

from yieldbot.chains.discovered import FoundPool
from yieldbot.chains.pools import FoundPools, Listings, PoolReads
from yieldbot.errors import MarketError
from yieldbot.model.amounts import Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Exchange, Pool, PoolState, Price
from yieldbot.model.settings import ChainSettings
from yieldbot.protocols import by_plans, exchanges
from yieldbot.protocols.evm.abi import abi
from yieldbot.protocols.evm.base import HoldsApart
from yieldbot.protocols.evm.uniswap_v3 import UniswapV3, twap
from yieldbot.rpc.flows import Flows

if TYPE_CHECKING:
    from yieldbot.chains.evm.node.client import Node
    from yieldbot.model.amounts import BlockRef
    from yieldbot.model.reads import Flow

TWAP_SECONDS = 1800
"""Window of a pool's TWAP: to move it, a price must be held against arbitrage for this long."""


def add_listings(flows: Flows, chain: ChainSettings, near: Collection[Token]) -> Listings:
    """Add a flow for each of the chain's exchanges, which lists its pools of any two of the chain's tokens, one of them
    in ``near``.

    For swaps between tokens of ``near`` these pools are enough, since a route has at most two pools.
    """
    known = exchanges()
    pairs = [p for p in combinations(chain.tokens.values(), 2) if not {*p}.isdisjoint(near)]
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


async def pools_with(
    node: Node, chain: ChainSettings, near: Collection[Token], block: BlockRef
) -> tuple[tuple[FoundPool, ...], tuple[str, ...]]:
    """(the pools of one of ``near`` and another token of the chain's file that hold something, why others could not be
    read). Raises TransientError if the chain cannot be read."""
    flows = Flows()
    listed = add_listings(flows, chain, near)
    await flows.run(node, block)
    tables = dict[str, Deployment]()
    for table, handle in listed.exchanges:
        if not isinstance(handle.answer, MarketError):
            tables |= {pool.id: table for pool in handle.answer}
    pools, unread = listed.found.pools, list(listed.found.unread)
    found = list[FoundPool]()
    answers = await node.run([_held(pool) for pool in pools], block) if pools else []
    for pool, held in zip(pools, answers, strict=True):
        if isinstance(held, MarketError):
            unread.append(f"{pool.name}: {held}")
        elif any(held):
            found.append(FoundPool(pool=pool, held=held, swaps=_swaps(pool), provides=by_plans(tables[pool.id])))
    return tuple(found), tuple(unread)


def _held(pool: Pool) -> Flow[tuple[int, int]]:
    """Base units of both tokens in a pool: its balances, or, where one contract keeps those of all pools, what the
    exchange's adapter reads."""
    adapter = exchanges()[pool.protocol]
    if isinstance(adapter, HoldsApart):
        return (yield from adapter.held(pool))
    erc20 = abi("erc20")
    zero, one = yield [erc20.read(token.address, "balanceOf", pool.address) for token in (pool.token0, pool.token1)]
    return erc20.one("balanceOf", zero), erc20.one("balanceOf", one)


def _swaps(pool: Pool) -> bool:
    try:
        return bool(exchanges()[pool.protocol].targets((pool,)))
    except MarketError:
        return False
