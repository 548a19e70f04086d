"""The allocator against HiGHS, SLSQP and the usual rules of thumb: gap and time on the same random problems in one run.

A gap is what a method's holdings earn less than the allocator's certified upper bound, in bps of wealth a year.
Holdings count only if every constraint allows them; where they are worse than staying put, staying put counts.
``--gaps`` measures the allocator alone on many problems, and that its answers survive rounding to base units.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench import baselines, highs
from tests.bench.problems import problem
from yieldbot.allocator.answer import Posed, pose
from yieldbot.allocator.document import read
from yieldbot.allocator.optimise import TOLERANCE_BPS, Optimum, optimise
from yieldbot.allocator.problem import Problem

BPS = 1e4
SIZES = {4: 100, 12: 100, 50: 30, 300: 10, 1000: 3}
"""Markets, and on how many problems the methods meet."""
GAP_SIZES = (4, 12, 50, 300)
ROUNDING = 1e-9
"""Of wealth a year: what sums of doubles may differ by, well below any gap shown."""
ALWAYS = 10**9
MOST_PLAIN = 50
"""Markets that the plain model is given: beyond, most problems end at HiGHS's time limit."""
RIVALS: tuple[tuple[str, Callable[[Problem], Sequence[float]], int], ...] = (
    ("SLSQP, 20 starts", baselines.slsqp, 50),
    ("grid of 5 %", baselines.grid, ALWAYS),
    ("highest quoted APY", baselines.quoted, ALWAYS),
    ("highest marginal APY", baselines.marginal, ALWAYS),
    ("equal marginal APY", baselines.equal, ALWAYS),
)
"""A name, a method, and the largest number of markets that it is asked for: SLSQP takes minutes beyond."""


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(prog="scripts/bench allocator", description=__doc__)
    flags.add_argument("--gaps", action="store_true", help="the allocator alone, on many problems")
    flags.add_argument("--sizes", type=int, nargs="+", help="numbers of markets")
    flags.add_argument("--problems", type=int, help="of each size; with --gaps 1000, else fewer of the larger sizes")
    flags.add_argument("--seed", type=int, default=0, help="of the first problem")
    flags.add_argument("--seconds", type=float, default=20.0, help="HiGHS's limit for one problem")
    return flags


def compare(
    gaps: bool = False,
    sizes: Sequence[int] | None = None,
    problems: int | None = None,
    seed: int = 0,
    seconds: float = 20.0,
) -> dict[str, Any]:
    """The measurement. Raises AssertionError at the end where a certificate or a rounding was wrong."""
    found: list[dict[str, Any]] = []
    wrong: list[str] = []
    if gaps:
        for n in sizes or GAP_SIZES:
            found.append(_gaps(n, range(seed, seed + (problems or 1000)), wrong))
    else:
        _say(HEADER)
        list(_meet(4, [seed], seconds, []))  # imports, byte code
        for n in sizes or SIZES:
            seeds = range(seed, seed + (problems or SIZES.get(n, 10)))
            found += _rows(n, list(_meet(n, seeds, seconds, wrong)))
    for line in wrong:
        _say(f"WRONG: {line}")
    assert not wrong, f"{len(wrong)} wrong, the first: {wrong[0]}"
    return {"mode": "gaps" if gaps else "methods", "tolerance_bps": TOLERANCE_BPS, "rows": found}


@dataclass(frozen=True, slots=True)
class Run:
    """One method on one problem, from the numbers of the problem to holdings.

    gap: bps of wealth a year below the bound; late: ended by its time limit; solver: milliseconds in HiGHS alone.
    """

    method: str
    milliseconds: float
    gap: float
    ours: float
    late: bool = False
    allowed: bool = True
    solver: float | None = None


def _posed(seed: int, n: int) -> Posed:
    return pose(read(problem(seed, n)))


def _meet(n: int, seeds: Sequence[int], seconds: float, wrong: list[str]) -> Iterator[Run]:
    """Every method on every problem, one after the other."""
    for seed in seeds:
        posed = _posed(seed, n).problem
        took, best = _timed(lambda p=posed: optimise(p))
        ours = took
        yield Run("yieldbot", took, _gap(posed, best, best.holdings, wrong, f"yieldbot, {n}/{seed}")[0], ours)
        yield _against_highs("HiGHS, tuned", posed, best, ours, seconds, wrong, f"{n}/{seed}")
        if n <= MOST_PLAIN:
            yield _against_highs("HiGHS, plain", posed, best, ours, seconds, wrong, f"{n}/{seed}")
        for name, method, most in RIVALS:
            if n <= most:
                took, x = _timed(lambda method=method, p=posed: method(p))
                gap, allowed = _gap(posed, best, x, wrong, f"{name}, {n}/{seed}")
                yield Run(name, took, gap, ours, allowed=allowed)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = work()
    return (time.perf_counter() - start) * 1000, found


def _gap(posed: Problem, best: Optimum, x: Sequence[float] | None, wrong: list[str], what: str) -> tuple[float, bool]:
    """The gap, and whether the holdings were allowed. To earn more than the bound would be a false certificate."""
    allowed = x is not None and posed.feasible(x)
    stay = posed.objective(posed.held())
    earned = max(posed.objective(x), stay) if allowed and x is not None else stay
    if earned > best.upper_bound + ROUNDING * posed.wealth:
        wrong.append(f"{what}: {earned} a year is above the bound {best.upper_bound}")
    return float(best.upper_bound - earned) / posed.wealth * BPS, allowed


def _against_highs(
    name: str, posed: Problem, best: Optimum, ours: float, seconds: float, wrong: list[str], which: str
) -> Run:
    """HiGHS to the gap that the allocator ends at. Its bound on its own model must hold for our holdings there."""
    what = f"{name}, {which}"
    start = time.perf_counter()
    model = highs.Model.of(posed, plain=name.endswith("plain"))
    rough = TOLERANCE_BPS / BPS * posed.wealth / max(abs(best.objective), 1e-6 * posed.wealth)
    solved = highs.solve(model, rough, seconds)
    whole = (time.perf_counter() - start) * 1000
    below = model.objective(best.holdings) - solved.bound
    if below > 1e-8 * posed.wealth:  # a ten-thousandth of a bp: HiGHS's own tolerances
        wrong.append(f"{what}: its bound {solved.bound} is {below} below our holdings")
    gap, allowed = _gap(posed, best, solved.holdings, wrong, what)
    return Run(name, whole, gap, ours, not solved.finished, allowed, solved.seconds * 1000)


HEADER = (
    f"{'markets':>7}  {'method':<21}{'problems':>8}  {'median ms':>10}{'p90 ms':>10}{'x ours':>9}"
    f"  {'median bps':>10}{'p99 bps':>10}{'max bps':>10}  above the bound"
)


def _rows(n: int, runs: Sequence[Run]) -> list[dict[str, Any]]:
    """One row a method, said on stderr too."""
    rows = []
    for method in dict.fromkeys(run.method for run in runs):
        mine = [run for run in runs if run.method == method]
        times, gaps = [run.milliseconds for run in mine], [run.gap for run in mine]
        row = {
            "markets": n,
            "method": method,
            "problems": len(mine),
            "median_ms": round(statistics.median(times), 3),
            "p90_ms": round(_rank(times, 0.9), 3),
            "times_ours": round(statistics.median(times) / statistics.median(run.ours for run in mine), 2),
            "median_gap_bps": round(statistics.median(gaps), 5),
            "p99_gap_bps": round(_rank(gaps, 0.99), 5),
            "max_gap_bps": round(max(gaps), 5),
            "above_bound": sum(gap < -ROUNDING * BPS for gap in gaps) / len(gaps),
            "solver_median_ms": None if mine[0].solver is None else _median(run.solver for run in mine),
            "ended_by_time": sum(run.late for run in mine),
            "not_allowed": sum(not run.allowed for run in mine),
        }
        rows.append(row)
        late = f"; {row['solver_median_ms']} ms of it in HiGHS" if row["solver_median_ms"] is not None else ""
        late += f"; {row['ended_by_time']} ended by the time limit" if row["ended_by_time"] else ""
        late += f"; {row['not_allowed']} not allowed" if row["not_allowed"] else ""
        _say(
            f"{n:>7}  {method:<21}{len(mine):>8}  {row['median_ms']:>10.1f}{row['p90_ms']:>10.1f}"
            f"{row['times_ours']:>9.1f}  {row['median_gap_bps']:>10.4f}{row['p99_gap_bps']:>10.4f}"
            f"{row['max_gap_bps']:>10.4f}  {row['above_bound']:.0%}{late}"
        )
    for name, _, most in RIVALS:
        if n > most:
            _say(f"{n:>7}  {name:<21}not run above {most} markets: it takes minutes")
    return rows


def _median(values: Iterator[float | None]) -> float:
    return round(statistics.median(value for value in values if value is not None), 1)


def _rank(values: Sequence[float], share: float) -> float:
    """The value that this share of all does not pass."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def _gaps(n: int, seeds: Sequence[int], wrong: list[str]) -> dict[str, Any]:
    """The allocator alone: its gaps, its time, and what rounding to base units costs."""
    gaps, times, lost = [], [], []
    for seed in seeds:
        posed = _posed(seed, n)
        took, best = _timed(lambda p=posed.problem: optimise(p))
        times.append(took)
        gaps.append(_gap(posed.problem, best, best.holdings, wrong, f"yieldbot, {n}/{seed}")[0])
        lost.append(_rounded(posed, best, wrong, f"rounding, {n}/{seed}"))
    row = {
        "markets": n,
        "problems": len(gaps),
        "share_within_0.1_bps": sum(gap <= 0.1 for gap in gaps) / len(gaps),
        "max_gap_bps": round(max(gaps), 5),
        "median_ms": round(statistics.median(times), 3),
        "p90_ms": round(_rank(times, 0.9), 3),
        "max_ms": round(max(times), 3),
        "rounding_max_bps": round(max(lost), 7),
    }
    _say(
        f"{n:>5} markets, {len(gaps)} problems: {row['share_within_0.1_bps']:.2%} within 0.1 bp, at most "
        f"{row['max_gap_bps']:.4f}; {row['median_ms']:.1f} ms median, {row['p90_ms']:.1f} p90, {row['max_ms']:.1f} most"
        f"; rounding costs {row['rounding_max_bps']:.1e} bp at most"
    )
    return row


def _rounded(posed: Posed, best: Optimum, wrong: list[str], what: str) -> float:
    """What rounding costs, in bps; wrong where it breaks a limit or falls back to what is held."""
    exact, one = posed.exact, posed.one
    raws, paid = exact.rounded(best.holdings, posed.ones, posed.problem.value)
    if not exact.feasible(raws, paid):
        wrong.append(f"{what}: not allowed in base units")
    moved = [abs(x * one - held) for x, held in zip(best.holdings, exact.held, strict=True)]
    if raws == exact.held and max(moved) > 1.0:
        wrong.append(f"{what}: fell back to what is held")
    earned = posed.problem.objective([raw / one for raw in raws])
    return (best.objective - earned) / posed.problem.wealth * BPS


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
