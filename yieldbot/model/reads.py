"""The reads that adapters may ask for. An adapter yields reads and is sent bytes; it never does I/O itself."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from typing import TypeVar

from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.json_text import loads

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EthCall:
    """One read-only contract call at the snapshot's block."""

    to: Address
    """The contract."""
    data: bytes
    """Calldata."""
    optional: bool = False
    """A revert (or a target without code) is answered with ``b""``; if False, ReadReverted is thrown into the flow."""
    lag_blocks: int = 0
    """It is read this many blocks before the snapshot's (not before block 0); needs a node with history."""


@dataclass(frozen=True, slots=True)
class SvmAccount:
    """The data of one Solana account at the snapshot's slot."""

    address: Address
    """The account."""
    program: Address
    """The program that must own it; if another program does, or there is no account, ReadReverted is thrown into the
    flow."""
    optional: bool = False
    """A missing account is answered with ``b""`` (an account of another program is still refused)."""


@dataclass(frozen=True, slots=True)
class SvmLamports:
    """The lamports of one Solana account, 8 bytes little-endian; 0 if it does not exist."""

    address: Address
    """The account."""


@dataclass(frozen=True, slots=True)
class EthSlot:
    """The 32 bytes of one storage slot of a contract at the snapshot's block."""

    address: Address
    """The contract."""
    slot: int
    """The slot's number."""
    optional: bool = False
    """If the node refuses it, the answer is ``b""``; if False, ReadReverted is thrown into the flow."""


@dataclass(frozen=True, slots=True)
class EthCode:
    """Hash, size and first bytes of the code at an address, at the snapshot's block; ``CodeHead`` decodes the
    answer."""

    address: Address
    """The contract, or an account without code."""
    optional: bool = False
    """As in EthSlot."""


@dataclass(frozen=True, slots=True)
class EthLogs:
    """The event logs of some contracts in blocks ``first`` to ``last``; ``LogSpan`` decodes the answer, a JSON
    document. If a node serves only few blocks, it covers the newest."""

    addresses: tuple[Address, ...]
    """The contracts."""
    topics: tuple[bytes, ...]
    """First topics (hashes of event signatures); a log must have one of them."""
    first: int
    """The first block."""
    last: int
    """The last block."""
    optional: bool = False
    """As in EthSlot."""
    past_parts: int = 0
    """For logs of old blocks: most requests for them. If the node serves none the answer is ``b""``, and a failure does
    not affect the round's other reads. 0: these are not old blocks."""
    second: tuple[bytes, ...] = ()
    """Second topics, of which a log has one; none: any."""


@dataclass(frozen=True, slots=True)
class EthCodeAtBlock:
    """Which of some addresses had code at a past block; ``CodeAtBlock`` decodes the answer. ``b""``: the node does not
    serve the state of that block. A failure does not affect the round's other reads."""

    addresses: tuple[Address, ...]
    """The addresses, ``MOST_AT_ONCE`` at most."""
    block: int
    """The block's height."""


MOST_AT_ONCE = 200
"""Most addresses of one EthCodeAtBlock."""


@dataclass(frozen=True, slots=True)
class SvmImage:
    """A Solana account whatever program owns it: the owner's 32 bytes, then its data; ``b""`` if there is none."""

    address: Address
    """The account."""


@dataclass(frozen=True, slots=True)
class SvmSignatures:
    """The successful transactions that name an account; ``model/landed.Signatures`` decodes the answer. ``b""``: the
    node does not list them."""

    address: Address
    """The account."""
    until: str
    """Signature of an older transaction, after which the list begins; empty: the oldest that fits."""
    since: int
    """Slot from which transactions are listed."""
    last: int
    """Slot up to which they are."""
    most: int
    """Most transactions in the answer; if there are more, the newest."""


@dataclass(frozen=True, slots=True)
class SvmTransaction:
    """A landed transaction; ``model/landed.Landing`` decodes the answer. ``b""``: the node does not know it."""

    signature: str
    """The transaction's signature."""


@dataclass(frozen=True, slots=True)
class SvmLargest:
    """The largest token accounts of a mint, 20 at most; ``model/landed.largest_of`` decodes the answer. ``b""``: the
    node does not list them."""

    mint: Address
    """The mint."""


@dataclass(frozen=True, slots=True)
class CodeAtBlock:
    """The answer to EthCodeAtBlock."""

    time: int
    """Unix seconds of the block."""
    there: tuple[bool, ...]
    """Whether each address had code, in the order of the addresses."""

    @classmethod
    def of(cls, answer: bytes, count: int) -> CodeAtBlock | None:
        """Decode the answer about ``count`` addresses; None: it is malformed, or its block has no valid time."""
        time = int.from_bytes(answer[:32], "big")
        if len(answer) != 32 + count or not 0 < time < 2**40:
            return None
        return cls(time, tuple(byte == 1 for byte in answer[32:]))


@dataclass(frozen=True, slots=True)
class EthLog:
    """One event that a contract emitted."""

    address: Address
    """The contract that emitted it."""
    topics: tuple[bytes, ...]
    """The event's topics, 32 bytes each; the first is the hash of its signature."""
    data: bytes
    """The event's data: its arguments without an index, ABI-encoded."""
    block: int
    """Number of the event's block."""
    index: int
    """The event's position among the block's logs."""
    tx: str
    """Hash of the event's transaction."""


@dataclass(frozen=True, slots=True)
class LogSpan:
    """The answer to EthLogs."""

    logs: tuple[EthLog, ...]
    """The logs, by block and index, the oldest first."""
    since: int
    """The block from which they are complete."""
    cut: str = ""
    """Why they are not complete from the first requested block on; empty: they are."""

    def encoded(self) -> bytes:
        """The bytes that ``decoded`` reads."""
        rows = [
            [one.address, [t.hex() for t in one.topics], one.data.hex(), one.block, one.index, one.tx]
            for one in self.logs
        ]
        return json.dumps([self.since, self.cut, rows]).encode()

    @classmethod
    def decoded(cls, answer: bytes) -> LogSpan:
        """Decodes an answer. Raises ValueError (or TypeError) if it is malformed."""
        since, cut, rows = loads(answer)
        logs = (
            EthLog(Address(at), tuple(bytes.fromhex(t) for t in topics), bytes.fromhex(data), block, index, tx)
            for at, topics, data, block, index, tx in rows
        )
        return cls(tuple(logs), since, cut)


@dataclass(frozen=True, slots=True)
class CodeHead:
    """The answer to EthCode."""

    hash: bytes
    """keccak256 of the code (EXTCODEHASH), 32 bytes. Without code: the hash of no bytes, or zeros for an account that
    never existed."""
    size: int
    """Its length in bytes; 0: there is none."""
    head: bytes
    """Its first 64 bytes at most: a minimal proxy (EIP-1167) and a delegating key (EIP-7702) are shorter."""

    @classmethod
    def of(cls, answer: bytes) -> CodeHead:
        """Decodes an answer. Raises ValueError for one of another length."""
        if len(answer) != CODE_WORDS * 32:
            raise ValueError(f"{len(answer)} bytes do not describe code")
        size = int.from_bytes(answer[32:64], "big")
        return cls(answer[:32], size, answer[64 : 64 + min(size, 64)])


CODE_WORDS = 4
"""Words in the answer to EthCode: the hash, the length, the first 64 bytes (zero-padded)."""

SvmBeside = SvmImage | SvmSignatures | SvmTransaction | SvmLargest
"""Reads of a cluster that belong to no snapshot: their slot is not the snapshot's, and nodes may refuse them."""
Read = EthCall | EthSlot | EthCode | EthLogs | EthCodeAtBlock | SvmAccount | SvmLamports | SvmBeside
Flow = Generator[Sequence[Read], Sequence[bytes], T]
"""Each ``yield`` is one round: a sequence of reads, answered by the same number of byte strings in the same order."""
