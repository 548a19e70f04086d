"""Scores alarms on recorded readings: how many locks they precede, in time for how much money, and at what cost. Pure.

A lock begins where a market's utilisation reaches ``LOCKED`` and has not been there for ``APART_SECONDS``. An alarm
precedes it where it stands at a reading within ``AHEAD_SECONDS`` before. An episode is the time in which an alarm
stands; one in which, and for ``AHEAD_SECONDS`` from its start, no lock begins is a false one. Whoever leaves at a false
alarm is taken to earn nothing while it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median

from yieldbot.history.networks import is_dollar
from yieldbot.history.reading import Reading
from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.risk import Act
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.risk.lookout import Lookout
from yieldbot.risk.sight import MarketName, Sight, Subject, sight_of, subject_of

HOUR = 3600
LOCKED = 0.99
"""Utilisation from which a market counts as locked."""
APART_SECONDS = 24 * HOUR
"""A market that is locked again within this time is still in the same lock."""
AHEAD_SECONDS = 168 * HOUR
"""How long before a lock an alarm still counts as its warning."""
OUT = 1e6
"""Whole tokens that have to be out before a lock."""
POLLS = (1, 6, 24)
"""Hours between two looks of a bot."""
LONGEST_STEP = 26 * HOUR
"""Time between two readings counts as observed up to this."""
POOL = frozenset({"UTILISATION", "CASH_FALLING"})
"""Signs that a market's own cash shows."""
COLLATERAL = frozenset({"COLLATERAL_LOCKED"})
TROUGH_DAYS = 3
"""A depeg's trough is looked for within so many days of the time when 1 % was off first."""
OFF = 0.02
"""A depeg is a fall by this or more: below it a holder who waits has lost nothing worth a sale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """What a bot that looks every so many hours would have got."""

    hours: int
    """Between two looks."""
    in_time: int
    """Locks before which a look stood under an alarm while the market still had ``OUT`` in cash."""
    preceded: int
    """Locks before which an alarm stood at one of its looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What alarms are worth on a recording."""

    market_years: float
    """Observed time of the dollar markets."""
    locks: int
    """Locks of the dollar markets."""
    polled: tuple[Polled, ...]
    """By time between two looks; the first is the recording's own step or an hour."""
    lead_hours: float | None
    """Median time from an alarm's start to the lock that it precedes, at the finest looks."""
    episodes: int
    """Alarms of the pool's own signs."""
    false: int
    """Those that no lock followed."""
    calm_cost_pp: float
    """What leaving at the false ones costs, in percentage points a year."""
    collateral_locks: int
    """Times at which a collateral's market was locked, over all collaterals."""
    collateral_same_day: int
    """Those at which each dollar market of its pool had the alarm within a day."""
    collateral_episodes: int
    """Alarms of COLLATERAL_LOCKED in dollar markets."""
    peg_years: float
    """Observed time of prices, over all dollars."""
    peg_episodes: int
    """Alarms of PEG that asked to leave."""
    depegs: int
    """Falls by ``OFF`` or more."""
    peg_leads: tuple[float, ...]
    """Hours from the alarm to the trough of each, negative where it came after; none for one that was missed."""
    sources: int = 1
    """Sources of a price that the recording has; where it has one, one is enough for the alarm."""

    @property
    def false_per_year(self) -> float:
        """False alarms a market-year."""
        return self.false / self.market_years if self.market_years else 0.0

    @property
    def collateral_per_year(self) -> float:
        """Alarms of COLLATERAL_LOCKED a market-year."""
        return self.collateral_episodes / self.market_years if self.market_years else 0.0

    @property
    def pegs_per_year(self) -> float:
        """Alarms of PEG that ask to leave, a year of one dollar."""
        return self.peg_episodes / self.peg_years if self.peg_years else 0.0


@dataclass(slots=True)
class _Track:
    """What one dollar market showed at each look, and what stood."""

    sights: list[Sight] = field(default_factory=list)
    """The looks."""
    pool: list[bool] = field(default_factory=list)
    """At each, whether the pool's own signs ask to leave."""
    collateral: list[bool] = field(default_factory=list)
    """The same of a locked collateral."""
    peg: list[bool] = field(default_factory=list)
    """The same of the peg."""


def score(readings: Iterable[Reading], limits: AlarmLimits | None = None) -> Score:
    """The score of alarms (limits: the default ones where None) on recorded readings, whatever their order."""
    limits = limits or AlarmLimits()
    sights: dict[MarketName, list[Sight]] = {}
    subjects: dict[MarketName, Subject] = {}
    for one in readings:
        name = (one.key.chain, one.key.market)
        subjects.setdefault(name, subject_of(one.key))
        sights.setdefault(name, []).append(sight_of(one))
    for rows in sights.values():
        rows.sort(key=lambda sight: sight.time)
    venues = _venues(sights, subjects)
    sights = _with_prices(sights, subjects, venues)
    sources = max((len(one.prices) for rows in sights.values() for one in rows[:50]), default=0)
    limits = replace(limits, peg_sources=max(1, min(limits.peg_sources, sources)))
    lending = {name: rows for name, rows in sights.items() if name not in venues}
    tracks = {hours: _tracked(lending, subjects, limits, hours) for hours in POLLS}
    finest = tracks[POLLS[0]]
    dollars = [name for name in lending if is_dollar(subjects[name].asset)]
    years = sum(_observed(lending[name]) for name in dollars) / SECONDS_PER_YEAR
    locks = {name: _locks(lending[name]) for name in dollars}
    polled = [_polled(hours, tracks[hours], locks) for hours in POLLS]
    leads, episodes, false, lost = [], 0, 0, 0.0
    for name in dollars:
        track = finest[name]
        for start, end in _episodes(track.sights, track.pool):
            episodes += 1
            until = max(end, start + AHEAD_SECONDS)
            following = next((at for at in locks[name] if start < at <= until), None)
            if following is not None:
                leads.append((following - start) / HOUR)
            elif not any(at == start for at in locks[name]):
                false += 1
                lost += _income(track.sights, start, end)
    same_day, times, flags = _collateral(finest, lending, subjects, limits)
    pegs = _pegs(finest, lending, dollars)
    return Score(
        market_years=years,
        locks=sum(map(len, locks.values())),
        polled=tuple(polled),
        lead_hours=median(leads) if leads else None,
        episodes=episodes,
        false=false,
        calm_cost_pp=100.0 * lost / years if years else 0.0,
        collateral_locks=times,
        collateral_same_day=same_day,
        collateral_episodes=flags,
        peg_years=pegs.years,
        peg_episodes=pegs.episodes,
        depegs=pegs.falls,
        peg_leads=pegs.leads,
        sources=sources,
    )


def _tracked(
    sights: Mapping[MarketName, Sequence[Sight]],
    subjects: Mapping[MarketName, Subject],
    limits: AlarmLimits,
    hours: int,
) -> dict[MarketName, _Track]:
    """What stands in each market at each look of a bot that looks every so many hours, all markets at once."""
    lookout = Lookout(limits, {name: subjects[name] for name in sights})
    step = hours * HOUR
    looks: dict[int, dict[MarketName, Sight]] = {}
    for name, rows in sights.items():
        for one in rows:  # of each step the last reading, at which a bot that looks at the step's end looks
            looks.setdefault(-(-one.time // step), {})[name] = one
    tracks = {name: _Track() for name in sights}
    for _, now in sorted(looks.items()):
        for name, latches in lookout.see(now).items():
            track = tracks[name]
            leaving = {code for code, act in latches if act is Act.LEAVE}
            track.sights.append(now[name])
            track.pool.append(bool(leaving & POOL))
            track.collateral.append(bool(leaving & COLLATERAL))
            track.peg.append("PEG" in leaving)
    return tracks


def _observed(sights: Sequence[Sight]) -> float:
    """Seconds, gaps left out."""
    steps = (after.time - before.time for before, after in pairwise(sights))
    return float(sum(min(step, LONGEST_STEP) for step in steps))


def _locks(sights: Sequence[Sight]) -> list[int]:
    """Unix seconds at which locks begin."""
    found, last = list[int](), None
    for one in sights:
        if one.utilisation is not None and one.utilisation >= LOCKED:
            if last is None or one.time - last > APART_SECONDS:
                found.append(one.time)
            last = one.time
    return found


def _episodes(sights: Sequence[Sight], standing: Sequence[bool]) -> list[tuple[int, int]]:
    """(start, end) in unix seconds of each time in which an alarm stands."""
    found, start = list[tuple[int, int]](), None
    for one, stands in zip(sights, standing, strict=True):
        if stands and start is None:
            start = one.time
        elif not stands and start is not None:
            found.append((start, one.time))
            start = None
    if start is not None:
        found.append((start, sights[-1].time))
    return found


def _polled(hours: int, tracks: Mapping[MarketName, _Track], locks: Mapping[MarketName, Sequence[int]]) -> Polled:
    """A warning stands at a look before the lock; the money is out where that look, or an earlier one of the same
    episode, still had enough cash."""
    preceded = in_time = 0
    for name, times in locks.items():
        track = tracks[name]
        at = 0
        for lock in times:
            while at < len(track.sights) and track.sights[at].time < lock:
                at += 1
            place, warned, out = at - 1, False, False
            while place >= 0:
                near = track.sights[place].time >= lock - AHEAD_SECONDS
                if track.pool[place]:
                    warned = warned or near
                    out = out or (warned and _pays(track.sights[place]))
                if not near and not (warned and track.pool[place]):
                    break
                place -= 1
            preceded += warned
            in_time += out
    return Polled(hours=hours, in_time=in_time, preceded=preceded)


def _pays(sight: Sight) -> bool:
    """Whether a million comes out; where the recording does not say how much there is, whether it is not locked."""
    if sight.cash is not None:
        return sight.cash >= OUT
    return sight.utilisation is not None and sight.utilisation < LOCKED


def _income(sights: Sequence[Sight], start: int, end: int) -> float:
    """What a token would have earned from start to end, in tokens."""
    found = 0.0
    for before, after in pairwise(sights):
        if start <= before.time < end and before.rate is not None:
            found += before.rate * min(after.time - before.time, LONGEST_STEP) / SECONDS_PER_YEAR
    return found


def _collateral(
    tracks: Mapping[MarketName, _Track],
    sights: Mapping[MarketName, Sequence[Sight]],
    subjects: Mapping[MarketName, Subject],
    limits: AlarmLimits,
) -> tuple[int, int, int]:
    """(locks that each dollar market beside them had an alarm of within a day, such locks, alarms)."""
    dollars = {name for name in tracks if is_dollar(subjects[name].asset)}
    met = times = 0
    for name, rows in sights.items():
        one = subjects[name]
        if one.asset.upper() not in limits.collaterals:
            continue
        beside = [other for other in dollars if other[0] == name[0] and set(subjects[other].through) & set(one.through)]
        for lock in _locks(rows) if beside else ():
            times += 1
            met += all(_stood(tracks[other], lock, lock + 24 * HOUR) for other in beside)
    flags = sum(len(_episodes(tracks[name].sights, tracks[name].collateral)) for name in dollars)
    return met, times, flags


def _stood(track: _Track, start: int, end: int) -> bool:
    """Whether the alarm stood between; where the market has no reading then, nothing could be said."""
    seen = [stands for one, stands in zip(track.sights, track.collateral, strict=True) if start <= one.time <= end]
    return any(seen) or not seen


def _venues(
    sights: Mapping[MarketName, Sequence[Sight]], subjects: Mapping[MarketName, Subject]
) -> frozenset[MarketName]:
    """Series of prices alone: no market of ours, but a source of what a dollar is worth."""
    return frozenset(
        name
        for name, rows in sights.items()
        if is_dollar(subjects[name].asset)
        and any(one.prices for one in rows)
        and all(one.rate is None and one.utilisation is None for one in rows)
    )


def _with_prices(
    sights: dict[MarketName, list[Sight]], subjects: dict[MarketName, Subject], venues: frozenset[MarketName]
) -> dict[MarketName, list[Sight]]:
    """Sights with the prices of venues of their asset, hour by hour; where an asset has venues and no market, its first
    venue stands for one."""
    if not venues:
        return sights
    by_asset: dict[str, list[MarketName]] = {}
    for name in sorted(venues):
        by_asset.setdefault(subjects[name].asset.upper(), []).append(name)
    found = {name: rows for name, rows in sights.items() if name not in venues}
    for asset, names in by_asset.items():
        table = [{one.time // HOUR: one.prices[0] for one in sights[name] if one.prices} for name in names]
        own = [name for name in found if subjects[name].asset.upper() == asset]
        if not own:
            name = (names[0][0], f"{names[0][1]} (price)")
            subjects[name] = subjects[names[0]]
            found[name] = [replace(one, prices=()) for one in sights[names[0]]]
            own = [name]
        for name in own:
            found[name] = [
                replace(one, prices=(*one.prices, *(t[h] for t in table if (h := one.time // HOUR) in t)))
                for one in found[name]
            ]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pegs:
    """What is said of pegs, over all dollar markets with prices."""

    years: float
    """Observed time of prices."""
    episodes: int
    """Alarms that asked to leave."""
    falls: int
    """Depegs."""
    leads: tuple[float, ...]
    """Hours from the alarm to the trough."""


def _pegs(
    tracks: Mapping[MarketName, _Track], sights: Mapping[MarketName, Sequence[Sight]], dollars: Sequence[MarketName]
) -> _Pegs:
    years, episodes, falls, leads = 0.0, 0, 0, list[float]()
    for name in dollars:
        priced = [one for one in sights[name] if one.prices]
        if not priced:
            continue
        track = tracks[name]
        years += _observed(priced) / SECONDS_PER_YEAR
        stood = _episodes(track.sights, track.peg)
        episodes += len(stood)
        for first, trough in _falls(track.sights):
            falls += 1
            starts = [start for start, end in stood if start <= trough + TROUGH_DAYS * 24 * HOUR and end >= first]
            if starts:
                leads.append((trough - starts[0]) / HOUR)
    return _Pegs(years=years, episodes=episodes, falls=falls, leads=tuple(leads))


def _falls(sights: Sequence[Sight]) -> list[tuple[int, int]]:
    """(when 1 % was off first, when the price was lowest) of each fall by ``OFF`` or more, by the middle of its
    sources."""
    found, at = list[tuple[int, int]](), 0
    rows = [(one.time, median(one.prices)) for one in sights if one.prices]
    while at < len(rows):
        time, price = rows[at]
        if 1.0 - price < 0.01:
            at += 1
            continue
        end = at
        while end < len(rows) and rows[end][0] <= time + TROUGH_DAYS * 24 * HOUR:
            end += 1
        low = min(rows[at:end], key=lambda row: row[1])
        if 1.0 - low[1] >= OFF:
            found.append((time, low[0]))
        at = end
    return found
