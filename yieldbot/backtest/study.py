"""A study: the same windows for each universe, wealth and policy, compared with simple rules and perfect foresight."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from math import fsum
from statistics import fmean
from typing import TYPE_CHECKING

from yieldbot.backtest.foresight import foresee
from yieldbot.backtest.replay import Replayed, replay
from yieldbot.backtest.rules import RULES, follow
from yieldbot.backtest.world import ONE, World
from yieldbot.model.dataclass import dataclass
from yieldbot.model.market import RateForecast
from yieldbot.model.policy import Policy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

YEAR_DAYS = 365
DAY = 86_400
LOST_PP = 0.1
"""A window counts as lost if the policy earned less than static by more than this many percentage points a year."""
DRAWS = 2_000
"""Resamples of the block bootstrap."""
USED = 0.95
"""Time in markets above this utilisation is counted in ``used_share``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One policy through one window."""

    universe: str
    """Name of the markets."""
    wealth: float
    """Dollars at the start."""
    policy: str
    """Name of the policy."""
    first: int
    """Unix seconds of its first row."""
    days: float
    """Length of the window, in days."""
    apy: float
    """What the policy earned, a simple annual fraction, net of all costs."""
    static_apy: float
    """What the best quote of the first day earned if never moved, a simple annual fraction."""
    foresight_apy: float
    """What the best strategy found with perfect foresight would have earned."""
    bound_apy: float
    """Upper bound of what any strategy could have earned, a simple annual fraction."""
    rules: Mapping[str, float]
    """What the other simple rules earned, by name."""
    plans: int
    """Number of plans carried out, the first one included."""
    cost: float
    """Dollars paid for gas and swaps in the window."""
    drawdown: float
    """The largest fall of wealth from an earlier row, as a fraction."""
    locked_days: float
    """The longest time during which a market could not pay out all of our money, or requested money had not arrived, in
    days."""
    used_share: float
    """Fraction of time, weighted by our money, in markets whose utilisation was above ``USED``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRow:
    """One universe, wealth and policy, averaged over all its windows."""

    universe: str
    """Name of the markets."""
    wealth: float
    """Dollars at each window's start."""
    policy: str
    """Name of the policy."""
    windows: int
    """Number of windows."""
    window_days: float
    """Length of a window, in days."""
    apy: float
    """Mean of what the policy earned, a simple annual fraction, net of all costs."""
    static_apy: float
    """Mean over the windows of what the best quote of the first day earned if never moved, a simple annual fraction."""
    gain_pp: float
    """Mean gain over static, in percentage points a year."""
    gain_pp_low: float
    """Lower end of the 90 % interval of ``gain_pp``: circular block bootstrap over start dates."""
    gain_pp_high: float
    """Upper end of that interval."""
    foresight_gain_pp: float
    """What the best strategy found with perfect foresight gained over static."""
    bound_gain_pp: float
    """No strategy gained more than this over static."""
    share_of_foresight: float | None
    """Sum of the gains / sum of foresight's gains; None if foresight gained nothing."""
    share_of_bound: float | None
    """Sum of the gains / sum of the bounds' gains; None if no strategy could gain."""
    windows_lost_over_10bp: int
    """Number of windows in which the policy earned less than static by more than 0.1 percentage points a year."""
    worst_pp: float
    """The worst gain of a window over static, in percentage points a year."""
    moves_per_year: float
    """Plans a year, the first one of each window not counted."""
    cost: float
    """Dollars a year."""
    drawdown: float
    """The largest drawdown in any window, as a fraction."""
    locked_days: float
    """The longest time in any window during which money could not be withdrawn (``Window.locked_days``)."""
    used_share: float
    """Mean of ``Window.used_share``."""
    rules_pp: Mapping[str, float]
    """Mean gains of the simple rules over static, in percentage points a year."""


Expected = Callable[[int], "Sequence[RateForecast | None]"]


def starts(rows: int, window: int, every: int, warm: int) -> list[int]:
    """First rows of the rolling windows that fit, leaving ``warm`` rows as history before the first."""
    return list(range(warm, rows - window, every))


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmarks:
    """What policies are compared with in a window: simple annual fractions, net of all costs."""

    rules: Mapping[str, float]
    """What the simple rules earned, by name."""
    foresight: float
    """What the best strategy found with perfect foresight would have earned."""
    bound: float
    """Upper bound of what any strategy could have earned, a simple annual fraction."""


def bounds_of(world: World, wealth: float, first: int, rows: int) -> Benchmarks:
    """The simple rules and perfect foresight in one window of ``rows`` rows from ``first``."""
    last = first + rows
    scale = _scale(world, wealth, first, last)
    rules = {name: (follow(world, rule(), wealth, first, last).wealth - wealth) * scale for name, rule in RULES.items()}
    best = foresee(world, wealth, first, last)
    found = max(best.gain * scale, rules["static"])
    return Benchmarks(rules=rules, foresight=found, bound=max(best.bound * scale, found))


def judged(
    world: World,
    expected: Expected,
    universe: str,
    wealth: float,
    name: str,
    policy: Policy,
    first: int,
    rows: int,
    bounds: Benchmarks,
    *,
    failures: float = 0.0,
    seed: int = 0,
) -> Window:
    """One policy, called ``name``, in one window of ``rows`` rows from ``first``."""
    last = first + rows
    made = replay(world, policy, expected, wealth, first, last, failures=failures, seed=seed)
    return Window(
        universe=universe,
        wealth=wealth,
        policy=name,
        first=int(world.panel.times[first]),
        days=_days(world, first, last),
        apy=(made.wealth[-1] - wealth) * _scale(world, wealth, first, last),
        static_apy=bounds.rules["static"],
        foresight_apy=bounds.foresight,
        bound_apy=bounds.bound,
        rules=bounds.rules,
        plans=made.ledger.plans,
        cost=made.ledger.gas + made.ledger.swapped,
        drawdown=_drawdown(made.wealth),
        **_exits(world, made, first),
    )


def window_of(
    world: World,
    expected: Mapping[str, Expected],
    universe: str,
    wealth: float,
    policies: Mapping[str, Policy],
    first: int,
    rows: int,
    *,
    failures: float = 0.0,
    seed: int = 0,
) -> list[Window]:
    """Each policy in one window of ``rows`` rows from ``first``; expected: forecasts, by policy."""
    bounds = bounds_of(world, wealth, first, rows)
    return [
        judged(world, expected[name], universe, wealth, name, policy, first, rows, bounds, failures=failures, seed=seed)
        for name, policy in policies.items()
    ]


def _days(world: World, first: int, last: int) -> float:
    return float(world.panel.times[last] - world.panel.times[first]) / DAY


def _scale(world: World, wealth: float, first: int, last: int) -> float:
    """Factor that turns dollars earned in the window into a simple annual fraction."""
    return YEAR_DAYS / _days(world, first, last) / wealth


def _drawdown(wealth: Sequence[float]) -> float:
    most, found = wealth[0], 0.0
    for one in wealth:
        most = max(most, one)
        found = max(found, 1.0 - one / most)
    return found


def _exits(world: World, made: Replayed, first: int) -> dict[str, float]:
    longest = run = used = total = 0.0
    step = world.panel.step_seconds / DAY
    for offset, held in enumerate(made.held):
        cells = world.cells(first + offset)
        locked = any(
            raw and not wait and (cell is None or cell.cash * ONE < raw)
            for raw, wait, cell in zip(held, world.waits, cells, strict=True)
        )
        run = run + step if locked or made.ledger.waiting[offset] else 0.0
        longest = max(longest, run)
        for raw, cell in zip(held, cells, strict=True):
            total += raw
            used += raw if raw and cell is not None and (cell.utilisation or 0.0) > USED else 0
    return {"locked_days": longest, "used_share": used / total if total else 0.0}


def rows_of(windows: Iterable[Window], *, block: int, seed: int = 0, together: str = "all") -> list[StudyRow]:
    """A row for each universe, wealth and policy and, if there are several universes, one over all of them (named
    ``together``). block: number of start dates in a bootstrap block: those of one window."""
    groups: dict[tuple[str, float, str], list[Window]] = {}
    for one in windows:
        groups.setdefault((one.universe, one.wealth, one.policy), []).append(one)
    if len({universe for universe, _, _ in groups}) > 1:
        for (_, wealth, policy), some in list(groups.items()):
            groups.setdefault((together, wealth, policy), []).extend(some)
    return [_row(*key, some, block, seed) for key, some in groups.items()]


def _row(universe: str, wealth: float, policy: str, windows: Sequence[Window], block: int, seed: int) -> StudyRow:
    gains = [gain_of(one) for one in windows]
    most = [(one.foresight_apy - one.static_apy) * 100 for one in windows]
    above = [(one.bound_apy - one.static_apy) * 100 for one in windows]
    low, high = interval(windows, gains, block, seed)
    names = windows[0].rules
    return StudyRow(
        universe=universe,
        wealth=wealth,
        policy=policy,
        windows=len(windows),
        window_days=fmean(one.days for one in windows),
        apy=fmean(one.apy for one in windows),
        static_apy=fmean(one.static_apy for one in windows),
        gain_pp=fmean(gains),
        gain_pp_low=low,
        gain_pp_high=high,
        foresight_gain_pp=fmean(most),
        bound_gain_pp=fmean(above),
        share_of_foresight=sum(gains) / sum(most) if sum(most) > 0.0 else None,
        share_of_bound=sum(gains) / sum(above) if sum(above) > 0.0 else None,
        windows_lost_over_10bp=sum(gain < -LOST_PP for gain in gains),
        worst_pp=min(gains),
        moves_per_year=fmean(max(0, one.plans - 1) / one.days * YEAR_DAYS for one in windows),
        cost=fmean(one.cost / one.days * YEAR_DAYS for one in windows),
        drawdown=max(one.drawdown for one in windows),
        locked_days=max(one.locked_days for one in windows),
        used_share=fmean(one.used_share for one in windows),
        rules_pp={name: fmean((one.rules[name] - one.static_apy) * 100 for one in windows) for name in names},
    )


def gain_of(one: Window) -> float:
    """Gain over static, in percentage points a year."""
    return (one.apy - one.static_apy) * 100


def interval(windows: Sequence[Window], gains: Sequence[float], block: int, seed: int) -> tuple[float, float]:
    """The 5 % and 95 % quantiles of the mean under a circular block bootstrap (Politis and Romano 1992). Start dates
    are drawn in runs of ``block``, because overlapping windows are not independent; the first date follows the last
    one, so that each counts equally; all universes' windows of a date are drawn together."""
    import numpy as np

    by_date: dict[int, list[float]] = {}
    for one, gain in zip(windows, gains, strict=True):
        by_date.setdefault(one.first, []).append(gain)
    dates = sorted(by_date)
    size = max(1, min(block, len(dates)))
    taken = _drawn(len(dates), size, seed)
    totals, counts = (
        np.convolve(_round([how(by_date[date]) for date in dates], size), np.ones(size), "valid")[taken].sum(axis=1)
        for how in (fsum, len)
    )
    means = sorted((totals / counts).tolist())
    return means[int(0.05 * DRAWS)], means[int(0.95 * DRAWS) - 1]


def _round(values: list[float], size: int) -> list[float]:
    """The values followed by enough of the first ones that a run of ``size`` can wrap around the end."""
    return values + values[: size - 1]


@lru_cache(maxsize=4)
def _drawn(dates: int, size: int, seed: int) -> NDArray[np.int64]:
    """(draws, blocks): the index at which each drawn run of ``size`` dates begins."""
    import numpy as np

    draw, blocks = random.Random(f"{seed}/{size}"), -(-dates // size)
    return np.array([[draw.randrange(dates) for _ in range(blocks)] for _ in range(DRAWS)])
