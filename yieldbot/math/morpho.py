"""Morpho Blue's and AdaptiveCurveIrm's integer arithmetic, exact to the base unit.

Sources: morpho-blue SharesMathLib, MathLib, Morpho._accrueInterest; morpho-blue-irm AdaptiveCurveIrm, ExpLib. Rates are
per second, scaled by 1e18 (wad).
"""

from __future__ import annotations

from dataclasses import replace

from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import WAD

VIRTUAL_SHARES, VIRTUAL_ASSETS = 10**6, 1
YEAR = 365 * 86_400
CURVE_STEEPNESS = 4 * WAD
ADJUSTMENT_SPEED = 50 * WAD // YEAR
TARGET_UTILISATION = 9 * WAD // 10
INITIAL_RATE_AT_TARGET = 4 * WAD // 100 // YEAR
MIN_RATE_AT_TARGET = WAD // 1000 // YEAR
MAX_RATE_AT_TARGET = 2 * WAD // YEAR
LN_2 = 693_147_180_559_945_309
LN_WEI = -41_446_531_673_892_822_312
WEXP_UPPER_BOUND = 93_859_467_695_000_404_319
WEXP_UPPER_VALUE = 57_716_089_161_558_943_949_701_069_502_944_508_345_128_422_502_756_744_429_568


@dataclass(frozen=True, slots=True)
class MarketTotals:
    """A market's totals, in base units."""

    supply_assets: int
    """Supply of all suppliers."""
    supply_shares: int
    """Supply shares of all suppliers."""
    borrow_assets: int
    """Debt of all borrowers."""
    borrow_shares: int
    """Debt shares of all borrowers."""
    last_update: int
    """Time of the last accrual, in unix seconds."""
    fee: int
    """Fee as a fraction of the interest, scaled by 1e18."""

    @property
    def share_price(self) -> float:
        """Value of a million raw shares in base units, not rounded (SharesMathLib.toAssetsDown)."""
        return (self.supply_assets + VIRTUAL_ASSETS) / (self.supply_shares + VIRTUAL_SHARES) * VIRTUAL_SHARES


def assets_down(shares: int, total_assets: int, total_shares: int) -> int:
    """SharesMathLib.toAssetsDown: the value of ``shares``, rounded down."""
    return shares * (total_assets + VIRTUAL_ASSETS) // (total_shares + VIRTUAL_SHARES)


def assets_up(shares: int, total_assets: int, total_shares: int) -> int:
    """SharesMathLib.toAssetsUp: the value of ``shares``, rounded up."""
    return -(-shares * (total_assets + VIRTUAL_ASSETS) // (total_shares + VIRTUAL_SHARES))


def shares_down(assets: int, total_assets: int, total_shares: int) -> int:
    """SharesMathLib.toSharesDown: the shares worth ``assets``, rounded down."""
    return assets * (total_shares + VIRTUAL_SHARES) // (total_assets + VIRTUAL_ASSETS)


def taylor_compounded(rate: int, seconds: int) -> int:
    """MathLib.wTaylorCompounded: e^(rate * seconds) - 1 by its first three terms."""
    first = rate * seconds
    second = first * first // (2 * WAD)
    third = second * first // (3 * WAD)
    return first + second + third


def _toward_zero(numerator: int, denominator: int) -> int:
    """Solidity's signed division, which rounds toward zero."""
    quotient = abs(numerator) // abs(denominator)
    return quotient if (numerator < 0) == (denominator < 0) else -quotient


def w_exp(x: int) -> int:
    """ExpLib.wExp: e^x by range reduction to |r| <= ln2/2 and a second-order Taylor expansion."""
    if x < LN_WEI:
        return 0
    if x >= WEXP_UPPER_BOUND:
        return WEXP_UPPER_VALUE
    rounding = -(LN_2 // 2) if x < 0 else LN_2 // 2
    q = _toward_zero(x + rounding, LN_2)
    r = x - q * LN_2
    exp_r = WAD + r + _toward_zero(_toward_zero(r * r, WAD), 2)
    return exp_r << q if q >= 0 else exp_r >> -q


def new_rate_at_target(start: int, adaptation: int) -> int:
    """AdaptiveCurveIrm._newRateAtTarget: start * e^adaptation within the bounds."""
    return max(MIN_RATE_AT_TARGET, min(MAX_RATE_AT_TARGET, _toward_zero(start * w_exp(adaptation), WAD)))


def borrow_rate(totals: MarketTotals, start_rate_at_target: int, now: int) -> tuple[int, int]:
    """AdaptiveCurveIrm._borrowRate: (average rate since the last update, rate at target at ``now``)."""
    supply = totals.supply_assets
    utilisation = totals.borrow_assets * WAD // supply if supply else 0
    norm = WAD - TARGET_UTILISATION if utilisation > TARGET_UTILISATION else TARGET_UTILISATION
    error = _toward_zero((utilisation - TARGET_UTILISATION) * WAD, norm)
    if start_rate_at_target == 0:
        average = end = INITIAL_RATE_AT_TARGET
    else:
        speed = _toward_zero(ADJUSTMENT_SPEED * error, WAD)
        adaptation = speed * (now - totals.last_update)
        if adaptation == 0:
            average = end = start_rate_at_target
        else:
            end = new_rate_at_target(start_rate_at_target, adaptation)
            middle = new_rate_at_target(start_rate_at_target, _toward_zero(adaptation, 2))
            average = (start_rate_at_target + end + 2 * middle) // 4
    coefficient = WAD - WAD * WAD // CURVE_STEEPNESS if error < 0 else CURVE_STEEPNESS - WAD
    return _toward_zero((_toward_zero(coefficient * error, WAD) + WAD) * average, WAD), end


def accrue(totals: MarketTotals, rate_at_target: int, now: int) -> tuple[MarketTotals, int]:
    """Morpho._accrueInterest: the totals and the rate at target as of ``now``."""
    elapsed = now - totals.last_update
    if elapsed <= 0:
        return totals, rate_at_target
    average, end = borrow_rate(totals, rate_at_target, now)
    interest = totals.borrow_assets * taylor_compounded(average, elapsed) // WAD
    supply, shares = totals.supply_assets + interest, totals.supply_shares
    if totals.fee:
        fee_assets = interest * totals.fee // WAD
        shares += shares_down(fee_assets, supply - fee_assets, shares)
    return (
        replace(
            totals,
            supply_assets=supply,
            supply_shares=shares,
            borrow_assets=totals.borrow_assets + interest,
            last_update=now,
        ),
        end,
    )
