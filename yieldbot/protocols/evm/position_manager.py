"""Calls of Uniswap v3's NonfungiblePositionManager, each with its minimums and its deadline in its own bytes.

Source: periphery's INonfungiblePositionManager. ``multicall``, ``burn`` and transfers of a position's NFT are never
called: nothing here can give a position away.
"""

from __future__ import annotations

from yieldbot.math.liquidity_range import MASK128, Range
from yieldbot.model.amounts import Amount
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import Address
from yieldbot.model.liquidity import LiquidityPool
from yieldbot.model.tx import EvmCall
from yieldbot.protocols.evm.abi import abi

Pair = tuple[int, int]
"""Base units of token0 and token1."""


def mint(state: LiquidityPool, ticks: Range, desired: Pair, least: Pair, owner: Address, deadline: int) -> EvmCall:
    """Open a position of ours."""
    pool = state.pool
    fee = round(state.fee * 1_000_000)
    terms = (pool.token0.address, pool.token1.address, fee, ticks.low, ticks.high, *desired, *least, owner, deadline)
    words = f"open a position in {pool.name} over ticks {ticks.low} to {ticks.high} with {amounts_text(pool, desired)}"
    return _call(state, "mint", terms, words)


def increase(state: LiquidityPool, token_id: int, desired: Pair, least: Pair, deadline: int) -> EvmCall:
    """Add liquidity to a position."""
    words = f"add {amounts_text(state.pool, desired)} to position {token_id} in {state.pool.name}"
    return _call(state, "increaseLiquidity", (token_id, *desired, *least, deadline), words)


def decrease(state: LiquidityPool, token_id: int, liquidity: int, least: Pair, deadline: int) -> EvmCall:
    """Remove liquidity; the manager keeps the tokens until they are collected."""
    words = f"take {liquidity:,} of liquidity out of position {token_id}, at least {amounts_text(state.pool, least)}"
    return _call(state, "decreaseLiquidity", (token_id, liquidity, *least, deadline), words)


def collect(state: LiquidityPool, token_id: int, owner: Address, most: Pair = (MASK128, MASK128)) -> EvmCall:
    """Pay out a position's uncollected tokens to us."""
    amount = "all that waits" if most == (MASK128, MASK128) else amounts_text(state.pool, most)
    return _call(state, "collect", (token_id, owner, *most), f"collect {amount} of position {token_id}")


def amounts_text(pool: Pool, amounts: Pair) -> str:
    """Both amounts as text."""
    return f"{Amount(pool.token0, amounts[0])} and {Amount(pool.token1, amounts[1])}"


def _call(state: LiquidityPool, function: str, terms: tuple[object, ...], words: str) -> EvmCall:
    assert state.manager is not None, "a pool whose exchange names no manager"
    return EvmCall(state.manager, abi("uniswap_v3_manager").encode(function, terms), 0, words)
