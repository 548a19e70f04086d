"""What is done about liquidity, as an order and its steps: add, remove, collect, compound, lay a range anew.

Amounts are exact at the price that was read; each call carries minimums for a price within the slippage of it, and the
price itself must be within the slippage of independent ones (feeds; the pool's own mean).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace

from yieldbot.allocator.fair import depegged, fair, stale
from yieldbot.errors import ConfigError, MarketError, SafetyError
from yieldbot.exchanges import MEAN_SECONDS
from yieldbot.execution.build import allowance_call
from yieldbot.execution.deltas import allowance, balances
from yieldbot.execution.liquidity import LpOrder, Step, Steps
from yieldbot.liquidity import LpView
from yieldbot.math.concentrated import Q96, Unswappable, V3Pool
from yieldbot.math.positions import Range
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.exchange import FEEDS, Pool, SwapTerms
from yieldbot.model.ids import Address
from yieldbot.model.liquidity import LpPosition, LpState
from yieldbot.model.market import Deployment
from yieldbot.model.plan import Declined
from yieldbot.model.policy import ChainSettings, Policy
from yieldbot.protocols import _manager as calls
from yieldbot.protocols import exchanges, liquidity
from yieldbot.protocols.uniswap_v3 import mean_price, read_pool
from yieldbot.rpc.evm import EvmNode

MANAGER = "the position manager"
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Of any order. slippage: a fraction; deadline: unix seconds, also the order's end."""

    id: str
    owner: Address
    slippage: float
    deadline: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """An order, its steps, and what it is expected to do: base units of token0 and token1 to the wallet (negative: from
    it)."""

    order: LpOrder
    steps: Steps
    expected: Pair


def manager_of(state: LpState) -> Address:
    """Raises ConfigError where positions in this pool are not kept by a manager that is named."""
    if state.manager is None:
        what = "a share of a pair" if not state.spacing else "its [[exchanges]] table names no manager"
        raise ConfigError(f"{state.pool.name}: {what}: nothing can be added or removed here (docs/liquidity.md)")
    return state.manager


def adding(state: LpState, have: Pair, ticks: Range, token_id: int | None, terms: Terms) -> Prepared:
    """As much liquidity as these base units make; what it does not take stays in the wallet. Raises MarketError where
    they make none."""
    if ticks.low >= ticks.high:
        raise MarketError(f"{state.pool.name}: the range from tick {ticks.low} to {ticks.high} is empty")
    liquidity, desired, taken = ticks.settled(state.sqrt_price_x96, *have)
    if not liquidity:
        raise MarketError(f"{calls.said(state.pool, have)} make no liquidity: {_ratio(state, ticks)}")
    least = ticks.least_put(state.sqrt_price_x96, desired, terms.slippage)
    order = LpOrder(
        id=terms.id,
        manager=manager_of(state),
        tokens=(state.pool.token0, state.pool.token1),
        fee_pips=round(state.fee * 1_000_000),
        token_id=token_id,
        ticks=(ticks.low, ticks.high) if token_id is None else None,
        most=desired,
        least_put=least,
        expires_at=terms.deadline,
    )

    async def steps(node: EvmNode) -> AsyncIterator[Step]:
        for token, raw in zip(order.tokens, desired, strict=True):
            async for step in allowing(node, order, token, raw, terms.owner, order.manager, MANAGER):
                yield step
        call = (
            calls.mint(state, ticks, desired, least, terms.owner, terms.deadline)
            if token_id is None
            else calls.increase(state, token_id, desired, least, terms.deadline)
        )
        moved = {token: -raw for token, raw in zip(order.tokens, desired, strict=True)}
        yield Step(call=call, order=order, moves=order.tokens, least=moved)
        for token in order.tokens:  # roundings, and a price that has moved, can leave some of it allowed
            if await allowance(node, token.address, terms.owner, order.manager):
                yield Step(call=allowance_call(token, order.manager, 0, MANAGER), order=order)

    return Prepared(order, steps, (-taken[0], -taken[1]))


def removing(position: LpPosition, liquidity: int, terms: Terms) -> Prepared:
    """Some of a position's liquidity, and all that waits in it, into the wallet."""
    state, token_id = position.state, _number(position)
    ticks = Range(*(position.ticks or (0, 0)))
    taken = ticks.amounts(liquidity, state.sqrt_price_x96)
    least = ticks.least_out(state.sqrt_price_x96, liquidity, terms.slippage)
    order = _order(state, token_id, terms, liquidity=liquidity, least_out=least)

    async def steps(node: EvmNode) -> AsyncIterator[Step]:
        if liquidity:
            yield Step(call=calls.decrease(state, token_id, liquidity, least, terms.deadline), order=order)
        floor = {t: low + fee for t, low, fee in zip(order.tokens, least, position.fees, strict=True)}
        yield Step(call=calls.collect(state, token_id, terms.owner), order=order, least=floor)

    return Prepared(order, steps, (taken[0] + position.fees[0], taken[1] + position.fees[1]))


def collecting(position: LpPosition, terms: Terms) -> Prepared:
    """What waits in a position, into the wallet."""
    return removing(position, 0, terms)


def compounding(position: LpPosition, terms: Terms) -> Prepared:
    """What waits in a position into its liquidity; what does not fit stays in the wallet. Raises MarketError where it
    makes none."""
    state, token_id = position.state, _number(position)
    paid = collecting(position, terms)
    added = adding(state, position.fees, Range(*(position.ticks or (0, 0))), token_id, terms)

    async def steps(node: EvmNode) -> AsyncIterator[Step]:
        async for step in paid.steps(node):
            yield step
        async for step in added.steps(node):
            yield step

    expected = (paid.expected[0] + added.expected[0], paid.expected[1] + added.expected[1])
    return Prepared(added.order, steps, expected)


def reranging(
    position: LpPosition, deployment: Deployment, ticks: Range, usd: Mapping[Token, float], terms: Terms
) -> Prepared:
    """Everything out of a position, as much swapped in its own pool as the new range needs, and all of that into it.

    What the wallet held before stays there. The swap and the new position are made for what is there when their turn
    comes; the price must stand near independent ones then too (SafetyError where it does not).
    """
    state = position.state
    out = removing(position, position.liquidity, terms)
    order = replace(out.order, router=_router(state))
    tokens, adapter = order.tokens, liquidity()[state.pool.protocol]

    async def now_in(node: EvmNode) -> LpState:
        (found,) = await node.run([adapter.observe(state.pool, deployment)], await node.block())
        if isinstance(found, MarketError):
            raise found
        return found

    async def steps(node: EvmNode) -> AsyncIterator[Step]:
        before = await balances(node, terms.owner, tokens)

        async def have() -> Pair:
            now = await balances(node, terms.owner, tokens)
            return max(0, now[tokens[0]] - before[tokens[0]]), max(0, now[tokens[1]] - before[tokens[1]])

        async for step in out.steps(node):
            yield step
        (pool,) = await node.run([read_pool(state.pool.address)], await node.block())
        if isinstance(pool, MarketError):
            raise pool
        if isinstance(judged := await fair_price(node, await now_in(node), usd, terms.slippage), Declined):
            raise SafetyError(judged.code, judged.reason)
        if (found := balancing(pool, ticks, await have())) is not None:
            async for step in _swapped(node, order, state.pool, *found, terms):
                yield step
        async for step in adding(await now_in(node), await have(), ticks, None, terms).steps(node):
            yield step

    return Prepared(order, steps, out.expected)


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


async def _swapped(
    node: EvmNode, order: LpOrder, pool: Pool, zero: bool, given: int, gives: int, terms: Terms
) -> AsyncIterator[Step]:
    """The swap with its exact allowance."""
    source, wanted = order.tokens if zero else order.tokens[::-1]
    bound = SwapTerms((pool,), Amount(source, given), Amount(wanted, int(gives * (1.0 - terms.slippage))))
    most = (given, 0) if zero else (0, given)
    swap = replace(order, swap=bound, most=most, liquidity=0, expires_at=terms.deadline)
    for call in exchanges()[pool.protocol].swap((pool,), bound.given, bound.least, terms.owner, terms.deadline):
        if call.allowance is not None:
            async for step in allowing(node, swap, source, given, terms.owner, call.allowance.spender, "the router"):
                yield step
        yield Step(call=call, order=swap, moves=(source,), least={wanted: bound.least.raw})


def _router(state: LpState) -> Address:
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
    node: EvmNode, state: LpState, usd: Mapping[Token, float], slippage: float, others: Sequence[Pool] = ()
) -> Declined | dict[str, float]:
    """The independent prices (whole token1 for one token0, by who says so), or why the pool's own price is not to be
    acted on: they are too few, apart, or further from it than the slippage. others: Uniswap v3 pools of the same tokens
    whose means stand for the pool's own, where it keeps none."""
    pool, block = state.pool, await node.block()
    prices: dict[str, float] = {}
    if pool.token0 in usd and pool.token1 in usd:
        prices[FEEDS] = usd[pool.token0] / usd[pool.token1]
    asked = [pool] if state.spacing else list(others)
    for each, mean in zip(asked, await node.run([mean_price(p, MEAN_SECONDS) for p in asked], block), strict=True):
        if not isinstance(mean, MarketError):
            prices["the pool's mean" if each == pool else f"{each.name}'s mean"] = mean
    judged = fair(prices, Amount(pool.token0, pool.token0.one), pool.token1, slippage * 10_000)
    if isinstance(judged, Declined):
        return judged
    now = (state.sqrt_price_x96 / Q96) ** 2 * pool.token0.one / pool.token1.one
    for who, price in prices.items():
        if abs(now / price - 1.0) > slippage:
            said = f"the pool's price is {now:,.6g}, {who} says {price:,.6g}: more than {slippage:.2%} apart"
            return Declined("PRICE_IMPACT", said)
    return prices


def _order(state: LpState, token_id: int, terms: Terms, *, liquidity: int, least_out: Pair) -> LpOrder:
    return LpOrder(
        id=terms.id,
        manager=manager_of(state),
        tokens=(state.pool.token0, state.pool.token1),
        fee_pips=round(state.fee * 1_000_000),
        token_id=token_id,
        liquidity=liquidity,
        least_out=least_out,
        expires_at=terms.deadline,
    )


def _number(position: LpPosition) -> int:
    manager_of(position.state)
    assert position.token_id is not None
    return position.token_id


async def allowing(
    node: EvmNode, order: LpOrder, token: Token, raw: int, owner: Address, spender: Address, name: str
) -> AsyncIterator[Step]:
    """The exact allowance; another one is reset to zero first (USDT refuses to change it in one step)."""
    allowed = await allowance(node, token.address, owner, spender)
    if allowed == raw:
        return
    for value in (0, raw) if allowed else (raw,):
        yield Step(call=allowance_call(token, spender, value, name), order=order)


def _ratio(state: LpState, ticks: Range) -> str:
    """What a range takes of both tokens at the present price, in words."""
    zero, one = ticks.amounts(10**18, state.sqrt_price_x96, up=True)
    pool = state.pool
    if not zero or not one:
        return f"this range takes {(pool.token0 if zero else pool.token1).symbol} alone at the present price"
    a, b = zero / pool.token0.one, one / pool.token1.one
    each, other, ratio = (pool.token0, pool.token1, b / a) if b >= a else (pool.token1, pool.token0, a / b)
    return f"this range takes {ratio:,.6g} {other.symbol} with each {each.symbol}"
