"""The result of running a plan on a fork, on any chain: the part of a rehearsal that approvers and interfaces use."""

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
        """What it does, for the person who approves."""

    @property
    def to(self) -> str:
        """The contract or program that is called."""

    @property
    def gas_used(self) -> int:
        """Gas, or compute units on Solana."""

    @property
    def gas_limit(self) -> int:
        """The limit that the real transaction will have, margin included."""


class LegRehearsed(Protocol):
    """One leg on the fork."""

    @property
    def index(self) -> int:
        """The leg's place in its plan, from 0."""

    @property
    def txs(self) -> Sequence[TxRehearsed]:
        """Its transactions, in order."""

    @property
    def gas_used(self) -> int:
        """Gas of all of them, or compute units on Solana."""

    @property
    def deltas(self) -> tuple[Delta, ...]:
        """Our balance changes by all of them together."""


class Rehearsed(Protocol):
    """A whole plan on the fork."""

    @property
    def block(self) -> BlockRef:
        """The block, or slot, that was forked."""

    @property
    def legs(self) -> Sequence[LegRehearsed]:
        """The plan's legs, in order."""

    @property
    def gas_used(self) -> int:
        """Gas of the whole plan, or compute units on Solana."""

    @property
    def deltas(self) -> tuple[Delta, ...]:
        """Our balance changes by the whole plan."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The description of every call, in order."""

    @property
    def fee_terms(self) -> Mapping[str, Any]:
        """The fees that the transactions offer, under the names of the JSON documents."""

    @property
    def fees_beside(self) -> tuple[str, ...]:
        """Fees in addition to the gas (data on L1), a line each for a person; none on most chains."""
