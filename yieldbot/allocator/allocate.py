"""From a snapshot and its assessments to integer targets with a certificate. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from yieldbot.allocator.integers import Exact
from yieldbot.allocator.optimise import optimise
from yieldbot.allocator.problem import Group, Place, Problem, Purse
from yieldbot.allocator.reasons import binding, marginal_apr
from yieldbot.allocator.rewards import curve_of
from yieldbot.model.amounts import SECONDS_PER_YEAR, Amount, Token
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Kind, MarketState, Snapshot, Status
from yieldbot.model.plan import Allocation, Assessment, Certificate, MarketReason
from yieldbot.model.policy import Policy

BPS = 10_000


def allocate(
    snapshot: Snapshot, assessments: Sequence[Assessment], policy: Policy, *, wealth: Amount | None = None
) -> Allocation:
    """The best holdings found for everything that the owner has in the asset (or for ``wealth``, as a what-if).

    Targets are base units, sum to the wealth exactly and violate no bound; the wallet's own target is what is left.
    Raises ValueError for a snapshot without the idle market.
    """
    states = [s for s in snapshot.states.values() if s.market.kind is not Kind.IDLE]
    idle = next((s for s in snapshot.states.values() if s.market.kind is Kind.IDLE), None)
    if idle is None:
        raise ValueError("a snapshot without its wallet cannot be allocated")
    token = idle.market.asset
    held_raw = idle.held.raw + sum(s.held.raw for s in states)
    total_raw = held_raw if wealth is None else max(wealth.raw, held_raw - idle.held.raw)
    by_id = {a.market_id: a for a in assessments}
    exact = exact_of(states, by_id, policy, token, total_raw)
    problem = problem_of(snapshot, states, by_id, policy, exact, total_raw)
    best = optimise(problem)
    bound, price = best.upper_bound, best.price
    raws, _ = exact.rounded(best.holdings, token.one, problem.value)
    x = tuple(raw / token.one for raw in raws)
    objective = problem.objective(x)
    targets = {s.market.id: Amount(token, raw) for s, raw in zip(states, raws, strict=True)}
    targets[idle.market.id] = Amount(token, total_raw - sum(raws))
    h = problem.horizon_seconds
    years = h / SECONDS_PER_YEAR
    touched = [p for i, p in enumerate(problem.places) if x[i] != p.held]
    certificate = Certificate(
        objective=objective,
        upper_bound=max(bound, objective),
        gap_bps=max(0.0, bound - objective) / problem.wealth * BPS if problem.wealth else 0.0,
    )
    return Allocation(
        targets=targets,
        income_per_year=sum(v * p.curve.apr(v, h) for p, v in zip(problem.places, x, strict=True)),
        cost=sum(p.touch_cost for p in touched) * years,
        certificate=certificate,
        shadow_price=price,
        reasons=tuple(_reason(problem, i, s, by_id[s.market.id], x, price) for i, s in enumerate(states)),
    )


def exact_of(
    states: Sequence[MarketState], assessments: dict[MarketId, Assessment], policy: Policy, token: Token, total_raw: int
) -> Exact:
    """The constraints in base units: what must stay, what may come (nothing into a vetoed market), shares, minima."""
    high = []
    for state in states:
        assessment = assessments[state.market.id]
        most = state.held.raw
        if not assessment.vetoes and state.status is Status.ACTIVE:
            room = total_raw if state.capacity is None else state.held.raw + state.capacity.raw
            limit = total_raw if assessment.max_exposure is None else assessment.max_exposure.raw
            most = max(most, min(room, limit, total_raw))
        high.append(most)
    protocols = sorted({s.market.protocol for s in states} & set(policy.max_share_protocol))
    return Exact(
        held=tuple(s.held.raw for s in states),
        low=tuple(s.held.raw - s.withdrawable.raw for s in states),
        high=tuple(high),
        pools=tuple(s.pools for s in states),
        groups=tuple(
            (
                tuple(i for i, s in enumerate(states) if s.market.protocol == name),
                int(policy.max_share_protocol[name] * total_raw),
            )
            for name in protocols
        ),
        budgets=(max(0, total_raw - token.parse(policy.idle_buffer).raw),),
        min_positions=(token.parse(policy.min_position).raw,),
        min_moves=(token.parse(policy.min_move).raw,),
        assets=(0,) * len(states),
        weights=(1,) * len(states),
    )


def problem_of(
    snapshot: Snapshot,
    states: Sequence[MarketState],
    assessments: dict[MarketId, Assessment],
    policy: Policy,
    exact: Exact,
    total_raw: int,
) -> Problem:
    """The numbers of a snapshot. Fixed costs are spread over the horizon: a move must earn its gas back within it."""
    one = states[0].market.asset.one if states else 1
    years = policy.horizon_days * 86_400 / SECONDS_PER_YEAR
    places = []
    for i, state in enumerate(states):
        gas = state.gas_deposit if state.held.raw == 0 else max(state.gas_deposit, state.gas_withdraw)
        places.append(
            Place(
                curve=curve_of(state, policy),
                held=exact.held[i] / one,
                low=exact.low[i] / one,
                high=exact.high[i] / one,
                haircut=assessments[state.market.id].haircut_bps / BPS,
                touch_cost=snapshot.fees.cost(gas, state.rent_deposit) / years,
                pools=state.pools,
            )
        )
    return Problem(
        places=tuple(places),
        groups=tuple(Group(members, most / one, "policy's share of a protocol") for members, most in exact.groups),
        purses=(Purse(total_raw / one, exact.budgets[0] / one),),
        min_position=exact.min_positions[0] / one,
        min_move=exact.min_moves[0] / one,
        horizon_seconds=policy.horizon_days * 86_400,
        unit=1 / one,
    )


def _reason(
    problem: Problem, index: int, state: MarketState, assessment: Assessment, x: Sequence[float], price: float
) -> MarketReason:
    place, h = problem.places[index], problem.horizon_seconds
    limits: list[tuple[str, float]] = []
    if state.capacity is not None:
        limits.append(("the market's cap", float(state.held) + float(state.capacity)))
    if assessment.max_exposure is not None:
        limits.append(("policy's share of a market", float(assessment.max_exposure)))
    return MarketReason(
        market_id=state.market.id,
        apr_quoted=state.quoted.value,
        apr_after=place.curve.apr(x[index], h),
        marginal_apr=marginal_apr(problem, index, x[index]),
        binding=assessment.vetoes[0] if assessment.vetoes else binding(problem, index, x, price, limits),
    )
