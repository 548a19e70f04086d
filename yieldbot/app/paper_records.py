"""A paper wallet's past in the form of journal records for a decision: its moves for the limits over time, its holdings
for losses and for markets that could not be read, its claims for sales of rewards. Computed anew for each step and not
stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from yieldbot.app.paper_state import PaperState
from yieldbot.journal.fold import Record, StoredPlan
from yieldbot.journal.journal_entries import (
    JournalEntry,
    Observed,
    PlanMarked,
    PlanStatus,
    PlanWritten,
    TxSettled,
    TxSigned,
)
from yieldbot.journal.observations import RecordedHolding
from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.plan import Leg, LegKind, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.tx import Confirmed, Delta

MOVES = (LegKind.DEPOSIT, LegKind.WITHDRAW)


def records_of(
    plans: Sequence[StoredPlan], state: PaperState | None, block: BlockRef, owner: Address, policy: Policy
) -> tuple[Record, ...]:
    """The wallet's records in the form that ``decide`` expects from a run: its plans with their status, each leg that
    moved money as a transaction at that time, and its holdings as of their last change by a plan."""
    found: list[tuple[int, JournalEntry]] = []
    for one in plans:
        found += [(one.at, PlanWritten(one.plan)), (one.at, PlanMarked(one.plan.id, one.status, one.by, one.reason))]
        if one.status is PlanStatus.EXECUTED:
            legs = enumerate(one.plan.legs)
            found += [(one.at, _moved(one.plan, index, leg)) for index, leg in legs if leg.kind in MOVES]
    if state is not None:
        found += [(state.time, noted) for noted in _held(state, block, owner, policy)]
        for token, raw in state.holdings.rewards.items():
            found += [(state.time, noted) for noted in _claimed(state, block, owner, Amount(token, raw))]
    return tuple(Record(seq, at, entry) for seq, (at, entry) in enumerate(found, 1))


def _moved(plan: Plan, index: int, leg: Leg) -> TxSigned:
    """A leg as the one transaction that would have moved its money. It has no bytes, because nothing was signed."""
    raw = -leg.amount.raw if leg.kind is LegKind.DEPOSIT else leg.amount.raw
    return TxSigned(
        chain=plan.block.chain, owner=plan.owner, plan_id=plan.id, leg=index, market_id=leg.market_id,
        hash=f"paper/{plan.id}/{index}", raw=b"", nonce=0, gas=0, max_fee_wei=0, priority_fee_wei=0, words="paper",
        expires_at=plan.expires_at, simulated_at=plan.block, predicted=(Delta(leg.amount.token, raw),),
    )  # fmt: skip


def _claimed(state: PaperState, block: BlockRef, owner: Address, unsold: Amount) -> tuple[TxSigned, TxSettled]:
    """Claimed and unsold tokens as the claim that brought them, so that no more than that is sold."""
    token, tx_hash = unsold.token, f"paper/claimed/{unsold.token.address}"
    signed = TxSigned(
        chain=block.chain, owner=owner, plan_id="", leg=0, market_id=MarketId(f"claim/paper/{token.address}"),
        hash=tx_hash, raw=b"", nonce=0, gas=0, max_fee_wei=0, priority_fee_wei=0, words="paper", expires_at=0,
        simulated_at=block, predicted=(Delta(token, unsold.raw),),
    )  # fmt: skip
    done = Confirmed(tx_hash, _then(block, state), 0, 0, (Delta(token, unsold.raw),))
    return signed, TxSettled(block.chain, owner, done)


def _held(state: PaperState, block: BlockRef, owner: Address, policy: Policy) -> Iterator[Observed]:
    """The recorded holdings, one entry for each asset."""
    for address, token in state.tokens.items():
        noted = {
            market_id: RecordedHolding(
                held_raw=one.since_raw,
                apr=one.expected,
                horizon_seconds=policy.horizon_seconds,
                name=state.names[market_id],
            )
            for market_id, one in state.positions.items()
            if state.asset_of[market_id] == address
        }
        yield Observed(block.chain, owner, _then(block, state), asset=token.address, holdings=noted)


def _then(block: BlockRef, state: PaperState) -> BlockRef:
    return BlockRef(block.chain, state.height, "", state.time)
