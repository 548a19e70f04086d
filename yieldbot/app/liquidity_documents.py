"""The document of ``markets --kind lp``, and the part of ``positions`` about liquidity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypedDict

from pydantic import Field

from yieldbot.app.document import Part
from yieldbot.app.formatting import number
from yieldbot.app.market_documents import MarketsDocument
from yieldbot.app.parts import Block, Money
from yieldbot.app.pool_names import price_at
from yieldbot.books.export_text import decimal
from yieldbot.math.range_yield import kept_by_arbitrage
from yieldbot.model import exchange as model
from yieldbot.model.amounts import Amount

if TYPE_CHECKING:
    from yieldbot.allocator.liquidity_advice import Appraisal, Trigger
    from yieldbot.app.liquidity import AccountLiquidity
    from yieldbot.app.liquidity_profit import PoolProfit
    from yieldbot.books.liquidity_pnl import LiquidityPnl
    from yieldbot.chains.evm.liquidity.position_events import PositionHistory
    from yieldbot.chains.evm.liquidity.view import LiquidityView
    from yieldbot.model.liquidity import LiquidityPool, PoolPosition


class AccountHeadFields(TypedDict):
    """The fields of AccountHead by name, for a part that adds fields of its own."""

    wallet: str
    """The wallet's name."""
    owner: str
    """The account's address."""
    chain: str
    """The chain's name."""
    chain_id: str
    """The chain's CAIP-2 identifier."""
    skipped: str | None
    """Why the chain could not be served; None: it was."""
    block: Block | None
    """The block that was read; None: none was."""
    unread: tuple[str, ...]
    """Pools that could not be read or valued, each with the reason."""


class AccountHead(Part):
    """Which wallet on which chain an entry is about, and at which block."""

    wallet: str = Field(description="the wallet's name")
    owner: str = Field(description="the account's address")
    chain: str = Field(description="the chain's name")
    chain_id: str = Field(description="the chain's identifier, as eip155:8453")
    skipped: str | None = Field(description="why the chain could not be served; null: it was served")
    block: Block | None = Field(description="the block that was read; null: none was")
    unread: tuple[str, ...] = Field(description="pools that could not be read or valued, each with the reason")


class PoolToken(Part):
    """One of a pool's two tokens."""

    symbol: str = Field(description="its symbol")
    address: str = Field(description="its address")


class Pool(Part):
    """A pool."""

    name: str = Field(description="its name")
    protocol: str = Field(description="the protocol's name")
    address: str = Field(description="the contract that holds it")
    id: str = Field(description="its id in the PoolManager (Uniswap v4), else its address")
    token0: PoolToken = Field(description="the token with the lower address")
    token1: PoolToken = Field(description="the token with the higher address")

    @classmethod
    def of(cls, pool: model.Pool) -> Pool:
        return cls(
            name=pool.name,
            protocol=pool.protocol,
            address=pool.address,
            id=pool.id,
            token0=PoolToken(symbol=pool.token0.symbol, address=pool.token0.address),
            token1=PoolToken(symbol=pool.token1.symbol, address=pool.token1.address),
        )


class EstimateBounds(Part):
    """An estimate with its bounds."""

    low: float | None = Field(description="the lower bound; null: unbounded")
    mean: float | None = Field(description="the estimate")
    high: float | None = Field(description="the upper bound; null: unbounded")

    @classmethod
    def of(cls, low: float, mean: float, high: float) -> EstimateBounds:
        return cls(low=number(low), mean=number(mean), high=number(high))


class ExpectedRange(Part):
    """The range in which liquidity is expected to earn most."""

    tick_low: int = Field(description="the lower tick")
    tick_high: int = Field(description="the upper tick")
    price_low: float | None = Field(description="lower price, token1 for one token0; null: all prices")
    price_high: float | None = Field(description="upper price, token1 for one token0; null: all prices")


class AppraisedPool(Part):
    """A pool, and what liquidity in its best range is expected to earn. Rates are fractions of the value a year."""

    pool: Pool = Field(description="the pool")
    fee: float = Field(description="its swap fee, as a fraction")
    price: float = Field(description="token1 for one token0")
    tvl_usd: float | None = Field(description="value of both tokens in it, in US dollars; null: no feed prices them")
    volatility: EstimateBounds = Field(description="volatility of its price, a year")
    fees_apr: float | None = Field(description="fees earned in the best range")
    lvr_apr: float | None = Field(description="loss versus rebalancing in the best range")
    cost_apr: float | None = Field(description="cost of gas, swaps and rebalancing the range")
    inside: float | None = Field(description="fraction of the time that the price is in the range")
    lvr_kept_by_arbitrage: float | None = Field(
        description="fraction of the LVR that arbitrage keeps; the rest comes back as fees; null: not known"
    )
    net_apy: EstimateBounds = Field(description="fees less LVR and cost, an effective annual fraction")
    best_range: ExpectedRange = Field(description="the range that these numbers are for")
    lending_apy: float | None = Field(
        description="the best that either token would earn by lending; null: no market takes it"
    )
    beats_lending: bool = Field(description="whether liquidity would earn more than lending")
    vetoes: tuple[str, ...] = Field(description="why it would not, or may not be provided")

    @classmethod
    def of(cls, found: Appraisal, view: LiquidityView) -> AppraisedPool:
        state, pool, at_mean = found.state, found.state.pool, found.best.at_mean
        ticks = None if found.best.full else (found.best.ticks.low, found.best.ticks.high)
        sigma, record = found.estimate.sigma, view.records[pool.id]
        blocks = view.deployments[pool.id].params["lookback_blocks"]
        every = sum(record.fee_seconds) / blocks if record.fees and not record.missing else None
        low, mean, high = found.net
        return cls(
            pool=Pool.of(pool),
            fee=state.fee,
            price=_price(state),
            tvl_usd=number(view.worth(pool, state.reserves)),
            volatility=EstimateBounds.of(sigma.low, sigma.mean, sigma.high),
            fees_apr=number(at_mean.fees),
            lvr_apr=number(at_mean.lost),
            cost_apr=number(at_mean.cost),
            inside=number(at_mean.inside),
            lvr_kept_by_arbitrage=None if every is None else number(kept_by_arbitrage(sigma.mean, state.fee, every)),
            net_apy=EstimateBounds.of(low.value, mean.value, high.value),
            best_range=ExpectedRange(
                tick_low=found.best.ticks.low,
                tick_high=found.best.ticks.high,
                price_low=None if ticks is None else price_at(pool, ticks[0]),
                price_high=None if ticks is None else price_at(pool, ticks[1]),
            ),
            lending_apy=None if found.lending is None else found.lending.value,
            beats_lending=not found.vetoes,
            vetoes=found.vetoes,
        )


class AccountPools(AccountHead):
    """Expected yields of pools, for one wallet on one chain."""

    value_usd: float = Field(
        description="US dollars for which the pools are appraised: the wallet's tokens, or `--amount`"
    )
    pools: tuple[AppraisedPool, ...] = Field(description="every pool that could be valued")

    @classmethod
    def of(cls, one: AccountLiquidity) -> AccountPools:
        pools = () if one.view is None else tuple(AppraisedPool.of(found, one.view) for found in one.appraisals)
        return cls(**_head(one), value_usd=one.value_usd, pools=pools)


class PoolsDocument(MarketsDocument):
    """Every pool with its expected yields (`--kind lp`)."""

    kind: Literal["lp"] = Field(default="lp", description="liquidity in pools")
    jobs: tuple[AccountPools, ...] = Field(description="one for each wallet and chain")


class LiquidityPosition(Part):
    """Our position in a pool. Lists of money are of token0 and token1."""

    pool: Pool = Field(description="the pool")
    token_id: int | None = Field(description="the position's NFT number; null: LP tokens of a Uniswap v2 pair")
    tick_low: int | None = Field(description="the lower tick; null: all prices")
    tick_high: int | None = Field(description="the upper tick; null: all prices")
    tick: int = Field(description="the pool's present tick")
    price: float = Field(description="the present price, token1 for one token0")
    price_low: float | None = Field(description="lower price of the range; null: all prices")
    price_high: float | None = Field(description="upper price of the range; null: all prices")
    in_range: bool = Field(description="whether the price is in the range, so that it earns fees")
    out_for_seconds: float | None = Field(
        description="for how many seconds it has been out of range, at least; null: not known"
    )
    liquidity: str = Field(description="units of liquidity, as decimal text")
    amounts: tuple[Money, Money] = Field(description="what its liquidity would pay out now")
    fees: tuple[Money, Money] = Field(description="fees that `lp collect` would pay out")
    value_usd: float | None = Field(description="value of `amounts`, in US dollars; null: no feed prices them")
    fees_usd: float | None = Field(description="value of `fees`, in US dollars; null: no feed prices them")
    put_in: tuple[Money, Money] | None = Field(
        description="put in since it was last empty; null: `past_unknown` says why"
    )
    taken_out: tuple[Money, Money] | None = Field(
        description="taken out since then, fees not included; null as `put_in`"
    )
    fees_earned: tuple[Money, Money] | None = Field(
        description="fees earned since then, those not collected yet included; null as `put_in`"
    )
    since_block: int | None = Field(description="the block since which it holds something; null as `put_in`")
    past_unknown: str | None = Field(description="why `put_in` and what follows are null; null: they are known")
    impermanent_loss: float | None = Field(
        description="(`amounts` + `taken_out`) / `put_in` - 1, all at the pool's present price, fees not included; "
        "null: not known"
    )
    advice: str | None = Field(description="hold, rerange (rebalance the range) or leave; null: its value is not known")
    advice_reason: str | None = Field(description="why; null as `advice`")

    @classmethod
    def of(
        cls, found: PoolPosition, past: PositionHistory | str, advice: Trigger | None, view: LiquidityView
    ) -> LiquidityPosition:
        pool, ticks = found.state.pool, found.ticks
        known = None if isinstance(past, str) else past
        raw_price = (found.state.sqrt_price_x96 / 2**96) ** 2
        return cls(
            pool=Pool.of(pool),
            token_id=found.token_id,
            tick_low=ticks[0] if ticks else None,
            tick_high=ticks[1] if ticks else None,
            tick=found.state.tick,
            price=_price(found.state),
            price_low=price_at(pool, ticks[0]) if ticks else None,
            price_high=price_at(pool, ticks[1]) if ticks else None,
            in_range=found.in_range,
            out_for_seconds=found.out_for,
            liquidity=str(found.liquidity),
            amounts=_pair(pool, found.amounts),
            fees=_pair(pool, found.fees),
            value_usd=number(view.worth(pool, found.amounts)),
            fees_usd=number(view.worth(pool, found.fees)),
            put_in=_pair(pool, known.put) if known else None,
            taken_out=_pair(pool, known.taken) if known else None,
            fees_earned=_pair(pool, known.earned(found.fees)) if known else None,
            since_block=known.since if known else None,
            past_unknown=past if isinstance(past, str) else None,
            impermanent_loss=number(known.impermanent_loss(found.amounts, raw_price) if known else None),
            advice=advice.advice.value if advice else None,
            advice_reason=advice.reason if advice else None,
        )


class PoolProfitAndLoss(Part):
    """Profit and loss of all our positions in a pool since they were last empty. Amounts in `base` are decimal text,
    null where a price is missing. Lists of money have an entry for each token."""

    since: int = Field(description="when we entered, in unix seconds")
    put_in: tuple[Money, ...] = Field(description="put in since then")
    taken_out: tuple[Money, ...] = Field(description="taken out since then")
    worth: tuple[Money, ...] = Field(description="what is there now, fees not collected yet included")
    base: str = Field(description="USD, or the unit of the jobs' base")
    total: str | None = Field(description="realised and unrealised profit together")
    realised: str | None = Field(description="what was taken out, less its cost by first in, first out")
    unrealised: str | None = Field(description="what is there now, less its cost")
    swaps: str | None = Field(description="the part of `realised` that comes from swaps in its transactions")
    gas: Money | None = Field(
        description="fees of its transactions in native tokens, not part of `total`; null: a fee is not known"
    )
    gas_base: str | None = Field(description="value of those fees when they were paid")

    @classmethod
    def of(cls, profit: LiquidityPnl, worth: Sequence[Amount], unit: str) -> PoolProfitAndLoss:
        """``worth``: what our positions there would pay out; ``unit``: the currency of the other figures."""
        return cls(
            since=profit.since,
            put_in=tuple(Money.of(amount) for amount in profit.put_in),
            taken_out=tuple(Money.of(amount) for amount in profit.taken_out),
            worth=tuple(Money.of(amount) for amount in worth),
            base=unit,
            total=decimal(profit.base) or None,
            realised=decimal(profit.realised) or None,
            unrealised=decimal(profit.unrealised) or None,
            swaps=decimal(profit.swaps) or None,
            gas=Money.or_none(profit.gas),
            gas_base=decimal(profit.gas_base) or None,
        )


class PoolResult(Part):
    """A pool that we are or were in. Positions that plans hold in a pool have their profit and loss here only."""

    id: str = Field(description="the market's identifier")
    name: str = Field(description="its name")
    token_ids: tuple[int, ...] = Field(description="NFT numbers of our positions there now")
    left: bool = Field(description="whether we have left it; `pnl` is then of the last stay")
    pnl: PoolProfitAndLoss | None = Field(description="null: `pnl_unknown` says why")
    pnl_unknown: str | None = Field(description="why there is no `pnl`, or which price is missing; null: neither")

    @classmethod
    def of(cls, row: PoolProfit) -> PoolResult:
        profit = row.found
        return cls(
            id=row.market_id,
            name=row.name,
            token_ids=row.token_ids,
            left=row.left,
            pnl=None if isinstance(profit, str) else PoolProfitAndLoss.of(profit, row.worth, row.unit),
            pnl_unknown=profit if isinstance(profit, str) else profit.lacks,
        )


class AccountPositions(AccountHead):
    """The liquidity of one wallet on one chain."""

    positions: tuple[LiquidityPosition, ...] = Field(description="our open positions")
    markets: tuple[PoolResult, ...] = Field(description="pools that we are or were in")

    @classmethod
    def of(cls, one: AccountLiquidity) -> AccountPositions:
        view = one.view
        rows = () if view is None else zip(view.positions, one.pasts, one.triggers, strict=True)
        return cls(
            **_head(one),
            positions=tuple(LiquidityPosition.of(*row, view) for row in rows if view is not None),
            markets=tuple(PoolResult.of(row) for row in one.gained),
        )


def _head(one: AccountLiquidity) -> AccountHeadFields:
    job, view = one.job, one.view
    return {
        "wallet": job.wallet.name,
        "owner": job.wallet.address,
        "chain": job.chain.name,
        "chain_id": job.chain.chain,
        "skipped": one.skipped,
        "block": Block.of(view.block) if view else None,
        "unread": (*(view.unread if view else ()), *one.unvalued),
    }


def _pair(pool: model.Pool, amounts: tuple[int, int]) -> tuple[Money, Money]:
    zero, one = amounts
    return Money.of(Amount(pool.token0, zero)), Money.of(Amount(pool.token1, one))


def _price(state: LiquidityPool) -> float:
    """Whole token1 for one token0 now."""
    return price_at(state.pool, 0) * (state.sqrt_price_x96 / 2**96) ** 2
