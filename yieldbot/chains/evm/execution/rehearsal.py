"""The result of running a plan on a fork of an EVM chain."""

from __future__ import annotations

from typing import Any

from yieldbot.chains.evm.execution.build import Fees
from yieldbot.execution.deltas import total
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.families import native_of
from yieldbot.model.ids import Address
from yieldbot.model.tx import NO_ROLLUP_FEE, Delta, EvmCall, RollupFee


@dataclass(frozen=True, slots=True)
class RehearsedTx:
    """One transaction of a leg on the fork."""

    call: EvmCall
    """What was called."""
    gas_used: int
    """Gas used on the fork, without Arbitrum's gas for data on L1."""
    gas_limit: int
    """The limit that the real transaction will have, margin included."""
    rollup: RollupFee = NO_ROLLUP_FEE
    """What it pays for its data on L1."""

    @property
    def description(self) -> str:
        """What the call does, for the person who approves."""
        return self.call.description

    @property
    def to(self) -> Address:
        """The contract that is called."""
        return self.call.to


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
        """Sum of the gas used by all transactions."""
        return sum(tx.gas_used for tx in self.txs)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A whole plan on the fork."""

    block: BlockRef
    """The block that was forked."""
    legs: tuple[RehearsedLeg, ...]
    """The plan's legs, in order."""
    fees: Fees
    """The fees per gas that the transactions offered."""
    native_symbol: str = "ETH"
    """The symbol of the chain's coin."""

    @property
    def gas_used(self) -> int:
        """Sum of the gas used by all transactions."""
        return sum(leg.gas_used for leg in self.legs)

    @property
    def native(self) -> Token:
        """The chain's coin."""
        return native_of(self.block.chain, self.native_symbol)

    @property
    def rollup(self) -> RollupFee:
        """What the whole plan pays for its data on L1."""
        return sum((tx.rollup for leg in self.legs for tx in leg.txs), NO_ROLLUP_FEE)

    @property
    def fee_terms(self) -> dict[str, Any]:
        """The fees that the transactions offer, under the names of the JSON documents."""
        return {"max_fee_wei": str(self.fees.max_fee_wei), **self.rollup.document}

    @property
    def fees_beside(self) -> tuple[str, ...]:
        """The fees for data on L1, a line each for a person."""
        return self.rollup.words(self.native)

    @property
    def deltas(self) -> tuple[Delta, ...]:
        """Our balance changes by the whole plan."""
        return total(leg.deltas for leg in self.legs)

    @property
    def lines(self) -> tuple[str, ...]:
        """The description of every call, in order."""
        return tuple(tx.call.description for leg in self.legs for tx in leg.txs)
