"""The result of running a plan on a fork of a Solana cluster."""

from __future__ import annotations

from yieldbot.chains.solana.execution.build import (
    Bid,
    TxStep,
)
from yieldbot.execution.deltas import total
from yieldbot.model.amounts import BlockRef
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.tx import Delta


@dataclass(frozen=True, slots=True)
class RehearsedTx:
    """One transaction of a leg on the fork."""

    step: TxStep
    """What was run."""
    gas_used: int
    """Compute units used on the fork."""
    bid: Bid
    """The compute budget that the real transaction will have."""

    @property
    def description(self) -> str:
        """What the step does, for the person who approves."""
        return self.step.description

    @property
    def gas_limit(self) -> int:
        """Compute units that the real transaction requests."""
        return self.bid.units

    @property
    def to(self) -> Address:
        """The step's main program."""
        return self.step.about


@dataclass(frozen=True, slots=True)
class RehearsedLeg:
    """One leg on the fork."""

    index: int
    """The leg's place in its plan, from 0."""
    txs: tuple[RehearsedTx, ...]
    """Its transactions, in order."""
    deltas: tuple[Delta, ...]
    """Our balance changes by all of them together."""

    @property
    def gas_used(self) -> int:
        """Compute units."""
        return sum(tx.gas_used for tx in self.txs)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A whole plan on the fork."""

    block: BlockRef
    """The fork's approximate slot."""
    legs: tuple[RehearsedLeg, ...]
    """The plan's legs, in order."""

    @property
    def gas_used(self) -> int:
        """Compute units of the whole plan."""
        return sum(leg.gas_used for leg in self.legs)

    @property
    def fee_lamports(self) -> int:
        """The most that the whole plan pays in fees, in lamports."""
        return sum(tx.bid.fee_lamports for leg in self.legs for tx in leg.txs)

    @property
    def fee_terms(self) -> dict[str, str]:
        """The fees that the transactions offer, under the names of the JSON documents."""
        return {"fee_lamports": str(self.fee_lamports)}

    @property
    def fees_beside(self) -> tuple[str, ...]:
        """None: Solana takes no other fees."""
        return ()

    @property
    def deltas(self) -> tuple[Delta, ...]:
        """Our balance changes by the whole plan."""
        return total(leg.deltas for leg in self.legs)

    @property
    def lines(self) -> tuple[str, ...]:
        """The description of every instruction that has one, in order."""
        return tuple(
            instruction.description
            for leg in self.legs
            for tx in leg.txs
            for instruction in tx.step.instructions
            if instruction.description
        )
