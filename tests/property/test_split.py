"""Swaps split over pools: the bound is one, the split is within 0.1 bp of it, and every unit is placed."""

from __future__ import annotations

import importlib
import pkgutil
import random

import pytest

import yieldbot.math
import yieldbot.protocols
from tests.kit.venues import ONES, concentrated, kinds_of, side_of, venues_of
from yieldbot.allocator.split import split, split_exact_out
from yieldbot.math.concentrated import Unswappable, V3Pool, sqrt_at, tick_at
from yieldbot.math.solidly import SolidlyVenue
from yieldbot.math.stableswap import StablePool, StableVenue, invariant
from yieldbot.math.venues import V2Venue, V3Venue, VenuePath
from yieldbot.math.whirlpool import WhirlpoolVenue
from yieldbot.model.exchange import Venue


@pytest.mark.parametrize("seed", range(30))
def test_20_pools_are_split_within_a_tenth_of_a_bp_of_the_best(seed: int) -> None:
    draw = random.Random(seed)
    venues = venues_of(draw, draw.choice([1, 2, 5, 20]), draw.random() < 0.5)
    amount = 10 ** draw.randint(12, 20)
    found = split(venues, amount)
    assert sum(found.parts) == amount and min(found.parts) >= 0
    assert (
        found.out
        == sum(found.outs)
        == sum(venue.quote_exact_in(part)[0] for venue, part in zip(venues, found.parts, strict=True))
    )
    assert found.gap_bps <= 0.1, found
    # Nobody else does better: not by one pool alone, nor by moving some from one to another.
    for venue in venues:
        try:
            alone = venue.quote_exact_in(amount)[0]
        except Unswappable:
            continue
        assert alone <= found.bound
    for _ in range(60):
        parts = list(found.parts)
        a, b = draw.randrange(len(parts)), draw.randrange(len(parts))
        moved = min(parts[a], int(amount * 10 ** draw.uniform(-6, 0)))
        parts[a] -= moved
        parts[b] += moved
        try:
            other = sum(venue.quote_exact_in(part)[0] for venue, part in zip(venues, parts, strict=True))
        except Unswappable:
            continue
        assert other <= found.bound


@pytest.mark.parametrize("seed", range(20))
def test_pools_that_cost_more_than_they_add_are_left_out(seed: int) -> None:
    draw = random.Random(100 + seed)
    venues = venues_of(draw, 8, True)
    amount = 10 ** draw.randint(14, 18)
    free = split(venues, amount)
    costs = [int(free.out * draw.choice([0.0, 1e-6, 1e-4, 1e-2])) for _ in venues]
    found = split(venues, amount, costs)
    used = [i for i, part in enumerate(found.parts) if part]
    assert sum(found.parts) == amount
    assert found.out <= found.bound <= free.bound * (1 + 1e-9)
    paid = sum(venues[i].quote_exact_in(found.parts[i])[0] for i in used) - sum(costs[i] for i in used)
    assert found.out == paid
    # The plain split, which pays for every pool that it uses, is no better.
    plain = free.out - sum(cost for cost, part in zip(costs, free.parts, strict=True) if part)
    assert found.out >= plain


@pytest.mark.parametrize("seed", range(20))
def test_an_exact_output_is_bought_for_the_least(seed: int) -> None:
    draw = random.Random(300 + seed)
    venues = venues_of(draw, draw.choice([1, 2, 5, 20]), draw.random() < 0.5)
    wanted = split(venues, 10 ** draw.randint(12, 20)).out
    found = split_exact_out(venues, wanted)
    assert sum(found.outs) == wanted and found.taken == sum(found.parts)
    assert found.parts == tuple(v.quote_exact_out(out) if out else 0 for v, out in zip(venues, found.outs, strict=True))
    assert found.gap_bps <= 0.1 and found.bound <= found.taken
    for _ in range(15):  # nobody else buys it for less than the bound
        outs = list(found.outs)
        a, b = draw.randrange(len(outs)), draw.randrange(len(outs))
        moved = min(outs[a], int(wanted * 10 ** draw.uniform(-6, 0)))
        outs[a] -= moved
        outs[b] += moved
        try:
            other = sum(venue.quote_exact_out(out) if out else 0 for venue, out in zip(venues, outs, strict=True))
        except Unswappable:
            continue
        assert other >= found.bound
    with pytest.raises(Unswappable):
        split_exact_out(venues, 10**60)


@pytest.mark.parametrize("seed", range(4))
def test_with_costs_no_choice_of_pools_beats_the_bound(seed: int) -> None:
    """Every choice of four pools, each filled at its best: the bound holds for all, and the answer is the best of them
    within what the pools' costs leave open."""
    draw = random.Random(400 + seed)
    zero = draw.random() < 0.5
    venues = venues_of(draw, 4, zero)
    amount = 10 ** draw.randint(14, 18)
    free = split(venues, amount)
    scale = draw.choice([1e-6, 1e-4, 1e-2])
    costs = [int(free.out * scale * draw.uniform(0.5, 2.0)) for _ in venues]
    found = split(venues, amount, costs)
    bought = split_exact_out(venues, free.out, [int(cost * amount / free.out) for cost in costs])
    best, least = 0, 1 << 200
    for chosen in range(1, 1 << 4):
        among = [i for i in range(4) if chosen >> i & 1]
        paid = sum(costs[i] for i in among)
        try:
            best = max(best, split([venues[i] for i in among], amount).out - paid)
            inside = sum(int(costs[i] * amount / free.out) for i in among)
            least = min(least, split_exact_out([venues[i] for i in among], free.out).taken + inside)
        except Unswappable:
            continue
    assert found.out <= best <= found.bound and bought.bound <= least <= bought.taken
    assert found.out == best and bought.taken == pytest.approx(
        least, abs=8
    )  # four pools are few: every choice was tried
    assert found.gap_bps <= 0.1 and bought.gap_bps <= 0.1
    many = split([*venues, *venues_of(draw, 4, zero)], amount, [*costs, *costs])
    assert many.out <= many.bound
    if scale == 1e-2:  # where the cost is heavy one pool is enough, and the certificate says so nearly exactly
        assert sum(part > 0 for part in found.parts) <= 2


def test_a_swap_that_is_worth_less_than_its_cost_is_told_all_the_same() -> None:
    found = split([V2Venue(10**12, 10**12), V2Venue(10**12, 10**12)], 1000, [5000, 4000])
    assert found.parts == (0, 1000) and found.out == found.outs[1] - 4000 < 0 and found.out <= found.bound
    assert found.bound == pytest.approx(found.out, abs=10)


def test_the_quick_walk_is_a_few_units_off_at_most() -> None:
    draw = random.Random(11)
    for _ in range(60):
        pool, zero = concentrated(draw, draw.randint(-60_000, 60_000)), draw.random() < 0.5
        away = draw.randint(1, 3000) * (-1 if zero else 1)
        exact, quick = (pool.swap(1 << 120, zero, sqrt_at(pool.tick + away), exact=e) for e in (True, False))
        ends = [(one.sqrt_price_x96, one.tick, one.liquidity) for one in (exact, quick)]
        assert ends[0] == ends[1]
        off = max(abs(exact.amount0 - quick.amount0), abs(exact.amount1 - quick.amount1))
        assert off <= 3 * exact.steps


@pytest.mark.parametrize("zero", [True, False])
def test_a_pool_gives_all_that_was_read_of_it_and_no_unit_beyond(zero: bool) -> None:
    """A pool of 1.5 million units of 6 decimals against 500 of 18: there one unit moves the price by much."""
    for price in (5e20 / 1.5e12, 1.5e12 / 5e20):
        tick = tick_at(int(price**0.5 * 2**96))
        first, last = ((tick + away) // 10 >> 8 for away in (-23_028, 23_028))
        pool = V3Pool(sqrt_at(tick), tick, 27_386_127_875_258_305, 500, 10, {}, {}, first, last)
        venue = V3Venue(pool, zero)
        all_of_it = venue.amount_until_price(1e-30)
        assert venue.quote_exact_in(all_of_it)[0] > 0
        with pytest.raises(Unswappable):
            venue.quote_exact_in(all_of_it + all_of_it // 1000)


def test_more_than_there_is_is_refused() -> None:
    pool = V2Venue(10**6, 10**6)
    with pytest.raises(Unswappable):
        split([pool], 1 << 130)
    with pytest.raises(Unswappable):
        split([], 10)


@pytest.mark.parametrize("seed", range(10))
def test_paths_of_two_pools_are_venues_too(seed: int) -> None:
    draw = random.Random(200 + seed)
    direct = venues_of(draw, 2, True)
    paths = [VenuePath(*(venues_of(draw, 1, draw.random() < 0.5)[0] for _ in range(2))) for _ in range(2)]
    for path in paths:
        for price in (0.9, 1e-3, 1e-6):
            taken = path.amount_until_price(price)
            if 10**6 < taken < 10**26:
                step = taken // 1000
                before, at, after = (path.quote_exact_in(x)[0] for x in (taken - step, taken, taken + step))
                assert at - before >= price * step * (1 - 1e-6) - 3 and after - at <= price * step * (1 + 1e-6) + 3
    amount = 10 ** draw.randint(13, 17)
    found = split([*direct, *paths], amount)
    assert sum(found.parts) == amount and found.gap_bps <= 0.1
    assert found.bound >= split(direct, amount).out


WAYS = {"quote_exact_in", "off", "quote_exact_out", "amount_until_price"}


def more_of(draw: random.Random, ones: tuple[int, int]) -> dict[str, Venue]:
    """The other ways of pools that have a way, pools of more coins, some far off their peg, and paths through them."""
    found: dict[str, Venue] = {}
    for kind, venue in kinds_of(draw, ones[::-1]).items():
        if isinstance(venue, V3Venue | SolidlyVenue | WhirlpoolVenue):
            found[f"{kind}, back"] = type(venue)(venue.pool, False)  # type: ignore[arg-type]
    for flavour, count in (("3pool", 3), ("template", 4), ("ng", 8)):
        each = [ones[0], ones[1], *(draw.choice([10**6, 10**18]) for _ in range(count - 2))]
        raws = tuple(int(10 ** draw.uniform(4.5, 6.5)) * one for one in each)
        amp = draw.choice([50, 2000]) * (1 if flavour == "3pool" else 100)
        pool = StablePool(flavour, raws, tuple(10**36 // one for one in each), amp, 10**6, 10**10)
        found[f"{flavour} of {count}"] = StableVenue(pool, 0, 1, invariant(pool))
        found[f"{flavour} of {count}, nested"] = VenuePath(found[f"{flavour} of {count}"], V2Venue(raws[1], raws[0]))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_no_bound_of_any_venue_says_nothing(seed: int) -> None:
    """A bound of more than ten times the answer is none; of amounts that people swap it is within a basis point."""
    draw = random.Random(500 + seed)
    for kind, venue in (kinds_of(draw, ONES[seed]) | more_of(draw, ONES[seed])).items():
        amounts = [side_of(venue) // part for part in (2, 20, 1000, 100_000)]
        for amount in amounts:
            for costs in (None, [1]):
                found = split([venue], amount, costs)
                if found.out < 100:
                    continue
                assert found.out <= found.bound <= 10 * found.out, (kind, amount, found)
                bought = split_exact_out([venue], found.outs[0], costs)
                assert bought.taken / 10 <= bought.bound <= bought.taken, (kind, amount, bought)
                if found.out >= 10**6:
                    # what a fee varies by is in the bound: NG's, and those of the crypto pools (19 bp)
                    dynamic = 5.0 if kind.startswith("ng") else 19.1 if kind.startswith("crypto") else 1.0
                    assert found.gap_bps <= dynamic, (kind, amount, found.gap_bps)


def test_every_venue_that_there_is_is_among_those_whose_bounds_are_tried() -> None:
    """A new exchange's pool that no bound was tried of fails here: it belongs into ``kinds_of``."""
    classes = set[type]()
    for room in (yieldbot.math, yieldbot.protocols):
        for found in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
            module = vars(importlib.import_module(found.name)).values()
            classes |= {one for one in module if isinstance(one, type) and set(dir(one)) >= WAYS}
    assert classes - {Venue} == {type(venue) for venue in kinds_of(random.Random(0), ONES[0]).values()}


def test_a_stable_swap_of_50_000_is_told_a_bound_that_means_something() -> None:
    """It was told one of 448 billion: roundings of what comes out (18 decimals) counted as units that go in (6)."""
    pool = StablePool("ng", (10**12, 10**24), (10**30, 10**18), 200 * 100, 10**6, 5 * 10**10)
    found = split([StableVenue(pool, 0, 1, invariant(pool))], 50_000 * 10**6)
    assert 49_900 * 10**18 < found.out <= found.bound < found.out * 1.0001
