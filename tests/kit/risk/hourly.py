"""A synthetic hourly recording of lending markets, generated from measured frequencies of locks; none of it is real.

What it is made from was measured on Aave v2 and v3 on Ethereum, 2020 to 2026, and is written down here as it was
published: 47 stablecoin locks (utilisation of 0.99 and more) in 25.5 market-years, median two hours, four of more than
a day; 17 % of them come without a reading of 0.90 before, 43 % without one of 0.95; 72 h pass in the median from 0.90
to the lock; a market stands above 0.90 ten times a year, and above 0.95 2.6 times, without a lock that follows; the
worst day leaves 0.14 of the free liquidity; a lock of the collateral's market (WETH) raises the hazard fourteenfold for
48 h; the dollar that fell on 10 March 2023 was 1 % off some seven hours before its trough of 0.88.

The generator was written before any signal was scored on it, and no threshold was chosen by it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from yieldbot.history.reading import MarketKey, Reading

HOUR = 3600
YEAR_HOURS = 8760
START = 1_609_459_200
"""2021-01-01, 00:00 UTC."""
SEEN_90, SEEN_95 = 0.78, 0.55
"""Fractions of locks that are generated with utilisation above 0.90, and above 0.95, before them; by chance others have
it too, which makes 0.83 and 0.57."""
SEEN_LOCKS, SUDDEN_LOCKS = 1.84 * SEEN_90, 1.84 * (1.0 - SEEN_90)
"""Locks in a market-year: those that begin above 0.90, and those that come in one step."""
FAST_FALSE = 0.28
"""Fraction of the periods above 0.90 without a lock in which cash halves within a day."""
FALSE_90, FALSE_95 = 13.0, 2.4
"""Periods in a market-year above 0.90, and above 0.95, that are generated without a lock; some overlap with each other
or with a lock, which leaves 10 and 2.6."""
COLLATERAL_LOCKS = 0.3
"""Locks of the collateral's market a year."""
CONTAGION, CONTAGION_HOURS = 14.0, 48
WORST_DAY = 0.14
"""Fraction of the free liquidity that is left after the worst of some thousand days."""
RESERVE_FACTOR, KINK = 0.1, 0.9


@dataclass(frozen=True, slots=True)
class Recording:
    """The recording, with the number of events that were generated."""

    readings: tuple[Reading, ...]
    """Readings, one an hour, by market and time; those of stablecoins have a price."""
    locks: int
    """Number of generated locks of stablecoin markets; two may overlap and form one."""
    collateral_locks: int
    """Number of generated locks of collateral markets."""
    depegs: int
    """Number of generated depegs of a stablecoin like that of March 2023."""


def recording(years: float = 4.0, coins: Sequence[str] = ("USDC", "USDT", "DAI"), seed: int = 1) -> Recording:
    """``years`` of hourly readings of a protocol's stablecoin markets and its WETH market."""
    hours = int(years * YEAR_HOURS)
    draw = random.Random(f"hourly/{seed}")
    collateral, starts = _collateral(hours, draw)
    found, locks, depegs = list[Reading](), 0, 0
    for coin in coins:
        use, planted = _stablecoin(hours, starts, draw)
        prices, fallen = _prices(hours, draw)
        supplied = _supplied(hours, draw)
        found += _readings(coin, use, supplied, prices)
        locks, depegs = locks + planted, depegs + fallen
    found += _readings("WETH", collateral, _supplied(hours, draw), None)
    found.sort(key=lambda one: (one.key.market, one.time))
    return Recording(tuple(found), locks, len(starts), depegs)


def _collateral(hours: int, draw: random.Random) -> tuple[list[float], list[int]]:
    """(hourly utilisation of the collateral's market, hours of its locks). It is calm except for locks, each after a
    day of rising utilisation."""
    use = _calm(hours, draw, mean=0.78, spread=0.03)
    starts = sorted(_times(COLLATERAL_LOCKS, hours, draw))
    for at in starts:
        stays = max(2, int(draw.lognormvariate(math.log(30), 1.0)))
        _ramp(use, at, lead=24, top=1.0, stays=stays, fast=True, draw=draw)
    return use, starts


def _stablecoin(hours: int, collateral_locks: Sequence[int], draw: random.Random) -> tuple[list[float], int]:
    use = _calm(hours, draw, mean=draw.uniform(0.74, 0.83), spread=0.025)
    for at in _times(FALSE_90 - FALSE_95, hours, draw):  # above 0.90, never above 0.95; three in ten come quickly
        fast = draw.random() < FAST_FALSE
        _ramp(
            use, at, lead=_lead(draw), top=draw.uniform(0.905, 0.945), stays=draw.randint(2, 48), fast=fast, draw=draw
        )
    for at in _times(FALSE_95, hours, draw):
        lead = _lead(draw)
        _ramp(use, at, lead=lead, top=draw.uniform(0.925, 0.945), stays=draw.randint(1, 24), fast=False, draw=draw)
        _tops(use, at, lead, draw)
    seen, sudden = _times(SEEN_LOCKS, hours, draw), _times(SUDDEN_LOCKS, hours, draw)
    for at in collateral_locks:  # the hazard of the next two days, fourteenfold
        more = 1.84 * (CONTAGION - 1.0) * CONTAGION_HOURS / YEAR_HOURS
        if draw.random() < 1.0 - math.exp(-more):
            (seen if draw.random() < 0.5 else sudden).append(at + draw.randint(2, CONTAGION_HOURS))
    for at in seen:
        high = draw.random() < SEEN_95 / SEEN_90  # the others jump from below 0.95, most of them after a quick rise
        fast, lead = not high and draw.random() < 0.7, _lead(draw)
        _ramp(use, at, lead=lead, top=draw.uniform(0.925, 0.945), stays=1, fast=fast, draw=draw)
        if high:
            _tops(use, at, lead, draw)
        _lock(use, at + 1, draw)
    for at in sudden:
        _lock(use, at, draw)
    return use, len(seen) + len(sudden)


def _tops(use: list[float], at: int, lead: int, draw: random.Random) -> None:
    """Add hours above 0.95 before a lock: in six of ten cases some five hours in a row at the end, else single hours,
    as if somebody borrows for an hour."""
    if draw.random() < 0.6:
        hours = set(range(at - max(1, round(draw.lognormvariate(math.log(5.0), 0.9))) + 1, at + 1))
    else:
        hours = {at - draw.randint(0, lead)}
    hours |= {hour for hour in range(at - lead, at) if draw.random() < 1.0 / max(24, lead)}
    for hour in hours:
        if 0 <= hour < len(use):
            use[hour] = max(use[hour], draw.uniform(0.951, 0.985))


def _calm(hours: int, draw: random.Random, mean: float, spread: float) -> list[float]:
    """Hourly utilisation without events: mean-reverting within some days, and well below the kink."""
    found, level = [], mean
    for _ in range(hours):
        level += (mean - level) / 60.0 + spread * math.sqrt(2.0 / 60.0) * draw.gauss(0.0, 1.0)
        found.append(min(0.895, max(0.3, level)))
    return found


def _lead(draw: random.Random) -> int:
    """A random number of hours from utilisation 0.90 to the top, 72 in the median."""
    return max(2, int(draw.lognormvariate(math.log(72), 0.9)))


def _ramp(use: list[float], at: int, *, lead: int, top: float, stays: int, fast: bool, draw: random.Random) -> None:
    """Let utilisation rise to ``top`` at hour ``at``: it is above 0.90 for ``lead`` hours before, while cash falls
    evenly in logarithms with noise; it stays, and falls back within two days. fast: it reaches 0.90 within a day, else
    within five."""
    high, low = math.log(1.0 - min(top, 0.9995)), math.log(1.0 - 0.90)
    for hour in range(max(0, at - lead), min(len(use), at + 1)):
        done = 1.0 - (at - hour) / max(1, lead)
        wave = draw.gauss(0.0, 0.03) if hour < at else 0.0
        use[hour] = max(use[hour], 1.0 - math.exp(low + (high - low) * done + wave))
    rise = 12 if fast else 120
    for hour in range(max(0, at - lead - rise), max(0, at - lead)):  # the way up to 0.90
        done = 1.0 - (at - lead - hour) / rise
        use[hour] = max(use[hour], use[hour] + (0.899 - use[hour]) * done)
    for hour in range(at + 1, min(len(use), at + stays + 48)):
        back = max(0.0, (hour - at - stays) / 48.0)
        use[hour] = max(use[hour], top + (0.85 - top) * min(1.0, back * 2.0))


def _lock(use: list[float], at: int, draw: random.Random) -> None:
    """Insert a lock at hour ``at``: two hours long in the median, more than a day in one of twelve cases."""
    stays = max(1, round(draw.lognormvariate(math.log(2.0), 1.8)))
    for hour in range(at, min(len(use), at + stays)):
        use[hour] = max(use[hour], draw.uniform(0.992, 1.0))
    for hour in range(at + stays, min(len(use), at + stays + 24)):
        back = (hour - at - stays + 1) / 24.0
        use[hour] = max(use[hour], 0.96 + (0.85 - 0.96) * back)


def _times(rate: float, hours: int, draw: random.Random) -> list[int]:
    """Hours of the events of a Poisson process with ``rate`` events a year."""
    found, at = list[int](), 0.0
    while (at := at + draw.expovariate(rate / YEAR_HOURS)) < hours - 200:
        if at > 200:
            found.append(int(at))
    return found


def _supplied(hours: int, draw: random.Random) -> list[float]:
    """Hourly supply in whole tokens: a random walk around a level from 25 million to a thousand million."""
    level, found = draw.uniform(math.log(2.5e7), math.log(1e9)), []
    start = level
    for _ in range(hours):
        level += draw.gauss(0.0, 0.002) - (level - start) / 5000.0
        found.append(math.exp(level))
    return found


def _prices(hours: int, draw: random.Random) -> tuple[list[float], int]:
    """(hourly prices of a stablecoin, number of depegs): some bp of noise, dips of 0.6 % for an hour or two, and every
    seventh year a depeg like that of March 2023: 1 % off seven hours before the low of 0.88, back within two days."""
    found = [1.0 + draw.gauss(0.0, 0.0004) for _ in range(hours)]
    for at in _times(0.4, hours, draw):
        for hour in range(at, min(hours, at + draw.randint(1, 3))):
            found[hour] = 1.0 - draw.uniform(0.004, 0.008)
    falls = _times(1.0 / 7.0, hours, draw)
    for at in falls:
        for hour in range(at, min(hours, at + 60)):
            since = hour - at
            depth = 0.004 if since < 2 else 0.011 + 0.109 * (since - 2) / 7 if since <= 9 else 0.12 * (60 - since) / 51
            found[hour] = 1.0 - depth + draw.gauss(0.0, 0.0003)
    return found, len(falls)


def _readings(
    coin: str, use: Sequence[float], supplied: Sequence[float], prices: Sequence[float] | None
) -> Iterator[Reading]:
    key = MarketKey(chain="eip155:1", market=f"hourly/{coin.lower()}", protocol="aave_v3", asset=coin)
    for hour, (used, whole) in enumerate(zip(use, supplied, strict=True)):
        borrow = 0.04 * used / KINK if used <= KINK else 0.04 + 0.6 * (used - KINK) / (1.0 - KINK)
        yield Reading(
            key=key, time=START + hour * HOUR, source="import:hourly", borrow_rate=borrow, utilisation=used,
            supply_rate=borrow * used * (1.0 - RESERVE_FACTOR), supplied=whole, borrowed=whole * used,
            reserve_factor=RESERVE_FACTOR, price_usd=None if prices is None else prices[hour],
        )  # fmt: skip
