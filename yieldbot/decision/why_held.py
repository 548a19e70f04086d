"""Explains a Hold in more detail than the solver does: the best move that would pay, only too late; the policy's
minimums and its share for gas; the limits and vetoes that keep money out of what pays more; a price of gas above its
ceiling. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from yieldbot.allocator.allocate import allocate
from yieldbot.allocator.horizons import days_allowed
from yieldbot.allocator.plan import NOTHING_PAYS, make_plan
from yieldbot.decision.decide import Decision
from yieldbot.decision.gas_learned import with_learnt_gas
from yieldbot.journal.fold import Record
from yieldbot.model.amounts import Amount
from yieldbot.model.fees import ChainFees
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.numbers import significant
from yieldbot.model.plan import Assessment, Hold, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.settings import Job
from yieldbot.model.units import BPS, GWEI

MOST_NAMED = 3
"""Most markets whose refusal is named."""
FREE: dict[str, str | float] = {"min_position": "0", "min_move": "0", "max_gas_share_of_gain": 1.0}
"""Settings that keep small or dear moves back, each with the value that keeps none back."""
PATIENCE = 10.0
"""In the search for a move that would pay later, all costs (gas and what swaps lose) have this many times as long to
pay."""


def explained(
    found: Decision, snapshot: Snapshot, policy: Policy, job: Job, now: int, records: Sequence[Record] = ()
) -> Decision:
    """The decision; if nothing pays in time, its Hold states how long the best move would take to pay, unless that is
    more than PATIENCE times what the policy allows; else what keeps the money where it is.

    It costs one or two more solves, for a reader of the reason; the decision itself does not change.
    """
    if not isinstance(held := found.outcome, Hold) or held.reason != NOTHING_PAYS:
        return found
    snapshot = with_learnt_gas(snapshot, records)
    wanted = allocate(snapshot, found.assessments, policy, base=job.base, patience=PATIENCE)
    late = make_plan(snapshot, wanted, policy, now)
    if isinstance(late, Hold) and late.late:
        return replace(found, outcome=replace(held, reason=late.reason))
    reason = (
        _minimums(found.assessments, snapshot, policy, job, now)
        or _refused(found.assessments, snapshot, policy)
        or _gas(snapshot, job)
    )
    return found if reason is None else replace(found, outcome=replace(held, reason=reason))


def _minimums(assessments: Sequence[Assessment], snapshot: Snapshot, policy: Policy, job: Job, now: int) -> str | None:
    """Which of the policy's minimums, or its share for gas, keeps back moves that would pay, with the figure that would
    let them pass; None: none of them does."""
    token = snapshot.assets[0]
    strict = {name for name in ("min_position", "min_move") if token.parse(getattr(policy, name))}
    strict |= {"max_gas_share_of_gain"} if policy.max_gas_share_of_gain < 1.0 else set()
    if not strict:
        return None

    def without(names: set[str]) -> Plan | None:
        free = replace(policy, **{name: FREE[name] for name in names})  # type: ignore[arg-type]
        made = make_plan(snapshot, allocate(snapshot, assessments, free, base=job.base), free, now)
        return made if isinstance(made, Plan) else None

    if (plan := without(strict)) is None:
        return None
    if len(strict) > 1:  # one alone that is in the way is named alone
        plan, strict = next(((one, {name}) for name in sorted(strict) if (one := without({name}))), (plan, strict))
    return _below(plan, strict, snapshot, policy)


def _below(plan: Plan, names: set[str], snapshot: Snapshot, policy: Policy) -> str | None:
    """What of a plan that the policy would allow without these settings is below them, or above its share for gas."""
    first, targets = snapshot.assets[0], plan.allocation.targets

    def worth(amount: Amount) -> float:
        return float(amount) * snapshot.price(amount.token)

    changed = [state for state in snapshot.markets if targets[state.market.id] != state.held]
    sizes = {
        "min_position": [worth(targets[one.market.id]) for one in changed if targets[one.market.id] > one.held],
        "min_move": [abs(worth(targets[one.market.id]) - worth(one.held)) for one in changed],
    }
    needs = list[str]()
    for name in sorted(names & set(sizes)):
        least, small = worth(first.parse(getattr(policy, name))), min(sizes[name], default=math.inf)
        if small < least:
            needs.append(
                f"needs a {name.removeprefix('min_')} of {small:z,.2f} {first.symbol} (policy.{name} is {least:z,.2f})"
            )
    share = plan.cost / plan.gain_per_year * 365 / days_allowed(plan.moves, policy)
    if "max_gas_share_of_gain" in names and share > policy.max_gas_share_of_gain:
        allowed = f"policy.max_gas_share_of_gain is {significant(policy.max_gas_share_of_gain, 3)}"
        of_gain = f"{significant(share, 2)} of its gain within the horizon ({allowed})"
        needs.append(f"costs {plan.cost:z,.2f} {first.symbol}, {of_gain}")
    return f"{plan.gain_per_year:z,.2f} {first.symbol} a year more {' and '.join(needs)}" if needs else None


def _refused(assessments: Sequence[Assessment], snapshot: Snapshot, policy: Policy) -> str | None:
    """Why no market that pays more may get money, each with what refuses it; None: one may, or none pays more."""
    by_market = {one.market_id: one for one in assessments}
    idle = snapshot.idle[0]
    token = idle.held.token
    is_idle = idle.held - token.parse(policy.idle_buffer) >= max(token.parse(policy.min_move), token.amount(1))

    def net(state: MarketState) -> float:
        return state.quoted.value - by_market[state.market.id].haircut_bps / BPS

    markets = [state for state in snapshot.markets if state.market.id in by_market]
    poorest = 0.0 if is_idle else min((net(state) for state in markets if state.held), default=0.0)
    better = sorted((state for state in markets if net(state) > poorest), key=net, reverse=True)
    causes = [_cause(state, by_market[state.market.id], policy) for state in better]
    if not causes or not all(causes):
        return None
    alike: dict[str, list[str]] = {}  # what refuses several is said once
    for state, cause in zip(better, causes, strict=True):
        alike.setdefault(str(cause), []).append(state.market.name)
    named = [f"{_several(names)}: {cause}" for cause, names in alike.items()][:MOST_NAMED]
    left = sum(map(len, alike.values())) - sum(len(names) for names in list(alike.values())[:MOST_NAMED])
    more = f"; and {left} more" if left else ""
    return f"no market that pays more may get any of it: {'; '.join(named)}{more}"


def _several(names: Sequence[str]) -> str:
    """Names of markets, the first ones alone where they are many."""
    more = f" and {len(names) - MOST_NAMED} more" if names[MOST_NAMED:] else ""
    return f"{', '.join(names[:MOST_NAMED])}{more}"


def _cause(state: MarketState, assessment: Assessment, policy: Policy) -> str | None:
    """What keeps new money out of a market; None: nothing does."""
    if assessment.vetoes:
        return assessment.vetoes[0]
    most, token = assessment.max_exposure, state.held.token
    if most is None:
        return None
    left = most - state.held
    least = token.parse(policy.min_move if state.held else policy.min_position)
    return None if left >= max(least, token.amount(1)) else f"at most {most} ({assessment.bound})"


def _gas(snapshot: Snapshot, job: Job) -> str | None:
    """That gas costs more than the chain's file allows; None: it does not."""
    fees = snapshot.fees
    if not isinstance(fees, ChainFees):
        return None
    gwei = (fees.base_fee_wei + fees.priority_fee_wei) / GWEI
    if gwei <= job.chain.max_fee_gwei:
        return None
    ceiling = f"the ceiling of {significant(job.chain.max_fee_gwei, 3)} (max_fee_gwei of the chain)"
    return f"{NOTHING_PAYS}, with gas at {significant(gwei, 3)} gwei, above {ceiling}"
