"""Why a contract reverted, from its revert bytes. Pure."""

from __future__ import annotations

from collections.abc import Callable

from yieldbot.model.known import PANIC
from yieldbot.model.text import one_line

REVERTED = 3
"""The JSON-RPC error code for a revert (of go-ethereum and anvil)."""
ERROR = bytes.fromhex("08c379a0")  # Error(string)

_PANICS = {
    0x01: "an assertion failed",
    0x11: "arithmetic overflow or underflow",
    0x12: "division by zero",
    0x21: "a value outside its enumeration",
    0x32: "an index outside its array",
    0x41: "too much memory",
}
"""Codes: https://docs.soliditylang.org/en/latest/control-structures.html#panic-via-assert-and-error-via-require"""


def revert_words(data: bytes, explain: Callable[[bytes], str | None], otherwise: str = "no reason given") -> str:
    """The reason in revert bytes, in one line: from Solidity's Error(string) and Panic(uint256), else from an adapter's
    custom error (``explain``), else the selector. otherwise: the reason if there are no bytes."""
    from eth_abi.abi import decode
    from eth_abi.exceptions import DecodingError

    if not data:
        return otherwise
    try:
        if data[:4] == ERROR:
            return one_line(str(decode(["string"], data[4:])[0]), 200) or otherwise
        if data[:4] == PANIC:
            code = int(decode(["uint256"], data[4:])[0])
            return _PANICS.get(code, f"panic {code:#x}")
    except (DecodingError, OverflowError):
        pass
    return explain(data) or f"custom error {data[:4].hex()} that no adapter knows"
