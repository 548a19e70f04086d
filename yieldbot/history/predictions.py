"""Forecasts of the markets that our money was in or went into, as recorded by runs before the outcome was known.

They are part of ``Observed`` entries, so of the journal's hash chain: editing a forecast afterwards breaks the chain
(``Journal.verify``). Older entries have none.
"""

from __future__ import annotations

from collections.abc import Iterable

from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import Observed
from yieldbot.journal.observations import RecordedForecast
from yieldbot.math.sustainable import sustainable_curve
from yieldbot.model.amounts import BlockRef
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.market import Kind, MarketState, Snapshot
from yieldbot.model.plan import Plan
from yieldbot.model.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The forecast of one market at a decision about our money. Rates are simple annual fractions."""

    chain: ChainId
    """The market's chain."""
    owner: Address
    """Our account."""
    market_id: MarketId
    """The market."""
    block: BlockRef
    """The block that was decided on; the horizon begins at its time."""
    mean: float
    """Expected mean supply rate over the horizon, before any further deposit of ours."""
    low: float
    """Lower end of the 80 % interval."""
    high: float
    """Upper end of the 80 % interval."""
    days: float
    """The horizon, in days."""
    quoted: float
    """The quoted rate at that time."""
    expected: float
    """Rate that our holding was expected to earn, after its own impact on the market and before entry fees."""
    plan: str
    """Id of the plan decided with it; empty: the money stayed."""
    by: str = ""
    """The forecaster (``policy.forecaster``)."""


def recorded_forecast(state: MarketState, expected: float) -> RecordedForecast | None:
    """A market's forecast in the journal's form; None: there is none. expected: rate that our holding is expected to
    earn, a simple annual fraction."""
    said = state.forecast
    if said is None:
        return None
    return RecordedForecast(
        mean=said.mean,
        low=said.low,
        high=said.high,
        days=said.days,
        quoted=state.quoted.value,
        expected=expected,
        by=said.by,
    )


def before_plan(plan: Plan, snapshot: Snapshot, policy: Policy) -> Observed | None:
    """The journal entry before a plan's first transaction: the forecasts of the markets in which it leaves or puts
    money; None: it was decided without forecasts."""
    predicted: dict[MarketId, RecordedForecast] = {}
    for market_id, target in plan.allocation.targets.items():
        state = snapshot.states.get(market_id)
        if state is None or state.market.kind is Kind.IDLE or not (target or state.held):
            continue
        rate = sustainable_curve(state, policy).apr(float(target), policy.horizon_seconds)
        if (said := recorded_forecast(state, rate)) is not None:
            predicted[market_id] = said
    if not predicted:
        return None
    return Observed(snapshot.block.chain, snapshot.owner, snapshot.block, plan_id=plan.id, predicted=predicted)


def predictions(records: Iterable[Record]) -> tuple[Prediction, ...]:
    """Every forecast in the journal, in its order. Pure."""
    found: list[Prediction] = []
    for row in records:
        if not isinstance(entry := row.entry, Observed):
            continue
        found += [_prediction(entry, market_id, said) for market_id, said in (entry.predicted or {}).items()]
        found += [
            _prediction(entry, market_id, one.forecast)
            for market_id, one in (entry.holdings or {}).items()
            if one.forecast is not None
        ]
    return tuple(found)


def _prediction(entry: Observed, market_id: MarketId, said: RecordedForecast) -> Prediction:
    return Prediction(
        chain=entry.chain,
        owner=entry.owner,
        market_id=market_id,
        block=entry.block,
        mean=said.mean,
        low=said.low,
        high=said.high,
        days=said.days,
        quoted=said.quoted,
        expected=said.expected,
        plan=entry.plan_id,
        by=said.by,
    )
