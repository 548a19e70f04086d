"""What a market pays after a deposit of ours, and at which holding that is shown."""

from __future__ import annotations

import math

from yieldbot.allocator.market_curve import reward_apr
from yieldbot.math.sustainable import sustainable_curve
from yieldbot.model.amounts import Amount, Apy
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.plan import Allocation
from yieldbot.model.policy import Policy
from yieldbot.model.settings import Job
from yieldbot.model.units import SECONDS_PER_YEAR


def number(value: float | None) -> float | None:
    """A float for JSON, which knows neither infinity nor NaN."""
    return value if value is not None and math.isfinite(value) else None


def apy_after(state: MarketState, holding: Amount, horizon_seconds: float, policy: Policy | None = None) -> Apy:
    """What each token earns once we hold ``holding``, over the horizon with no one else acting, a year.

    The curve's rate is the simple mean over the horizon; reinvested at each horizon's end it is this yield. With a
    policy as plans count it: no more than the rate at the kink while more is used, no gain from draining the market.
    """
    curve = sustainable_curve(state, policy) if policy else state.curve
    mean = curve.apr(float(holding), horizon_seconds)
    return Apy.from_growth(mean * horizon_seconds / SECONDS_PER_YEAR, horizon_seconds)


def reward_apy(state: MarketState, holding: Amount, policy: Policy) -> Apy:
    """What the market's rewards add to that, net of their haircuts. They lie until they are claimed, so that nothing is
    compounded: the simple rate a year."""
    return Apy(reward_apr(state, float(holding), policy) if state.rewards else 0.0)


def probe_of(state: MarketState, allocation: Allocation | None, wealth: Amount) -> Amount:
    """The holding at which a market's yield after our deposit is shown: the allocation's target, and where that is
    nothing our whole wealth, as far as the market takes it."""
    target = allocation.targets.get(state.market.id) if allocation else None
    if target:
        return target
    if state.capacity is None:
        return wealth
    return min(wealth, state.held + state.capacity)


def wealth_of(snapshot: Snapshot, job: Job) -> Amount:
    """Everything of the job's asset that we hold, the wallet included."""
    return snapshot.wealth(job.asset)
