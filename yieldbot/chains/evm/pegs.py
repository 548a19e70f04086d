"""Prices of dollar-pegged tokens in pools: TWAPs, read in the same rounds as pools and markets. Flows, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from yieldbot.chains.evm.swap_pools import TWAP_SECONDS
from yieldbot.errors import MarketError
from yieldbot.model.amounts import Token
from yieldbot.model.exchange import Exchange, Pool, Price
from yieldbot.model.ids import Address
from yieldbot.model.settings import Job
from yieldbot.protocols import exchanges
from yieldbot.protocols.evm.uniswap_v3 import UniswapV3, consulted
from yieldbot.risk.pool_prices import PoolPrice, concentrated, of_exchange, traded
from yieldbot.rpc.flows import Flows, Handle

PoolLists = Sequence[Handle[tuple[Pool, ...]]]
MeanReads = Sequence[tuple[Pool, Handle[tuple[float, float]]]]


def pegged_of(job: Job) -> tuple[Token, ...]:
    """The job's assets that are pegged to the dollar and have a price feed: only these are compared with pools."""
    return tuple(token for token in job.assets if token.address in job.chain.pegged & job.chain.feeds.keys())


def add_lists(flows: Flows, job: Job) -> PoolLists:
    """Add a flow for each exchange with TWAPs, which lists its pools of a pegged asset and another token with a
    feed."""
    with_feed = [token for token in job.chain.tokens.values() if token.address in job.chain.feeds]
    pairs = {frozenset((one, other)) for one in pegged_of(job) for other in with_feed if one != other}
    ordered = [(one, other) for one, other in (sorted(pair, key=lambda token: token.address) for pair in pairs)]
    ordered.sort(key=lambda pair: (pair[0].address, pair[1].address))
    rows = [row for row in job.chain.exchanges if row.protocol == UniswapV3.protocol] if ordered else []
    return [flows.add(exchanges()[row.protocol].pools(row, ordered)) for row in rows]


def add_means(flows: Flows, lists: PoolLists) -> MeanReads:
    """Add a flow for each listed pool's TWAP."""
    pools = [pool for one in lists if not isinstance(one.answer, MarketError) for pool in one.answer]
    return [(pool, flows.add(consulted(pool, TWAP_SECONDS))) for pool in pools]


def with_traded(
    pegs: Mapping[Token, Price | None],
    reads: MeanReads,
    usd: Mapping[Address, Price],
    pegged: Iterable[Address],
    exchange: Exchange | None,
) -> dict[Token, Price | None]:
    """The prices of pegged tokens, with prices from pools added: TWAPs, else what the pools of ``exchange`` would pay
    now."""
    dollars = frozenset(pegged)
    means = [(pool, read.answer) for pool, read in reads if not isinstance(read.answer, MarketError)]
    found = dict(pegs)
    for token, price in pegs.items():
        if price is None:
            continue
        by_pools = traded(_of(token, means), usd, dollars)
        if by_pools is None and exchange is not None:
            by_pools = of_exchange(exchange, token)
        found[token] = replace(price, traded=by_pools)
    return found


def _of(token: Token, means: Iterable[tuple[Pool, tuple[float, float]]]) -> Iterable[PoolPrice]:
    for pool, (tick, liquidity) in means:
        if token in (pool.token0, pool.token1):
            first = token == pool.token0
            yield concentrated(token, pool.token1 if first else pool.token0, tick, liquidity, first)
