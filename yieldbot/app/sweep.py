"""``backtest sweep``: many policies and forecasters on the same history, and how much of the best one's gain is real.

Every finished piece is stored in a folder under the hash of its inputs. So a sweep that was stopped in any way
continues where it was, and the answer does not depend on who computed what.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from yieldbot.app.backtest import DEFAULT, BacktestRequest, Scene, changed, command, forecasters, manifest, scene
from yieldbot.app.backtest_documents import BacktestRow
from yieldbot.app.sweep_documents import SweepChoice, SweepDeflated, SweepDocument, SweepVariant, SweepWalkForward
from yieldbot.app.sweep_grid import read_grid, variants
from yieldbot.backtest.crews import Crew, cluster, processes
from yieldbot.backtest.deflation import deflated
from yieldbot.backtest.levels import levels_of
from yieldbot.backtest.pieces import Keys, Result, Task, Variant, WorkerInputs
from yieldbot.backtest.results import Results
from yieldbot.backtest.software import software
from yieldbot.backtest.study import DAY, LOST_PP, Window, gain_of, rows_of
from yieldbot.backtest.walk_forward import by_date, chosen, walk_forward
from yieldbot.errors import ConfigError
from yieldbot.forecast.entrants import with_extras
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    from yieldbot.app.context import Context

FOLDER = "sweeps"
"""Folder of finished pieces, below the data directory."""
STATIC = "static"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRequest:
    """What to sweep."""

    base: BacktestRequest
    """History, windows, wealths and costs; the grid varies its policy."""
    grid: tuple[str, ...]
    """``KEY=VALUE,VALUE``, or files with a [grid] table."""
    learn_days: int = 0
    """How far back a choice of walk-forward looks, in days; 0: as far as there is data."""
    results: Path | None = None
    """Folder of finished pieces; None: ``FOLDER`` below the data directory."""
    scheduler: str = ""
    """Address of a Dask scheduler; empty: processes of this machine."""


@dataclass(slots=True)
class SweepProgress:
    """How many pieces of a sweep are finished, updated while it runs: shown after Ctrl-C."""

    done: int = 0
    """Finished pieces, including those of earlier runs."""
    total: int = 0
    """Number of all pieces; 0 before it is known."""
    folder: Path = field(default_factory=Path)
    """The folder in which finished pieces are stored."""
    command: str = ""
    """The command that continues an interrupted sweep."""


Progress = Callable[[int, int], None]
"""(pieces done, pieces in all); the first call reports what earlier runs have done."""


def sweep(request: SweepRequest, context: Context, progress: Progress, standing: SweepProgress) -> SweepDocument:
    """Runs every variant in every window. Raises ConfigError if there is nothing to run, or a flag or a file is wrong,
    and YieldbotError if workers die again and again; what is finished by then is kept, as after KeyboardInterrupt."""
    grid = read_grid(request.grid)
    if not grid:
        raise ConfigError("name what to vary: --grid policy.move_horizon_days=3,7,14, as often as you like, or a file")
    base = request.base
    seen = scene(base, context)
    entrants = with_extras(base.extras)
    unchanged = DEFAULT if base.policy is None else base.policy.name
    tried, same = variants(grid, base.policy, unchanged)
    policies = {one.name: one.policy for one in tried}
    made = [Variant(name=name, policy=policy) for name, policy in policies.items()]
    inputs = WorkerInputs(
        panel=seen.panel, costs=seen.costs, columns=seen.columns, variants=made,
        levels=levels_of(seen.panel, policies, entrants),
        window=seen.window, failures=base.failures, seed=base.seed, software=software(),
    )  # fmt: skip
    standing.folder = request.results or context.data_dir / FOLDER
    standing.command = _command(request, where=True)
    crew = cluster(request.scheduler, context.say) if request.scheduler else processes(base.processes)
    windows = _windows(inputs, seen, base.wealth, crew, Results(standing.folder), progress, standing)
    block = max(1, -(-base.window_days // base.every_days))
    rows = rows_of((one for some in windows.values() for one in some), block=block, seed=base.seed)
    names = [one.name for one in made]
    forward = [_forward(windows, wealth, names, request.learn_days, base.seed) for wealth in base.wealth]
    best = [_deflated(windows, wealth, names, base.seed) for wealth in base.wealth]
    notes = [*seen.notes, *same]
    if not any(best):
        notes.append("fewer than three windows that share no day: how much of the best is luck cannot be said")
    return SweepDocument(
        tried=len(tried),
        variants=tuple(
            SweepVariant(name=one.name, policy=changed(one.policy), forecaster=one.policy.forecaster) for one in tried
        ),
        results=tuple(BacktestRow(**asdict(row)) for row in rows),
        walk_forward=tuple(one for one in forward if one is not None),
        deflated=tuple(one for some in best for one in some),
        manifest=manifest(base, seen, _command(request), {unchanged: tried[0].policy}, forecasters(policies, entrants)),
        notes=tuple(notes),
    )


def _windows(
    inputs: WorkerInputs, seen: Scene, wealths: Sequence[float], crew: Crew, results: Results, progress: Progress,
    standing: SweepProgress,
) -> dict[tuple[float, str], list[Window]]:  # fmt: skip
    """Every window, by wealth and variant: finished ones are read, the others computed and stored."""
    places = [(name, wealth, first) for name in seen.columns for wealth in wealths for first in seen.firsts[name]]
    tasks = [
        Task(universe=name, wealth=wealth, first=first, variant=variant)
        for name, wealth, first in places
        for variant in (None, *range(len(inputs.variants)))
    ]
    keys = Keys(inputs)
    key_of = {task: keys.of(task) for task in tasks}
    found: dict[str, Result] = {}
    for key in key_of.values():
        if key not in found and (result := results.get(key)) is not None:
            found[key] = result
    missing = list({key: task for task, key in reversed(key_of.items()) if key not in found}.values())[::-1]
    standing.done, standing.total = len(found), len(found) + len(missing)
    progress(standing.done, standing.total)
    for task, result in crew(inputs, missing):
        results.put(key_of[task], result)
        found[key_of[task]] = result
        standing.done += 1
        progress(standing.done, standing.total)
    made: dict[tuple[float, str], list[Window]] = {}
    for task in tasks:
        if task.variant is not None:
            bounds = found[key_of[Task(universe=task.universe, wealth=task.wealth, first=task.first, variant=None)]]
            window = inputs.window_of(task, found[key_of[task]], bounds)
            made.setdefault((task.wealth, window.policy), []).append(window)
    return made


def _forward(
    windows: Mapping[tuple[float, str], Sequence[Window]], wealth: float, names: Sequence[str], learn: int, seed: int
) -> SweepWalkForward | None:
    mine = {name: windows[wealth, name] for name in names}
    choices = walk_forward(mine, learn)
    if not choices:
        return None
    dates = {one.date for one in choices}
    judged = {
        name: [one for date, same in by_date(some).items() if date in dates for one in same]
        for name, some in mine.items()
    }
    own, usual = chosen(mine, choices), judged[names[0]]
    gains, before = _by_date(own), _by_date(usual)
    more = [gain - other for gain, other in zip(gains, before, strict=True)]
    did = {name: fmean(gain_of(one) for one in some) for name, some in judged.items()}
    hindsight = max(did, key=lambda name: did[name])
    low, high = _interval(own, gains, seed)
    more_low, more_high = _interval(own, more, seed)
    return SweepWalkForward(
        wealth=wealth, windows=len(own), gain_pp=fmean(gains), gain_pp_low=low, gain_pp_high=high,
        unchanged_gain_pp=fmean(before), over_unchanged_pp=fmean(more), over_unchanged_pp_low=more_low,
        over_unchanged_pp_high=more_high, hindsight=hindsight, hindsight_gain_pp=did[hindsight],
        windows_lost_over_10bp=sum(gain_of(one) < -LOST_PP for one in own),
        choices=tuple(SweepChoice(date=one.date, variant=one.variant, past=one.past) for one in choices),
    )  # fmt: skip


def _by_date(windows: Sequence[Window]) -> list[float]:
    """Mean gain over all universes, for each date."""
    return [fmean(gain_of(one) for one in some) for some in by_date(windows).values()]


def _interval(windows: Sequence[Window], gains: Sequence[float], seed: int) -> tuple[float | None, float | None]:
    """The interval of one choice's mean gain, with no correction for having picked the best of many."""
    found = deflated([gains], list(by_date(windows)), max(one.days for one in windows) * DAY, seed)
    return (None, None) if found is None else (found.low_pp, found.high_pp)


def _deflated(
    windows: Mapping[tuple[float, str], Sequence[Window]], wealth: float, names: Sequence[str], seed: int
) -> list[SweepDeflated]:
    """The best of all variants compared with static, and the best of the others compared with the first."""
    dates = list(by_date(windows[wealth, names[0]]))
    gains = [_by_date(windows[wealth, name]) for name in names]
    more = [[gain - usual for gain, usual in zip(some, gains[0], strict=True)] for some in gains[1:]]
    length = max(one.days for one in windows[wealth, names[0]]) * DAY
    found = []
    for benchmark, some, called in ((STATIC, gains, names), (names[0], more, names[1:])):
        if (one := deflated(some, dates, length, seed)) is not None:
            found.append(
                SweepDeflated(
                    wealth=wealth,
                    over=benchmark,
                    tried=len(some),
                    best=called[one.best],
                    gain_pp=one.gain_pp,
                    luck_pp=one.luck_pp,
                    deflated_gain_pp=one.deflated_pp,
                    deflated_gain_pp_low=one.low_pp,
                    deflated_gain_pp_high=one.high_pp,
                    p_value=one.p_value,
                )
            )
    return found


def _command(request: SweepRequest, where: bool = False) -> str:
    """The command that reproduces the figures; with ``where``, using the same workers and folder."""
    own: list[object] = [word for one in request.grid for word in ("--grid", one)]
    own += ["--learn", request.learn_days] if request.learn_days else []
    if where:
        own += ["--results", request.results] if request.results else []
        own += ["--scheduler", request.scheduler] if request.scheduler else []
        own += ["--processes", request.base.processes] if request.base.processes else []
    usual = command(request.base).removeprefix("yieldbot backtest")
    return "yieldbot backtest sweep " + shlex.join(map(str, own)) + usual
