"""How a plan went on a fork, on any chain: what approvers, doors and the gate see of a rehearsal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from yieldbot.model.amounts import BlockRef
    from yieldbot.model.tx import Delta


class TxRehearsed(Protocol):
    """One transaction on the fork."""

    @property
    def description(self) -> str:
        """What it does, in words."""

    @property
    def to(self) -> str:
        """The contract or program that is called."""

    @property
    def gas_used(self) -> int:
        """Gas, or compute units on Solana."""

    @property
    def gas_limit(self) -> int:
        """What will be asked for, margin included."""


class LegRehearsed(Protocol):
    """A leg's transactions in order, and what they did together to every balance of ours."""

    @property
    def index(self) -> int:
        """The leg's place in its plan, from 0."""

    @property
    def txs(self) -> Sequence[TxRehearsed]: ...

    @property
    def gas_used(self) -> int: ...

    @property
    def deltas(self) -> tuple[Delta, ...]: ...


class Rehearsed(Protocol):
    """A whole plan."""

    @property
    def block(self) -> BlockRef:
        """The fork's."""

    @property
    def legs(self) -> Sequence[LegRehearsed]: ...

    @property
    def gas_used(self) -> int: ...

    @property
    def deltas(self) -> tuple[Delta, ...]:
        """Balance changes of the whole plan."""

    @property
    def lines(self) -> tuple[str, ...]:
        """Every call in words, in order."""

    @property
    def fee_terms(self) -> Mapping[str, Any]:
        """What is asked for it, by the names of the JSON documents."""

    @property
    def fees_beside(self) -> tuple[str, ...]:
        """What it pays beside its gas, in words; none on most chains."""
