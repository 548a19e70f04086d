"""``scripts/replay``: plays the incidents and writes the table of docs/risk.md anew (``--check``: compares it);
``--sandbox``: plays those on real contracts, by the program itself, and writes the second table (some minutes)."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.replay.run import Ours, Played, highest, play, scored
from tests.replay.scenes import SCENES, Scene

PAGE = Path(__file__).resolve().parents[2] / "docs" / "risk.md"
BEGIN_SANDBOX = "<!-- incidents on real contracts: written by scripts/replay --sandbox -->"
END_SANDBOX = "<!-- end of the incidents on real contracts -->"
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
    return _between(written, BEGIN, table(), END)


def _between(written: str, begin: str, text: str, end: str) -> str:
    head, _, rest = written.partition(begin)
    _, _, tail = rest.partition(end)
    return f"{head}{begin}\n\n{text}\n{end}{tail}"


def sandbox_table(before: str, part: str) -> str:
    """The table of incidents on real contracts, each played on one sandbox by the program in processes of its own.
    before: the table as it was, whose rows stay where a name has not ``part`` in it."""
    from tests.replay.chain_run import HEAD, Highest, Ours, Scored, play, row
    from tests.replay.chain_scenes import SCENES
    from yieldbot.sandbox import running_sandbox

    rows = {line.split(" | ")[0].removeprefix("| "): line for line in before.splitlines() if line.startswith("| ")}
    with tempfile.TemporaryDirectory() as folder:
        needs = sorted({name for scene in SCENES for name in scene.needs})
        with running_sandbox(Path(folder) / "sandbox", protocols=needs) as sandbox:
            for number, scene in enumerate(SCENES):
                if part not in scene.name:
                    continue
                rules = (Highest(), Scored(), Ours(whole=True))
                found = [play(scene, one, sandbox, Path(folder) / f"{number}-{i}") for i, one in enumerate(rules)]
                rows[scene.name] = row(scene, *found)
                print(rows[scene.name], flush=True)
    return "\n".join([*HEAD, *(rows[scene.name] for scene in SCENES if scene.name in rows)]) + "\n"


def main() -> int:
    """Write or compare."""
    parser = argparse.ArgumentParser(prog="scripts/replay", description=__doc__)
    parser.add_argument("--check", action="store_true", help="say whether the page has this table; write nothing")
    parser.add_argument(
        "--sandbox",
        nargs="?",
        const="",
        metavar="PART",
        help="play those on real contracts whose names have PART in them",
    )
    args = parser.parse_args()
    if args.sandbox is None:
        made = page(now := PAGE.read_text(encoding="utf-8"))
        print(table())
    else:
        before = PAGE.read_text(encoding="utf-8").partition(BEGIN_SANDBOX)[2].partition(END_SANDBOX)[0]
        text = sandbox_table(before, args.sandbox)
        made = _between(now := PAGE.read_text(encoding="utf-8"), BEGIN_SANDBOX, text, END_SANDBOX)
    if args.check:
        return int(made != now)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
