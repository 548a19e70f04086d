"""A range in a pool, the pool's recorded history, and other inputs of a decision about it."""

from __future__ import annotations

import random
from typing import Any

from yieldbot.math.concentrated import sqrt_at
from yieldbot.math.liquidity_range import Range
from yieldbot.model.amounts import Token
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import Address, evm_chain
from yieldbot.model.liquidity import LiquidityPool, PoolHistory, PoolPosition

CHAIN = evm_chain(1)
ONE, OTHER = (Token(CHAIN, Address("0x" + digit * 40), digit, 18) for digit in "12")
POOL = Pool("uniswap_v3", "a pool", Address("0x" + "33" * 20), ONE, OTHER)
STATE = LiquidityPool(
    pool=POOL, sqrt_price_x96=sqrt_at(0), tick=0, liquidity=10**24, fee=0.0005, spacing=10, reserves=(10**24, 10**24)
)
VALUE, GAS = 10.0**21, 10.0**10  # a thousand tokens; 1e10 base units a gas: 0.0074 of a token for going in


def record(fees_a_year: float, moves: float, seed: int = 1) -> PoolHistory:
    """A pool's history. fees_a_year: fees of the pool, as a fraction of its full-range value of 2e24 base units; moves:
    standard deviation of the tick over an hour."""
    draw, tick, total, sums = random.Random(seed), 0.0, 0.0, [0.0]
    for _ in range(33):
        total += tick * 3600.0
        sums.append(total)
        tick += draw.gauss(0.0, moves)
    each = fees_a_year * 2 * 7200 / 31_536_000
    windows = tuple(each * draw.uniform(0.9, 1.1) for _ in range(12))
    return PoolHistory(fees=windows, fee_seconds=(7200.0,) * 12, ticks=tuple(sums), tick_seconds=3600.0)


CALM, WILD = record(0.1, 10.0), record(0.1, 150.0)


def held(low: int, high: int, state: LiquidityPool = STATE, **rest: Any) -> PoolPosition:
    ticks = Range(low, high)
    liquidity = ticks.liquidity(state.sqrt_price_x96, 10**19, 10**19)
    amounts = ticks.amounts(liquidity, state.sqrt_price_x96)
    fields: dict[str, Any] = {"state": state, "token_id": 1, "ticks": (low, high), "fees": (0, 0)}
    return PoolPosition(**(fields | {"liquidity": liquidity, "amounts": amounts} | rest))
