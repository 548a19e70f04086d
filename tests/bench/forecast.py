"""Forecasts against persistence on recorded history: error, interval, pinball, by horizon; ``scripts/bench forecast``.

Needs the recordings: YIELDBOT_DATA names their folder. Everything that forecasts begin with was fitted on the
development part (``--fit`` makes the file again, from that part alone) and the figures are of what came after it. The
rows before the test period are there as a user's history would be: to learn from, walk-forward.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yieldbot.forecast import score
from yieldbot.forecast.boosting import installed
from yieldbot.forecast.entrants import with_extras
from yieldbot.forecast.model import DOLLAR, OTHER, Walk
from yieldbot.forecast.series import Series
from yieldbot.forecast.tournament import Tournament
from yieldbot.history.grid import panel
from yieldbot.history.importers.read import read_file
from yieldbot.history.panel import Panel

RECORDINGS = {
    "Aave v3 on 11 chains": ("aave_v3_daily_panel.csv.gz", "2025-10-31"),
    "Compound v2": ("compound_v2_daily.csv.gz", "2022-06-30"),
}
"""Name: file, and the last day of the development part."""
VARIANTS = 225
"""Sets of features, trees, half-lives, temperatures, windows and widths that were compared on the development part."""
STRESS = 0.1
"""The share of days, the most restless ones by the class's median move over a week, that is called a stress."""


def parser() -> argparse.ArgumentParser:
    """Flags of ``scripts/bench forecast``."""
    made = argparse.ArgumentParser(prog="scripts/bench forecast", description=__doc__)
    made.add_argument("--fit", action="store_true", help="print the frozen parameters, from the development part")
    made.add_argument("--fit-trees", action="store_true", help="print the shipped trees, from the development part")
    made.add_argument("--development", action="store_true", help="score the development part in place of the test's")
    made.add_argument("--without-extras", action="store_true", help="as if LightGBM were not installed")
    made.add_argument("--each", action="store_true", help="each entrant, not the combined forecast alone")
    return made


def compare(
    fit: bool = False,
    fit_trees: bool = False,
    development: bool = False,
    without_extras: bool = False,
    each: bool = False,
) -> dict[str, Any]:
    """Each recording's table, printed on stderr, as a document."""
    folder = Path(os.environ.get("YIELDBOT_DATA", ""))
    if not os.environ.get("YIELDBOT_DATA") or not folder.is_dir():
        print("scripts/bench: forecast needs YIELDBOT_DATA, a folder of recordings", file=sys.stderr)
        return {"skipped": "YIELDBOT_DATA names no folder"}
    panels = _panels(folder)
    ends = {name: _end(last) for name, (_, last) in RECORDINGS.items()}
    if fit or fit_trees:
        from tests.bench import forecast_fit, forecast_trees

        parts = {f"{name} up to {RECORDINGS[name][1]}": _before(one, ends[name]) for name, one in panels.items()}
        if fit:
            print(forecast_fit.text(parts), file=sys.stderr, end="")
        else:
            print(forecast_trees.text([Series(one) for one in parts.values()], list(parts)), file=sys.stderr, end="")
        return {"fitted": list(parts)}
    rows = []
    for name, one in panels.items():
        print(f"{name}, {'development' if development else 'test'} part", file=sys.stderr)
        part = _before(one, ends[name]) if development else one
        tested = part.times <= ends[name] if development else part.times > ends[name]
        rows += _table(name, part, tested, without_extras, each)
    plain = [{name: None if value != value else value for name, value in row.items()} for row in rows]  # NaN is no JSON
    return {"variants": VARIANTS, "lightgbm": installed() and not without_extras, "rows": plain}


@cache
def _panels(folder: Path) -> dict[str, Panel]:
    return {name: panel(read_file(folder / file).readings) for name, (file, _) in RECORDINGS.items()}


def _table(name: str, one: Panel, tested: NDArray[np.bool_], without_extras: bool, each: bool) -> list[dict[str, Any]]:
    began = time.perf_counter()
    ours = with_extras(not without_extras)
    run = Tournament(one, ours)
    combined = run.walk
    seconds = time.perf_counter() - began
    print(f"  prepared in {seconds:.2f} s: {len(one.times)} days, {len(one.keys)} markets", file=sys.stderr)
    usual = run.of("persistence")
    alone = Walk(keys=usual.keys, times=usual.times, mean=usual.mean, low=usual.mean, high=usual.mean)
    rows = []
    for market_class in (DOLLAR, OTHER):
        columns = np.array([own == market_class for own in run.series.classes])
        chosen = tested[:, None] & columns[None, :]
        restless = _restless(run.series, columns, tested)
        walks = {"combined": combined} | ({who: run.of(who) for who in run.names} if each else {})
        for who, walk in walks.items():
            scored = score.score(walk, usual, run.series.futures, chosen)
            against = score.score(walk, alone, run.series.futures, chosen, draws=2)
            stress = score.score(walk, usual, run.series.futures, chosen & restless[:, None], draws=2)
            for own, bare, hard in zip(scored, against, stress, strict=True):
                rows.append(_row(name, market_class, who, own, bare, hard))
                print("  " + _line(rows[-1]), file=sys.stderr)
    return rows


def _row(
    name: str, market_class: str, who: str, own: score.Score, bare: score.Score, hard: score.Score
) -> dict[str, Any]:
    return {
        "recording": name,
        "class": market_class,
        "forecaster": who,
        "horizon_days": own.horizon,
        "forecasts": own.forecasts,
        "mae": own.mae,
        "skill": own.skill,
        "skill_low": own.skill_low,
        "skill_high": own.skill_high,
        "coverage": own.coverage,
        "coverage_stress": hard.coverage,
        "skill_stress": hard.skill,
        "pinball_less": 1.0 - own.pinball / own.persistence_pinball if own.forecasts else float("nan"),
        "pinball_less_bare": 1.0 - bare.pinball / bare.persistence_pinball if own.forecasts else float("nan"),
        "crps": own.crps,
    }


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['class']:7s}{row['forecaster']:18s}{row['horizon_days']:3d} d  n {row['forecasts']:6d}  "
        f"skill {100 * row['skill']:6.1f} % [{100 * row['skill_low']:6.1f}, {100 * row['skill_high']:6.1f}]  "
        f"covers {100 * row['coverage']:5.1f} %, stress {100 * row['coverage_stress']:5.1f} %  "
        f"pinball -{100 * row['pinball_less_bare']:.1f} % (-{100 * row['pinball_less']:.1f} %)"
    )


def _restless(series: Series, columns: NDArray[np.bool_], tested: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The tenth of the tested days on which the class's markets moved most in the week around."""
    quote = np.maximum(series.quote[:, columns], 1e-4)
    moved = np.abs(np.diff(np.log(quote), axis=0, prepend=np.nan))
    known = np.isfinite(moved)
    median = np.array([np.median(row[ok]) if ok.any() else 0.0 for row, ok in zip(moved, known, strict=True)])
    week = np.convolve(median, np.ones(7) / 7, mode="same")
    return np.asarray((week >= np.quantile(week[tested], 1.0 - STRESS)) & tested)


def _end(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) + 86_399


def _before(one: Panel, end: int) -> Panel:
    return one.until(int(np.searchsorted(one.times, end, side="right")) - 1)
