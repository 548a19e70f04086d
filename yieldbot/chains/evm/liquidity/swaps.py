"""Swaps that liquidity needs, made in its own pool, and only at a price that independent prices confirm."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

from yieldbot.chains.evm.execution.balances import fetch_allowance, fetch_balances
from yieldbot.chains.evm.execution.build import allowance_call
from yieldbot.chains.evm.liquidity.order import LiquidityOrder, OrderCall, Tally
from yieldbot.chains.evm.liquidity.view import LiquidityView
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.swap_pools import TWAP_SECONDS
from yieldbot.errors import ConfigError, MarketError, SafetyError
from yieldbot.math.concentrated import Q96, Unswappable, V3Pool
from yieldbot.math.liquidity_range import Range
from yieldbot.math.range_entry import around_price, balancing
from yieldbot.math.venues import V3Venue
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import FEEDS, Pool, SwapTerms
from yieldbot.model.ids import Address
from yieldbot.model.liquidity import LiquidityPool
from yieldbot.model.numbers import significant
from yieldbot.model.plan import Declined
from yieldbot.model.policy import Policy
from yieldbot.model.settings import ChainSettings
from yieldbot.model.tx import EvmCall
from yieldbot.model.units import BPS
from yieldbot.protocols import exchanges, liquidity
from yieldbot.protocols.evm.uniswap_v3 import read_pool, twap
from yieldbot.risk.prices import below_minimum, depegged, fair_output, stale

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms that apply to every call of an order."""

    id: str
    """The order's id, or the plan's."""
    owner: Address
    """Our account."""
    slippage: float
    """How far the price may move until execution, as a fraction."""
    deadline: int
    """Unix seconds by the chain's clock after which nothing of the order is executed."""
    lasts_seconds: int | None = None
    """Seconds within which a call must be mined after it is built, since an order's transactions may be far apart;
    None: only ``deadline`` applies."""

    async def end(self, node: Node) -> int:
        """The deadline of a call that is built now, in unix seconds by the chain's clock."""
        if self.lasts_seconds is None:
            return self.deadline
        return min(self.deadline, (await node.block()).timestamp + self.lasts_seconds)


@dataclass(frozen=True, slots=True)
class Swapper:
    """Makes an order's swaps in its pool."""

    pool: Pool
    """The pool."""
    deployment: Deployment
    """The exchange's table."""
    order: LiquidityOrder
    """The order that the swaps belong to."""
    usd: Mapping[Token, float]
    """US dollar prices of tokens by their feeds."""
    near: float
    """How far the pool's price may differ from each independent price, as a fraction."""
    terms: Terms
    """The order's terms."""
    impact: float | None = None
    """Largest shortfall of a swap against the best independent price, as a fraction, fee included; None: only the
    order's minimum applies."""
    tally: Tally | None = None
    """What the leg still has to put in or to sell; None: the wallet's gain since ``before`` counts."""

    async def state(self, node: Node) -> LiquidityPool:
        """The pool's present state. Raises MarketError."""
        adapter = liquidity()[self.pool.protocol]
        (found,) = await node.run([adapter.observe(self.pool, self.deployment)], await node.block())
        if isinstance(found, MarketError):
            raise found
        return found

    async def beyond(self, node: Node, before: Mapping[Token, int]) -> Pair:
        """Base units of both tokens that are available: those in the tally, or else the wallet's gain since
        ``before``."""
        zero, one = self.order.tokens
        if self.tally is not None:
            return self.tally.has(zero), self.tally.has(one)
        now = await fetch_balances(node, self.terms.owner, (zero, one))
        return max(0, now[zero] - before[zero]), max(0, now[one] - before[one])

    async def balanced(self, node: Node, ticks: Range, before: Mapping[Token, int]) -> AsyncIterator[OrderCall]:
        """Steps that swap what is available into a range's proportion. Raises SafetyError if the price afterwards is
        not the one that the swap leaves: liquidity is not added at a price that somebody has moved."""
        pool, prices = await self.trusted(node)
        expected = pool.sqrt_price_x96
        if (found := balancing(pool, ticks, await self.beyond(node, before))) is not None:
            async for step in self._swap(node, *found, prices):
                yield step
            expected = pool.swap(found[1], found[0]).sqrt_price_x96
        now = (await self.state(node)).sqrt_price_x96
        if abs((now / expected) ** 2 - 1.0) > self.terms.slippage:
            reason = f"{self.pool.name}: its price has moved by more than {self.terms.slippage:z.2%} since the swap"
            raise SafetyError("PRICE_IMPACT", reason)

    async def read(self, node: Node) -> V3Pool:
        """The pool's present state with its ticks. Raises MarketError."""
        (pool,) = await node.run([read_pool(self.pool.address)], await node.block())
        if isinstance(pool, MarketError):
            raise pool
        return pool

    async def centred(self, node: Node, ticks: Range, before: Mapping[Token, int]) -> Range:
        """A range of the same width, centred on the price after the swap that it needs."""
        return around_price(await self.read(node), ticks, await self.beyond(node, before))

    async def sold(self, node: Node, zero: bool, before: Mapping[Token, int]) -> AsyncIterator[OrderCall]:
        """Steps that swap all that is available of one token (``zero``: token0) for the other."""
        given = (await self.beyond(node, before))[0 if zero else 1]
        if not given:
            return
        pool, prices = await self.trusted(node)
        try:
            gives = V3Venue(pool, zero).quote_exact_in(given)[0]
        except Unswappable as refused:
            raise SafetyError("PRICE_IMPACT", f"{self.pool.name}: {refused}") from None
        if gives:  # a unit or two may bring nothing: they stay in the wallet
            async for step in self._swap(node, zero, given, gives, prices):
                yield step

    async def trusted(self, node: Node) -> tuple[V3Pool, dict[str, float]]:
        """(the pool's present state, the independent prices). Raises SafetyError if the pool's price is too far from
        one of them, MarketError."""
        pool = await self.read(node)
        judged = await fair_price(node, await self.state(node), self.usd, self.near)
        if isinstance(judged, Declined):
            raise SafetyError(judged.code, judged.reason)
        return pool, judged

    async def _swap(
        self, node: Node, zero: bool, given: int, gives: int, prices: Mapping[str, float]
    ) -> AsyncIterator[OrderCall]:
        """Steps of one swap, its exact allowance included."""
        source, wanted = self.order.tokens if zero else self.order.tokens[::-1]
        if self.impact is not None:
            rates = prices if zero else {who: 1.0 / rate for who, rate in prices.items()}
            judged = fair_output(rates, Amount(source, given), wanted, self.impact * BPS)
            refused = judged if isinstance(judged, Declined) else below_minimum(Amount(wanted, gives), judged.least)
            if refused is not None:
                raise SafetyError(refused.code, refused.reason)
        terms = self.terms
        bound = SwapTerms((self.pool,), Amount(source, given), Amount(wanted, int(gives * (1.0 - terms.slippage))))
        most = (given, 0) if zero else (0, given)
        swap = replace(self.order, swap=bound, most=most, liquidity=0, expires_at=terms.deadline)
        adapter = exchanges()[self.pool.protocol]

        def calls(deadline: int) -> tuple[EvmCall, ...]:
            return adapter.swap((self.pool,), bound.given, bound.least, terms.owner, deadline)

        for call in calls(terms.deadline):
            if call.allowance is not None:
                spender = call.allowance.spender
                async for step in allowing(node, swap, source, given, terms.owner, spender, "the router"):
                    yield step
        end = await terms.end(node)
        for call in calls(end):
            yield OrderCall(
                call=call, order=replace(swap, expires_at=end), moves=(source,), least={wanted: bound.least.raw}
            )


async def allowing(
    node: Node, order: LiquidityOrder, token: Token, raw: int, owner: Address, spender: Address, name: str
) -> AsyncIterator[OrderCall]:
    """Steps that set the exact allowance; a different one is set to zero first (USDT refuses to change it in one
    step)."""
    allowed = await fetch_allowance(node, token.address, owner, spender)
    if allowed == raw:
        return
    for value in (0, raw) if allowed else (raw,):
        yield OrderCall(call=allowance_call(token, spender, value, name), order=order)


def router_of(state: LiquidityPool) -> Address:
    """The exchange's router. Raises ConfigError where its table names none."""
    router = state.pool.params.get("router")
    if not router:
        raise ConfigError(f"{state.pool.name}: its [[exchanges]] table names no router: a new range needs a swap")
    return Address(str(router))


def sound_feeds(view: LiquidityView, pool: Pool, chain: ChainSettings, policy: Policy) -> Declined | None:
    """Why the feeds of a pool's tokens cannot be used (too old, or a pegged token off its peg); None if they can."""
    pair = (pool.token0, pool.token1)
    updated = {token.symbol: view.usd_at[token] for token in pair if token in view.usd_at}
    return stale(updated, view.block.timestamp, policy.max_feed_age_seconds) or depegged(
        pair, view.usd, chain.pegged, policy.max_depeg_bps
    )


async def fair_price(
    node: Node, state: LiquidityPool, usd: Mapping[Token, float], slippage: float, others: Sequence[Pool] = ()
) -> Declined | dict[str, float]:
    """Whole token1 for one token0 by each independent price; or why the pool's price must not be used: too few prices,
    prices too far apart, or the pool's own price further than ``slippage`` (a fraction) from one of them. others:
    Uniswap v3 pools of the same tokens, whose TWAPs are used if the pool keeps none."""
    pool, block = state.pool, await node.block()
    prices: dict[str, float] = {}
    if pool.token0 in usd and pool.token1 in usd:
        prices[FEEDS] = usd[pool.token0] / usd[pool.token1]
    pools = [pool] if state.spacing else list(others)
    for each, price in zip(pools, await node.run([twap(p, TWAP_SECONDS) for p in pools], block), strict=True):
        if not isinstance(price, MarketError):
            prices["the pool's TWAP" if each == pool else f"{each.name}'s TWAP"] = price
    judged = fair_output(prices, Amount(pool.token0, pool.token0.one), pool.token1, slippage * 10_000)
    if isinstance(judged, Declined):
        return judged
    now = (state.sqrt_price_x96 / Q96) ** 2 * pool.token0.one / pool.token1.one
    for who, price in prices.items():
        if abs(now / price - 1.0) > slippage:
            both = f"the pool's price is {significant(now, 6)}, {who} says {significant(price, 6)}"
            reason = f"{both}: more than {slippage:z.2%} apart"
            return Declined("PRICE_IMPACT", reason)
    return prices
