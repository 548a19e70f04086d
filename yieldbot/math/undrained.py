"""What stays in a market that we take money out of: our own withdrawal is no reason to expect more of it.

Taking out raises utilisation, and with it the rate that the model names for the rest. Beyond the curve's kink that is a
rate at which borrowers repay and others deposit (Morpho's at 98 %: 134 % over a month where 4 % is the target), and
near full utilisation what stays cannot be taken out. So below the holding at which the market would reach its kink, or
the utilisation that is too high to enter at, no more than the rate at that holding is counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

from yieldbot.math.curves import TARGET_UTILISATION, AdaptiveCurve, LookThroughCurve, Points
from yieldbot.model.curve import YieldCurve
from yieldbot.model.market import MarketState
from yieldbot.model.policy import Policy


@dataclass(frozen=True, slots=True)
class UndrainedCurve:
    """The base's from the holding ``least`` (> 0) on; below, no more than its rate there.

    So income is ``x * min(apr(x), apr(least))``: a straight line below ``least`` where the base's rate never rises with
    our holding, and concave where the base's income is, for its slope from ``least`` on is no more than its rate.
    """

    base: YieldCurve
    least: float

    @property
    def others(self) -> float:
        """What the base is shared with, where it says so: the scale on which incomes bend."""
        return float(getattr(self.base, "others", 0.0))

    def most(self, horizon_seconds: float) -> float:
        """The highest rate that is counted below ``least``."""
        return self.base.apr(self.least, horizon_seconds)

    def apr(self, x: float, horizon_seconds: float) -> float:
        rate = self.base.apr(x, horizon_seconds)
        return rate if x >= self.least else min(rate, self.most(horizon_seconds))

    def marginal(self, x: float, horizon_seconds: float) -> float:
        if x < self.least and self.base.apr(x, horizon_seconds) >= (most := self.most(horizon_seconds)):
            return most
        return self.base.marginal(x, horizon_seconds)

    def breakpoints(self) -> tuple[float, ...]:
        return tuple(sorted({*self.base.breakpoints(), self.least}))


def undrained(curve: YieldCurve, held: float, filled: float) -> YieldCurve:
    """The curve without a gain from draining the market, given what we hold in it, in whole tokens.

    filled: our holding at which the market's utilisation would be the highest that counts (0 or less: no withdrawal of
    ours leads beyond it); more than ``held`` where it is above that already. The curve itself where nothing changes.
    """
    least = min(held, filled)
    return UndrainedCurve(curve, least) if least > 0.0 else curve


def looked_through(curve: LookThroughCurve, utilisation: float) -> LookThroughCurve:
    """A vault's, with each market below it undrained: it is they that the vault's withdrawals drain."""
    slots = []
    for slot in curve.slots:
        inner = slot.curve
        if isinstance(inner, LookThroughCurve):
            inner = looked_through(inner, utilisation)
        else:
            inner = undrained(inner, slot.held, filled(inner, utilisation))
        slots.append(replace(slot, curve=inner))
    return replace(curve, slots=tuple(slots))


def filled(curve: YieldCurve, utilisation: float) -> float:
    """The holding of ours at which the pool of a curve that names its lenders and borrowers is used so much, or, where
    that is less, up to its kink; minus infinity for a curve without borrowers."""
    borrowed, others, fees = (float(getattr(curve, name, 0.0)) for name in ("borrowed", "others", "fees"))
    if borrowed <= 0.0:
        return -math.inf
    bend = TARGET_UTILISATION if isinstance(curve, AdaptiveCurve) else kink(getattr(curve, "points", ()))
    most = min(utilisation, bend)
    return borrowed / most - others - fees if most > 0.0 else math.inf


def kink(points: Points) -> float:
    """The first utilisation from which a rate rises more than twice as steeply as on the mean below; 1 without."""
    for (u, rate), (further, higher) in pairwise(points):
        if u > 0.0 and (higher - rate) / (further - u) > 2.0 * max(0.0, rate - points[0][1]) / u:
            return u
    return 1.0


def own_curve(state: MarketState, policy: Policy) -> YieldCurve:
    """The market's curve without rewards, of which no gain from draining it counts.

    Of a vault seen through, each market below it is judged by what the vault holds there; a curve that does not name
    its borrowers by the market's own figures.
    """
    curve, held, utilisation = state.curve, float(state.held), policy.max_utilisation_entry
    if not state.held.raw or state.lp is not None:
        return curve
    if isinstance(curve, LookThroughCurve):
        return looked_through(curve, utilisation)
    most = filled(curve, utilisation)
    if most == -math.inf and state.borrowed is not None and state.borrowed.raw:
        lent = float(state.borrowed) / utilisation if utilisation > 0.0 else math.inf
        most = held + lent - float(state.supplied)
    return undrained(curve, held, most)
