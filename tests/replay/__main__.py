"""``scripts/replay``: plays the incidents and writes the table of docs/risk.md anew (``--check``: compares it)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.replay.run import Ours, Played, highest, play, scored
from tests.replay.scenes import SCENES, Scene

PAGE = Path(__file__).resolve().parents[2] / "docs" / "risk.md"
BEGIN, END = "<!-- incidents: written by scripts/replay -->", "<!-- end of the incidents -->"


def table() -> str:
    """The table as the page has it."""
    lines = [
        "| Incident | Shape of | Highest quote loses | Product of scores loses | yieldbot loses | It left | By |",
        "|---|---|---|---|---|---|---|",
    ]
    for scene in SCENES:
        ours = play(scene, Ours(scene))
        others = [play(scene, highest), play(scene, scored)]
        lost = " | ".join(_lost(one) for one in (*others, ours))
        lines.append(f"| {scene.name} | {scene.source} | {lost} | {_left(scene, ours)} | {ours.said or '-'} |")
    return "\n".join(lines) + "\n"


def _lost(one: Played) -> str:
    locked = f", {one.locked_hours} h locked" if one.locked_hours else ""
    return f"{max(0.0, one.lost):.1%}{locked}" if one.lost > 0.0005 else f"nothing{locked}"


def _left(scene: Scene, one: Played) -> str:
    if one.left_at is not None:
        return f"after {one.left_at} h"
    return "never" if one.inside > 0.01 else "was not in"


def page(written: str) -> str:
    """The page with its table anew."""
    head, _, rest = written.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{table()}\n{END}{tail}"


def main() -> int:
    """Write or compare."""
    parser = argparse.ArgumentParser(prog="scripts/replay", description=__doc__)
    parser.add_argument("--check", action="store_true", help="say whether the page has this table; write nothing")
    args = parser.parse_args()
    now = PAGE.read_text(encoding="utf-8")
    made = page(now)
    print(table())
    if args.check:
        return int(made != now)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
