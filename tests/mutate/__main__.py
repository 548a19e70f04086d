"""scripts/mutate: random changes in modules that handle money, and whether their tests notice.

[MODULE ...] as in modules.toml (default: all); --seed N; --each N changes a module (default 12; 0: all); --of TEXT only
changes whose name holds it; --timeout SECONDS of the processor a change (default: five times the unchanged tests, at
least 20; the clock's are ten times as many, so that a busy machine makes no change look noticed);
--slow tries the slow tests too on what the others let through; --list prints the changes that would be made. What was
found is kept in .cache/mutate and not done again while module and tests are the same. Changes that mean the same are in
equal.toml, with the reason. Ends with 1 where a change survived.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
import tempfile
import tomllib
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.kit import ROOT
from tests.mutate.changes import Change, changes_of
from tests.mutate.runner import Host, copy_tree, load_heavy

HERE = Path(__file__).resolve().parent


@dataclass
class Row:
    """One module's line of the table."""

    module: str
    candidates: int
    killed: int = 0
    timeouts: int = 0
    equal: int = 0
    survived: list[str] = field(default_factory=list)

    @property
    def drawn(self) -> int:
        return self.killed + self.timeouts + self.equal + len(self.survived)

    @property
    def share(self) -> float:
        judged = self.drawn - self.equal
        return (judged - len(self.survived)) / judged if judged else 1.0


class Kept:
    """What earlier runs found, a line each."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = file.read_text().splitlines() if file.exists() else []
        self.found: dict[str, dict[str, str]] = {}
        for line in lines:
            one = json.loads(line)
            self.found[one["key"]] = one

    def get(self, key: str, tests: str) -> str | None:
        """A change that was noticed stays so; one that was not is tried again when the tests are others."""
        one = self.found.get(key)
        if one is None or (one["outcome"] == "passed" and one["tests"] != tests):
            return None
        return one["outcome"]

    def put(self, key: str, tests: str, outcome: str) -> None:
        self.found[key] = {"key": key, "tests": tests, "outcome": outcome}
        with self.file.open("a") as out:
            out.write(json.dumps(self.found[key]) + "\n")


def digest(*files: Path) -> str:
    told = hashlib.sha256()
    for file in files:
        told.update(file.read_bytes())
    return told.hexdigest()[:16]


def within(change: Change, functions: list[str]) -> bool:
    where = change.name.partition(":")[0]
    return not functions or any(where == name or where.startswith(f"{name}.") for name in functions)


def drawn_of(
    module: str, source: str, entry: dict[str, Any], seed: int, each: int, of: str = ""
) -> tuple[list[Change], int]:
    every = [one for one in changes_of(source) if of in one.name and within(one, entry.get("functions", []))]
    if not each or each >= len(every):
        return every, len(every)
    picked = random.Random(f"{seed}:{module}").sample(range(len(every)), each)
    return [every[place] for place in sorted(picked)], len(every)


def main(argv: list[str]) -> int:
    entries: dict[str, dict[str, Any]] = tomllib.loads((HERE / "modules.toml").read_text())["modules"]
    same = tomllib.loads((HERE / "equal.toml").read_text())["modules"]
    parser = argparse.ArgumentParser(prog="scripts/mutate", description="what would no test notice?")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="as in tests/mutate/modules.toml; all by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=12, help="changes a module; 0: all")
    parser.add_argument("--of", default="", metavar="TEXT", help="only changes whose name holds this: a function, say")
    parser.add_argument("--timeout", type=float, default=None, help="seconds of the processor a change")
    parser.add_argument("--slow", action="store_true", help="also the slow tests, on what the fast ones let through")
    parser.add_argument("--list", action="store_true", help="print the changes, run nothing")
    args = parser.parse_args(argv)
    if args.each < 0:
        parser.error(f"--each {args.each}: write 0 (all changes) or more")
    if args.timeout is not None and not args.timeout > 0:
        parser.error(f"--timeout {args.timeout:g}: write a number of seconds above 0")
    if unknown := [name for name in args.modules if name not in entries]:
        parser.error(f"unknown module {unknown[0]!r}: one of {', '.join(entries)}")
    chosen = args.modules or list(entries)
    if args.list:
        for module in chosen:
            source = (ROOT / "yieldbot" / module).read_text()
            for change in drawn_of(module, source, entries[module], args.seed, args.each, args.of)[0]:
                print(f"{module}:{change.line}: {change.name}")
        return 0
    os.nice(5)
    kept = Kept(ROOT / ".cache" / "mutate" / "found.jsonl")
    load_heavy()
    rows = []
    with tempfile.TemporaryDirectory(prefix="mutate-") as folder:
        tree = Path(folder)
        copy_tree(ROOT, tree)
        for module in chosen:
            work = partial(judge, tree, module, entries[module], same.get(module, {}), kept, args)
            rows.append(in_process_of_its_own(work, tree / "row.json"))
    print_table(rows, args.seed)
    return 1 if any(row.survived for row in rows) else 0


def judge(
    tree: Path, module: str, entry: dict[str, Any], same: dict[str, str], kept: Kept, args: argparse.Namespace
) -> Row:
    source = (tree / "yieldbot" / module).read_text()
    changes, candidates = drawn_of(module, source, entry, args.seed, args.each, args.of)
    row = Row(module, candidates)
    left = [change for change in changes if change.name not in same]
    row.equal = len(changes) - len(left)
    sha = hashlib.sha256(source.encode()).hexdigest()[:16]
    suites = [list(entry["tests"])] + ([list(entry["slow"])] if args.slow and entry.get("slow") else [])
    found: dict[str, str] = {}
    for position, tests in enumerate(suites):
        host = Host(tree, module, tests, tree / "log.txt")
        limit = 0.0
        files = digest(*files_of(tests))
        for change in [one for one in left if found.get(one.name, "passed") == "passed"]:
            key = f"{module} {sha} {'slow' if position else 'fast'} {change.name}"
            known = kept.get(key, files)
            if known is None:
                limit = limit or begun(host, args.timeout)
                known, seconds = host.judge(change.name.partition(":")[0], change.source, limit)
                kept.put(key, files, known)
                print(f"{known:8} {seconds:5.1f} s  {module}:{change.line}: {change.name}", flush=True)
            found[change.name] = known
    row.survived = [f"{module}:{one.line}: {one.name}" for one in left if found[one.name] == "passed"]
    row.timeouts = sum(outcome == "timeout" for outcome in found.values())
    row.killed = sum(outcome == "failed" for outcome in found.values())
    return row


def files_of(tests: list[str]) -> list[Path]:
    """The files of these tests, and what lies beside them that they may import."""
    named = {ROOT / test.partition("::")[0] for test in tests if not test.startswith("-")}
    return sorted({file for place in named for file in ([place] if place.is_file() else place.rglob("*.py"))})


def begun(host: Host, asked: float | None) -> float:
    """The tests imported; the processor's seconds for a change, from the unchanged module's, whose tests must pass."""
    host.collect()
    outcome, seconds = host.baseline(900.0)
    if outcome != "passed":
        raise SystemExit(
            f"the tests do not pass without a change ({' '.join(host.tests)}):\n{host.log.read_text()[-2000:]}"
        )
    return asked or max(20.0, 5 * seconds)


def in_process_of_its_own(work: Callable[[], Row], told: Path) -> Row:
    """One module's line, found in a process that ends with what it imported."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            told.write_text(json.dumps(asdict(work())))
            code = 0
        except SystemExit as end:
            print(end, flush=True)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise SystemExit(2)
    return Row(**json.loads(told.read_text()))


def print_table(rows: list[Row], seed: int) -> None:
    for row in rows:
        for said in row.survived:
            print(f"SURVIVED {said}")
    print(f"\n| module (seed {seed}) | changes | drawn | equal | noticed | by time-out | not noticed | share |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row.module} | {row.candidates} | {row.drawn} | {row.equal} | {row.killed} | {row.timeouts} | "
            f"{len(row.survived)} | {row.share:.0%} |"
        )
    whole = Row("all", sum(row.candidates for row in rows))
    whole.killed, whole.timeouts = sum(row.killed for row in rows), sum(row.timeouts for row in rows)
    whole.equal, whole.survived = sum(row.equal for row in rows), [one for row in rows for one in row.survived]
    print(
        f"| all | {whole.candidates} | {whole.drawn} | {whole.equal} | {whole.killed} | {whole.timeouts} | "
        f"{len(whole.survived)} | {whole.share:.1%} |"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
