"""Symbol and decimals of EIP-20 tokens, decoded by hand: a token may return anything."""

from __future__ import annotations

SYMBOL = bytes.fromhex("95d89b41")  # symbol()
DECIMALS = bytes.fromhex("313ce567")  # decimals()


def text_of(data: bytes) -> str:
    """The text in an answer: an ABI string, or the bytes32 that some old tokens return."""
    if len(data) >= 64:
        length = int.from_bytes(data[32:64], "big")
        return data[64 : 64 + length].decode(errors="replace")
    return data.rstrip(b"\0").decode(errors="replace")
