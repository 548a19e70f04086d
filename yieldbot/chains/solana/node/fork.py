"""A fork of a Solana cluster: LiteSVM in this process, with accounts and programs cloned as transactions name them.

A transaction lists every account that it touches, including those of nested calls. So all that it needs are the
accounts of its message and of its lookup tables, and the code of upgradeable programs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, TypeVar

from yieldbot.chains.solana.node.answers import AccountImage, answer_of
from yieldbot.chains.solana.node.client import ACCOUNTS_A_REQUEST, CLOCK, Node
from yieldbot.errors import MarketError, TransientError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.known import UPGRADEABLE_LOADER
from yieldbot.model.reads import Flow, Read, SvmAccount, SvmLamports
from yieldbot.rpc.lockstep import Answer, run

if TYPE_CHECKING:
    from solders.message import MessageV0

T = TypeVar("T")

NATIVE_LOADER = Address("NativeLoader1111111111111111111111111111111")
SYSVARS = Address("Sysvar1111111111111111111111111111111111111")
FEATURES = Address("Feature111111111111111111111111111111111111")
GONE = AccountImage(0, Address("11111111111111111111111111111111"), b"", executable=False)
"""Value that marks an account as no longer existing."""
SLOTS_A_SECOND = 5, 2
"""(slots, seconds): this many slots in this many seconds, at 0.4 s each (solana-clock, DEFAULT_MS_PER_SLOT)."""
LAMPORTS = 10**15
"""Lamports for LiteSVM's own airdrops; none of them is ours."""
PROGRAM_TAG = struct.pack("<I", 2)
"""The tag of UpgradeableLoaderState::Program; its next 32 bytes are the address of the account with the code."""
TABLE_META_BYTES = 56
"""A lookup table's addresses begin after its meta data (address-lookup-table program, LOOKUP_TABLE_META_SIZE)."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A transaction's result on the fork."""

    error: Any
    """The transaction's error; None: it succeeded."""
    logs: tuple[str, ...]
    """Log lines of its programs."""
    units: int
    """Compute units used."""
    fee_lamports: int
    """The fee paid."""
    before: dict[Address, AccountImage | None]
    """The accounts of its message before it; None: no such account."""
    after: dict[Address, AccountImage | None]
    """The same accounts after it."""

    @property
    def custom_error(self) -> tuple[int, int] | None:
        """(index of the instruction, the program's own error number) if such an error is the reason; else None."""
        return _custom(self.error)


@dataclass(slots=True)
class SavedState:
    """The state that ``put_back`` restores."""

    clock: Any
    """The fork's clock."""
    images: dict[Address, AccountImage | None] = field(default_factory=dict)
    """Accounts changed since ``keep``, as they were before."""


class Fork:
    """A LiteSVM whose missing accounts are fetched from ``node``. Effects of transactions persist for later ones."""

    def __init__(self, node: Node) -> None:
        from solders.litesvm import LiteSVM

        self.node = node
        self.slot = 0
        self._seen: set[Address] = set()
        self._kept: SavedState | None = None
        self._svm: Any = _runtime(LiteSVM.mainnet_feature_set())

    async def send(self, message: MessageV0) -> Ran:
        """Run a transaction; its changes persist. Raises TransientError if the node does not give its accounts."""
        from solders.signature import Signature
        from solders.transaction import VersionedTransaction

        addresses = await self._prepare(message)
        before = self.images(addresses)
        unsigned = [Signature.default()] * message.header.num_required_signatures
        self._svm.expire_blockhash()  # so that a transaction equal to an earlier one does not count as processed
        result = self._svm.send_transaction(VersionedTransaction.populate(message, unsigned))
        if self._kept is not None:
            self._kept.images = before | self._kept.images
        failed = hasattr(result, "err")
        meta = result.meta() if failed else result
        return Ran(
            error=result.err() if failed else None,
            logs=tuple(meta.logs()),
            units=meta.compute_units_consumed(),
            fee_lamports=meta.fee(),
            before=before,
            after=self.images(addresses),
        )

    async def clone(self, addresses: Iterable[Address]) -> None:
        """Fetch accounts that the fork lacks; with the first ones also the clock, and so the slot. Raises
        TransientError if the node has moved on too many slots since."""
        wanted = [a for a in dict.fromkeys(addresses) if a not in self._seen and not self._builtin(a)]
        first = not self._seen
        if not wanted and not first:
            return
        if first:
            self._svm = _runtime(await features(self.node))
        slot, found = await self.node.accounts_at([*wanted, CLOCK], self.slot)
        if self.slot and slot - self.slot > self.node.max_slot_skew:
            raise TransientError(f"{self.node.host}: {slot - self.slot} slots passed while a fork was made")
        clock = found.pop()
        if first:
            self._set_clock(clock)
            self.slot = slot
        code = {
            _address(image.data[4:36])
            for image in found
            if image and image.program == UPGRADEABLE_LOADER and image.data[:4] == PROGRAM_TAG
        } - self._seen
        if code:
            _, programs = await self.node.accounts_at(sorted(code), slot)
            for address, image in zip(sorted(code), programs, strict=True):
                self._set(address, image)  # must exist before the program that refers to it
        for address, image in zip(wanted, found, strict=True):
            self._set(address, image)

    def keep(self) -> None:
        """Remember accounts and clock as they are now, for ``put_back``. LiteSVM cannot be copied, so the earlier state
        of each account that transactions change from here on is kept."""
        self._kept = SavedState(self._svm.get_clock())

    def put_back(self) -> None:
        """Restore accounts and clock as they were at ``keep``. Accounts fetched since then stay as the node has
        them."""
        kept, self._kept = self._kept, None
        if kept is None:
            raise RuntimeError("nothing was kept")
        for address, image in kept.images.items():
            if image != self._image(address):
                self._set(address, image or GONE)
        self._svm.set_clock(kept.clock)

    def wait(self, seconds: int) -> None:
        """Advance the clock by ``seconds``, and the slot by the usual number of slots. The epoch stays: what happens at
        its beginning (stake rewards, updates of stake pools) happens on no fork."""
        from solders.clock import Clock

        now = self._svm.get_clock()
        slot = now.slot + seconds * SLOTS_A_SECOND[0] // SLOTS_A_SECOND[1]
        at = (now.epoch_start_timestamp, now.epoch, now.leader_schedule_epoch, now.unix_timestamp + seconds)
        self._svm.set_clock(Clock(slot, *at))

    async def run(self, flows: Sequence[Flow[T]]) -> list[T | MarketError]:
        """Run adapters' flows against the fork as it is now, like ``Node.run``."""

        async def answer(reads: Sequence[Read]) -> Sequence[Answer]:
            wanted = [read.address for read in reads if isinstance(read, SvmAccount | SvmLamports)]
            await self.clone(wanted)
            known = self.images(wanted)
            return [answer_of(read, known) for read in reads]

        return await run(flows, answer)

    def images(self, addresses: Iterable[Address]) -> dict[Address, AccountImage | None]:
        """Accounts as the fork has them now; None for a missing one."""
        return {address: self._image(address) for address in addresses}

    async def _prepare(self, message: MessageV0) -> list[Address]:
        """Fetch every account that a message touches; their addresses, those by lookup tables last."""
        static = [Address(str(key)) for key in message.account_keys]
        tables = list(message.address_table_lookups)
        await self.clone([*static, *(Address(str(table.account_key)) for table in tables)])
        looked_up: list[Address] = []
        for table in tables:
            image = self._image(Address(str(table.account_key)))
            if image is None:
                raise TransientError(f"there is no lookup table {table.account_key}")
            looked_up += table_addresses(image.data, [*table.writable_indexes, *table.readonly_indexes])
        await self.clone(looked_up)
        return [*static, *looked_up]

    def _set(self, address: Address, image: AccountImage | None) -> None:
        from solders.account import Account
        from solders.pubkey import Pubkey

        self._seen.add(address)
        if image is None:
            return
        account = Account(image.lamports, image.data, Pubkey.from_string(image.program), image.executable, 0)
        try:
            self._svm.set_account(Pubkey.from_string(address), account)
        except Exception as refused:  # LiteSVM's own error, which cannot be imported: the code is no valid program
            raise TransientError(f"{self.node.host}: account {address} cannot be forked: {refused}") from None

    def _image(self, address: Address) -> AccountImage | None:
        from solders.pubkey import Pubkey

        found = self._svm.get_account(Pubkey.from_string(address))
        if found is None or (found.lamports == 0 and not found.data):
            return None
        return AccountImage(found.lamports, Address(str(found.owner)), bytes(found.data), found.executable)

    def _builtin(self, address: Address) -> bool:
        image = self._image(address)
        return image is not None and image.program in (NATIVE_LOADER, SYSVARS)

    def _set_clock(self, image: AccountImage | None) -> None:
        from solders.clock import Clock

        if image is None or len(image.data) < 40:
            raise TransientError(f"{self.node.host} has no clock")
        slot, epoch_start, epoch, leader_epoch, now = struct.unpack_from("<QqQQq", image.data)
        self._svm.set_clock(Clock(slot, epoch_start, epoch, leader_epoch, now))


async def features(node: Node) -> Any:
    """The runtime features that the cluster has activated, among those that this LiteSVM knows, as a solders
    FeatureSet. They are fetched once for each node. A cluster without any feature account (somebody's own) gets the
    main cluster's.

    Source of the layout: solana-feature-gate-interface, ``Feature``: an optional slot, 1 byte and 8.
    """
    from solders.litesvm import LiteSVM
    from solders.pubkey import Pubkey

    if node.features is None:
        found = LiteSVM.mainnet_feature_set()
        known = [Address(str(feature)) for feature in (*found.active, *found.inactive)]
        images: dict[Address, AccountImage | None] = {}
        for start in range(0, len(known), ACCOUNTS_A_REQUEST):  # separately: they need not be of one slot
            images |= await node.accounts(known[start : start + ACCOUNTS_A_REQUEST])
        slots = {
            address: int.from_bytes(image.data[1:9], "little")
            for address, image in images.items()
            if image is not None and image.program == FEATURES and image.data[:1] == b"\x01"
        }
        for address in known if slots else ():
            feature = Pubkey.from_string(address)
            if address in slots:
                found.activate(feature, slots[address])
            else:
                found.deactivate(feature)
        node.features = found
    return node.features


def _runtime(active: Any) -> Any:
    """A LiteSVM with these features, and otherwise only what every cluster has."""
    from solders.litesvm import LiteSVM

    made = LiteSVM.default().with_feature_set(active).with_builtins().with_lamports(LAMPORTS).with_sysvars()
    made = made.with_feature_accounts().with_default_programs()
    return made.with_sigverify(False).with_blockhash_check(False).with_transaction_history(0)


def table_addresses(data: bytes, indexes: Sequence[int]) -> list[Address]:
    """The addresses in a lookup table's data at these indexes. Raises TransientError for an index beyond its end."""
    found = [data[TABLE_META_BYTES + 32 * i : TABLE_META_BYTES + 32 * (i + 1)] for i in indexes]
    if any(len(raw) != 32 for raw in found):
        raise TransientError("a lookup table is shorter than a transaction wants it")
    return [_address(raw) for raw in found]


def _address(raw: bytes) -> Address:
    from solders.pubkey import Pubkey

    return Address(str(Pubkey(raw)))


def _custom(error: Any) -> tuple[int, int] | None:
    """From solders' TransactionErrorInstructionError with a custom code."""
    index, inner = getattr(error, "index", None), getattr(error, "err", None)
    code = getattr(inner, "code", None)
    return (index, code) if isinstance(index, int) and isinstance(code, int) else None
