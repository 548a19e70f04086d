"""Liquidity: what pools would yield, and how our positions in them stand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from yieldbot.allocator.liquidity import appraise, trigger
from yieldbot.app import documents as docs
from yieldbot.app import liquidity_profit as lp_pnl
from yieldbot.app.liquidity_profit import gains
from yieldbot.app.overview import horizon_seconds
from yieldbot.app.whatif import amount_of
from yieldbot.app.wiring import jobs_of
from yieldbot.chains.evm.liquidity.lending import lending
from yieldbot.chains.evm.liquidity.look import look
from yieldbot.chains.evm.liquidity.pair_events import past_of_shares
from yieldbot.chains.evm.liquidity.position_events import past_of
from yieldbot.chains.evm.node.connect import connect
from yieldbot.errors import MarketError, TransientError
from yieldbot.math.liquidity import kept_by_arbitrage
from yieldbot.model.amounts import SECONDS_PER_YEAR, Amount, Apy, Token

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yieldbot.allocator.liquidity import Appraisal, Trigger
    from yieldbot.app.context import Context
    from yieldbot.app.documents import Doc
    from yieldbot.app.liquidity_profit import Gained
    from yieldbot.app.markets import MarketsRequest
    from yieldbot.app.overview import Observation
    from yieldbot.app.profit import Ledger
    from yieldbot.chains.evm.liquidity.lending import Lending
    from yieldbot.chains.evm.liquidity.look import LpView
    from yieldbot.chains.evm.liquidity.position_events import Past
    from yieldbot.chains.evm.node.client import EvmNode
    from yieldbot.model.exchange import Pool
    from yieldbot.model.liquidity import LpPosition
    from yieldbot.model.policy import Job, Policy

ASSUMED_USD = 1_000.0
"""What is appraised where the wallet holds nothing."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One wallet on one chain. value_usd: what is appraised; pasts: in the positions' order; gained: profit and loss of
    each pool that it is or was in."""

    job: Job
    view: LpView | None
    skipped: str | None = None
    value_usd: float = 0.0
    appraisals: tuple[Appraisal, ...] = ()
    triggers: tuple[Trigger | None, ...] = ()
    pasts: tuple[Past | str, ...] = ()
    unvalued: tuple[str, ...] = field(default=())
    gained: tuple[Gained, ...] = field(default=())


def provides(job: Job) -> bool:
    """Whether liquidity can be provided on the job's chain, or looked at."""
    return any(table.protocol == "uniswap_v2" or table.params.get("manager") for table in job.chain.exchanges)


def accounts(jobs: Sequence[Job]) -> list[Job]:
    """A job of each wallet on each chain where there is liquidity to look at."""
    return list({(job.wallet.address, job.chain.chain): job for job in jobs if provides(job)}.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolsAnswer:
    """What pools would yield, by wallet and chain."""

    document: Doc
    shown: tuple[Shown, ...]
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldAnswer:
    """Our positions in pools, by wallet and chain."""

    document: list[Doc]
    """A part of the positions' document."""
    shown: tuple[Shown, ...]
    exit_code: int


def pools(request: MarketsRequest, context: Context) -> PoolsAnswer:
    """Every pool, for our wealth or the amount that is asked for. Raises ConfigError for a request that means no job or
    no amount, MarketError for an amount that nothing prices."""
    found = _all(context, jobs_of(request.jobs, context), request.amount)
    rows = [_head(one) | {"value_usd": one.value_usd, "pools": _pool_docs(one)} for one in found]
    horizon = horizon_seconds(context.settings.policy)
    return PoolsAnswer(
        document=docs.document("markets", horizon_seconds=horizon, kind="lp", jobs=rows),
        shown=tuple(found),
        exit_code=int(any(one.skipped for one in found)),
    )


def positions(context: Context, observed: Sequence[Observation], books: Ledger) -> HeldAnswer:
    """Of all jobs; nothing where no chain has any to look at."""
    jobs = [job for job, _ in observed]
    found = _all(context, jobs, None, (observed, books)) if accounts(jobs) else []
    rows = [
        _head(one) | {"positions": _position_docs(one), "markets": [lp_pnl.document(row) for row in one.gained]}
        for one in found
    ]
    return HeldAnswer(document=rows, shown=tuple(found), exit_code=int(any(one.skipped for one in found)))


def _all(
    context: Context, jobs: Sequence[Job], amount: str | None, ours: tuple[Sequence[Observation], Ledger] | None = None
) -> list[Shown]:
    async def every() -> list[Shown]:
        return list(await asyncio.gather(*(_one(context, job, amount, ours) for job in accounts(jobs))))

    return asyncio.run(every())


async def _one(
    context: Context, job: Job, amount: str | None, ours: tuple[Sequence[Observation], Ledger] | None
) -> Shown:
    """``ours``: our positions, with what the jobs' snapshots and the journal tell; None: the pools."""
    asked = None if amount is None else amount_of("--amount", amount, job)
    try:
        async with connect(job.chain) as node:
            await node.verify_chain()
            view = await look(node, job.chain, job.wallet.address, only_ours=ours is not None)
            shown = await appraised(node, context.settings.policy, job, view, asked, ours=ours is not None)
            if ours is None:
                return shown

            return replace(shown, gained=await gains(node, job, *ours, view, shown.pasts))
    except TransientError as passing:
        return Shown(job, None, str(passing))


async def appraised(
    node: EvmNode, policy: Policy, job: Job, view: LpView, asked: Amount | None = None, *, ours: bool
) -> Shown:
    """What the view says once it is weighed: pools for our wealth (or ``asked``), or (``ours``) our positions."""
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
        return Shown(job, view, triggers=tuple(triggers), pasts=tuple(pasts))
    value_usd = _wealth_usd(job, view, others, asked)
    appraisals, unvalued = [], []
    for state in view.states.values():
        gas, prices = view.gas_price(state.pool), view.prices(state.pool)
        if gas is None or prices is None:
            unvalued.append(f"{named(state.pool)}: no feed prices its tokens, or gas")
            continue
        rates = _elsewhere(state.pool, value_usd, view, others, policy)
        record = view.records[state.pool.id]
        appraisals.append(appraise(state, record, value_usd / prices[1], gas, policy, rates))
    return Shown(job, view, None, value_usd, tuple(appraisals), unvalued=tuple(unvalued))


def _wealth_usd(job: Job, view: LpView, others: dict[Token, Lending], asked: Amount | None) -> float:
    """US dollars of what is asked for, else of all that the wallet holds of the pools' tokens."""
    if asked is not None:
        if asked.token not in view.usd:
            raise MarketError(f"--amount: {asked.token.symbol} has no USD feed in chains/{job.chain.name}.toml")
        return float(asked) * view.usd[asked.token]
    whole = 0.0
    for token, one in others.items():
        if one.snapshot is not None and token in view.usd:
            whole += float(docs.wealth_of(one.snapshot, job_of(job, token))) * view.usd[token]
    return whole or ASSUMED_USD


def job_of(job: Job, token: Token) -> Job:
    """The same wallet and chain with another asset."""
    return replace(job, asset=token)


def _elsewhere(pool: Pool, usd: float, view: LpView, others: dict[Token, Lending], policy: Policy) -> list[Apy]:
    """What this much would earn in each of the pool's tokens where it is lent."""
    found = []
    horizon = policy.horizon_days * 86_400
    for token in (pool.token0, pool.token1):
        prices = view.prices(pool)
        if prices is None:
            continue
        each = prices[0] if token == pool.token0 else prices[1]
        best = others[token].best(Amount(token, int(usd / each)), horizon, policy)
        if best is not None:
            found.append(Apy.from_growth(best[0] * horizon / SECONDS_PER_YEAR, horizon))
    return found


def named(pool: Pool) -> str:
    """A pool with its tokens."""
    return f"{pool.name} {pool.token0.symbol}/{pool.token1.symbol}"


def price_at(pool: Pool, tick: float) -> float:
    """Whole token1 for one token0 at a tick."""
    return float(1.0001**tick * pool.token0.one / pool.token1.one)


def facing(pool: Pool, view: LpView) -> tuple[bool, str]:
    """(whether prices are shown upside down, their unit): so that the dearer token is counted in the cheaper one."""
    price = price_at(pool, view.states[pool.id].tick)
    return price < 1.0, f"{pool.token0.symbol} a {pool.token1.symbol}" if price < 1.0 else (
        f"{pool.token1.symbol} a {pool.token0.symbol}"
    )


def _head(one: Shown) -> Doc:
    job = one.job
    return {
        "wallet": job.wallet.name,
        "owner": job.wallet.address,
        "chain": job.chain.name,
        "chain_id": job.chain.chain,
        "skipped": one.skipped,
        "block": docs.block(one.view.block) if one.view else None,
        "unread": [*(one.view.unread if one.view else ()), *one.unvalued],
    }


def pool_doc(pool: Pool) -> Doc:
    """Which pool."""
    return {
        "name": pool.name,
        "protocol": pool.protocol,
        "address": pool.address,
        "id": pool.id,
        "token0": {"symbol": pool.token0.symbol, "address": pool.token0.address},
        "token1": {"symbol": pool.token1.symbol, "address": pool.token1.address},
    }


def _interval(low: float, mean: float, high: float) -> Doc:
    return {"low": docs.number(low), "mean": docs.number(mean), "high": docs.number(high)}


def _pool_docs(one: Shown) -> list[Doc]:
    rows = []
    for found in one.appraisals:
        state, pool, at_mean, view = found.state, found.state.pool, found.best.at_mean, one.view
        assert view is not None
        ticks = None if found.best.full else (found.best.ticks.low, found.best.ticks.high)
        sigma, record = found.venue.sigma, view.records[pool.id]
        blocks = view.deployments[pool.id].params["lookback_blocks"]
        every = sum(record.fee_seconds) / blocks if record.fees and not record.missing else None
        low, mean, high = found.net
        rows.append(
            {
                "pool": pool_doc(pool),
                "fee": state.fee,
                "price": price_at(pool, 0) * (state.sqrt_price_x96 / 2**96) ** 2,
                "tvl_usd": docs.number(view.worth(pool, state.reserves)),
                "volatility": _interval(sigma.low, sigma.mean, sigma.high),
                "fees_apr": docs.number(at_mean.fees),
                "lvr_apr": docs.number(at_mean.lost),
                "cost_apr": docs.number(at_mean.cost),
                "inside": docs.number(at_mean.inside),
                "lvr_kept_by_arbitrage": None
                if every is None
                else docs.number(kept_by_arbitrage(sigma.mean, state.fee, every)),
                "net_apy": _interval(low.value, mean.value, high.value),
                "best_range": {
                    "tick_low": found.best.ticks.low,
                    "tick_high": found.best.ticks.high,
                    "price_low": None if ticks is None else price_at(pool, ticks[0]),
                    "price_high": None if ticks is None else price_at(pool, ticks[1]),
                },
                "lending_apy": None if found.lending is None else found.lending.value,
                "beats_lending": not found.vetoes,
                "vetoes": list(found.vetoes),
            }
        )
    return rows


def _position_docs(one: Shown) -> list[Doc]:
    rows = []
    for position, past, advice in zip(one.view.positions if one.view else (), one.pasts, one.triggers, strict=True):
        pool, view = position.state.pool, one.view
        assert view is not None
        loss = None
        if not isinstance(past, str):
            loss = past.impermanent_loss(position.amounts, _raw_price(position))
        rows.append(
            {
                "pool": pool_doc(pool),
                "token_id": position.token_id,
                "tick_low": position.ticks[0] if position.ticks else None,
                "tick_high": position.ticks[1] if position.ticks else None,
                "tick": position.state.tick,
                "price": price_at(pool, 0) * _raw_price(position),
                "price_low": price_at(pool, position.ticks[0]) if position.ticks else None,
                "price_high": price_at(pool, position.ticks[1]) if position.ticks else None,
                "in_range": position.in_range,
                "out_for_seconds": position.out_for,
                "liquidity": str(position.liquidity),
                "amounts": _moneys(pool, position.amounts),
                "fees": _moneys(pool, position.fees),
                "value_usd": docs.number(view.worth(pool, position.amounts)),
                "fees_usd": docs.number(view.worth(pool, position.fees)),
                "put_in": None if isinstance(past, str) else _moneys(pool, past.put),
                "taken_out": None if isinstance(past, str) else _moneys(pool, past.taken),
                "fees_earned": None if isinstance(past, str) else _moneys(pool, past.earned(position.fees)),
                "since_block": None if isinstance(past, str) else past.since,
                "past_unknown": past if isinstance(past, str) else None,
                "impermanent_loss": docs.number(loss),
                "advice": advice.advice.value if advice else None,
                "advice_reason": advice.reason if advice else None,
            }
        )
    return rows


def _moneys(pool: Pool, amounts: tuple[int, int]) -> list[Doc]:
    return [docs.money(Amount(t, raw)) for t, raw in zip((pool.token0, pool.token1), amounts, strict=True)]


def _raw_price(position: LpPosition) -> float:
    return (position.state.sqrt_price_x96 / 2**96) ** 2
