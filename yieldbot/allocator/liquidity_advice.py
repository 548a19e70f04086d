"""Whether liquidity pays in a pool, in which range, and what to do about a position of ours. Pure.

Amounts are token1 base units, rates shares of our value a year (simple); a yield is compared as Apy over the horizon.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from yieldbot.math.concentrated import Q96
from yieldbot.math.estimate import Interval, rate_of, volatility
from yieldbot.math.liquidity_range import Range
from yieldbot.math.range_yield import FULL, BestRange, PoolEstimate, best_range, bounds_of, full_range, net_of, yield_of
from yieldbot.model.amounts import Apy
from yieldbot.model.liquidity import LiquidityPool, PoolHistory, PoolPosition
from yieldbot.model.names import pool_named
from yieldbot.model.policy import Policy
from yieldbot.model.units import SECONDS_PER_YEAR

GAS_ENTER, GAS_LEAVE, GAS_REBALANCE = 740_000, 390_000, 960_000
"""Gas units, allowances and a swap included, as the sandbox's real contracts use them, rounded up."""
SWAPPED = 0.5
"""Of the value: what is swapped on the way in, on the way out, and when a range that was left is laid anew."""
SLIPPAGE = 0.0005
"""What a swap costs beside its fee."""
WATCH_SECONDS = 1800.0
"""How long a range stays left: the bot's timer (docs/cron.md)."""
IN_RANGE_FACTOR = 2.0
"""A range that still earns is only laid anew for so many times its cost."""


@dataclass(frozen=True, slots=True)
class Appraisal:
    """A pool for some value of ours. net: the best range's, as effective yields. lending: the best alternative, None
    where there is none. vetoes: why nothing may enter; none: it may."""

    state: LiquidityPool
    estimate: PoolEstimate
    best: BestRange
    net: tuple[Apy, Apy, Apy]
    lending: Apy | None
    vetoes: tuple[str, ...]


def price_of(state: LiquidityPool) -> float:
    """token1 base units for one token0 base unit."""
    return (state.sqrt_price_x96 / Q96) ** 2


def value_of(state: LiquidityPool, amounts: tuple[int, int]) -> float:
    """What base units of both tokens are worth, by the pool's price."""
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
    """``gas_price``: token1 base units for a unit of gas; ``ours``: of the liquidity in range. Fees and volatility each
    hold at 1 - (1 - c) / 2, so that the net yield holds at the confidence c."""
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
    """``lending``: what either token would earn elsewhere. ``value`` must be more than 0."""
    estimate = pool_estimate(state, history, value, gas_price, policy.confidence, policy.horizon_days)
    best = best_of(state, estimate)
    low, mean, high = (_apy(rate, estimate.horizon_years) for rate in (best.net.low, best.net.mean, best.net.high))
    other = max(lending, default=None)
    vetoes = list(history.missing)
    if pool_named(state.pool, policy.exclude):
        vetoes.append("excluded by policy")
    if other is None:
        vetoes.append("there is no lending yield to compare with")
    elif not low > other:
        sure = f"{policy.confidence:.0%}"
        vetoes.append(f"its net yield may be as low as {_said(low)} ({sure} sure), lending pays {other.value:.2%}")
    return Appraisal(state, estimate, best, (low, mean, high), other, tuple(vetoes))


def best_of(state: LiquidityPool, estimate: PoolEstimate) -> BestRange:
    """The range to lay; the full one where a pool has no other."""
    if state.spacing:
        return best_range(estimate, state.sqrt_price_x96, state.tick, state.spacing)
    at_mean = yield_of(estimate, FULL, estimate.fees.mean, estimate.sigma.mean, full=True)
    return BestRange(full_range(1), net_of(estimate, FULL, full=True), at_mean, full=True)


def _apy(rate: float, years: float) -> Apy:
    """The yield of a simple rate that is earned over the horizon and reinvested; all is lost at most."""
    if math.isinf(rate):
        return Apy(math.inf if rate > 0 else -1.0)
    growth = rate * years
    return Apy.from_growth(growth, years * SECONDS_PER_YEAR) if growth > -1.0 else Apy(-1.0)


def _said(yield_: Apy) -> str:
    return "a total loss" if yield_.value <= -1.0 else f"{yield_.value:.2%}"


class Advice(StrEnum):
    HOLD = "hold"
    REBALANCE = "rerange"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Trigger:
    """What a position calls for, and why. ticks: the range to lay anew; gain: what that earns more within the horizon,
    what laying it costs taken off, a share of the position's value."""

    advice: Advice
    reason: str
    ticks: Range | None = None
    gain: float = 0.0


def trigger(
    position: PoolPosition, history: PoolHistory, gas_price: float, policy: Policy, lending: Iterable[Apy]
) -> Trigger:
    """Out of range: a range is laid anew where what it earns within the horizon, at the low end, is more than it costs.
    Volatility: where even the high end of the best range's net yield is below lending, the position is to leave; where
    another width earns twice its cost more than the present one, it is to be taken. Both ends come from the newest
    record, so that a change of volatility shows here.
    """
    state = position.state
    value = value_of(state, position.amounts)
    if not position.liquidity or value <= 0.0:
        return Trigger(Advice.HOLD, "it holds no liquidity")
    inside = position.liquidity if position.in_range else 0
    entered = pool_estimate(state, history, value, gas_price, policy.confidence, policy.horizon_days, inside)
    estimate = replace(entered, enter=0.0)
    if not history.fees or math.isinf(estimate.sigma.high):
        return Trigger(Advice.HOLD, "; ".join(("fees or volatility are not known", *history.missing)))
    best = best_of(state, estimate)
    other = max(lending, default=None)
    if other is not None and _apy(best.net.high, estimate.horizon_years) < other:
        reason = f"no range's net yield reaches lending's {other.value:.2%}, not even at the high end"
        return Trigger(Advice.LEAVE, reason)
    if not state.spacing or position.ticks is None:
        return Trigger(Advice.HOLD, "a share of the whole range")
    ticks = Range(*position.ticks)
    whole = ticks == full_range(state.spacing)
    bounds = FULL if whole else bounds_of(ticks, state.sqrt_price_x96)
    present = net_of(estimate, bounds, full=whole).low if position.in_range else 0.0
    gain = (best.net.low - present) * estimate.horizon_years
    cost = estimate.rebalance / value
    said = f"a new range earns {gain:.3%} more within the horizon and costs {cost:.3%}"
    if not position.in_range:
        if gain > cost:
            return Trigger(Advice.REBALANCE, f"out of range: {said}", best.ticks, gain - cost)
        return Trigger(Advice.HOLD, f"out of range, wait: {said}")
    if gain > IN_RANGE_FACTOR * cost and best.ticks != ticks:
        return Trigger(Advice.REBALANCE, f"volatility or fees have changed: {said}", best.ticks, gain - cost)
    return Trigger(Advice.HOLD, "in range")
