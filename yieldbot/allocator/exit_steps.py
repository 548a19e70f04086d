"""Decides which requests, collections and cancellations of two-step exits are due, and makes their plans. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from yieldbot.allocator.allocate import allocate
from yieldbot.allocator.assess import net_income
from yieldbot.allocator.horizons import Horizons
from yieldbot.allocator.plan import graded
from yieldbot.allocator.share_terms import matured, with_terms
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.fees import ChainFees
from yieldbot.model.ids import MarketId
from yieldbot.model.market import ExitKind, MarketState, Snapshot, Status
from yieldbot.model.plan import Allocation, Assessment, Leg, LegKind, Plan
from yieldbot.model.policy import Base, Policy
from yieldbot.model.units import SECONDS_PER_YEAR

TWO_STEPS = (ExitKind.COOLDOWN, ExitKind.REQUEST)


@dataclass(frozen=True, slots=True)
class ExitStep:
    """One step of a two-step exit."""

    leg: Leg
    """The leg that makes the step."""
    gain: float
    """Its gain as an annual rate, in whole tokens of the first asset."""
    cost: float
    """Its one-time cost, in whole tokens of the first asset."""


def step_plan(
    snapshot: Snapshot,
    assessments: Sequence[Assessment],
    allocation: Allocation,
    policy: Policy,
    now: int,
    base: Base | None = None,
    *,
    max_fee_wei: int | None = None,
    requests: bool = True,
) -> Plan | None:
    """A plan with a leg for each step that is due; None if none is, or gas is above the ceiling. requests: whether
    something may be requested; else only what is ready is collected.

    What is ready is collected first, and nothing is requested in the same plan: the money that arrives may change what
    is to be withdrawn. Requests are planned when nothing else is due.
    """
    fees = snapshot.fees
    fee_wei = fees.base_fee_wei + fees.priority_fee_wei if isinstance(fees, ChainFees) else 0
    if max_fee_wei is not None and fee_wei > max_fee_wei:
        return None
    steps = collect_steps(snapshot, policy)
    if not steps and requests:
        steps = request_steps(snapshot, assessments, allocation, policy, base)
    if not steps:
        return None
    gain, cost = sum(step.gain for step in steps), sum(step.cost for step in steps)
    return graded(snapshot, policy, now, [step.leg for step in steps], allocation, gain=gain, cost=cost)


def collect_steps(snapshot: Snapshot, policy: Policy) -> list[ExitStep]:
    """Collections of what is ready, of what a cancellation returned, and redemptions of shares that have expired, where
    it is worth its gas (``max_gas_share_of_gain``).

    The gain is the amount that arrives, as the annual rate that would yield it within the horizon.
    """
    found = []
    for state in snapshot.markets:
        gone = state.leaving
        if matured(state) and _pays(snapshot, state, state.withdrawable, policy):
            amount = state.withdrawable
            leg = with_terms(state, Leg(LegKind.WITHDRAW, state.market.id, amount, all=amount == state.held))
            found.append(ExitStep(leg, per_year(snapshot, amount, policy), snapshot.fees.cost(state.gas_withdraw)))
        if gone is None or state.barred:
            continue
        for kind, amount in ((LegKind.COLLECT, gone.ready), (LegKind.CANCEL, gone.back)):
            cost = snapshot.fees.cost(state.gas_withdraw)
            if amount and _pays(snapshot, state, amount, policy):
                leg = Leg(kind, state.market.id, amount, all=kind is LegKind.COLLECT and amount == state.held)
                found.append(ExitStep(leg, per_year(snapshot, amount, policy), cost))
    return found


def _pays(snapshot: Snapshot, state: MarketState, amount: Amount, policy: Policy) -> bool:
    return snapshot.fees.cost(state.gas_withdraw) <= policy.max_gas_share_of_gain * _worth(snapshot, amount)


def per_year(snapshot: Snapshot, amount: Amount, policy: Policy) -> float:
    """Value of an amount in the first asset, as the annual rate that would yield it within the horizon."""
    return _worth(snapshot, amount) * SECONDS_PER_YEAR / (policy.horizon_seconds)


def _worth(snapshot: Snapshot, amount: Amount) -> float:
    return float(amount) * snapshot.price(amount.token)


def request_steps(
    snapshot: Snapshot,
    assessments: Sequence[Assessment],
    allocation: Allocation,
    policy: Policy,
    base: Base | None = None,
) -> list[ExitStep]:
    """Requests for what an allocation would withdraw from two-step markets if they paid at once; and cancellations of
    requests whose money it would leave in the market.

    A step pays when that other allocation's extra earnings (from when the money is out, over the policy's horizon)
    exceed the yield lost during the cooldown plus the gas of both steps. The horizon is that of moves, not the longer
    one of idle money: the money already earns in the market that it would leave, and a difference of two rates seldom
    outlasts a wait (docs/execution.md says what longer horizons lost). For a queue of unknown length no lost yield is
    deducted. While something is on its way out, nothing more is requested.
    """
    slow = [s for s in snapshot.markets if s.exit.kind in TWO_STEPS and s.status is not Status.PAUSED and not s.barred]
    asks = [s for s in slow if s.leaving is None and s.inside]
    calls = [s for s in slow if (way := s.leaving) and way.cancels and way.requested and not way.entering]
    if not asks and not calls:
        return []
    free = _with(snapshot, (replace(s, offered=s.held) for s in (*asks, *calls)))
    wanted = allocate(free, assessments, policy, base=base)
    found = []
    if taken := {s.market.id: s.held.raw - wanted.targets[s.market.id].raw for s in asks}:
        more = wanted.certificate.objective - allocation.certificate.objective
        found += _request_steps(snapshot, asks, taken, more, policy)
    stay = [s for s in calls if wanted.targets[s.market.id] >= s.held]
    if stay:
        closed = {s.market.id: Amount(s.market.asset, 0) for s in stay}
        shut = [replace(a, max_exposure=closed.get(a.market_id, a.max_exposure)) for a in assessments]
        gone = _with(free, (replace(s, held=Amount(s.held.token, 0), offered=None, leaving=None) for s in stay))
        gone = _with(gone, _given(gone, stay))
        elsewhere = allocate(gone, shut, policy, base=base).certificate.objective
        found += _called(snapshot, stay, wanted.certificate.objective - elsewhere, policy)
    return found


def _given(snapshot: Snapshot, stay: Sequence[MarketState]) -> Iterable[MarketState]:
    """The wallet's states with the proceeds of these markets added, as if they had paid at once."""
    for idle in snapshot.idle:
        raw = sum(state.held.raw for state in stay if state.market.asset == idle.market.asset)
        yield replace(idle, held=Amount(idle.held.token, idle.held.raw + raw))


def _with(snapshot: Snapshot, states: Iterable[MarketState]) -> Snapshot:
    return replace(snapshot, states=dict(snapshot.states) | {state.market.id: state for state in states})


def _request_steps(
    snapshot: Snapshot, asks: Sequence[MarketState], taken: Mapping[MarketId, int], more: float, policy: Policy
) -> list[ExitStep]:
    legs, costs, idle_years = [], [], []
    once = 1.0 / Horizons.of(policy).gas_move_years  # the objective has paid one step for each market that it leaves
    for state in asks:
        token, raw = state.market.asset, taken[state.market.id]
        if raw <= 0 or raw < token.parse(policy.min_move).raw:
            continue
        whole = raw >= state.inside.raw
        amount = state.inside if whole else Amount(token, raw)
        legs.append(Leg(LegKind.REQUEST, state.market.id, amount, all=whole))
        step = snapshot.fees.cost(state.gas_withdraw)
        costs.append(2 * step)
        more += step * once
        given_up = net_income(state, float(state.held), policy) - net_income(state, float(state.held - amount), policy)
        waits = (state.exit.seconds or 0) if state.exit.kind is ExitKind.COOLDOWN else 0
        idle_years.append(max(0.0, given_up) * snapshot.price(token) * waits / SECONDS_PER_YEAR)
    return _paying(legs, costs, more, sum(idle_years), policy)


def _called(snapshot: Snapshot, stay: Sequence[MarketState], more: float, policy: Policy) -> list[ExitStep]:
    legs = [Leg(LegKind.CANCEL, s.market.id, s.leaving.requested) for s in stay if s.leaving is not None]
    return _paying(legs, [2 * snapshot.fees.cost(s.gas_withdraw) for s in stay], more, 0.0, policy)


def _paying(legs: Sequence[Leg], costs: Sequence[float], more: float, lost: float, policy: Policy) -> list[ExitStep]:
    """The legs as steps, each with its part of the gain; empty if together they do not pay. more: additional income a
    year; lost: one-time yield lost."""
    years = policy.horizon_seconds / SECONDS_PER_YEAR
    gain, cost = more - lost / years, sum(costs)
    pays = gain > 0.0 and cost <= policy.max_gas_share_of_gain * gain * years
    if not legs or not pays or (cost + lost) / more * 365 > policy.move_days:
        return []
    return [ExitStep(leg, gain / len(legs), one) for leg, one in zip(legs, costs, strict=True)]


def step_refusal(snapshot: Snapshot, leg: Leg, asset: Token) -> str | None:
    """Why a planned step is no longer due; None while it is. asset: the market's asset."""
    state = snapshot.of(leg.market_id)
    gone = state.leaving
    if leg.kind is LegKind.REQUEST:
        if gone is not None:
            return f"{gone.whole} are on their way out already"
        short = state.inside < leg.amount and not leg.all
        return f"only {state.inside} are inside" if short or not state.inside else None
    if gone is None:
        return "nothing is on its way out"
    if leg.kind is LegKind.COLLECT:
        return None if gone.ready >= leg.amount else f"only {gone.ready} can be collected now"
    if gone.back >= leg.amount or gone.cancels:
        return None
    return f"nothing of {Amount(asset, leg.amount.raw)} can be called back now"
