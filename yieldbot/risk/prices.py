"""The minimum output of a swap, by prices that do not come from the pools it uses. Pure.

At least two independent prices (feeds; a pool's TWAP) must exist and agree; the most demanding one is used. A price
that a single swap can move does not count.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.numbers import significant
from yieldbot.model.plan import Declined
from yieldbot.model.units import BPS

LEAST_PRICES = 2
"""Number of independent prices that are needed."""
MOST_APART_BPS = 100.0
"""Default of the largest difference between independent prices, in bp."""


@dataclass(frozen=True, slots=True)
class FairOutput:
    """The minimum output of a swap by independent prices."""

    rate: float
    """Whole tokens wanted for one given: the highest of the prices."""
    least: Amount
    """Minimum out."""


def fair_output(
    prices: Mapping[str, float],
    amount: Amount,
    wanted: Token,
    slippage_bps: float,
    most_apart_bps: float = MOST_APART_BPS,
) -> FairOutput | Declined:
    """The minimum output of a swap of ``amount`` for ``wanted``. prices: whole tokens wanted for one given, by
    source. slippage_bps: how much less than the highest price is accepted. Declined if there are fewer than two
    prices, or they differ by more than ``most_apart_bps``."""
    if len(prices) < LEAST_PRICES or min(prices.values()) <= 0.0:
        listed = _listed(prices) or "none"
        return Declined("PRICE_UNKNOWN", f"{LEAST_PRICES} independent prices must agree, there are: {listed}")
    low, high = min(prices.values()), max(prices.values())
    if (high / low - 1.0) * BPS > most_apart_bps:
        return Declined("PRICES_DISAGREE", f"{_listed(prices)}: more than {most_apart_bps:g} bp apart")
    kept = high * (1.0 - slippage_bps / BPS)
    return FairOutput(high, Amount(wanted, int(float(amount) * kept * wanted.one)))


def most_in(fair: FairOutput, exact: Amount, given: Token, slippage_bps: float) -> Amount:
    """The most of ``given`` that an exact output may take: the amount whose minimum output it is, rounded down."""
    kept = fair.rate * (1.0 - slippage_bps / BPS)
    return Amount(given, int(float(exact) / kept * given.one) if kept > 0.0 else 0)


def _listed(prices: Mapping[str, float]) -> str:
    return ", ".join(f"{who} says {significant(rate, 6)}" for who, rate in sorted(prices.items()))


def below_minimum(given: Amount, least: Amount) -> Declined | None:
    """Why a swap's output is below its minimum; None: it is not. Nothing overrides this check."""
    if given >= least:
        return None
    return Declined("PRICE_IMPACT", f"{given} would come out, the least is {least}")


def below_exit_price(
    given: Amount, least: Amount, usd: Mapping[Token, float], pegged: Collection[Address], most_bps: float
) -> Declined | None:
    """Why a pegged token would be sold for less than a dollar minus ``most_bps``; None: it would not, or the token
    is not pegged. least: the minimum output; usd: dollars for one whole token, by feed."""
    if given.token.address not in pegged:
        return None
    if least.token not in usd:
        return Declined("PRICE_UNKNOWN", f"no feed says what {least.token.symbol} is worth")
    price, floor = float(least) * usd[least.token] / float(given), 1.0 - most_bps / BPS
    if price >= floor:
        return None
    message = f"{given} would bring {least} at least, {price:z.4f} dollars each; {floor:z.4f} is the least"
    return Declined("EXIT_PRICE", f"{message} (policy.exit_min_price_bps)")


def stale(updated: Mapping[str, int], now: int, most_seconds: int) -> Declined | None:
    """Why feeds are too old to be used; None: none is. updated: unix seconds of each feed's last update, by its
    token's symbol; now: time of the block."""
    old = {name: now - at for name, at in updated.items() if now - at > most_seconds}
    if not old:
        return None
    message = ", ".join(f"{name}'s feed is {age:,} s old" for name, age in sorted(old.items()))
    return Declined("PRICE_STALE", f"{message}, {most_seconds:,} s are allowed (policy.max_feed_age_seconds)")


def uncertain(parts: Mapping[str, float], most_bps: float) -> Declined | None:
    """Why the confidence intervals of feeds are too wide to be used; None: none is. parts: half of the confidence
    interval as a fraction of the price, by token symbol."""
    wide = {name: part * BPS for name, part in parts.items() if part * BPS > most_bps}
    if not wide:
        return None
    message = ", ".join(f"{name}'s feed is sure within {bps:z,.1f} bp alone" for name, bps in sorted(wide.items()))
    return Declined("PRICE_UNSURE", f"{message}, {most_bps:g} bp are allowed")


def depegged(
    tokens: Collection[Token], usd: Mapping[Token, float], pegged: Collection[Address], most_bps: float
) -> Declined | None:
    """Why one of ``tokens`` that is pegged to the US dollar is off its peg; None: none is. usd: dollars for one
    whole token, by feed. A pegged token without a feed is refused. Both sides of a swap are checked: selling a token
    below its value is a loss as well."""
    checked = [token for token in tokens if token.address in pegged]
    if untold := ", ".join(sorted(token.symbol for token in checked if token not in usd)):
        return Declined("PRICE_UNKNOWN", f"no feed says whether {untold} is worth its dollar")
    off = {token.symbol: (usd[token] - 1.0) * BPS for token in checked}
    far = {symbol: bps for symbol, bps in off.items() if abs(bps) > most_bps}
    if not far:
        return None
    message = ", ".join(f"{symbol} is {bps:+z,.1f} bp off its dollar" for symbol, bps in sorted(far.items()))
    return Declined("DEPEGGED", f"{message}, {most_bps:g} bp are allowed (policy.max_depeg_bps)")
