"""The passes, and what they add up to."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tests.kit.cron.alerts import Alerts
from tests.kit.cron.clock import CLOCK
from tests.kit.cron.happenings import Happenings
from tests.kit.cron.place import Place, placed
from tests.kit.cron.rows import after
from tests.kit.cron.watch import Watch

WARM = 60
"""Passes before which memory and files are not compared: libraries are still being loaded."""
MOST_TIME_RATIO = 1.5
MOST_GROWTH_KB = 40_000
MOST_FILES = 3
INTERRUPTED = 130
"""Exit code of a run that Ctrl-C ended, which ends the passes too: what they add up to is still reported."""
USUAL = (3000, 1, 2, 2)
"""Passes, the seed, wallets, and chains on which each of them has a job."""


@dataclass(frozen=True, slots=True)
class Use:
    """What this process used in one pass."""

    seconds: float
    """Processor seconds."""
    memory_kb: int
    files: int
    threads: int
    rehearsed: int


def main(words: Sequence[str]) -> int:
    """0: every invariant held in every pass; 1: not; 2: wrong usage."""
    try:
        count, seed, wallets, chains = (int(word) for word in (*words, *USUAL[len(words) :]))
        assert min(count, wallets, chains) > 0
    except (ValueError, AssertionError):
        print(
            f"scripts/soak cron {' '.join(words)}: write how many passes, a seed, how many wallets and chains",
            file=sys.stderr,
        )
        return 2
    with tempfile.TemporaryDirectory(prefix="yb-cron-") as name, placed(Path(name), wallets, chains) as place:
        report, faults = passed(place, count, seed)
    print(json.dumps(report, indent=2))
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def passed(place: Place, count: int, seed: int) -> tuple[dict[str, Any], list[str]]:
    """(what happened, faults found) in so many passes."""
    ids = {name: f"eip155:{int(chain.rpc('eth_chainId'), 16)}" for name, chain in place.chains.items()}
    watch, happenings, alerts = Watch(ids), Happenings(place, seed), Alerts(place)
    used: list[Use] = []
    seq, began, first = 0, time.monotonic(), CLOCK.now()
    shown = 0
    for number in range(count):
        between = happenings.between(watch.waiting(CLOCK.now()))
        rows = after(place.journal, seq) if seq else []
        watch.decided(rows, between)
        seq = rows[-1].seq if rows else seq
        ended = place.run("run", "--approve", "queue", "--quiet")
        if ended.code == INTERRUPTED:
            break
        if between.beside is not None:
            watch.counts[f"beside: {between.beside.args[6]}: {between.beside.wait(300)}"] += 1  # type: ignore[index]
        rows = after(place.journal, seq)
        seq = rows[-1].seq if rows else seq
        watch.seen(number, int(CLOCK.now()), ended, rows, between)
        watch.faults += [f"pass {number}: {fault}" for fault in alerts.seen(watch.counts)]
        used.append(_use(ended))
        if len(watch.faults) > shown or number % 100 == 99:
            for fault in watch.faults[shown:]:
                print(fault[:900], file=sys.stderr, flush=True)
            shown = len(watch.faults)
            days, minutes = (CLOCK.now() - first) / 86_400, (time.monotonic() - began) / 60
            print(f"{number + 1} passes, {days:.1f} days, {minutes:.1f} min, {used[-1]}", file=sys.stderr, flush=True)
    faults = watch.faults + _growth(used) + _at_the_end(place, happenings.given)
    report = {
        "passes": len(used),
        "days": round((CLOCK.now() - first) / 86_400, 1),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "plans": len(watch.plans),
        "rows": seq,
        "exit_codes": {str(code): times for code, times in sorted(watch.codes.items())},
        "counts": dict(sorted(watch.counts.items())),
        "use": _figures(used),
        "faults": len(faults),
    }
    return report, faults


def _use(ended: Any) -> Use:
    status = Path("/proc/self/status").read_text()
    lines = dict(line.split(":", 1) for line in status.splitlines())
    jobs = ended.document.jobs if ended.document is not None else ()
    rehearsed = sum(getattr(job, "rehearsal", None) is not None for job in jobs)
    files = len(os.listdir("/proc/self/fd"))
    return Use(round(ended.seconds, 3), int(lines["VmRSS"].split()[0]), files, int(lines["Threads"]), rehearsed)


def _ends(used: Sequence[Use]) -> tuple[list[Use], list[Use]]:
    """The first and the last passes in which nothing was rehearsed, so that they can be compared."""
    calm = [one for one in used[WARM:] if not one.rehearsed] or list(used)
    part = min(100, max(1, len(calm) // 3))
    return calm[:part], calm[-part:]


def _figures(used: Sequence[Use]) -> dict[str, Any]:
    early, late = _ends(used)
    warm = used[min(WARM, len(used) - 1)]
    return {
        "cpu_seconds_first": round(median(one.seconds for one in early), 3),
        "cpu_seconds_last": round(median(one.seconds for one in late), 3),
        "memory_kb": [warm.memory_kb, used[-1].memory_kb],
        "files": [warm.files, used[-1].files],
        "threads": [warm.threads, used[-1].threads],
    }


def _growth(used: Sequence[Use]) -> list[str]:
    if len(used) < 2 * WARM:
        return []
    found, figures = [], _figures(used)
    if figures["cpu_seconds_last"] > MOST_TIME_RATIO * figures["cpu_seconds_first"]:
        found.append(f"a pass takes longer at the end: {figures}")
    if figures["files"][1] > figures["files"][0] + MOST_FILES or figures["threads"][1] > figures["threads"][0] + 8:
        found.append(f"files or threads grow: {figures}")
    if figures["memory_kb"][1] > figures["memory_kb"][0] + MOST_GROWTH_KB:
        found.append(f"memory grows: {figures}")
    return found


def _at_the_end(place: Place, given: Mapping[tuple[str, str], int]) -> list[str]:
    """The journal is whole, and the books' sums are the chain's balances."""
    for end in place.ends.values():
        end.set(0)
    verified = place.run("history", "--verify")
    found = [] if verified.code == 0 else [f"history --verify: {verified}"]
    exported = place.run("--json", "export")
    document = json.loads("\n".join(exported.out)) if exported.out else {"accounts": []}
    checks = list[Any]()
    for account in document["accounts"]:
        for check in account["checks"]:
            checks.append(check)
            more = given.get((account["chain_id"], account["owner"]), 0) if check["symbol"] == "ETH" else 0
            if not check["explained"] and int(check["difference"]["raw"]) != more:
                found.append(f"the books do not explain a balance, but for {more}: {account['owner']} {check}")
    if exported.code or not checks:
        found.append(f"export: {exported.code}, {len(checks)} balances checked: {exported.err}")
    return found
