"""Pendle's market of a principal token (PT): what buying or selling it costs, and the rate that is then fixed.

Source: pendle-finance/pendle-core-v2-public@e8c2cca (MarketMathCore.sol, LogExpMath.sol, PYIndex.sol, SYUtils.sol,
MarketApproxLibOnchain.sol). Integers with the contracts' rounding; 10^18 is one. A PT pays one unit of the asset at
its expiry, in SY at the index of that time.
"""

from __future__ import annotations

from dataclasses import replace

from yieldbot.model.dataclass import dataclass

ONE = 10**18
YEAR = 365 * 86_400
"""Pendle's year, in seconds."""
MOST_PT = ONE * 96 // 100
"""The greatest part of a market that may be PT after a trade."""
EIGHTEEN = ((128 * ONE, int("38877084059945950922" + "2" + "0" * 35)), (64 * ONE, 6235149080811616882910 * 10**6))
"""(2^7, 2^6) and e to their power, without decimals, as LogExpMath rounds them."""
TWENTY = tuple(
    (10**20 * 2**5 // 2**place, value)
    for place, value in enumerate(
        (
            7896296018268069516100 * 10**12,
            888611052050787263676 * 10**6,
            298095798704172827474000,
            5459815003314423907810,
            738905609893065022723,
            271828182845904523536,
            164872127070012814685,
            128402541668774148407,
            113314845306682631683,
            106449445891785942956,
        )
    )
)
"""(2^5 .. 2^-4) and e to their power, both with 20 decimals."""
UNSPENT = 5 * 10**13
"""The part of what is paid that the router's search may leave in the market; else it refuses (DEFAULT_EPS)."""
NEAR = ONE // 10
"""Within this of one, a logarithm is computed with 36 decimals."""
LOWEST, HIGHEST = -41 * ONE, 130 * ONE
"""Exponents that exp takes."""


class PendleError(ValueError):
    """The market refuses the trade; the message is the name of its error."""


@dataclass(frozen=True, slots=True)
class PtMarket:
    """A market as ``readState(router)`` and the YT's index state it."""

    total_pt: int
    """PT in the market, in base units."""
    total_sy: int
    """SY in the market, in base units."""
    scalar_root: int
    """How steep the price is; 10^18 is one."""
    expiry: int
    """Unix seconds from which PT is redeemed and no longer traded."""
    ln_fee_rate_root: int
    """Fee for the router that asked, as the logarithm of a yearly rate."""
    reserve_fee_percent: int
    """Percent of the fee that goes to Pendle."""
    last_ln_implied_rate: int
    """Logarithm of one and the implied yearly rate after the last trade."""
    index: int
    """Asset per SY (``pyIndexCurrent`` of the YT)."""


@dataclass(frozen=True, slots=True)
class PtTerms:
    """What the market computes before a trade (MarketPreCompute)."""

    rate_scalar: int
    """Steepness at this time to expiry."""
    total_asset: int
    """The market's SY, in the asset."""
    rate_anchor: int
    """The exchange rate at an equal share of both."""
    fee_rate: int
    """The fee as a factor of the exchange rate."""


@dataclass(frozen=True, slots=True)
class PtTrade:
    """A trade as the market settles it, in base units of SY."""

    sy: int
    """SY that the market pays; negative: that it takes."""
    fee: int
    """The fee, part of ``sy``."""
    to_reserve: int
    """The part of the fee that leaves the market."""


def _div(a: int, b: int) -> int:
    """Solidity's signed division, which truncates."""
    return a // b if (a < 0) == (b < 0) else -(-a // b)


def exp_raw(x: int) -> int:
    """e^x. Raises PendleError beyond the bounds of LogExpMath.exp."""
    if not LOWEST <= x <= HIGHEST:
        raise PendleError("Invalid exponent")
    if x < 0:
        return ONE * ONE // exp_raw(-x)
    first = 1
    for power, value in EIGHTEEN:
        if x >= power:
            x, first = x - power, value
            break
    x, product = x * 100, 10**20
    for power, value in TWENTY[:8]:
        if x >= power:
            x, product = x - power, product * value // 10**20
    term = total = 10**20
    for place in range(1, 13):
        term = term * x // 10**20 // place
        total += term
    return product * total // 10**20 * first // 100


def ln_raw(a: int) -> int:
    """The natural logarithm. Raises PendleError for what is not positive."""
    if a <= 0:
        raise PendleError("out of bounds")
    if -NEAR < a - ONE < NEAR:
        one = 10**36
        return _div(_series(_div((a * ONE - one) * one, a * ONE + one), one, 15), ONE)
    if a < ONE:
        return -_ln(ONE * ONE // a)
    return _ln(a)


def _ln(a: int) -> int:
    total = 0
    for power, value in EIGHTEEN:
        if a >= value * ONE:
            a, total = a // value, total + power
    a, total = a * 100, total * 100
    for power, value in TWENTY:
        if a >= value:
            a, total = a * 10**20 // value, total + power
    return (total + _series((a - 10**20) * 10**20 // (a + 10**20), 10**20, 11)) // 100


def _series(z: int, one: int, last: int) -> int:
    """Twice the inverse hyperbolic tangent of ``z``, by its odd powers up to ``last``."""
    square, power, total = z * z // one, z, z
    for place in range(3, last + 1, 2):
        power = _div(power * square, one)
        total += _div(power, place)
    return 2 * total


def pt_terms(market: PtMarket, now: int) -> PtTerms:
    """Raises PendleError if the market has expired, is empty, or its rate is below zero."""
    if (left := market.expiry - now) <= 0:
        raise PendleError("MarketExpired")
    if market.index <= 0:
        raise PendleError("the index is zero")
    if (scalar := market.scalar_root * YEAR // left) <= 0:
        raise PendleError("MarketRateScalarBelowZero")
    asset = market.total_sy * market.index // ONE
    if market.total_pt <= 0 or asset <= 0:
        raise PendleError("MarketZeroTotalPtOrTotalAsset")
    rate = exp_raw(market.last_ln_implied_rate * left // YEAR)
    share = market.total_pt * ONE // (market.total_pt + asset)
    anchor = rate - _div(_log_share(share) * ONE, scalar)
    return PtTerms(scalar, asset, anchor, exp_raw(market.ln_fee_rate_root * left // YEAR))


def _log_share(share: int) -> int:
    if share == ONE:
        raise PendleError("MarketProportionMustNotEqualOne")
    return ln_raw(share * ONE // (ONE - share))


def _exchange_rate(market: PtMarket, asset: int, terms: PtTerms, pt_out: int) -> int:
    if (left := market.total_pt - pt_out) < 0:
        raise PendleError("negative")
    if (share := left * ONE // (market.total_pt + asset)) > MOST_PT:
        raise PendleError("MarketProportionTooHigh")
    rate = _div(_log_share(share) * ONE, terms.rate_scalar) + terms.rate_anchor
    if rate < ONE:
        raise PendleError("MarketExchangeRateBelowOne")
    return rate


def trade(market: PtMarket, pt_out: int, now: int) -> PtTrade:
    """Buying ``pt_out`` PT, or selling if negative (calcTrade). Raises PendleError as the market reverts."""
    terms = pt_terms(market, now)
    if market.total_pt <= pt_out:
        raise PendleError("MarketInsufficientPtForTrade")
    return _trade(market, terms, pt_out)


def _trade(market: PtMarket, terms: PtTerms, pt_out: int) -> PtTrade:
    rate = _exchange_rate(market, terms.total_asset, terms, pt_out)
    before = -_div(pt_out * ONE, rate)
    if pt_out > 0:
        if rate * ONE // terms.fee_rate < ONE:
            raise PendleError("MarketExchangeRateBelowOne")
        fee = _div(before * (ONE - terms.fee_rate), ONE)
    else:
        fee = -_div(before * (ONE - terms.fee_rate), terms.fee_rate)
    reserve, net = _div(fee * market.reserve_fee_percent, 100), before - fee
    index = market.index
    sy = -((-net * ONE + index - 1) // index) if net < 0 else net * ONE // index
    return PtTrade(sy, _div(fee * ONE, index), _div(reserve * ONE, index))


def after_trade(market: PtMarket, pt_out: int, now: int) -> tuple[PtMarket, PtTrade]:
    """The market after a trade, and the trade (executeTradeCore). Raises PendleError as the market reverts."""
    done, terms = trade(market, pt_out, now), pt_terms(market, now)
    made = replace(market, total_pt=market.total_pt - pt_out, total_sy=market.total_sy - done.sy - done.to_reserve)
    if made.total_sy < 0:
        raise PendleError("negative")
    rate = _exchange_rate(made, made.total_sy * made.index // ONE, terms, 0)
    if not (ln_rate := ln_raw(rate) * YEAR // (market.expiry - now)):
        raise PendleError("MarketZeroLnImpliedRate")
    return replace(made, last_ln_implied_rate=ln_rate), done


def most_pt_out(market: PtMarket, now: int) -> int:
    """The most PT that the router tries to buy (calcMaxPtOut); 0 also where its arithmetic overflows, because the price
    is at its limit already. Raises PendleError as ``pt_terms``."""
    terms = pt_terms(market, now)
    odds = exp_raw(_div((terms.fee_rate - terms.rate_anchor) * terms.rate_scalar, ONE))
    share = odds * ONE // (odds + ONE)
    return max(0, market.total_pt - share * (market.total_pt + terms.total_asset) // ONE) * 999 // 1000


def pt_for_sy(market: PtMarket, sy_in: int, now: int) -> int:
    """The most PT that ``sy_in`` buys; at most ``most_pt_out``. The router's search ends a little below it, and finds
    nothing where ``most_pt_out`` is 0. Raises PendleError as ``pt_terms``."""
    terms, low, high = pt_terms(market, now), 0, most_pt_out(market, now)
    while low < high:
        middle = (low + high + 1) // 2
        if _fits(market, terms, middle, sy_in):
            low = middle
        else:
            high = middle - 1
    try:
        return low if low and -_trade(market, terms, low).sy <= sy_in else 0
    except PendleError:
        return 0


def _fits(market: PtMarket, terms: PtTerms, pt_out: int, sy_in: int) -> bool:
    try:
        return -_trade(market, terms, pt_out).sy <= sy_in
    except PendleError as refused:  # a market with too much PT sells only as much as brings it below the limit
        return str(refused) == "MarketProportionTooHigh"


@dataclass(frozen=True, slots=True)
class FixedRate:
    """What a purchase of PT fixes."""

    apr: float
    """Simple yearly rate until expiry, after our own price impact and the fee."""
    exit_cost: float
    """Fraction of what was paid that is lost if it is sold again at once."""


def fixed_rate(market: PtMarket, sy_in: int, now: int) -> FixedRate | None:
    """What paying ``sy_in`` fixes; None: so much cannot be bought, or not be sold again. Raises PendleError as
    ``pt_terms``."""
    pt = pt_for_sy(market, sy_in, now)
    if pt <= 0:
        return None
    try:
        left, bought = after_trade(market, pt, now)
        sold = trade(left, -pt, now)
    except PendleError:
        return None
    paid = -bought.sy * market.index // ONE
    if paid <= 0 or sy_in + bought.sy > sy_in * UNSPENT // ONE + 1:
        return None
    return FixedRate((pt / paid - 1.0) * YEAR / (market.expiry - now), 1.0 + sold.sy / bought.sy)
