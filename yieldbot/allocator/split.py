"""Splitting a swap over pools so that it brings the most, with a bound on the distance from the optimum. Pure.

Each pool's output f_i(x_i) is concave, so that for any price p the best split of X brings at most

sum_i  max( max_x ( f_i(x) - p x ) - c_i, 0 )  +  p X

(Lagrangian duality; c_i: cost of using pool i, in units of the output). At least one pool is used: where none is worth
its cost at p, the smallest of their losses takes the sum's place. The inner maximum is where pool i's own marginal
price falls to p, which each pool answers directly. p is searched until the pools take X together; the split is what
they take then.

With costs the sum can exceed the output of every split, by about one pool's cost, since a pool is either used or not.
For a few pools, each subset of them is therefore bounded separately (its costs are then fixed), and the highest of
these bounds is the result.

The least input for an exact output Y (``split_exact_out``) is bounded by the same sum: ( Y - sum ) / p, costs as p
times their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache

from yieldbot.math.concentrated import Unswappable
from yieldbot.math.roots import crossing
from yieldbot.model.dataclass import dataclass
from yieldbot.model.exchange import Venue

FEW = 6
"""Up to this many venues with costs, every subset of them is filled and bounded separately, which closes the gap."""
FIRST_STEP = 1.01
BOUND_SLACK = 1e-12
"""Fraction of the output that is added to the bound for the rounding of floats."""


@dataclass(frozen=True, slots=True)
class Split:
    """A split of an exact input. Base units."""

    parts: tuple[int, ...]
    """Amount into each venue, in the venues' order."""
    outs: tuple[int, ...]
    """Amount out of each venue."""
    costs: int
    """Costs of the venues that are used, in output units."""
    bound: float
    """Upper bound of any split's output after costs."""

    @property
    def out(self) -> int:
        """Output after costs."""
        return sum(self.outs) - self.costs

    @property
    def gap_bps(self) -> float:
        """How far the output may be from the best, in bps of the output."""
        whole = sum(self.outs)
        return max(0.0, (self.bound - self.out) / whole * 1e4) if whole > 0 else 0.0


@dataclass(frozen=True, slots=True)
class ExactOutSplit:
    """A split for an exact output. Base units."""

    parts: tuple[int, ...]
    """Amount into each venue, in the venues' order."""
    outs: tuple[int, ...]
    """Amount out of each venue."""
    costs: int
    """Costs of the venues that are used, in input units."""
    bound: float
    """Lower bound of any split's input plus costs."""

    @property
    def taken(self) -> int:
        """Input plus costs."""
        return sum(self.parts) + self.costs

    @property
    def gap_bps(self) -> float:
        """How far the input may be from the least, in bps of the input."""
        return max(0.0, (self.taken - self.bound) / self.taken * 1e4) if self.taken > 0 else 0.0


class _Asked:
    """A venue that caches its quotes, since a split computes the same quotes for one subset of venues after another."""

    def __init__(self, venue: Venue) -> None:
        self.off = venue.off
        self.quote_exact_in = cache(venue.quote_exact_in)
        self.quote_exact_out = cache(venue.quote_exact_out)
        self.amount_until_price = cache(venue.amount_until_price)


def split(venues: Sequence[Venue], amount: int, costs: Sequence[int] | None = None) -> Split:
    """The best split of ``amount`` (base units in) over venues. costs: of using each venue, in base units out. Raises
    Unswappable when the venues together cannot take the amount."""
    venues, fixed = [_Asked(venue) for venue in venues], tuple(costs or (0,) * len(venues))
    prices: list[float] = []

    def filled(among: Sequence[int]) -> tuple[list[int], list[int]] | None:
        chosen = [venues[i] for i in among]
        parts = _filled(chosen, lambda venue, taken: taken, amount, prices)
        if parts is None:
            return None
        outs = [venue.quote_exact_in(part)[0] for venue, part in zip(chosen, parts, strict=True)]
        return _without_dust(chosen, parts, outs)

    def total(price: float) -> int:
        return sum(
            v.amount_until_price(price) for v, c in zip(venues, fixed, strict=True) if not c or _worth(v, price) > c
        )

    @cache
    def worth(i: int, price: float) -> float:
        return _worth(venues[i], price)

    def most(among: Sequence[int], prices: Sequence[float]) -> float:
        paid = sum(fixed[i] for i in among)
        return min((sum(worth(i, p) for i in among) + p * amount for p in prices), default=math.inf) - paid

    found, bounds = list[Split](), list[float]()
    few = any(fixed) and len(venues) <= FEW
    for among in _choices(len(venues)) if few else _tried(venues, fixed, total, amount, prices):
        if few and found and (no_more := most(among, prices)) <= max(one.out for one in found):
            bounds.append(no_more)  # even its best split is no better
            continue
        noted = len(prices)
        if (one := filled(among)) is not None:
            found.append(_split(among, one, fixed))
        if few and prices[noted:]:
            bounds.append(most(among, prices[noted:]))
    best = max(found, key=lambda one: one.out, default=None)
    while best is not None and any(fixed) and not few:  # venues left out, one after the other, while that gives more
        used = [i for i, part in enumerate(best.parts) if part]
        fewer = [[j for j in used if j != i] for i in used if len(used) > 1]
        tried = [_split(among, one, fixed) for among in fewer if (one := filled(among)) is not None]
        better = max(tried, key=lambda one: one.out, default=None)
        if better is None or better.out <= best.out:
            break
        best = better
    if best is None or not sum(best.outs):
        raise Unswappable("the pools do not take so much together, or give nothing for it")
    bound = max(bounds) if few else min(_gain(venues, price, fixed) + price * amount for price in prices)
    return Split(best.parts, best.outs, best.costs, bound + abs(bound) * BOUND_SLACK)


def split_exact_out(venues: Sequence[Venue], wanted: int, costs: Sequence[int] | None = None) -> ExactOutSplit:
    """The split that brings ``wanted`` (base units out) for the least input. costs: of using each venue, in base units
    in. Raises Unswappable when the venues together do not hold the amount."""
    venues, fixed = [_Asked(venue) for venue in venues], tuple(costs or (0,) * len(venues))
    prices: list[float] = []

    def filled(among: Sequence[int]) -> tuple[list[int], list[int]] | None:
        chosen = [venues[i] for i in among]
        outs = _filled(chosen, lambda venue, taken: venue.quote_exact_in(taken)[0], wanted, prices)
        if outs is None:
            return None
        try:
            return ([venue.quote_exact_out(out) if out else 0 for venue, out in zip(chosen, outs, strict=True)], outs)
        except Unswappable:
            return None

    def total(price: float) -> int:
        pairs = zip(venues, fixed, strict=True)
        return sum(
            v.quote_exact_in(v.amount_until_price(price))[0] for v, c in pairs if not c or _worth(v, price) > price * c
        )

    @cache
    def worth(i: int, price: float) -> float:
        return _worth(venues[i], price)

    def least(among: Sequence[int], prices: Sequence[float]) -> float:
        paid = sum(fixed[i] for i in among)
        return max(((wanted - sum(worth(i, p) for i in among)) / p for p in prices), default=0.0) + paid

    found, bounds = list[ExactOutSplit](), list[float]()
    few = any(fixed) and len(venues) <= FEW
    for among in _choices(len(venues)) if few else _tried(venues, fixed, total, wanted, prices):
        if few and found and (no_less := least(among, prices)) >= min(one.taken for one in found):
            bounds.append(no_less)
            continue
        noted = len(prices)
        if (one := filled(among)) is not None:
            found.append(_bought(among, one, fixed))
        if few and prices[noted:]:
            bounds.append(least(among, prices[noted:]))
    best = min(found, key=lambda one: one.taken, default=None)
    while best is not None and any(fixed) and not few:
        used = [i for i, out in enumerate(best.outs) if out]
        fewer = [[j for j in used if j != i] for i in used if len(used) > 1]
        tried = [_bought(among, one, fixed) for among in fewer if (one := filled(among)) is not None]
        better = min(tried, key=lambda one: one.taken, default=None)
        if better is None or better.taken >= best.taken:
            break
        best = better
    if best is None:
        raise Unswappable("the pools do not give so much together")
    whole = [(wanted - _gain(venues, price, [price * c for c in fixed])) / price for price in prices]
    bound = min(bounds) if few else max(whole)
    return ExactOutSplit(best.parts, best.outs, best.costs, bound - abs(bound) * BOUND_SLACK)


def _without_dust(venues: Sequence[Venue], parts: list[int], outs: list[int]) -> tuple[list[int], list[int]]:
    """(in, out) after parts too small to bring any output are added to the largest part: a pool refuses such swaps."""
    dust = [i for i, (part, out) in enumerate(zip(parts, outs, strict=True)) if part and not out]
    most = max(range(len(parts)), key=lambda i: outs[i])
    if dust and outs[most]:
        parts[most] += sum(parts[i] for i in dust)
        for i in dust:
            parts[i] = 0
        outs[most] = venues[most].quote_exact_in(parts[most])[0]
    return parts, outs


def _choices(count: int) -> Iterator[list[int]]:
    """Every non-empty subset of ``count`` indexes: first all, then each one singly, then pairs, and so on."""
    for chosen in sorted(range(1, 1 << count), key=lambda chosen: chosen.bit_count() % count):
        yield [i for i in range(count) if chosen >> i & 1]


def _split(among: Sequence[int], found: tuple[list[int], list[int]], fixed: Sequence[int]) -> Split:
    parts, outs = (_whole(among, values, len(fixed)) for values in found)
    return Split(parts, outs, sum(cost for cost, part in zip(fixed, parts, strict=True) if part), 0.0)


def _bought(among: Sequence[int], found: tuple[list[int], list[int]], fixed: Sequence[int]) -> ExactOutSplit:
    parts, outs = (_whole(among, values, len(fixed)) for values in found)
    return ExactOutSplit(parts, outs, sum(cost for cost, out in zip(fixed, outs, strict=True) if out), 0.0)


def _whole(among: Sequence[int], values: Sequence[int], count: int) -> tuple[int, ...]:
    whole = [0] * count
    for i, value in zip(among, values, strict=True):
        whole[i] = value
    return tuple(whole)


def _tried(
    venues: Sequence[Venue], fixed: Sequence[int], total: Callable[[float], int], goal: int, prices: list[float]
) -> Iterator[list[int]]:
    """Subsets of venues to try to fill: all of them; where there are costs also those that earn their costs around the
    goal's price, and each venue singly."""
    subsets = [list(range(len(venues)))]
    if not any(fixed):
        yield from subsets
        return
    try:
        ends: tuple[float, ...] = _search(total, goal, venues)
    except Unswappable:
        ends = ()
    prices += ends
    for price in ends:
        subsets.append([i for i, (v, c) in enumerate(zip(venues, fixed, strict=True)) if _worth(v, price) > c])
    subsets += [[i] for i in range(len(venues))]
    yield from (one for at, one in enumerate(subsets) if one and one not in subsets[:at])


def _search(total: Callable[[float], int], goal: int, venues: Sequence[Venue]) -> tuple[float, float]:
    """Two adjacent prices: at the lower one ``total`` reaches the goal, at the higher one it does not.

    The search starts at the best average price of the venues.
    """
    known: dict[float, int] = {}

    def at(price: float) -> int:
        if price not in known:
            known[price] = total(price)
        return known[price]

    def level(price: float) -> float:
        above = math.log1p(at(price)) - math.log1p(goal)
        return max(0.0, above) if at(price) >= goal else min(-BOUND_SLACK, above)

    def reached(price: float) -> bool:
        return at(price) >= goal

    def enough(low: float, high: float) -> bool:
        # The rest between the two is distributed directly; once it is negligible, nearer prices do not matter.
        return at(low) == goal or at(low) - at(high) <= goal * BOUND_SLACK + 1.0 or high - low <= low * BOUND_SLACK

    low = high = max((_average(venue, goal) for venue in venues), default=0.0) or 1.0
    step = FIRST_STEP
    while reached(high):
        if high > 1e60:
            raise Unswappable("the pools' prices are impossible")
        low, high, step = high, high * step, step**3
    while not reached(low):
        if low < 1e-60:
            raise Unswappable("the pools do not take so much together")
        low, high, step = low / step, low, step**3
    return crossing(level, low, high, enough)


def _average(venue: Venue, taken: int) -> float:
    """Average output for each unit of ``taken``; 0 where the venue cannot take that much."""
    try:
        return venue.quote_exact_in(taken)[0] / taken
    except Unswappable:
        return 0.0


def _worth(venue: Venue, price: float) -> float:
    """Upper bound of what a venue adds at a price, before its cost: the maximum of f(x) - p x over x.

    Rounding is added back: of the output as it is; of the input (``amount_until_price`` may be a few units off) each
    unit at the price or at the venue's average price, above which no concave f rises further at x.
    """
    taken = venue.amount_until_price(price)
    if taken <= 0:
        return 0.0
    given, lost = venue.quote_exact_in(taken)
    return max(0.0, given + lost + venue.off(taken) * max(price, given / taken) - price * taken)


def _gain(venues: Sequence[Venue], price: float, fixed: Sequence[float]) -> float:
    """The most that a non-empty subset of venues adds at a price, after costs."""
    each = [_worth(venue, price) - cost for venue, cost in zip(venues, fixed, strict=True)]
    return sum(one for one in each if one > 0.0) if max(each) > 0.0 else max(each)


def _filled(
    venues: Sequence[Venue], counted: Callable[[Venue, int], int], goal: int, prices: list[float]
) -> list[int] | None:
    """The amount ``counted`` (input or output) of each venue, so that they sum to the goal; None where the venues do
    not reach it.

    Appends the prices on both sides of the goal to ``prices``.
    """
    try:
        low, high = _search(
            lambda price: sum(counted(venue, venue.amount_until_price(price)) for venue in venues), goal, venues
        )
    except Unswappable:
        return None
    prices += (low, high)
    found = [counted(venue, venue.amount_until_price(high)) for venue in venues]
    room = [counted(venue, venue.amount_until_price(low)) - had for venue, had in zip(venues, found, strict=True)]
    rest = goal - sum(found)
    for i in sorted(range(len(found)), key=lambda i: -room[i]):
        more = max(0, min(rest, room[i]))
        found[i] += more
        rest -= more
    return found if rest == 0 else None
