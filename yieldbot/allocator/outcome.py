"""Turns one solution in base units into an Allocation. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace

from yieldbot.allocator.horizons import Horizons
from yieldbot.allocator.integers import Exact
from yieldbot.allocator.portfolio import Portfolio
from yieldbot.allocator.problem import Problem
from yieldbot.allocator.reasons import Solved, marginal_apr
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.fees import ENTER_TXS, LEAVE_TXS, SWAP_TXS
from yieldbot.model.ids import MarketId
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.plan import Allocation, Assessment, Certificate, Exchanged, MarketReason
from yieldbot.model.units import BPS


@dataclass(frozen=True, slots=True)
class Answer:
    """One solution in base units."""

    snapshot: Snapshot
    """What was observed."""
    spread: Horizons
    """The horizons that costs were spread over."""
    assessments: Mapping[MarketId, Assessment]
    """The assessment of each market."""
    portfolio: Portfolio
    """Our money by asset."""
    problem: Problem
    """The problem that was solved."""
    exact: Exact
    """The problem's constraints in base units."""
    bound: float
    """Upper bound of the objective, in the first asset a year."""
    price: float
    """Shadow price of the first budget: income a year of one more token, as a fraction."""
    raws: Sequence[int]
    """Target holding of each market, in base units."""
    paid: Sequence[int]
    """What goes into each swap, in base units."""
    closed: Mapping[int, str]
    """Why an asset cannot be bought, by the asset's index."""
    passing: frozenset[int] = field(default_factory=frozenset)
    """Markets that money would enter only until later plans move it on."""

    def allocation(self, swaps: tuple[Exchanged, ...]) -> Allocation:
        problem, portfolio, h = self.problem, self.portfolio, self.problem.horizon_seconds
        x = [raw / portfolio.ones[market.asset] for raw, market in zip(self.raws, problem.markets, strict=True)]
        x += [raw / portfolio.ones[swap.source] for raw, swap in zip(self.paid, problem.swaps, strict=True)]
        alone = sum(p.wealth * p.price * p.idle_rate for p in problem.budgets)  # what our tokens earn wherever they are
        objective, bound = problem.objective(x) + alone, self.bound + alone
        certificate = Certificate(
            objective=objective,
            upper_bound=max(bound, objective),
            gap_bps=max(0.0, bound - objective) / problem.wealth * BPS if problem.wealth else 0.0,
        )
        incomes = (
            p.price * (v * p.curve.apr(v, h) - p.dilution(v, h)) for p, v in zip(problem.markets, x, strict=False)
        )
        targets, swaps = self._targets(swaps)
        solved = Solved(
            problem,
            x,
            self.price,
            max(0.0, bound - objective),
            tuple(state.market.name for state in self.snapshot.markets),
            "policy.min_position",
            self.passing,
        )
        growth = sum(
            self.snapshot.growth.get(amount.token, 0.0) * float(amount) * self.snapshot.price(amount.token)
            for amount in targets.values()
        )
        return Allocation(
            targets=targets,
            income_per_year=sum(incomes) + growth,
            cost=self._cost(x, swaps),
            certificate=certificate,
            shadow_price=self._one_more(solved),
            reasons=tuple(self._reason(i, state, solved) for i, state in enumerate(self.snapshot.markets)),
            swaps=swaps,
        )

    def _targets(self, swaps: tuple[Exchanged, ...]) -> tuple[dict[MarketId, Amount], tuple[Exchanged, ...]]:
        """The targets, the wallet's included, and the swaps.

        Where the swap that is really made brings a little less of an asset than the solver assumed, that asset's
        largest deposit is reduced by the difference, or else the largest swap that sells it. A deposit that falls below
        the policy's minimum is dropped.
        """
        states, tokens = self.snapshot.markets, self.portfolio.tokens
        index = {state.market.id: i for i, state in enumerate(states)}
        targets = {s.market.id: Amount(s.market.asset, raw) for s, raw in zip(states, self.raws, strict=True)}
        for _ in tokens:  # a smaller swap brings less of the next one
            lacking = False
            for token in tokens:
                if (lacks := -self._left(token, targets, swaps)) <= 0:
                    continue
                lacking = True
                grown = [s for s in states if s.market.asset == token and targets[s.market.id] > s.held]
                for state in sorted(grown, key=lambda s: (s.held - targets[s.market.id]).raw):
                    entered = (targets[state.market.id] - state.held).raw
                    less = min(lacks, entered)
                    if not self.exact.allows(index[state.market.id], targets[state.market.id].raw - less):
                        less = entered
                    targets[state.market.id] -= Amount(token, less)
                    lacks -= less
                if lacks > 0:
                    swaps = _giving_less(swaps, token, lacks)
            if not lacking:
                break
        wallet = {
            s.market.id: Amount(token, self._left(token, targets, swaps))
            for s, token in zip(self.snapshot.idle, tokens, strict=True)
        }
        return targets | wallet, swaps

    def _left(self, token: Token, targets: Mapping[MarketId, Amount], swaps: Sequence[Exchanged]) -> int:
        """Base units of an asset that stay in the wallet."""
        left = self.portfolio.raws[self.portfolio.tokens.index(token)] - sum(
            t.raw for t in targets.values() if t.token == token
        )
        left -= sum(swap.given.raw for swap in swaps if swap.given.token == token)
        return left + sum(swap.gets.raw for swap in swaps if swap.gets.token == token)

    def _cost(self, x: Sequence[float], swaps: tuple[Exchanged, ...]) -> float:
        """One-time cost in the first asset: gas, and what swaps lose against the feeds' prices."""
        touched = sum(
            enter_cost(self.snapshot, state)
            for state, p, now in zip(self.snapshot.markets, self.problem.markets, x, strict=False)
            if now != p.held
        )
        return touched + sum(exchange_cost(self.snapshot, swap) for swap in swaps)

    def _reason(self, index: int, state: MarketState, solved: Solved) -> MarketReason:
        problem, h, x = self.problem, self.problem.horizon_seconds, solved.x
        market = problem.markets[index]
        return MarketReason(
            market_id=state.market.id,
            apr_quoted=state.quoted.value,
            apr_after=market.curve.apr(x[index], h),
            marginal_apr=marginal_apr(problem, index, x[index]),
            binding=self._refusal(index, state) or solved.binding(index, self._limits(state)),
        )

    def _refusal(self, index: int, state: MarketState) -> str | None:
        """Why no new money may enter the market."""
        vetoes = self.assessments[state.market.id].vetoes
        return vetoes[0] if vetoes else self.closed.get(self.problem.markets[index].asset)

    def _limits(self, state: MarketState) -> list[tuple[str, float]]:
        """(name, largest holding) of the limits on this market alone."""
        assessment, limits = self.assessments[state.market.id], list[tuple[str, float]]()
        if state.capacity is not None:
            limits.append(("the market's cap", float(state.held) + float(state.capacity)))
        if assessment.max_exposure is not None:
            limits.append((assessment.bound, float(assessment.max_exposure)))
        return limits

    def _one_more(self, solved: Solved) -> float:
        states = self.snapshot.markets
        shut = {index for index, state in enumerate(states) if self._refusal(index, state)}
        return solved.one_more([self._limits(state) for state in states], shut)


def _giving_less(swaps: tuple[Exchanged, ...], token: Token, less: int) -> tuple[Exchanged, ...]:
    """The swaps, with the largest one that gives ``token`` reduced by ``less`` base units at its own rate."""
    largest = max((s for s in swaps if s.given.token == token), key=lambda s: s.given.raw, default=None)
    if largest is None:
        return swaps
    given = max(0, largest.given.raw - less)
    gets, least = (Amount(a.token, a.raw * given // largest.given.raw) for a in (largest.gets, largest.least))
    smaller = replace(largest, given=Amount(token, given), gets=gets, least=least)
    return tuple(smaller if s is largest else s for s in swaps if s is not largest or given)


def exchange_cost(snapshot: Snapshot, swap: Exchanged) -> float:
    """One-time cost of a swap in the first asset: its gas, and its loss against the feeds' prices.

    A swap that pays more than the feeds' prices counts as costing gas alone.
    """
    paid = float(swap.given) * snapshot.price(swap.given.token)
    got = float(swap.gets) * snapshot.price(swap.gets.token)
    return snapshot.fees.cost(swap.gas, txs=SWAP_TXS * swap.parts) + max(0.0, paid - got)


def change_cost(snapshot: Snapshot, state: MarketState) -> float:
    """One-time cost of changing a holding, in the first asset: of a deposit or a withdrawal, whichever costs more."""
    gas = state.gas_deposit if state.held.raw == 0 else max(state.gas_deposit, state.gas_withdraw)
    return snapshot.fees.cost(gas, state.rent_deposit, ENTER_TXS)


def enter_cost(snapshot: Snapshot, state: MarketState) -> float:
    """One-time cost of increasing a holding, in the first asset, a trial included."""
    return max(change_cost(snapshot, state), snapshot.fees.cost(*entry_gas(state)))


def entry_gas(state: MarketState) -> tuple[int, int, int]:
    """(gas, rent, transactions) of a deposit; for one that starts with a trial, those of the trial's withdrawal and of
    the rest too."""
    if not state.untried:
        return state.gas_deposit, state.rent_deposit, ENTER_TXS
    return 2 * state.gas_deposit + state.gas_withdraw, state.rent_deposit, 2 * ENTER_TXS + LEAVE_TXS
