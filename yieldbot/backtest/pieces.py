"""The pieces of a sweep: what one worker computes at a time, a pure function of its inputs.

A piece is a window of a universe at one wealth: either the simple rules and foresight, or one variant. Its key is the
hash of everything that it is computed from, so a finished piece can be reused for ever and by any sweep.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from functools import partial
from typing import Any

from yieldbot.backtest.alarms import beside
from yieldbot.backtest.costs import Costs
from yieldbot.backtest.levels import Levels
from yieldbot.backtest.study import Benchmarks, Window, bounds_of, judged
from yieldbot.backtest.world import World
from yieldbot.history.panel import Panel
from yieldbot.model.alarm_limits import COLLATERALS
from yieldbot.model.dataclass import dataclass
from yieldbot.model.policy import Policy

FORMAT = 2
"""Version of a finished piece's format; a piece of another version is computed again."""

Result = dict[str, Any]
"""A finished piece, as JSON holds it: the fields of ``Benchmarks`` or of ``Window``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A policy with a forecaster that a sweep tries."""

    name: str
    """What it changes, as ``move_horizon_days=14``; a variant without a change has the name of its policy."""
    policy: Policy
    """The policy that it decides by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One piece of a sweep."""

    universe: str
    """Name of the markets."""
    wealth: float
    """Dollars at the start."""
    first: int
    """Row of the panel at which the window begins."""
    variant: int | None
    """Index of the variant; None: the simple rules and foresight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInputs:
    """The data that all pieces of a sweep share; each worker gets it once, so that tasks stay small."""

    panel: Panel
    """All markets."""
    costs: Mapping[str, Sequence[Costs]]
    """Costs by chain, for each row of the panel."""
    columns: Mapping[str, Sequence[int]]
    """Columns of the panel by universe."""
    variants: Sequence[Variant]
    """All variants of the sweep."""
    levels: Mapping[str, Levels]
    """Forecasts by variant."""
    window: int
    """Rows of a window."""
    failures: float
    """Fraction of plans that are made to fail."""
    seed: int
    """Seed of the random failures."""
    software: str
    """Hash of the deciding code, and versions of libraries; a worker with other software is refused."""

    @property
    def digest(self) -> str:
        """Identifies one sweep's inputs within a process."""
        keys, last = Keys(self), len(self.panel.times) - 1
        return _hash([self.software, {name: keys.world(name, last) for name in self.columns}])

    def world(self, universe: str) -> World:
        """A new world of a universe."""
        panel = self.panel.of(self.columns[universe])
        others = beside(self.panel, self.columns[universe], frozenset(COLLATERALS))
        return World(panel, self.costs[panel.keys[0].chain], beside=others)

    def compute(self, task: Task, world: World) -> Result:
        """Compute one piece. world: the world of its universe."""
        if task.variant is None:
            return asdict(bounds_of(world, task.wealth, task.first, self.window))
        variant, columns = self.variants[task.variant], self.columns[task.universe]
        expected = partial(self.levels[variant.name].of, columns)
        made = judged(
            world, expected, task.universe, task.wealth, "", variant.policy, task.first, self.window,
            Benchmarks(rules={"static": 0.0}, foresight=0.0, bound=0.0), failures=self.failures, seed=self.seed,
        )  # fmt: skip
        return asdict(made)

    def window_of(self, task: Task, result: Result, bounds: Result) -> Window:
        """A variant's window combined with the results of its rules and foresight."""
        assert task.variant is not None
        return replace(
            Window(**result), policy=self.variants[task.variant].name, static_apy=bounds["rules"]["static"],
            foresight_apy=bounds["foresight"], bound_apy=bounds["bound"], rules=bounds["rules"],
        )  # fmt: skip


class Keys:
    """The hash of each piece's inputs. Data that cannot affect a piece, such as later days, is not hashed."""

    def __init__(self, inputs: WorkerInputs) -> None:
        self._inputs = inputs
        self._worlds: dict[tuple[str, int], str] = {}

    def of(self, task: Task) -> str:
        """Hexadecimal SHA-256."""
        inputs, last = self._inputs, task.first + self._inputs.window
        if (task.universe, last) not in self._worlds:
            self._worlds[task.universe, last] = self.world(task.universe, last)
        parts = [FORMAT, inputs.software, self._worlds[task.universe, last], task.wealth, task.first, inputs.window]
        if task.variant is not None:
            variant = inputs.variants[task.variant]
            parts += [repr(variant.policy), self._said(variant.name, task), inputs.failures, inputs.seed]
        return _hash(parts)

    def world(self, universe: str, last: int) -> str:
        """The hash of a universe up to row ``last``: its markets, their readings, and the cost of moves."""
        columns, panel = self._inputs.columns[universe], self._inputs.panel
        costs = self._inputs.costs[panel.keys[columns[0]].chain][: last + 1]
        others = beside(panel, columns, frozenset(COLLATERALS))
        also = "" if others is None else _panel_hash(others, range(len(others.keys)), last + 1)
        return _hash([_panel_hash(panel, columns, last + 1), also, [repr(one) for one in costs]])

    def _said(self, name: str, task: Task) -> str:
        levels, columns = self._inputs.levels[name], list(self._inputs.columns[task.universe])
        found = hashlib.sha256(repr(levels.days).encode())
        for grid in (levels.mean, levels.low, levels.high):
            found.update(grid[task.first : task.first + self._inputs.window, columns].tobytes())
        return found.hexdigest()


def _panel_hash(panel: Panel, columns: Sequence[int], rows: int) -> str:
    found = hashlib.sha256(json.dumps([asdict(panel.keys[at]) for at in columns]).encode())
    for one in fields(panel):
        value = getattr(panel, one.name)
        if hasattr(value, "tobytes"):
            part = value[:rows] if value.ndim == 1 else value[:rows, list(columns)]
            found.update(repr(part.tolist()).encode() if part.dtype == object else part.tobytes())
    return found.hexdigest()


def _hash(parts: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


_lock = threading.Lock()
_worlds: dict[tuple[str, str], World] = {}


def compute(inputs: WorkerInputs, digest: str, task: Task) -> Result:
    """Compute one piece in a worker, which keeps a sweep's worlds from one piece to the next. Only one at a time in
    each process: a world's clock belongs to one decision."""
    with _lock:
        if any(known != digest for known, _ in _worlds):
            _worlds.clear()
        if (digest, task.universe) not in _worlds:
            _worlds[digest, task.universe] = inputs.world(task.universe)
        return inputs.compute(task, _worlds[digest, task.universe])
