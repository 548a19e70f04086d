"""What the shipped policy would have earned on recorded history, by group and wealth; ``scripts/bench policy``.

Needs the recordings: YIELDBOT_DATA names their folder. Each recording is one run of ``yieldbot backtest`` with
daily gas prices, and the same table comes from that command by hand.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from yieldbot.app.backtest import BacktestRequest, backtest
from yieldbot.app.context import Context
from yieldbot.app.formatting import share_words

GROUPS = {
    "Aave v3 of one chain, 2025-07 to 2026-01": ("aave_v3_daily_panel.csv.gz", ("aave_v3",)),
    "Compound v2, 2019-11 to 2023-03": ("compound_v2_daily.csv.gz", ()),
    "Aave v2, 2022-05 to 2022-07": ("aave_v2_reserve_events_2022.csv.gz", ()),
}
SHORT = {"Aave v2, 2022-05 to 2022-07": (30, 5)}
"""Groups whose recording is too short for the usual windows: at most so many days, a start each so many."""
GAS = "ethereum_gas_and_price_daily.csv"


def parser() -> argparse.ArgumentParser:
    """Flags of ``scripts/bench policy``."""
    made = argparse.ArgumentParser(prog="scripts/bench policy", description=__doc__)
    made.add_argument("--every", type=int, default=15, help="days between windows' starts")
    made.add_argument("--window", type=int, default=60, help="days of a window")
    made.add_argument("--group", default="", help="a part of one group's name; all by default")
    made.add_argument("--policy", type=Path, help="a file with a [policy] table, beside the shipped one")
    return made


def compare(every: int = 15, window: int = 60, group: str = "", policy: Path | None = None) -> dict[str, Any]:
    """Each group's table, printed on stderr, as a document."""
    named = os.environ.get("YIELDBOT_DATA", "")
    if not named or not Path(named).is_dir():
        print("scripts/bench: policy needs YIELDBOT_DATA, a folder of recordings", file=sys.stderr)
        return {"skipped": "YIELDBOT_DATA names no folder"}
    found: dict[str, Any] = {}
    for name, (file, markets) in GROUPS.items():
        if group.casefold() not in name.casefold():
            continue
        began = time.monotonic()
        days, apart = (min(pair) for pair in zip((window, every), SHORT.get(name, (window, every)), strict=True))
        request = BacktestRequest(
            history=Path(named) / file, gas=Path(named) / GAS, markets=markets, window_days=days, every_days=apart,
            policy=policy,
        )  # fmt: skip
        document = backtest(request, Context(), lambda done, total: None)
        rows = [row for row in document.results if row.universe == "all"] or list(document.results)
        print(
            f"\n{name}, windows of {days} days, a start each {apart} ({time.monotonic() - began:.0f} s)",
            file=sys.stderr,
        )
        print(
            "wealth        policy    gain pp [90 %]            foresight                share  lost     moves/y",
            file=sys.stderr,
        )
        for row in rows:
            share = share_words(row)
            print(
                f"{row.wealth:>12,.0f}  {row.policy:<8}  {row.gain_pp:+.3f} [{row.gain_pp_low:+.3f},"
                f" {row.gain_pp_high:+.3f}]  {row.foresight_gain_pp:+.3f} to {row.bound_gain_pp:+.3f}  {share:>12}  "
                f"{row.windows_lost_over_10bp:>3}/{row.windows:<3}  {row.moves_per_year:.1f}",
                file=sys.stderr,
            )
        found[name] = document.as_json()
    return found
