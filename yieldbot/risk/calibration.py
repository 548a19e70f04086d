"""Compares stored grades with what then happened to their markets. Pure.

Harm is a lock (utilisation of ``LOCKED`` or more, or cash below ``NO_CASH`` of what is supplied), a loss (the index or
share price fell by more than ``FELL`` below its highest value) or a depeg (the price of a dollar token is more than
``OFF`` away from one dollar). The window of a grade is the ``calibration.days`` after it. A grade is scored once its
window is over, and only if the market was read on at least ``LEAST_READ`` of the window's days.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from yieldbot.history.grades import GradedDay
from yieldbot.history.networks import is_dollar
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import BPS, SECONDS_PER_YEAR
from yieldbot.risk.scales import Scales

DAY = 86_400
LOCKED = 0.99
"""Utilisation from which a market counts as locked."""
NO_CASH = 0.01
"""Cash as a fraction of what is supplied: a market with less is locked too."""
FELL = 0.001
"""Fall of an index, as a fraction, that is too large to be rounding."""
OFF = 0.01
"""Distance of a dollar token's price from one dollar that counts as a depeg."""
LONGEST_STEP = 26 * 3600
"""Longest time for which a reading is taken to hold, in seconds."""
LEAST_READ = 0.5
"""Fraction of a window's days on which a market must have been read."""
ALL = "all"
"""In place of a letter: the row that counts all grades together."""

MarketName = tuple[str, str]
"""(chain, market id)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One market's readings in one hour; None: not recorded."""

    time: int
    """Unix seconds of the hour's last reading."""
    used: float | None = None
    """Highest utilisation, 0 to 1."""
    cash_share: float | None = None
    """Lowest cash, as a fraction of what was supplied."""
    index: float | None = None
    """Last index or share price."""
    lowest_usd: float | None = None
    """Lowest price of its asset, in dollars."""
    highest_usd: float | None = None
    """Highest price of its asset, in dollars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """What happened to one market. Times are unix seconds, ascending."""

    read: tuple[int, ...]
    """Time of every reading."""
    locked: tuple[tuple[int, int], ...]
    """(time of a reading that shows a lock, time until which that reading holds)."""
    depegged: tuple[int, ...]
    """Times of readings that show a depeg."""
    losses: tuple[tuple[int, float], ...]
    """(time, size in bp) of each fall of the index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """How often harm followed the grades of one letter."""

    letter: str
    """The letter; ``ALL``: all grades together."""
    days: int
    """Number of grades scored: one for each market and day."""
    windows: int
    """Number of their windows that do not overlap: an upper bound of the number of independent samples."""
    locks: int
    """Grades that a lock followed within the window."""
    losses: int
    """Grades that a loss followed."""
    depegs: int
    """Grades that a depeg followed."""
    harmed: int
    """Number of grades that a lock, a loss or a depeg followed."""
    stated: float
    """Mean of the probabilities of harm that the grades stated beforehand."""
    years: float
    """Market-years for which these grades were in force: each until the market's next grade, the end of its window
    or the end of its readings."""
    locked_hours_a_year: float | None
    """Hours locked in a market-year; None: the grades were in force for no recorded time."""
    loss_bps_a_year: float | None
    """Realised loss, in bp a year."""
    expected_loss_bps: float | None
    """Expected loss by the grades, in bp a year, averaged over the same time."""
    expected_low_bps: float | None
    """Lower end of the interval of the expected loss, in bp a year."""
    expected_high_bps: float | None
    """Upper end of that interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Grades compared with what followed."""

    graded: int
    """Number of grades in all: one for each market and day."""
    unfinished: int
    """Of these, those whose window is not over."""
    unseen: int
    """Of these, those whose market was read too seldom in the window."""
    hits: tuple[Hit, ...]
    """By letter, the safest first, then of all together; empty: nothing can be scored yet."""
    brier: float | None
    """Mean of (stated probability - 1 where harm followed, else 0) squared; 0 is perfect."""
    brier_constant: float | None
    """Brier score of stating the observed rate r for every market: r * (1 - r)."""
    first_due: int | None
    """Unix seconds at which the first window is over; None: there are no grades."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    """One grade with what followed."""

    grade: GradedDay
    """The stored grade."""
    lock: bool
    """Whether a lock followed within the window."""
    loss: bool
    """Whether a loss followed."""
    depeg: bool
    """Whether a depeg followed."""

    @property
    def harm(self) -> bool:
        """Whether a lock, a loss or a depeg followed."""
        return self.lock or self.loss or self.depeg


def stated(safety: int, table: Scales) -> float:
    """The probability of harm within the window that a grade states beforehand."""
    of = table.sections["calibration"]
    rate = float(of["locks_a_year"]) * 2.0 ** ((float(of["at_safety"]) - safety) / float(of["doubling"]))
    return 1.0 - math.exp(-rate * float(of["days"]) / 365.25)


def tracked(moments: Iterable[Moment], asset: str) -> Track:
    """Locks, depegs and losses in one market's readings (ascending). asset: symbol of the token that is lent."""
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
    """Scores grades (ascending by time) by what then happened to their markets."""
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
    """Each grade, with the time until which it was in force and its market was read."""
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
    """Number of windows that do not overlap, counted for each market and summed."""
    ended: dict[MarketName, int] = {}
    count = 0
    for one in sorted(scored, key=lambda one: one.grade.time):
        name = one.grade.chain, one.grade.market
        if one.grade.time >= ended.get(name, 0):
            ended[name] = one.grade.time + window
            count += 1
    return count
