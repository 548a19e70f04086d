"""How a swap is split over pools so that no other split gives more, with the proof of how close it is. Pure.

Each pool's output f_i(x_i) is concave, so that for any price p the best split of X gives at most

    sum_i  max_x ( f_i(x) - p x - c_i, 0 )  +  p X

(Lagrangian duality; c_i: what using pool i costs, in output). The maximum is where pool i's own marginal price falls to
p, which each pool tells directly. p is searched until the pools take X together; the split is what they take then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yieldbot.math.concentrated import Unswappable
from yieldbot.model.exchange import Venue

TRIES = 64
BOUND_SLACK = 1e-12
"""Of the output, added to the bound for the rounding of its floats."""


@dataclass(frozen=True, slots=True)
class Split:
    """parts: what goes into each venue, in order; out: what comes out, less the costs; bound: no split gives more."""

    parts: tuple[int, ...]
    out: int
    bound: float

    @property
    def gap_bps(self) -> float:
        """How far the output may be from the best, in bps of that."""
        return max(0.0, (self.bound - self.out) / self.bound * 1e4) if self.bound > 0 else 0.0


def split(venues: Sequence[Venue], amount: int, costs: Sequence[int] | None = None) -> Split:
    """The split of ``amount`` (base units in) over venues; ``costs``: of using each, in base units out.

    Raises Unswappable when they do not take so much together.
    """
    fixed = tuple(costs or (0,) * len(venues))
    low, high = _prices(venues, amount)
    for _ in range(TRIES):
        middle = (low * high) ** 0.5
        if not low < middle < high:
            break
        low, high = (middle, high) if _taken(venues, middle, fixed) >= amount else (low, middle)
    bound = min(_bound(venues, amount, fixed, price) for price in (low, high))
    best = Split((0,) * len(venues), 0, bound)
    for price in (low, high):
        chosen = [
            i for i, (venue, cost) in enumerate(zip(venues, fixed, strict=True)) if _worth(venue, price, cost) > 0
        ]
        for among in (chosen, list(range(len(venues)))):
            found = _filled(venues, amount, fixed, among, bound)
            best = found if found is not None and found.out > best.out else best
    best = _without_the_useless(venues, amount, fixed, best)
    if not best.out:
        raise Unswappable("the pools do not take so much together, or give nothing for it")
    return best


def _prices(venues: Sequence[Venue], amount: int) -> tuple[float, float]:
    """A price at which the venues take at least the amount, and one at which they take less."""
    price = 1.0
    while _taken(venues, price) >= amount:
        price *= 4.0
        if price > 1e60:
            raise Unswappable("the pools' prices cannot be")
    high = price
    while _taken(venues, price) < amount:
        price /= 4.0
        if price < 1e-60:
            raise Unswappable("the pools do not take so much together")
    return price, max(high, price * 4.0)


def _taken(venues: Sequence[Venue], price: float, fixed: Sequence[int] | None = None) -> int:
    if fixed is None:
        return sum(venue.until(price) for venue in venues)
    return sum(v.until(price) for v, cost in zip(venues, fixed, strict=True) if not cost or _worth(v, price, cost) > 0)


def _worth(venue: Venue, price: float, cost: int) -> float:
    """What a venue adds at a price: the most of f(x) - p x - c over x, roundings given back; 0 for nothing."""
    taken = venue.until(price)
    if taken <= 0:
        return 0.0
    given, lost = venue.give(taken)
    return max(0.0, given + lost * (1.0 + price) - price * taken - cost)


def _bound(venues: Sequence[Venue], amount: int, fixed: Sequence[int], price: float) -> float:
    found = sum(_worth(venue, price, cost) for venue, cost in zip(venues, fixed, strict=True)) + price * amount
    return found * (1.0 + BOUND_SLACK)


def _filled(
    venues: Sequence[Venue], amount: int, fixed: Sequence[int], among: Sequence[int], bound: float
) -> Split | None:
    """The best split over some venues; None where they do not take the amount."""
    chosen = [venues[i] for i in among]
    try:
        low, high = _prices(chosen, amount)
    except Unswappable:
        return None
    for _ in range(TRIES):
        middle = (low * high) ** 0.5
        if not low < middle < high:
            break
        low, high = (middle, high) if _taken(chosen, middle) >= amount else (low, middle)
    parts = [venue.until(high) for venue in chosen]
    rest = amount - sum(parts)
    room = [venue.until(low) - part for venue, part in zip(chosen, parts, strict=True)]
    for i in sorted(range(len(parts)), key=lambda i: -room[i]):
        more = min(rest, room[i])
        parts[i] += more
        rest -= more
    whole = [0] * len(venues)
    for i, part in zip(among, parts, strict=True):
        whole[i] = part
    return Split(tuple(whole), _out(venues, whole, fixed), bound) if rest == 0 else None


def _out(venues: Sequence[Venue], parts: Sequence[int], fixed: Sequence[int]) -> int:
    used = [(v, part, cost) for v, part, cost in zip(venues, parts, fixed, strict=True) if part]
    return sum(venue.give(part)[0] - cost for venue, part, cost in used)


def _without_the_useless(venues: Sequence[Venue], amount: int, fixed: Sequence[int], best: Split) -> Split:
    """Venues left out, one after the other, while that gives more: each costs something to use."""
    while any(fixed):
        used = [i for i, part in enumerate(best.parts) if part]
        tried = [_filled(venues, amount, fixed, [j for j in used if j != i], best.bound) for i in used if len(used) > 1]
        better = max((one for one in tried if one is not None), key=lambda one: one.out, default=None)
        if better is None or better.out <= best.out:
            return best
        best = better
    return best
