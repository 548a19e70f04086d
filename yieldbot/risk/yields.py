"""Grades of a market's yield after risk, for the next days and for the long run, and the signal that follows from
both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from statistics import NormalDist, median

from yieldbot.model.dataclass import dataclass
from yieldbot.model.durations import days_long
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Kind, MarketState, RateForecast
from yieldbot.model.risk import Act
from yieldbot.model.units import BPS
from yieldbot.risk.facts import MarketStatistics
from yieldbot.risk.scales import Scales

TAIL = NormalDist().inv_cdf(0.9)
"""Standard deviations from the mean to either end of an 80 % interval of a normal distribution."""


class Signal(StrEnum):
    """What a market's yield grades advise to do with money."""

    ENTER = "enter"
    """Money may go in."""
    HOLD = "hold"
    """Money that is there may stay, and none goes in."""
    LEAVE = "leave"
    """Money should be moved to a better market."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The yield of a market over one period, after risk. Rates are simple annual fractions."""

    mean: float
    """Expected rate less the expected loss."""
    low: float
    """Lower end of the 80 % interval, less the expected loss."""
    source: str
    """Where the rate comes from, as text."""
    known: bool = True
    """Whether it rests on history; no market is left because of a rate that does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class YieldGrade:
    """How good a market's yield is after risk, compared with the others of its asset."""

    short: int
    """Grade for the next days, 0 to 100"""
    long: int
    """Grade for the long run, 0 to 100"""
    signal: Signal
    """The signal that follows."""
    reason: str
    """The reason, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class YieldAfterRisk:
    """A market's yields after risk, with their grades."""

    short: Outlook
    """Outlook over the policy's move horizon."""
    long: Outlook
    """Outlook over the days that memory has."""
    grade: YieldGrade
    """The grades of both, with the signal."""


def graded_yields(
    states: Sequence[MarketState],
    past: Mapping[MarketId, MarketStatistics | None],
    table: Scales,
    min_safety: int | None,
) -> dict[MarketId, YieldAfterRisk]:
    """The yields of one asset's markets, each compared with the median of all of them."""
    counted = [(one, one.grade.loss_bps) for one in states if one.market.kind is not Kind.IDLE and one.grade]
    if not counted:
        return {}
    shorts = [short_outlook(one, loss) for one, loss in counted]
    longs = [long_outlook(one, past.get(one.market.id), loss) for one, loss in counted]
    short_peers, long_peers = (median([one.mean for one in found]) for found in (shorts, longs))
    found = {}
    for (state, _), short, long in zip(counted, shorts, longs, strict=True):
        both = yield_grade(short, short_peers, table), yield_grade(long, long_peers, table)
        said = judged_yield(state, *both, table, min_safety, short.known and long.known)
        found[state.market.id] = YieldAfterRisk(short=short, long=long, grade=said)
    return found


def short_outlook(state: MarketState, loss_bps: float) -> Outlook:
    """The forecast, else the quote, of which half may be lost."""
    return short_of(state.forecast, state.quoted.value, loss_bps)


def short_of(said: RateForecast | None, quote: float, loss_bps: float) -> Outlook:
    """``short_outlook`` from a forecast and a quote."""
    loss = loss_bps / BPS
    if said is not None:
        return Outlook(mean=said.mean - loss, low=said.low - loss, source=f"forecast over {days_long(said.days)}")
    return Outlook(mean=quote - loss, low=0.5 * quote - loss, source="the quote, of which half may go", known=False)


def long_outlook(state: MarketState, past: MarketStatistics | None, loss_bps: float) -> Outlook:
    """The mean of the remembered rates, with the low end of next week's rate by the spread of weekly means; with
    fewer than two weeks the quote, with a low end of 0."""
    return long_of(past, state.quoted.value, loss_bps)


def long_of(past: MarketStatistics | None, quote: float, loss_bps: float) -> Outlook:
    """``long_outlook`` from statistics and a quote."""
    loss = loss_bps / BPS
    if past is None or past.long_mean is None or past.long_deviation is None or past.weeks < 2:
        return Outlook(mean=quote - loss, low=-loss, source="the quote, none of which need last", known=False)
    error = TAIL * past.long_deviation * math.sqrt(1.0 + 1.0 / past.weeks)
    return Outlook(
        mean=past.long_mean - loss, low=past.long_mean - error - loss, source=f"{past.weeks} weeks of history"
    )


def yield_grade(of: Outlook, peers: float, table: Scales) -> int:
    """50 + 50 * (low - peers) / max(peers, ``yields.least_scale``), from 0 to 100, rounded. peers: the median of the
    means of all markets of its asset."""
    scale = max(peers, float(table.of("yields", "least_scale")))
    return round(min(100.0, max(0.0, 50.0 + 50.0 * (of.low - peers) / scale)))


def judged_yield(
    state: MarketState, short: int, long: int, table: Scales, min_safety: int | None, known: bool = True
) -> YieldGrade:
    """Both grades with their signal: leave for an alarm that asks for it, or if both grades are poor; enter if both
    are good and nothing forbids it; else hold. known: whether both rates rest on history: no market is left only
    because memory is too short."""
    safety = 0 if state.grade is None else state.grade.safety
    alarm = next((one for one in state.alarms if one.act is Act.LEAVE), None) or next(iter(state.alarms), None)
    if alarm is not None:
        signal = Signal.LEAVE if alarm.act is Act.LEAVE else Signal.HOLD
        reason = f"alarm {alarm.code}: {alarm.saw}"
    elif not known:
        signal, reason = Signal.HOLD, "history is too short to say"
    elif (signal := by_yield(short, long, table)) is Signal.LEAVE:
        reason = f"its yield is poor now ({short}) and over time ({long})"
    elif min_safety is not None and safety < min_safety:
        signal, reason = Signal.HOLD, f"its safety is {safety}, below min_safety {min_safety}"
    elif signal is Signal.ENTER:
        reason = f"its yield is good now ({short}) and over time ({long})"
    else:
        worse, enter = "now" if short < long else "over time", float(table.of("yields", "enter"))
        reason = f"its yield is not good enough {worse} ({min(short, long)}, from {enter:z.0f} on)"
    return YieldGrade(short=short, long=long, signal=signal, reason=reason)


def by_yield(short: int, long: int, table: Scales) -> Signal:
    """The signal by the grades alone: leave if both are poor, enter if both are good, else hold."""
    enter, leave = float(table.of("yields", "enter")), float(table.of("yields", "leave"))
    if short < leave and long < leave:
        return Signal.LEAVE
    return Signal.ENTER if short >= enter and long >= enter else Signal.HOLD
