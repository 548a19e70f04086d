"""Holds remembered grades against what then happened. Pure.

Harm is a lock (utilisation of ``LOCKED`` or more, or cash below ``NO_CASH`` of what is supplied), a loss (the index or
share price fell by more than ``FELL`` below its highest) or a depeg (a dollar that is more than ``OFF`` away from one).
A grade's window are the ``calibration.days`` after it. It is scored once it is over and the market was read on half of
its days at least; what happened is known of no other.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from yieldbot.history.grades import GradedDay
from yieldbot.history.networks import is_dollar
from yieldbot.model.units import BPS, SECONDS_PER_YEAR
from yieldbot.risk.scales import Scales

DAY = 86_400
LOCKED = 0.99
"""Utilisation from which a market counts as locked."""
NO_CASH = 0.01
"""Of what is supplied: a market with less cash is locked too."""
FELL = 0.001
"""A fall of an index that is more than rounding."""
OFF = 0.01
"""A dollar's distance from one dollar that is a depeg."""
LONGEST_STEP = 26 * 3600
"""A reading speaks for so many seconds after it at most."""
LEAST_READ = 0.5
"""Part of a window's days that a market must have been read on."""
ALL = "all"
"""The row of all letters together."""

MarketName = tuple[str, str]
"""Chain and market's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What one market showed in one hour; None where it is not recorded."""

    time: int
    """Unix seconds of the hour's last reading."""
    used: float | None = None
    """Its highest utilisation."""
    cash_share: float | None = None
    """Its lowest cash over what was supplied."""
    index: float | None = None
    """Its last index or share price."""
    lowest_usd: float | None = None
    """The lowest price of its asset, in dollars."""
    highest_usd: float | None = None
    """The highest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """What happened to one market. Times are unix seconds, ascending."""

    read: tuple[int, ...]
    """Every reading."""
    locked: tuple[tuple[int, int], ...]
    """Readings that show a lock, and until when each speaks."""
    depegged: tuple[int, ...]
    """Readings that show a depeg."""
    losses: tuple[tuple[int, float], ...]
    """Falls of the index, each with its size in bp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """What followed the grades of one letter."""

    letter: str
    """Which; ``ALL`` for all."""
    days: int
    """Graded days of markets that are scored."""
    windows: int
    """How many of their windows do not overlap: so many are independent at most."""
    locks: int
    """Days that a lock followed within the window."""
    losses: int
    """Days that a loss followed."""
    depegs: int
    """Days that a depeg followed."""
    harmed: int
    """Days that any of these followed."""
    stated: float
    """Mean probability of harm that was stated beforehand."""
    years: float
    """Market-years for which these grades stood: each until the market's next one, its window's or its readings'
    end."""
    locked_hours_a_year: float | None
    """Hours locked in a market-year; None where no time is known."""
    loss_bps_a_year: float | None
    """What was lost, in bp a year."""
    expected_loss_bps: float | None
    """What was expected to be lost, the mean over that time."""
    expected_low_bps: float | None
    """Lower end of its interval, as the grades have it."""
    expected_high_bps: float | None
    """Upper end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How good grades were."""

    graded: int
    """Graded days of markets in all."""
    unfinished: int
    """Of these, those whose window is not over."""
    unseen: int
    """Of these, those whose market was not read often enough in the window."""
    hits: tuple[Hit, ...]
    """By letter, the safest first, then of all together; empty: nothing can be scored yet."""
    brier: float | None
    """Mean of (stated probability - 1 where harm followed, else 0) squared; 0 is perfect."""
    brier_constant: float | None
    """The same of whoever states the rate that was observed for every market: r * (1 - r)."""
    first_due: int | None
    """When the first window is over; None without grades."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    """One grade with what followed."""

    grade: GradedDay
    """What was said."""
    lock: bool
    """Whether a lock followed within the window."""
    loss: bool
    """Whether a loss did."""
    depeg: bool
    """Whether a depeg did."""

    @property
    def harm(self) -> bool:
        """Whether any of these did."""
        return self.lock or self.loss or self.depeg


def stated(safety: int, table: Scales) -> float:
    """The probability of harm within the window that a grade states beforehand."""
    of = table.sections["calibration"]
    rate = float(of["locks_a_year"]) * 2.0 ** ((float(of["at_safety"]) - safety) / float(of["doubling"]))
    return 1.0 - math.exp(-rate * float(of["days"]) / 365.25)


def tracked(moments: Iterable[Moment], asset: str) -> Track:
    """What a market's readings (ascending) tell. asset: the symbol of what is lent."""
    seen = list(moments)
    read, locked, depegged, losses = list[int](), list[tuple[int, int]](), list[int](), list[tuple[int, float]]()
    highest: float | None = None
    for at, one in enumerate(seen):
        read.append(one.time)
        if (one.used is not None and one.used >= LOCKED) or (one.cash_share is not None and one.cash_share < NO_CASH):
            after = seen[at + 1].time if at + 1 < len(seen) else one.time
            locked.append((one.time, min(after, one.time + LONGEST_STEP)))
        prices = [usd for usd in (one.lowest_usd, one.highest_usd) if usd is not None]
        if is_dollar(asset) and any(abs(usd - 1.0) > OFF for usd in prices):
            depegged.append(one.time)
        if one.index is not None and one.index > 0.0:
            if highest is not None and one.index < highest * (1.0 - FELL):
                losses.append((one.time, (1.0 - one.index / highest) * BPS))
                highest = one.index
            highest = one.index if highest is None else max(highest, one.index)
    return Track(read=tuple(read), locked=tuple(locked), depegged=tuple(depegged), losses=tuple(losses))


def calibrate(grades: Sequence[GradedDay], tracks: Mapping[MarketName, Track], table: Scales) -> Calibration:
    """Holds grades (ascending by time) against what happened to their markets."""
    window = round(float(table.of("calibration", "days")) * DAY)
    newest: dict[str, int] = {}
    for (chain, _), track in tracks.items():
        if track.read:
            newest[chain] = max(newest.get(chain, 0), track.read[-1])
    scored, unfinished, unseen = list[_Scored](), 0, 0
    for one in grades:
        known, end = tracks.get((one.chain, one.market)), one.time + window
        if newest.get(one.chain, 0) < end:
            unfinished += 1
        elif known is None or not _read_enough(known, one.time, end):
            unseen += 1
        else:
            scored.append(_scored(one, known, end))
    letters = [str(name) for name, _ in table.of("grade", "letters")]
    hits = [_hit(name, [one for one in scored if one.grade.letter == name], grades, tracks, window, table)
            for name in letters]  # fmt: skip
    if scored:
        hits.append(_hit(ALL, scored, grades, tracks, window, table))
    rate = sum(one.harm for one in scored) / len(scored) if scored else 0.0
    errors = [(stated(one.grade.safety, table) - one.harm) ** 2 for one in scored]
    return Calibration(
        graded=len(grades),
        unfinished=unfinished,
        unseen=unseen,
        hits=tuple(one for one in hits if one.days),
        brier=sum(errors) / len(errors) if errors else None,
        brier_constant=rate * (1.0 - rate) if errors else None,
        first_due=grades[0].time + window if grades else None,
    )


def _read_enough(track: Track, start: int, end: int) -> bool:
    first, last = bisect_right(track.read, start), bisect_right(track.read, end)
    days = {(time - start - 1) // DAY for time in track.read[first:last]}
    return len(days) >= LEAST_READ * (end - start) / DAY


def _scored(one: GradedDay, track: Track, end: int) -> _Scored:
    def within(times: Sequence[int]) -> bool:
        return bisect_right(times, end) > bisect_right(times, one.time)

    return _Scored(
        grade=one,
        lock=within([time for time, _ in track.locked]),
        loss=within([time for time, _ in track.losses]),
        depeg=within(track.depegged),
    )


def _hit(
    letter: str,
    scored: Sequence[_Scored],
    grades: Sequence[GradedDay],
    tracks: Mapping[MarketName, Track],
    window: int,
    table: Scales,
) -> Hit:
    years = locked = lost = 0.0
    weighed = [0.0, 0.0, 0.0]
    of_letter = {(one.grade.chain, one.grade.market, one.grade.time) for one in scored}
    for one, end in _stood(grades, tracks, window):
        if (one.chain, one.market, one.time) not in of_letter:
            continue
        track, part = tracks[one.chain, one.market], (end - one.time) / SECONDS_PER_YEAR
        years += part
        locked += sum(max(0, min(end, until) - max(one.time, since)) for since, until in track.locked) / 3600.0
        lost += sum(size for time, size in track.losses if one.time < time <= end)
        for at, bps in enumerate((one.loss_bps, one.loss_low_bps, one.loss_high_bps)):
            weighed[at] += bps * part
    count = len(scored)
    mean, low, high = (whole / years if years else None for whole in weighed)
    return Hit(
        letter=letter,
        days=count,
        windows=_apart(scored, window),
        locks=sum(one.lock for one in scored),
        losses=sum(one.loss for one in scored),
        depegs=sum(one.depeg for one in scored),
        harmed=sum(one.harm for one in scored),
        stated=sum(stated(one.grade.safety, table) for one in scored) / count if count else 0.0,
        years=years,
        locked_hours_a_year=locked / years if years else None,
        loss_bps_a_year=lost / years if years else None,
        expected_loss_bps=mean,
        expected_low_bps=low,
        expected_high_bps=high,
    )


def _stood(
    grades: Sequence[GradedDay], tracks: Mapping[MarketName, Track], window: int
) -> Iterable[tuple[GradedDay, int]]:
    """Each grade, and until when it stood and its market was read."""
    by_market: dict[MarketName, list[GradedDay]] = {}
    for one in grades:
        by_market.setdefault((one.chain, one.market), []).append(one)
    for name, rows in by_market.items():
        if name not in tracks or not tracks[name].read:
            continue
        last = tracks[name].read[-1]
        ends = [after.time for _, after in pairwise(rows)]
        for one, after in zip(rows, [*ends, last], strict=True):
            if (end := min(after, one.time + window, last)) > one.time:
                yield one, end


def _apart(scored: Sequence[_Scored], window: int) -> int:
    """How many windows there are that do not overlap, market by market."""
    ended: dict[MarketName, int] = {}
    count = 0
    for one in sorted(scored, key=lambda one: one.grade.time):
        name = one.grade.chain, one.grade.market
        if one.grade.time >= ended.get(name, 0):
            ended[name] = one.grade.time + window
            count += 1
    return count
