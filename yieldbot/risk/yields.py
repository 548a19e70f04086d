"""Grades of a market's yield after risk, as a trader and as an investor look at it, and what follows from both."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist

from yieldbot.model.ids import MarketId
from yieldbot.model.market import Kind, MarketState, RateForecast
from yieldbot.model.risk import Act
from yieldbot.model.units import BPS
from yieldbot.risk.facts import Past
from yieldbot.risk.scales import Scales

TAIL = NormalDist().inv_cdf(0.9)
"""Standard deviations to an end of an 80 % interval."""


class Signal(StrEnum):
    """What the grades of a market's yield and its safety say together."""

    ENTER = "enter"
    """Money may go in."""
    HOLD = "hold"
    """Nothing is to be done: what is there may stay."""
    LEAVE = "leave"
    """Money is better elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a market pays over one time, after risk. Rates are simple annual fractions."""

    mean: float
    """Expected, less the expected loss."""
    low: float
    """Lower end of the 80 % interval, less the expected loss."""
    source: str
    """What it is made of, in words."""
    known: bool = True
    """Whether history says it; without one nothing is left for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class YieldGrade:
    """How good a market's yield is after risk, against the others of its asset."""

    short: int
    """0 to 100 over the days that moves are decided for; 50: as good as the median of its asset."""
    long: int
    """0 to 100 over the days that are remembered, 90 at most."""
    signal: Signal
    """What follows."""
    reason: str
    """Why, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class YieldAfterRisk:
    """A market's yields after risk, with their grades."""

    short: Outlook
    """Over the days that moves are decided for."""
    long: Outlook
    """Over the days that are remembered."""
    grade: YieldGrade
    """How good both are."""


def graded_yields(
    states: Sequence[MarketState], pasts: Mapping[MarketId, Past | None], table: Scales, min_safety: int | None
) -> dict[MarketId, YieldAfterRisk]:
    """The yields of one asset's markets that were graded for safety, each against the median of all of them."""
    counted = [(one, one.grade.loss_bps) for one in states if one.market.kind is not Kind.IDLE and one.grade]
    if not counted:
        return {}
    shorts = [short_outlook(one, loss) for one, loss in counted]
    longs = [long_outlook(one, pasts.get(one.market.id), loss) for one, loss in counted]
    short_peers, long_peers = (statistics.median([one.mean for one in found]) for found in (shorts, longs))
    found = {}
    for (state, _), short, long in zip(counted, shorts, longs, strict=True):
        both = yield_grade(short, short_peers, table), yield_grade(long, long_peers, table)
        said = judged_yield(state, *both, table, min_safety, short.known and long.known)
        found[state.market.id] = YieldAfterRisk(short=short, long=long, grade=said)
    return found


def short_outlook(state: MarketState, loss_bps: float) -> Outlook:
    """What history forecasts, else what is quoted, of which half may go."""
    return short_of(state.forecast, state.quoted.value, loss_bps)


def short_of(said: RateForecast | None, quote: float, loss_bps: float) -> Outlook:
    """The same of a forecast and a quote."""
    loss = loss_bps / BPS
    if said is not None:
        return Outlook(mean=said.mean - loss, low=said.low - loss, source=f"forecast over {said.days:g} days")
    return Outlook(mean=quote - loss, low=0.5 * quote - loss, source="the quote, of which half may go", known=False)


def long_outlook(state: MarketState, past: Past | None, loss_bps: float) -> Outlook:
    """The mean of what is remembered and the low end of the next week's, by its weekly means; the quote, none of which
    need last, where there are fewer than two weeks."""
    return long_of(past, state.quoted.value, loss_bps)


def long_of(past: Past | None, quote: float, loss_bps: float) -> Outlook:
    """The same of a past and a quote."""
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
    """Both grades with their signal: leave for an alarm that asks for it or where both are poor; enter where both are
    good and nothing speaks against it; else hold. known: whether history says both: nothing is left because too little
    is remembered of it."""
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
        reason = f"its yield is not good enough {worse} ({min(short, long)}, from {enter:.0f} on)"
    return YieldGrade(short=short, long=long, signal=signal, reason=reason)


def by_yield(short: int, long: int, table: Scales) -> Signal:
    """What both grades say where nothing else speaks: leave where both are poor, enter where both are good."""
    enter, leave = float(table.of("yields", "enter")), float(table.of("yields", "leave"))
    if short < leave and long < leave:
        return Signal.LEAVE
    return Signal.ENTER if short >= enter and long >= enter else Signal.HOLD
