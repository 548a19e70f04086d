"""Random venues of every kind, for properties of splits over them."""

from __future__ import annotations

import random

from yieldbot.math.balancer_stable import BalancerPool, BalancerVenue
from yieldbot.math.concentrated import MOST_TICK, V3Pool, sqrt_at, tick_at
from yieldbot.math.curve_crypto import CryptoPool, CryptoVenue, crypto_venue
from yieldbot.math.curve_meta import MetaPool
from yieldbot.math.psm import PsmVenue
from yieldbot.math.savings_rate import RAY
from yieldbot.math.solidly import SolidlyPool, SolidlyVenue
from yieldbot.math.stableswap import StablePool, StableVenue, invariant
from yieldbot.math.stableswap_liquidity import DepositVenue, SharedPool, WithdrawalVenue
from yieldbot.math.venues import MOST_IN, V2Venue, V3Venue, VenuePath
from yieldbot.math.whirlpool import Whirlpool, WhirlpoolVenue
from yieldbot.math.whirlpool import sqrt_at as whirl_at
from yieldbot.math.wrapping import LARGE, BoostedVenue, Wrapping
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
    """Venues of one pair at about the same price."""
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


ONES = [(10**6, 10**18), (10**18, 10**6), (10**6, 10**6), (10**18, 10**18)]


def kinds_of(draw: random.Random, ones: tuple[int, int]) -> dict[str, Venue]:
    """One venue of every kind, with about a million whole tokens on each side. ones: base units in a whole token of
    both tokens (except for Solana's pool, whose amounts have 64 bits)."""
    sides = [int(draw.uniform(5e5, 2e6)) * one for one in ones]
    coins = tuple(sides), tuple(10**36 // one for one in ones)
    tick = tick_at(int((ones[1] / ones[0]) ** 0.5 * 2**96))
    flat, edge = int((sides[0] * sides[1]) ** 0.5), MOST_TICK // 10 * 10
    words = {place >> 8: 1 << (place & 255) for place in (-edge // 10, edge // 10)}
    wide = V3Pool(sqrt_at(tick), tick, flat, 500, 10, words, {-edge: flat, edge: -flat}, -ALL, ALL)
    orca = Whirlpool(whirl_at(69_000), 69_000, 10**14, 400, 0, 64, {68_992 - 640: 10**14, 68_992 + 640: -(10**14)})
    found: dict[str, Venue] = {
        "v2": V2Venue(*sides),
        "v3": V3Venue(wide, True),
        "solidly": SolidlyVenue(SolidlyPool(False, (sides[0], sides[1]), ones, 30), True),
        "solidly-stable": SolidlyVenue(SolidlyPool(True, (sides[0], sides[1]), ones, 5), True),
        "whirlpool": WhirlpoolVenue(orca, True),
    }
    for flavour, offpeg in (("3pool", 0), ("template", 0), ("plain2", 0), ("ng", 2 * 10**10), ("ng", 20 * 10**10)):
        stable = StablePool(flavour, *coins, 2000 if flavour == "3pool" else 200_000, 4 * 10**6, offpeg)
        found[f"{flavour}-{offpeg}"] = StableVenue(stable, 0, 1, invariant(stable))
    for count, later in ((2, False), (2, True), (3, False)):
        found[f"crypto of {count}{', later' * later}"] = crypto_venue(crypto(tuple(sides), ones, count, later), 0, 1)
    scaling = tuple(10**18 // one for one in ones)
    rates = 10**18, 104 * 10**16 + 7
    live = tuple(raw * scale * rate // 10**18 for raw, scale, rate in zip(sides, scaling, rates, strict=True))
    state = BalancerPool(live, scaling, rates, 200_000, 10**14, 10**6)
    found["balancer"] = BalancerVenue(state, 0, 1)
    wraps = Wrapping(LARGE * 10 // 11, 100, MOST_IN), Wrapping(LARGE * 11 // 10, 100, sides[1])
    found["boosted"] = BoostedVenue(wraps[0], BalancerVenue(state, 0, 1), wraps[1])
    found["psm"] = PsmVenue("par", *ones, RAY, sides[1])
    found["psm into savings"] = PsmVenue("into savings", *ones, 11 * RAY // 10, sides[1])
    back = StablePool("plain2", (sides[1], sides[0]), (coins[1][1], coins[1][0]), 200_000, 4 * 10**6)
    found["path"] = VenuePath(found["plain2-0"], StableVenue(back, 0, 1, invariant(back)))
    plain = StablePool("ng", *coins, 200_000, 4 * 10**6)
    into, out_of = (SharedPool(plain, invariant(plain) * one // 10**18) for one in ones[::-1])
    found |= {"deposit": DepositVenue(into, 0), "withdrawal": WithdrawalVenue(out_of, 1)}
    shared = SharedPool(plain, invariant(plain))
    over = StablePool("ng", (sides[0], shared.supply // 2), (coins[1][0], shared.price), 200_000, 4 * 10**6)
    back = StablePool("ng", (sides[1], shared.supply // 2), (coins[1][1], shared.price), 200_000, 4 * 10**6)
    found |= {"meta": MetaPool(over, shared).venue(0, 2), "meta back": MetaPool(back, shared).venue(1, 0)}
    found["path-of-two-kinds"] = VenuePath(found["v2"], V2Venue(sides[1], sides[0]))
    return found


def crypto(sides: tuple[int, ...], ones: tuple[int, int], count: int, later: bool) -> CryptoPool:
    """A Curve crypto pool in balance, with a third coin of 18 decimals if it has three."""
    precisions = tuple(10**18 // one for one in (*ones, 10**18)[:count])
    first = sides[0] * precisions[0]
    raws = (*sides, 10**24)[:count]
    scales = tuple(first * 10**18 // (raw * each) for raw, each in zip(raws[1:], precisions[1:], strict=True))
    terms = (400_000, 145 * 10**12) if count == 2 else (1_707_629, 11_809_167_828_997)
    return CryptoPool(raws, precisions, scales, *terms, count * first, (26 * 10**6, 45 * 10**6, 23 * 10**13), later)


def side_of(venue: Venue) -> int:
    """About the amount of the input token that a venue has, in base units."""
    if isinstance(venue, VenuePath):
        return side_of(venue.first)
    if isinstance(venue, V2Venue):
        return venue.reserve_in
    if isinstance(venue, PsmVenue):
        return venue.cash * venue.one_in // venue.one_out
    if isinstance(venue, BalancerVenue):
        return venue.pool.balances[venue.i] * 10**18 // (venue.pool.scaling[venue.i] * venue.pool.rates[venue.i])
    if isinstance(venue, BoostedVenue):
        return side_of(venue.pool) * 11 // 10
    if isinstance(venue, DepositVenue):
        return venue.base.pool.balances[venue.i]
    if isinstance(venue, WithdrawalVenue):
        return venue.base.supply // 2
    if isinstance(venue, StableVenue | CryptoVenue):
        return venue.pool.balances[venue.i]
    if isinstance(venue, SolidlyVenue):
        return venue.pool.reserves[0 if venue.zero else 1]
    if isinstance(venue, WhirlpoolVenue):
        return venue.amount_until_price(1e-9)
    assert isinstance(venue, V3Venue)
    root = venue.pool.sqrt_price_x96 / 2**96
    return int(venue.pool.liquidity / root if venue.zero_for_one else venue.pool.liquidity * root)
