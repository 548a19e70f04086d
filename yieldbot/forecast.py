"""What we expected of each position, written down when we took it, and what it really earned since."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from yieldbot.errors import ConfigError, SafetyError
from yieldbot.journal.events import Observed, PlanMarked, PlanStatus, TxSettled, TxSigned
from yieldbot.journal.fold import Record
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import SECONDS_PER_YEAR, Amount, Apy, BlockRef
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.market import Kind, MarketState, Snapshot
from yieldbot.model.plan import Plan
from yieldbot.model.policy import Policy
from yieldbot.model.tx import Confirmed

LEAST_SECONDS = 3600
"""Below an hour the protocols' rounding, to one base unit, would be taken for yield."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """A position as it stood when it was last changed, and the rate expected of it (simple annual fraction)."""

    block: BlockRef
    held_raw: int
    apr: float
    horizon_seconds: float


@dataclass(frozen=True, slots=True)
class Position:
    """A holding of ours: since when, what was predicted and what came. None where nothing was written down, or yet."""

    state: MarketState
    since: int | None
    predicted: Apy | None
    realised: Apy | None
    earned: Amount | None


def record(journal: Journal, snapshot: Snapshot, policy: Policy) -> None:
    """Write down what each position of the snapshot is expected to earn over the policy's horizon."""
    horizon_seconds = policy.horizon_days * 86_400
    forecasts = {
        state.market.id: {
            "held_raw": str(state.held.raw),
            "apr": state.curve.apr(float(state.held), horizon_seconds),
            "horizon_seconds": horizon_seconds,
        }
        for state in _held(snapshot)
    }
    journal.append(Observed(snapshot.block.chain, snapshot.owner, snapshot.block, {"forecasts": forecasts}))


def positions(journal: Journal, snapshot: Snapshot) -> tuple[Position, ...]:
    """Every holding of the snapshot, measured from its last change that the journal knows."""
    known = basis(journal.history(), snapshot.block.chain, snapshot.owner)
    return tuple(_position(state, known.get(state.market.id)) for state in _held(snapshot))


def basis(records: Iterable[Record], chain: ChainId, owner: Address) -> dict[MarketId, Forecast]:
    """For each market the first forecast since our last transaction there. Pure."""
    found: dict[MarketId, Forecast] = {}
    touched: dict[str, MarketId] = {}
    for row in records:
        match row.event:
            case TxSigned() as signed:
                touched[signed.hash] = signed.market_id
            case TxSettled(outcome=Confirmed(hash=tx_hash)):
                if tx_hash in touched:
                    found.pop(touched[tx_hash], None)
            case Observed(chain=its_chain, owner=its_owner, block=block, facts=facts):
                if (its_chain, its_owner) != (chain, owner):
                    continue
                for market_id, said in facts.get("forecasts", {}).items():
                    forecast = Forecast(block, int(said["held_raw"]), said["apr"], said["horizon_seconds"])
                    found.setdefault(MarketId(market_id), forecast)
            case _:
                pass
    return found


def _position(state: MarketState, forecast: Forecast | None) -> Position:
    if forecast is None or forecast.held_raw <= 0:
        return Position(state, None, None, None, None)
    horizon = forecast.horizon_seconds
    elapsed = state.block.timestamp - forecast.block.timestamp
    growth = state.held.raw / forecast.held_raw - 1
    return Position(
        state=state,
        since=forecast.block.timestamp,
        predicted=Apy.from_growth(forecast.apr * horizon / SECONDS_PER_YEAR, horizon),
        realised=Apy.from_growth(growth, elapsed) if elapsed >= LEAST_SECONDS else None,
        earned=Amount(state.market.asset, state.held.raw - forecast.held_raw),
    )


def _held(snapshot: Snapshot) -> list[MarketState]:
    return [s for s in snapshot.states.values() if s.held and s.market.kind is not Kind.IDLE]


def queued_plan(journal: Journal, plan_id: str, now: int) -> Plan:
    """The plan that waits under ``plan_id``. Raises ConfigError (unknown) or SafetyError (no longer waiting)."""
    stored = journal.plan(plan_id)
    if stored is None:
        raise ConfigError(f"no plan {plan_id} in the journal: `yieldbot history` lists those that wait")
    if stored.status is not PlanStatus.QUEUED:
        raise SafetyError("PLAN_CLOSED", f"plan {plan_id} is {stored.status.value} already")
    if now > stored.plan.expires_at:
        journal.append(PlanMarked(plan_id, PlanStatus.EXPIRED, "clock"))
        raise SafetyError("EXPIRED", f"plan {plan_id} has expired: `yieldbot run --approve queue` makes a new one")
    return stored.plan
