"""What a swap must give at least, by prices that the pools swapped in do not make alone. Pure.

At least two prices of different makers (feeds; a pool's mean over time) must be there and agree; of those the one that
asks for more is taken. A price that one swap can move is none of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined
from yieldbot.model.units import BPS

LEAST_PRICES = 2
MOST_APART_BPS = 100.0


@dataclass(frozen=True, slots=True)
class FairOutput:
    """rate: whole tokens wanted for one given, the highest of the prices; least: what a swap must give."""

    rate: float
    least: Amount


def fair_output(
    prices: Mapping[str, float],
    amount: Amount,
    wanted: Token,
    slippage_bps: float,
    most_apart_bps: float = MOST_APART_BPS,
) -> FairOutput | Declined:
    """The least output. ``prices``: by who says so, whole tokens wanted for one given. Declined where fewer than two
    say so, or they are further apart than ``most_apart_bps``."""
    said = ", ".join(f"{who} says {rate:,.6g}" for who, rate in sorted(prices.items()))
    if len(prices) < LEAST_PRICES or min(prices.values()) <= 0.0:
        return Declined("PRICE_UNKNOWN", f"{LEAST_PRICES} independent prices must agree, there are: {said or 'none'}")
    low, high = min(prices.values()), max(prices.values())
    if (high / low - 1.0) * BPS > most_apart_bps:
        return Declined("PRICES_DISAGREE", f"{said}: more than {most_apart_bps:g} bp apart")
    kept = high * (1.0 - slippage_bps / BPS)
    return FairOutput(high, Amount(wanted, int(float(amount) * kept * wanted.one)))


def below_minimum(given: Amount, least: Amount) -> Declined | None:
    """Why a swap's output is too little; None when it is not. Nothing overrides it."""
    if given >= least:
        return None
    return Declined("PRICE_IMPACT", f"{given} would come out, the least is {least}")


def stale(updated: Mapping[str, int], now: int, most_seconds: int) -> Declined | None:
    """Why feeds are too old to go by; None when none is. ``updated``: unix seconds of each feed's word, by its token's
    symbol; ``now``: the block's own time."""
    old = {name: now - at for name, at in updated.items() if now - at > most_seconds}
    if not old:
        return None
    said = ", ".join(f"{name}'s feed is {age:,} s old" for name, age in sorted(old.items()))
    return Declined("PRICE_STALE", f"{said}, {most_seconds:,} s are allowed (policy.max_feed_age_seconds)")


def uncertain(parts: Mapping[str, float], most_bps: float) -> Declined | None:
    """Why feeds are too unsure of themselves to go by; None when none is. ``parts``: by its token's symbol, half of the
    interval that a feed gives, as a part of its price."""
    wide = {name: part * BPS for name, part in parts.items() if part * BPS > most_bps}
    if not wide:
        return None
    said = ", ".join(f"{name}'s feed is sure within {bps:,.1f} bp alone" for name, bps in sorted(wide.items()))
    return Declined("PRICE_UNSURE", f"{said}, {most_bps:g} bp are allowed")


def depegged(
    tokens: Collection[Token], usd: Mapping[Token, float], pegged: Collection[Address], most_bps: float
) -> Declined | None:
    """Why one of ``tokens`` that is meant to be worth one US dollar is not; None when each is. ``usd``: dollars for
    one, by feed; without a feed nobody can say.

    Both sides of a swap are looked at: what is given away too cheaply is a loss as well.
    """
    meant = [token for token in tokens if token.address in pegged]
    if untold := ", ".join(sorted(token.symbol for token in meant if token not in usd)):
        return Declined("PRICE_UNKNOWN", f"no feed says whether {untold} is worth its dollar")
    off = {token.symbol: (usd[token] - 1.0) * BPS for token in meant}
    far = {symbol: bps for symbol, bps in off.items() if abs(bps) > most_bps}
    if not far:
        return None
    said = ", ".join(f"{symbol} is {bps:+,.1f} bp off its dollar" for symbol, bps in sorted(far.items()))
    return Declined("DEPEGGED", f"{said}, {most_bps:g} bp are allowed (policy.max_depeg_bps)")
