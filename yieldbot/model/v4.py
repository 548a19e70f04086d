"""Uniswap v4's encodings: pool keys and ids, and the actions of a swap.

Source: v4 core 1.0.2, PoolKey, PoolIdLibrary.toId and LPFeeLibrary; v4 periphery 1.0.3, Actions, IV4Router and
CalldataDecoder; Universal Router 2.0 and 2.1, Commands.
"""

from __future__ import annotations

from yieldbot.model.abi_words import pack
from yieldbot.model.dataclass import dataclass
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import Address
from yieldbot.model.keccak import keccak

NO_HOOKS = Address("0x" + "00" * 20)
KEY = ("address", "address", "uint24", "int24", "address")
MOST_SPACING = 32_767

V4_SWAP = b"\x10"
"""The router's only command here, without the flag that allows it to fail."""
SWAP_EXACT_IN_SINGLE, SETTLE, TAKE_ALL = b"\x06", b"\x0b", b"\x0f"
"""The command's actions: a swap in one pool (a second one of the first one's whole output), paying what we owe from our
account, and taking what comes out to the caller."""
SWAP_TYPE = f"(({','.join(KEY)}),bool,uint128,uint128,bytes)"
"""Pool key, whether token0 goes in, amount in (0: the whole output of the swap before), minimum out, data for hooks."""
SETTLE_TYPES, TAKE_TYPES = ["address", "uint256", "bool"], ["address", "uint256"]
PLAN_TYPES = ["bytes", "bytes[]"]
"""The actions, a byte each, and the parameters of each."""
ALL_THERE_IS = 0


@dataclass(frozen=True, slots=True)
class PoolKey:
    """The five values that identify a pool."""

    zero: Address
    """The pool's first token (currency0)."""
    one: Address
    """The pool's second token (currency1)."""
    fee: int
    """Fee of the liquidity providers, in hundredths of a bp."""
    spacing: int
    """Tick spacing."""
    hooks: Address = NO_HOOKS
    """Contract that is called at swaps; by default none."""

    @property
    def fields(self) -> tuple[str, str, int, int, str]:
        """The fields in the order of the contracts' struct."""
        return self.zero, self.one, self.fee, self.spacing, self.hooks

    @property
    def id(self) -> bytes:
        """keccak-256 of the encoded key."""
        return keccak(pack(KEY, self.fields))


def key_of(pool: Pool) -> PoolKey:
    """The key of a pool that the adapter found. Raises ValueError for a pool of another protocol."""
    if "spacing" not in pool.params:
        raise ValueError(f"{pool.name} is no pool of Uniswap v4")
    return PoolKey(pool.token0.address, pool.token1.address, pool.params["fee"], pool.params["spacing"])
