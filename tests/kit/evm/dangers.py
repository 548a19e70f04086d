"""Calls that give something away, packed in others."""

from __future__ import annotations

from tests.kit.evm.clear import BOOK

KNOWN = next(address for address, name in BOOK.names.items() if name == "Uniswap v3")
PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3"
MOST = 2**256 - 1
SIGNED = "uint256 deadline, uint8 v, bytes32 r, bytes32 s"


def packed(to: str, data: bytes, value: int = 0) -> bytes:
    return b"\0" + bytes.fromhex(to[2:]) + value.to_bytes(32, "big") + len(data).to_bytes(32, "big") + data
