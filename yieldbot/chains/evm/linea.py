"""Linea's least priority fee, from the numbers that its sequencer writes into every block. Pure.

Linea takes a transaction only if its gas price is at least the sequencer's least gas price, and its priority fee pays
for its data: fixed cost + variable cost * compressed size / gas. The three numbers are in the block's ``extraData``,
in thousands of wei, after a byte with the version 1. What ``linea_estimateGas`` recommends is this times 1.2
(Consensys/linea-monorepo@cb18013, linea-besu/plugins/linea-sequencer: LineaExtraDataHandler,
TransactionProfitabilityCalculator, LineaEstimateGas; the margins of its mainnet profile). The size taken here is that
of the transaction before compression, so that somewhat more is offered than is needed.
"""

from __future__ import annotations

from yieldbot.errors import TransientError
from yieldbot.model.dataclass import dataclass

VERSION = 1
"""The only version of the numbers that is known."""
MARGIN_PERCENT = 120
"""What is offered, in percent of what the sequencer demands at this block: the numbers move until the transaction is
mined."""
ENVELOPE_BYTES = 160
"""Most bytes of a signed transaction in addition to its call's data."""
TYPICAL_DATA, TYPICAL_LIMIT = 68, 32_000
"""Bytes of data and gas limit of a revoked allowance: no other call of ours has as many bytes for its gas. Plans, whose
bytes are not known yet, count its price for each unit of gas."""


@dataclass(frozen=True, slots=True)
class LineaPricing:
    """The sequencer's prices at a block, in wei."""

    fixed_wei: int
    """For one gas."""
    variable_wei: int
    """For one byte of compressed data."""
    least_price_wei: int
    """Least gas price, base fee included."""

    def priority_fee_wei(self, data_bytes: int = TYPICAL_DATA, gas_limit: int = TYPICAL_LIMIT) -> int:
        """The priority fee to offer, in wei per gas, for a call with so many bytes of data. The sequencer divides by
        the gas that was used: half of the limit is assumed, which is less (a quarter is margin, a fifth refunds)."""
        gas = max(1, gas_limit // 2)
        by_data = MARGIN_PERCENT * (self.fixed_wei * gas + self.variable_wei * (data_bytes + ENVELOPE_BYTES))
        return max(-(-by_data // (100 * gas)), self.least_price_wei)


def pricing(extra: bytes) -> LineaPricing:
    """The prices in a block's extra data. Raises TransientError if it has none of a known version."""
    if len(extra) < 13 or extra[0] != VERSION:
        raise TransientError(f"Linea's prices cannot be read from the block's extra data (0x{extra[:13].hex()})")
    fixed, variable, least = (1_000 * int.from_bytes(extra[at : at + 4], "big") for at in (1, 5, 9))
    return LineaPricing(fixed, variable, least)
