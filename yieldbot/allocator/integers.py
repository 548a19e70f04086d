"""The constraints exactly, in base units, and rounding that never breaks one of them by a unit."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import field, replace

from yieldbot.allocator.problem import spans
from yieldbot.model.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class ExactSwap:
    """A swap in base units."""

    source: int
    """Index of the asset given."""
    target: int
    """Index of the asset received."""
    quotes: tuple[tuple[int, int], ...]
    """(in, out) ascending from above 0; linear in between, rounded down."""

    def out(self, paid: int) -> int:
        """Base units of the target for ``paid`` of the source, 0 <= paid <= the last quote."""
        if paid <= 0:
            return 0
        at = bisect_left(self.quotes, (paid,))  # a pair is above its own beginning
        (x0, y0), (x1, y1) = self.quotes[at - 1] if at else (0, 0), self.quotes[at]
        return y0 + (y1 - y0) * (paid - x0) // (x1 - x0)


THOUSAND = 1000
"""Denominator of the parts of holdings that count in a group, which are rounded up to thousandths."""


@dataclass(frozen=True, slots=True)
class Cap:
    """A bound on a weighted sum of holdings."""

    members: tuple[int, ...]
    """Indexes of markets."""
    most: int
    """The bound, in base units times weights."""
    weights: tuple[int, ...]
    """The weight of each member."""
    scale: int = 1
    """Factor by which bound and weights are multiplied, so that parts of holdings become integers."""

    def used(self, x: Sequence[int]) -> int:
        """The weighted sum of these holdings that counts against the bound."""
        return sum(x[m] * weight for m, weight in zip(self.members, self.weights, strict=True))

    def weight(self, market: int) -> int:
        """The weight of one member."""
        return self.weights[self.members.index(market)]


@dataclass(frozen=True, slots=True)
class Exact:
    """The constraints of a Problem in base units."""

    held: tuple[int, ...]
    """Present holding of each market."""
    low: tuple[int, ...]
    """Smallest holding of each market that a change may lead to."""
    high: tuple[int, ...]
    """Largest holding of each market that a change may lead to."""
    pools: tuple[frozenset[str], ...]
    """For each market the keys of the pools that it shares with others."""
    groups: tuple[tuple[tuple[int, ...], int], ...]
    """(members, the most that they may hold together, in base units times weights)."""
    budgets: tuple[int, ...]
    """How much of each asset may be in markets: wealth less its idle buffer."""
    min_positions: tuple[int, ...]
    """Least position in each asset."""
    min_moves: tuple[int, ...]
    """Least change in each asset."""
    assets: tuple[int, ...]
    """Index of each market's asset."""
    weights: tuple[int, ...]
    """Value of a base unit of each market's asset, as integers in a common scale (``Portfolio.weights``); 1 each if
    there is one asset."""
    swaps: tuple[ExactSwap, ...] = field(default=())
    """Conversions between the assets."""
    parts: tuple[tuple[int, ...], ...] = ()
    """For each group the thousandths of each member's holding that count. An empty tuple for a group, or an empty
    ``parts``: all of each holding counts."""

    def spans(self, index: int) -> tuple[tuple[int, int], ...]:
        """Closed intervals that a changed holding of one market may lie in, ascending."""
        asset = self.assets[index]
        least, step = self.min_positions[asset], self.min_moves[asset]
        return spans(self.held[index], self.low[index], self.high[index], least, step, 1)

    def allows(self, index: int, value: int) -> bool:
        """Whether one market's holding may be this: either unchanged, or within its bounds and minimum amounts."""
        return value == self.held[index] or any(least <= value <= most for least, most in self.spans(index))

    def available(self, paid: Sequence[int]) -> list[int]:
        """Base units of each asset that may be in markets once swaps have taken ``paid``; at least the present
        holdings."""
        most = list(self.budgets)
        for asset in range(len(most)):
            most[asset] = max(most[asset], sum(h for h, a in zip(self.held, self.assets, strict=True) if a == asset))
        for swap, amount in zip(self.swaps, paid, strict=True):
            most[swap.source] -= amount
            most[swap.target] += swap.out(amount)
        return most

    def caps(self) -> list[Cap]:
        """Every bound on a sum of holdings except the budgets. A present sum may stay above its bound, but not grow."""
        return [replace(cap, most=max(cap.most, cap.used(self.held))) for cap in self.limits()]

    def limits(self) -> list[Cap]:
        """The same bounds, whatever is held now."""
        found = []
        for (members, most), parts in zip(self.groups, self.parts or ((),) * len(self.groups), strict=True):
            counted, scale = parts or (1,) * len(members), THOUSAND if parts else 1
            weights = tuple(self.weights[i] * part for i, part in zip(members, counted, strict=True))
            found.append(Cap(members, most * scale, weights, scale))
        return found

    def feasible(self, x: Sequence[int], paid: Sequence[int]) -> bool:
        """Whether every constraint holds, to the unit."""
        if not all(self.allows(index, value) for index, value in enumerate(x)):
            return False
        if any(not 0 <= amount <= swap.quotes[-1][0] for swap, amount in zip(self.swaps, paid, strict=True)):
            return False
        used = [0] * len(self.budgets)
        for asset, value in zip(self.assets, x, strict=True):
            used[asset] += value
        if any(value > most for value, most in zip(used, self.available(paid), strict=True)):
            return False
        if any(cap.used(x) > cap.most for cap in self.caps()):
            return False
        pools = [pool for i, value in enumerate(x) if value != self.held[i] for pool in self.pools[i]]
        return len(pools) == len(set(pools))

    def rounded(
        self, holdings: Sequence[float], ones: Sequence[int], value: Callable[[int, float], float]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """(holdings, amount into each swap) in base units: the feasible ones just below ``holdings`` (whole tokens,
        swaps last).

        ones: base units in a whole token, of each asset. value: income a year of a market (or swap) at a holding in
        whole tokens, which decides who gets the last few units. Where rounding finds nothing feasible, the result is
        the present holdings and no swap. Rounding is downwards because an adaptive curve's rate steps down at some
        holdings, and an optimum may lie just before a step.
        """
        count = len(self.held)
        found = [
            (x, paid)
            for paid in self._payments(holdings[count:], ones)
            if self.feasible(x := self._rounded(holdings[:count], paid, ones, value), paid)
        ]
        scale = [ones[asset] for asset in (*self.assets, *(swap.source for swap in self.swaps))]

        def worth(choice: tuple[tuple[int, ...], tuple[int, ...]]) -> float:
            whole = zip((*choice[0], *choice[1]), scale, strict=True)
            return sum(value(index, raw / one) for index, (raw, one) in enumerate(whole))

        return max(found, key=worth, default=(self.held, (0,) * len(self.swaps)))

    def _payments(self, amounts: Sequence[float], ones: Sequence[int]) -> list[tuple[int, ...]]:
        """Candidates for what goes into the swaps: rounded up (to buy a minimum that is just reached), rounded down,
        and without dust."""
        if not self.swaps:
            return [()]
        up, down, clean = [], [], []
        for amount, swap in zip(amounts, self.swaps, strict=True):
            most, one = swap.quotes[-1][0], ones[swap.source]
            down.append(min(int(amount * one), most))
            up.append(min(-int(-amount * one // 1), most))
            clean.append(down[-1] if down[-1] > 2 else 0)
        return list(dict.fromkeys(self._affordable(paid) for paid in (up, down, clean)))

    def _affordable(self, paid: Sequence[int]) -> tuple[int, ...]:
        """The payments, the largest one reduced where rounding made it more than there is or than markets can release:
        what cannot be withdrawn stays in its market."""
        left = list(paid)
        stays = self._least_in_markets()
        for asset in range(len(self.budgets)):
            most = self.available(left)[asset] - stays[asset]  # anew: a smaller payment brings less of another asset
            members = [k for k, swap in enumerate(self.swaps) if swap.source == asset]
            if most < 0 and members:
                largest = max(members, key=lambda k: left[k])
                left[largest] = max(0, left[largest] + most)
        return tuple(left)

    def _least_in_markets(self) -> list[int]:
        """Least base units of each asset that its markets must keep."""
        found = [0] * len(self.budgets)
        for index, (asset, held) in enumerate(zip(self.assets, self.held, strict=True)):
            found[asset] += min([held, *(least for least, _ in self.spans(index))])
        return found

    def _rounded(
        self, holdings: Sequence[float], paid: Sequence[int], ones: Sequence[int], value: Callable[[int, float], float]
    ) -> tuple[int, ...]:
        x = [self._nearest(index, amount, ones[self.assets[index]]) for index, amount in enumerate(holdings)]
        caps = self.caps()
        available = self.available(paid)
        for asset, most in enumerate(available):
            members = tuple(m for m in range(len(x)) if self.assets[m] == asset)
            self._cut(x, members, sum(x[m] for m in members) - most, lambda m: 1)
        for cap in caps:
            self._cut(x, cap.members, cap.used(x) - cap.most, cap.weight)
        for asset, most in enumerate(available):
            self._give(x, asset, most, caps, ones[asset], value)
        return tuple(x)

    def _cut(self, x: list[int], members: Sequence[int], excess: int, weight: Callable[[int], int]) -> None:
        """Take an excess (base units times weights) from the members that can give most."""
        if excess <= 0:
            return
        for m in sorted(members, key=lambda m: (self._bounds(m, x[m])[0] - x[m], m)):
            if excess <= 0:
                return
            cut = min(-(-excess // weight(m)), x[m] - self._bounds(m, x[m])[0])
            x[m] -= cut
            excess -= cut * weight(m)

    def _give(
        self, x: list[int], asset: int, most: int, caps: list[Cap], one: int, value: Callable[[int, float], float]
    ) -> None:
        """Put the base units that rounding left over (not money that must stay idle) where they earn most."""
        members = [m for m in range(len(x)) if self.assets[m] == asset]
        left = most - sum(x[m] for m in members)
        if not 0 < left <= max(2 * len(members), most // 10**12):
            return
        gains = {m: value(m, (x[m] + left) / one) - value(m, x[m] / one) for m in members if x[m] != self.held[m]}
        for m in sorted(gains, key=lambda m: (-gains[m], m)):
            room = min(left, self._bounds(m, x[m])[1] - x[m])
            for cap in caps:
                if m in cap.members:
                    room = min(room, (cap.most - cap.used(x)) // cap.weight(m))
            if room > 0 and gains[m] > 0:
                x[m] += room
                left -= room

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
        """(lowest, highest) holding that a changed market may be shifted to; an unchanged one may not be shifted."""
        if x == self.held[index]:
            return x, x
        return next(span for span in self.spans(index) if span[0] <= x <= span[1])
