"""The present state, folded from the journal's entries in their order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace

from yieldbot.journal.exit_entries import ExitAsked, ExitEnded, ExitLifted, ExitOrdered, ExitProven, ExitRefused
from yieldbot.journal.journal_entries import (
    AccountCleared,
    AccountStopped,
    JournalEntry,
    PlanMarked,
    PlanStatus,
    PlanWritten,
    TxNoted,
    TxSent,
    TxSettled,
    TxSigned,
)
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.plan import Leg, LegKind, Plan
from yieldbot.model.tx import Confirmed, Outcome, Reverted


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the journal."""

    seq: int
    """Its number, from 1."""
    at: int
    """When it was written, in unix seconds by this machine's clock. For display; nothing is decided by it."""
    entry: JournalEntry
    """The journal entry."""


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan with its present status."""

    plan: Plan
    """The plan as it was first written."""
    lines: tuple[str, ...]
    """The description of every call, in order, as shown to the person who approves."""
    status: PlanStatus
    """The status by the newest mark; PROPOSED if there is none."""
    by: str
    """Who set the status; empty while the plan is only proposed."""
    reason: str
    """The reason of the newest mark."""
    at: int
    """When the status was set: unix seconds by this machine's clock."""
    changes: tuple[str, ...] = ()
    """Our balance changes in its rehearsal, one line each."""
    risks: tuple[str, ...] = ()
    """The risk of each market that gets money, a line each."""
    approved_by: str = ""
    """Who approved it last; empty: nobody has approved it."""

    @property
    def over(self) -> str:
        """Why it waits no more, for whoever asks for it by its id; a plan that was superseded names the newer one."""
        if self.status is PlanStatus.EXPIRED and self.reason:
            return f"plan {self.plan.id} waits no more: {self.reason}"
        return f"plan {self.plan.id} is {self.status.value} already"


@dataclass(frozen=True, slots=True)
class StoredTx:
    """A signed transaction with everything that was journalled about it since."""

    signed: TxSigned
    """The transaction as it was journalled."""
    at: int
    """When it was journalled: unix seconds by this machine's clock."""
    attempts: int = 0
    """How often it was sent."""
    notes: tuple[str, ...] = ()
    """Notes about it, the oldest first."""
    outcome: Outcome | None = None
    """Its outcome; None while it is open."""


def fold_plans(records: Iterable[Record], before: Mapping[str, StoredPlan] | None = None) -> dict[str, StoredPlan]:
    """Plans by id, in the order they were first written. before: those of earlier records. A mark of an unknown plan
    raises ValueError."""
    plans = dict(before or {})
    for record in records:
        match record.entry:
            case PlanWritten(plan, lines, changes, risks) if plan.id not in plans:
                plans[plan.id] = StoredPlan(plan, lines, PlanStatus.PROPOSED, "", "", record.at, changes, risks)
            case PlanMarked(plan_id, status, by, reason):
                if plan_id not in plans:
                    raise ValueError(f"plan {plan_id} is marked but was never written")
                who = by if status is PlanStatus.APPROVED else plans[plan_id].approved_by
                plans[plan_id] = replace(
                    plans[plan_id], status=status, by=by, reason=reason, at=record.at, approved_by=who
                )
            case _:
                pass
    return plans


def fold_transactions(records: Iterable[Record], before: Mapping[str, StoredTx] | None = None) -> dict[str, StoredTx]:
    """Transactions by hash, in the order they were signed. before: those of earlier records. An entry for an unknown
    hash raises ValueError."""
    found = dict(before or {})
    for record in records:
        match record.entry:
            case TxSigned() as signed:
                found.setdefault(signed.hash, StoredTx(signed, record.at))
            case TxSent(hash=tx_hash, attempt=attempt):
                found[tx_hash] = replace(_known(found, tx_hash), attempts=attempt)
            case TxNoted(hash=tx_hash, note=note):
                found[tx_hash] = replace(_known(found, tx_hash), notes=(*_known(found, tx_hash).notes, note))
            case TxSettled(outcome=outcome):
                found[outcome.hash] = replace(_known(found, outcome.hash), outcome=outcome)
            case _:
                pass
    return found


def fold_stopped(records: Iterable[Record]) -> dict[tuple[ChainId, Address], str]:
    """Stopped accounts with the first reason that stopped each."""
    stopped: dict[tuple[ChainId, Address], str] = {}
    for record in records:
        match record.entry:
            case AccountStopped(chain, owner, reason, _):
                stopped.setdefault((chain, owner), reason)
            case AccountCleared(chain, owner, _):
                stopped.pop((chain, owner), None)
            case _:
                pass
    return stopped


def fold_faulted(records: Iterable[Record]) -> dict[tuple[ChainId, Address], str]:
    """Accounts that are stopped because a transaction did not do what was simulated, with the first reason for each.
    Accounts stopped only for a loss are left out."""
    faulted: dict[tuple[ChainId, Address], str] = {}
    for record in records:
        match record.entry:
            case AccountStopped(chain, owner, reason, str()):
                faulted.setdefault((chain, owner), reason)
            case AccountCleared(chain, owner, _):
                faulted.pop((chain, owner), None)
            case _:
                pass
    return faulted


PROOF_SECONDS = 30 * 86_400
"""How long a rehearsed exit counts as proven while the market's fingerprint stays the same."""


@dataclass(frozen=True, slots=True)
class Exits:
    """The journal's entries about one market's exit, for one account."""

    refusals: dict[str, str] = field(default_factory=dict)
    """Why money did not come out, by fingerprint."""
    proofs: tuple[ExitProven, ...] = ()
    """Each proof: when money came out, and up to which amount."""
    lost: frozenset[str] = frozenset()
    """Fingerprints under which real money did not come out."""
    at: int = 0
    """When real money last failed to come out: unix seconds of the chain; 0 once a person has cleared the account."""

    def proven(self, fingerprint: str, now: int, raw: int) -> bool:
        """Whether the exit of a position of ``raw`` base units is proven and need not be rehearsed.

        ``now``: unix seconds of the chain.
        """
        return fingerprint not in self.refusals and any(
            proof.fingerprint == fingerprint and now - proof.time < PROOF_SECONDS and raw <= proof.up_to.raw
            for proof in self.proofs
        )

    def tried(self, fingerprint: str) -> bool:
        """Whether real money has come out of the market under this fingerprint."""
        return any(proof.on_chain and proof.fingerprint == fingerprint for proof in self.proofs)


def fold_exits(records: Iterable[Record], chain: ChainId, owner: Address) -> dict[MarketId, Exits]:
    """What is known of an account's exits, by market.

    A refusal cancels earlier proofs under the same fingerprint. When a person clears the account, refusals by
    rehearsals are lifted (the next deposit is rehearsed again); refusals of real money never are.
    """
    found: dict[MarketId, Exits] = {}
    for record in records:
        match record.entry:
            case ExitProven(chain=of, owner=whose, market_id=market_id) as proof if (of, whose) == (chain, owner):
                known = found.get(market_id, Exits())
                found[market_id] = replace(known, proofs=(*known.proofs, proof))
            case ExitRefused(chain=of, owner=whose, market_id=market_id) as refusal if (of, whose) == (chain, owner):
                known = found.get(market_id, Exits())
                kept = tuple(proof for proof in known.proofs if proof.fingerprint != refusal.fingerprint)
                lost = known.lost | ({refusal.fingerprint} if refusal.on_chain else set())
                at = refusal.time or record.at if refusal.on_chain else known.at
                found[market_id] = Exits(known.refusals | {refusal.fingerprint: refusal.reason}, kept, lost, at)
            case AccountCleared(of, whose, _) if (of, whose) == (chain, owner):
                found = {market_id: _cleared(known) for market_id, known in found.items()}
            case _:
                pass
    return found


@dataclass(frozen=True, slots=True)
class Reverts:
    """Withdrawals from one market that reverted on the chain since the last one that succeeded."""

    count: int
    """How many of them there are."""
    at: int
    """When the last one reverted: unix seconds of the chain."""
    reason: str
    """Why the last one reverted, in one line."""


OUT = (LegKind.WITHDRAW, LegKind.REQUEST, LegKind.COLLECT)
"""Kinds of legs that take money out of a market, in one step or two."""


def fold_reverts(records: Iterable[Record], chain: ChainId, owner: Address) -> dict[MarketId, Reverts]:
    """How often an account's withdrawals reverted in a row (requests and collections included), by market.

    A market whose last withdrawal succeeded, or whose account a person has cleared since, is left out.
    """
    found: dict[MarketId, Reverts] = {}
    legs: dict[str, tuple[Leg, ...]] = {}
    signed: dict[str, TxSigned] = {}
    for record in records:
        match record.entry:
            case PlanWritten(plan):
                legs[plan.id] = plan.legs
            case TxSigned(chain=of, owner=whose) as tx if (of, whose) == (chain, owner):
                signed[tx.hash] = tx
            case TxSettled(outcome=Confirmed() | Reverted() as outcome) if outcome.hash in signed:
                tx = signed[outcome.hash]
                planned = legs.get(tx.plan_id, ())
                if not 0 <= tx.leg < len(planned) or planned[tx.leg].kind not in OUT:
                    continue
                leg = planned[tx.leg]
                if isinstance(outcome, Reverted):
                    count = found[tx.market_id].count if tx.market_id in found else 0
                    found[tx.market_id] = Reverts(count + 1, outcome.block.timestamp or record.at, outcome.reason)
                elif leg.kind is not LegKind.WITHDRAW or _brought(
                    outcome, leg
                ):  # a confirmed approve() takes nothing out
                    found.pop(tx.market_id, None)
            case AccountCleared(of, whose, _) if (of, whose) == (chain, owner):
                found.clear()
            case _:
                pass
    return found


def _brought(outcome: Confirmed, leg: Leg) -> bool:
    return any(delta.raw > 0 and delta.token == leg.amount.token for delta in outcome.deltas)


def fold_leaving(records: Iterable[Record], chain: ChainId, owner: Address) -> dict[MarketId, ExitAsked]:
    """What was last observed to be leaving each market, for one account; a market that nothing is leaving is left
    out."""
    found: dict[MarketId, ExitAsked] = {}
    for record in records:
        match record.entry:
            case ExitAsked(chain=of, owner=whose, market_id=market_id) as asked if (of, whose) == (chain, owner):
                found[market_id] = asked
            case ExitEnded(chain=of, owner=whose, market_id=market_id) if (of, whose) == (chain, owner):
                found.pop(market_id, None)
            case _:
                pass
    return found


def fold_orders(records: Iterable[Record], chain: ChainId, owner: Address) -> dict[str, ExitOrdered]:
    """A person's orders to leave that still stand, by market (or ``all/...``), the oldest first. An order that is given
    again keeps its first time; the token to swap into is the last one named."""
    found: dict[str, ExitOrdered] = {}
    for record in records:
        match record.entry:
            case ExitOrdered(chain=of, owner=whose, market_id=market_id) as order if (of, whose) == (chain, owner):
                first = found.get(market_id, order)
                found[market_id] = replace(order, time=first.time)
            case ExitLifted(chain=of, owner=whose, market_id=market_id) if (of, whose) == (chain, owner):
                found.pop(market_id, None)
            case _:
                pass
    return found


def fold_requests(records: Iterable[Record], chain: ChainId, owner: Address) -> dict[MarketId, tuple[int, ...]]:
    """The request ids (EIP-7540) from an account's confirmed transactions, by market.

    A market's ids are forgotten once nothing is leaving it any more; the id 0, which vaults use for "all requests of
    this owner", is left out.
    """
    markets: dict[str, MarketId] = {}
    found: dict[MarketId, tuple[int, ...]] = {}
    for record in records:
        match record.entry:
            case TxSigned(chain=of, owner=whose) as tx if (of, whose) == (chain, owner):
                markets[tx.hash] = tx.market_id
            case TxSettled(outcome=Confirmed(hash=tx_hash, request_id=int(number))) if tx_hash in markets:
                market_id = markets[tx_hash]
                found[market_id] = (*found.get(market_id, ()), number)
            case ExitEnded(chain=of, owner=whose, market_id=market_id) if (of, whose) == (chain, owner):
                found.pop(market_id, None)
            case _:
                pass
    return found


def _cleared(known: Exits) -> Exits:
    return replace(known, at=0, refusals={mark: why for mark, why in known.refusals.items() if mark in known.lost})


def _known(found: dict[str, StoredTx], tx_hash: str) -> StoredTx:
    if tx_hash not in found:
        raise ValueError(f"transaction {tx_hash} was never journalled as signed")
    return found[tx_hash]
