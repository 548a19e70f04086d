"""A Safe (https://safe.global) as the account: a plan becomes one Safe transaction that we sign as one of the owners.

Nothing is sent: the other owners confirm, and anybody may then execute. All calls of the plan are one ``multiSend`` of
MultiSendCallOnly, so either all of them happen or none, and no allowance is left between them. Source of the hash and
of the packing: Safe v1.4.1, ``Safe.encodeTransactionData`` and ``MultiSendCallOnly.multiSend``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from yieldbot.chains.evm.execution.abi_calls import selector
from yieldbot.chains.evm.execution.account import Account, LegWork
from yieldbot.chains.evm.execution.balances import abi_word, fetch_balances
from yieldbot.chains.evm.execution.build import Fees, TxContext, unsigned
from yieldbot.chains.evm.execution.fees import fetch_priority_fee
from yieldbot.chains.evm.execution.judge import Rules, judge_batch
from yieldbot.chains.evm.execution.on_fork import impersonate, mined
from yieldbot.chains.evm.execution.rehearsal import Rehearsal
from yieldbot.chains.evm.execution.rollup import cost_above_gain, fetch_rollup_fee
from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import NodeRefused, SafetyError
from yieldbot.execution.approvals import Approval
from yieldbot.execution.deltas import change_of, changes, within
from yieldbot.execution.results import Proposed
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address, MarketId, evm_number
from yieldbot.model.plan import Declined
from yieldbot.model.tx import Delta, EvmCall
from yieldbot.rpc.together import both

CALL, DELEGATE_CALL = 0, 1
NOBODY = Address("0x" + "00" * 20)
MOST_SIGNATURES = 100
"""Most signatures for which a fee is computed: a threshold is a number from outside."""
THRESHOLD_SLOT = 4
"""The storage slot of a Safe's threshold (Safe 1.3 and 1.4): on the fork it is set to 1, so that we can execute
alone."""
MULTI_SEND = "multiSend(bytes)"
EXEC = "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)"
FIELDS = (
    *(("to", "address"), ("value", "uint256"), ("data", "bytes"), ("operation", "uint8"), ("safeTxGas", "uint256")),
    *(("baseGas", "uint256"), ("gasPrice", "uint256"), ("gasToken", "address"), ("refundReceiver", "address")),
    ("nonce", "uint256"),
)
"""The members of the EIP-712 type SafeTx, in order."""


@dataclass(frozen=True, slots=True)
class SafeTx:
    """A Safe transaction without a refund: whoever executes it pays the gas."""

    safe: Address
    """The Safe's address."""
    chain: int
    """The chain's number."""
    to: Address
    """The contract that the Safe calls: MultiSendCallOnly."""
    data: bytes
    """The calldata of that call."""
    operation: int
    """CALL or DELEGATE_CALL."""
    nonce: int
    """The Safe's nonce."""

    @property
    def message(self) -> dict[str, Any]:
        """The values of FIELDS, by name."""
        zeros = {"value": 0, "safeTxGas": 0, "baseGas": 0, "gasPrice": 0, "gasToken": NOBODY, "refundReceiver": NOBODY}
        return zeros | {"to": self.to, "data": self.data, "operation": self.operation, "nonce": self.nonce}

    @property
    def hash(self) -> bytes:
        """The 32 bytes that owners sign: EIP-712 with the domain (chainId, verifyingContract)."""
        from eth_account.messages import encode_typed_data
        from eth_utils.crypto import keccak

        types = {"SafeTx": [{"name": name, "type": kind} for name, kind in FIELDS]}
        domain = {"chainId": self.chain, "verifyingContract": self.safe}
        signable = encode_typed_data(domain, types, self.message)
        return bytes(keccak(b"\x19" + signable.version + signable.header + signable.body))


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
    for note in notes:
        name, _, its = note.partition(" nonce ")
        if its.isdigit() and int(its) >= nonce:
            return name
    return None


def packed(calls: Sequence[EvmCall]) -> bytes:
    """Calls packed for MultiSendCallOnly; each is operation (1 byte), target (20), value (32), length (32) and
    calldata."""
    return b"".join(
        bytes([CALL])
        + bytes.fromhex(call.to[2:])
        + call.value.to_bytes(32, "big")
        + len(call.data).to_bytes(32, "big")
        + call.data
        for call in calls
    )


def unpacked(data: bytes) -> list[tuple[int, str, int, bytes]]:
    """(operation, target, wei, calldata) of each packed call. Raises ValueError for bytes that are not exactly such
    calls."""
    found, at = [], 0
    while at < len(data):
        head = data[at : at + 85]
        length = int.from_bytes(head[53:], "big")
        if len(head) < 85 or at + 85 + length > len(data):
            raise ValueError("the batch ends in the middle of a call")
        to, value = "0x" + head[1:21].hex(), int.from_bytes(head[21:53], "big")
        found.append((head[0], to, value, data[at + 85 : at + 85 + length]))
        at += 85 + length
    return found


def batch(safe: Address, chain: int, calls: Sequence[EvmCall], multi_send: Address, nonce: int) -> SafeTx:
    """The calls as one Safe transaction. multi_send: the address of MultiSendCallOnly. nonce: the Safe's."""
    from eth_abi.abi import encode

    data = selector(MULTI_SEND) + bytes(encode(["bytes"], [packed(calls)]))
    return SafeTx(safe, chain, multi_send, data, DELEGATE_CALL, nonce)


def calls_in(tx: SafeTx, multi_send: Address) -> list[tuple[str, bytes]]:
    """(target, calldata) of each call, decoded again from the transaction's final bytes. Raises ValueError for anything
    other than a MultiSendCallOnly batch of calls without value."""
    from eth_abi.abi import decode, encode
    from eth_abi.exceptions import DecodingError

    if tx.to.lower() != multi_send.lower() or tx.operation != DELEGATE_CALL or tx.data[:4] != selector(MULTI_SEND):
        raise ValueError("it is no multiSend of the chain's MultiSendCallOnly")
    try:
        (inner,) = decode(["bytes"], tx.data[4:])
    except (DecodingError, OverflowError):
        raise ValueError("its bytes are no exact call of multiSend") from None
    if bytes(encode(["bytes"], [inner])) != tx.data[4:]:
        raise ValueError("its bytes are no exact call of multiSend")
    calls = unpacked(inner)
    if any(operation != CALL or value for operation, _, value, _ in calls):
        raise ValueError("one of its calls delegates or sends value")
    return [(to, data) for _, to, _, data in calls]


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
    calls = [tx.call for leg in rehearsal.legs for tx in leg.txs]
    tx = batch(safe, evm_number(account.settings.chain), calls, multi_send, nonce)
    refused = _judged(account, approval, works, rehearsal, tx) or await _simulated(account, ours, tx, rehearsal)
    if refused is not None:
        return refused
    await node.verify_chain()
    approved = ApprovedSafeTx(tx, tx.hash, approval.approver, approval.expires_at)
    signature = signer.sign_safe(approved)
    if _recovered(approved.hash, signature).lower() != ours.lower():
        raise SafetyError("WRONG_KEY", f"the signature is not {ours}'s")
    if account.halted() is not None or account.now() >= approval.expires_at:
        return Declined("EXPIRED", "the approval ended, or yieldbot was halted, before the proposal was signed")
    return Proposed("0x" + approved.hash.hex(), threshold, owners, _document(approved, ours, signature))


def _in_time(account: Account, approval: Approval) -> list[str]:
    """``Proposed.note`` of this Safe's proposals whose plans have not expired."""
    alive = {
        stored.plan.id
        for stored in account.journal.plans()
        if (stored.plan.owner, stored.plan.block.chain) == (account.owner, approval.plan.block.chain)
        and account.now() < stored.plan.expires_at
    }
    marks = [row.entry for row in account.journal.history() if isinstance(row.entry, PlanMarked)]
    # From the marks, not the plans: a plan made again at the same block is the same plan, with a newer status.
    return [mark.reason for mark in marks if mark.status is PlanStatus.HANDED_OVER and mark.plan_id in alive]


def _judged(
    account: Account, approval: Approval, works: Sequence[LegWork], rehearsal: Rehearsal, tx: SafeTx
) -> Declined | None:
    try:
        inner = calls_in(tx, account.settings.safe_multisend)
    except ValueError as fault:
        return Declined("NOT_A_BATCH", f"the Safe transaction is refused: {fault}")
    pairs = [(work, rehearsed.call) for work, leg in zip(works, rehearsal.legs, strict=True) for rehearsed in leg.txs]
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


async def _simulated(account: Account, ours: Address, tx: SafeTx, rehearsal: Rehearsal) -> Declined | None:
    """Why the Safe transaction is refused after executing it on a fork of the newest block, with the threshold set to
    1; None if it changes the Safe's balances as the rehearsal did, and does not cost too much."""
    agreed = abi_word(ours) + bytes(32) + b"\x01"  # Safe's signature type 1: the executor is an owner and agrees
    data = exec_data(tx, agreed)
    wanted = [delta for delta in rehearsal.deltas if delta.token != account.native]
    block = await account.node.block()
    async with account.fork(block) as fork:
        await fork.request("anvil_setStorageAt", [tx.safe, hex(THRESHOLD_SLOT), "0x" + (1).to_bytes(32, "big").hex()])
        await fork.request("anvil_setBalance", [ours, hex(10**20)])
        await impersonate(fork, ours)
        before = await fetch_balances(fork, tx.safe, [delta.token for delta in wanted])
        fields = {"from": ours, "to": tx.safe, "data": "0x" + data.hex(), "value": "0x0", "gas": hex(account.max_gas)}
        receipt = await mined(account, fork, fields, "the Safe transaction")
        if isinstance(receipt, Declined):
            return receipt
        done = changes(before, await fetch_balances(fork, tx.safe, list(before)))
    dear = await _dear(account, ours, tx, int(receipt["gasUsed"], 16), block)
    return dear or _compared(wanted, done, account.tolerance_bps)


async def _dear(account: Account, ours: Address, tx: SafeTx, gas: int, block: BlockRef) -> Declined | None:
    """Why executing the Safe transaction costs more than the plan's gain allows, whoever pays; None if it does not. The
    cost is its gas, and its data on L1 with every owner's signature."""
    if account.max_cost_wei is None:
        return None
    _, threshold, _ = await state_of(account.node, tx.safe)
    call = EvmCall(tx.safe, exec_data(tx, unsigned_yet(threshold)), 0, "the Safe transaction")
    (_, base_fee_wei), tip_wei = await both(account.node.block_and_base_fee(), fetch_priority_fee(account))
    fees = Fees(base_fee_wei + tip_wei, tip_wei)
    context = TxContext(account.settings.chain, ours, "", 0, MarketId(""))
    fee = await fetch_rollup_fee(account, account.node, unsigned(call, context, 0, gas, fees), block)
    return cost_above_gain(account, call.description, (gas + fee.l1_gas) * fees.max_fee_wei, fee)


def unsigned_yet(threshold: int) -> bytes:
    """Placeholders for ``threshold`` signatures that compress as badly as real ones: the OP stack's fee depends on
    that."""
    places = [hashlib.sha512(bytes([n])).digest() for n in range(min(threshold, MOST_SIGNATURES))]
    return b"".join(place + b"\x1c" for place in places)


def exec_data(tx: SafeTx, signatures: bytes) -> bytes:
    """The calldata of the Safe's ``execTransaction``."""
    from eth_abi.abi import encode

    values = [tx.message[name] for name, _ in FIELDS[:-1]]
    return selector(EXEC) + bytes(encode([kind for _, kind in FIELDS[:-1]] + ["bytes"], [*values, signatures]))


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
