"""Markets that were glanced at and not read in full, as the solver counts them: with the most they could earn. Pure.

An unread market is in the problem as one that pays its ceiling, without the haircut of a grade and without doubts, and
with those limits alone that its cheap reads show. Whatever a full reading finds, its income is at most that. So the
bound of the problem with all of these markets is a bound of the real one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yieldbot.allocator.assess import price_veto, wealths_of
from yieldbot.allocator.problem import Problem
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.amounts import Amount
from yieldbot.model.curve import YieldCurve
from yieldbot.model.glance import Glance
from yieldbot.model.ids import MarketId
from yieldbot.model.market import MarketState, Snapshot, Status
from yieldbot.model.names import named, of_table
from yieldbot.model.plan import Assessment
from yieldbot.model.policy import Base, Policy

MOST_TOGETHER = 100
"""Most markets that one allocation asks to have read in full."""
NOTHING = 1e-7
"""A gain below this fraction of the wealth a year is rounding."""
PARTS = (1.0, 0.25, 1 / 16, 1 / 64)
"""Fractions of the largest possible holding at which an unread market is compared with the shadow price."""


def upper_markets(
    snapshot: Snapshot, policy: Policy, wealth: Amount | None, base: Base | None
) -> tuple[list[MarketState], dict[MarketId, Assessment]]:
    """A state and an assessment for each glanced-at market that new money could go into: at least as favourable as what
    a full reading can show."""
    wealths = wealths_of(snapshot, wealth)
    closed = {token for token in wealths if price_veto(snapshot, token, policy, base) is not None}
    states, assessments = list[MarketState](), dict[MarketId, Assessment]()
    for glance in snapshot.glanced:
        token, used = glance.market.asset, glance.utilisation
        if not glance.open or token in closed or token not in wealths or named(glance.market, policy.exclude):
            continue
        if used is not None and used > policy.max_utilisation_entry:
            continue
        limit_raw = _most_raw(glance, policy, wealths[token])
        curve = _upper_curve(glance, policy)
        if limit_raw > 0 and curve.apr(0.0, policy.horizon_seconds) > 0.0:
            states.append(_upper_state(glance, curve))
            haircut = _least_haircut(glance, policy)
            assessments[glance.market.id] = Assessment(glance.market.id, haircut, Amount(token, limit_raw), ())
    return states, assessments


def worth_reading(
    problem: Problem,
    holdings: Sequence[float],
    price: float,
    ids: Sequence[MarketId],
    outlooks: Mapping[MarketId, float],
) -> list[MarketId]:
    """Which of the problem's last markets (``ids``) should be read in full: those that its solution holds, and those
    that could earn more than the shadow price, by their ceilings or forecasts (``outlooks``); most income first."""
    h, first = problem.horizon_seconds, len(problem.markets) - len(ids)
    gains: dict[MarketId, float] = {}
    for index, market_id in enumerate(ids, first):
        market = problem.markets[index]
        sizes = [market.high * part for part in PARTS if market.high * part >= problem.min_position / market.price]
        gain = max((market.changed(x, h) - x * price * market.price for x in sizes), default=0.0)
        hoped = market.high * (outlooks.get(market_id, 0.0) - price) * market.price - market.enter_cost
        gain = max(gain, hoped) - NOTHING * problem.wealth
        if holdings[index] > 0.0 or gain > 0.0:
            gains[market_id] = float("inf") if holdings[index] > 0.0 else gain
    return sorted(gains, key=lambda one: (-gains[one], one))[:MOST_TOGETHER]


def _upper_curve(glance: Glance, policy: Policy) -> YieldCurve:
    """The ceiling; where the forecast is above all of it, the forecast's rate: a market's curve at a forecast pays its
    mean at most, as we hold nothing there."""
    if glance.outlook is None or glance.outlook < glance.ceiling.apr(0.0, policy.horizon_seconds):
        return glance.ceiling
    return ConstantCurve(glance.outlook)


def _upper_state(glance: Glance, curve: YieldCurve) -> MarketState:
    token = glance.market.asset
    return MarketState(
        market=glance.market,
        block=glance.block,
        held=Amount(token, 0),
        shares=0,
        share_token=None,
        liquidity=glance.supplied if glance.cash is None else glance.cash,
        capacity=glance.capacity,
        supplied=glance.supplied,
        borrowed=glance.borrowed,
        status=Status.ACTIVE,
        curve=curve,
        quoted=glance.quoted,
        pools=frozenset(),  # which would only forbid plans
        gas_deposit=glance.gas_deposit,
        gas_withdraw=glance.gas_withdraw,
    )


def _most_raw(glance: Glance, policy: Policy, wealth_raw: int) -> int:
    """The largest holding that the policy could allow. A name that the policy gives a fraction of its own may be this
    market's, whose full name is not known yet."""
    shares = policy.max_share_markets
    most_raw = int(max((of_table(shares, glance.market, policy.max_share_market), *shares.values())) * wealth_raw)
    if glance.cash is not None and policy.min_liquidity_multiple > 1.0:
        most_raw = min(most_raw, int(glance.cash.raw / (policy.min_liquidity_multiple - 1.0)))
    return most_raw


def _least_haircut(glance: Glance, policy: Policy) -> float:
    """The smallest haircut that the policy could take off, in bp a year."""
    return min((of_table(policy.haircut_bps, glance.market, 0.0), *policy.haircut_bps.values()))
