"""The tournament: forecasters are scored once a horizon is over, and the combined forecast weighs each by its skill.

Weights are a softmax of skill over discounted losses, for each class of markets and horizon (Hedge: Freund and Schapire
1997). Skill is 1 - own loss / persistence's loss on the same forecasts. A loss is the absolute error (twice the pinball
loss at the median), divided by the square root of the market's level, so that a market at 100 % does not dominate. The
prior of a built-in's skill is its skill on recorded history (``parameters``); that of a third party is 0. Persistence
takes part with a skill of 0; a forecaster with less has no weight. A copy of an earlier entrant adds nothing and has no
weight. The interval is made from the combined forecast's own errors (``conformal``), not from the entrants' intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from yieldbot.forecast.bias import bias, widened
from yieldbot.forecast.cold_start import with_similar
from yieldbot.forecast.conformal import intervals
from yieldbot.forecast.model import HORIZONS, Forecasts, Walk, steps_of
from yieldbot.forecast.parameters import SKILLS
from yieldbot.forecast.regression import Frozen, Regression, within
from yieldbot.forecast.rules import PERSISTENCE, Persistence, Rule, rules
from yieldbot.forecast.series import Series
from yieldbot.forecast.trees import Trees
from yieldbot.history.panel import Panel
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Cube = NDArray[np.float64]

HALF_LIFE_DAYS = 60
"""Days in which the weight of a loss halves."""
PRIOR_DAYS, PRIOR_HORIZONS = 90, 10
"""Weight of the prior skill: as many days of losses, plus as many horizons."""
TEMPERATURE = 0.01
"""Temperature of the softmax: weights are exp(skill / temperature) - 1, and 1 for persistence, so that a skill near
0 has hardly any weight."""
SAME = 0.05
"""An entrant is a copy if it differs from another by less than this fraction of that one's distance from
persistence."""
LEVEL_FLOOR = 1e-3
COMBINED = "combined"
"""Name of the combined forecast."""
COPY = -1.0
"""In place of the skill of a copy, inside of ``weights``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One forecaster's weight at one row, for a class of markets and a horizon."""

    name: str
    """The forecaster's name."""
    market_class: str
    """``dollar`` or ``other``."""
    horizon: int
    """Horizon of the forecast, in days."""
    weight: float
    """Its weight in the combined forecast, 0 to 1."""
    skill: float
    """1 - loss / persistence's loss, discounted and shrunk towards the prior; the weight is made from it."""
    days: float
    """Number of scored days, discounted."""
    copy_of: str
    """Name of the entrant that it copies; empty: none."""


def builtin() -> tuple[Rule, ...]:
    """The built-in forecasters, persistence first, without those of extras (``entrants.with_extras``)."""
    return (*rules(), Frozen(), Regression(), Trees())


class Tournament:
    """The combined forecast of a panel: computed once for all rows, each from itself and earlier rows only."""

    def __init__(
        self, panel: Panel, entrants: Sequence[Rule] | None = None, others: Mapping[str, Cube] | None = None
    ) -> None:
        """entrants: built-in forecasters, persistence first; None: all. others: means of third parties by name,
        (times, markets, horizons), NaN: no forecast; each row made without the future (``third_party``)."""
        import numpy as np

        self.series = Series(panel)
        ours = builtin() if entrants is None else entrants
        self.names = (*(one.name for one in ours), *(others or {}))
        if self.names[:1] != (PERSISTENCE,) or len(set(self.names)) != len(self.names):
            raise ValueError("persistence is the first entrant, and each name is taken once")
        self.means = np.stack(
            [*(one.means(self.series) for one in ours), *(within(self.series, one) for one in (others or {}).values())]
        )
        self._made_by_class: dict[str, tuple[Cube, Cube, Cube, Cube]] = {}

    @cached_property
    def walk(self) -> Walk:
        """The combined forecast at every row."""
        mean, low, high = self._combined
        low, high = widened(mean, low, high, self.bias)
        return with_similar(self.series, self._walk(mean, low, high))

    @cached_property
    def bias(self) -> NDArray[np.int8]:
        """Bias (times, markets, horizons): 1 if the last forecasts were too low, -1 if too high; see ``bias``."""
        _, low, high = self._combined
        return bias(self.series.panel, low, high, self.series.futures)

    @cached_property
    def _combined(self) -> tuple[Cube, Cube, Cube]:
        """Mean, low and high, before the corrections for bias and for young markets."""
        import numpy as np

        mean = np.full(self.means.shape[1:], np.nan)
        for market_class in sorted(set(self.series.classes)):
            columns = self._columns(market_class)
            weights = self._standings(market_class)[0]
            said = self.means[:, :, columns]
            total, mixed = np.zeros(said.shape[1:]), np.zeros(said.shape[1:])
            for one, weight in zip(said, weights, strict=True):
                share = np.where(np.isfinite(one), weight[:, None, :], 0.0)
                total += share
                mixed += share * np.nan_to_num(one)
            mean[:, columns] = np.where(total > 0.0, mixed / np.where(total > 0.0, total, 1.0), said[0])
        for place, horizon in enumerate(HORIZONS):  # shorter than a step of the panel: no realised rates
            if not steps_of(self.series.panel, horizon):
                mean[:, :, place] = np.nan
        return (mean, *intervals(self.series, mean))

    def of(self, name: str) -> Walk:
        """One entrant's forecasts, with an interval from its own errors."""
        mean = self.means[self.names.index(name)]
        return self._walk(mean, *intervals(self.series, mean))

    def at(self, row: int) -> Forecasts:
        """The combined forecast at one row."""
        return self.walk.at(row)

    def standings(self, row: int) -> tuple[Standing, ...]:
        """The weights at one row with their reasons, by class and horizon, in the order of the entrants."""
        found = []
        for market_class in sorted(set(self.series.classes)):
            weights, skills, days, copies = self._standings(market_class)
            for place, horizon in enumerate(HORIZONS):
                for k, name in enumerate(self.names):
                    original = int(copies[k, row, place])
                    found.append(
                        Standing(
                            name=name,
                            market_class=market_class,
                            horizon=horizon,
                            weight=float(weights[k, row, place]),
                            skill=float(skills[k, row, place]),
                            days=float(days[k, row, place]),
                            copy_of=self.names[original] if original >= 0 else "",
                        )
                    )
        return tuple(found)

    def _walk(self, mean: Cube, low: Cube, high: Cube) -> Walk:
        return Walk(keys=self.series.panel.keys, times=self.series.panel.times, mean=mean, low=low, high=high)

    def _columns(self, market_class: str) -> list[int]:
        return [i for i, one in enumerate(self.series.classes) if one == market_class]

    def _standings(self, market_class: str) -> tuple[Cube, Cube, Cube, Cube]:
        """(weights, skills, scored days, copies), each (entrants, times, horizons); copies holds the index of the
        copied entrant, -1: none."""
        import numpy as np

        if market_class in self._made_by_class:
            return self._made_by_class[market_class]
        series, columns = self.series, self._columns(market_class)
        said, came = self.means[:, :, columns], series.futures[:, columns]
        level = np.sqrt(np.maximum(series.mean(30)[:, columns], LEVEL_FLOOR))[:, :, None]
        known = np.isfinite(said[0]) & np.isfinite(came)
        by_persistence = np.abs(said[0] - came) / level
        made = []
        for one in said:  # one entrant at a time, to save memory
            both = known & np.isfinite(one)
            pair = (np.abs(one - came) / level, by_persistence)
            made.append([*(np.where(both, loss, 0.0).sum(axis=1) for loss in pair), both.any(axis=1).astype(float)])
        own, usual, scored = (np.stack([one[i] for one in made]) for i in range(3))
        for place, horizon in enumerate(HORIZONS):  # a loss is known when its horizon is over
            steps = steps_of(series.panel, horizon)
            for grid in (own, usual, scored):
                grid[:, :, place] = _later(grid[:, :, place], steps)
        keep = 0.5 ** (1.0 / (HALF_LIFE_DAYS * series.per_day))
        losses, against, days = (_discounted(grid, keep) for grid in (own, usual, scored))
        days /= series.per_day
        prior = np.array([SKILLS.get(market_class, {}).get(name, (0.0,) * len(HORIZONS)) for name in self.names])
        hold = np.array([PRIOR_DAYS + PRIOR_HORIZONS * horizon for horizon in HORIZONS], dtype=float)
        measured = np.where(against > 0.0, 1.0 - losses / np.where(against > 0.0, against, 1.0), 0.0)
        skills = (days * measured + hold * prior[:, None, :]) / (days + hold)
        skills[0] = 0.0
        copies = self._copies(said, keep)
        weights = np.where((skills > 0.0) & (copies < 0), np.expm1(np.minimum(skills, 1.0) / TEMPERATURE), 0.0)
        weights[0] = 1.0
        weights /= weights.sum(axis=0)
        self._made_by_class[market_class] = weights, skills, days, copies
        return self._made_by_class[market_class]

    def _copies(self, said: Cube, keep: float) -> Cube:
        """For each entrant, row and horizon the index of the first earlier entrant that it copies, or -1. They are
        compared only where the later one has forecasts, so that having few forecasts does not by itself make an
        entrant a copy."""
        import numpy as np

        copies = np.full((said.shape[0], said.shape[1], said.shape[3]), -1.0)
        for k in range(1, len(said)):
            spoke = np.isfinite(said[k]) & np.isfinite(said[0])
            apart, off = (
                _discounted(np.stack([_apart(one, to, spoke) for one in said[:k]]), keep) for to in (said[k], said[0])
            )
            ever = np.cumsum(spoke.any(axis=1), axis=0) > 0
            for other in range(k):
                same = ever & (apart[other] <= (SAME * off[other] if other else 0.0))
                copies[k] = np.where((copies[k] < 0) & (copies[other] < 0) & same, other, copies[k])
        return copies


@dataclass(frozen=True, slots=True)
class Single:
    """A built-in rule as a ``Forecaster``: its forecast alone, at the last row of a panel."""

    rule: Rule
    """The rule."""

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.rule.name

    def forecast(self, panel: Panel) -> Forecasts:
        """See ``Forecaster``."""
        ours = (Persistence(),) if self.rule.name == PERSISTENCE else (Persistence(), self.rule)
        return Tournament(panel, ours).of(self.rule.name).at(-1)


@dataclass(frozen=True, slots=True)
class Combined:
    """The tournament's own forecast as a ``Forecaster``."""

    entrants: Sequence[Rule] | None = None
    """Built-in entrants; None: all."""
    name: str = COMBINED
    """Its name in tables."""

    def forecast(self, panel: Panel) -> Forecasts:
        """See ``Forecaster``."""
        return Tournament(panel, self.entrants).at(-1)


def _apart(one: Cube, other: Cube, where: NDArray[np.bool_]) -> Cube:
    """Sum over markets of the distance between two forecasts: (times, horizons)."""
    import numpy as np

    return np.asarray(np.where(where, np.abs(np.nan_to_num(one - other)), 0.0).sum(axis=1))


def _later(grid: Cube, steps: int) -> Cube:
    """(entrants, times) shifted by ``steps`` rows to the row at which it is known; 0 before any horizon is over."""
    import numpy as np

    moved = np.zeros_like(grid)
    if steps:
        moved[:, steps:] = grid[:, : grid.shape[1] - steps] if grid.shape[1] > steps else 0.0
    return moved


def _discounted(grid: Cube, keep: float) -> Cube:
    """Discounted sums along the times: each step multiplies earlier rows by ``keep``."""
    import numpy as np

    made = np.empty_like(grid)
    total = np.zeros_like(grid[:, 0])
    for row in range(grid.shape[1]):
        total = total * keep + grid[:, row]
        made[:, row] = total
    return made
