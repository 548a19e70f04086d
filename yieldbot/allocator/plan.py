"""From targets to moves and legs, or to Hold with its reason. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from yieldbot.allocator.assess import haircut_bps, net_income
from yieldbot.allocator.rewards import curve_of
from yieldbot.model.amounts import SECONDS_PER_YEAR, Amount
from yieldbot.model.ids import MarketId
from yieldbot.model.market import ChainFees, Kind, MarketState, Snapshot
from yieldbot.model.plan import Allocation, Hold, Leg, LegKind, Move, Plan
from yieldbot.model.policy import Policy

GWEI = 10**9


def make_plan(
    snapshot: Snapshot, allocation: Allocation, policy: Policy, now: int, *, max_fee_wei: int | None = None
) -> Plan | Hold:
    """The legs that lead from what is held to the targets, or Hold. now: unix seconds, for the plan's expiry.

    Hold when nothing changes, when gas is above the ceiling (max_fee_wei a gas), when the gain does not pay the cost
    within the policy's break-even time, or when gas would eat more than its share of the horizon's gain.
    """
    changes = _changes(snapshot, allocation)
    if not changes:
        return Hold(f"nothing earns more than what is held, after costs{_below_buffer(snapshot, policy)}", allocation)
    if max_fee_wei is not None and isinstance(snapshot.fees, ChainFees):
        fee_wei = snapshot.fees.base_fee_wei + snapshot.fees.priority_fee_wei
        if fee_wei > max_fee_wei:
            said = f"gas is at {fee_wei / GWEI:.3g} gwei, above the ceiling of {max_fee_wei / GWEI:.3g}"
            return Hold(said, allocation)
    moves = _moves(snapshot, allocation, policy, changes)
    gain = sum(move.gain_per_year for move in moves)
    cost = sum(move.cost for move in moves)
    symbol = next(iter(changes.values())).token.symbol
    years = policy.horizon_days * 86_400 / SECONDS_PER_YEAR
    if gain <= 0:
        return Hold("the moves together earn nothing more", allocation)
    if cost / gain * 365 > policy.break_even_days:
        days = cost / gain * 365
        return Hold(
            f"{gain:,.2f} {symbol} a year more would take {days:,.1f} days to pay {cost:,.2f} {symbol} of cost; "
            f"the policy allows {policy.break_even_days:g}",
            allocation,
        )
    if cost > policy.max_gas_share_of_gain * gain * years:
        return Hold(
            f"cost {cost:,.2f} {symbol} is more than {policy.max_gas_share_of_gain:.0%} of the {gain * years:,.2f} "
            f"{symbol} gained in {policy.horizon_days:g} days",
            allocation,
        )
    legs = _legs(snapshot, allocation, changes)
    return Plan(
        id=_plan_id(snapshot, legs),
        block=snapshot.block,
        owner=snapshot.owner,
        moves=moves,
        legs=legs,
        allocation=allocation,
        gain_per_year=gain,
        cost=cost,
        grade=_grade(allocation, gain, cost, policy),
        expires_at=now + policy.plan_ttl_seconds,
    )


def _below_buffer(snapshot: Snapshot, policy: Policy) -> str:
    """What a Hold adds where the wallet has less than the buffer: people expect that to be mended."""
    idle = next(s for s in snapshot.states.values() if s.market.kind is Kind.IDLE)
    buffer = idle.held.token.parse(policy.idle_buffer)
    if idle.held >= buffer or all(not s.held.raw for s in snapshot.states.values() if s is not idle):
        return ""
    has = f"{float(idle.held):,.2f} {idle.held.token.symbol}, less than idle_buffer ({float(buffer):,.2f})"
    return f"; the wallet has {has}: new money fills it, nothing is withdrawn for it"


def _changes(snapshot: Snapshot, allocation: Allocation) -> dict[MarketId, Amount]:
    """Target less held of each market that changes, the wallet left out."""
    states = (s for s in snapshot.states.values() if s.market.kind is not Kind.IDLE)
    deltas = {s.market.id: allocation.targets[s.market.id] - s.held for s in states}
    return {market_id: delta for market_id, delta in deltas.items() if delta}


def _legs(snapshot: Snapshot, allocation: Allocation, changes: Mapping[MarketId, Amount]) -> tuple[Leg, ...]:
    """Withdrawals first, largest first, so that every deposit finds its money in the wallet."""
    ordered = sorted(changes.items(), key=lambda item: (-abs(item[1].raw), item[0]))
    out = [
        Leg(LegKind.WITHDRAW, market_id, Amount(change.token, -change.raw), all=not allocation.targets[market_id])
        for market_id, change in ordered
        if change.raw < 0
    ]
    into = [Leg(LegKind.DEPOSIT, market_id, change) for market_id, change in ordered if change.raw > 0]
    return (*out, *into)


def _moves(
    snapshot: Snapshot, allocation: Allocation, policy: Policy, changes: Mapping[MarketId, Amount]
) -> tuple[Move, ...]:
    """Sources paired with targets, largest first; the wallet takes up the difference on either side."""
    idle = next(s for s in snapshot.states.values() if s.market.kind is Kind.IDLE)
    out = {market_id: -c.raw for market_id, c in changes.items() if c.raw < 0}
    into = {market_id: c.raw for market_id, c in changes.items() if c.raw > 0}
    surplus = sum(into.values()) - sum(out.values())
    (out if surplus > 0 else into)[idle.market.id] = abs(surplus)
    sources = sorted(((raw, m) for m, raw in out.items() if raw), reverse=True)
    targets = sorted(((raw, m) for m, raw in into.items() if raw), reverse=True)
    worth = {s.market.id: _worth(s, allocation.targets[s.market.id], policy) for s in snapshot.states.values()}
    costs = {
        m: snapshot.fees.cost(snapshot.of(m).gas_deposit, snapshot.of(m).rent_deposit)
        if c.raw > 0
        else snapshot.fees.cost(snapshot.of(m).gas_withdraw)
        for m, c in changes.items()
    }
    moves = []
    while sources and targets:
        (have, source), (want, target) = sources[0], targets[0]
        raw = min(have, want)
        parts = ((source, raw / out[source]), (target, raw / into[target]))
        gain = sum(worth[m] * share for m, share in parts)
        cost = sum(costs.get(m, 0.0) * share for m, share in parts)
        moves.append(
            Move(
                source=source,
                target=target,
                amount=Amount(idle.market.asset, raw),
                gain_per_year=gain,
                cost=cost,
                break_even_days=cost / gain * 365 if gain > 0 else None,
                reason=_reason(snapshot, allocation, policy, source, target),
            )
        )
        sources[0] = (have - raw, source)
        targets[0] = (want - raw, target)
        sources = sources if sources[0][0] else sources[1:]
        targets = targets if targets[0][0] else targets[1:]
    return tuple(moves)


def _worth(state: MarketState, target: Amount, policy: Policy) -> float:
    """Income a year at the target less income now, in whole tokens, both net of the haircut: leaving a market whose
    risk is no longer paid for is a gain."""
    return net_income(state, float(target), policy) - net_income(state, float(state.held), policy)


def _reason(snapshot: Snapshot, allocation: Allocation, policy: Policy, source: MarketId, target: MarketId) -> str:
    """Why, in one line: both rates after the move, haircuts where they are what decides, and what keeps the target
    from taking more."""
    h = policy.horizon_days * 86_400
    rates = [curve_of(snapshot.of(m), policy).apr(float(allocation.targets[m]), h) * 100 for m in (source, target)]
    binding = next((r.binding for r in allocation.reasons if r.market_id == target), "")
    limit = f"; limited by {binding}" if binding.startswith(("policy", "the market")) else ""
    left, taken = snapshot.of(source).market, snapshot.of(target).market
    cuts = [haircut_bps(market, policy) / 100 for market in (left, taken)]
    if rates[1] < rates[0] and cuts[0] > cuts[1]:
        said = f"{left.name} pays {rates[0]:.2f} % less {cuts[0]:g} % of risk, {taken.name} {rates[1]:.2f} %"
        return f"{said} less {cuts[1]:g} %{limit}" if cuts[1] else f"{said}{limit}"
    return f"{taken.name} pays {rates[1]:.2f} % after our deposit, {left.name} {rates[0]:.2f} %{limit}"


def _grade(allocation: Allocation, gain: float, cost: float, policy: Policy) -> int:
    """0-100: 60 for how close the certificate shows it to the optimum (1 bp of gap costs 6), 40 for how soon it pays
    (at the policy's break-even time nothing is left of them)."""
    optimal = max(0.0, 60.0 - 6.0 * allocation.certificate.gap_bps)
    days = cost / gain * 365
    soon = 40.0 * max(0.0, 1.0 - days / policy.break_even_days) if policy.break_even_days > 0 else 0.0
    return round(optimal + soon)


def _plan_id(snapshot: Snapshot, legs: tuple[Leg, ...]) -> str:
    """Eight hex digits of the SHA-256 of what would be done, by whom, and where it was decided."""
    content = [snapshot.block.chain, snapshot.block.hash, snapshot.owner]
    content += [f"{leg.kind} {leg.market_id} {leg.amount.raw} {leg.all}" for leg in legs]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]
