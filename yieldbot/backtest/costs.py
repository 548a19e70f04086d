"""What moves cost in a backtest: gas of each market touched, swaps between assets, by chain."""

from __future__ import annotations

from dataclasses import dataclass

from yieldbot.model.fees import ChainFees

TOUCH_GAS = 225_000
"""Gas of one lending market touched: its transaction and its allowance."""
SWAP_GAS = 80_000
"""Gas of a swap between two stablecoins, all of its transactions together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """One chain's costs on one day, in dollars."""

    gas_price_wei: float
    """Mean gas price of the day; on a rollup what makes a touched market cost ``touch``."""
    native_usd: float
    """Dollars for one whole native token."""
    swap_bps: float = 2.0
    """What a swap between two stablecoins loses, its gas apart."""

    @property
    def fees(self) -> ChainFees:
        """As a snapshot has them, asset tokens being dollars."""
        return ChainFees(round(self.gas_price_wei), 0, self.native_usd)

    @property
    def touch(self) -> float:
        """Dollars for one market touched."""
        return self.fees.cost(TOUCH_GAS)

    @property
    def swap(self) -> float:
        """Dollars for one swap's gas."""
        return self.fees.cost(SWAP_GAS)

    @classmethod
    def of_rollup(cls, touch_usd: float = 0.05, native_usd: float = 3000.0, swap_bps: float = 3.0) -> Costs:
        """A chain on which a touched market costs ``touch_usd``, whatever the day."""
        return cls(gas_price_wei=touch_usd / TOUCH_GAS / native_usd * 1e18, native_usd=native_usd, swap_bps=swap_bps)
