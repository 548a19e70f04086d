"""Base units: the exact form of the constraints, and rounding that never breaks one of them by a unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from yieldbot.allocator.problem import spans


@dataclass(frozen=True, slots=True)
class Exact:
    """The constraints of a Problem in base units. groups: members and the most that they may hold together."""

    held: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    pools: tuple[frozenset[str], ...]
    groups: tuple[tuple[tuple[int, ...], int], ...]
    budget: int
    min_position: int
    min_move: int

    def spans(self, index: int) -> tuple[tuple[int, int], ...]:
        """Closed intervals of changed holdings of one market."""
        return spans(self.held[index], self.low[index], self.high[index], self.min_position, self.min_move, 1)

    def caps(self) -> list[tuple[tuple[int, ...], int]]:
        """Every bound on a sum of holdings, the budget last. What is held already may stay above it, but not grow."""
        everything = (tuple(range(len(self.held))), self.budget)
        return [
            (members, max(most, sum(self.held[m] for m in members))) for members, most in (*self.groups, everything)
        ]

    def feasible(self, x: Sequence[int]) -> bool:
        """Whether every constraint holds, to the unit."""
        for index, value in enumerate(x):
            inside = any(least <= value <= most for least, most in self.spans(index))
            if value != self.held[index] and not inside:
                return False
        if any(sum(x[m] for m in members) > most for members, most in self.caps()):
            return False
        pools = [pool for i, value in enumerate(x) if value != self.held[i] for pool in self.pools[i]]
        return len(pools) == len(set(pools))

    def rounded(self, holdings: Sequence[float], one: int, value: Callable[[int, float], float]) -> tuple[int, ...]:
        """The feasible base units just below ``holdings`` (whole tokens); what is held where that cannot be mended.

        Downwards, because an adaptive curve's rate steps down at some holdings and an optimum may lie just before one.
        value: income a year of a market at a holding in whole tokens; says which market takes the last few units.
        """
        x = [self._nearest(index, value, one) for index, value in enumerate(holdings)]
        caps = self.caps()
        for members, most in caps:
            excess = sum(x[m] for m in members) - most
            for m in sorted(members, key=lambda m: (self._bounds(m, x[m])[0] - x[m], m)):
                if excess <= 0:
                    break
                cut = min(excess, x[m] - self._bounds(m, x[m])[0])
                x[m] -= cut
                excess -= cut
        left = caps[-1][1] - sum(x)
        if 0 < left <= max(2 * len(x), self.budget // 10**12):  # the dust of rounding, not money meant to stay
            gains = [value(m, (x[m] + left) / one) - value(m, x[m] / one) for m in range(len(x))]
            for m in sorted(range(len(x)), key=lambda m: (-gains[m], m)):
                room = min(
                    [self._bounds(m, x[m])[1] - x[m]] + [most - sum(x[i] for i in g) for g, most in caps if m in g]
                )
                if room > 0:
                    x[m] += room
        return tuple(x) if self.feasible(x) else self.held

    def _nearest(self, index: int, value: float, one: int) -> int:
        held = self.held[index]
        if value == held / one:
            return held
        raw = round(value * one)
        if raw > value * one + 1e-3:
            raw -= 1
        options = [held, *(min(max(raw, least), most) for least, most in self.spans(index))]
        return min(options, key=lambda option: (abs(option - raw), option == held, option))

    def _bounds(self, index: int, x: int) -> tuple[int, int]:
        """How far a changed holding may be shifted; an unchanged one not at all."""
        if x == self.held[index]:
            return x, x
        return next(span for span in self.spans(index) if span[0] <= x <= span[1])
