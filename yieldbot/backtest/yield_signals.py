"""Replays the signals of yields after risk over recorded history, and measures what followed them. Pure.

``said_at`` makes a day's signals from a panel that ends on that day and from that day's forecasts, so it cannot see
later data. They differ from live signals where recordings lack data: the expected loss of every market is its class's
base rate, and no alarm stands.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from yieldbot.backtest.levels import Levels
from yieldbot.forecast.model import DOLLAR, OTHER, class_of
from yieldbot.history.market_statistics import LOOK_BACK_DAYS
from yieldbot.history.panel import Panel
from yieldbot.model.dataclass import dataclass
from yieldbot.model.market import RateForecast
from yieldbot.risk.facts import MarketStatistics
from yieldbot.risk.scales import Scales
from yieldbot.risk.yields import Outlook, Signal, by_yield, long_of, short_of, yield_grade

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DAY = 86_400
HORIZONS = (7, 30)
"""Days after a signal over which it is measured."""
LEAST_PEERS = 3
"""An asset needs at least this many markets, the judged one included: with fewer there is no median to compare with."""
LEAST_KNOWN = 0.8
"""Fraction of a horizon's days whose rate must be known."""
DRAWS = 1000
"""Resamples of the block bootstrap."""

Groups = Sequence[Sequence[int]]
"""Groups of columns (markets) that are compared with each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedSignal:
    """A signal for one market on one day."""

    row: int
    """Row of the panel: the day."""
    column: int
    """Column of the panel: the market."""
    signal: Signal
    """The signal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HitRate:
    """What followed one signal within one horizon. Rates are simple annual fractions."""

    market_class: str
    """``dollar`` or ``other``."""
    signal: str
    """``enter``, ``hold`` or ``leave``."""
    horizon_days: int
    """Days after the signal."""
    signals: int
    """Number of market-days with this signal whose later rates are known."""
    markets: int
    """Number of different markets."""
    windows: int
    """Number of non-overlapping horizons between the first and the last of these days."""
    mean: float
    """Mean of the rates paid over the horizon."""
    median: float
    """Mean, over the same horizons, of the median rate of the markets of the same asset."""
    above: float
    """Fraction that paid more than the median."""
    hits: float | None
    """Fraction for which the signal was right (enter: paid more than the median; leave: less); None for hold."""
    low: float | None
    """Lower end of the 90 % interval of ``hits``, by a circular block bootstrap with blocks as long as the horizon."""
    high: float | None
    """Upper end of that interval."""
    plain: float | None = None
    """Fraction of hits of the plain rule that a market stays on the side of the median that its quote is on now (above
    for enter, below for leave), over all days and markets of the class; None for hold."""


def by_asset(panel: Panel, *, chains: bool = False) -> list[list[int]]:
    """The markets of each asset, over all chains, or chain by chain as live signals compare them."""
    found: dict[tuple[str, str], list[int]] = {}
    for column, key in enumerate(panel.keys):
        if key.asset:
            found.setdefault((key.asset.upper(), key.chain if chains else ""), []).append(column)
    return [columns for columns in found.values() if len(columns) >= LEAST_PEERS]


def replayed(panel: Panel, levels: Levels, groups: Groups, table: Scales, loss_bps: float) -> list[DatedSignal]:
    """The signals of every day, each from what was known then. levels: forecasts, each row made from that row and those
    before it."""
    every = range(len(panel.keys))
    found: list[DatedSignal] = []
    for row in range(len(panel.times)):
        said = said_at(panel.until(row), levels.of(every, row), groups, table, loss_bps)
        found += [DatedSignal(row=row, column=column, signal=signal) for column, signal in said.items()]
    return found


def said_at(
    known: Panel, forecasts: Sequence[RateForecast | None], groups: Groups, table: Scales, loss_bps: float
) -> dict[int, Signal]:
    """The signals on the last day of a panel, by column; a market that was not read on that day has none."""
    pasts = past_of(known)
    found: dict[int, Signal] = {}
    for columns in groups:
        quotes = {column: float(known.quoted[-1, column]) for column in columns}
        live = [column for column, quote in quotes.items() if quote == quote]
        if len(live) < LEAST_PEERS:
            continue
        shorts = {column: short_of(forecasts[column], quotes[column], loss_bps) for column in live}
        longs = {column: long_of(pasts[column], quotes[column], loss_bps) for column in live}
        peers = _median(shorts.values()), _median(longs.values())
        for column in live:
            short, long = shorts[column], longs[column]
            grades = yield_grade(short, peers[0], table), yield_grade(long, peers[1], table)
            found[column] = by_yield(*grades, table) if short.known and long.known else Signal.HOLD
    return found


def _median(outlooks: Iterable[Outlook]) -> float:
    return statistics.median([one.mean for one in outlooks])


def past_of(known: Panel) -> list[MarketStatistics]:
    """Statistics of each market over the last 90 days of a panel, equal to those that ``history.market_statistics``
    computes from memory."""
    import numpy as np

    now = int(known.times[-1])
    recent = known.times > now - LOOK_BACK_DAYS * DAY
    times, quoted = known.times[recent], known.quoted[recent]
    there, week = np.isfinite(quoted), known.times[recent] // DAY // 7
    summed = np.where(there, quoted, 0.0)
    counts = np.array([there[week == one].sum(axis=0) for one in np.unique(week)])
    sums = np.array([summed[week == one].sum(axis=0) for one in np.unique(week)])
    found = []
    for column in range(len(known.keys)):
        some = counts[:, column] > 0
        if not some.any():
            found.append(MarketStatistics(days=0.0))
            continue
        weekly = (sums[some, column] / counts[some, column]).tolist()
        found.append(
            MarketStatistics(
                days=(now - int(times[int(there[:, column].argmax())])) / DAY,
                long_mean=float(sums[:, column].sum() / counts[:, column].sum()),
                long_deviation=statistics.stdev(weekly) if len(weekly) > 1 else None,
                weeks=len(weekly),
            )
        )
    return found


def hit_rates(said: Sequence[DatedSignal], panel: Panel, groups: Groups, seed: int = 0) -> tuple[HitRate, ...]:
    """What followed the signals, by class, signal and horizon: the realised mean rate compared with the group's
    median."""
    found = []
    for horizon in HORIZONS:
        paid = paid_after(panel, horizon)
        middle, quoted = _middles(paid, groups), _middles(panel.quoted, groups)
        for market_class in (DOLLAR, OTHER):
            inside = [at for at, key in enumerate(panel.keys) if class_of(key) == market_class]
            plain = _plain(paid[:, inside], middle[:, inside], panel.quoted[:, inside], quoted[:, inside])
            for signal in Signal:
                rows = [
                    (one.row, one.column, float(paid[one.row, one.column]), float(middle[one.row, one.column]))
                    for one in said
                    if one.signal is signal and class_of(panel.keys[one.column]) == market_class
                ]
                rows = [one for one in rows if one[2] == one[2] and one[3] == one[3]]
                if rows:
                    made = _rate(rows, market_class, signal, horizon, panel.step_seconds, seed)
                    found.append(replace(made, plain=plain.get(signal)))
    return tuple(found)


def _plain(
    paid: NDArray[np.float64], middle: NDArray[np.float64], quoted: NDArray[np.float64], quotes: NDArray[np.float64]
) -> dict[Signal, float]:
    """For each signal, the fraction of hits of a simple forecast: a market whose quote is above (below) its asset's
    median will also pay more (less) than the median."""
    import numpy as np

    there = np.isfinite(paid) & np.isfinite(middle) & np.isfinite(quoted) & np.isfinite(quotes)
    sides = {
        Signal.ENTER: (there & (quoted > quotes), paid > middle),
        Signal.LEAVE: (there & (quoted < quotes), paid < middle),
    }
    return {signal: float(right[chosen].mean()) for signal, (chosen, right) in sides.items() if chosen.any()}


def _middles(rates: NDArray[np.float64], groups: Groups) -> NDArray[np.float64]:
    """(times, markets): the median rate of the market's group at each time; NaN if the group has fewer than
    ``LEAST_PEERS``."""
    import numpy as np

    made = np.full(rates.shape, np.nan)
    for columns in groups:
        part = rates[:, list(columns)]
        for row in range(len(rates)):
            there = part[row][np.isfinite(part[row])]
            if len(there) >= LEAST_PEERS:
                made[row, list(columns)] = np.median(there)
    return made


def paid_after(panel: Panel, days: int) -> NDArray[np.float64]:
    """(times, markets): the mean rate paid over the ``days`` after each row; NaN if too little of it is known or the
    panel ends before."""
    import numpy as np

    steps = max(1, days * DAY // panel.step_seconds)
    made = np.full(panel.realised.shape, np.nan)
    for row in range(len(panel.times) - steps):
        part = panel.realised[row + 1 : row + 1 + steps]
        there = np.isfinite(part)
        count = there.sum(axis=0)
        enough = count >= LEAST_KNOWN * steps
        made[row, enough] = np.where(there, part, 0.0).sum(axis=0)[enough] / count[enough]
    return made


def _rate(
    rows: Sequence[tuple[int, int, float, float]], market_class: str, signal: Signal, horizon: int, step: int, seed: int
) -> HitRate:
    above = [rate > middle for _, _, rate, middle in rows]
    hits = above if signal is Signal.ENTER else [rate < middle for _, _, rate, middle in rows]
    low, high = _interval([row for row, _, _, _ in rows], hits, max(1, horizon * DAY // step), seed)
    meant = signal is not Signal.HOLD
    days = (rows[-1][0] - rows[0][0]) * step / DAY
    return HitRate(
        market_class=market_class,
        signal=signal.value,
        horizon_days=horizon,
        signals=len(rows),
        markets=len({column for _, column, _, _ in rows}),
        windows=int(days // horizon) + 1,
        mean=statistics.fmean(rate for _, _, rate, _ in rows),
        median=statistics.fmean(middle for _, _, _, middle in rows),
        above=sum(above) / len(rows),
        hits=sum(hits) / len(rows) if meant else None,
        low=low if meant else None,
        high=high if meant else None,
    )


def _interval(days: Sequence[int], hits: Sequence[bool], block: int, seed: int) -> tuple[float, float]:
    """5 % and 95 % quantiles of the fraction of hits: days are resampled in circular blocks, all signals of a day
    together."""
    import numpy as np

    first, count = min(days), max(days) - min(days) + 1
    good, whole = np.zeros(count), np.zeros(count)
    for day, hit in zip(days, hits, strict=True):
        good[day - first] += hit
        whole[day - first] += 1
    random, block = np.random.default_rng(seed), min(block, count)
    starts = random.integers(0, count, size=(DRAWS, -(-count // block)))
    at = ((starts[:, :, None] + np.arange(block)) % count).reshape(DRAWS, -1)[:, :count]
    drawn = whole[at].sum(axis=1)
    parts = good[at].sum(axis=1)[drawn > 0] / drawn[drawn > 0]
    low, high = np.quantile(parts, (0.05, 0.95))
    return float(low), float(high)


def remembered(graded: Sequence[tuple[str, str, int, str]], panel: Panel) -> list[DatedSignal]:
    """Signals from the ledger of grades, each (chain, market, unix seconds, signal), placed on the panel's first row at
    or after that time: what followed is counted from there."""
    import numpy as np

    columns: Mapping[tuple[str, str], int] = {(key.chain, key.market): at for at, key in enumerate(panel.keys)}
    found = []
    for chain, market, time, signal in graded:
        column, row = columns.get((chain, market)), int(np.searchsorted(panel.times, time, side="left"))
        if column is not None and row < len(panel.times):
            found.append(DatedSignal(row=row, column=column, signal=Signal(signal)))
    return found
