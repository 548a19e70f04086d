"""Scores alarms on recorded readings: how many locks they precede, with how much money still able to leave, and at what
cost. Pure.

A lock begins where a market's utilisation reaches ``LOCKED``, unless it was there within the ``APART_SECONDS`` before.
An alarm precedes a lock if it stands at some reading within ``AHEAD_SECONDS`` before it. An episode is the time in
which an alarm stands; it is false if no lock begins during it or within ``AHEAD_SECONDS`` of its start. Whoever leaves
at a false alarm is assumed to earn nothing while it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from itertools import pairwise
from statistics import median

from yieldbot.history.networks import is_dollar
from yieldbot.history.reading import Reading
from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.dataclass import dataclass
from yieldbot.model.risk import Act
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.risk.lookout import Lookout
from yieldbot.risk.sight import MarketName, Sight, Subject, sight_of, subject_of

HOUR = 3600
LOCKED = 0.99
"""Utilisation from which a market counts as locked."""
APART_SECONDS = 24 * HOUR
"""Two locks closer together than this count as one."""
AHEAD_SECONDS = 168 * HOUR
"""How long before a lock an alarm still counts as its warning."""
OUT = 1e6
"""Whole tokens that must have left before a lock for the exit to count as in time."""
POLLS = (1, 6, 24)
"""Polling intervals that are scored: hours between two looks of a bot."""
LONGEST_STEP = 26 * HOUR
"""Longest time between two readings that still counts as observed, in seconds; longer gaps are not counted."""
POOL = frozenset({"UTILISATION", "CASH_FALLING"})
"""Alarm codes that depend on the pool's own cash."""
COLLATERAL = frozenset({"COLLATERAL_LOCKED"})
TROUGH_DAYS = 3
"""The trough of a depeg is the lowest price within so many days after the price first fell 1 % below a dollar."""
OFF = 0.02
"""Fall below a dollar, as a fraction, that counts as a depeg; a smaller one costs a patient holder nothing worth a
sale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """Result of the alarms for a bot that polls at one interval."""

    hours: int
    """Hours between two looks."""
    in_time: int
    """Locks before which some look had an alarm while the market still held ``OUT`` in cash."""
    preceded: int
    """Locks before which some look had an alarm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Score of the alarms on one recording."""

    market_years: float
    """Observed time of the dollar markets, in market-years."""
    locks: int
    """Locks of the dollar markets."""
    polled: tuple[Polled, ...]
    """By polling interval; the first is the recording's own step, or an hour if that is longer."""
    lead_hours: float | None
    """Median hours from an alarm's start to the lock that it precedes, at the shortest polling interval; None: none
    preceded."""
    episodes: int
    """Episodes of alarms of ``POOL``."""
    false: int
    """False episodes: no lock followed."""
    calm_cost_pp: float
    """Income lost by leaving at the false ones, in percentage points a year."""
    collateral_locks: int
    """Locks of collaterals' own markets, over all collaterals."""
    collateral_same_day: int
    """Of these, the locks for which every dollar market of the same pool had a COLLATERAL_LOCKED alarm within a day."""
    collateral_episodes: int
    """Episodes of COLLATERAL_LOCKED in dollar markets."""
    peg_years: float
    """Observed time of prices, summed over all dollar tokens, in years."""
    peg_episodes: int
    """Episodes of PEG that asked to leave."""
    depegs: int
    """Falls by ``OFF`` or more."""
    peg_leads: tuple[float, ...]
    """For each depeg that was not missed, hours from the alarm to the trough; negative if the alarm came later."""
    sources: int = 1
    """Number of price sources in the recording; if it has only one, one is enough for the alarm."""

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
    """The looks at one dollar market, and which alarms stood at each."""

    sights: list[Sight] = field(default_factory=list)
    """The looks."""
    pool: list[bool] = field(default_factory=list)
    """At each look, whether an alarm of ``POOL`` asks to leave."""
    collateral: list[bool] = field(default_factory=list)
    """At each look, whether COLLATERAL_LOCKED asks to leave."""
    peg: list[bool] = field(default_factory=list)
    """At each look, whether PEG asks to leave."""


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
    """The alarms that stand in each market at each look of a bot that polls every so many hours; all markets are
    judged together."""
    lookout = Lookout(limits, {name: subjects[name] for name in sights})
    step = hours * HOUR
    looks: dict[int, dict[MarketName, Sight]] = {}
    for name, rows in sights.items():
        for one in rows:  # the last reading of each step: what a bot that polls at the step's end sees
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
    """Observed seconds, without gaps longer than ``LONGEST_STEP``."""
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
    """Scores one polling interval: which locks had a warning, and at how many of those the money was out, because
    that look, or an earlier one of the same episode, still had enough cash."""
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
    """Whether ``OUT`` tokens can be withdrawn; if the recording does not have the cash, whether utilisation is below
    ``LOCKED``."""
    if sight.cash is not None:
        return sight.cash >= OUT
    return sight.utilisation is not None and sight.utilisation < LOCKED


def _income(sights: Sequence[Sight], start: int, end: int) -> float:
    """What one token would have earned from start to end, in tokens."""
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
    """(locks of collaterals, those with a COLLATERAL_LOCKED alarm within a day in every dollar market of the same
    pool, number of such alarms)."""
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
    """Whether the alarm stood at some time between start and end; True if the market has no reading in that time,
    since no alarm was possible."""
    seen = [stands for one, stands in zip(track.sights, track.collateral, strict=True) if start <= one.time <= end]
    return any(seen) or not seen


def _venues(
    sights: Mapping[MarketName, Sequence[Sight]], subjects: Mapping[MarketName, Subject]
) -> frozenset[MarketName]:
    """Recorded series that hold only prices: sources of a token's dollar price, not markets for money."""
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
    """The looks with the prices of their asset from all venues, hour by hour. For an asset that has venues but no
    market, its first venue is used in place of a market."""
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
    """Score of the PEG alarm, over all dollar tokens with prices."""

    years: float
    """Observed time of prices, in years."""
    episodes: int
    """Episodes in which PEG asked to leave."""
    falls: int
    """Depegs."""
    leads: tuple[float, ...]
    """Hours from the alarm to the trough of each depeg, negative if the alarm came later."""


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
    """(time when the price was first 1 % below a dollar, time of the lowest price) of each fall by ``OFF`` or more;
    the price is the median of the sources."""
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
