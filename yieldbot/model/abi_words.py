"""Encodes and decodes static ABI values (32-byte words) by hand: thousands of reads a cycle pass through here.

eth_abi does the same (and dynamic types too) but would take most of a cycle's time; tests check that both agree. Source
of the format: Solidity's contract ABI specification.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

WORD = 32
_STATIC = re.compile(r"address|bool|bytes32|u?int\d+")


@cache
def is_static(types: tuple[str, ...]) -> bool:
    """Whether ``pack`` and ``unpack`` can encode all of these types."""
    return all(_STATIC.fullmatch(kind) for kind in types)


def pack(types: Sequence[str], values: Sequence[Any]) -> bytes:
    """The encoding of static values. Raises ValueError for a value that does not fit its type."""
    if len(types) != len(values):
        raise ValueError(f"{len(types)} values are needed, {len(values)} were given")
    return b"".join(_word(kind, value) for kind, value in zip(types, values, strict=True))


def unpack(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """The static values in an encoding; addresses in lower case. Raises ValueError for too few bytes or a word that
    does not fit its type."""
    if len(data) < WORD * len(types):
        raise ValueError(f"{len(data)} bytes are too few for {len(types)} values")
    return tuple(_value(kind, data[WORD * i : WORD * (i + 1)]) for i, kind in enumerate(types))


def aggregate3(calls: Sequence[tuple[str, bytes]]) -> bytes:
    """The encoded arguments of Multicall3's aggregate3((address,bool allowFailure,bytes)[]), with allowFailure true."""
    head, body = [_uint(WORD), _uint(len(calls))], []
    offset = WORD * len(calls)
    for to, data in calls:
        padded = data + bytes(-len(data) % WORD)
        head.append(_uint(offset))
        body += [_word("address", to), _uint(1), _uint(3 * WORD), _uint(len(data)), padded]
        offset += 4 * WORD + len(padded)
    return b"".join(head + body)


def aggregate3_answers(data: bytes) -> list[tuple[bool, bytes]]:
    """The (success, bytes)[] that aggregate3 returned. Raises ValueError for malformed data, offsets out of bounds
    included."""
    start = _length(data, 0)
    count = _length(data, start)
    start += WORD
    if count * WORD > len(data):
        raise ValueError("more answers are announced than there are bytes")
    found = []
    for i in range(count):
        at = start + _length(data, start + WORD * i)
        success = _value("bool", data[at : at + WORD])
        where = at + _length(data, at + WORD)
        length = _length(data, where)
        if where + WORD + length > len(data):
            raise ValueError("an answer reaches beyond the end")
        found.append((success, data[where + WORD : where + WORD + length]))
    return found


def _length(data: bytes, at: int) -> int:
    """An offset or length in the data. Raises ValueError for one beyond its end."""
    value = int.from_bytes(data[at : at + WORD], "big")
    if at + WORD > len(data) or value > len(data):
        raise ValueError("an offset points beyond the end")
    return value


def _uint(value: int) -> bytes:
    return value.to_bytes(WORD, "big")


def _word(kind: str, value: Any) -> bytes:
    try:
        if kind == "address":
            raw = bytes.fromhex(value[2:])
            if len(raw) != 20 or value[:2] != "0x":
                raise ValueError(f"{value!r} is not an address")
            return bytes(12) + raw
        if kind == "bytes32":
            if len(value) != WORD:
                raise ValueError("bytes32 takes 32 bytes")
            return bytes(value)
        if kind == "bool":
            return _uint(1 if value else 0)
        bits = int(kind.lstrip("uint"))
        signed = kind.startswith("int")
        if not (-(1 << (bits - 1)) <= value < 1 << (bits - 1) if signed else 0 <= value < 1 << bits):
            raise ValueError(f"{value} does not fit {kind}")
        return int(value).to_bytes(WORD, "big", signed=signed)
    except (TypeError, AttributeError) as bad:
        raise ValueError(f"{value!r} is not a value of {kind}") from bad


def _value(kind: str, word: bytes) -> Any:
    if len(word) != WORD:
        raise ValueError("a word is cut short")
    if kind == "bytes32":
        return word
    if kind.startswith("int"):
        number = int.from_bytes(word, "big", signed=True)
        if not -(1 << (int(kind[3:]) - 1)) <= number < 1 << (int(kind[3:]) - 1):
            raise ValueError(f"a word does not fit {kind}")
        return number
    number = int.from_bytes(word, "big")
    bits = 160 if kind == "address" else 1 if kind == "bool" else int(kind[4:])
    if number >> bits:
        raise ValueError(f"a word does not fit {kind}")
    if kind == "address":
        return "0x" + word[12:].hex()
    return bool(number) if kind == "bool" else number
