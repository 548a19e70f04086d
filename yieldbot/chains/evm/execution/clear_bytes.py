"""Decoding calldata that may have further bytes after its arguments."""

from __future__ import annotations

from typing import Any

from yieldbot.chains.evm.execution.abi_calls import AbiFunction


def decoded(function: AbiFunction, data: bytes) -> tuple[tuple[Any, ...], int] | None:
    """(the arguments of calldata, number of bytes after them); applications put tags there, which contracts ignore.
    None if the bytes do not begin with exactly this function's encoding."""
    from eth_abi.abi import decode, encode
    from eth_abi.exceptions import DecodingError, EncodingError

    try:
        values = tuple(decode(function.types, data[4:]))
        exact = encode(function.types, values)
    except (DecodingError, EncodingError, OverflowError, ValueError):
        return None
    return (values, len(data) - 4 - len(exact)) if data[4:].startswith(exact) else None
