"""``risk --calibration`` and ``--signals``: compares past grades and signals with what then happened, by memory.
Nothing is signed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.app.days import day
from yieldbot.app.expected import panel_of
from yieldbot.app.memory import folder_of
from yieldbot.app.recordings import named
from yieldbot.app.risk_record_documents import CalibrationDocument, LetterRecord, SignalRecord, SignalsDocument
from yieldbot.backtest.levels import levels_of
from yieldbot.backtest.yield_signals import by_asset, hit_rates, remembered, replayed
from yieldbot.errors import ConfigError
from yieldbot.history import query
from yieldbot.history.grades import GradedDay, read
from yieldbot.history.reading import Fault
from yieldbot.history.store import Store
from yieldbot.model.dataclass import dataclass
from yieldbot.model.policy import alone
from yieldbot.model.text import counted
from yieldbot.risk.calibration import Calibration, MarketName, Moment, Track, calibrate, tracked
from yieldbot.risk.loss import base_rate
from yieldbot.risk.scales import scales

if TYPE_CHECKING:
    from yieldbot.app.context import Context

DAY = 86_400
_HOURLY = """
SELECT market, max(time) AS time, max(coalesce(utilisation, borrowed / nullif(supplied, 0))) AS used,
  min(cash / nullif(supplied, 0)) AS cash_share, arg_max("index", time) AS index_last,
  min(price_usd) AS lowest_usd, max(price_usd) AS highest_usd
FROM readings WHERE chain = $chain AND time >= $start GROUP BY market, time // 3600 ORDER BY market, time
"""
"""Query: each market's values in each hour."""
MOST_NOTES = 5
"""Most faults that are named one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRequest:
    """Which grades or signals to compare with what happened."""

    since: str = ""
    """The first day (YYYY-MM-DD) whose grades count; empty: all."""
    history: Path | None = None
    """Memory's folder; None: the configured one. For signals also a file that `history import` accepts."""
    replay: bool = False
    """Compute the signals again, day by day, instead of using the stored ones; always so for a file."""


def calibration(request: RecordRequest, context: Context) -> CalibrationDocument:
    """How often harm followed each letter, and the Brier score. Raises ConfigError for an invalid day or folder."""
    folder, faults = folder_of(context, request.history), list[Fault]()
    if request.history is not None and not folder.is_dir():
        raise ConfigError(f"{folder} is no folder of memory")
    grades = read(folder, day(request.since, "--since"), faults)
    table, tracks = scales(), _tracks(folder, grades, faults)
    found = calibrate(grades, tracks, table)
    return CalibrationDocument(
        history=str(folder),
        window_days=float(table.of("calibration", "days")),
        graded=found.graded,
        unfinished=found.unfinished,
        unseen=found.unseen,
        rows=tuple(LetterRecord(**asdict(one)) for one in found.hits),
        brier=found.brier,
        brier_constant=found.brier_constant,
        notes=(*_too_little(folder, found), *named_lines(faults)),
    )


def signals(request: RecordRequest, context: Context) -> SignalsDocument:
    """What followed the signals. Raises ConfigError for an invalid day or source, and for a source without readings."""
    source, since, faults = folder_of(context, request.history), day(request.since, "--since"), list[Fault]()
    replay = request.replay or source.is_file()
    graded = () if replay else read(source, since, faults)
    if not replay and not graded:
        return SignalsDocument(
            history=str(source),
            source="ledger",
            first=None,
            last=None,
            rows=(),
            notes=(_none(source), *named_lines(faults)),
        )
    panel = panel_of(source, True, faults)
    if replay:
        groups = by_asset(panel)
        context.say(
            f"replaying the signals of {counted(len(panel.keys), 'market')} on {counted(len(panel.times), 'day')}"
        )
        levels = levels_of(panel, {"": alone()})[""]
        said = replayed(panel, levels, groups, scales(), base_rate("lending").bps)
    else:
        groups = by_asset(panel, chains=True)
        said = remembered([(one.chain, one.market, one.time, one.signal) for one in graded], panel)
    times = panel.times.tolist()
    said = [one for one in said if since is None or times[one.row] >= since]
    found = hit_rates(said, panel, groups)
    notes = (
        ()
        if found
        else ("too little is known of what followed: the shortest horizon is 7 days, of 3 markets of one asset",)
    )
    return SignalsDocument(
        history=str(source),
        source="replay" if replay else "ledger",
        first=min((times[one.row] for one in said), default=None),
        last=max((times[one.row] for one in said), default=None),
        rows=tuple(SignalRecord(**asdict(one)) for one in found),
        notes=(*notes, *named_lines(faults)),
    )


def _tracks(folder: Path, grades: Sequence[GradedDay], faults: list[Fault]) -> Mapping[MarketName, Track]:
    """What happened to each graded market by memory, from an hour before its first grade on."""
    assets = {(one.chain, one.market): one.asset for one in grades}
    found: dict[MarketName, Track] = {}
    for chain in sorted({one.chain for one in grades}):
        start = min(one.time for one in grades if one.chain == chain) - DAY
        asked = {"chain": chain, "start": start}
        rows = query.rows(Store(folder), _HOURLY, asked, chain=chain, start=start, faults=faults)
        for market, hours in groupby(rows, key=lambda row: str(row["market"])):
            if (chain, market) in assets:
                found[chain, market] = tracked(_moments(hours), assets[chain, market])
    return found


def _moments(hours: Iterator[dict[str, Any]]) -> Iterator[Moment]:
    for row in hours:
        yield Moment(
            time=int(row["time"]),
            used=row["used"],
            cash_share=row["cash_share"],
            index=row["index_last"],
            lowest_usd=row["lowest_usd"],
            highest_usd=row["highest_usd"],
        )


def _too_little(folder: Path, found: Calibration) -> list[str]:
    """Why there is nothing to show, in one line; empty if there is something."""
    if found.first_due is None:
        return [_none(folder)]
    if found.hits:
        return []
    due = f"{datetime.fromtimestamp(found.first_due, UTC):%Y-%m-%d}"
    if found.unseen:
        return [f"too little is remembered of what came after {found.unseen} graded days: `yieldbot observe` reads it"]
    return [f"nothing can be scored yet: the first window ends on {due}, and memory must reach it"]


def _none(folder: Path) -> str:
    return f"{folder} remembers no grades yet: `yieldbot run`, `risk` and `markets` write one a market and day"


def named_lines(faults: Sequence[Fault]) -> list[str]:
    """Faults as lines; only the first few are named."""
    lines = [f"{one.where}: {one.what}" for one in named(faults)]
    more = (
        [f"and {len(lines) - MOST_NOTES} more: `yieldbot history verify` names them"] if len(lines) > MOST_NOTES else []
    )
    return [*lines[:MOST_NOTES], *more]
