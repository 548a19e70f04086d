"""Learns from our own receipts how much gas legs use. Pure: the journal's records in, a snapshot out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import median_low

from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten, TxSettled, TxSigned
from yieldbot.model.gas import kind_of
from yieldbot.model.glance import Glance
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Market, MarketState, Snapshot
from yieldbot.model.plan import LegKind, Plan
from yieldbot.model.tx import Confirmed

NEWEST = 7
"""The median of this many newest receipts counts, so that one odd receipt changes nothing."""

Receipts = dict[tuple[MarketId, LegKind], list[int]]
"""Gas of deposits and withdrawals, oldest first: one figure a leg, all of its transactions together."""


def with_learnt_gas(snapshot: Snapshot, records: Sequence[Record]) -> Snapshot:
    """The snapshot with learnt gas figures: for each market the median of its own newest receipts, else of those of
    other markets of its kind (``model/gas.kind_of``) in the snapshot, else the adapter's figure (from the table).

    Legs of liquidity are left as they are: their number of transactions differs from plan to plan.
    """
    receipts = receipts_of(records)
    if not receipts:
        return snapshot
    of_kind: dict[tuple[str, LegKind], list[int]] = {}
    for (market_id, action), used in receipts.items():
        if (state := snapshot.states.get(market_id)) is not None:
            of_kind.setdefault((_kind(state.market), action), []).extend(used)

    def learnt(state: MarketState | Glance, action: LegKind, typical: int) -> int:
        known = receipts.get((state.market.id, action)) or of_kind.get((_kind(state.market), action))
        return median_low(known[-NEWEST:]) if known else typical

    states = {
        market_id: replace(
            state,
            gas_deposit=learnt(state, LegKind.DEPOSIT, state.gas_deposit),
            gas_withdraw=learnt(state, LegKind.WITHDRAW, state.gas_withdraw),
        )
        if state.gas_deposit and state.liquidity_market is None  # the wallet itself has no legs
        else state
        for market_id, state in snapshot.states.items()
    }
    glanced = tuple(
        replace(
            glance,
            gas_deposit=learnt(glance, LegKind.DEPOSIT, glance.gas_deposit),
            gas_withdraw=learnt(glance, LegKind.WITHDRAW, glance.gas_withdraw),
        )
        for glance in snapshot.glanced
    )
    return replace(snapshot, states=states, glanced=glanced)


def receipts_of(records: Iterable[Record]) -> Receipts:
    """Gas of legs that were carried out completely: of executed plans, whose transactions were all mined and succeeded.
    On Solana the compute units that were paid for, which are the transaction's limit."""
    plans: dict[str, Plan] = {}
    signed: dict[str, TxSigned] = {}
    used: dict[tuple[str, int], dict[str, int]] = {}
    ended: list[str] = []
    for record in records:
        match record.entry:
            case PlanWritten(plan=plan):
                plans.setdefault(plan.id, plan)
            case PlanMarked(plan_id=plan_id, status=PlanStatus.EXECUTED) if plan_id in plans:
                ended.append(plan_id)
            case TxSigned() as tx:
                signed[tx.hash] = tx
            case TxSettled(outcome=Confirmed() as outcome) if outcome.hash in signed:
                sent = signed[outcome.hash]
                paid = outcome.gas_used if sent.svm is None else sent.gas
                used.setdefault((sent.plan_id, sent.leg), {})[sent.hash] = paid
            case _:
                pass
    found: Receipts = {}
    for plan_id in dict.fromkeys(ended):
        for index, leg in enumerate(plans[plan_id].legs):
            units = sum(used.get((plan_id, index), {}).values())
            if units > 0 and leg.kind in (LegKind.DEPOSIT, LegKind.WITHDRAW):
                found.setdefault((leg.market_id, leg.kind), []).append(units)
    return found


def _kind(market: Market) -> str:
    return kind_of(market.protocol, market.params)
