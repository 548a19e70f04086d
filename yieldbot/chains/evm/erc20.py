"""What any EIP-20 token says of itself, read by hand: a token may answer anything."""

from __future__ import annotations

SYMBOL = bytes.fromhex("95d89b41")  # symbol()
DECIMALS = bytes.fromhex("313ce567")  # decimals()


def text_of(data: bytes) -> str:
    """An ABI string, or the bytes32 that some old tokens answer with, whatever it holds."""
    if len(data) >= 64:
        length = int.from_bytes(data[32:64], "big")
        return data[64 : 64 + length].decode(errors="replace")
    return data.rstrip(b"\0").decode(errors="replace")
