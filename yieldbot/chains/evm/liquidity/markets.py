"""A job's pools as markets that plans may provide liquidity to, read at the snapshot's block."""

from __future__ import annotations

from collections.abc import Mapping

from yieldbot.allocator.liquidity_market import PoolObservation, market_of, pool_market_state
from yieldbot.chains.evm.liquidity.view import fetch_view
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.rollups import TypicalFee
from yieldbot.errors import MarketError
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import MarketId
from yieldbot.model.market import MarketState, Quarantined
from yieldbot.model.settings import Job
from yieldbot.protocols import by_plans
from yieldbot.protocols.evm.uniswap_v3 import read_pool


async def liquidity_markets(
    node: Node,
    job: Job,
    block: BlockRef,
    base_fee_wei: int,
    states: Mapping[MarketId, MarketState],
    beside: TypicalFee,
) -> tuple[list[MarketState], list[Quarantined]]:
    """(the markets of pools of two of the job's assets, pools that could not be read); both empty if the job's base
    does not allow liquidity. states: the job's other markets, whose holdings determine the range. beside: what
    transactions pay in addition to their gas.

    Raises TransientError if the chain cannot be read; a pool that cannot be read is quarantined.
    """
    if job.base is None or not job.base.liquidity:
        return [], []
    tables = [table for table in job.chain.exchanges if by_plans(table)]
    if not tables:
        return [], []
    found_at, tokens = (block, base_fee_wei), list(job.assets)
    view = await fetch_view(
        node, job.chain, job.wallet.address, at=found_at, tables=tables, tokens=tokens, beside=beside
    )
    bad = [Quarantined(market_of(pool, asset_of(job, pool)), why) for pool, why in view.failed]
    failed = {pool.address for pool, _ in view.failed}
    readable = {address: state for address, state in view.states.items() if address not in failed}
    pools = await node.run([read_pool(state.pool.address) for state in readable.values()], block)
    found = list[MarketState]()
    for (address, state), pool in zip(readable.items(), pools, strict=True):
        asset = asset_of(job, state.pool)
        gas_price = view.gas_price(state.pool)
        lacks = gas_price is None or not {state.pool.token0, state.pool.token1} <= set(view.usd)
        if isinstance(pool, MarketError) or gas_price is None or lacks:
            why = str(pool) if isinstance(pool, MarketError) else "no feed prices its tokens, or gas"
            bad.append(Quarantined(market_of(state.pool, asset), why))
            continue
        observation = PoolObservation(
            state=state,
            history=view.records[address],
            deployment=view.deployments[address],
            pool=pool,
            positions=tuple(p for p in view.positions if p.state.pool.address == address),
            gas_price=gas_price,
            fair=_fair(view.usd, state.pool),
        )
        found.append(pool_market_state(observation, asset, _wealth(states, view.usd, asset), block, job.base))
    return found, bad


def _fair(usd: Mapping[Token, float], pool: Pool) -> float:
    """Price by the feeds: token1 base units for one base unit of token0."""
    zero, one = (usd[token] / token.one for token in (pool.token0, pool.token1))
    return zero / one


def asset_of(job: Job, pool: Pool) -> Token:
    """The token in which a pool's market is counted: the first of the job's assets that the pool has."""
    return next(token for token in job.assets if token in (pool.token0, pool.token1))


def _wealth(states: Mapping[MarketId, MarketState], usd: Mapping[Token, float], asset: Token) -> Amount:
    """Everything in the snapshot, as an amount of one asset, by the feeds."""
    worth = sum(float(s.held) * usd[s.market.asset] for s in states.values() if s.market.asset in usd)
    return Amount(asset, int(worth / usd[asset] * asset.one) if asset in usd else 0)
