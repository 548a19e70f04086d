"""What was forecast of the markets that our money was in or went into, as runs wrote it down before it could come true.

It stands in ``Observed`` entries, so it is part of the journal's hash chain: whoever edits a forecast afterwards breaks
the chain (``Journal.verify``). Older entries have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import Observed
from yieldbot.math.sustainable import sustainable_curve
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.market import Kind, MarketState, Snapshot
from yieldbot.model.plan import Plan
from yieldbot.model.policy import Policy

FORECAST = "forecast"
"""The member of a recorded holding (``facts["forecasts"]``) that holds what was forecast of its market."""
PREDICTED, PLAN = "predicted", "plan"
"""Members of the facts that are written before a plan's first transaction: forecasts by market, and the plan's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What was forecast of one market when our money was decided on. Rates are simple annual fractions."""

    chain: ChainId
    """The market's chain."""
    owner: Address
    """Our account."""
    market_id: MarketId
    """The market."""
    block: BlockRef
    """The block that was decided on; the horizon begins at its time."""
    mean: float
    """Mean supply rate over the horizon, with no further money of ours."""
    low: float
    """Lower end of the 80 % interval."""
    high: float
    """Upper end of the 80 % interval."""
    days: float
    """The horizon."""
    quoted: float
    """What the market showed then."""
    expected: float
    """What our holding was to earn, our own impact and the fees of entering aside."""
    plan: str
    """The plan that was decided with it; empty where the money stayed."""
    by: str = ""
    """Whose forecast it was (``policy.forecaster``)."""


def facts_of(state: MarketState, expected: float) -> dict[str, Any] | None:
    """A market's forecast as the journal keeps it; None where there is none."""
    said = state.forecast
    if said is None:
        return None
    return {
        "mean": said.mean,
        "low": said.low,
        "high": said.high,
        "days": said.days,
        "quoted": state.quoted.value,
        "expected": expected,
        "by": said.by,
    }


def before_plan(plan: Plan, snapshot: Snapshot, policy: Policy) -> Observed | None:
    """What is journalled before a plan's first transaction: the forecasts of the markets that it leaves money in or
    brings money to. None where it was decided without any."""
    predicted: dict[str, Any] = {}
    for market_id, target in plan.allocation.targets.items():
        state = snapshot.states.get(market_id)
        if state is None or state.forecast is None or state.market.kind is Kind.IDLE or not (target or state.held):
            continue
        rate = sustainable_curve(state, policy).apr(float(target), policy.horizon_seconds)
        predicted[market_id] = facts_of(state, rate)
    if not predicted:
        return None
    return Observed(snapshot.block.chain, snapshot.owner, snapshot.block, {PLAN: plan.id, PREDICTED: predicted})


def predictions(records: Iterable[Record]) -> tuple[Prediction, ...]:
    """Every forecast that the journal holds, in its order. Pure."""
    found: list[Prediction] = []
    for row in records:
        if not isinstance(entry := row.entry, Observed):
            continue
        plan = str(entry.facts.get(PLAN, ""))
        noted = {key: one.get(FORECAST) for key, one in entry.facts.get("forecasts", {}).items()}
        for market_id, said in (*entry.facts.get(PREDICTED, {}).items(), *noted.items()):
            if said:
                found.append(_prediction(entry, MarketId(market_id), said, plan))
    return tuple(found)


def _prediction(entry: Observed, market_id: MarketId, said: Mapping[str, Any], plan: str) -> Prediction:
    return Prediction(
        chain=entry.chain,
        owner=entry.owner,
        market_id=market_id,
        block=entry.block,
        mean=float(said["mean"]),
        low=float(said["low"]),
        high=float(said["high"]),
        days=float(said["days"]),
        quoted=float(said["quoted"]),
        expected=float(said["expected"]),
        plan=plan,
        by=str(said.get("by", "")),
    )
