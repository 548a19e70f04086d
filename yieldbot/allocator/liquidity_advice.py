"""Whether providing liquidity to a pool pays, in which range, and what to do about a position of ours. Pure.

Amounts are token1 base units; rates are simple annual fractions of our value; yields are compared as APY over the
horizon.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

from yieldbot.math.concentrated import Q96
from yieldbot.math.estimate import Interval, rate_of, volatility
from yieldbot.math.liquidity_range import Range
from yieldbot.math.range_yield import FULL, BestRange, PoolEstimate, best_range, bounds_of, full_range, net_of, yield_of
from yieldbot.model.amounts import Apy
from yieldbot.model.dataclass import dataclass
from yieldbot.model.liquidity import LiquidityPool, PoolHistory, PoolPosition
from yieldbot.model.names import pool_named
from yieldbot.model.policy import Policy
from yieldbot.model.units import SECONDS_PER_YEAR

GAS_ENTER, GAS_LEAVE, GAS_REBALANCE = 740_000, 390_000, 960_000
"""Gas of entering, leaving and rebalancing, allowances and a swap included: measured on the sandbox's real contracts,
rounded up."""
SWAPPED = 0.5
"""Fraction of the value that is assumed to be swapped on entering, on leaving, and at a rebalance."""
SLIPPAGE = 0.0005
"""Cost of a swap in addition to its fee (price impact), as a fraction of the amount."""
WATCH_SECONDS = 1800.0
"""Longest time that a position is out of range before anybody notices: the interval between runs (docs/cron.md)."""
IN_RANGE_FACTOR = 2.0
"""A position in range is only rebalanced if that gains this many times its cost."""


@dataclass(frozen=True, slots=True)
class Appraisal:
    """The expected yield of a pool for a given amount of ours."""

    state: LiquidityPool
    """The pool."""
    estimate: PoolEstimate
    """Its estimated fees, volatility and costs."""
    best: BestRange
    """The best range."""
    net: tuple[Apy, Apy, Apy]
    """Net APY of the best range: lower bound, mean, upper bound."""
    lending: Apy | None
    """The best APY by lending; None: there is none to compare with."""
    vetoes: tuple[str, ...]
    """Why no money may enter; empty: it may."""


def price_of(state: LiquidityPool) -> float:
    """The pool's price: token1 base units for one base unit of token0."""
    return (state.sqrt_price_x96 / Q96) ** 2


def value_of(state: LiquidityPool, amounts: tuple[int, int]) -> float:
    """What base units of both tokens are worth in token1 base units, at the pool's price."""
    return amounts[0] * price_of(state) + amounts[1]


def pool_estimate(
    state: LiquidityPool,
    history: PoolHistory,
    value: float,
    gas_price: float,
    confidence: float,
    horizon_days: float,
    ours: int = 0,
) -> PoolEstimate:
    """Fees, volatility and costs for a position of ``value`` token1 base units.

    gas_price: token1 base units for a unit of gas; ours: our part of the liquidity in range. Fees and volatility are
    each bounded at the level 1 - (1 - confidence) / 2, so that the net yield is bounded at ``confidence`` (Bonferroni).
    """
    each = 1.0 - (1.0 - confidence) / 2
    fees = rate_of(history.fees, history.fee_seconds, each)
    scale = state.liquidity * float(SECONDS_PER_YEAR)
    swap = SWAPPED * (state.fee + SLIPPAGE) * value
    return PoolEstimate(
        fees=Interval(fees.low * scale, fees.mean * scale, fees.high * scale if scale else fees.high),
        liquidity=float(max(0, state.liquidity - ours)),
        root=state.sqrt_price_x96 / Q96,
        sigma=volatility(history.ticks, history.tick_seconds, state.fee, each),
        value=value,
        enter=(GAS_ENTER + GAS_LEAVE) * gas_price + 2 * swap,
        rebalance=GAS_REBALANCE * gas_price + swap,
        idle_years=WATCH_SECONDS / SECONDS_PER_YEAR,
        horizon_years=horizon_days * 86_400 / SECONDS_PER_YEAR,
    )


def appraise(
    state: LiquidityPool, history: PoolHistory, value: float, gas_price: float, policy: Policy, lending: Iterable[Apy]
) -> Appraisal:
    """The yield of a pool for ``value`` (> 0) of ours, and what forbids entering. lending: APYs that either token would
    earn elsewhere."""
    estimate = pool_estimate(state, history, value, gas_price, policy.confidence, policy.mean_days)
    best = best_of(state, estimate)
    low, mean, high = (_apy(rate, estimate.horizon_years) for rate in (best.net.low, best.net.mean, best.net.high))
    other = max(lending, default=None)
    vetoes = list(history.missing)
    if pool_named(state.pool, policy.exclude):
        vetoes.append("excluded by policy")
    if other is None:
        vetoes.append("there is no lending yield to compare with")
    elif not low > other:
        sure = f"{policy.confidence:z.0%}"
        vetoes.append(f"net yield may be as low as {_apy_text(low)} ({sure} sure), lending pays {other.value:z.2%}")
    return Appraisal(state, estimate, best, (low, mean, high), other, tuple(vetoes))


def best_of(state: LiquidityPool, estimate: PoolEstimate) -> BestRange:
    """The best range of a pool; the full range if the pool has no other."""
    if state.spacing:
        return best_range(estimate, state.sqrt_price_x96, state.tick, state.spacing)
    at_mean = yield_of(estimate, FULL, estimate.fees.mean, estimate.sigma.mean, full=True)
    return BestRange(full_range(1), net_of(estimate, FULL, full=True), at_mean, full=True)


def _apy(rate: float, years: float) -> Apy:
    """APY of a simple annual rate that is earned over the horizon and reinvested; never below a total loss."""
    if math.isinf(rate):
        return Apy(math.inf if rate > 0 else -1.0)
    growth = rate * years
    return Apy.from_growth(growth, years * SECONDS_PER_YEAR) if growth > -1.0 else Apy(-1.0)


def _apy_text(yield_: Apy) -> str:
    return "a total loss" if yield_.value <= -1.0 else f"{yield_.value:z.2%}"


class Advice(StrEnum):
    """What to do about a position."""

    HOLD = "hold"
    REBALANCE = "rerange"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Trigger:
    """What to do about a position, and why."""

    advice: Advice
    """Hold, rebalance or leave."""
    reason: str
    """Why, in one line."""
    ticks: Range | None = None
    """The new range of a rebalance."""
    gain: float = 0.0
    """What the new range earns more within the horizon, net of the rebalance's cost, as a fraction of the position's
    value."""


def trigger(
    position: PoolPosition, history: PoolHistory, gas_price: float, policy: Policy, lending: Iterable[Apy]
) -> Trigger:
    """What to do about a position of ours.

    Out of range: rebalance if the lower bound of what a new range earns within the horizon exceeds its cost. Leave if
    even the upper bound of the best range's net yield is below lending. In range: rebalance to another width if that
    earns IN_RANGE_FACTOR times its cost more than the present range. All bounds are computed from the newest history,
    so changes of volatility count.
    """
    state = position.state
    value = value_of(state, position.amounts)
    if not position.liquidity or value <= 0.0:
        return Trigger(Advice.HOLD, "it holds no liquidity")
    inside = position.liquidity if position.in_range else 0
    entered = pool_estimate(state, history, value, gas_price, policy.confidence, policy.mean_days, inside)
    estimate = replace(entered, enter=0.0)
    if not history.fees or math.isinf(estimate.sigma.high):
        return Trigger(Advice.HOLD, "; ".join(("fees or volatility are not known", *history.missing)))
    best = best_of(state, estimate)
    other = max(lending, default=None)
    if other is not None and _apy(best.net.high, estimate.horizon_years) < other:
        reason = f"no range's net yield reaches lending's {other.value:z.2%}, not even at the high end"
        return Trigger(Advice.LEAVE, reason)
    if not state.spacing or position.ticks is None:
        return Trigger(Advice.HOLD, "a share of the whole range")
    ticks = Range(*position.ticks)
    whole = ticks == full_range(state.spacing)
    bounds = FULL if whole else bounds_of(ticks, state.sqrt_price_x96)
    present = net_of(estimate, bounds, full=whole).low if position.in_range else 0.0
    gain = (best.net.low - present) * estimate.horizon_years
    cost = estimate.rebalance / value
    message = f"a new range earns {gain:z.3%} more within the horizon and costs {cost:z.3%}"
    if not position.in_range:
        if gain > cost:
            return Trigger(Advice.REBALANCE, f"out of range: {message}", best.ticks, gain - cost)
        return Trigger(Advice.HOLD, f"out of range, wait: {message}")
    if gain > IN_RANGE_FACTOR * cost and best.ticks != ticks:
        return Trigger(Advice.REBALANCE, f"volatility or fees have changed: {message}", best.ticks, gain - cost)
    return Trigger(Advice.HOLD, "in range")
