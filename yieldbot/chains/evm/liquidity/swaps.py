"""The swaps that liquidity needs, made in its own pool and never at a price that independent ones do not bear out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace

from yieldbot.chains.evm.execution.balances import fetch_allowance, fetch_balances
from yieldbot.chains.evm.execution.build import allowance_call
from yieldbot.chains.evm.liquidity.look import LpView
from yieldbot.chains.evm.liquidity.order import LpOrder, Step, Tally
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.swap_pools import TWAP_SECONDS
from yieldbot.errors import ConfigError, MarketError, SafetyError
from yieldbot.math.concentrated import Q96, Unswappable, V3Pool
from yieldbot.math.liquidity_range import Range
from yieldbot.math.range_yield import full_range, moved_to
from yieldbot.math.venues import V3Venue
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import FEEDS, Pool, SwapTerms
from yieldbot.model.ids import Address
from yieldbot.model.liquidity import LiquidityPool
from yieldbot.model.plan import Declined
from yieldbot.model.policy import Policy
from yieldbot.model.settings import ChainSettings
from yieldbot.model.tx import EvmCall
from yieldbot.model.units import BPS
from yieldbot.protocols import exchanges, liquidity
from yieldbot.protocols.evm.uniswap_v3 import read_pool, twap
from yieldbot.risk.prices import below_minimum, depegged, fair_output, stale

Pair = tuple[int, int]
CENTRING = 4
"""Times that a range is moved to where the swap for it leaves the price; mostly twice is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Of any order. slippage: a fraction; deadline: unix seconds, also the order's end. lasts_seconds: within which a
    call must be mined once it is built (an order's transactions can be long apart); None: by the deadline."""

    id: str
    owner: Address
    slippage: float
    deadline: int
    lasts_seconds: int | None = None

    async def end(self, node: Node) -> int:
        """The deadline of a call that is built now, unix seconds by the chain's clock."""
        if self.lasts_seconds is None:
            return self.deadline
        return min(self.deadline, (await node.block()).timestamp + self.lasts_seconds)


@dataclass(frozen=True, slots=True)
class Swapper:
    """A pool that an order swaps in. near: how far (a fraction) its price may stand from each independent one; impact:
    what a swap may bring less than the best of those says, its fee included, None where the order's least alone says.
    tally: what there is to be put in or sold, where it is not what the wallet has beyond what it had.
    """

    pool: Pool
    deployment: Deployment
    order: LpOrder
    usd: Mapping[Token, float]
    near: float
    terms: Terms
    impact: float | None = None
    tally: Tally | None = None

    async def state(self, node: Node) -> LiquidityPool:
        """The pool as it is now. Raises MarketError."""
        adapter = liquidity()[self.pool.protocol]
        (found,) = await node.run([adapter.observe(self.pool, self.deployment)], await node.block())
        if isinstance(found, MarketError):
            raise found
        return found

    async def beyond(self, node: Node, before: Mapping[Token, int]) -> Pair:
        """What there is of both tokens: by the tally, else what the wallet has beyond ``before``."""
        zero, one = self.order.tokens
        if self.tally is not None:
            return self.tally.has(zero), self.tally.has(one)
        now = await fetch_balances(node, self.terms.owner, (zero, one))
        return max(0, now[zero] - before[zero]), max(0, now[one] - before[one])

    async def balanced(self, node: Node, ticks: Range, before: Mapping[Token, int]) -> AsyncIterator[Step]:
        """What the wallet has beyond ``before``, swapped so that both tokens fit a range. Raises SafetyError where the
        price is then not the one that the swap leaves: nothing is put in at one that somebody has pushed."""
        pool, prices = await self.trusted(node)
        expected = pool.sqrt_price_x96
        if (found := balancing(pool, ticks, await self.beyond(node, before))) is not None:
            async for step in self._swap(node, *found, prices):
                yield step
            expected = pool.swap(found[1], found[0]).sqrt_price_x96
        now = (await self.state(node)).sqrt_price_x96
        if abs((now / expected) ** 2 - 1.0) > self.terms.slippage:
            said = f"{self.pool.name}: its price has moved by more than {self.terms.slippage:.2%} since the swap"
            raise SafetyError("PRICE_IMPACT", said)

    async def read(self, node: Node) -> V3Pool:
        """The pool with its ticks, as it is now. Raises MarketError."""
        (pool,) = await node.run([read_pool(self.pool.address)], await node.block())
        if isinstance(pool, MarketError):
            raise pool
        return pool

    async def centred(self, node: Node, ticks: Range, before: Mapping[Token, int]) -> Range:
        """A range as wide as this one, around the price that it will be laid at: that after the swap that it needs."""
        return around_price(await self.read(node), ticks, await self.beyond(node, before))

    async def sold(self, node: Node, zero: bool, before: Mapping[Token, int]) -> AsyncIterator[Step]:
        """All of one token (``zero``: token0) that the wallet has beyond ``before``, for the other."""
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
        """The pool as it is now, and the independent prices, which its own is near. Raises SafetyError where it is not,
        MarketError."""
        pool = await self.read(node)
        judged = await fair_price(node, await self.state(node), self.usd, self.near)
        if isinstance(judged, Declined):
            raise SafetyError(judged.code, judged.reason)
        return pool, judged

    async def _swap(
        self, node: Node, zero: bool, given: int, gives: int, prices: Mapping[str, float]
    ) -> AsyncIterator[Step]:
        """The swap with its exact allowance."""
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
            yield Step(call=call, order=replace(swap, expires_at=end), moves=(source,), least={wanted: bound.least.raw})


def around_price(pool: V3Pool, ticks: Range, have: Pair) -> Range:
    """A range as wide as ``ticks`` around the price after the swap that ``have`` needs to fit it; a full one stays."""
    if ticks == full_range(pool.spacing):
        return ticks
    found, tick = ticks, pool.tick
    for _ in range(CENTRING):
        found = moved_to(ticks, tick, pool.spacing)
        swap = balancing(pool, found, have)
        after = pool.swap(swap[1], swap[0]).tick if swap else pool.tick
        if after == tick:
            break
        tick = after
    return found


def balancing(pool: V3Pool, ticks: Range, have: Pair) -> tuple[bool, int, int] | None:
    """(whether token0 goes in, how much, what comes out) so that both tokens fit the range at the price after the swap;
    None where nothing is to be swapped. By bisection over the pool's own arithmetic."""

    def excess(zero: int, one: int, sqrt_price_x96: int) -> int:
        """More than 0 where there is too much of token0 for the token1."""
        need0, need1 = ticks.amounts(1 << 96, sqrt_price_x96)
        return zero * need1 - one * need0

    first = excess(*have, pool.sqrt_price_x96)
    zero_for_one = first > 0
    low, high = 0, have[0] if zero_for_one else have[1]
    if not first or not high:
        return None

    def after(given: int) -> tuple[int, int] | None:
        """(the excess after this swap, what it gives); None beyond what the pool can take."""
        try:
            done = pool.swap(given, zero_for_one)
        except Unswappable:
            return None
        return excess(have[0] - done.amount0, have[1] - done.amount1, done.sqrt_price_x96), -(
            done.amount1 if zero_for_one else done.amount0
        )

    best: tuple[bool, int, int] | None = None
    while low < high:
        middle = (low + high + 1) // 2
        found = after(middle)
        if found is not None and (found[0] > 0) == zero_for_one and found[0]:
            low, best = middle, (zero_for_one, middle, found[1])
        else:
            high = middle - 1
    return best if best and best[2] > 0 else None


async def allowing(
    node: Node, order: LpOrder, token: Token, raw: int, owner: Address, spender: Address, name: str
) -> AsyncIterator[Step]:
    """The exact allowance; another one is reset to zero first (USDT refuses to change it in one step)."""
    allowed = await fetch_allowance(node, token.address, owner, spender)
    if allowed == raw:
        return
    for value in (0, raw) if allowed else (raw,):
        yield Step(call=allowance_call(token, spender, value, name), order=order)


def router_of(state: LiquidityPool) -> Address:
    """Raises ConfigError where the exchange names none."""
    router = state.pool.params.get("router")
    if not router:
        raise ConfigError(f"{state.pool.name}: its [[exchanges]] table names no router: a new range needs a swap")
    return Address(str(router))


def sound_feeds(view: LpView, pool: Pool, chain: ChainSettings, policy: Policy) -> Declined | None:
    """Why the feeds of a pool's tokens are not to be gone by: too old, or a pegged token off its peg; else None."""
    pair = (pool.token0, pool.token1)
    updated = {token.symbol: view.usd_at[token] for token in pair if token in view.usd_at}
    return stale(updated, view.block.timestamp, policy.max_feed_age_seconds) or depegged(
        pair, view.usd, chain.pegged, policy.max_depeg_bps
    )


async def fair_price(
    node: Node, state: LiquidityPool, usd: Mapping[Token, float], slippage: float, others: Sequence[Pool] = ()
) -> Declined | dict[str, float]:
    """The independent prices (whole token1 for one token0, by who says so), or why the pool's own price is not to be
    acted on: they are too few, apart, or further from it than the slippage. others: Uniswap v3 pools of the same tokens
    whose TWAPs stand for the pool's own, where it keeps none."""
    pool, block = state.pool, await node.block()
    prices: dict[str, float] = {}
    if pool.token0 in usd and pool.token1 in usd:
        prices[FEEDS] = usd[pool.token0] / usd[pool.token1]
    asked = [pool] if state.spacing else list(others)
    for each, price in zip(asked, await node.run([twap(p, TWAP_SECONDS) for p in asked], block), strict=True):
        if not isinstance(price, MarketError):
            prices["the pool's TWAP" if each == pool else f"{each.name}'s TWAP"] = price
    judged = fair_output(prices, Amount(pool.token0, pool.token0.one), pool.token1, slippage * 10_000)
    if isinstance(judged, Declined):
        return judged
    now = (state.sqrt_price_x96 / Q96) ** 2 * pool.token0.one / pool.token1.one
    for who, price in prices.items():
        if abs(now / price - 1.0) > slippage:
            said = f"the pool's price is {now:,.6g}, {who} says {price:,.6g}: more than {slippage:.2%} apart"
            return Declined("PRICE_IMPACT", said)
    return prices
