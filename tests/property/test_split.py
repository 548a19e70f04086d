"""Swaps split over pools: the bound is one, the split is within 0.1 bp of it, and every unit is placed."""

from __future__ import annotations

import random

import pytest

from yieldbot.allocator.split import buy, split
from yieldbot.math.concentrated import MOST_TICK, Unswappable, V3Pool, sqrt_at, tick_at
from yieldbot.math.venues import Path, V2Venue, V3Venue
from yieldbot.model.exchange import Venue

ALL = MOST_TICK // 256 + 1


def concentrated(draw: random.Random, tick: int) -> V3Pool:
    fee, spacing = draw.choice([(100, 1), (500, 10), (3000, 60), (10_000, 200)])
    at = tick + draw.randint(-30, 30)
    net: dict[int, int] = {}
    liquidity = 0
    for _ in range(draw.randint(1, 8)):
        width = spacing * draw.choice([1, 5, 50, 500])
        low = (at + draw.randint(-width, width // 2)) // spacing * spacing
        high, more = low + width * draw.randint(1, 4), 10 ** draw.randint(15, 19)
        net[low], net[high] = net.get(low, 0) + more, net.get(high, 0) - more
        liquidity += more if low <= at < high else 0
    edge = MOST_TICK // spacing * spacing
    base = 10 ** draw.randint(15, 18)
    net[-edge], net[edge] = net.get(-edge, 0) + base, net.get(edge, 0) - base
    words: dict[int, int] = {}
    for place in (t // spacing for t, n in net.items() if n):
        words[place >> 8] = words.get(place >> 8, 0) | 1 << (place & 255)
    price = draw.randint(sqrt_at(at), sqrt_at(at + 1) - 1)
    return V3Pool(price, at, liquidity + base, fee, spacing, words, net, -ALL, ALL)


def venues_of(draw: random.Random, count: int, zero_for_one: bool) -> list[Venue]:
    """Pools of one pair at about one price."""
    tick = draw.randint(-60_000, 60_000)
    price = 1.0001**tick
    found: list[Venue] = []
    for _ in range(count):
        if draw.random() < 0.5:
            found.append(V3Venue(concentrated(draw, tick), zero_for_one))
        else:
            zero = 10 ** draw.randint(16, 20)
            one = int(zero * price * draw.uniform(0.997, 1.003))
            found.append(V2Venue(zero, one) if zero_for_one else V2Venue(one, zero))
    return found


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
        == sum(venue.give(part)[0] for venue, part in zip(venues, found.parts, strict=True))
    )
    assert found.gap_bps <= 0.1, found
    # Nobody else does better: not by one pool alone, nor by moving some from one to another.
    for venue in venues:
        try:
            alone = venue.give(amount)[0]
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
            other = sum(venue.give(part)[0] for venue, part in zip(venues, parts, strict=True))
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
    paid = sum(venues[i].give(found.parts[i])[0] for i in used) - sum(costs[i] for i in used)
    assert found.out == paid
    # The plain split, which pays for every pool that it uses, is no better.
    plain = free.out - sum(cost for cost, part in zip(costs, free.parts, strict=True) if part)
    assert found.out >= plain


@pytest.mark.parametrize("seed", range(20))
def test_an_exact_output_is_bought_for_the_least(seed: int) -> None:
    draw = random.Random(300 + seed)
    venues = venues_of(draw, draw.choice([1, 2, 5, 20]), draw.random() < 0.5)
    wanted = split(venues, 10 ** draw.randint(12, 20)).out
    found = buy(venues, wanted)
    assert sum(found.outs) == wanted and found.taken == sum(found.parts)
    assert found.parts == tuple(v.need(out) if out else 0 for v, out in zip(venues, found.outs, strict=True))
    assert found.gap_bps <= 0.1 and found.bound <= found.taken
    for _ in range(15):  # nobody else buys it for less than the bound
        outs = list(found.outs)
        a, b = draw.randrange(len(outs)), draw.randrange(len(outs))
        moved = min(outs[a], int(wanted * 10 ** draw.uniform(-6, 0)))
        outs[a] -= moved
        outs[b] += moved
        try:
            other = sum(venue.need(out) if out else 0 for venue, out in zip(venues, outs, strict=True))
        except Unswappable:
            continue
        assert other >= found.bound
    with pytest.raises(Unswappable):
        buy(venues, 10**60)


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
    bought = buy(venues, free.out, [int(cost * amount / free.out) for cost in costs])
    best, least = 0, 1 << 200
    for chosen in range(1, 1 << 4):
        among = [i for i in range(4) if chosen >> i & 1]
        paid = sum(costs[i] for i in among)
        try:
            best = max(best, split([venues[i] for i in among], amount).out - paid)
            inside = sum(int(costs[i] * amount / free.out) for i in among)
            least = min(least, buy([venues[i] for i in among], free.out).taken + inside)
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
        all_of_it = venue.until(1e-30)
        assert venue.give(all_of_it)[0] > 0
        with pytest.raises(Unswappable):
            venue.give(all_of_it + all_of_it // 1000)


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
    paths = [Path(*(venues_of(draw, 1, draw.random() < 0.5)[0] for _ in range(2))) for _ in range(2)]
    for path in paths:
        for price in (0.9, 1e-3, 1e-6):
            taken = path.until(price)
            if 10**6 < taken < 10**26:
                step = taken // 1000
                before, at, after = (path.give(x)[0] for x in (taken - step, taken, taken + step))
                assert at - before >= price * step * (1 - 1e-6) - 3 and after - at <= price * step * (1 + 1e-6) + 3
    amount = 10 ** draw.randint(13, 17)
    found = split([*direct, *paths], amount)
    assert sum(found.parts) == amount and found.gap_bps <= 0.1
    assert found.bound >= split(direct, amount).out
