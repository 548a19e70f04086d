"""Calldata into arguments, with the bytes that stand behind them."""

from __future__ import annotations

from typing import Any

from yieldbot.chains.evm.execution.abi_calls import AbiFunction


def decoded(function: AbiFunction, data: bytes) -> tuple[tuple[Any, ...], int] | None:
    """The arguments, and how many bytes stand behind them (applications put their tags there; the contract does not
    look at them). None when the front of the bytes is not exactly this function's encoding."""
    from eth_abi.abi import decode, encode
    from eth_abi.exceptions import DecodingError, EncodingError

    try:
        values = tuple(decode(function.types, data[4:]))
        exact = encode(function.types, values)
    except (DecodingError, EncodingError, OverflowError, ValueError):
        return None
    return (values, len(data) - 4 - len(exact)) if data[4:].startswith(exact) else None
