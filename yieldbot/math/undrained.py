"""What a pool pays that lasts: a drought is no reason to expect more of it, be it there already or made by ourselves.

Beyond its curve's kink a pool pays a rate that is meant to end: borrowers repay at it and others deposit at it
(Morpho's at 98 %: 134 % over a month where 4 % is the target). So while more is used no more counts than the rate at
the kink, whether we would enter, are there, or made the drought ourselves by leaving. The same rate counts for the same
use of the pool, so that money which has left it is not called back by the spike that it left behind.

Taking out raises utilisation, and with it the rate that the model names for the rest; near full utilisation what stays
cannot be taken out. So of our own withdrawal no more counts than the rate at the kink, or at the utilisation that is
too high to enter at where that is less.
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


def undrained(curve: YieldCurve, held: float, filled: float, bent: float = -math.inf) -> YieldCurve:
    """The curve without what does not last, given what we hold in the market, in whole tokens.

    bent: our holding at which the market would be used up to its kink; more than ``held`` where it is used more now.
    filled: that at which its utilisation would be the highest that a withdrawal of ours may lead to and still count (0
    or less: none leads beyond it). The curve itself where nothing changes.
    """
    least = max(bent, min(held, filled))
    return UndrainedCurve(curve, least) if 0.0 < least < math.inf else curve


def looked_through(curve: LookThroughCurve, utilisation: float, *, steady: bool = False) -> LookThroughCurve:
    """A vault's, with each market below it undrained: it is they that the vault's money drains and fills.
    steady: no withdrawal's effect on a rate counts."""
    slots = []
    for slot in curve.slots:
        inner = slot.curve
        if isinstance(inner, LookThroughCurve):
            inner = looked_through(inner, utilisation, steady=steady)
        else:
            most = math.inf if steady else filled(inner, utilisation)
            inner = undrained(inner, slot.held, most, filled(inner, 1.0))
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


def own_curve(state: MarketState, policy: Policy, *, steady: bool = False) -> YieldCurve:
    """The market's curve without rewards, of which nothing counts that a drought pays.

    Of a vault seen through, each market below it is judged by what the vault holds there; a curve that does not name
    its borrowers by the market's own figures, and as it knows no kink only for what our withdrawal would make of it.
    """
    curve, held, utilisation = state.curve, float(state.held), policy.max_utilisation_entry
    if state.lp is not None:
        return curve
    if isinstance(curve, LookThroughCurve):
        return looked_through(curve, utilisation, steady=steady)
    most = math.inf if steady else filled(curve, utilisation)
    if most == -math.inf and state.borrowed is not None and state.borrowed.raw:
        lent = float(state.borrowed) / utilisation if utilisation > 0.0 else math.inf
        most = held + lent - float(state.supplied)
    return undrained(curve, held, most, filled(curve, 1.0))
