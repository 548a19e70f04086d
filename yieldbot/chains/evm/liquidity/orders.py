"""Liquidity orders of NFT positions, with their steps: add, remove, collect, compound, rebalance the range.

Amounts are exact at the price that was read. Each call carries minimums for a price within the slippage of it, and the
price itself must be within the slippage of independent prices (feeds; the pool's TWAP).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from yieldbot.chains.evm.execution.balances import fetch_allowance, fetch_balances
from yieldbot.chains.evm.execution.build import allowance_call
from yieldbot.chains.evm.liquidity.order import LiquidityOrder, OrderCall, Steps
from yieldbot.chains.evm.liquidity.swaps import Swapper, Terms, allowing, router_of
from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import ConfigError, MarketError
from yieldbot.math.liquidity_range import Range
from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address
from yieldbot.model.liquidity import LiquidityPool, PoolPosition
from yieldbot.model.numbers import significant
from yieldbot.protocols.evm import position_manager as calls

MANAGER = "the position manager"
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Prepared:
    """An order with its steps."""

    order: LiquidityOrder
    """The order."""
    steps: Steps
    """The order's steps."""
    expected: Pair
    """Expected balance change of token0 and token1 in the wallet, in base units."""


def manager_of(state: LiquidityPool) -> Address:
    """The pool's position manager. Raises ConfigError where the exchange's table names none, or there is none."""
    if state.manager is None:
        what = "a share of a pair" if not state.spacing else "its [[exchanges]] table names no manager"
        what = "Uniswap v4's liquidity is shown, not moved" if state.pool.protocol == "uniswap_v4" else what
        raise ConfigError(f"{state.pool.name}: {what}: nothing can be added or removed here (docs/liquidity.md)")
    return state.manager


def adding(state: LiquidityPool, have: Pair, ticks: Range, token_id: int | None, terms: Terms) -> Prepared:
    """Add as much liquidity as the base units ``have`` allow, to our position ``token_id`` or (None) to a new one; the
    rest stays in the wallet. Raises MarketError if they allow none."""
    if ticks.low >= ticks.high:
        raise MarketError(f"{state.pool.name}: the range from tick {ticks.low} to {ticks.high} is empty")
    liquidity, desired, taken = ticks.settled(state.sqrt_price_x96, *have)
    if not liquidity:
        raise MarketError(f"{calls.amounts_text(state.pool, have)} give no liquidity: {_ratio(state, ticks)}")
    least = ticks.least_put(state.sqrt_price_x96, desired, terms.slippage)
    order = LiquidityOrder(
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

    async def steps(node: Node) -> AsyncIterator[OrderCall]:
        for token, raw in zip(order.tokens, desired, strict=True):
            async for step in allowing(node, order, token, raw, terms.owner, order.manager, MANAGER):
                yield step
        end = await terms.end(node)
        call = (
            calls.mint(state, ticks, desired, least, terms.owner, end)
            if token_id is None
            else calls.increase(state, token_id, desired, least, end)
        )
        moved = {token: -raw for token, raw in zip(order.tokens, desired, strict=True)}
        yield OrderCall(call=call, order=replace(order, expires_at=end), moves=order.tokens, least=moved)
        for token in order.tokens:  # roundings, and a price that has moved, can leave some of it allowed
            if await fetch_allowance(node, token.address, terms.owner, order.manager):
                yield OrderCall(call=allowance_call(token, order.manager, 0, MANAGER), order=order)

    return Prepared(order, steps, (-taken[0], -taken[1]))


def removing(position: PoolPosition, liquidity: int, terms: Terms) -> Prepared:
    """Remove ``liquidity`` units and all uncollected fees from a position."""
    state, token_id = position.state, _number(position)
    ticks = Range(*(position.ticks or (0, 0)))
    taken = ticks.amounts(liquidity, state.sqrt_price_x96)
    least = ticks.least_out(state.sqrt_price_x96, liquidity, terms.slippage)
    order = _order(state, token_id, terms, liquidity=liquidity, least_out=least)

    async def steps(node: Node) -> AsyncIterator[OrderCall]:
        if liquidity:
            end = await terms.end(node)
            call = calls.decrease(state, token_id, liquidity, least, end)
            yield OrderCall(call=call, order=replace(order, expires_at=end))
        floor = {t: low + fee for t, low, fee in zip(order.tokens, least, position.fees, strict=True)}
        yield OrderCall(call=calls.collect(state, token_id, terms.owner), order=order, least=floor)

    return Prepared(order, steps, (taken[0] + position.fees[0], taken[1] + position.fees[1]))


def collecting(position: PoolPosition, terms: Terms) -> Prepared:
    """Collect a position's uncollected fees."""
    return removing(position, 0, terms)


def compounding(position: PoolPosition, terms: Terms) -> Prepared:
    """Collect a position's fees and add them to its liquidity; what does not fit stays in the wallet. Raises
    MarketError if they allow no liquidity."""
    state, token_id = position.state, _number(position)
    paid = collecting(position, terms)
    added = adding(state, position.fees, Range(*(position.ticks or (0, 0))), token_id, terms)

    async def steps(node: Node) -> AsyncIterator[OrderCall]:
        async for step in paid.steps(node):
            yield step
        async for step in added.steps(node):
            yield step

    expected = (paid.expected[0] + added.expected[0], paid.expected[1] + added.expected[1])
    return Prepared(added.order, steps, expected)


def rebalancing(
    position: PoolPosition, deployment: Deployment, ticks: Range, usd: Mapping[Token, float], terms: Terms
) -> Prepared:
    """Remove everything from a position, swap in its pool what the new range needs, and put all of it into that range.

    What the wallet held before stays there. Swap and new position are computed when their turn comes, from the amounts
    and the price at that time, which must then be near independent prices (SafetyError if it is not).
    """
    state = position.state
    out = removing(position, position.liquidity, terms)
    order = replace(out.order, router=router_of(state))
    pool = Swapper(state.pool, deployment, order, usd, terms.slippage, terms)

    async def steps(node: Node) -> AsyncIterator[OrderCall]:
        before = await fetch_balances(node, terms.owner, order.tokens)
        async for step in out.steps(node):
            yield step
        async for step in putting_in(pool, node, ticks, None, before):
            yield step

    return Prepared(order, steps, out.expected)


async def putting_in(
    pool: Swapper, node: Node, ticks: Range, token_id: int | None, before: Mapping[Token, int]
) -> AsyncIterator[OrderCall]:
    """Steps that swap what the wallet has beyond ``before`` into a range's proportion, and put it in. Raises
    SafetyError, MarketError."""
    async for step in pool.balanced(node, ticks, before):
        yield step
    have = await pool.beyond(node, before)
    async for step in adding(await pool.state(node), have, ticks, token_id, pool.terms).steps(node):
        yield step


def _order(state: LiquidityPool, token_id: int, terms: Terms, *, liquidity: int, least_out: Pair) -> LiquidityOrder:
    """An order that removes liquidity."""
    return LiquidityOrder(
        id=terms.id,
        manager=manager_of(state),
        tokens=(state.pool.token0, state.pool.token1),
        fee_pips=round(state.fee * 1_000_000),
        token_id=token_id,
        liquidity=liquidity,
        least_out=least_out,
        expires_at=terms.deadline,
    )


def _number(position: PoolPosition) -> int:
    """The position's number. Raises ConfigError for a position without a manager."""
    manager_of(position.state)
    assert position.token_id is not None
    return position.token_id


def _ratio(state: LiquidityPool, ticks: Range) -> str:
    """The proportion of both tokens that a range takes at the present price, as a phrase."""
    zero, one = ticks.amounts(10**18, state.sqrt_price_x96, up=True)
    pool = state.pool
    if not zero or not one:
        return f"this range takes {(pool.token0 if zero else pool.token1).symbol} alone at the present price"
    a, b = zero / pool.token0.one, one / pool.token1.one
    each, other, ratio = (pool.token0, pool.token1, b / a) if b >= a else (pool.token1, pool.token0, a / b)
    return f"this range takes {significant(ratio, 6)} {other.symbol} with each {each.symbol}"
