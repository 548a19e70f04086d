"""What alarms are worth on recordings; ``scripts/bench signals FILE...`` (docs/risk.md, docs/history.md).

Each FILE is one that ``yieldbot history import`` takes; all of them are scored together, so that prices of venues and
markets of collateral may lie in files of their own. Without a file, a synthetic recording that is made from measured
hazards is scored. --policy takes a file with a [policy] table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from yieldbot.config.load import policy_file
from yieldbot.errors import ConfigError
from yieldbot.history.importers.read import read_file
from yieldbot.history.reading import Reading
from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.risk.alarm_scores import Score, score


def parser() -> argparse.ArgumentParser:
    """Flags of ``scripts/bench signals``."""
    made = argparse.ArgumentParser(prog="scripts/bench signals", description=__doc__)
    made.add_argument("files", nargs="*", type=Path, metavar="FILE", help="recordings; a synthetic one by default")
    made.add_argument("--policy", type=Path, help="a file with a [policy] table; the shipped thresholds by default")
    made.add_argument("--seed", type=int, default=1, help="of the synthetic recording")
    return made


def compare(files: Sequence[Path] = (), policy: Path | None = None, seed: int = 1) -> dict[str, Any]:
    """The score, printed on stderr, as a document."""
    try:
        limits = AlarmLimits() if policy is None else policy_file(policy).alarms
        found = score(_readings(files, seed), limits)
    except ConfigError as refused:
        print(f"scripts/bench: {refused}", file=sys.stderr)
        return {"refused": str(refused)}
    for line in lines(found):
        print(line, file=sys.stderr)
    more = {name: getattr(found, name) for name in ("false_per_year", "collateral_per_year", "pegs_per_year")}
    return {"files": [one.name for one in files] or [f"synthetic, seed {seed}"]} | asdict(found) | more


def _readings(files: Sequence[Path], seed: int) -> list[Reading]:
    if not files:
        from tests.kit.risk.hourly import recording

        return list(recording(years=8.0, seed=seed).readings)
    found = list[Reading]()
    for file in files:
        if not file.is_file():
            raise ConfigError(f"{file} is no file: name a recording that `yieldbot history import` takes")
        taken = read_file(file)
        left = sum(1 for fault in taken.faults if not fault.taken)
        if left:
            print(f"{file.name}: {left} rows are left out", file=sys.stderr)
        found += taken.readings
    return found


def lines(of: Score) -> list[str]:
    """The score in words."""

    def part(count: int) -> str:
        return f"{count} of {of.locks} ({count / of.locks:.0%})" if of.locks else "none"

    found = [f"{of.market_years:.1f} market-years of dollars, {of.locks} locks (utilisation 0.99 and more)"]
    found += [
        f"a look each {one.hours:>2} h: {part(one.preceded)} preceded by an alarm, a million out before "
        f"{part(one.in_time)}"
        for one in of.polled
    ]
    lead = "none" if of.lead_hours is None else f"{of.lead_hours:.0f} h"
    found.append(f"median lead {lead}; {of.false} false alarms of {of.episodes}, {of.false_per_year:.2f} a market-year")
    found.append(f"leaving at false alarms costs {of.calm_cost_pp:.3f} pp a year")
    found.append(
        f"collaterals' markets locked {of.collateral_locks} times, {of.collateral_same_day} warned of within a day; "
        f"{of.collateral_per_year:.2f} alarms a market-year"
    )
    leads = ", ".join(f"{hours:.0f} h" for hours in of.peg_leads) or "none"
    found.append(
        f"pegs: {of.peg_years:.1f} years, {of.sources} sources, {of.pegs_per_year:.2f} alarms a year, "
        f"{of.depegs} falls of 2 % and more, alarm before the trough by {leads}"
    )
    return found
