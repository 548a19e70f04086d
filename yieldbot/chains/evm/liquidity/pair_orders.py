"""Liquidity orders of Uniswap v2 pairs, with their steps: add and remove, by the router.

Source: v2 periphery, UniswapV2Router02.addLiquidity and removeLiquidity; v2 core, UniswapV2Pair.mint and burn.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator

from yieldbot.chains.evm.execution.balances import fetch_allowance
from yieldbot.chains.evm.execution.build import allowance_call
from yieldbot.chains.evm.liquidity.order import LiquidityOrder, OrderCall
from yieldbot.chains.evm.liquidity.orders import Pair, Prepared
from yieldbot.chains.evm.liquidity.swaps import Terms, allowing
from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import ConfigError, MarketError
from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address
from yieldbot.model.liquidity import LiquidityPool, PoolPosition
from yieldbot.model.tx import EvmCall
from yieldbot.protocols.evm.abi import abi
from yieldbot.protocols.evm.position_manager import amounts_text

ROUTER = "the router"


def share_of(state: LiquidityPool) -> Token:
    """The pair's LP token."""
    return Token(state.pool.token0.chain, state.pool.address, "pair", 18)


def router_of(state: LiquidityPool) -> Address:
    """The exchange's router. Raises ConfigError where its table names none."""
    router = state.pool.params.get("router")
    if not router:
        raise ConfigError(
            f"{state.pool.name}: its [[exchanges]] table names no router: nothing can be added or removed"
        )
    return Address(str(router))


def adding_shares(state: LiquidityPool, have: Pair, terms: Terms) -> Prepared:
    """Add as much liquidity as the base units ``have`` allow at the pair's ratio. Raises MarketError if they allow
    none."""
    taken = fitting(state.reserves, have)
    if not all(taken):
        raise MarketError(f"{amounts_text(state.pool, have)} give no liquidity: a pair takes both tokens at its price")
    slip = 1.0 + terms.slippage
    least = (max(0, int(taken[0] / slip) - 1), max(0, int(taken[1] / slip) - 1))
    order = _order(state, terms, most=taken, least_put=least)
    pair, share = order.tokens, share_of(state)
    amounts = (*taken, *least)
    data = abi("uniswap_v2").encode("addLiquidity", *(t.address for t in pair), *amounts, terms.owner, terms.deadline)
    call = EvmCall(order.manager, data, 0, f"add {amounts_text(state.pool, taken)} to {state.pool.name}")

    async def steps(node: Node) -> AsyncIterator[OrderCall]:
        for token, raw in zip(pair, taken, strict=True):
            async for step in allowing(node, order, token, raw, terms.owner, order.manager, ROUTER):
                yield step
        # The shares are as many as the price makes them when it is mined; the minimums above bound what they hold.
        moved = {token: -raw for token, raw in zip(pair, taken, strict=True)} | {share: 1}
        yield OrderCall(call=call, order=order, moves=pair, least=moved)
        for token in pair:
            if await fetch_allowance(node, token.address, terms.owner, order.manager):
                yield OrderCall(call=allowance_call(token, order.manager, 0, ROUTER), order=order)

    return Prepared(order, steps, (-taken[0], -taken[1]))


def removing_shares(position: PoolPosition, part: float, terms: Terms) -> Prepared:
    """Burn the fraction ``part`` of our LP tokens for both tokens. Raises MarketError if that is less than one unit."""
    state = position.state
    shares = position.shares if part == 1.0 else position.shares * round(part * 10**9) // 10**9
    if not shares:
        raise MarketError(f"{state.pool.name}: this fraction is less than one base unit of LP tokens")
    paid = (position.amounts[0] * shares // position.shares, position.amounts[1] * shares // position.shares)
    slip = math.sqrt(1.0 + terms.slippage)
    least = (max(0, int(paid[0] / slip) - 1), max(0, int(paid[1] / slip) - 1))
    order = _order(state, terms, liquidity=shares, least_out=least)
    pair, share = order.tokens, share_of(state)
    terms_of_call = (*(t.address for t in pair), shares, *least, terms.owner, terms.deadline)
    data = abi("uniswap_v2").encode("removeLiquidity", *terms_of_call)
    words = f"burn {shares:,} shares of {state.pool.name} for at least {amounts_text(state.pool, least)}"
    call = EvmCall(order.manager, data, 0, words)

    async def steps(node: Node) -> AsyncIterator[OrderCall]:
        async for step in allowing(node, order, share, shares, terms.owner, order.manager, ROUTER):
            yield step
        yield OrderCall(call=call, order=order, moves=(share,), least=dict(zip(pair, least, strict=True)))

    return Prepared(order, steps, paid)


def fitting(reserves: Pair, have: Pair) -> Pair:
    """The part of these amounts that the router takes (UniswapV2Router02._addLiquidity): requesting exactly the result
    takes exactly the result."""
    one = have[0] * reserves[1] // reserves[0]
    if one <= have[1]:
        return have[0], one
    zero = have[1] * reserves[0] // reserves[1]
    return zero, zero * reserves[1] // reserves[0]


def _order(
    state: LiquidityPool,
    terms: Terms,
    *,
    most: Pair = (0, 0),
    least_put: Pair = (0, 0),
    liquidity: int = 0,
    least_out: Pair = (0, 0),
) -> LiquidityOrder:
    return LiquidityOrder(
        id=terms.id,
        manager=router_of(state),
        tokens=(state.pool.token0, state.pool.token1),
        fee_pips=round(state.fee * 1_000_000),
        token_id=None,
        share=share_of(state),
        most=most,
        least_put=least_put,
        liquidity=liquidity,
        least_out=least_out,
        expires_at=terms.deadline,
    )
