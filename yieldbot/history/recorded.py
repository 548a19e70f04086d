"""Records each position in the journal at the end of a run, and reads it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from yieldbot.errors import ConfigError, SafetyError
from yieldbot.history.holdings import (
    MeasuredPosition,
    _expected,
    _held,
    _position,
    forecasts_since_change,
    recorded_holdings,
)
from yieldbot.history.predictions import recorded_forecast
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import Observed, PlanMarked, PlanStatus, TxSettled, TxSigned
from yieldbot.journal.observations import RecordedHolding, RecordedPrices
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Token
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Kind, Snapshot
from yieldbot.model.plan import Plan
from yieldbot.model.plan import plan_id as plan_id_of
from yieldbot.model.plan_life import waits_too_long
from yieldbot.model.policy import Policy
from yieldbot.model.tx import Confirmed


def record(journal: Journal, snapshot: Snapshot, policy: Policy, asset: Token, before: Snapshot | None = None) -> None:
    """Write an ``Observed`` entry with the predicted yield of each position over the policy's horizon, and the forecast
    of its market.

    before: the snapshot before a plan was carried out; a market left by a withdrawal is predicted no higher than the
    plan assumed (``sustainable_curve``). Holdings in markets that the snapshot lacks are recorded again unchanged.
    """
    horizon_seconds = policy.horizon_seconds
    known = recorded_holdings(
        journal.records(snapshot.block.chain, snapshot.owner), snapshot.block.chain, snapshot.owner, asset
    )
    holdings = {
        market_id: replace(holding, forecast=None)  # of another block
        for market_id, holding in known.items()
        if market_id not in snapshot.states
    }
    for state in _held(snapshot):
        expected = _expected(state, before.states.get(state.market.id) if before else None, policy)
        holdings[state.market.id] = RecordedHolding(
            held_raw=state.held.raw,
            apr=expected,
            horizon_seconds=horizon_seconds,
            name=state.market.name,
            deployment=state.market.deployment,
            flavour=str(state.market.params.get("flavour", "")),
            forecast=recorded_forecast(state, expected),
        )
    idle = [state.held.raw for state in snapshot.states.values() if state.market.kind is Kind.IDLE]
    entry = Observed(
        snapshot.block.chain,
        snapshot.owner,
        snapshot.block,
        asset=asset.address,
        holdings=holdings,
        idle_raw=sum(idle) if idle else None,
        prices=RecordedPrices(asset=snapshot.asset_usd, native=snapshot.native_usd),
    )
    journal.append_unless_repeated(entry)


def mean_held(
    records: Sequence[Record], snapshot: Snapshot, asset: Token, days: float
) -> Mapping[MarketId, float] | None:
    """Whole tokens that we held in each market of an asset on average over the last ``days``, from runs' records; None:
    there are no records, and no transaction of ours. A market without an entry: 0.

    Before its first record a market held what that record says, or nothing if a transaction of ours there came first.
    While the first run of an account is still going on there is no record yet: markets that it touched held nothing,
    others what they hold now.
    """
    end = snapshot.block.timestamp
    start = end - days * 86_400
    account = (snapshot.block.chain, snapshot.owner)
    notes: list[tuple[float, dict[MarketId, float]]] = []
    touched: set[MarketId] = set()
    for record in records:
        entry = record.entry
        if isinstance(entry, TxSigned) and not notes and (entry.chain, entry.owner) == account:
            touched.add(entry.market_id)
        if not isinstance(entry, Observed) or entry.asset != asset.address:
            continue
        if (entry.chain, entry.owner) == account:
            found = {key: one.held_raw / asset.one for key, one in (entry.holdings or {}).items()}
            notes.append((entry.block.timestamp, found))
    if days <= 0.0 or not (notes or touched):
        return None
    if not notes:
        return {state.market.id: float(state.held) for state in _held(snapshot) if state.market.id not in touched}
    before = {key: held for key, held in notes[0][1].items() if key not in touched}
    sums: dict[MarketId, float] = {}
    steps = [(start, before), *notes, (float(end), {})]
    for (since, held), (until, _) in pairwise(steps):
        part = max(0.0, min(end, until) - max(start, since)) / (end - start)
        for key, tokens in held.items():
            sums[key] = sums.get(key, 0.0) + part * tokens
    return sums


def moved_beside(records: Sequence[Record], snapshot: Snapshot, asset: Token, days: float) -> Mapping[MarketId, float]:
    """Whole tokens of an asset that our other accounts on the chain have in each market now, less what they had there
    on average over the last ``days``, from their confirmed transactions: all of what they put in just now, half of what
    has been there for half of the time. records: the journal's, which reach back a week for other accounts; what
    happened before counts as having been there all along."""
    end, here = snapshot.block.timestamp, snapshot.block.chain
    signed: dict[str, MarketId] = {}
    found: dict[MarketId, float] = {}
    for record in records:
        entry = record.entry
        if isinstance(entry, TxSigned) and entry.chain == here and entry.owner != snapshot.owner:
            signed[entry.hash] = entry.market_id
        if not isinstance(entry, TxSettled) or not isinstance(entry.outcome, Confirmed):
            continue
        market = signed.get(entry.outcome.hash)
        if market is None or market not in snapshot.states or days <= 0.0:
            continue
        missed = min(1.0, max(0.0, 1.0 - (end - entry.outcome.block.timestamp) / (days * 86_400)))
        went_in = -sum(delta.raw for delta in entry.outcome.deltas if delta.token == asset) / asset.one
        found[market] = found.get(market, 0.0) + missed * went_in
    return found


def positions(journal: Journal, snapshot: Snapshot) -> tuple[MeasuredPosition, ...]:
    """Every holding of the snapshot, with its yield since its last change in the journal."""
    known = forecasts_since_change(
        journal.records(snapshot.block.chain, snapshot.owner), snapshot.block.chain, snapshot.owner
    )
    return tuple(_position(state, known.get(state.market.id)) for state in _held(snapshot))


def queued_plan(journal: Journal, plan_id: str, now: int, ttl_seconds: int) -> Plan:
    """The waiting plan with this id. Raises ConfigError (unknown) or SafetyError (no longer waiting)."""
    stored = journal.plan(plan_id)
    if stored is None:
        raise ConfigError(f"no plan {plan_id} in the journal: `yieldbot history --waiting` lists those that wait")
    if plan_id != plan_id_of(stored.plan) or stored.plan.id != plan_id:
        raise SafetyError(
            "NOT_THE_PLAN",
            f"what the journal holds as plan {plan_id} is not what was shown under it: `yieldbot run --approve queue` "
            "makes a new one; somebody may have edited the journal (`yieldbot history --verify`)",
        )
    if stored.status is not PlanStatus.QUEUED:
        raise SafetyError("PLAN_CLOSED", stored.over)
    if now >= stored.plan.expires_at:
        journal.append(PlanMarked(plan_id, PlanStatus.EXPIRED, "clock"))
        raise SafetyError("EXPIRED", f"plan {plan_id} has expired: `yieldbot run --approve queue` makes a new one")
    if why := waits_too_long(stored.plan, now, ttl_seconds):
        journal.append(PlanMarked(plan_id, PlanStatus.EXPIRED, "clock", why))
        raise SafetyError("EXPIRED", f"plan {plan_id} counts as expired: {why}")
    return stored.plan
