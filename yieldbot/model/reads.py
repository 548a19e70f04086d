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


Read = EthCall
Flow = Generator[Sequence[Read], Sequence[bytes], T]
"""Each ``yield`` is one round: a sequence of reads, answered by as many byte strings in the same order."""
