"""Addresses, topics and sizes that are the same on every chain of a family."""

from __future__ import annotations

from yieldbot.model.ids import Address

MULTICALL3 = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
"""Multicall3's address on nearly every EVM chain (https://www.multicall3.com)."""
TRANSFER_TOPIC = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
"""Transfer(address,address,uint256) of EIP-20 and EIP-721."""
PANIC = bytes.fromhex("4e487b71")
"""Selector of Panic(uint256), Solidity's own error."""
WRAPPED_SOL = Address("So11111111111111111111111111111111111111112")
TOKEN_PROGRAM = Address("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022_PROGRAM = Address("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
TOKEN_ACCOUNT_BYTES = 165
"""Size of a token program's account, without extensions."""
UPGRADEABLE_LOADER = Address("BPFLoaderUpgradeab1e11111111111111111111111")
