"""``backtest``: what the policy would have earned on recorded history, decided by the same code as live runs."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, field, fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from yieldbot import __version__
from yieldbot.app.backtest_documents import BacktestDocument, BacktestManifest, BacktestRow
from yieldbot.app.days import day
from yieldbot.app.expected import panel_of
from yieldbot.app.memory import folder_of
from yieldbot.backtest.alarms import beside
from yieldbot.backtest.costs import Costs
from yieldbot.backtest.costs_file import ethereum_costs, gas_prices
from yieldbot.backtest.levels import Levels, levels_of
from yieldbot.backtest.software import code
from yieldbot.backtest.study import Window, rows_of, starts, window_of
from yieldbot.backtest.trace import Foretold as Foretold
from yieldbot.backtest.trace import SimulatedMove as SimulatedMove
from yieldbot.backtest.trace import Trace as Trace
from yieldbot.backtest.trace import trace
from yieldbot.backtest.universe import ends, means, recorded, universes
from yieldbot.backtest.world import World
from yieldbot.config.policy_file import notes_of, policy_file
from yieldbot.errors import ConfigError
from yieldbot.forecast.boosting import missing
from yieldbot.forecast.entrants import with_extras
from yieldbot.forecast.rules import Rule
from yieldbot.forecast.tournament import COMBINED
from yieldbot.history.panel import Panel
from yieldbot.history.reading import Fault
from yieldbot.model.alarm_limits import COLLATERALS
from yieldbot.model.dataclass import dataclass
from yieldbot.model.market import RateForecast
from yieldbot.model.policy import Policy, alone
from yieldbot.model.spelling import did_you_mean

if TYPE_CHECKING:
    from yieldbot.app.context import Context

ETHEREUM = "eip155:1"
DEFAULT = "default"
CONSTANT_GAS = Costs(gas_price_wei=5e9, native_usd=3000.0)
"""Costs on Ethereum if no file of gas prices is given."""
MOST_FAULTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestRequest:
    """What to backtest."""

    history: Path | None = None
    """A folder of memory, or a file that `history import` accepts; None: the configured memory."""
    since: str = ""
    """The first day of the first window (YYYY-MM-DD); empty: as early as the history allows."""
    until: str = ""
    """The last day; empty: the last day of the history."""
    wealth: tuple[float, ...] = (10_000.0, 100_000.0, 1_000_000.0, 10_000_000.0)
    """Initial wealths, in dollars."""
    markets: tuple[str, ...] = ()
    """Parts of a market's id, or its symbol, protocol or chain; empty: all markets."""
    policy: Path | None = None
    """A file with a [policy] table, tested beside the shipped policy."""
    gas: Path | None = None
    """A file of daily gas prices on Ethereum."""
    window_days: int = 60
    """Length of a window."""
    every_days: int = 15
    """Days from one window's start to the next."""
    warm_days: int = 14
    """Days of history before the first window."""
    failures: float = 0.0
    """Fraction of plans that fail."""
    seed: int = 0
    """Seed of the failures and of the bootstrap."""
    processes: int = 0
    """Number of processes; 0: one for each core."""
    extras: bool = False
    """Whether LightGBM is among the forecasters."""
    waits: tuple[tuple[str, float], ...] = ()
    """(text as in ``markets``, days): markets that pay this many days after the request; the last matching entry
    applies."""


Progress = Callable[[int, int], None]
"""(windows done, windows in all)."""


@dataclass(slots=True)
class Work:
    """The data that every process has, so that tasks stay small."""

    panel: Panel
    """All recorded markets."""
    levels: Mapping[str, Levels]
    """Forecasts, by policy."""
    costs: Mapping[str, Sequence[Costs]]
    """Costs, by chain."""
    columns: Mapping[str, Sequence[int]]
    """Columns of the panel, by universe."""
    policies: Mapping[str, Policy]
    """Policies by name; ``DEFAULT`` is the shipped one."""
    window: int
    """Length of a window, in rows."""
    failures: float
    """Fraction of plans that are made to fail."""
    seed: int
    """Seed of the failures."""
    waits: Sequence[int]
    """For each market the seconds from a request to leave until its money arrives."""
    worlds: dict[str, World] = field(default_factory=dict)
    """Worlds by universe; made when first needed."""

    def run(self, task: tuple[str, float, int]) -> list[Window]:
        """One window of a universe at one wealth, for each policy."""
        name, wealth, first = task
        return window_of(
            self._world(name), self._expected(name), name, wealth, self.policies, first, self.window,
            failures=self.failures, seed=self.seed,
        )  # fmt: skip

    def trace(self, task: tuple[str, float, int, int]) -> Trace:
        """A universe at one wealth, from one row to another, day by day."""
        name, wealth, first, last = task
        return trace(
            self._world(name), self._expected(name), name, wealth, self.policies, first, last,
            shown=DEFAULT, days=self.levels[DEFAULT].days, failures=self.failures, seed=self.seed,
        )  # fmt: skip

    def _world(self, name: str) -> World:
        if name not in self.worlds:
            panel = self.panel.of(self.columns[name])
            waits = [self.waits[column] for column in self.columns[name]]
            others = beside(self.panel, self.columns[name], frozenset(COLLATERALS))
            self.worlds[name] = World(panel, self.costs[panel.keys[0].chain], waits, others)
        return self.worlds[name]

    def _expected(self, name: str) -> dict[str, Callable[[int], list[RateForecast | None]]]:
        """Forecast functions, by policy."""
        return {policy: partial(levels.of, self.columns[name]) for policy, levels in self.levels.items()}


Task = TypeVar("Task")
Made = TypeVar("Made")
_work: Work | None = None


def _begin(work: Work) -> None:
    global _work
    _work = work


def _run(task: tuple[str, float, int]) -> list[Window]:
    assert _work is not None
    return _work.run(task)


def _trace(task: tuple[str, float, int, int]) -> Trace:
    assert _work is not None
    return _work.trace(task)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The markets, costs and windows of a request."""

    panel: Panel
    """All recorded markets."""
    columns: Mapping[str, Sequence[int]]
    """Columns of the panel, by universe."""
    costs: Mapping[str, Sequence[Costs]]
    """Costs by chain, for each time."""
    first: int
    """Row of the first day of the first window."""
    last: int
    """Row of the last day of the last window."""
    window: int
    """Length of a window, in rows."""
    firsts: Mapping[str, Sequence[int]]
    """First row of each window, by universe."""
    notes: tuple[str, ...]
    """Notes for the reader, a line each."""

    def span(self, name: str) -> tuple[int, int]:
        """The rows from the first window of a universe to the end of its records or of the request."""
        return self.firsts[name][0], min(self.last, ends(self.panel, self.columns[name]))


def scene(request: BacktestRequest, context: Context) -> Scene:
    """Prepares the request's data. Raises ConfigError if there is nothing to run, or a flag or a file is wrong."""
    faults: list[Fault] = []
    panel = panel_of(folder_of(context, request.history), True, faults)
    columns = universes(panel, request.markets)
    if not columns:
        raise ConfigError(
            "no two markets of one chain whose coins are dollars are in this history"
            + (f" and mean {', '.join(request.markets)}" if request.markets else "")
            + ": `yieldbot history show` lists what there is"
        )
    notes = [f"{one.where}: {one.what}" for one in faults[:MOST_FAULTS]]
    notes += notes_of(request.policy) if request.policy is not None else []
    if request.extras and (why := missing()):
        notes.append(why)
    costs = _costs(request, panel, columns, notes)
    first, last = _range(request, panel)
    per_day = 86_400 / panel.step_seconds
    window, every = max(1, round(request.window_days * per_day)), max(1, round(request.every_days * per_day))
    grid = [first + at for at in starts(last - first + 1, window, every, 0)]
    warm = round(request.warm_days * per_day)
    firsts = {name: recorded(panel, some, grid, window, warm) for name, some in columns.items()}
    notes += _unrecorded(request, firsts, len(grid), panel)
    columns = {name: some for name, some in columns.items() if firsts[name]}
    if not columns:
        raise ConfigError(
            f"{(last - first) / per_day:z.0f} days of history after the first {request.warm_days} hold no window of "
            f"{request.window_days}: write a shorter --window"
        )
    return Scene(
        panel=panel, columns=columns, costs=costs, first=first, last=last, window=window,
        firsts={name: firsts[name] for name in columns},
        notes=tuple(notes),
    )  # fmt: skip


def backtest(
    request: BacktestRequest, context: Context, progress: Progress, traces: list[Trace] | None = None
) -> BacktestDocument:
    """Runs every window. traces: if given, is filled with each universe and wealth over the whole range, day by day,
    for a report. Raises ConfigError if there is nothing to run, or a flag or a file is wrong."""
    policies = {DEFAULT: alone()}
    if request.policy is not None:
        policies[request.policy.name] = policy_file(request.policy)
    seen = scene(request, context)
    waits = _waits(request.waits, seen.panel)
    entrants = with_extras(request.extras)
    levels = levels_of(seen.panel, policies, entrants)
    work = Work(
        panel=seen.panel, levels=levels, costs=seen.costs, columns=seen.columns,
        policies=policies, window=seen.window, failures=request.failures, seed=request.seed,
        waits=waits,
    )  # fmt: skip
    tasks = [(name, wealth, at) for name in seen.columns for wealth in request.wealth for at in seen.firsts[name]]
    windows: list[Window] = []
    pairs = [] if traces is None else [(name, wealth) for name in seen.columns for wealth in request.wealth]
    whole = [(name, wealth, *seen.span(name)) for name, wealth in pairs]
    for done, some in enumerate(_each(work, work.run, _run, tasks, request.processes), 1):
        windows += some
        progress(done, len(tasks) + len(whole))
    for done, one in enumerate(_each(work, work.trace, _trace, whole, request.processes), 1):
        if traces is not None:
            traces.append(one)
        progress(len(tasks) + done, len(tasks) + len(whole))
    rows = rows_of(windows, block=max(1, -(-request.window_days // request.every_days)), seed=request.seed)
    return BacktestDocument(
        results=tuple(BacktestRow(**asdict(row)) for row in rows),
        manifest=manifest(request, seen, command(request), policies, forecasters(policies, entrants)),
        notes=seen.notes,
    )  # fmt: skip


def manifest(
    request: BacktestRequest, seen: Scene, made_by: str, policies: Mapping[str, Policy], forecasters: Sequence[str]
) -> BacktestManifest:
    """The manifest: everything that the figures were made from."""
    return BacktestManifest(
        command=made_by, version=__version__, code=code(), data=_data(seen.panel),
        gas=hashlib.sha256(request.gas.read_bytes()).hexdigest() if request.gas else "",
        policies={name: changed(policy) for name, policy in policies.items()},
        forecasters=tuple(forecasters), seed=request.seed, failures=request.failures,
        first=int(seen.panel.times[seen.first]), last=int(seen.panel.times[seen.last]),
        window_days=request.window_days, every_days=request.every_days, warm_days=request.warm_days,
    )  # fmt: skip


def _each(
    work: Work, here: Callable[[Task], Made], there: Callable[[Task], Made], tasks: Sequence[Task], processes: int
) -> Iterator[Made]:
    """The tasks' results in order, computed in this process (``here``) or in others (``there``)."""
    count = min(processes or os.cpu_count() or 1, len(tasks))
    if count <= 1:
        for task in tasks:
            yield here(task)
        return
    with ProcessPoolExecutor(count, initializer=_begin, initargs=(work,)) as pool:
        yield from pool.map(there, tasks)


def forecasters(policies: Mapping[str, Policy], entrants: Sequence[Rule]) -> tuple[str, ...]:
    """Names of the forecasters that the policies use; for the combined forecast, all that take part."""
    named = dict.fromkeys(policy.forecaster for policy in policies.values())
    return (*named, *((one.name for one in entrants) if COMBINED in named else ()))


def _costs(
    request: BacktestRequest, panel: Panel, columns: Mapping[str, Sequence[int]], notes: list[str]
) -> dict[str, Sequence[Costs]]:
    found: dict[str, Sequence[Costs]] = {}
    for chain in sorted({panel.keys[some[0]].chain for some in columns.values()}):
        if chain != ETHEREUM:
            found[chain] = [Costs.of_rollup()] * len(panel.times)
        elif request.gas is not None:
            found[chain] = ethereum_costs(gas_prices(request.gas), panel.times.tolist())
        else:
            found[chain] = [CONSTANT_GAS] * len(panel.times)
            gwei = CONSTANT_GAS.gas_price_wei / 1e9
            notes.append(f"gas on Ethereum is taken as {gwei:g} gwei throughout: --gas FILE names daily prices")
    return found


def _unrecorded(
    request: BacktestRequest, firsts: Mapping[str, Sequence[int]], windows: int, panel: Panel
) -> Iterator[str]:
    """A line for each universe whose markets are not recorded in all of the windows."""
    for name, some in firsts.items():
        if not some:
            yield f"{name} is left out: no window of {request.window_days} days lies in what is recorded of its markets"
        elif len(some) < windows:
            begins, ends = (datetime.fromtimestamp(int(panel.times[at]), UTC).date() for at in (some[0], some[-1]))
            yield f"{name}: recorded in {len(some)} of {windows} windows, those that begin {begins} to {ends}"


def _waits(wanted: Sequence[tuple[str, float]], panel: Panel) -> list[int]:
    """Seconds by market. Raises ConfigError for a text that matches no market."""
    found = [0] * len(panel.keys)
    for name, days in wanted:
        columns = [column for column, key in enumerate(panel.keys) if means(key, name)]
        if not columns:
            hint = did_you_mean(name, {called for key in panel.keys for called in (key.market, key.protocol)})
            raise ConfigError(f"--wait {name}: no market matches: {hint} (`yieldbot history show` lists them)")
        for column in columns:
            found[column] = round(days * 86_400)
    return found


def _range(request: BacktestRequest, panel: Panel) -> tuple[int, int]:
    """First and last row of all windows."""
    times = panel.times.tolist()
    warm = round(request.warm_days * 86_400 / panel.step_seconds)
    since, until = day(request.since, "--from"), day(request.until, "--to")
    first = max(warm, next((at for at, time in enumerate(times) if since is None or time >= since), len(times)))
    last = max((at for at, time in enumerate(times) if until is None or time < until + 86_400), default=-1)
    if first >= len(times) or last <= first:
        begins, ends = (datetime.fromtimestamp(times[at], UTC).date() for at in (0, -1))
        raise ConfigError(
            f"the history is from {begins} to {ends}, of which {request.warm_days} days warm up forecasts"
        )
    return first, last


def changed(policy: Policy) -> dict[str, object]:
    """Keys of a policy whose values differ from the defaults."""
    usual = alone()
    own = {one.name: getattr(policy, one.name) for one in fields(policy)}
    found = {name: value for name, value in own.items() if value != getattr(usual, name)}
    if "alarms" in found:
        limits, shipped = policy.alarms, usual.alarms
        found["alarms"] = {
            one.name: getattr(limits, one.name)
            for one in fields(limits)
            if getattr(limits, one.name) != getattr(shipped, one.name)
        }
    return found


def _data(panel: Panel) -> str:
    found = hashlib.sha256(json.dumps([asdict(key) for key in panel.keys]).encode())
    for one in fields(panel):
        value = getattr(panel, one.name)
        if hasattr(value, "tobytes"):
            found.update(value.tobytes())
    return found.hexdigest()


def command(request: BacktestRequest) -> str:
    """The command that reproduces the figures."""
    words = ["yieldbot", "backtest"]
    flags = {
        "--history": request.history, "--from": request.since, "--to": request.until, "--policy": request.policy,
        "--gas": request.gas, "--window": request.window_days, "--every": request.every_days,
        "--seed": request.seed, "--failures": request.failures,
        "--wealth": ",".join(f"{one:.15g}" for one in request.wealth), "--markets": " ".join(request.markets),
    }  # fmt: skip
    for flag, value in flags.items():
        if value not in (None, "", 0, 0.0):
            words += [flag, *(request.markets if flag == "--markets" else (str(value),))]
    for name, days in request.waits:
        words += ["--wait", f"{name}={days:g}"]
    return shlex.join(words + (["--extras"] if request.extras else []))
