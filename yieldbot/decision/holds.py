"""Checks a plan's legs against the newest snapshot and the present policy. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yieldbot.allocator import exit_steps, rebalance
from yieldbot.allocator.allocate import exact_of, group_names, portfolio_of
from yieldbot.allocator.assess import assess, price_veto
from yieldbot.allocator.claims import claim_of, per_year, sale_per_year
from yieldbot.allocator.convert import convert
from yieldbot.allocator.exit_swaps import exit_price_refusal
from yieldbot.allocator.share_terms import matured
from yieldbot.allocator.shared import dilutions_of, income_change
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import MarketId
from yieldbot.model.market import MarketState, Snapshot, Status
from yieldbot.model.plan import EXCLUDED, SLACK, Assessment, Declined, Leg, LegKind, Plan
from yieldbot.model.policy import Base, Policy
from yieldbot.model.settings import Job
from yieldbot.risk.prices import below_minimum

STEPS = (LegKind.REQUEST, LegKind.COLLECT, LegKind.CANCEL)


def still_holds(plan: Plan, index: int, snapshot: Snapshot, policy: Policy, job: Job | None = None) -> Declined | None:
    """Why the plan's legs from ``index`` on no longer make sense in a newer snapshot; None if they still do. Pure.

    job: the job that the swaps belong to. Markets must still accept and pay the amounts, and pools must still bring
    each swap's minimum; new money may only go where a fresh plan under this policy would put it; and the gain must not
    have fallen below the fraction ``policy.min_gain_share`` of the approved one. For an exit only the next leg is
    checked, and no gain: one market must not keep another's money in.
    """
    if plan.is_exit:
        return exit_leg_refused(plan.legs[index], snapshot)
    coming: dict[MarketId, int] = {}
    for leg in plan.legs[index:]:
        if leg.kind is LegKind.DEPOSIT:  # a later leg may take a part of it
            coming[leg.market_id] = coming.get(leg.market_id, 0) + leg.amount.raw
        if leg.kind is LegKind.CLAIM:
            if (refused := _claim_gone(leg, snapshot)) is not None:
                return refused
            continue
        if leg.kind is LegKind.SWAP:
            refused = _swap_refused(leg, snapshot, job) or (
                _exit_price(leg, snapshot, policy, job) if plan.why else None
            )
            if refused is not None:
                return refused
            continue
        state = snapshot.states.get(leg.market_id)
        if state is None:
            return Declined("MARKET_UNREADABLE", f"{leg.market_id} can no longer be read")
        if leg.kind in STEPS:
            if (why := exit_steps.step_refusal(snapshot, leg, state.market.asset)) is not None:
                return Declined("STEP_NOT_DUE", f"{state.market.name}: {why}")
        elif leg.kind is LegKind.REBALANCE:
            if rebalance.rebalance_due(snapshot, state, policy) is None:
                return Declined("RANGE_STAYS", f"{state.market.name}: a new range is no longer called for")
        elif leg.kind is LegKind.DEPOSIT:
            if state.status is not Status.ACTIVE:
                return Declined("MARKET_CLOSED", f"{state.market.name} is {state.status} now")
            if state.capacity is not None and state.capacity < leg.amount:
                return Declined("CAP_REACHED", f"{state.market.name} takes only {state.capacity} now")
        elif _above(leg.amount.raw, state.withdrawable.raw + coming.get(leg.market_id, 0)) and not leg.all:
            return Declined("LIQUIDITY_GONE", f"{state.market.name} pays out only {state.withdrawable} now")
    if (refused := not_entered(plan, index, snapshot, policy, job.base if job else None)) is not None:
        return refused
    if plan.legs and (plan.legs[index].kind in STEPS or _redeems(plan, index, snapshot)):
        return _step_unpaid(plan, index, snapshot, policy)
    least = plan.gain_per_year * policy.min_gain_share if index == 0 else 0.0
    gain = _gain_per_year(plan.legs[index:], snapshot, policy)
    if gain < least:
        return Declined(
            "GAIN_GONE",
            f"what is left would earn {gain:z,.2f} a year more; {least:z,.2f} is the least (policy.min_gain_share)",
        )
    return None


def _redeems(plan: Plan, index: int, snapshot: Snapshot) -> bool:
    """Whether a leg of a plan without moves redeems shares that have expired."""
    state = snapshot.states.get(plan.legs[index].market_id)
    return not plan.moves and plan.legs[index].kind is LegKind.WITHDRAW and state is not None and matured(state)


def exit_leg_refused(leg: Leg, snapshot: Snapshot) -> Declined | None:
    """Why a leg of an exit cannot be carried out now; None if it can, for as much as the market pays."""
    state = snapshot.states.get(leg.market_id)
    if state is None:
        return Declined("MARKET_UNREADABLE", f"{leg.market_id} can no longer be read")
    if leg.kind is LegKind.CANCEL and (state.leaving is None or not (state.leaving.back or state.leaving.entering)):
        return Declined("STEP_NOT_DUE", f"{state.market.name}: nothing was returned; an exit calls no request back")
    if leg.kind in STEPS:
        why = exit_steps.step_refusal(snapshot, leg, state.market.asset)
        return None if why is None else Declined("STEP_NOT_DUE", f"{state.market.name}: {why}")
    if state.withdrawable.raw <= 0:
        why = state.stuck or ("it is paused" if state.status is Status.PAUSED else "it pays out nothing now")
        return Declined("LIQUIDITY_GONE", f"{state.market.name}: {why}")
    return None


def _step_unpaid(plan: Plan, index: int, snapshot: Snapshot, policy: Policy) -> Declined | None:
    """Why a step of a two-step exit is no longer worth its gas; None if it is. Its gain was shown with the plan and is
    not compared again: whoever approved it wants the exit."""
    leg = plan.legs[index]
    cost = snapshot.fees.cost(snapshot.of(leg.market_id).gas_withdraw)
    worth = float(leg.amount) * snapshot.price(leg.amount.token)
    if cost <= policy.max_gas_share_of_gain * worth:
        return None
    return Declined("GAIN_GONE", f"{leg.amount} are not worth the {cost:z,.4f} of gas that this step costs now")


def not_entered(plan: Plan, index: int, snapshot: Snapshot, policy: Policy, base: Base | None) -> Declined | None:
    """Why a fresh plan would not put new money where the legs from ``index`` on put it; None if it would. Pure.

    Each such market is assessed again, with holdings, groups and the wallet as they will be after the legs. As in a
    fresh plan, a sum that exceeded its bound before the plan's first leg may stay, but not grow.
    """
    legs = plan.legs[index:]
    into = [leg for leg in legs if leg.kind in (LegKind.DEPOSIT, LegKind.REBALANCE)]
    if not into:
        return None
    assessed = {one.market_id: one for one in assess(snapshot, policy, None, base)}
    paid = 2 * plan.cost if index else 0.0  # the plan's own swaps have made the wealth, and so every limit, smaller
    done, ahead = _changes(plan.legs[:index]), _changes(legs)
    for leg in into:
        state, assessment = snapshot.of(leg.market_id), assessed[leg.market_id]
        if (refused := _vetoed(leg, state, assessment, snapshot, policy, base)) is not None:
            return refused
        if leg.kind is LegKind.DEPOSIT and assessment.max_exposure is not None:
            start, after = (state.held.raw + more for more in (-done.get(leg.market_id, 0), ahead[leg.market_id]))
            token = leg.amount.token
            slack = int(paid / snapshot.price(token) * token.one)
            if _above(after, max(assessment.max_exposure.raw, start), slack):
                message = f"{Amount(leg.amount.token, after)} would be in {state.market.name}"
                return Declined(
                    "EXPOSURE_LIMIT", f"{message}, {assessment.max_exposure} are allowed: {assessment.bound}"
                )
    if all(leg.kind is LegKind.REBALANCE for leg in into):
        return None
    deposits = [leg for leg in into if leg.kind is LegKind.DEPOSIT]
    return (
        _group_exceeded(deposits, snapshot, policy, base, assessed, done, ahead, paid)
        or _too_small(deposits, snapshot, policy, base, assessed, done, ahead)
        or _buffer_taken(plan, index, snapshot, policy)
    )


def _vetoed(
    leg: Leg, state: MarketState, assessment: Assessment, snapshot: Snapshot, policy: Policy, base: Base | None
) -> Declined | None:
    """Why a market gets no new money; None if it may. A range that the price has left counts as frozen, but may still
    be rebalanced."""
    for token in (
        (state.market.asset, state.liquidity_market.other) if state.liquidity_market else (state.market.asset,)
    ):
        if (why := price_veto(snapshot, token, policy, base)) is not None:
            return why
    against = [one for one in assessment.vetoes if leg.kind is LegKind.DEPOSIT or one != str(Status.FROZEN)]
    if not against:
        return None
    code = "EXCLUDED" if EXCLUDED in against else "MARKET_VETOED"
    return Declined(code, f"{state.market.name} gets no new money now: {'; '.join(against)}")


def _changes(legs: Sequence[Leg]) -> dict[MarketId, int]:
    """Base units that the legs add to each market; negative: take out."""
    found: dict[MarketId, int] = {}
    for leg in legs:
        sign = {LegKind.DEPOSIT: 1, LegKind.WITHDRAW: -1}.get(leg.kind, 0)
        found[leg.market_id] = found.get(leg.market_id, 0) + sign * leg.amount.raw
    return found


def _above(value: int, most: int, slack: int = 0) -> bool:
    return value > most + most // SLACK + slack


def _group_exceeded(
    deposits: Sequence[Leg],
    snapshot: Snapshot,
    policy: Policy,
    base: Base | None,
    assessed: Mapping[MarketId, Assessment],
    done: Mapping[MarketId, int],
    ahead: Mapping[MarketId, int],
    paid: float,
) -> Declined | None:
    """The limit on a protocol or an asset that the deposits exceed; None if they exceed none. paid: the most that the
    plan has cost so far, in the first asset."""
    states, portfolio = snapshot.markets, portfolio_of(snapshot)
    exact = exact_of(states, assessed, policy, portfolio, base)
    gets = {leg.market_id for leg in deposits}
    for name, cap in zip(group_names(states, policy, portfolio, base), exact.limits(), strict=True):
        ids = [(states[i].market.id, w, states[i].held.raw) for i, w in zip(cap.members, cap.weights, strict=True)]
        if not gets.intersection(market_id for market_id, _, _ in ids):
            continue
        start = sum(weight * (held - done.get(market_id, 0)) for market_id, weight, held in ids)
        after = sum(weight * (held + ahead.get(market_id, 0)) for market_id, weight, held in ids)
        if _above(after, max(cap.most, start), int(paid * portfolio.ones[0]) * portfolio.weights[0] * cap.scale):
            part = after / cap.scale / portfolio.total if portfolio.total else 1.0
            return Declined("EXPOSURE_LIMIT", f"{part:z.1%} of the wealth would be there: {name} allows less")
    return None


def _too_small(
    deposits: Sequence[Leg],
    snapshot: Snapshot,
    policy: Policy,
    base: Base | None,
    assessed: Mapping[MarketId, Assessment],
    done: Mapping[MarketId, int],
    ahead: Mapping[MarketId, int],
) -> Declined | None:
    """The deposit that is below min_move or min_position; None if none is. Deposits of one plan into one market are
    added up."""
    portfolio = portfolio_of(snapshot)
    exact = exact_of(snapshot.markets, assessed, policy, portfolio, base)
    for leg in deposits:
        state = snapshot.of(leg.market_id)
        least, step = (bounds[portfolio.of(state)] for bounds in (exact.min_positions, exact.min_moves))
        moved = done.get(leg.market_id, 0) + ahead[leg.market_id]
        if _above(step, moved) or _above(least, state.held.raw + ahead[leg.market_id]):
            return Declined("BELOW_MINIMUM", f"{leg.amount} into {state.market.name} is below min_move or min_position")
    return None


def _buffer_taken(plan: Plan, index: int, snapshot: Snapshot, policy: Policy) -> Declined | None:
    """Refusal if the wallet would have less than its buffer; None if not. What was missing before the plan may stay
    missing."""
    first = snapshot.assets[0]
    buffer = first.parse(policy.idle_buffer)
    idle = snapshot.idle[0].held.raw
    start, left = idle - _into_wallet(plan, plan.legs[:index]), idle + _into_wallet(plan, plan.legs[index:])
    slack = int(2 * plan.cost * first.one) if plan.asset == first else 0  # fees may be paid from it
    if _above(min(buffer.raw, start), max(0, left), slack):
        return Declined(
            "BUFFER_TAKEN", f"{Amount(first, max(0, left))} would stay in the wallet, idle_buffer: {buffer}"
        )
    return None


def _into_wallet(plan: Plan, legs: Sequence[Leg]) -> int:
    """Base units of the plan's first asset that the legs bring into the wallet, expected outputs of swaps included."""
    expected = {(swap.given, swap.least): swap.gets for swap in plan.allocation.swaps}
    found = 0
    for leg in legs:
        if leg.amount.token == plan.asset and leg.kind in (LegKind.DEPOSIT, LegKind.SWAP):
            found -= leg.amount.raw
        if leg.amount.token == plan.asset and leg.kind is LegKind.WITHDRAW:
            found += leg.amount.raw
        if leg.kind is LegKind.SWAP and leg.gets is not None and leg.gets.token == plan.asset:
            found += expected.get((leg.amount, leg.gets), leg.gets).raw
    return found


def _swap_refused(leg: Leg, snapshot: Snapshot, job: Job | None) -> Declined | None:
    base = None if job is None else job.bounds(leg.amount.token)
    if leg.gets is None or base is None:
        return Declined("NOT_IN_PLAN", f"a swap of {leg.amount}, which the job does not make")
    made = convert(snapshot, leg.amount, leg.gets.token, base)
    return made if isinstance(made, Declined) else below_minimum(made.route.given, leg.gets)


def _exit_price(leg: Leg, snapshot: Snapshot, policy: Policy, job: Job | None) -> Declined | None:
    """Why what came out of an exit would be sold for too little now; None if it would not."""
    if leg.gets is None or job is None:
        return None
    return exit_price_refusal(snapshot, leg.amount, leg.gets, job.pegged, policy)


def _claim_gone(leg: Leg, snapshot: Snapshot) -> Declined | None:
    """Why a claim would no longer bring what was planned; None if it would."""
    found = claim_of(snapshot, leg.market_id)
    if found is None:
        return Declined("MARKET_UNREADABLE", f"{leg.market_id} can no longer be read")
    if leg.gets is None or found[1].claimable.token != leg.gets.token or found[1].claimable < leg.gets:
        return Declined("REWARD_GONE", f"{found[0].market.name} has only {found[1].claimable} to be claimed now")
    return None


def _gain_per_year(legs: Sequence[Leg], snapshot: Snapshot, policy: Policy) -> float:
    """What the legs earn more a year in the first asset, net of haircuts: income after them less income now."""
    gain = sale_per_year(legs, snapshot, policy)
    changes: dict[str, float] = {}
    for leg in legs:
        if leg.kind is LegKind.CLAIM:
            found = claim_of(snapshot, leg.market_id)
            gain += per_year(found[1], policy) if found is not None else 0.0
            continue
        if leg.kind is LegKind.REBALANCE:
            state = snapshot.of(leg.market_id)
            trigger = rebalance.rebalance_due(snapshot, state, policy)
            gain += rebalance.per_year(snapshot, state, trigger, policy) if trigger is not None else 0.0
            continue
        sign = {LegKind.DEPOSIT: 1, LegKind.WITHDRAW: -1}.get(leg.kind, 0)
        changes[leg.market_id] = changes.get(leg.market_id, 0.0) + sign * float(leg.amount)
    dilutions = dilutions_of(snapshot.markets, policy)
    for state in snapshot.states.values():
        target = max(0.0, float(state.held) + changes.get(state.market.id, 0.0))
        gain += income_change(state, target, policy, dilutions) * snapshot.price(state.market.asset)
    return gain
