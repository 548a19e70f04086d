"""Turns a snapshot and its assessments into integer targets with a certificate. Pure.

One asset or several: each asset has its own budget, and swaps between assets are priced in the same solve
(``convert.py``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from yieldbot.allocator.horizons import Horizons
from yieldbot.allocator.integers import THOUSAND, Exact, ExactSwap
from yieldbot.allocator.later import Later
from yieldbot.allocator.market_curve import curve_of
from yieldbot.allocator.optimise import Optimum, optimise
from yieldbot.allocator.outcome import Answer, change_cost, enter_cost
from yieldbot.allocator.outcome import entry_gas as entry_gas
from yieldbot.allocator.outcome import exchange_cost as exchange_cost
from yieldbot.allocator.portfolio import Portfolio as Portfolio
from yieldbot.allocator.portfolio import portfolio_of as portfolio_of
from yieldbot.allocator.problem import AssetBudget, Group, Problem, ProblemMarket, Swap
from yieldbot.allocator.shared import dilutions_of
from yieldbot.allocator.swap_quotes import SwapQuotes, most_added
from yieldbot.allocator.unread import upper_markets, worth_reading
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.fees import ENTER_TXS, LEAVE_TXS, SWAP_TXS
from yieldbot.model.glance import Glance
from yieldbot.model.ids import MarketId
from yieldbot.model.market import MarketState, Snapshot, Status
from yieldbot.model.names import means
from yieldbot.model.plan import Allocation, Assessment
from yieldbot.model.policy import Base, Policy
from yieldbot.model.units import BPS
from yieldbot.risk.blacklist import LEAST_SHARE
from yieldbot.risk.look_through import UNKNOWN, shares


def allocate(
    snapshot: Snapshot,
    assessments: Sequence[Assessment],
    policy: Policy,
    *,
    wealth: Amount | None = None,
    base: Base | None = None,
    patience: float = 1.0,
    later: Later | None = None,
) -> Allocation:
    """The best allocation found for everything that the owner has (or for ``wealth``, a what-if).

    assessments: one for each market of the snapshot (``assess``). wealth: in the snapshot's first asset; None: what the
    snapshot holds. base: the unit that several assets are held for; None for one asset. patience: factor on the
    policy's horizons, within which costs must pay; rates are not changed. later: what limits over time keep for later
    plans; None: nothing.

    Targets are base units, add up exactly to the wealth (with several assets: less what goes into swaps, plus what
    comes out) and exceed no limit; what no market gets is the wallet's target. The objective, the search and the proof
    of its upper bound are in docs/allocator.md. Raises ValueError for a snapshot without the idle market, KeyError for
    a market without an assessment.
    """
    if not snapshot.idle:
        raise ValueError("a snapshot without its wallet cannot be allocated")
    by_id = {a.market_id: a for a in assessments}
    portfolio = portfolio_of(snapshot, wealth)
    books = SwapQuotes.of(snapshot, portfolio, base, None if later is None else later.swapped)
    rounds = 0
    while True:
        exact = exact_of(snapshot.markets, by_id, policy, portfolio, base, books.quoted(), later)
        problem = problem_of(
            snapshot, snapshot.markets, by_id, policy, exact, portfolio, base, books.gas(), patience, later
        )
        best = optimise(problem)
        raws, paid = exact.rounded(best.holdings, portfolio.ones, problem.value)
        raws = _without_rests(snapshot, exact, raws, portfolio)
        bound, further = _bound(problem, books, best)
        if (swaps := books.exchanged(paid)) is None:
            continue  # without the swaps that turned out to be impossible
        answer = Answer(
            snapshot, Horizons.of(policy, patience), by_id, portfolio, problem, exact, bound, best.price, raws, paid,
            books.closed, frozenset(i for i, s in enumerate(snapshot.markets) if later and later.passes(s)),
        )  # fmt: skip
        found = answer.allocation(swaps)
        rounds += 1
        if found.certificate.gap_bps <= CLOSE_BPS or rounds == ROUNDS or not books.requote(paid, further):
            break
    if not snapshot.glanced:
        return found
    states, unread = upper_markets(snapshot, policy, wealth, base)
    every, by_any_id = (*snapshot.markets, *states), by_id | unread
    exact = exact_of(every, by_any_id, policy, portfolio, base, books.quoted(), later)
    problem = problem_of(snapshot, every, by_any_id, policy, exact, portfolio, base, books.gas(), patience, later)
    return _with_unread(found, problem, books, tuple(unread), snapshot.glanced)


def _with_unread(
    found: Allocation, problem: Problem, books: SwapQuotes, unread: Sequence[MarketId], glanced: Sequence[Glance]
) -> Allocation:
    """The allocation with a bound that also holds for markets that were not read in full. problem: with such of them
    (``unread``, its last markets) as new money could go into, each at its ceiling."""
    best = optimise(problem)
    bound, _ = _bound(problem, books, best)
    proof = found.certificate
    most = max(proof.upper_bound, bound)
    gap_bps = max(0.0, most - proof.objective) / problem.wealth * BPS if problem.wealth else 0.0
    outlooks = {one.market.id: one.outlook for one in glanced if one.outlook is not None}
    price = best.price or max(best.prices[: len(problem.budgets)], default=0.0)  # 0: the first bound was close enough
    wanted = worth_reading(problem, best.holdings, price, unread, outlooks)
    if gap_bps <= CLOSE_BPS:  # nothing is better by what markets pay now
        wanted = [one for one in wanted if one in outlooks]
    worse = max(proof.gap_bps, gap_bps)
    certificate = replace(proof, upper_bound=most, gap_bps=worse, glanced=len(glanced), unread=tuple(wanted))
    return replace(found, certificate=certificate)


def _bound(problem: Problem, books: SwapQuotes, best: Optimum) -> tuple[float, Sequence[float]]:
    """(upper bound, further amounts): the objective that no allocation can exceed, whatever swaps bring between their
    quoted amounts; and, for each row of swap quotes, what the optimum with the optimistic quotes swaps there, to be
    quoted next.

    The optimistic quotes can raise a bound of the search by some amount. Where that amount is negligible it is added to
    the bound; else the problem is solved again with the optimistic quotes.
    """
    if not problem.swaps:
        return best.upper_bound, ()
    wider = books.widened(problem)
    if best.complete:
        added = most_added(problem, wider, best.prices, FINE_BPS / BPS * problem.wealth)
        if added < float("inf"):
            return best.upper_bound + added, best.holdings[len(problem.markets) :]
    found = optimise(wider)
    return max(best.upper_bound, found.upper_bound), found.holdings[len(problem.markets) :]


def _without_rests(snapshot: Snapshot, exact: Exact, raws: Sequence[int], portfolio: Portfolio) -> tuple[int, ...]:
    """The targets, with 0 in place of a remainder that is worth less than the gas of withdrawing it later, or that is a
    rounding error of floats: it is withdrawn with the rest."""
    found = list(raws)
    for index, (state, raw) in enumerate(zip(snapshot.markets, raws, strict=True)):
        held, asset = exact.held[index], exact.assets[index]
        if not 0 < raw <= held // 100 or exact.low[index] > 0:
            continue
        worth = raw / portfolio.ones[asset] * portfolio.prices[asset]
        if raw <= held // FEW_PARTS or worth < snapshot.fees.cost(state.gas_withdraw):
            found[index] = 0
    return tuple(found)


FEW_PARTS = 10**6
"""A remainder below one part in this of a position is a rounding error and not a decision."""

ROUNDS = 6
"""How many times at most the quotes are refined around the amounts that the solution swaps."""

CLOSE_BPS = 0.02
"""At a gap below this, in bps of the wealth a year, quotes are not refined further."""

SHARE_OF_COLLATERAL = "policy's share of a collateral"
"""The name, in reasons, of the limit on what one collateral backs."""
FINE_BPS = 0.005
"""Quotes are fine enough when optimistic ones would raise a bound by less than this, in bps of the wealth a year."""


def exact_of(
    states: Sequence[MarketState],
    assessments: Mapping[MarketId, Assessment],
    policy: Policy,
    portfolio: Portfolio,
    base: Base | None = None,
    quoted: Sequence[ExactSwap] = (),
    later: Later | None = None,
) -> Exact:
    """The constraints in base units: what must stay, what may come in (nothing into a vetoed market; into a first
    choice of ``later`` no more than its target), limits and minimums."""
    reach = list(portfolio.raws)
    for swap in quoted:
        reach[swap.target] += swap.quotes[-1][1]
    high = []
    for state in states:
        assessment, most, all_of_it = assessments[state.market.id], state.held.raw, reach[portfolio.of(state)]
        if not assessment.vetoes and state.status is Status.ACTIVE:
            room = all_of_it if state.capacity is None else state.held.raw + state.capacity.raw
            limit = all_of_it if assessment.max_exposure is None else assessment.max_exposure.raw
            final = None if later is None else later.most_raw(state)
            most = max(most, min(room, limit, all_of_it if final is None else min(all_of_it, final)))
        high.append(most)
    first = portfolio.tokens[0]
    budgets = list(portfolio.raws)
    budgets[0] = max(0, budgets[0] - first.parse(policy.idle_buffer).raw)
    assets = range(len(portfolio.tokens))
    groups = _groups(states, policy, portfolio, base)
    return Exact(
        held=tuple(s.held.raw for s in states),
        low=tuple(s.held.raw - s.withdrawable.raw for s in states),
        high=tuple(high),
        pools=tuple(s.pools for s in states),
        groups=tuple((one.members, int(one.share * portfolio.total)) for one in groups),
        parts=tuple(one.parts for one in groups) if any(one.parts for one in groups) else (),
        budgets=tuple(budgets),
        min_positions=tuple(portfolio.raw(first.parse(policy.min_position).raw, index) for index in assets),
        min_moves=tuple(portfolio.raw(first.parse(policy.min_move).raw, index) for index in assets),
        assets=tuple(portfolio.of(s) for s in states),
        weights=tuple(portfolio.weights[portfolio.of(s)] for s in states),
        swaps=tuple(quoted),
    )


def group_names(
    states: Sequence[MarketState], policy: Policy, portfolio: Portfolio, base: Base | None
) -> tuple[str, ...]:
    """Names of the groups that ``exact_of`` makes, in the same order."""
    return tuple(one.name for one in _groups(states, policy, portfolio, base))


@dataclass(frozen=True, slots=True)
class _Limit:
    """A limit on a sum of holdings."""

    name: str
    """Its name in reasons."""
    members: tuple[int, ...]
    """Indexes of markets."""
    share: float
    """The fraction of the wealth."""
    parts: tuple[int, ...] = ()
    """For each member the thousandths of its holding that count; empty: all of it."""


def _groups(states: Sequence[MarketState], policy: Policy, portfolio: Portfolio, base: Base | None) -> list[_Limit]:
    """Every limit on a sum of holdings."""
    found = [
        _Limit("policy's share of a protocol", tuple(i for i, s in enumerate(states) if means(name, s.market)), share)
        for name, share in sorted(policy.max_share_protocol.items())
    ]
    if base is not None:
        for token in portfolio.tokens:
            members = tuple(i for i, s in enumerate(states) if token in _tokens(s))  # a pool may come to hold one alone
            if (share := base.shares[token.symbol]) < 1.0:
                found.append(_Limit(f"policy's share of {token.symbol}", members, share))
    return [limit for limit in (*found, *_collateral_limits(states, policy)) if limit.members]


def _collateral_limits(states: Sequence[MarketState], policy: Policy) -> Iterator[_Limit]:
    """A limit for each collateral on the markets that it backs, each counted by the backed fraction; unknown backing is
    left out. Only for a collateral that backs several markets, or one market that may hold more than the limit."""
    if policy.max_share_collateral >= 1.0:
        return
    found: dict[str, dict[int, float]] = {}
    for i, state in enumerate(states):
        for backing, part in shares(state).items():
            if backing != UNKNOWN and part >= LEAST_SHARE:
                found.setdefault(backing, {})[i] = part
    for members in found.values():
        parts = tuple(min(THOUSAND, math.ceil(part * THOUSAND)) for part in members.values())
        yield _Limit(SHARE_OF_COLLATERAL, tuple(members), policy.max_share_collateral, parts)


def _tokens(state: MarketState) -> tuple[Token, ...]:
    return (
        (state.market.asset,) if state.liquidity_market is None else (state.market.asset, state.liquidity_market.other)
    )


def problem_of(
    snapshot: Snapshot,
    states: Sequence[MarketState],
    assessments: Mapping[MarketId, Assessment],
    policy: Policy,
    exact: Exact,
    portfolio: Portfolio,
    base: Base | None = None,
    swap_gas: Sequence[int] = (),
    patience: float = 1.0,
    later: Later | None = None,
) -> Problem:
    """The problem for the solver. Costs are spread over the policy's horizons: idle money that enters a market must
    earn its cost back within the longer one, invested money that moves within the shorter one.

    A move leaves one market and enters another. As the solver prices each market by itself, the cost of entering is
    charged to the market that is entered as if idle money came; what a move must pay sooner than that is charged to the
    market that is left. Into a market that money enters only until later plans move it on, its gas in and out must be
    earned in that time. swap_gas: gas cost of each swap of the exact problem. patience, later: as in ``allocate``.
    """
    ones, spread = portfolio.ones, Horizons.of(policy, patience)
    in_markets = [sum(h for h, a in zip(exact.held, exact.assets, strict=True) if a == k) for k in range(len(ones))]
    idle = [max(0, budget - held) / one for budget, held, one in zip(exact.budgets, in_markets, ones, strict=True)]
    markets, dilutions = [], dilutions_of(states, policy)
    for i, state in enumerate(states):
        asset = exact.assets[i]
        once, enters = change_cost(snapshot, state), enter_cost(snapshot, state)
        enters_a_year = enters / spread.gas_enter_years
        if later is not None and later.passes(state):
            out = snapshot.fees.cost(state.gas_withdraw, txs=LEAVE_TXS)
            enters_a_year = max(enters_a_year, (enters + out) / max(1e-9, later.years * spread.gas_share))
        # the entering cost of the market that the money goes to
        again = snapshot.fees.cost(state.gas_deposit, txs=ENTER_TXS)
        markets.append(
            ProblemMarket(
                curve=curve_of(state, policy, ignore_withdrawals=state.market.id in dilutions),
                held=exact.held[i] / ones[asset],
                low=exact.low[i] / ones[asset],
                high=exact.high[i] / ones[asset],
                haircut=assessments[state.market.id].haircut_bps / BPS,
                enter_cost=enters_a_year,
                leave_cost=once / spread.gas_move_years
                + again * (1.0 / spread.gas_move_years - 1.0 / spread.gas_enter_years),
                pools=state.pools,
                asset=asset,
                price=portfolio.prices[asset],
                dilutions=dilutions.get(state.market.id, ()),
            )
        )
    unit = portfolio.weights[0] * ones[0]  # weight of a whole first token
    names = group_names(states, policy, portfolio, base)
    parts = exact.parts or ((),) * len(names)
    return Problem(
        markets=tuple(markets),
        groups=tuple(
            Group(m, most / unit, name, tuple(part / THOUSAND for part in counted))
            for name, (m, most), counted in zip(names, exact.groups, parts, strict=True)
        ),
        budgets=tuple(
            AssetBudget(raw / one, budget / one, price, snapshot.growth.get(token, 0.0))
            for token, raw, budget, one, price in zip(
                portfolio.tokens, portfolio.raws, exact.budgets, ones, portfolio.prices, strict=True
            )
        ),
        min_position=exact.min_positions[0] / ones[0],
        min_move=exact.min_moves[0] / ones[0],
        horizon_seconds=policy.horizon_seconds,
        unit=1 / min(ones),
        swaps=tuple(
            Swap(
                swap.source,
                swap.target,
                tuple((paid / ones[swap.source], out / ones[swap.target]) for paid, out in swap.quotes),
                snapshot.fees.cost(gas, txs=SWAP_TXS)
                / (spread.gas_enter_years if idle[swap.source] > 0.0 else spread.gas_move_years),
                spread.move_years,
                idle[swap.source],
                spread.enter_years,
            )
            for swap, gas in zip(exact.swaps, swap_gas, strict=True)
        ),
    )
