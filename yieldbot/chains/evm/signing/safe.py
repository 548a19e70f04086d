"""A Safe (https://safe.global) as the account: a plan becomes a Safe transaction that we sign as one of the owners.

Nothing is sent: the other owners confirm, and anybody may then execute. All calls of the plan are one ``multiSend`` of
MultiSendCallOnly, so either all of them happen or none, and no allowance is left between them. An exit from several
markets becomes one such transaction for each of them, in order of nonces, which fails alone where its market does not
pay when it is executed (``SafeTx.gas``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from yieldbot.chains.evm.execution.abi_calls import selector
from yieldbot.chains.evm.execution.account import Account, LegWork
from yieldbot.chains.evm.execution.balances import abi_word, fetch_balances
from yieldbot.chains.evm.execution.build import Fees, TxContext, unsigned
from yieldbot.chains.evm.execution.fees import fetch_priority_fee
from yieldbot.chains.evm.execution.judge import Rules, judge_batch
from yieldbot.chains.evm.execution.on_fork import impersonate, mined
from yieldbot.chains.evm.execution.rehearsal import Rehearsal, RehearsedLeg
from yieldbot.chains.evm.execution.rollup import cost_above_gain, fetch_rollup_fee
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.node.fork import fork_of_newest
from yieldbot.chains.evm.signing.safe_tx import FIELDS, SafeTx, batch, calls_in, exec_data, unsigned_yet
from yieldbot.errors import NodeRefused, SafetyError, TransientError
from yieldbot.execution.approvals import Approval
from yieldbot.execution.deltas import change_of, changes, total, within
from yieldbot.execution.results import Proposed
from yieldbot.journal.fold import fold_plans
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, MarketId, evm_number
from yieldbot.model.plan import Declined, Plan
from yieldbot.model.tx import NO_ROLLUP_FEE, Delta, EvmCall
from yieldbot.rpc.together import both

GAS_MARGIN = 150
"""Minimum gas of each of several Safe transactions, in per cent of the gas used on the fork: executed with less, the
transaction reverts, instead of failing and using up its nonce."""
THRESHOLD_SLOT = 4
"""The storage slot of a Safe's threshold (Safe 1.3 and 1.4): on the fork it is set to 1, so that we can execute
alone."""


@dataclass(frozen=True, slots=True)
class ApprovedSafeTx:
    """A Safe transaction that ran on a fork, and that the judge and the approver accepted."""

    tx: SafeTx
    """The transaction."""
    hash: bytes
    """The 32 bytes to sign."""
    approver: str
    """Who approved the plan."""
    expires_at: int
    """Unix seconds of the chain from which it is no longer signed."""


@runtime_checkable
class HashSigner(Protocol):
    """A signer that can sign for a Safe."""

    @property
    def address(self) -> Address:
        """The key's address."""

    def sign_safe(self, approved: ApprovedSafeTx) -> bytes:
        """The signature over the approved hash: r, s, v in 65 bytes."""


def waiting(notes: Sequence[str], nonce: int) -> str | None:
    """The hash of a proposal that the Safe can still execute; None if there is none. Pure.

    notes: ``Proposed.note`` of proposals that have not expired. nonce: the Safe's next nonce.
    """
    for note in (one for each in notes for one in each.split(", ")):
        name, _, its = note.partition(" nonce ")
        if its.isdigit() and int(its) >= nonce:
            return name
    return None


async def propose(
    account: Account, signer: HashSigner, approval: Approval, works: Sequence[LegWork], rehearsal: Rehearsal
) -> Proposed | Declined:
    """The approved plan as a signed Safe transaction. Nothing is sent.

    Raises SafetyError when the signer gives another signature.
    """
    node, safe, ours = account.node, account.owner, signer.address
    if (reason := account.halted()) is not None:
        return Declined("HALTED", f"yieldbot is halted ({reason}): `yieldbot resume` lifts it")
    if (reason := account.journal.stopped_accounts().get((account.settings.chain, safe))) is not None:
        return Declined("ACCOUNT_STOPPED", f"account {safe} is stopped: {reason}")
    multi_send = account.settings.safe_multisend
    for address, what in ((safe, "Safe"), (multi_send, "MultiSendCallOnly (safe_multisend in chains/*.toml)")):
        if not await node.code(address):
            return Declined("NO_SAFE", f"there is no {what} at {address}")
    try:
        owners, threshold, nonce = await state_of(node, safe)
    except (NodeRefused, ValueError) as wrong:
        if isinstance(wrong, NodeRefused) and wrong.by_provider:
            raise
        return Declined("NO_SAFE", f"{safe} does not answer as a Safe")
    if ours.lower() not in {owner.lower() for owner in owners}:
        return Declined("NOT_AN_OWNER", f"{ours} is no owner of the Safe {safe}")
    if (earlier := waiting(_in_time(account, approval), nonce)) is not None:
        message = (
            f"Safe transaction {earlier} waits for its owners; a new one is proposed when they executed it, or later"
        )
        return Declined("WAITS_FOR_OWNERS", message)
    parts = parts_of(approval.plan, works, rehearsal)

    def made(part: Part, nonce: int, gas: int) -> SafeTx:
        return batch(safe, evm_number(account.settings.chain), part.calls, multi_send, nonce, gas)

    for part in parts:
        if (refused := _judged(account, approval, part, made(part, nonce, 0))) is not None:
            return refused
    if len(parts) == 1:
        tx = made(parts[0], nonce, 0)
        ran = await _simulated(account, ours, tx, parts[0])
        found = ran if ran is not None else Simulated((tx,), {})
    else:
        found = await _simulated_apart(account, ours, parts, made, nonce)
    if isinstance(found, Declined):
        return found
    await node.verify_chain()
    signed = list[tuple[ApprovedSafeTx, bytes]]()
    for tx in found.txs:
        approved = ApprovedSafeTx(tx, tx.hash, approval.approver, approval.expires_at)
        signature = signer.sign_safe(approved)
        if _recovered(approved.hash, signature).lower() != ours.lower():
            raise SafetyError("WRONG_KEY", f"the signature is not {ours}'s")
        if account.halted() is not None or account.now() >= approval.expires_at:
            return Declined("EXPIRED", "the approval ended, or yieldbot was halted, before the proposal was signed")
        signed.append((approved, signature))
    first, *others = [
        Proposed("0x" + one.hash.hex(), threshold, owners, _document(one, ours, its)) for one, its in signed
    ]
    return replace(first, further=tuple(others), left_out=found.left_out)


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a plan that one Safe transaction carries out."""

    works: tuple[LegWork, ...]
    """Legs of the plan, in order."""
    legs: tuple[RehearsedLeg, ...]
    """The same legs, as they ran on the fork."""

    @property
    def calls(self) -> list[EvmCall]:
        """Its calls, in order."""
        return [tx.call for leg in self.legs for tx in leg.txs]

    def wanted(self, native: Token) -> list[Delta]:
        """The Safe's balance changes in the rehearsal, without the chain's coin, since the executing account pays the
        gas."""
        return [delta for delta in total(leg.deltas for leg in self.legs) if delta.token != native]


@dataclass(frozen=True, slots=True)
class Simulated:
    """The Safe transactions that had the rehearsed effect when simulated on a fork."""

    txs: tuple[SafeTx, ...]
    """The Safe transactions, in order of their nonces."""
    left_out: Mapping[int, Declined]
    """The legs without that effect, by index, each with the reason."""


def parts_of(plan: Plan, works: Sequence[LegWork], rehearsal: Rehearsal) -> list[Part]:
    """Divides a plan into Safe transactions: an exit into one for each market, in the plan's order, since they do not
    depend on each other; any other plan stays one transaction, all or nothing. Pure."""
    found: dict[MarketId | None, list[tuple[LegWork, RehearsedLeg]]] = {}
    for work, leg in zip(works, rehearsal.legs, strict=True):
        found.setdefault(work.leg.market_id if plan.is_exit else None, []).append((work, leg))
    return [Part(tuple(work for work, _ in of), tuple(leg for _, leg in of)) for of in found.values()]


def _in_time(account: Account, approval: Approval) -> list[str]:
    """``Proposed.note`` of this Safe's proposals whose plans have not expired."""
    key = (approval.plan.block.chain, account.owner)
    records = account.journal.records(*key)
    alive = {
        stored.plan.id
        for stored in fold_plans(records).values()
        if (stored.plan.block.chain, stored.plan.owner) == key and account.now() < stored.plan.expires_at
    }
    marks = [row.entry for row in records if isinstance(row.entry, PlanMarked)]
    # From the marks, not the plans: a plan made again at the same block is the same plan, with a newer status.
    return [mark.reason for mark in marks if mark.status is PlanStatus.HANDED_OVER and mark.plan_id in alive]


def _judged(account: Account, approval: Approval, part: Part, tx: SafeTx) -> Declined | None:
    try:
        inner = calls_in(tx, account.settings.safe_multisend)
    except ValueError as fault:
        return Declined("NOT_A_BATCH", f"the Safe transaction is refused: {fault}")
    pairs = [(work, each.call) for work, leg in zip(part.works, part.legs, strict=True) for each in leg.txs]
    return judge_batch(Rules.of(account), approval, pairs, inner, account.now())


async def state_of(node: Node, safe: Address) -> tuple[tuple[Address, ...], int, int]:
    """(owners, threshold, next nonce) of a Safe. Raises ValueError or NodeRefused if there is none."""
    from eth_abi.abi import decode
    from eth_abi.exceptions import DecodingError
    from eth_utils.address import to_checksum_address

    async def ask(signature: str) -> bytes:
        return await node.call(safe, selector(signature))

    try:
        (owners,) = decode(["address[]"], await ask("getOwners()"))
    except (DecodingError, OverflowError):
        raise ValueError(f"{safe} names no owners") from None
    threshold, nonce = [int.from_bytes(await ask(name), "big") for name in ("getThreshold()", "nonce()")]
    return tuple(Address(str(to_checksum_address(owner))) for owner in owners), threshold, nonce


async def _simulated(account: Account, ours: Address, tx: SafeTx, part: Part) -> Declined | None:
    """Why the Safe transaction is refused after executing it on a fork of the newest block, with the threshold set to
    1; None if it changes the Safe's balances as the rehearsal did, and does not cost too much."""
    async with fork_of_newest(account.node, account.fork) as (block, fork):
        await _alone(fork, tx.safe, ours)
        used = await _executed(account, fork, ours, tx, part)
    return used if isinstance(used, Declined) else await _dear(account, ours, [(tx, used)], block)


async def _simulated_apart(
    account: Account, ours: Address, parts: Sequence[Part], made: Callable[[Part, int, int], SafeTx], nonce: int
) -> Simulated | Declined:
    """Execute Safe transactions one after the other on forks of the newest block: first to find those with the
    rehearsed effect, and the gas they use; then these again, as they will be signed. Declined: none has the effect."""
    async with fork_of_newest(account.node, account.fork) as (block, fork):
        await _alone(fork, account.owner, ours)
        kept = await fork.request("evm_snapshot", [])
        left, good = dict[int, Declined](), list[tuple[Part, int]]()
        for part in parts:
            used = await _executed(account, fork, ours, made(part, nonce, 0), part)
            if isinstance(used, Declined):
                left |= {leg.index: used for leg in part.legs}
            else:
                good.append((part, used))
        if not good:
            return left[min(left)]
        if await fork.request("evm_revert", [kept]) is not True:
            raise TransientError("the fork cannot go back to where it was")
        txs = list[tuple[SafeTx, int]]()
        for part, used in good:
            tx = made(part, nonce + len(txs), min(used * GAS_MARGIN // 100, account.max_gas * 9 // 10))
            ran = await _executed(account, fork, ours, tx, part)
            if isinstance(ran, Declined):
                return ran
            txs.append((tx, ran))
    return await _dear(account, ours, txs, block) or Simulated(tuple(tx for tx, _ in txs), left)


async def _alone(fork: Node, safe: Address, ours: Address) -> None:
    """On a fork, make our key the Safe's only required signer."""
    await fork.request("anvil_setStorageAt", [safe, hex(THRESHOLD_SLOT), "0x" + (1).to_bytes(32, "big").hex()])
    await fork.request("anvil_setBalance", [ours, hex(10**20)])
    await impersonate(fork, ours)


async def _executed(account: Account, fork: Node, ours: Address, tx: SafeTx, part: Part) -> int | Declined:
    """Execute a Safe transaction on a fork; returns its gas, or why it does not have the rehearsed effect."""
    wanted = part.wanted(account.native)
    agreed = abi_word(ours) + bytes(32) + b"\x01"  # Safe's signature type 1: the executor is an owner and agrees
    data = exec_data(tx, agreed)
    before = await fetch_balances(fork, tx.safe, [delta.token for delta in wanted])
    fields = {"from": ours, "to": tx.safe, "data": "0x" + data.hex(), "value": "0x0", "gas": hex(account.max_gas)}
    receipt = await mined(account, fork, fields, "the Safe transaction")
    if isinstance(receipt, Declined):
        return receipt
    done = changes(before, await fetch_balances(fork, tx.safe, list(before)))
    return _compared(wanted, done, account.tolerance_bps) or int(receipt["gasUsed"], 16)


async def _dear(account: Account, ours: Address, txs: Sequence[tuple[SafeTx, int]], block: BlockRef) -> Declined | None:
    """Why executing Safe transactions costs more than the plan's gain allows, whoever pays; None if it does not. The
    cost is their gas, and their data on L1 with every owner's signature. txs: each with its gas."""
    if account.max_cost_wei is None:
        return None
    _, threshold, _ = await state_of(account.node, account.owner)
    (_, base_fee_wei), tip_wei = await both(account.node.block_and_base_fee(), fetch_priority_fee(account))
    fees, cost_wei, whole = Fees(base_fee_wei + tip_wei, tip_wei), 0, NO_ROLLUP_FEE
    for tx, gas in txs:
        call = EvmCall(tx.safe, exec_data(tx, unsigned_yet(threshold)), 0, "the Safe transaction")
        context = TxContext(account.settings.chain, ours, "", 0, MarketId(""))
        fee = await fetch_rollup_fee(account, account.node, unsigned(call, context, 0, gas, fees), block)
        cost_wei, whole = cost_wei + (gas + fee.l1_gas) * fees.max_fee_wei, whole + fee
    return cost_above_gain(account, "the Safe transaction", cost_wei, whole)


def _compared(wanted: Sequence[Delta], done: Sequence[Delta], tolerance_bps: float) -> Declined | None:

    for delta in wanted:
        observed = change_of(done, delta.token)
        if not within(observed, delta.raw, delta.raw, tolerance_bps):
            message = f"{delta.token.symbol} changes by {observed} base units, {delta.raw} were rehearsed"
            return Declined("DELTA_NOT_PLANNED", f"the Safe transaction: {message}")
    return None


def _recovered(digest: bytes, signature: bytes) -> str:
    from eth_account import Account as Keys

    if len(signature) != 65:
        return ""
    return str(Keys._recover_hash(digest, signature=signature))


def _document(approved: ApprovedSafeTx, sender: Address, signature: bytes) -> dict[str, Any]:
    """The JSON object that Safe's transaction service takes for a new transaction (https://docs.safe.global)."""
    message = approved.tx.message
    return {
        "safe": approved.tx.safe,
        **{name: str(message[name]) if name in ("value", "nonce") else message[name] for name, _ in FIELDS[:-1]},
        "data": "0x" + approved.tx.data.hex(),
        "nonce": approved.tx.nonce,
        "contractTransactionHash": "0x" + approved.hash.hex(),
        "sender": sender,
        "signature": "0x" + signature.hex(),
        "origin": "yieldbot",
    }
