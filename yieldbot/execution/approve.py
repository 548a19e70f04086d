"""The gate: a default-deny policy over the final bytes, then a person (or the policy's own limits) over the plan.

Whatever is not expressly allowed is Declined with a stable code in capitals; nothing here raises for a refusal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from yieldbot.execution.account import Account, LegWork
from yieldbot.execution.calldata import APPROVE, AbiFunction, addresses_in, numbers_in, objection
from yieldbot.execution.deltas import change_of, real_fault, word
from yieldbot.execution.permit2 import is_permit, permit_fault, permits_nothing
from yieldbot.execution.planned import leg_in_plan, terms_are_the_legs
from yieldbot.execution.sign import digest, unsigned_of
from yieldbot.execution.simulate import Rehearsal
from yieldbot.journal.events import PlanMarked, PlanStatus, PlanWritten, TxSigned
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.plan import Declined, LegKind, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.tx import ApprovedTx, EvmCall, SimulatedTx, UnsignedTx

if TYPE_CHECKING:
    from yieldbot.execution.svm.simulate import SvmRehearsal

NEVER = 2**62
"""Expiry of what is never wrong: a transfer of nothing to ourselves that takes a nonce, an allowance set to zero."""


GIVING = (LegKind.DEPOSIT, LegKind.SWAP)
"""Legs that give some of the asset away, and so may allow a contract to take it."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is put to the approver: the plan, and how all its calls went on the fork."""

    plan: Plan
    rehearsal: Rehearsal | SvmRehearsal

    @property
    def lines(self) -> tuple[str, ...]:
        """Every call in words, allowances included, in order."""
        return self.rehearsal.lines


@dataclass(frozen=True, slots=True)
class Approval:
    """A plan that may be executed until ``expires_at`` (unix seconds); ``approver``: who said so."""

    plan: Plan
    approver: str
    expires_at: int


class Approver(Protocol):
    """Decides about whole plans; each transaction of an approved one is then still judged by ``judge``."""

    async def approve(self, proposal: Proposal) -> Approval | Declined: ...


@dataclass(frozen=True, slots=True)
class DeclineAll:
    """Approves nothing: the wiring of a dry run."""

    reason: str = "nothing is signed in a dry run"

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        return Declined("DRY_RUN", self.reason)


@dataclass(frozen=True, slots=True)
class Ask:
    """Asks a person: ``ask`` shows the proposal and gives the answer."""

    journal: Journal
    ask: Callable[[Proposal], Awaitable[bool]]
    by: str = "terminal"

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        written = PlanWritten(proposal.plan, proposal.lines)
        if not await self.ask(proposal):
            self.journal.append(written, PlanMarked(proposal.plan.id, PlanStatus.REJECTED, self.by))
            return Declined("HUMAN_REJECTED", "you said no")
        self.journal.append(written, PlanMarked(proposal.plan.id, PlanStatus.APPROVED, self.by))
        return Approval(proposal.plan, self.by, proposal.plan.expires_at)


@dataclass(frozen=True, slots=True)
class Auto:
    """Approves inside the policy's auto_max_move (each move) and auto_max_total (all of a plan's moves together)."""

    journal: Journal
    policy: Policy

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        plan = proposal.plan
        if (refused := self._beyond(plan)) is not None:
            return refused
        marked = PlanMarked(plan.id, PlanStatus.APPROVED, "auto")
        self.journal.append(PlanWritten(plan, proposal.lines), marked)
        return Approval(plan, "auto", plan.expires_at)

    def _beyond(self, plan: Plan) -> Declined | None:
        for leg in plan.legs:
            if leg.kind is LegKind.CLAIM and not leg.amount.token.parse(self.policy.auto_max_move):
                return Declined("POLICY_LIMIT", "auto_max_move = 0: a person must say, of claims too")
        whole: Amount | None = None
        for amount in _moved(plan):
            if amount.token.parse(self.policy.auto_max_move) < amount:
                limit = f"{self.policy.auto_max_move} {amount.token.symbol}"
                return Declined(
                    "POLICY_LIMIT", f"a move of {amount} is above auto_max_move = {limit}: a person must say"
                )
            whole = amount if whole is None else whole + amount
        if whole is not None and whole.token.parse(self.policy.auto_max_total) < whole:
            limit = f"{self.policy.auto_max_total} {whole.token.symbol}"
            return Declined("POLICY_LIMIT", f"{whole} in all is above auto_max_total = {limit}: a person must say")
        return None


@dataclass(frozen=True, slots=True)
class Queue:
    """Writes the plan down to wait for ``yieldbot approve ID``; plans of the account for the same asset expire.

    program: how the person calls us, for the hint.
    """

    journal: Journal
    program: str = "yieldbot"

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        plan = proposal.plan
        older = [
            PlanMarked(stored.plan.id, PlanStatus.EXPIRED, "queue", f"a newer plan waits: {plan.id}")
            for stored in self.journal.plans(PlanStatus.QUEUED)
            if stored.plan.id != plan.id and (stored.plan.owner, stored.plan.asset) == (plan.owner, plan.asset)
        ]
        marked = PlanMarked(plan.id, PlanStatus.QUEUED, "queue")
        self.journal.append(*older, PlanWritten(plan, proposal.lines), marked)
        return Declined("QUEUED", f"plan {plan.id} waits: {self.program} approve {plan.id}")


@dataclass(frozen=True, slots=True)
class PreApproved:
    """Approves the one plan of the journal that a person named by its id, as it was stored."""

    journal: Journal
    plan_id: str
    by: str = "approve"

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        stored = self.journal.plan(self.plan_id)
        if stored is None or proposal.plan != stored.plan:
            return Declined("NOT_THE_PLAN", f"what was rehearsed is not the stored plan {self.plan_id}")
        if stored.status not in (PlanStatus.QUEUED, PlanStatus.PROPOSED, PlanStatus.APPROVED):
            return Declined("PLAN_CLOSED", f"plan {self.plan_id} is {stored.status.value} already")
        self.journal.append(PlanMarked(self.plan_id, PlanStatus.APPROVED, self.by))
        return Approval(stored.plan, self.by, stored.plan.expires_at)


@dataclass(frozen=True, slots=True)
class Rules:
    """What bounds every transaction of an account, whatever the plan."""

    chain: ChainId
    owner: Address
    max_fee_wei: int
    max_gas: int
    abi: Mapping[bytes, tuple[AbiFunction, ...]]

    @classmethod
    def of(cls, account: Account) -> Rules:
        """The rules of an account."""
        return cls(account.settings.chain, account.owner, account.max_fee_wei, account.max_gas, account.abi)


def judge(rules: Rules, approval: Approval, work: LegWork, simulated: SimulatedTx, now: int) -> ApprovedTx | Declined:
    """The policy's word on one simulated transaction of an approved plan. Pure. ``now``: unix seconds.

    Setting an allowance of the leg's spender to zero needs no living approval: it is never wrong.
    """
    tx = simulated.tx
    takes_back = permits_nothing(tx) if is_permit(work, tx) else _is_allowance(work, tx) and not any(tx.data[36:])
    refused = (
        bounds(rules, tx)
        or (None if takes_back else in_time(approval, now))
        or _in_plan(approval, work, tx)
        or _call(rules, work, tx, simulated.block.timestamp)
        or _effect(rules, work, simulated)
    )
    ends = approval.expires_at if work.lasts_seconds is None else min(approval.expires_at, now + work.lasts_seconds)
    return refused or ApprovedTx(simulated, digest(tx), approval.approver, NEVER if takes_back else ends)


def judge_cancellation(rules: Rules, simulated: SimulatedTx) -> ApprovedTx | Declined:
    """The policy's word on taking a nonce back: nothing but an empty transfer of zero to ourselves passes. Pure."""
    tx = simulated.tx
    if (refused := bounds(rules, tx)) is not None:
        return refused
    if tx.to.lower() != rules.owner.lower() or tx.data:
        return Declined("NOT_A_CANCELLATION", "a cancellation sends nothing, to ourselves")
    return ApprovedTx(simulated, digest(tx), "recovery", NEVER)


def judge_revocation(rules: Rules, token: Token, spender: Address, simulated: SimulatedTx) -> ApprovedTx | Declined:
    """The policy's word on taking an allowance back: exactly ``approve(spender, 0)`` on the token, and on the fork no
    token of ours moved. It needs no living approval: it is never wrong. Pure."""
    tx = simulated.tx
    if (refused := bounds(rules, tx)) is not None:
        return refused
    if tx.to.lower() != token.address.lower() or tx.data != APPROVE + word(spender) + bytes(32):
        return Declined("NOT_A_REVOCATION", f"{tx.words}: is not approve({spender}, 0) on {token.address}")
    if change_of(simulated.deltas, token):
        return Declined("DELTA_NOT_PLANNED", f"{tx.words}: moves {token.symbol}")
    return ApprovedTx(simulated, digest(tx), "revocation", NEVER)


def judge_batch(
    rules: Rules,
    approval: Approval,
    planned: Sequence[tuple[LegWork, EvmCall]],
    calls: Sequence[tuple[str, bytes]],
    now: int,
) -> Declined | None:
    """The policy's word on the calls of a batch, as they were read from its final bytes (target, data): exactly the
    rehearsed ones, in their order, and each one that ``judge`` would let pass. None when all of them are. Pure."""
    if [(to.lower(), data) for to, data in calls] != [(call.to.lower(), call.data) for _, call in planned]:
        return Declined("NOT_THE_CALL", "the batch is not what was rehearsed")
    if (late := in_time(approval, now)) is not None:
        return late
    for work, call in planned:
        names = (rules.chain, rules.owner, call.to, call.data, call.value)
        tx = UnsignedTx(*names, 0, 0, 0, 0, call.words, approval.plan.id, work.index, work.leg.market_id)
        if call.value:
            return Declined("VALUE_NOT_ZERO", f"{call.words}: sends {call.value} wei")
        if (refused := _in_plan(approval, work, tx) or _call(rules, work, tx, now)) is not None:
            return refused
    return None


def judge_replacement(
    rules: Rules,
    signed: TxSigned,
    simulated: SimulatedTx,
    before: Mapping[Token, int],
    tolerance_bps: float,
    now: int,
) -> ApprovedTx | Declined:
    """The policy's word on a journalled transaction at higher fees. Pure. before: balances of the tokens it moves.

    It must be those bytes but for the fees, its approval must live, and it must do what was foreseen then.
    """
    tx = simulated.tx
    if (refused := bounds(rules, tx)) is not None:
        return refused
    if now >= signed.expires_at:
        return Declined("EXPIRED", f"the approval of plan {signed.plan_id} ended {now - signed.expires_at} s ago")
    if tx != unsigned_of(signed, tx.max_fee_wei, tx.priority_fee_wei):
        return Declined("NOT_THE_CALL", f"{tx.words}: is not the transaction that it would replace")
    if (fault := real_fault(signed.predicted, simulated.deltas, before, tolerance_bps)) is not None:
        return Declined("DELTA_NOT_PLANNED", f"{tx.words}: {fault}")
    return ApprovedTx(simulated, digest(tx), "replacement", signed.expires_at)


def bounds(rules: Rules, tx: UnsignedTx) -> Declined | None:
    """Why a transaction is beyond what bounds every one of the account; None when it is not. Pure."""
    if tx.chain != rules.chain:
        return Declined("CHAIN_NOT_ALLOWED", f"the transaction is for {tx.chain}, the account is on {rules.chain}")
    if tx.sender != rules.owner:
        return Declined("SENDER_NOT_SELF", f"the transaction is {tx.sender}'s, the account is {rules.owner}")
    if tx.value != 0:
        return Declined("VALUE_NOT_ZERO", f"{tx.words}: sends {tx.value} wei")
    if not 21_000 <= tx.gas <= rules.max_gas:
        return Declined("GAS_ABOVE_LIMIT", f"{tx.words}: {tx.gas} gas, allowed are {rules.max_gas}")
    if not 0 <= tx.priority_fee_wei <= tx.max_fee_wei <= rules.max_fee_wei:
        return Declined("FEE_ABOVE_CEILING", f"{tx.words}: {tx.max_fee_wei} wei a gas, allowed are {rules.max_fee_wei}")
    return None


def in_time(approval: Approval, now: int) -> Declined | None:
    """Why an approval no longer lives; None while it does. Pure."""
    if now >= approval.expires_at:
        return Declined("EXPIRED", f"the approval of plan {approval.plan.id} ended {now - approval.expires_at} s ago")
    return None


def _in_plan(approval: Approval, work: LegWork, tx: UnsignedTx) -> Declined | None:
    plan = approval.plan
    if tx.plan_id != plan.id or tx.leg != work.index or plan.owner != tx.sender or plan.block.chain != tx.chain:
        return Declined("NOT_IN_PLAN", f"{tx.words}: belongs to another plan, leg, owner or chain")
    return leg_in_plan(plan, work)


def _call(rules: Rules, work: LegWork, tx: UnsignedTx, now: int) -> Declined | None:
    if _is_allowance(work, tx):
        return _allowance(work, tx)
    if is_permit(work, tx):
        return permit_fault(work, tx, now)
    name = tx.data[:4]
    selectors = {address.lower(): found for address, found in work.targets.items()}.get(tx.to.lower())
    if selectors is None:
        return Declined("TARGET_NOT_ALLOWED", f"{tx.to} is no contract of {work.market.name}")
    if name not in selectors:
        return Declined("SELECTOR_NOT_ALLOWED", f"{name.hex()} of {tx.to} is no call of {work.market.name}")
    if not terms_are_the_legs(work):
        return Declined("SWAP_NOT_PLANNED", f"{tx.words}: the terms are not the leg's")
    most = None if work.leg.all and work.leg.kind is LegKind.WITHDRAW else work.leg.amount.raw
    judged = (rules.abi.get(name, ()), tx.data, rules.owner, _known(work), most)
    faults = [objection(*judged, terms, now, rules.abi, work.most_shares) for terms in work.swaps or (None,)]
    if (found := None if None in faults else faults[0]) is not None:
        return Declined(found[0], f"{tx.words}: {found[1]}")
    # Harmless alone is not enough: it must be what the adapter built and the rehearsal ran, byte for byte.
    if not any(call.to.lower() == tx.to.lower() and call.data == tx.data for call in work.calls):
        return Declined("NOT_THE_CALL", f"{tx.words}: is no call of this leg")
    return None


def _is_allowance(work: LegWork, tx: UnsignedTx) -> bool:
    return tx.to.lower() == work.leg.amount.token.address.lower() and tx.data[:4] == APPROVE


def _allowance(work: LegWork, tx: UnsignedTx) -> Declined | None:
    if len(tx.data) != 68 or any(tx.data[4:16]):
        return Declined("CALLDATA_MALFORMED", "the bytes are not an exact call of approve(address,uint256)")
    spender, raw = "0x" + tx.data[16:36].hex(), int.from_bytes(tx.data[36:], "big")
    if spender not in {allowed.lower() for allowed in work.spenders}:
        return Declined("SPENDER_NOT_ALLOWED", f"{spender} is no spender of {work.market.name}")
    if raw == 0:
        return None  # taking an allowance back is always allowed
    if work.leg.kind not in GIVING or work.leg.amount.raw < raw:
        return Declined("ALLOWANCE_NOT_EXACT", f"an allowance of {raw}, the leg moves {work.leg.amount.raw}")
    needs = {
        (call.allowance.spender.lower(), call.allowance.raw)
        for call in work.calls
        if call.allowance and call.allowance.token == work.leg.amount.token
    }
    if (spender, raw) not in needs:
        return Declined("ALLOWANCE_NOT_EXACT", f"an allowance of {raw} that no call of the leg consumes")
    return None


def _effect(rules: Rules, work: LegWork, simulated: SimulatedTx) -> Declined | None:
    """Against what the bytes did on the fork: never more out than the leg says, nothing out that it does not name."""
    leg, asset = work.leg, work.leg.amount.token
    least = -leg.amount.raw if leg.kind in GIVING and simulated.tx.to != asset.address else 0
    if change_of(simulated.deltas, asset) < least:
        return Declined("DELTA_NOT_PLANNED", f"{simulated.tx.words}: takes more {asset.symbol} than was approved")
    if work.share_token and leg.kind is LegKind.DEPOSIT and change_of(simulated.deltas, work.share_token) < 0:
        return Declined("DELTA_NOT_PLANNED", f"{simulated.tx.words}: a deposit takes shares away")
    for change in simulated.deltas:
        if change.least is not None and change.raw < change.least:
            said = f"{Amount(change.token, change.raw)}, the least is {Amount(change.token, change.least)}"
            return Declined("BELOW_LEAST", f"{simulated.tx.words}: brings {said}")
    if simulated.gas_used > simulated.tx.gas:
        return Declined("GAS_ABOVE_LIMIT", f"{simulated.tx.words}: used {simulated.gas_used} gas on the fork")
    return None


def _known(work: LegWork) -> frozenset[str]:
    """What may stand in a call's arguments: lower-case addresses of the asset, the shares and what the market names,
    and the numbers that it names, as digits."""
    named = {
        work.leg.amount.token.address,
        work.market.address,
        *work.known,
        *addresses_in(work.market.params),
    }
    if work.share_token:
        named.add(work.share_token.address)
    return frozenset(address.lower() for address in named) | frozenset(numbers_in(work.market.params))


def _moved(plan: Plan) -> list[Amount]:
    """The amounts a plan moves, in one token: its moves, what it sells in all, or its legs' where it names neither."""
    if plan.moves:
        return [move.amount for move in plan.moves]
    return [plan.sold] if plan.sold is not None else [leg.amount for leg in plan.legs]
