"""What transactions cost on a chain, at one block, in whole tokens of the job's asset."""

from __future__ import annotations

from yieldbot.model.dataclass import dataclass

ENTER_TXS, LEAVE_TXS, SWAP_TXS, REBALANCE_TXS = 2, 1, 2, 8
"""Number of transactions of a leg on an EVM chain, its allowance included (a rebalance: take out, swap, put in)."""
LIQUIDITY_TX_GAS = 120_000
"""Gas of each transaction of a liquidity leg, on average (allocator/liquidity_advice.py: 740,000 for 6, 960,000 for
8)."""


@dataclass(frozen=True, slots=True)
class ChainFees:
    """Fees of an EVM chain at the block."""

    base_fee_wei: int
    """Wei for one gas, burnt."""
    priority_fee_wei: int
    """Wei for one gas, to the proposer."""
    native_price: float
    """Whole asset tokens for one whole native token."""
    tx_wei: int = 0
    """Wei that a typical transaction pays for its L1 data, an operator's constant included (rollups; 0 elsewhere)."""
    unit_wei: float = 0.0
    """What one gas costs in addition, in wei: an operator's fee, or gas that limits leave unused (Sonic); else 0."""

    def cost(self, gas: int, rent: int = 0, txs: int = 1) -> float:
        """What ``gas`` units in ``txs`` transactions cost now, in whole asset tokens; 0 for 0 gas. ``rent`` is used on
        Solana only."""
        return gas * self.unit_cost + txs * self.tx_cost if gas else 0.0

    @property
    def unit_cost(self) -> float:
        """What one more unit of gas costs, in whole asset tokens."""
        return (self.base_fee_wei + self.priority_fee_wei + self.unit_wei) / 10**18 * self.native_price

    @property
    def tx_cost(self) -> float:
        """What one more transaction costs in addition to its gas, in whole asset tokens."""
        return self.tx_wei / 10**18 * self.native_price


@dataclass(frozen=True, slots=True)
class SvmFees:
    """Fees of a Solana cluster at the slot."""

    unit_micro_lamports: int
    """Micro-lamports bid for one compute unit."""
    signature_lamports: int
    """Lamports that a transaction pays for its signature."""
    native_price: float
    """Whole asset tokens for one SOL."""

    def cost(self, gas: int, rent: int = 0, txs: int = 1) -> float:
        """What a leg of ``gas`` compute units costs now, in whole asset tokens; 0 for 0 units.

        rent: lamports for new accounts. ``txs`` is for EVM chains: here a leg is one transaction.
        """
        if gas == 0:
            return 0.0
        lamports = self.signature_lamports + gas * self.unit_micro_lamports / 1e6 + rent
        return lamports / 1e9 * self.native_price

    @property
    def unit_cost(self) -> float:
        """What one more compute unit costs, in whole asset tokens."""
        return self.unit_micro_lamports / 1e15 * self.native_price

    @property
    def tx_cost(self) -> float:
        """0: the parts of a split swap share one transaction, whose signature ``cost`` counts."""
        return 0.0
