"""Liquidity: expected yields of pools, and the state of our positions in them."""

from __future__ import annotations

import asyncio
from dataclasses import field, replace
from typing import TYPE_CHECKING

from yieldbot.allocator.liquidity_advice import appraise, trigger
from yieldbot.app.liquidity_documents import AccountPools, AccountPositions, PoolsDocument
from yieldbot.app.liquidity_profit import gains
from yieldbot.app.overview import horizon_seconds
from yieldbot.app.pool_names import named
from yieldbot.app.whatif import amount_of
from yieldbot.app.wiring import jobs_of
from yieldbot.app.yields import wealth_of
from yieldbot.chains.evm.liquidity.lending import lending
from yieldbot.chains.evm.liquidity.pair_events import past_of_shares
from yieldbot.chains.evm.liquidity.position_events import past_of
from yieldbot.chains.evm.liquidity.view import fetch_view
from yieldbot.chains.evm.node.connect import connect
from yieldbot.errors import MarketError, TransientError
from yieldbot.model.amounts import Amount, Apy, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import SECONDS_PER_YEAR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yieldbot.allocator.liquidity_advice import Appraisal, Trigger
    from yieldbot.app.context import Context
    from yieldbot.app.liquidity_profit import PoolProfit
    from yieldbot.app.markets import MarketsRequest
    from yieldbot.app.overview import Observation
    from yieldbot.app.profit import Accounting
    from yieldbot.chains.evm.liquidity.lending import Lending
    from yieldbot.chains.evm.liquidity.position_events import PositionHistory
    from yieldbot.chains.evm.liquidity.view import LiquidityView
    from yieldbot.chains.evm.node.client import Node
    from yieldbot.model.exchange import Pool
    from yieldbot.model.policy import Policy
    from yieldbot.model.settings import Job

ASSUMED_USD = 1_000.0
"""US dollars for which pools are appraised if the wallet holds nothing."""


@dataclass(frozen=True, slots=True)
class AccountLiquidity:
    """Pools, or our positions in them, of one wallet on one chain."""

    job: Job
    """A job of the wallet on that chain."""
    view: LiquidityView | None
    """The pools and positions as they were read; None: the chain could not be served."""
    skipped: str | None = None
    """Why the chain could not be served; None: it was."""
    value_usd: float = 0.0
    """US dollars for which pools are appraised."""
    appraisals: tuple[Appraisal, ...] = ()
    """The expected yield of each pool."""
    triggers: tuple[Trigger | None, ...] = ()
    """For each position whether to hold, rebalance or leave, in the order of ``view.positions``; None: no price is
    known."""
    pasts: tuple[PositionHistory | str, ...] = ()
    """For each position what was put in and taken out, or why that is unknown, in the order of ``view.positions``."""
    unvalued: tuple[str, ...] = field(default=())
    """Pools that could not be valued, each with the reason."""
    gained: tuple[PoolProfit, ...] = field(default=())
    """Profit and loss of each pool that we are or were in."""


def provides(job: Job) -> bool:
    """Whether the job's chain lists an exchange whose liquidity can be read."""
    return any(table.protocol == "uniswap_v2" or table.params.get("manager") for table in job.chain.exchanges)


def accounts(jobs: Sequence[Job]) -> list[Job]:
    """One job for each wallet and chain where liquidity can be read."""
    return list({(job.wallet.address, job.chain.chain): job for job in jobs if provides(job)}.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolsAnswer:
    """The expected yields of all pools."""

    document: PoolsDocument
    """For ``--json``."""
    shown: tuple[AccountLiquidity, ...]
    """The same by wallet and chain, for tables."""
    exit_code: int
    """1 where a chain could not be served, else 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldAnswer:
    """Our positions in pools."""

    parts: tuple[AccountPositions, ...]
    """Parts of the document of ``positions``."""
    shown: tuple[AccountLiquidity, ...]
    """The same by wallet and chain, for tables."""
    exit_code: int
    """1 where a chain could not be served, else 0."""


def pools(request: MarketsRequest, context: Context) -> PoolsAnswer:
    """The expected yield of every pool, for our wealth or the requested amount. Raises ConfigError for a request that
    names no job or no amount, MarketError for an amount that no feed prices."""
    found = _all(context, jobs_of(request.jobs, context), request.amount)
    return PoolsAnswer(
        document=PoolsDocument(
            horizon_seconds=horizon_seconds(context.settings.policy), jobs=tuple(AccountPools.of(one) for one in found)
        ),
        shown=tuple(found),
        exit_code=int(any(one.skipped for one in found)),
    )


def positions(context: Context, observed: Sequence[Observation], accounting: Accounting) -> HeldAnswer:
    """Our positions in pools, for all jobs; empty where no chain has liquidity to read."""
    jobs = [job for job, _ in observed]
    found = _all(context, jobs, None, (observed, accounting)) if accounts(jobs) else []
    return HeldAnswer(
        parts=tuple(AccountPositions.of(one) for one in found),
        shown=tuple(found),
        exit_code=int(any(one.skipped for one in found)),
    )


def _all(
    context: Context,
    jobs: Sequence[Job],
    amount: str | None,
    ours: tuple[Sequence[Observation], Accounting] | None = None,
) -> list[AccountLiquidity]:
    async def every() -> list[AccountLiquidity]:
        return list(await asyncio.gather(*(_one(context, job, amount, ours) for job in accounts(jobs))))

    return asyncio.run(every())


async def _one(
    context: Context, job: Job, amount: str | None, ours: tuple[Sequence[Observation], Accounting] | None
) -> AccountLiquidity:
    """One account's liquidity. ``ours``: the jobs' snapshots and the accounting, to read our positions; None: appraise
    the pools."""
    requested = None if amount is None else amount_of("--amount", amount, job)
    try:
        async with connect(job.chain) as node:
            await node.verify_chain()
            view = await fetch_view(node, job.chain, job.wallet.address, only_ours=ours is not None)
            shown = await appraised(node, context.settings.policy, job, view, requested, ours=ours is not None)
            if ours is None:
                return shown

            return replace(shown, gained=await gains(node, job, *ours, view, shown.pasts))
    except TransientError as passing:
        return AccountLiquidity(job, None, str(passing))


async def appraised(
    node: Node, policy: Policy, job: Job, view: LiquidityView, requested: Amount | None = None, *, ours: bool
) -> AccountLiquidity:
    """Appraise the pools for our wealth (or ``requested``); with ``ours`` our positions instead."""
    pools = [position.state.pool for position in view.positions] if ours else [s.pool for s in view.states.values()]
    tokens = list(dict.fromkeys(token for pool in pools for token in (pool.token0, pool.token1)))
    others = await lending(node, job.chain, job.wallet, view.block, tokens)
    if ours:
        pasts = [
            await (
                past_of_shares(node, p, job.wallet.address, view.block) if p.shares else past_of(node, p, view.block)
            )
            for p in view.positions
        ]
        triggers: list[Trigger | None] = []
        for position in view.positions:
            pool = position.state.pool
            gas, worth = view.gas_price(pool), view.worth(pool, position.amounts)
            record = view.records[pool.id]
            if gas is None or worth is None:
                triggers.append(None)
                continue
            triggers.append(trigger(position, record, gas, policy, _elsewhere(pool, worth, view, others, policy)))
        return AccountLiquidity(job, view, triggers=tuple(triggers), pasts=tuple(pasts))
    value_usd = _wealth_usd(job, view, others, requested)
    appraisals, unvalued = [], []
    for state in view.states.values():
        gas, prices = view.gas_price(state.pool), view.prices(state.pool)
        if gas is None or prices is None:
            unvalued.append(f"{named(state.pool)}: no feed prices its tokens, or gas")
            continue
        rates = _elsewhere(state.pool, value_usd, view, others, policy)
        record = view.records[state.pool.id]
        appraisals.append(appraise(state, record, value_usd / prices[1], gas, policy, rates))
    return AccountLiquidity(job, view, None, value_usd, tuple(appraisals), unvalued=tuple(unvalued))


def _wealth_usd(job: Job, view: LiquidityView, others: dict[Token, Lending], requested: Amount | None) -> float:
    """US dollars of ``requested``, else of all that we hold of the pools' tokens."""
    if requested is not None:
        if requested.token not in view.usd:
            raise MarketError(f"--amount: {requested.token.symbol} has no USD feed in chains/{job.chain.name}.toml")
        return float(requested) * view.usd[requested.token]
    whole = 0.0
    for token, one in others.items():
        if one.snapshot is not None and token in view.usd:
            whole += float(wealth_of(one.snapshot, job_of(job, token))) * view.usd[token]
    return whole or ASSUMED_USD


def job_of(job: Job, token: Token) -> Job:
    """The same wallet and chain with another asset."""
    return replace(job, asset=token)


def _elsewhere(pool: Pool, usd: float, view: LiquidityView, others: dict[Token, Lending], policy: Policy) -> list[Apy]:
    """The best APYs that this value would earn by lending, in each of the pool's tokens."""
    found = []
    horizon = policy.horizon_seconds
    for token in (pool.token0, pool.token1):
        prices = view.prices(pool)
        if prices is None:
            continue
        each = prices[0] if token == pool.token0 else prices[1]
        best = others[token].best(Amount(token, int(usd / each)), horizon, policy)
        if best is not None:
            found.append(Apy.from_growth(best[0] * horizon / SECONDS_PER_YEAR, horizon))
    return found
