"""Detects states that no market can be in: contracts may answer anything."""

from __future__ import annotations

import math

from yieldbot.model.glance import Glance
from yieldbot.model.market import MarketState

MOST_RAW = 2**128
"""Amounts of this many base units and more are impossible: 3.4e20 whole tokens of 18 decimals."""
MOST_RATE = 1000.0
"""A simple annual rate above this (100,000 % a year) is impossible."""


def contradiction(state: MarketState) -> str | None:
    """Why a market's state cannot be true; None if it can. Pure. Contracts may return anything, and nothing is decided
    on an impossible state."""
    amounts = {"holding": state.held, "cash": state.liquidity, "supply": state.supplied}
    amounts |= {name: a for name, a in (("capacity", state.capacity), ("debt", state.borrowed)) if a is not None}
    for name, amount in amounts.items():
        if not 0 <= amount.raw < MOST_RAW:
            return f"its {name} of {amount.raw} base units cannot be"
    if state.held.raw > state.supplied.raw + state.supplied.raw // 10**6 + 100:  # two roundings may differ
        return f"it says that we hold {state.held} of {state.supplied} in all"
    held, more = float(state.held), float(state.held) + float(state.supplied) + 1.0
    # Where nearly all of a pool's liquidity is ours, the rate at 0 would be all of its fees; we hold more.
    at = (held, more) if state.liquidity_market is not None and held else (0.0, held, more)
    try:
        rates = [state.quoted.value, *(state.curve.apr(x, 30 * 86_400.0) for x in at)]
    except (ArithmeticError, ValueError) as failure:
        return f"no rate follows from what it says ({failure})"
    if not all(math.isfinite(rate) and abs(rate) <= MOST_RATE for rate in rates):
        return f"a rate of {max(rates, key=abs):.3g} a year is impossible"
    return None


def impossible(glance: Glance) -> bool:
    """Whether what a glance shows cannot be true. Pure. Such a market is read in full, and that reading is judged."""
    amounts = [
        a for a in (glance.held, glance.supplied, glance.borrowed, glance.cash, glance.capacity) if a is not None
    ]
    if not all(0 <= amount.raw < MOST_RAW for amount in amounts):
        return True
    try:
        rates = [glance.quoted.value, *(glance.ceiling.apr(x, 30 * 86_400.0) for x in (0.0, 1.0))]
    except (ArithmeticError, ValueError):
        return True
    return not all(math.isfinite(rate) and abs(rate) <= MOST_RATE for rate in rates)
