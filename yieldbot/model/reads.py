"""What adapters may read. An adapter yields reads and is sent bytes; it never does I/O itself."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from yieldbot.model.ids import Address

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EthCall:
    """One read-only contract call at the snapshot's block."""

    to: Address
    """The contract."""
    data: bytes
    """Calldata."""
    optional: bool = False
    """A revert (or a target without code) gives ``b""`` instead of ReadReverted thrown into the flow."""
    lag_blocks: int = 0
    """How many blocks before the snapshot's it is read at (clamped at block 0); needs a node with history."""


@dataclass(frozen=True, slots=True)
class SvmAccount:
    """The data of one Solana account at the snapshot's slot."""

    address: Address
    """The account."""
    program: Address
    """The program that must own it; where another does, or where there is no account, ReadReverted is thrown into the
    flow."""
    optional: bool = False
    """A missing account gives ``b""`` (one of another program is still refused)."""


@dataclass(frozen=True, slots=True)
class SvmLamports:
    """The lamports of one Solana account, 8 bytes little-endian; 0 where there is none."""

    address: Address
    """The account."""


Read = EthCall | SvmAccount | SvmLamports
Flow = Generator[Sequence[Read], Sequence[bytes], T]
"""Each ``yield`` is one round: a sequence of reads, answered by as many byte strings in the same order."""
