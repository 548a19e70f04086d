"""Decoded answers of a Solana node: accounts, blockhashes, the status of transactions and simulations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yieldbot.errors import NodeRefused, ReadReverted
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.reads import Read, SvmAccount, SvmLamports
from yieldbot.rpc.lockstep import Answer


@dataclass(frozen=True, slots=True)
class AccountImage:
    """An account's content on the chain."""

    lamports: int
    """The account's balance in lamports."""
    program: Address
    """The program that owns the account."""
    data: bytes
    """The account's data, as bytes."""
    executable: bool = False
    """Whether the account is a program."""


@dataclass(frozen=True, slots=True)
class Blockhash:
    """A recent blockhash."""

    hash: str
    """The blockhash, in base58."""
    last_valid_height: int
    """The last block height at which a transaction with it may land."""
    slot: int
    """The slot of the answer."""


@dataclass(frozen=True, slots=True)
class Landed:
    """The status of a transaction that landed, by one node."""

    slot: int
    """The slot in which it landed."""
    error: Any
    """The error; None: it succeeded."""
    commitment: str
    """processed, confirmed or finalized."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """A node's own simulation of a transaction."""

    slot: int
    """The slot whose state it began from."""
    error: Any
    """The error; None: it would succeed."""
    logs: tuple[str, ...]
    """Log lines of its programs."""
    units: int
    """Compute units used."""
    accounts: tuple[AccountImage | None, ...]
    """The requested accounts as they would be afterwards; None: no such account."""


def answer_of(read: Read, known: Mapping[Address, AccountImage | NodeRefused | None]) -> Answer:
    """The answer to a read from fetched accounts: its bytes, or ReadReverted if the account is missing, belongs to
    another program than expected, or was refused by the node."""
    if isinstance(read, SvmAccount | SvmLamports) and isinstance(refusal := known[read.address], NodeRefused):
        return ReadReverted(f"the node refuses account {read.address}: {refusal}")
    if isinstance(read, SvmLamports):
        image = _image_in(known, read.address)
        return (image.lamports if image else 0).to_bytes(8, "little")
    if not isinstance(read, SvmAccount):
        raise TypeError("a Solana node answers reads of accounts alone")
    image = _image_in(known, read.address)
    if image is None:
        return b"" if read.optional else ReadReverted(f"there is no account {read.address}")
    if image.program != read.program:
        return ReadReverted(f"account {read.address} belongs to {image.program}, not to {read.program}")
    return image.data


def _image_in(known: Mapping[Address, AccountImage | NodeRefused | None], address: Address) -> AccountImage | None:
    image = known[address]
    return None if isinstance(image, NodeRefused) else image
