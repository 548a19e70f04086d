"""One continuous run through a whole range of days, recorded day by day: the data of a report's charts."""

from __future__ import annotations

import math
import os.path
from collections.abc import Callable, Mapping, Sequence

from yieldbot.backtest.foresight import foresee
from yieldbot.backtest.replay import Replayed, replay
from yieldbot.backtest.rules import RULES, follow
from yieldbot.backtest.world import ONE, World
from yieldbot.history.reading import MarketKey
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId
from yieldbot.model.market import RateForecast
from yieldbot.model.plan import Plan
from yieldbot.model.policy import Policy
from yieldbot.model.text import clipped, one_line

FORESIGHT = "foresight"
LONGEST_PART = 24
"""Most characters shown of a coin's symbol and of a protocol's name."""
LONGEST_ID = 16
WALLET = "wallet"
DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedMove:
    """One move of a plan, or a plan without moves (a request, a collection)."""

    time: int
    """Unix seconds of the decision."""
    source: str
    """The market that the money left; empty where the plan names no move."""
    target: str
    """The market that received the money; empty where the plan names no move."""
    dollars: float
    """Dollars to be moved."""
    gain_per_year: float
    """Dollars a year that the plan expected to gain by the move."""
    cost: float
    """Dollars that the plan expected the move to cost."""
    break_even_days: float | None
    """Expected days until it has earned its cost; None if it gains nothing."""
    reason: str
    """Why, in the plan's words."""
    paid: float
    """Dollars of gas and swaps that its whole plan really cost."""
    failed: bool
    """Whether the plan was made to fail on the chain."""


@dataclass(frozen=True, slots=True)
class Run:
    """One policy over the range."""

    shares: tuple[tuple[float, ...], ...]
    """Fractions of the wealth by market, after each day's decision; the rest, up to 1, is in the wallet or leaving a
    market."""
    steps: tuple[SimulatedMove, ...]
    """The moves, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """The daily forecasts for one market, and what it then paid over the same days. Annual fractions."""

    market: str
    """Name of the market."""
    mean: tuple[float | None, ...]
    """Forecast on each day; None where there was none."""
    low: tuple[float | None, ...]
    """Lower end of its 80 % interval."""
    high: tuple[float | None, ...]
    """Upper end of its 80 % interval."""
    realised: tuple[float | None, ...]
    """Rate paid over the forecast's days, without our own effect; None while they are not over."""

    @property
    def pairs(self) -> list[tuple[float, float, float, float]]:
        """(mean, low, high, realised) of each day that has all four."""
        days = zip(self.mean, self.low, self.high, self.realised, strict=True)
        return [(m, lo, hi, r) for m, lo, hi, r in days if None not in (m, lo, hi, r)]  # type: ignore[misc]

    @property
    def coverage(self) -> float | None:
        """Fraction of realised rates inside the interval; None if no forecast's days are over."""
        found = self.pairs
        return sum(low <= came <= high for _, low, high, came in found) / len(found) if found else None

    @property
    def error(self) -> float | None:
        """Mean absolute error of the forecast mean, an annual fraction; None if no forecast's days are over."""
        found = self.pairs
        return sum(abs(mean - came) for mean, _, _, came in found) / len(found) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A universe and a wealth over the range."""

    universe: str
    """Name of the universe."""
    wealth: float
    """Dollars at the start."""
    times: tuple[int, ...]
    """Unix seconds of each row."""
    lines: Mapping[str, tuple[float, ...]]
    """Dollars at each row, by strategy: policies, simple rules, foresight."""
    markets: tuple[str, ...]
    """Names of the markets."""
    runs: Mapping[str, Run]
    """The runs, by policy."""
    forecast_days: float
    """Horizon of each forecast, in days."""
    forecasts: tuple[Foretold, ...]
    """One for each market."""


def trace(
    world: World,
    expected: Mapping[str, Callable[[int], Sequence[RateForecast | None]]],
    universe: str,
    wealth: float,
    policies: Mapping[str, Policy],
    first: int,
    last: int,
    *,
    shown: str,
    days: float,
    failures: float = 0.0,
    seed: int = 0,
) -> Trace:
    """Runs each policy, rule and foresight from row ``first`` to ``last``. expected: forecasts, by policy; shown: the
    policy whose forecasts are kept, and days: their horizon."""
    names = market_names(world.panel.keys)
    lines: dict[str, tuple[float, ...]] = {}
    runs: dict[str, Run] = {}
    for name, policy in policies.items():
        made = replay(world, policy, expected[name], wealth, first, last, failures=failures, seed=seed)
        lines[name], runs[name] = made.wealth, _run(world, made, names)
    for name, rule in RULES.items():
        lines[name] = tuple(follow(world, rule(), wealth, first, last).worth)
    lines[FORESIGHT] = foresee(world, wealth, first, last).wealth
    times = tuple(int(one) for one in world.panel.times[first : last + 1])
    forecasts = _forecasts(world, expected[shown], names, first, last, days)
    return Trace(
        universe=universe, wealth=wealth, times=times, lines=lines, markets=names, runs=runs, forecast_days=days,
        forecasts=forecasts,
    )  # fmt: skip


def market_names(keys: Sequence[MarketKey]) -> tuple[str, ...]:
    """Coin and protocol of each market, with its id if another market has the same two; one line each, all different.
    Long names are cut at the end. The prefix that all ids share is left out."""
    plain = [f"{clipped(key.asset, LONGEST_PART)} {clipped(key.protocol, LONGEST_PART)}".strip() for key in keys]
    alike: dict[str, list[str]] = {}
    for name, key in zip(plain, keys, strict=True):
        alike.setdefault(name, []).append(one_line(key.market))
    found: list[str] = []
    for name, key in zip(plain, keys, strict=True):
        ids = alike[name]
        if len(ids) > 1:
            begin = os.path.commonprefix(ids)  # noqa: RUF071 - by characters, then back to a separator
            own = one_line(key.market)[max(begin.rfind("/"), begin.rfind(":")) + 1 :]
            name = f"{name} {clipped(own, LONGEST_ID)}"
        found.append(name)
    return tuple(
        name if found.count(name) == 1 else f"{name} #{found[: at + 1].count(name)}" for at, name in enumerate(found)
    )


def _run(world: World, made: Replayed, names: Sequence[str]) -> Run:
    known = {market.id: name for market, name in zip(world.markets, names, strict=True)}
    known |= {market.id: f"{market.asset.symbol} in the {WALLET}" for market in world.wallets}
    shares = []
    for wealth, held in zip(made.wealth, made.held, strict=False):
        total = max(wealth * ONE, float(sum(held)), 1.0)
        shares.append(tuple(raw / total for raw in held))
    ledger = made.ledger
    done = [(row, plan, paid, False) for (row, plan), paid in zip(ledger.log, ledger.paid, strict=True)]
    lost = [(row, plan, paid, True) for row, plan, paid in ledger.failed]
    steps: list[SimulatedMove] = []
    for row, plan, paid, failed in sorted(done + lost, key=lambda one: one[0]):
        steps += _steps(int(world.panel.times[row]), plan, paid, failed, known)
    return Run(tuple(shares), tuple(steps))


def _steps(time: int, plan: Plan, paid: float, failed: bool, known: Mapping[MarketId, str]) -> list[SimulatedMove]:
    if not plan.moves:
        reason = "; ".join(f"{leg.kind.value} {known.get(leg.market_id, leg.market_id)}" for leg in plan.legs)
        reason += f": {'; '.join(plan.why)}" if plan.why else ""
        raw = max(leg.amount.raw for leg in plan.legs)
        return [
            SimulatedMove(
                time=time, source="", target="", dollars=raw / ONE, gain_per_year=plan.gain_per_year, cost=plan.cost,
                break_even_days=None, reason=reason, paid=paid, failed=failed,
            )
        ]  # fmt: skip
    return [
        SimulatedMove(
            time=time, source=known.get(move.source, move.source), target=known.get(move.target, move.target),
            dollars=move.amount.raw / ONE, gain_per_year=move.gain_per_year, cost=move.cost,
            break_even_days=move.break_even_days, reason=one_line(move.reason), paid=paid, failed=failed,
        )
        for move in plan.moves
    ]  # fmt: skip


def _forecasts(
    world: World,
    expected: Callable[[int], Sequence[RateForecast | None]],
    names: Sequence[str],
    first: int,
    last: int,
    days: float,
) -> tuple[Foretold, ...]:
    rates = [world.rates_until_next(row) for row in range(first, last)]
    ahead = max(1, round(days * DAY / world.panel.step_seconds))
    said = [expected(row) for row in range(first, last)]
    found = []
    for column, name in enumerate(names):
        given = [day[column] for day in said]
        paid = [float(day[column]) for day in rates]
        realised = [
            math.fsum(paid[at : at + ahead]) / ahead if at + ahead <= len(paid) else None for at in range(len(paid))
        ]
        found.append(
            Foretold(
                market=name,
                mean=tuple(None if one is None else one.mean for one in given),
                low=tuple(None if one is None else one.low for one in given),
                high=tuple(None if one is None else one.high for one in given),
                realised=tuple(realised),
            )
        )
    return tuple(found)
