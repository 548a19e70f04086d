"""Uniswap v4's words for a pool: its key, and the id that the pool manager keeps it by.

Source: v4 core 1.0.2, PoolKey, PoolIdLibrary.toId and LPFeeLibrary.
"""

from __future__ import annotations

from dataclasses import dataclass

from yieldbot.model.ids import Address
from yieldbot.model.words import pack

NO_HOOKS = Address("0x" + "00" * 20)
KEY = ("address", "address", "uint24", "int24", "address")
MOST_SPACING = 32_767


@dataclass(frozen=True, slots=True)
class PoolKey:
    """A pool without hooks. zero, one: its tokens in order; fee: of the liquidity providers, in hundredths of a bp."""

    zero: Address
    one: Address
    fee: int
    spacing: int

    @property
    def fields(self) -> tuple[str, str, int, int, str]:
        """As the contracts' struct has them; the last is the hooks' address."""
        return self.zero, self.one, self.fee, self.spacing, NO_HOOKS

    @property
    def id(self) -> bytes:
        """keccak-256 of the encoded key."""
        from eth_utils.crypto import keccak

        return keccak(pack(KEY, self.fields))
