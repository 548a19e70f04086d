"""What markets would pay once the plans of several wallets are all carried out. Each of them counts those before it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from yieldbot.app.yields import apy_after
from yieldbot.decision.pending import with_others
from yieldbot.model.amounts import Amount
from yieldbot.model.dataclass import dataclass
from yieldbot.model.market import Kind
from yieldbot.model.plan import Plan

if TYPE_CHECKING:
    from yieldbot.app.cycle import Report
    from yieldbot.model.ids import MarketId
    from yieldbot.model.market import Snapshot
    from yieldbot.model.policy import Policy

LEAST_FALL = 1e-4
"""A fall of the APY by less than this is not worth a line."""


@dataclass(frozen=True, slots=True)
class Together:
    """A market into which the plans of several wallets put money."""

    chain: str
    """Its chain's id."""
    market_id: MarketId
    """The market."""
    name: str
    """Its name."""
    plans: int
    """How many plans put money in."""
    amount: Amount
    """What all plans together put in, less what they take out."""
    alone: float
    """The highest APY that one of these plans says, as a fraction."""
    least: float
    """The lowest APY that one of these plans says."""
    together: float
    """The APY after all of them."""


def together(planned: Iterable[tuple[Snapshot, Plan]], policy: Policy) -> tuple[Together, ...]:
    """The markets that would pay less after all plans than one of these says, those with the most money first. planned:
    each plan with the snapshot that it was decided on, what it counts of other wallets included."""
    going: dict[tuple[str, MarketId], list[tuple[Snapshot, Amount, Amount]]] = {}
    for snapshot, plan in planned:
        for market_id, target in plan.allocation.targets.items():
            state = snapshot.states.get(market_id)
            if state is None or state.market.kind is Kind.IDLE or target == state.held:
                continue
            going.setdefault((snapshot.block.chain, market_id), []).append((snapshot, state.held, target))
    found = []
    for (chain, market_id), changes in going.items():
        entering = [one for one in changes if one[2] > one[1]]
        raw = sum(target.raw - held.raw for _, held, target in changes)
        if len(entering) < 2 or raw <= 0:
            continue
        horizon = policy.horizon_seconds
        said = [apy_after(seen.of(market_id), target, horizon, policy).value for seen, _, target in entering]
        state = entering[0][0].of(market_id)
        all_in = Amount(state.market.asset, state.held.raw + raw)
        paid = apy_after(state, all_in, horizon, policy).value
        if max(said) - paid >= LEAST_FALL:
            amount = Amount(state.market.asset, raw)
            name, alone = state.market.name, (max(said), min(said))
            found.append(Together(chain, market_id, name, len(entering), amount, *alone, paid))
    return tuple(sorted(found, key=lambda one: -float(one.amount)))


WAITS = ("QUEUED", "DRY_RUN", "APPROVALS_MISSING")
"""Codes with which a rehearsed plan ends that can be carried out as it is."""


def waiting_together(reports: Iterable[Report], policy: Policy) -> tuple[Together, ...]:
    """``together`` of the plans that a run leaves to persons; none of those that were carried out or refused."""
    return together(
        (
            (with_others(one.snapshot, one.beside), one.decision.outcome)
            for one in reports
            if one.snapshot is not None and one.decision is not None and isinstance(one.decision.outcome, Plan)
            if one.proposed is not None or (one.declined is not None and one.declined.code in WAITS)
        ),
        policy,
    )
