"""What a market pays after our own deposit, and the holding that this is shown for."""

from __future__ import annotations

from yieldbot.allocator.assess import haircut_bps
from yieldbot.allocator.market_curve import curve_of, reward_apr
from yieldbot.math.sustainable import sustainable_curve
from yieldbot.model.amounts import Amount, Apr, Apy
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.plan import Allocation
from yieldbot.model.policy import Policy
from yieldbot.model.settings import Job
from yieldbot.model.units import BPS, SECONDS_PER_YEAR


def apy_after(state: MarketState, holding: Amount, horizon_seconds: float, policy: Policy) -> Apy:
    """The APY when we hold ``holding``, if nobody else acts over the horizon.

    The curve gives the average simple rate over the horizon; it is taken as reinvested at the end of each horizon. It
    is computed as plans do (``policy``): by the forecast if there is one, else at most the rate at the kink while
    utilisation is above it, and no gain from our own withdrawal. So every screen shows the same figure.
    """
    mean = sustainable_curve(state, policy).apr(float(holding), horizon_seconds)
    return Apy.from_growth(mean * horizon_seconds / SECONDS_PER_YEAR, horizon_seconds)


def net_apy(state: MarketState, holding: Amount, horizon_seconds: float, policy: Policy) -> Apy:
    """What a decision counts with when we hold ``holding``: as ``apy_after``, with rewards, less the expected loss."""
    mean = curve_of(state, policy).apr(float(holding), horizon_seconds) - haircut_bps(state, policy) / BPS
    return Apr(mean).compounded(horizon_seconds)


def reward_apy(state: MarketState, holding: Amount, policy: Policy) -> Apy:
    """What the market's rewards add to ``apy_after``, net of haircuts: the simple annual rate, since unclaimed rewards
    do not compound."""
    return Apy(reward_apr(state, float(holding), policy) if state.rewards else 0.0)


def probe_of(state: MarketState, allocation: Allocation | None, wealth: Amount) -> Amount:
    """The holding for which a market's yield is shown: the allocation's target; if that is zero, our whole wealth, as
    far as the market accepts it."""
    target = allocation.targets.get(state.market.id) if allocation else None
    if target:
        return target
    if state.capacity is None:
        return wealth
    return min(wealth, state.held + state.capacity)


def wealth_of(snapshot: Snapshot, job: Job) -> Amount:
    """Everything that we hold of the job's asset, the wallet included."""
    return snapshot.wealth(job.asset)
