"""What bridging an asset between chains would gain: what each chain's own plan would earn after the bridge, compared
with what it would earn without it. Pure. Nothing is bridged; the result is only shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from yieldbot.allocator.allocate import Portfolio, exact_of, problem_of
from yieldbot.allocator.assess import assess
from yieldbot.allocator.optimise import optimise
from yieldbot.allocator.problem import Problem, ProblemMarket
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import ChainId
from yieldbot.model.market import Kind, MarketState, Snapshot
from yieldbot.model.names import of_table
from yieldbot.model.policy import Policy
from yieldbot.model.units import SECONDS_PER_YEAR

WORTH_TELLING = 0.005
"""Gains below this many tokens a year are not shown."""
HALVINGS = 10
"""Amounts are searched down to the largest chain's wealth halved this many times."""
LEAVING = 10.0
"""What money that leaves a chain seems to earn there, as a fraction a year: more than any market, so that it leaves. It
is taken off again."""
SCALE = 1e6
"""The price of what leaves, so that no minimum position or move of the policy applies to it."""
NEVER = float("-inf")
"""The value of a wealth that a chain cannot be brought to."""


@dataclass(frozen=True, slots=True)
class Across:
    """The gain from moving one asset (identified by its symbol) between the chains that hold it."""

    symbol: str
    """The asset's symbol."""
    gain_per_year: float
    """Whole tokens a year that the chains' own best allocations earn more after the bridge than without it, net of
    haircuts and the cost of moves, before the cost of bridging."""
    worth: float
    """The highest cost of bridging, in whole tokens, that the gain still repays within the policy's horizon."""
    shifts: Mapping[ChainId, float]
    """Change of each chain's total holdings, in whole tokens; negative: money leaves the chain."""


def across(snapshots: Sequence[Snapshot], policy: Policy) -> tuple[Across, ...]:
    """The gain for each asset (identified by its symbol) that snapshots of several chains hold.

    Limits on fractions of the wealth apply on each chain to that chain's wealth, after the bridge as before it, as they
    do in each chain's own plan; each chain keeps its own idle buffer. Of several wallets on one chain only the largest
    is used: their markets are the same and would be counted twice.
    """
    by_symbol: dict[str, dict[ChainId, Snapshot]] = {}
    for snapshot in sorted(snapshots, key=_wealth, reverse=True):
        if (token := _asset(snapshot)) is not None:
            by_symbol.setdefault(token.symbol, {}).setdefault(snapshot.block.chain, snapshot)
    return tuple(
        _across(symbol, list(by_symbol[symbol].values()), policy)
        for symbol in sorted(by_symbol)
        if len(by_symbol[symbol]) > 1
    )


def _across(symbol: str, snapshots: Sequence[Snapshot], policy: Policy) -> Across:
    chains = [_Chain(snapshot, policy) for snapshot in snapshots]
    at = [chain.own for chain in chains]
    step = max(at)
    for _ in range(HALVINGS + 1):
        while (better := max(_moves(chains, at, step), default=None)) is not None and better[0] > WORTH_TELLING:
            _, amount, source, target = better
            at[source] -= amount
            at[target] += amount
        step /= 2
    gain = sum(chain.value(wealth) - chain.value(chain.own) for chain, wealth in zip(chains, at, strict=True))
    if gain < max(WORTH_TELLING, sum(chain.gap for chain in chains)):
        gain, at = 0.0, [chain.own for chain in chains]
    shifts = {
        snapshot.block.chain: wealth - chain.own
        for snapshot, chain, wealth in zip(snapshots, chains, at, strict=True)
    }  # fmt: skip
    return Across(symbol, gain, gain * policy.horizon_seconds / SECONDS_PER_YEAR, shifts)


def _moves(chains: Sequence[_Chain], at: Sequence[float], step: float) -> Iterator[tuple[float, float, int, int]]:
    """(gain, amount, source, target) of every bridge of ``step`` whole tokens or of what is idle, at most what the
    source can give."""
    for source, gives in enumerate(chains):
        most = at[source] - gives.least
        for amount in {min(step, most), min(at[source] - gives.busy, most)}:
            if amount < gives.least_move:
                continue
            lost = gives.value(at[source] - amount) - gives.value(at[source])
            for target, takes in enumerate(chains):
                if target != source:
                    yield takes.value(at[target] + amount) - takes.value(at[target]) + lost, amount, source, target


class _Chain:
    """What one chain's job would earn at any wealth."""

    def __init__(self, snapshot: Snapshot, policy: Policy) -> None:
        self.snapshot, self.policy = snapshot, policy
        self.own = _wealth(snapshot)
        now = problem(snapshot, policy, self.own)
        found = optimise(now)
        self._values = {self.own: found.objective + self.own * now.budgets[0].idle_rate}
        self.gap = max(0.0, found.upper_bound - found.objective)
        """By how much the present optimum may be better than the one found: no gain below this is sure."""
        buffer = now.budgets[0].wealth - now.budgets[0].spendable
        self.least = min(self.own, buffer + sum(market.low for market in now.markets))
        """What must stay on the chain, in whole tokens: its idle buffer, and what cannot be withdrawn."""
        self.busy = buffer + sum(market.held for market in now.markets)
        """The idle buffer and what is in markets: more than that on the chain is idle."""
        self.least_move = now.unit
        """One base unit: no less can be bridged."""

    def value(self, wealth: float) -> float:
        """Whole tokens a year of the best allocation that the job would make with ``wealth``."""
        if wealth not in self._values:
            self._values[wealth] = self._value(wealth)
        return self._values[wealth]

    def _value(self, wealth: float) -> float:
        then = problem(self.snapshot, self.policy, wealth)
        budget, leaves = then.budgets[0], self.own - wealth
        if leaves <= 0.0:
            return optimise(then).objective + wealth * budget.idle_rate
        then, cost = self._within_shares(then, wealth)
        # Present holdings may stay, whatever the budget: a market that pays more than any other makes room.
        spendable = budget.spendable + leaves
        found = optimise(
            replace(
                then,
                markets=(*then.markets, _way_out(leaves)),
                budgets=(replace(budget, wealth=self.own, spendable=spendable),),
            )
        )
        if found.holdings[-1] < leaves - max(then.unit, 1e-9 * self.own):
            return NEVER
        return found.objective - cost - LEAVING * found.holdings[-1] + wealth * budget.idle_rate

    def _within_shares(self, then: Problem, wealth: float) -> tuple[Problem, float]:
        """(the problem of a smaller wealth, what it costs a year to withdraw what exceeds its limits then).

        Holdings above a limit may stay where a job finds them. A bridge may not make such holdings: what is left may
        exceed a limit by no larger fraction of the wealth than before.
        """
        policy, part = self.policy, wealth / self.own
        kept = []
        for state, market in zip(_markets(self.snapshot), then.markets, strict=True):
            share = of_table(policy.max_share_markets, state.market, policy.max_share_market)
            kept.append(min(market.held, max(share * wealth, part * market.held)))
        for group in then.groups:
            was = sum(then.markets[m].held * counted for m, counted in group.uses())
            uses = sum(kept[m] * counted for m, counted in group.uses())
            if uses > (most := max(group.most, part * was)):
                for m in group.members:
                    kept[m] *= most / uses
        markets, cost = [], 0.0
        for market, most in zip(then.markets, kept, strict=True):
            held = max(market.low, most)
            if held < market.held - then.unit:
                cost += market.leave_cost
                top = market.high if market.high > market.held else held
                market = replace(market, held=held, high=top)
            markets.append(market)
        return replace(then, markets=tuple(markets)), cost


def _way_out(amount: float) -> ProblemMarket:
    """A market that takes what leaves the chain, and nothing else."""
    return ProblemMarket(
        curve=ConstantCurve(LEAVING / SCALE), held=0.0, low=0.0, high=amount, haircut=0.0, enter_cost=0.0,
        leave_cost=0.0, pools=frozenset(), price=SCALE,
    )  # fmt: skip


def problem(snapshot: Snapshot, policy: Policy, wealth: float) -> Problem:
    """One chain's allocation problem, as if the chain held ``wealth`` whole tokens: the one of its own job."""
    token = _asset(snapshot)
    assert token is not None
    states = _markets(snapshot)
    total_raw = round(wealth * token.one)
    by_id = {a.market_id: a for a in assess(snapshot, policy, Amount(token, total_raw))}
    portfolio = Portfolio((token,), (total_raw,), (1.0,))
    return problem_of(snapshot, states, by_id, policy, exact_of(states, by_id, policy, portfolio), portfolio)


def _wealth(snapshot: Snapshot) -> float:
    return sum(float(state.held) for state in snapshot.states.values())


def _markets(snapshot: Snapshot) -> list[MarketState]:
    return [s for s in snapshot.states.values() if s.market.kind is not Kind.IDLE]


def _asset(snapshot: Snapshot) -> Token | None:
    return next((s.market.asset for s in snapshot.states.values() if s.market.kind is Kind.IDLE), None)
