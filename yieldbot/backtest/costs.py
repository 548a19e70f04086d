"""What moves cost in a backtest: gas for each market touched, swaps between assets, by chain."""

from __future__ import annotations

from yieldbot.model.dataclass import dataclass
from yieldbot.model.fees import ChainFees

TOUCH_GAS = 225_000
"""Gas of touching one lending market, its allowance included."""
SWAP_GAS = 80_000
"""Gas of all transactions of a swap between two stablecoins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """One chain's costs on one day, in dollars."""

    gas_price_wei: float
    """Mean gas price of the day, in wei; on a rollup the price at which one market touched costs ``touch_usd``."""
    native_usd: float
    """Dollars for one whole native token."""
    swap_bps: float = 2.0
    """What a swap between two stablecoins loses in bp, gas apart."""

    @property
    def fees(self) -> ChainFees:
        """The costs as the fees of a snapshot whose asset tokens are dollars."""
        return ChainFees(round(self.gas_price_wei), 0, self.native_usd)

    @property
    def touch(self) -> float:
        """Dollars of gas for touching one market."""
        return self.fees.cost(TOUCH_GAS)

    @property
    def swap(self) -> float:
        """Dollars of gas for one swap."""
        return self.fees.cost(SWAP_GAS)

    @classmethod
    def of_rollup(cls, touch_usd: float = 0.05, native_usd: float = 3000.0, swap_bps: float = 3.0) -> Costs:
        """Costs of a chain on which one market touched costs ``touch_usd`` on every day."""
        return cls(gas_price_wei=touch_usd / TOUCH_GAS / native_usd * 1e18, native_usd=native_usd, swap_bps=swap_bps)
