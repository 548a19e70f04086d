"""The rate that a pool can sustain, which excludes what a utilisation spike pays, whether the spike is there already or
our own withdrawal would cause it.

Beyond its kink a pool pays a rate that is designed to end: borrowers repay at it and others deposit at it (Morpho's at
98 %: 134 % a year over a month where 4 % is the target). So while utilisation is beyond the kink, at most the rate at
the kink counts, whether we would enter, are there, or caused the spike by leaving. The same rate counts for the same
utilisation, so that money which has left a pool does not return because of the spike that it caused.

A withdrawal of ours raises utilisation, and with it the rate of what stays; near full utilisation what stays cannot be
withdrawn. So after our own withdrawal at most the rate at the kink counts, or that at ``max_utilisation_entry`` where
it is lower.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

from yieldbot.math.curves import (
    TARGET_UTILISATION,
    AdaptiveCurve,
    LookThroughCurve,
    Points,
)
from yieldbot.math.scaled import CappedCurve, LineOfRates, at_level
from yieldbot.model.curve import YieldCurve
from yieldbot.model.market import MarketState
from yieldbot.model.policy import Policy


def capped(curve: YieldCurve, held: float, at_max_utilisation: float, at_kink: float = -math.inf) -> YieldCurve:
    """The curve with the rates of a utilisation spike capped; the curve itself where nothing changes.

    held: what we hold there, in whole tokens. at_max_utilisation: the holding at which utilisation would be the highest
    that a withdrawal of ours may lead to and still count (0 or less: none leads beyond it). at_kink: the holding at
    which the market would stand at its kink; more than ``held`` where it stands beyond it now.
    """
    cap_end = max(at_kink, min(held, at_max_utilisation))
    return CappedCurve(curve, cap_end) if 0.0 < cap_end < math.inf else curve


def capped_vault(curve: LookThroughCurve, utilisation: float, *, ignore_withdrawals: bool = False) -> LookThroughCurve:
    """A vault's curve with the curve of each market below it capped, since the vault's money changes their utilisation.
    utilisation: the highest to which a withdrawal may raise it and still count. ignore_withdrawals: withdrawals do not
    change a rate."""
    slots = []
    for slot in curve.slots:
        inner = slot.curve
        if isinstance(inner, LookThroughCurve):
            inner = capped_vault(inner, utilisation, ignore_withdrawals=ignore_withdrawals)
        else:
            most = math.inf if ignore_withdrawals else holding_at(inner, utilisation)
            inner = capped(inner, slot.held, most, holding_at(inner, 1.0))
        slots.append(replace(slot, curve=inner))
    return replace(curve, slots=tuple(slots))


def holding_at(curve: YieldCurve, utilisation: float) -> float:
    """The holding of ours at which the pool stands at this utilisation, or at its kink where that is lower, in whole
    tokens.

    For curves with ``others`` and ``borrowed``; minus infinity for a curve without borrowers, infinity for utilisation
    0.
    """
    borrowed, others, fees = (float(getattr(curve, name, 0.0)) for name in ("borrowed", "others", "fees"))
    if borrowed <= 0.0:
        return -math.inf
    bend = TARGET_UTILISATION if isinstance(curve, AdaptiveCurve) else kink(getattr(curve, "points", ()))
    most = min(utilisation, bend)
    return borrowed / most - others - fees if most > 0.0 else math.inf


def kink(points: Points) -> float:
    """The first utilisation from which a rate rises more than twice as steeply as on average below it; 1 without
    one."""
    for (u, rate), (further, higher) in pairwise(points):
        if u > 0.0 and (higher - rate) / (further - u) > 2.0 * max(0.0, rate - points[0][1]) / u:
            return u
    return 1.0


def sustainable_curve(state: MarketState, policy: Policy, *, ignore_withdrawals: bool = False) -> YieldCurve:
    """The market's curve without rewards, with the rates of a utilisation spike capped; where there is a forecast, at
    its level: history tells better than a cap what lasts of a spike.

    Of a vault whose markets are read, each market is capped by what the vault holds there. A curve without borrowed
    amounts is capped by the market's own figures; as its kink is not known, only against our own withdrawals.
    ignore_withdrawals: our own withdrawals do not change a rate.
    """
    if state.liquidity_market is not None:
        return state.curve
    if state.forecast is None:
        return _capped_curve(state, policy, ignore_withdrawals)
    counted = float(state.held) if state.forecast.ours is None else state.forecast.ours
    level = state.forecast.mean, policy.horizon_seconds
    if isinstance(state.curve, LineOfRates):
        curve, held = at_level(state.curve, counted, *level), float(state.held)
        return capped(curve, held, math.inf if ignore_withdrawals else holding_at(curve, policy.max_utilisation_entry))
    return at_level(_capped_curve(state, policy, ignore_withdrawals), counted, *level)


def _capped_curve(state: MarketState, policy: Policy, ignore_withdrawals: bool) -> YieldCurve:
    curve, held, utilisation = state.curve, float(state.held), policy.max_utilisation_entry
    if isinstance(curve, LookThroughCurve):
        return capped_vault(curve, utilisation, ignore_withdrawals=ignore_withdrawals)
    most = math.inf if ignore_withdrawals else holding_at(curve, utilisation)
    if most == -math.inf and state.borrowed is not None and state.borrowed.raw:
        lent = float(state.borrowed) / utilisation if utilisation > 0.0 else math.inf
        most = held + lent - float(state.supplied)
    return capped(curve, held, most, holding_at(curve, 1.0))
