"""The rate that a pool can sustain: without the excess that a utilisation spike pays, whether the spike exists already
or our own withdrawal would cause it.

Beyond its kink a pool pays a rate that is designed to end, because borrowers repay and others deposit (Morpho's at 98
%: 134 % a year over a month where 4 % is the target). So while utilisation is beyond the kink, no more than the rate at
the kink is assumed, whether we would enter, are there, or caused the spike by leaving. The rate assumed depends on
utilisation alone, so that money which has left a pool does not return because of the spike that it caused.

Our withdrawal raises utilisation, and with it the rate of what stays; near full utilisation what stays cannot be
withdrawn. So after our own withdrawal no more is assumed than the rate at the kink, or the rate at
``max_utilisation_entry`` if that is lower.
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

LEAST_SUPPLY = 0.001
"""At least this fraction of others' money is assumed to have been there when a forecast's rates were observed."""


def capped(curve: YieldCurve, held: float, at_max_utilisation: float, at_kink: float = -math.inf) -> YieldCurve:
    """The curve with the rates of a utilisation spike capped; the curve itself if nothing changes.

    held: what we hold there, in whole tokens. at_max_utilisation: our holding at which utilisation reaches the highest
    value whose rate may be assumed after our withdrawal (0 or less: no withdrawal exceeds it). at_kink: our holding at
    which utilisation would be at the kink; it is more than ``held`` if the market is beyond the kink now.
    """
    cap_end = max(at_kink, min(held, at_max_utilisation))
    return CappedCurve(curve, cap_end) if 0.0 < cap_end < math.inf else curve


def capped_vault(curve: LookThroughCurve, utilisation: float, *, ignore_withdrawals: bool = False) -> LookThroughCurve:
    """A vault's curve with the curve of each of its markets capped, since the vault's money changes their utilisation.
    utilisation: the highest whose rate may be assumed after a withdrawal. ignore_withdrawals: treat rates as if
    withdrawals did not change them."""
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
    """Our holding, in whole tokens, at which the pool's utilisation is this, or at its kink if that is lower.

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
    """The first utilisation from which on a rate rises more than twice as steeply as on average below it; 1 if there is
    none."""
    for (u, rate), (further, higher) in pairwise(points):
        if u > 0.0 and (higher - rate) / (further - u) > 2.0 * max(0.0, rate - points[0][1]) / u:
            return u
    return 1.0


def sustainable_curve(state: MarketState, policy: Policy, *, ignore_withdrawals: bool = False) -> YieldCurve:
    """The market's curve without rewards, with the rates of a utilisation spike capped. With a forecast, the curve is
    moved to the forecast's level instead: history knows better than a cap what remains of a spike.

    For a vault whose markets are read, each market is capped by the vault's holding there. A curve without borrowed
    amounts is capped by the market's own figures; as its kink is unknown, only against our own withdrawals.
    ignore_withdrawals: treat the rate as if our own withdrawals did not change it.
    """
    if state.liquidity_market is not None or state.prices is not None:  # a fixed rate is not forecast from the past
        return state.curve
    if state.forecast is None:
        return _capped_curve(state, policy, ignore_withdrawals)
    ours = float(state.held) if state.forecast.ours is None else state.forecast.ours
    rate, counted = _before(state.curve, state.forecast.mean, ours, state.forecast.beside, policy.horizon_seconds)
    level = rate, policy.horizon_seconds
    if isinstance(state.curve, LineOfRates):
        curve, held = at_level(state.curve, counted, *level), float(state.held)
        return capped(curve, held, math.inf if ignore_withdrawals else holding_at(curve, policy.max_utilisation_entry))
    return at_level(_capped_curve(state, policy, ignore_withdrawals), counted, *level)


def _before(curve: YieldCurve, rate: float, ours: float, beside: float, horizon_seconds: float) -> tuple[float, float]:
    """(the rate, the holding of ours at which the curve pays it): a forecast belongs to a market without the money that
    our other wallets have brought since (``beside``), which the curve counts among others' money already.

    A curve over the market's whole supply is asked for that smaller one. A vault that is looked through has no such
    supply: its forecast falls as its own curve does if that much is added to what we hold.
    """
    others = float(getattr(curve, "others", 0.0))
    if not beside or (isinstance(curve, LookThroughCurve) and beside < 0.0):
        return rate, ours
    if others > 0.0 and not isinstance(curve, LookThroughCurve):
        least = max(LEAST_SUPPLY * others, float(getattr(curve, "borrowed", 0.0)))
        return rate, max(ours - beside, least - others)
    now, then = curve.apr(ours, horizon_seconds), curve.apr(ours + max(0.0, beside), horizon_seconds)
    return rate * min(1.0, then / now) if now > 0.0 <= then else rate, ours


def _capped_curve(state: MarketState, policy: Policy, ignore_withdrawals: bool) -> YieldCurve:
    curve, held, utilisation = state.curve, float(state.held), policy.max_utilisation_entry
    if isinstance(curve, LookThroughCurve):
        return capped_vault(curve, utilisation, ignore_withdrawals=ignore_withdrawals)
    most = math.inf if ignore_withdrawals else holding_at(curve, utilisation)
    if most == -math.inf and state.borrowed is not None and state.borrowed.raw:
        lent = float(state.borrowed) / utilisation if utilisation > 0.0 else math.inf
        most = held + lent - float(state.supplied)
    return capped(curve, held, most, holding_at(curve, 1.0))
