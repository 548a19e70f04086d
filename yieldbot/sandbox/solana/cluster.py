"""A Solana cluster of one node, in this process: LiteSVM with slots that pass, blockhashes that expire, and
transactions that land, are confirmed and finalised or, on a test's request, are dropped or undone by a fork.

Accounts are always shown as after the newest transaction, whatever commitment is requested.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any

from yieldbot.chains.solana.execution.build import compiled
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.chains.solana.node.fork import table_addresses
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.tx import SvmInstruction
from yieldbot.protocols.solana.layout import SLOTS_PER_EPOCH
from yieldbot.sandbox.solana.images import Images

BLOCKHASH_BLOCKS = 150
CONFIRMED_AFTER, FINALIZED_AFTER = 1, 4
"""Slots until a transaction counts as confirmed and as finalised. Real finality takes 32; the sandbox is faster."""
SLOT_SECONDS = 0.4
FIRST_SLOT = 300 * SLOTS_PER_EPOCH
LAMPORTS_PER_SIGNATURE = 5000


@dataclass(frozen=True, slots=True)
class ExecutedTx:
    """A transaction that was executed."""

    signature: str
    """Its first signature, in base58."""
    slot: int
    """The slot that it landed in."""
    at: int
    """That slot's time, in unix seconds."""
    raw: bytes
    """Its wire bytes."""
    error: Any
    """Its error in Agave's JSON; None: it succeeded."""
    logs: tuple[str, ...]
    """What its programs logged."""
    units: int
    """Compute units used."""
    fee: int
    """Fee paid, in lamports."""
    keys: tuple[Address, ...]
    """Its accounts; those from lookup tables come last."""
    static_keys: int
    """Number of ``keys`` that are in the message itself."""
    before: dict[Address, AccountImage | None]
    """The accounts that it changed, before it; None: did not exist."""
    after: dict[Address, AccountImage | None]
    """The same accounts afterwards."""
    inner: tuple[tuple[tuple[int, int, bytes, bytes], ...], ...] = ()
    """For each instruction of the message, the instructions that it called: (depth, index of the program, indexes of
    the accounts, data)."""


class Refused(Exception):
    """A transaction that was not accepted, with its JSON error as Agave names it and the logs of its simulation."""

    def __init__(self, error: Any, logs: Sequence[str] = ()) -> None:
        super().__init__(str(error))
        self.error, self.logs = error, tuple(logs)


@dataclass(slots=True)
class Cluster:
    """The state of a Solana cluster that runs in this process."""

    genesis: str
    """The genesis hash."""
    now: Callable[[], float] = time.monotonic
    """The clock that slots follow, in seconds."""
    auto: bool = True
    """Whether slots follow the clock; if False, they only pass when ``advance`` is called."""
    drop: int = 0
    """Number of the next transactions that are accepted but never land."""
    stale: int = 0
    """Number of slots that reads lag behind."""
    unit_price: int = 0
    """The answer to getRecentPrioritizationFees, in micro-lamports for a compute unit."""
    slot: int = FIRST_SLOT
    """The current slot."""
    timestamp: int = 0
    """The current slot's time, in unix seconds."""
    landed: dict[str, ExecutedTx] = field(default_factory=dict)
    """Executed transactions by signature."""
    published: dict[Address, Callable[[int], AccountImage]] = field(default_factory=dict)
    """Accounts that are rewritten at every slot, such as prices: functions from unix seconds to the account."""
    each_epoch: list[Callable[[Cluster], None]] = field(default_factory=list)
    """Called at the start of each epoch."""
    pace_seconds: float = SLOT_SECONDS
    """Duration of a slot by the clock, in seconds."""
    _kept: dict[Address, AccountImage | None] | None = None
    """Accounts as they were when ``snapshot`` was called."""
    _svm: Any = None
    """The LiteSVM."""
    _began: float = 0.0
    """The clock's reading at the current slot."""

    def __post_init__(self) -> None:
        from solders.litesvm import LiteSVM

        self._svm = LiteSVM().with_sigverify(False).with_blockhash_check(False).with_transaction_history(0)
        self.timestamp = self.timestamp or int(time.time())
        self._began = self.now()
        self._set_clock()

    # -- time

    def tick(self) -> None:
        """Advance to the slot of the clock."""
        if self.auto:
            slots = int((self.now() - self._began) / self.pace_seconds)
            if slots > 0:
                self._began += slots * self.pace_seconds
                self.advance(slots)

    def advance(self, slots: int, seconds: float | None = None) -> None:
        """Let slots pass, in ``seconds``; by default 0.4 s each."""
        if self.each_epoch and (slots_left := SLOTS_PER_EPOCH - self.slot % SLOTS_PER_EPOCH) <= slots:
            part = None if seconds is None else seconds * slots_left / slots
            self._advance(slots_left, part)
            for act in self.each_epoch:
                act(self)
            rest = slots - slots_left
            return self.advance(rest, None if seconds is None or part is None else seconds - part) if rest else None
        self._advance(slots, seconds)

    def _advance(self, slots: int, seconds: float | None) -> None:
        before = self.slot
        self.slot += slots
        elapsed = self.slot * SLOT_SECONDS - before * SLOT_SECONDS if seconds is None else seconds
        self.timestamp += round(elapsed) if seconds is not None else _whole(before, self.slot)
        self._set_clock()
        self.set({address: made(self.timestamp) for address, made in self.published.items()})

    @property
    def height(self) -> int:
        """The block height: this cluster skips no slot."""
        return self.slot

    def blockhash(self, height: int | None = None) -> str:
        """The blockhash of a block."""
        from solders.hash import Hash

        at = self.slot if height is None else height
        return str(Hash(hashlib.sha256(f"{self.genesis}/{at}".encode()).digest()))

    def is_recent(self, blockhash: str) -> bool:
        """Whether a transaction with this blockhash may still land."""
        return any(self.blockhash(self.slot - age) == blockhash for age in range(BLOCKHASH_BLOCKS + 1))

    def _set_clock(self) -> None:
        from solders.clock import Clock

        epoch = self.slot // SLOTS_PER_EPOCH
        started = self.timestamp - round((self.slot % SLOTS_PER_EPOCH) * SLOT_SECONDS)
        self._svm.set_clock(Clock(self.slot, started, epoch, epoch + 1, self.timestamp))

    # -- accounts

    def set(self, images: Images) -> None:
        """Set accounts to the given states."""
        for address, image in images.items():
            self._put(address, image)

    def account(self, address: Address) -> AccountImage | None:
        """An account as reads show it now."""
        if self.stale:
            for tx in self.landed.values():
                if tx.slot > self.shown_slot and address in tx.before:
                    return tx.before[address]
        return self.newest(address)

    @property
    def shown_slot(self) -> int:
        """The slot that reads report."""
        return self.slot - self.stale

    def newest(self, address: Address) -> AccountImage | None:
        """An account after the latest transaction."""
        from solders.pubkey import Pubkey

        found = self._svm.get_account(Pubkey.from_string(address))
        if found is None or (found.lamports == 0 and not found.data):
            return None
        return AccountImage(found.lamports, Address(str(found.owner)), bytes(found.data), found.executable)

    def program_accounts(self, program: Address) -> dict[Address, AccountImage]:
        """Every account that a program owns."""
        from solders.pubkey import Pubkey

        found = self._svm.get_program_accounts(Pubkey.from_string(program))
        return {
            Address(str(key)): AccountImage(a.lamports, Address(str(a.owner)), bytes(a.data), a.executable)
            for key, a in found
        }

    def _put(self, address: Address, image: AccountImage | None) -> None:
        from solders.account import Account
        from solders.pubkey import Pubkey

        if self._kept is not None:
            self._kept.setdefault(address, self.newest(address))
        gone = AccountImage(0, Address("11111111111111111111111111111111"), b"")
        image = image or gone
        owner = Pubkey.from_string(image.program)
        account = Account(image.lamports, image.data, owner, image.executable, 0)
        self._svm.set_account(Pubkey.from_string(address), account)

    # -- transactions

    def act(self, instruction: SvmInstruction) -> None:
        """Run instructions of another account, at its cost; the transaction cannot be looked up later."""
        from solders.signature import Signature
        from solders.transaction import VersionedTransaction

        payer = Address("Somebody11111111111111111111111111111111111")
        self._put(payer, AccountImage(10**9, Address("11111111111111111111111111111111"), b""))
        if self._kept is not None:
            for meta in instruction.accounts:
                self._kept.setdefault(meta.address, self.newest(meta.address))
        message = compiled((instruction,), payer, self.blockhash())
        self._svm.expire_blockhash()
        result = self._svm.send_transaction(VersionedTransaction.populate(message, [Signature.default()]))
        if (error := _error(result)) is not None:
            raise RuntimeError(f"{instruction.description}: {error}")

    def send(self, raw: bytes, *, preflight: bool) -> str:
        """Accept a transaction and return its signature. Raises Refused as a node's preflight would, ValueError for
        other bytes."""
        tx = self._parsed(raw)
        signature = str(tx.signatures[0])
        if not all(tx.verify_with_results()):
            raise Refused("SignatureFailure")
        if signature in self.landed:
            if preflight:
                raise Refused("AlreadyProcessed")
            return signature
        if not self.is_recent(str(tx.message.recent_blockhash)):
            if preflight:
                raise Refused("BlockhashNotFound")
            return signature  # accepted and dropped, since no leader can include it
        if preflight:
            error, logs, *_ = self.simulate(raw)
            if error is not None:
                raise Refused(error, logs)
        if self.drop:
            self.drop -= 1
            return signature
        self._execute(tx, signature, raw)
        return signature

    def _execute(self, tx: Any, signature: str, raw: bytes) -> None:
        keys, static = self._keys(tx.message)
        before = {key: self.newest(key) for key in keys}
        self._svm.expire_blockhash()
        result = self._svm.send_transaction(tx)
        error = _error(result)
        meta = result.meta() if error is not None else result
        if self._kept is not None:
            for key, image in before.items():
                self._kept.setdefault(key, image)
        if error is not None and before[keys[0]] == self.newest(keys[0]):
            return  # its fee could not be paid, and leaders do not include such a transaction
        self.landed[signature] = ExecutedTx(
            signature,
            self.slot,
            self.timestamp,
            raw,
            error,
            tuple(meta.logs()),
            meta.compute_units_consumed(),
            meta.fee(),
            tuple(keys),
            static,
            before,
            {key: self.newest(key) for key in keys},
            tuple(
                tuple(
                    (one.stack_height(), call.program_id_index, bytes(call.accounts), bytes(call.data))
                    for one in group
                    for call in (one.instruction(),)
                )
                for group in meta.inner_instructions()
            ),
        )

    def simulate(self, raw: bytes) -> tuple[Any, tuple[str, ...], int, dict[Address, AccountImage | None]]:
        """(error or None, logs, units, accounts afterwards) of a transaction that is not carried out."""
        tx = self._parsed(raw)
        self._svm.expire_blockhash()
        result = self._svm.simulate_transaction(tx)
        error = _error(result)
        after: dict[Address, AccountImage | None] = {}
        if error is None:
            for key, a in result.post_accounts():
                made = AccountImage(a.lamports, Address(str(a.owner)), bytes(a.data), a.executable)
                after[Address(str(key))] = made if a.lamports or a.data else None
        return error, tuple(result.meta().logs()), result.meta().compute_units_consumed(), after

    def take_back(self, count: int) -> list[str]:
        """Switch to another fork, which lacks the last ``count`` transactions that are not final; returns their
        signatures."""
        undone = []
        for signature, tx in list(reversed(self.landed.items()))[:count]:
            if self.commitment(tx) == "finalized":
                break
            for address, image in tx.before.items():
                if image != tx.after[address]:
                    self._put(address, image)
            del self.landed[signature]
            undone.append(signature)
        return undone

    def snapshot(self) -> None:
        """Remember the present state of all accounts, for ``revert``."""
        self._kept = {}

    def revert(self) -> None:
        """Restore the accounts of the snapshot and forget all transactions; time goes on. The snapshot stays."""
        kept, self._kept = self._kept or {}, None
        for address, image in kept.items():
            if image != self.newest(address):
                self._put(address, image)
        self._set_clock()
        self.set({address: made(self.timestamp) for address, made in self.published.items()})
        for act in self.each_epoch:
            act(self)
        self.landed.clear()
        self.drop = self.stale = 0
        self._kept = {}

    def commitment(self, tx: ExecutedTx) -> str:
        """A transaction's commitment level."""
        age = self.slot - tx.slot
        return "finalized" if age >= FINALIZED_AFTER else "confirmed" if age >= CONFIRMED_AFTER else "processed"

    def _keys(self, message: Any) -> tuple[list[Address], int]:
        """(all accounts of a message, those from lookup tables last; how many are in the message itself)."""
        keys = [Address(str(key)) for key in message.account_keys]
        static = len(keys)
        writable: list[Address] = []
        readonly: list[Address] = []
        for table in getattr(message, "address_table_lookups", ()):
            image = self.newest(Address(str(table.account_key)))
            data = image.data if image else b""
            writable += table_addresses(data, list(table.writable_indexes))
            readonly += table_addresses(data, list(table.readonly_indexes))
        return [*keys, *writable, *readonly], static

    def _parsed(self, raw: bytes) -> Any:
        from solders.transaction import VersionedTransaction

        try:
            return VersionedTransaction.from_bytes(raw)
        except BaseException as unreadable:  # solders' own error, or a panic of its Rust
            if isinstance(unreadable, KeyboardInterrupt | SystemExit):
                raise
            raise ValueError("failed to deserialize the transaction") from None


def encoded(image: AccountImage | None) -> Any:
    """An account as JSON-RPC shows it."""
    if image is None:
        return None
    return {
        "lamports": image.lamports,
        "owner": image.program,
        "data": [base64.b64encode(image.data).decode(), "base64"],
        "executable": image.executable,
        "rentEpoch": 2**64 - 1,
        "space": len(image.data),
    }


def _error(result: Any) -> Any:
    """A failed transaction's error in Agave's JSON; None for a success."""
    return json.loads(result.to_json())["err"] if hasattr(result, "err") else None


def _whole(before: int, after: int) -> int:
    """Whole seconds between two slots, so that many small steps add up to the same as one long one."""
    return int(after * SLOT_SECONDS) - int(before * SLOT_SECONDS)
