"""Explains a Hold in more detail than the solver does: the best move that would pay, only too late; the limits and
vetoes that keep money out of what pays more; a price of gas above its ceiling. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from yieldbot.allocator.allocate import allocate
from yieldbot.allocator.plan import NOTHING_PAYS, make_plan
from yieldbot.decision.decide import Decision
from yieldbot.decision.gas_learned import with_learnt_gas
from yieldbot.journal.fold import Record
from yieldbot.model.fees import ChainFees
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.numbers import significant
from yieldbot.model.plan import Assessment, Hold
from yieldbot.model.policy import Policy
from yieldbot.model.settings import Job
from yieldbot.model.units import BPS, GWEI

MOST_NAMED = 3
"""Most markets whose refusal is named."""
PATIENCE = 10.0
"""In the search for a move that would pay later, all costs (gas and what swaps lose) have this many times as long to
pay."""


def explained(
    found: Decision, snapshot: Snapshot, policy: Policy, job: Job, now: int, records: Sequence[Record] = ()
) -> Decision:
    """The decision; if nothing pays in time, its Hold states how long the best move would take to pay, unless that is
    more than PATIENCE times what the policy allows.

    It costs one more solve, for a reader of the reason; the decision itself does not change.
    """
    if not isinstance(held := found.outcome, Hold) or held.reason != NOTHING_PAYS:
        return found
    snapshot = with_learnt_gas(snapshot, records)
    wanted = allocate(snapshot, found.assessments, policy, base=job.base, patience=PATIENCE)
    late = make_plan(snapshot, wanted, policy, now)
    if isinstance(late, Hold) and late.late:
        return replace(found, outcome=replace(held, reason=late.reason))
    reason = _refused(found.assessments, snapshot, policy) or _gas(snapshot, job)
    return found if reason is None else replace(found, outcome=replace(held, reason=reason))


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
