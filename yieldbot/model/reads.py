"""What adapters may ask for. An adapter yields reads and is sent bytes; it never does I/O itself."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from yieldbot.model.ids import Address

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EthCall:
    """One read-only contract call at the snapshot's block.

    ``optional``: a revert (or a target without code) gives ``b""`` in place of ReadReverted thrown into the flow.
    ``lag_blocks``: read this many blocks before the snapshot's block (clamped at 0); needs a node with history.
    """

    to: Address
    data: bytes
    optional: bool = False
    lag_blocks: int = 0


@dataclass(frozen=True, slots=True)
class SvmAccount:
    """The data of one Solana account, at the snapshot's slot.

    ``program``: who must own the account; ReadReverted is thrown into the flow when another does, or when there is no
    account, unless ``optional``: then a missing account is ``b""`` (one of another program is never let through).
    """

    address: Address
    program: Address
    optional: bool = False


@dataclass(frozen=True, slots=True)
class SvmLamports:
    """The lamports of one Solana account, 8 bytes little-endian; 0 where there is none."""

    address: Address


Read = EthCall | SvmAccount | SvmLamports
Flow = Generator[Sequence[Read], Sequence[bytes], T]
"""Each ``yield`` is one round: a sequence of reads, answered by as many byte strings in the same order."""
