"""How much goes in down to a price: the quick searches find what plain halving finds, and find it quickly."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.kit.venues import ONES, kinds_of, side_of
from tests.property import slow
from yieldbot.allocator.split import _worth, split
from yieldbot.math.concentrated import Unswappable
from yieldbot.math.curve_crypto import CryptoVenue, crypto_venue, exchange_output
from yieldbot.math.roots import crossing
from yieldbot.math.solidly import SolidlyVenue
from yieldbot.math.stableswap import StableVenue, invariant
from yieldbot.math.venues import VenuePath
from yieldbot.model.exchange import Venue


def searched(draw: random.Random, ones: tuple[int, int]) -> dict[str, Venue]:
    """Every kind whose ``amount_until_price`` is a search or was one, and paths of each of them with every kind."""
    there, back = kinds_of(draw, ones), kinds_of(draw, ones[::-1])
    sought = {k: v for k, v in there.items() if isinstance(v, StableVenue | VenuePath) or k == "solidly-stable"}
    seconds = {k: v for k, v in back.items() if not isinstance(v, VenuePath) and k != "whirlpool"}
    paths = {
        f"{k} {m}": VenuePath(there[k], v)
        for k in draw.sample(sorted(seconds), 3)
        for m, v in draw.sample(sorted(seconds.items()), 2)
    }
    return sought | paths


def prices_of(draw: random.Random, venue: Venue) -> list[float]:
    """Around the first unit's, a little below it, and down to next to nothing."""
    taken = max(10**6, side_of(venue) // 10**6)
    first = venue.quote_exact_in(taken)[0] / taken
    return [first * share for share in (1.01, 1.0, 1 - 1e-6, 0.999, draw.uniform(0.5, 0.99), 0.1, 1e-3)]


@pytest.mark.parametrize("seed", range(8))
def test_what_goes_in_down_to_a_price_is_what_plain_halving_finds(seed: int) -> None:
    draw = random.Random(700 + seed)
    ones, asked = ONES[seed % len(ONES)], 0
    for kind, venue in searched(draw, ones).items():
        side = side_of(venue)
        for price in prices_of(draw, venue):
            quick, plain = venue.amount_until_price(price), slow.until(venue, price)
            if not quick:
                # nothing, or what the pool's arithmetic does not bear
                assert plain < side * 1e-9 or refuses(venue, int(plain)), (kind, price, plain)
                continue
            # Floats tell a pool's place on its curve to 2^-52 of its reserve, and a flat curve's price to less.
            assert quick == pytest.approx(plain, rel=1e-9, abs=side * 1e-9) or refuses(venue, int(plain)), (kind, price)
            asked += 1
    assert asked > 50


def refuses(venue: Venue, taken: int) -> bool:
    try:
        return not venue.quote_exact_in(taken)[0]
    except Unswappable:
        return True


@pytest.mark.parametrize("seed", range(8))
def test_no_other_amount_is_worth_more_at_the_price(seed: int) -> None:
    """What ``amount_until_price`` is for: f(x) - p x is nowhere above what a split's bound counts for the venue."""
    draw = random.Random(800 + seed)
    ones, asked = ONES[seed % len(ONES)], 0
    for kind, venue in searched(draw, ones).items():
        if kind.startswith(("ng", "crypto")) or " ng" in kind or " crypto" in kind:
            continue  # a fee that varies: not quite concave, and its bound says by how much
        for price in prices_of(draw, venue):
            taken = venue.amount_until_price(price)
            best = _worth(venue, price)
            for _ in range(20):
                other = int((taken or side_of(venue)) * math.exp(draw.uniform(-1, 1) * 10 ** draw.uniform(-6, 0)))
                try:
                    out = venue.quote_exact_in(other)[0] if other else 0
                except Unswappable:
                    continue
                assert out - price * other <= best + 1e-12 * out + 1, (kind, price, taken, other)
                asked += 1
    assert asked > 500


@pytest.mark.parametrize("seed", range(3))
def test_no_amount_in_a_crypto_pool_is_worth_more_than_its_bound(seed: int) -> None:
    """Its fee grows away from balance and falls towards it; the bound counts the lowest on the way."""
    draw, asked = random.Random(900 + seed), 0
    for kind, venue in kinds_of(draw, ONES[seed]).items():
        if not isinstance(venue, CryptoVenue):
            continue
        pool, i = venue.pool, draw.choice([0, 1])
        given = pool.balances[1 - i] // draw.choice([3, 30, 10**6])
        moved = [*pool.balances]
        moved[1 - i] += given
        moved[i] -= exchange_output(pool, 1 - i, i, given)[0]
        for there in (crypto_venue(pool, i, 1 - i), crypto_venue(replace(pool, balances=tuple(moved)), i, 1 - i)):
            for price in prices_of(draw, there):
                taken, best = there.amount_until_price(price), _worth(there, price)
                for _ in range(20):
                    other = int((taken or side_of(there)) * math.exp(draw.uniform(-1, 1) * 10 ** draw.uniform(-6, 0)))
                    try:
                        out = there.quote_exact_in(other)[0]
                    except Unswappable:
                        continue
                    assert out - price * other <= best + 1e-12 * out + 1, (kind, price, taken, other)
                    asked += 1
    assert asked > 300


def test_a_path_of_two_stable_pools_is_asked_little() -> None:
    """A split over paths asks for hundreds of prices: each was 64 halvings of 128 halvings."""
    draw = random.Random(5)
    there, back = kinds_of(draw, (10**6, 10**18)), kinds_of(draw, (10**18, 10**6))
    for first in ("plain2-0", "3pool-0", "ng-20000000000", "solidly-stable", "v2", "v3"):
        for second in ("plain2-0", "3pool-0", "solidly-stable", "v2"):
            one, other = Asked(there[first]), Asked(back[second])
            venue = VenuePath(one, other)
            for price in (0.99, 0.5, 0.01):
                venue.amount_until_price(price)
            assert one.asked + other.asked < 3 * 90, (first, second, one.asked, other.asked)


class Asked:
    """A venue that counts the prices that it is asked for."""

    def __init__(self, venue: Venue) -> None:
        self.venue, self.asked = venue, 0
        self.quote_exact_in, self.off, self.quote_exact_out = venue.quote_exact_in, venue.off, venue.quote_exact_out

    def amount_until_price(self, price: float) -> int:
        self.asked += 1
        return self.venue.amount_until_price(price)


def test_a_split_over_paths_of_stable_pools_is_the_one_by_halving(monkeypatch: pytest.MonkeyPatch) -> None:
    draw, compared = random.Random(9), 0
    for ones in ONES:
        there, back = kinds_of(draw, ones), kinds_of(draw, ones[::-1])
        venues = [VenuePath(there["plain2-0"], back["3pool-0"]), VenuePath(there["v2"], back["plain2-0"])]
        for part in (1000, 2):
            amount = side_of(venues[0]) // part
            quick = split(venues, amount, [5, 1000])
            with monkeypatch.context() as patched:
                for kind in (VenuePath, StableVenue):
                    patched.setattr(kind, "amount_until_price", lambda venue, price: int(slow.until(venue, price)))
                plain = split(venues, amount, [5, 1000])
            assert quick.out == pytest.approx(plain.out, rel=1e-9) and quick.out <= plain.bound
            assert quick.bound == pytest.approx(plain.bound, rel=1e-9) and plain.out <= quick.bound
            compared += 1
    assert compared == 8


@pytest.mark.parametrize("seed", range(20))
def test_a_crossing_is_two_neighbours_around_it(seed: int) -> None:
    draw = random.Random(seed)
    at = 10 ** draw.uniform(-20, 20)
    steep = 10 ** draw.uniform(-3, 3)
    shapes: dict[str, Callable[[float], float]] = {
        "smooth": lambda x: steep * math.log(at / x),
        "a step": lambda x: 1.0 if x <= at else -1.0,
        "flat, then a cliff": lambda x: 1e-9 if x <= at else -50.0,
        "flat at nothing": lambda x: 0.0 if x <= at else -steep * (x / at - 1.0),
        "of roundings": lambda x: round(1e6 * math.log(at / x)) / 1e6 - 1e-9,
    }
    for name, level in shapes.items():
        counted = Counter[str]()

        def asked(x: float, level: Callable[[float], float] = level, counted: Counter[str] = counted) -> float:
            counted["asked"] += 1
            return level(x)

        low, high = crossing(asked, at / 1e6, at * 1e9)
        assert level(low) >= 0.0 > level(high), name
        assert low < high <= low * (1 + 2.0**-50), name
        assert counted["asked"] <= 130, name
        assert name != "smooth" or counted["asked"] < 20, counted


@pytest.mark.parametrize("flavour", ["plain2-0", "3pool-0", "solidly-stable"])
def test_a_stable_pool_far_off_its_peg_and_of_dust_has_an_until(flavour: str) -> None:
    """Prices of 60 orders of magnitude, pools of a unit: nothing raises, what is told can be given."""
    for ones in ONES:
        venue = kinds_of(random.Random(3), ones)[flavour]
        small = [venue]
        if isinstance(venue, StableVenue):
            for raws in ((1, 1), (10**3, 10**12), (10**30, 10)):
                pool = type(venue.pool)(venue.pool.flavour, raws, venue.pool.rates, venue.pool.amp, venue.pool.fee)
                try:
                    small.append(StableVenue(pool, 0, 1, invariant(pool)))
                except (Unswappable, ValueError, ZeroDivisionError):
                    continue
        elif isinstance(venue, SolidlyVenue):
            pools = [type(venue.pool)(True, raws, ones, 5) for raws in ((0, 10), (1, 1), (10**3, 10**12), (10**30, 10))]
            small += [SolidlyVenue(pool, zero) for pool in pools for zero in (True, False)]
        for one in small:
            last = 1 << 200
            for exponent in range(-60, 61, 4):
                taken = one.amount_until_price(10.0**exponent)
                assert 0 <= taken <= last, (one, exponent)
                if taken:
                    assert one.quote_exact_in(taken)[0] >= 0
