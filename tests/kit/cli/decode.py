"""Calldata to be decoded."""

from __future__ import annotations

from eth_abi.abi import encode
from eth_utils.crypto import keccak

POOL = "0xA238Dd80C259a72e81d7e4664a9801593F98d1c5"
USDC = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"

STRANGER = "0x000000000000000000000000000000000000dEaD"
SUPPLY = (
    "0x"
    + (
        keccak(text="supply(address,uint256,address,uint16)")[:4]
        + encode(["address", "uint256", "address", "uint16"], [USDC, 12_000 * 10**6, STRANGER, 0])
    ).hex()
)
