"""Rehearses the exit of liquidity that a person adds, compounds or rebalances: on the fork on which it was put in, it
is removed an hour later and compared with what went in, at the pool's own price."""

from __future__ import annotations

from collections.abc import Sequence

from yieldbot.allocator.liquidity_advice import value_of
from yieldbot.allocator.liquidity_market import market_id
from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.balances import fetch_balances
from yieldbot.chains.evm.execution.build import Fees
from yieldbot.chains.evm.execution.rehearse import run_steps
from yieldbot.chains.evm.execution.wayout import GAS_WEI
from yieldbot.chains.evm.liquidity.orders import Prepared, removing
from yieldbot.chains.evm.liquidity.pair_orders import removing_shares
from yieldbot.chains.evm.liquidity.swaps import Terms
from yieldbot.chains.evm.liquidity.view import fetch_view
from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import ConfigError, MarketError
from yieldbot.execution.deltas import change_of, changes
from yieldbot.execution.wayout import LEAST_SECONDS, ROUNDING_RAW
from yieldbot.model.liquidity import LiquidityPool, PoolPosition
from yieldbot.model.plan import Declined, NoWayOut
from yieldbot.model.tx import Delta
from yieldbot.model.units import BPS
from yieldbot.protocols.evm import position_manager as words


async def rehearse_exit(
    account: Account,
    fork: Node,
    fees: Fees,
    put: Sequence[Delta],
    state: LiquidityPool,
    before: Sequence[PoolPosition],
    slippage: float,
    out: tuple[int, int] = (0, 0),
    swaps: float = 0.0,
) -> NoWayOut | None:
    """Why what was just put in does not come out again; None if it does. The fork cannot be used afterwards.

    put: our balance changes when it was put in. before: our positions in the pool until then. slippage: a fraction.
    out: base units of both tokens that the order first took out of a position. swaps: the largest fraction of all of it
    that swaps may cost.
    """
    pool = state.pool
    pair = (pool.token0, pool.token1)
    await fork.request("anvil_setBalance", [account.owner, hex(GAS_WEI)])  # a pool is not judged by our gas
    await fork.request("evm_increaseTime", [hex(LEAST_SECONDS)])
    await fork.request("evm_mine", [])
    block = await fork.block()
    terms = Terms(id="lp-back", owner=account.owner, slippage=slippage, deadline=block.timestamp + LEAST_SECONDS)
    try:
        view = await fetch_view(fork, account.settings, account.owner, only_ours=True)
        mine = [position for position in view.positions if position.state.pool.id == pool.id]
        prepared = _removal(mine, before, terms)
    except (MarketError, ConfigError) as unread:
        return _stuck(state, f"it cannot be taken out: {unread}")
    if prepared is None:
        return _stuck(state, "what was put in is no position of ours")
    had = await fetch_balances(fork, account.owner, pair)
    ran = await run_steps(account, fork, prepared.steps, fees)
    if isinstance(ran, Declined):
        return _stuck(state, f"nothing comes out: {ran.reason}", lasting=ran.code in ("WOULD_REVERT", "BELOW_LEAST"))
    back = changes(had, await fetch_balances(fork, account.owner, pair))
    gone, came = (tuple(change_of(deltas, token) for token in pair) for deltas in (put, back))
    went = (out[0] - gone[0], out[1] - gone[1])
    kept = 1 - account.tolerance_bps / BPS - swaps
    least = value_of(state, went) * kept - value_of(state, (ROUNDING_RAW, ROUNDING_RAW))
    if value_of(state, (came[0], came[1])) >= least:
        return None
    return _stuck(
        state, f"{words.amounts_text(pool, went)} go in, {words.amounts_text(pool, (came[0], came[1]))} come out"
    )


def _removal(mine: Sequence[PoolPosition], before: Sequence[PoolPosition], terms: Terms) -> Prepared | None:
    """The order that removes exactly what was added; None if no position has grown."""
    had = {position.token_id: position for position in before}
    for position in mine:
        earlier = had.get(position.token_id)
        if position.shares:
            more = position.shares - (earlier.shares if earlier else 0)
            if more > 0:
                return removing_shares(position, more / position.shares, terms)
        elif (more := position.liquidity - (earlier.liquidity if earlier else 0)) > 0:
            return removing(position, more, terms)
    return None


def _stuck(state: LiquidityPool, why: str, *, lasting: bool = True) -> NoWayOut:
    """The refusal. lasting: the pool itself is the cause, and not the fork."""
    return NoWayOut("NO_WAY_OUT", f"{state.pool.name}: {why}", market_id(state.pool), lasting)
