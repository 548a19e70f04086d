"""One market's readings in order, and the faults in them: each is reported, none is ignored."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

from yieldbot.history.reading import Fault, MarketKey, Reading

HIGHEST_RATE = 3.0
"""Rate from which a reading in a file is rejected (3.0 is 300 % a year)."""
MOST_UTILISATION = 1.1
"""Highest accepted utilisation; it may exceed 1 where a protocol's reserves are lent too."""
REGULAR = 0.8
"""Fraction of steps that must be equal for a series to be regular."""
GAP_STEPS = 1.5
"""Number of steps beyond which a regular series has a gap."""
IRREGULAR_GAP = 86_400
IRREGULAR_STEPS = 3.0
"""An irregular series has a gap where there is no reading for a day and for this many times its median step."""
ENDED_STEPS = 3.0
STILL = 30
"""Number of consecutive readings with identical non-zero rates from which a series counts as stuck: the market or
its recording is no longer updated."""

Numbered = tuple[int, Reading]
"""(line in its file, reading)."""


def when(seconds: int) -> str:
    """A time as text, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def impossible(reading: Reading) -> str:
    """Why a reading in a file is rejected; empty: it is accepted."""
    rates = {
        "supply rate": reading.supply_rate,
        "mean supply rate": reading.mean_rate,
        "borrow rate": reading.borrow_rate,
    }
    for name, rate in rates.items():
        if rate is not None and not 0.0 <= rate < HIGHEST_RATE:
            return f"a {name} of {rate:z.4%} a year"
    if reading.utilisation is not None and not 0.0 <= reading.utilisation <= MOST_UTILISATION:
        return f"a utilisation of {reading.utilisation:z.2%}"
    if reading.reserve_factor is not None and not 0.0 <= reading.reserve_factor <= 1.0:
        return f"a reserve factor of {reading.reserve_factor:z.2%}"
    return ""


def in_order(name: str, found: Iterable[Numbered], *, last_of_block: bool = False) -> tuple[list[Reading], list[Fault]]:
    """(readings ascending by market and time, faults of the file).

    name: how faults name the file. last_of_block: of several readings of one market at one time the last one counts, as
    in a recording of events; else the first one counts, and the others are reported. A market is identified by the
    market's name in its key; a different spelling is a different market.
    """
    by_market: dict[MarketKey, list[Numbered]] = {}
    for at, reading in found:
        by_market.setdefault(reading.key, []).append((at, reading))
    readings: list[Reading] = []
    faults: list[Fault] = []
    called = names_of(by_market)
    for key in sorted(by_market, key=lambda one: (one.chain, one.market, one.asset_address)):
        kept, odd = _market(name, called[key], by_market[key], last_of_block)
        readings += kept
        faults += odd
    faults += ended(readings)
    return readings, faults


def names_of(keys: Iterable[MarketKey]) -> dict[MarketKey, str]:
    """How faults name each market: with its chain if another chain has a market of the same name."""
    chains = dict[str, set[str]]()
    for key in (known := list(keys)):
        chains.setdefault(key.market, set()).add(key.chain)
    return {key: key.market if len(chains[key.market]) == 1 else f"{key.chain} {key.market}" for key in known}


def _market(name: str, market: str, rows: list[Numbered], last_of_block: bool) -> tuple[list[Reading], list[Fault]]:
    faults: list[Fault] = []
    falls = rows[0][1].time > rows[-1][1].time
    if falls and len(rows) > 2 and all(late.time <= early.time for (_, early), (_, late) in pairwise(rows)):
        rows = rows[::-1]
        faults.append(Fault(f"{name}, {market}", "its newest row is the first: turned round", True, "note"))
    kept: list[Numbered] = []
    followed = 0
    for at, reading in rows:
        where = f"{name} line {at}"
        if (why := impossible(reading)) != "":
            faults.append(Fault(where, f"{why} of {market} is not taken", kind="rate"))
        elif kept and reading.time < kept[-1][1].time:
            words = f"its clock runs back, {when(reading.time)} after {when(kept[-1][1].time)}, in {market}"
            faults.append(Fault(where, words, kind="clock"))
        elif kept and reading.time == kept[-1][1].time:
            if last_of_block:
                kept[-1] = (at, reading)
                followed += 1
                continue
            other = "is the same as" if reading == kept[-1][1] else "contradicts"
            words = f"{market} at {when(reading.time)} is there twice: it {other} line {kept[-1][0]}, which counts"
            faults.append(Fault(where, words, kind="duplicate"))
        else:
            kept.append((at, reading))
    if followed:
        words = f"{followed} updates are left out that another of the same block followed"
        faults.append(Fault(f"{name}, {market}", words, kind="note"))
    series = [reading for _, reading in kept]
    return series, faults + list(gaps(series, market)) + list(still(series, market))


def usual_step(times: Sequence[int]) -> float | None:
    """The step of a regular series, in seconds; None: irregular, or fewer than three readings."""
    steps = [late - early for early, late in pairwise(times)]
    if len(steps) < 2:
        return None
    middle = statistics.median(steps)
    alike = sum(abs(step - middle) <= 0.25 * middle for step in steps)
    return middle if alike >= REGULAR * len(steps) else None


def gaps(series: Sequence[Reading], market: str) -> Iterator[Fault]:
    """The gaps in a market's readings (ascending). market: how faults name it."""
    if len(series) < 3:
        return
    times = [one.time for one in series]
    step = usual_step(times)
    if step is not None:
        longest = GAP_STEPS * step
    else:
        middle = statistics.median(late - early for early, late in pairwise(times))
        longest = max(IRREGULAR_GAP, IRREGULAR_STEPS * middle)
    for early, late in pairwise(series):
        if late.time - early.time > longest:
            hours = (late.time - early.time) / 3600
            words = f"nothing is known for {hours:z.0f} h, {when(early.time)} to {when(late.time)}"
            yield Fault(f"{market}, {when(early.time)}", words, True, "gap")


def still(series: Sequence[Reading], market: str) -> Iterator[Fault]:
    """The spans in which a market's rates are identical for ``STILL`` readings or more."""
    start = 0
    for at in range(1, len(series) + 1):
        if at < len(series) and _rates(series[at]) == _rates(series[start]):
            continue
        if at - start >= STILL and series[start].supply_rate:
            words = f"the very same rates in {at - start} readings, {when(series[start].time)} to "
            where = f"{market}, {when(series[start].time)}"
            yield Fault(where, words + when(series[at - 1].time), True, "still")
        start = at


def _rates(reading: Reading) -> tuple[float | None, ...]:
    return reading.supply_rate, reading.borrow_rate, reading.utilisation, reading.index


def ended(readings: Sequence[Reading]) -> list[Fault]:
    """Markets whose readings (ascending by market) end while others of the same source continue."""
    times: dict[MarketKey, list[int]] = {}
    for one in readings:
        times.setdefault(one.key, []).append(one.time)
    last = max((series[-1] for series in times.values()), default=0)
    called, found = names_of(times), []
    for key, series in times.items():
        step = usual_step(series) or IRREGULAR_GAP
        if last - series[-1] > max(ENDED_STEPS * step, 2 * IRREGULAR_GAP):
            words = f"its readings end at {when(series[-1])}, others go on to {when(last)}: it counts as ended there"
            found.append(Fault(called[key], words, True, "ended"))
    return found


def since_before(readings: Iterable[Reading]) -> Iterator[Reading]:
    """Fills in the start of each ``mean_rate`` that counts from the previous reading (ascending by market and time).
    A mean without a previous reading is dropped, since its span is unknown."""
    before: Reading | None = None
    for one in readings:
        if one.mean_rate is not None:
            known = before is not None and before.key == one.key
            mean = (one.mean_rate, before.time) if known and before is not None else (None, None)
            one = replace(one, mean_rate=mean[0], mean_since=mean[1])
        yield one
        before = one
