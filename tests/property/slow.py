"""How much goes in down to a price, by plain halving: what the quick searches are held against."""

from __future__ import annotations

import math

from yieldbot.math.solidly import SolidlyVenue
from yieldbot.math.stableswap import FEE_ONE, PRECISION, StableVenue
from yieldbot.math.venues import MOST_IN, VenuePath
from yieldbot.model.exchange import Venue

HALVINGS = 200


def until(venue: Venue, price: float) -> float:
    """``amount_until_price`` of a stable pool or of a path of two venues, by halving; of any other kind its own."""
    if isinstance(venue, StableVenue):
        return _stable(venue, price)
    if isinstance(venue, SolidlyVenue) and venue.pool.stable:
        return _solidly(venue, price)
    return _path(venue, price) if isinstance(venue, VenuePath) else venue.amount_until_price(price)


def _stable(venue: StableVenue, price: float) -> float:
    pool, xp = venue.pool, venue.pool.xp
    n, start, d = len(xp), float(xp[venue.i]), float(venue.d)
    ann = pool.amp * n / pool.unit
    others = [float(x) for k, x in enumerate(xp) if k not in (venue.i, venue.j)]
    around = d * math.prod(d / (x * n) for x in others)
    kept = (1.0 - pool.fee / FEE_ONE) * pool.rates[venue.i] / pool.rates[venue.j]

    def marginal(x: float) -> float:
        b = x + sum(others) + d / ann - d
        c = around * d / (x * n) * d / (ann * n)
        root = math.sqrt(b * b + 4.0 * c)
        y = 2.0 * c / (b + root) if b > 0.0 else (root - b) / 2.0
        k = around * (d / (x * n)) * (d / (y * n))
        return kept * (ann + k / x) / (ann + k / y)

    if marginal(start) < price:
        return 0.0
    low, high = start, start + MOST_IN / PRECISION * pool.rates[venue.i]
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        if low < middle < high:
            low, high = (middle, high) if marginal(middle) >= price else (low, middle)
    return (low - start) * PRECISION / pool.rates[venue.i]


def _solidly(venue: SolidlyVenue, price: float) -> float:
    here, there = (0, 1) if venue.zero else (1, 0)
    kept = 1.0 - venue.pool.fee_bps / 10_000
    one_in, one_out = venue.pool.ones[here], venue.pool.ones[there]
    x, y = venue.pool.reserves[here] / one_in, venue.pool.reserves[there] / one_out
    k, wanted = x * y * (x * x + y * y), price * one_in / one_out / kept

    def marginal(at: float) -> float:
        low, high = 0.0, max(x, y) * 2.0
        for _ in range(HALVINGS):
            middle = (low + high) / 2.0
            low, high = (middle, high) if at * middle * (at * at + middle * middle) < k else (low, middle)
        return (3.0 * at * at * low + low**3) / (at**3 + 3.0 * at * low * low)

    if marginal(x) < wanted:
        return 0.0
    low, high = x, x + MOST_IN / one_in
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        if low < middle < high:
            low, high = (middle, high) if marginal(middle) >= wanted else (low, middle)
    return (low - x) / kept * one_in


def _path(venue: VenuePath, price: float) -> float:
    def fits(first_price: float) -> bool:
        return venue.first.quote_exact_in(int(until(venue.first, first_price)))[0] <= until(
            venue.second, price / first_price
        )

    high = 1.0
    while until(venue.first, high) > 0:
        high *= 16.0
    low = high
    while fits(low):
        low /= 16.0
        if low < 1e-60:
            return 0.0
    high = low * 16.0
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        if low < middle < high:
            low, high = (low, middle) if fits(middle) else (middle, high)
    return until(venue.first, high)
