"""Silo v2's rate after a deposit: a rate that an integrator moves with time, by utilisation (InterestRateModelV2).

Source: silo-finance/silo-contracts-v2@340a49b (InterestRateModelV2.sol, SiloMathLib.sol). A silo accrues once for the
whole time since it was used last, at the utilisation of that use: the rate runs along a line in time, the debt grows by
e to its integral. Numbers have 18 decimals; divisions are towards zero, as in the contract: its integrator has so
small a slope that its rounding is 0.4 bp a year.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from yieldbot.math.curves import _crossings, _utilisation
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import SECONDS_PER_YEAR, WAD

VIRTUAL_SHARES = 1000
"""Shares that conversions add to the supply, and one base unit to the assets (SiloMathLib._commonConvertTo)."""
MOST_A_SECOND = 3_170_979_198_376
"""The most that debt grows by in a second, in 1e18 (_compoundInterestRateCAP: 10,000 % a year)."""
MOST_RATE = 100 * WAD
"""The highest annual rate that the model states."""
MOST_EXPONENT = 11_090_370_147_631_773_313
"""The model's X_MAX: beyond it the growth is not computed."""

Divide = Callable[[float, float], float]


def toward_zero(a: float, b: float) -> float:
    """Solidity's signed integer division; both are ints."""
    return a // b if (a >= 0) == (b > 0) else -(-a // b)


def exactly(a: float, b: float) -> float:
    return a / b


@dataclass(frozen=True, slots=True)
class RateTerms:
    """What InterestRateModelV2.getConfig returns for a silo, in its order."""

    uopt: int
    """Utilisation at which the integrator stands still."""
    ucrit: int
    """Utilisation above which borrowers pay more, and more with time."""
    ulow: int
    """Utilisation below which they pay less."""
    ki: int
    """The integrator's gain."""
    kcrit: int
    """Gain above ``ucrit``."""
    klow: int
    """Gain below ``ulow``."""
    klin: int
    """The least rate a second, at utilisation 1; in proportion below."""
    beta: int
    """How fast the surcharge above ``ucrit`` grows, a second."""
    ri: int
    """The integrator: a rate a second, as the silo's last use left it."""
    tcrit: int
    """How far the surcharge has grown."""

    def run(self, used: float, seconds: float, div: Divide = toward_zero) -> tuple[float, float, float]:
        """(exponent by which debt has grown, the integrator, the surcharge) after an accrual of so many seconds at
        utilisation ``used``: calculateCompoundInterestRateWithOverflowDetection, without its caps."""
        slope_ri = slope = div(self.ki * (used - self.uopt), WAD)
        if used > self.ucrit:
            extra = div(div(self.kcrit * (WAD + self.tcrit), WAD) * (used - self.ucrit), WAD)
            slope += div(div(self.kcrit * self.beta, WAD) * (used - self.ucrit), WAD)
            tcrit = self.tcrit + self.beta * seconds
        else:
            extra = min(0, div(self.klow * (used - self.ulow), WAD))
            tcrit = max(0, self.tcrit - self.beta * seconds)
        least = div(self.klin * used, WAD)
        ri = max(self.ri, least)
        first = ri + extra
        last = first + slope * seconds
        if first >= least and last >= least:
            grown = div((first + last) * seconds, 2)
        elif first < least and last < least:
            grown = least * seconds
        elif first >= least:
            grown = least * seconds - div(div((first - least) ** 2, slope), 2)
        else:
            grown = least * seconds + div(div((last - least) ** 2, slope), 2)
        return grown, max(ri + slope_ri * seconds, least), tcrit

    def growth(self, used: float, seconds: float, div: Divide = toward_zero) -> float:
        """The fraction by which debt grows in an accrual."""
        return min(self._raw_growth(used, seconds, div), MOST_A_SECOND / WAD * seconds)

    def _raw_growth(self, used: float, seconds: float, div: Divide) -> float:
        exponent = self.run(used, seconds, div)[0]
        return math.inf if exponent >= MOST_EXPONENT else max(0.0, math.expm1(exponent / WAD))

    def after(self, used: int, seconds: int) -> RateTerms:
        """The terms once a silo has accrued; a growth at its cap sets the integrator and the surcharge to 0."""
        if self._raw_growth(used, seconds, toward_zero) > MOST_A_SECOND / WAD * seconds:
            return replace(self, ri=0, tcrit=0)
        _, ri, tcrit = self.run(used, seconds)
        return replace(self, ri=int(ri), tcrit=int(tcrit))

    def stated(self, used: int, seconds: int) -> int:
        """The annual rate that the model states, so many seconds after the last use (calculateCurrentInterestRate): 0
        where the growth until then is not computed."""
        div = toward_zero
        if self.run(used, seconds)[0] >= MOST_EXPONENT:
            return 0
        if used > self.ucrit:
            risen = div(self.kcrit * (WAD + self.tcrit + self.beta * seconds), WAD)
            extra = div(risen * (used - self.ucrit), WAD)
        else:
            extra = min(0, div(self.klow * (used - self.ulow), WAD))
        least = div(self.klin * used, WAD)
        ri = max(max(self.ri, least) + div(self.ki * (used - self.uopt) * seconds, WAD), least)
        return min(int(max(ri + extra, least)) * SECONDS_PER_YEAR, MOST_RATE)


def used_of(collateral_raw: int, debt_raw: int) -> int:
    """Utilisation in 1e18, at most 1 (SiloMathLib.calculateUtilization)."""
    return min(WAD, debt_raw * WAD // collateral_raw) if collateral_raw and debt_raw else 0


def worth(shares: int, assets_raw: int, supply: int) -> int:
    """Base units that a withdrawal of ``shares`` pays: rounded down. (The silo's convertToAssets rounds up.)"""
    return shares * ((assets_raw if supply else 0) + 1) // (supply + VIRTUAL_SHARES)


@dataclass(frozen=True, slots=True)
class SiloCurve:
    """A silo over the horizon, computed as a single accrual at its end, at the utilisation after our deposit."""

    others: float
    """What everybody else has supplied, in whole tokens."""
    borrowed: float
    """What is lent out, in whole tokens."""
    keep: float
    """The fraction of the interest that suppliers get."""
    terms: tuple[int, ...]
    """The fields of RateTerms, at the snapshot's block."""

    def apr(self, x: float, horizon_seconds: float) -> float:
        return self._apr(x, max(1, round(horizon_seconds)), toward_zero)

    def marginal(self, x: float, horizon_seconds: float) -> float:
        """By a forward difference without the contract's rounding, which makes steps."""
        step, seconds = max((self.others + x) * 1e-6, 1e-6), max(1, round(horizon_seconds))
        above = (x + step) * self._apr(x + step, seconds, exactly)
        return (above - x * self._apr(x, seconds, exactly)) / step

    def breakpoints(self) -> tuple[float, ...]:
        terms = RateTerms(*self.terms)
        floor = (terms.ri / terms.klin,) if terms.klin else ()
        levels = (*(one / WAD for one in (terms.ulow, terms.uopt, terms.ucrit)), *floor)
        return _crossings(tuple((u, 0.0) for u in levels), self.borrowed, self.others)

    def _apr(self, x: float, seconds: int, div: Divide) -> float:
        supplied = self.others + x
        u = _utilisation(self.borrowed, supplied)
        used = int(u * WAD) if div is toward_zero else u * WAD
        lent = self.borrowed / supplied if supplied > 0.0 else u
        return RateTerms(*self.terms).growth(used, seconds, div) * lent * self.keep * SECONDS_PER_YEAR / seconds
