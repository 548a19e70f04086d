"""Solves an allocation problem that is given as a document. Pure: no chain, no file, no clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from yieldbot.allocator.document import (
    DECIMALS,
    Adaptive,
    Constant,
    Kinked,
    MarketRow,
    ProblemDocument,
    Sampled,
)
from yieldbot.allocator.integers import Exact, ExactSwap
from yieldbot.allocator.optimise import Optimum, optimise
from yieldbot.allocator.problem import AssetBudget, Group, Problem, ProblemMarket, Swap
from yieldbot.allocator.reasons import Solved, marginal_apr
from yieldbot.math.curves import AdaptiveCurve, ConstantCurve, KinkedCurve, SampledCurve
from yieldbot.model.curve import YieldCurve
from yieldbot.model.dataclass import dataclass
from yieldbot.model.durations import days_long
from yieldbot.model.units import BPS

ANSWER = "yieldbot/allocation/v1"
"""Schema name of the answer."""


@dataclass(frozen=True, slots=True)
class Posed:
    """A problem document translated for the solver."""

    document: ProblemDocument
    """The document."""
    problem: Problem
    """The problem in floating-point numbers."""
    exact: Exact
    """The same constraints in base units."""
    decimals: int
    """Decimals of every asset."""
    limits: tuple[tuple[tuple[str, float], ...], ...]
    """For each market (name, largest holding in whole tokens) of each limit on that market alone."""
    idle_income: float
    """What the whole wealth would earn idle, in whole tokens of the first asset a year."""

    @property
    def one(self) -> int:
        """Base units in a whole token."""
        return int(10**self.decimals)

    @property
    def ones(self) -> tuple[int, ...]:
        """Base units in a whole token, of each asset; all have the same decimals."""
        return (self.one,) * len(self.problem.budgets)

    def text(self, raw: int) -> str:
        """Base units as whole tokens, without trailing zeros. In integers: a Decimal would round beyond 28 digits."""
        whole, part = divmod(abs(raw), self.one)
        text = f"{whole}.{part:0{self.decimals}d}" if self.decimals else str(whole)
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return f"-{text}" if raw < 0 else text


def exact_raw(amount: Decimal, decimals: int) -> int:
    """Whole tokens as base units, rounded down. In integers: a Decimal's own arithmetic rounds beyond 28 digits."""
    above, below = amount.as_integer_ratio()
    return above * int(10**decimals) // below


def pose(document: ProblemDocument) -> Posed:
    """Translates the document for the solver. Raises ProblemError where its numbers contradict each other."""
    return _Poser(document).posed()


class _Poser:
    """Translates one document. Amounts become base units with the same decimals for every asset."""

    def __init__(self, document: ProblemDocument) -> None:
        self.document = document
        self.decimals = _decimals(document)
        self.one = 10**self.decimals
        self.years = document.horizon_days / 365
        self.asset_ids = [document.asset, *(asset.id for asset in document.assets)]
        self.prices = [Fraction(1), *(Fraction(asset.price) for asset in document.assets)]
        common = math.lcm(*(price.denominator for price in self.prices))
        self.weights = [int(price * common) for price in self.prices]
        self.wealth = [self.raw(document.wealth), *(self.raw(asset.wealth) for asset in document.assets)]
        buffers = [document.idle_buffer, *(asset.idle_buffer for asset in document.assets)]
        self.budgets = [max(0, w - self.raw(buffer)) for w, buffer in zip(self.wealth, buffers, strict=True)]
        self.idle_rates = [document.idle_rate, *(asset.idle_rate for asset in document.assets)]
        self.total = sum(w * weight for w, weight in zip(self.wealth, self.weights, strict=True))
        """Wealth of all assets together, in base units times weights."""
        self.asset_of = [self.asset_ids.index(row.asset or document.asset) for row in document.markets]
        self.swaps = [
            ExactSwap(
                self.asset_ids.index(swap.source),
                self.asset_ids.index(swap.target),
                tuple((self.raw(paid), self.raw(out)) for paid, out in swap.quotes),
            )
            for swap in document.swaps
        ]

    def raw(self, amount: Decimal) -> int:
        return exact_raw(amount, self.decimals)

    def share(self, fraction: float, weight: int) -> int:
        """This fraction of the wealth in base units of an asset, rounded down. The fraction is taken as written: 0.1 is
        exactly a tenth."""
        return int(Fraction(repr(fraction)) * self.total // weight)

    def posed(self) -> Posed:
        document, one = self.document, self.one
        bounds = [self._limits(row, asset) for row, asset in zip(document.markets, self.asset_of, strict=True)]
        exact = self._exact(bounds)
        problem = Problem(
            markets=tuple(self._market(row, index, exact) for index, row in enumerate(document.markets)),
            groups=tuple(
                Group(members, most / one / self.weights[0], f"group {row.name}")
                for (members, most), row in zip(exact.groups, document.groups, strict=True)
            ),
            budgets=tuple(
                AssetBudget(w / one, budget / one, float(price), rate)
                for w, budget, price, rate in zip(self.wealth, self.budgets, self.prices, self.idle_rates, strict=True)
            ),
            min_position=float(document.min_position),
            min_move=float(document.min_move),
            horizon_seconds=document.horizon_days * 86_400,
            unit=1 / one,
            swaps=tuple(
                Swap(
                    swap.source,
                    swap.target,
                    tuple((paid / one, out / one) for paid, out in swap.quotes),
                    float(row.fixed_cost) / self.years,
                    self.years,
                )
                for swap, row in zip(self.swaps, document.swaps, strict=True)
            ),
        )
        idle = sum(p.wealth * p.price * rate for p, rate in zip(problem.budgets, self.idle_rates, strict=True))
        limits = tuple(tuple((name, most / one) for name, most in found) for found in bounds)
        return Posed(document, problem, exact, self.decimals, limits, idle)

    def _limits(self, row: MarketRow, asset: int) -> list[tuple[str, int]]:
        found = []
        if row.max_deposit is not None:
            found.append(("max_deposit", self.raw(row.held) + self.raw(row.max_deposit)))
        if row.max_share < 1.0:
            found.append(("max_share", self.share(row.max_share, self.weights[asset])))
        return found

    def _exact(self, bounds: Sequence[Sequence[tuple[str, int]]]) -> Exact:
        document = self.document
        held = tuple(self.raw(row.held) for row in document.markets)
        low, high = [], []
        for row, now, asset, limits in zip(document.markets, held, self.asset_of, bounds, strict=True):
            free = now
            if row.max_withdraw is not None:
                free = min(now, self.raw(row.max_withdraw))
            elif row.supplied is not None and row.borrowed is not None:
                free = min(now, max(0, self.raw(row.supplied) - self.raw(row.borrowed)))
            low.append(now - free)
            bought = sum(swap.quotes[-1][1] for swap in self.swaps if swap.target == asset)
            high.append(max(now, min([self.wealth[asset] + bought, *(most for _, most in limits)])))
        index_of = {row.id: index for index, row in enumerate(document.markets)}
        return Exact(
            held=held,
            low=tuple(low),
            high=tuple(high),
            pools=tuple(frozenset() for _ in held),
            groups=tuple(
                (tuple(sorted(index_of[member] for member in group.members)), self.share(group.max_share, 1))
                for group in document.groups
            ),
            budgets=tuple(self.budgets),
            min_positions=tuple(math.ceil(self.raw(document.min_position) / price) for price in self.prices),
            min_moves=tuple(math.ceil(self.raw(document.min_move) / price) for price in self.prices),
            assets=tuple(self.asset_of),
            weights=tuple(self.weights[asset] for asset in self.asset_of),
            swaps=tuple(self.swaps),
        )

    def _market(self, row: MarketRow, index: int, exact: Exact) -> ProblemMarket:
        asset, one = self.asset_of[index], self.one
        price = float(self.prices[asset])
        return ProblemMarket(
            curve=_curve(row),
            held=exact.held[index] / one,
            low=exact.low[index] / one,
            high=exact.high[index] / one,
            haircut=row.haircut_bps / BPS + self.idle_rates[asset],
            enter_cost=float(row.fixed_cost) * price / self.years,
            leave_cost=float(row.fixed_cost) * price / self.years,
            pools=frozenset(),
            move_cost=row.proportional_cost_bps / BPS / self.years,
            asset=asset,
            price=price,
        )


def _decimals(document: ProblemDocument) -> int:
    """Decimals of the amount with the most decimals in the document, at least DECIMALS."""
    amounts = [document.wealth, document.idle_buffer, document.min_position, document.min_move]
    for row in document.markets:
        parts = (row.held, row.supplied, row.borrowed, row.max_deposit, row.max_withdraw, row.fixed_cost)
        amounts += [amount for amount in parts if amount is not None]
    for asset in document.assets:
        amounts += [asset.wealth, asset.idle_buffer]
    for swap in document.swaps:
        amounts += [amount for quote in swap.quotes for amount in quote]
    return max(DECIMALS, *(-int(amount.as_tuple().exponent) for amount in amounts))


def _curve(row: MarketRow) -> YieldCurve:
    others, borrowed = float((row.supplied or 0) - row.held), float(row.borrowed or 0)
    match row.rate:
        case Kinked(points=points):
            return KinkedCurve(others, borrowed, points, 1.0 - row.reserve_factor)
        case Adaptive(rate_at_target=rate):
            return AdaptiveCurve(others, borrowed, row.reserve_factor, rate)
        case Constant(apr=rate):
            return ConstantCurve(rate)
        case Sampled(points=points):
            return SampledCurve(points)


def solve(posed: Posed) -> dict[str, Any]:
    """The answer as a ``yieldbot/allocation/v1`` document."""
    best = optimise(posed.problem)
    raws, paid = posed.exact.rounded(best.holdings, posed.ones, posed.problem.value)
    return _Answer(posed, best, raws, paid).document()


class _Answer:
    """One answer, whose figures are computed from the exact base units and not from the solver's floats."""

    def __init__(self, posed: Posed, best: Optimum, raws: tuple[int, ...], paid: tuple[int, ...]) -> None:
        self.posed, self.best, self.raws, self.paid = posed, best, raws, paid
        self.hold, self.reason = self._hold()
        if self.hold:
            self.raws, self.paid = posed.exact.held, (0,) * len(paid)

    def _vector(self, raws: Sequence[int], paid: Sequence[int]) -> list[float]:
        return [raw / self.posed.one for raw in (*raws, *paid)]

    def _net(self, x: Sequence[float]) -> tuple[float, float]:
        """(income of the whole wealth a year, haircuts deducted; one-time costs), both in the first asset."""
        problem, h = self.posed.problem, self.posed.problem.horizon_seconds
        objective = problem.objective(x) + self.posed.idle_income
        cost = self._cost(x)
        return objective + cost * 365 * 86_400 / h, cost

    def _cost(self, x: Sequence[float]) -> float:
        problem, years = self.posed.problem, self.posed.document.horizon_days / 365
        cost = 0.0
        for market, now in zip(problem.markets, x, strict=False):
            if now != market.held:
                cost += (market.enter_cost + abs(now - market.held) * market.move_cost * market.price) * years
        for swap, amount in zip(problem.swaps, x[len(problem.markets) :], strict=True):
            if amount:
                source, target = problem.budgets[swap.source], problem.budgets[swap.target]
                cost += amount * source.price - swap.out(amount) * target.price + swap.touch_cost * years
        return cost

    def _hold(self) -> tuple[bool, str]:
        if self.raws == self.posed.exact.held and not any(self.paid):
            return True, "nothing earns more than what is held, after costs"
        now, _ = self._net(self._vector(self.posed.exact.held, (0,) * len(self.paid)))
        then, cost = self._net(self._vector(self.raws, self.paid))
        gain = then - now
        days = cost / gain * 365 if gain > 0 else math.inf
        message = f"{gain:z,.2f} more a year for {cost:z,.2f} once: paid back in {days_long(days)}"
        most = self.posed.document.break_even_days
        if most is not None and days > most:
            return True, f"{message}, more than the {most:g} allowed"
        return False, message

    def document(self) -> dict[str, Any]:
        posed, problem, document = self.posed, self.posed.problem, self.posed.document
        x = self._vector(self.raws, self.paid)
        objective = problem.objective(x) + posed.idle_income
        bound = max(self.best.upper_bound + posed.idle_income, objective)
        used = [0] * len(posed.exact.budgets)
        for asset, raw in zip(posed.exact.assets, self.raws, strict=True):
            used[asset] += raw
        for swap, amount in zip(posed.exact.swaps, self.paid, strict=True):
            used[swap.source] += amount
            used[swap.target] -= swap.out(amount)
        ids = [document.asset, *(asset.id for asset in document.assets)]
        wealth = [document.wealth, *(asset.wealth for asset in document.assets)]
        idle = [exact_raw(w, posed.decimals) - u for w, u in zip(wealth, used, strict=True)]
        income = self._income(x, idle)
        rows = [self._row(index, x) for index in range(len(problem.markets))]
        return {
            "schema": ANSWER,
            "targets": {row["id"]: row["target"] for row in rows},
            "idle": posed.text(idle[0]),
            "income_per_year": income,
            "cost": self._cost(x),
            "objective": objective,
            "upper_bound": bound,
            "gap_bps": (bound - objective) / problem.wealth * BPS if problem.wealth else 0.0,
            "hold": self.hold,
            "reason": self.reason,
            "shadow_price": self._one_more(x),
            "markets": rows,
            "assets": [{"id": name, "idle": posed.text(raw)} for name, raw in zip(ids, idle, strict=True)],
            "swaps": [
                {"from": row.source, "to": row.target, "in": posed.text(paid), "out": posed.text(swap.out(paid))}
                for row, swap, paid in zip(document.swaps, posed.exact.swaps, self.paid, strict=True)
            ],
        }

    def _one_more(self, x: Sequence[float]) -> float:
        return self.solved(x).one_more(self.posed.limits) + self.posed.document.idle_rate

    def _income(self, x: Sequence[float], idle: Sequence[int]) -> float:
        """Income a year in the first asset, that of idle money included, before haircuts and costs."""
        problem, h = self.posed.problem, self.posed.problem.horizon_seconds
        earned = sum(p.price * v * p.curve.apr(v, h) for p, v in zip(problem.markets, x, strict=False) if v > 0.0)
        left = zip(problem.budgets, idle, strict=True)
        return earned + sum(raw / self.posed.one * budget.price * budget.idle_rate for budget, raw in left)

    def solved(self, x: Sequence[float]) -> Solved:
        """The solution, for reasons."""
        problem = self.posed.problem
        names = tuple(row.id for row in self.posed.document.markets)
        gap = max(0.0, self.best.upper_bound - problem.objective(x))
        return Solved(problem, x, self.best.price, gap, names)

    def _row(self, index: int, x: Sequence[float]) -> dict[str, Any]:
        problem, row = self.posed.problem, self.posed.document.markets[index]
        market, h = problem.markets[index], problem.horizon_seconds
        rate = problem.budgets[market.asset].idle_rate
        return {
            "id": row.id,
            "target": self.posed.text(self.raws[index]),
            "held": self.posed.text(self.posed.exact.held[index]),
            "apr_quoted": market.curve.apr(market.held, h),
            "apr_after": market.curve.apr(x[index], h),
            "marginal_apr": marginal_apr(problem, index, x[index]) + rate,
            "gain_per_year": problem.value(index, x[index]) - market.income(market.held, h),
            "binding": self.solved(x).binding(index, self.posed.limits[index]),
        }
