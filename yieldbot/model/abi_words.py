"""Encodes and decodes ABI values by hand: static ones (32-byte words), of which thousands pass through here in a cycle,
texts, bytes, and arrays and structs of static ones.

eth_abi does the same (and every other type too) but would take most of a cycle's time, and as long to be imported as
all else in a command; tests check that both agree. Source of the format: Solidity's contract ABI specification.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

WORD = 32
_STATIC = re.compile(r"address|bool|bytes([1-9]|[12]\d|3[0-2])|u?int\d+")
_BYTES = ("bytes", "string")


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


@cache
def is_flat(types: tuple[str, ...]) -> bool:
    """Whether ``pack_flat`` and ``unpack_flat`` can encode all of these types: static ones, arrays of them of any
    length, bytes and string."""
    return all(kind in _BYTES or _STATIC.fullmatch(kind.removesuffix("[]")) for kind in types)


def pack_flat(types: Sequence[str], values: Sequence[Any]) -> bytes:
    """The encoding of values of flat types. Raises ValueError for a value that does not fit its type."""
    if len(types) != len(values):
        raise ValueError(f"{len(types)} values are needed, {len(values)} were given")
    heads, tails, offset = list[bytes](), list[bytes](), WORD * len(types)
    for kind, value in zip(types, values, strict=True):
        if kind in _BYTES:
            raw = value.encode() if kind == "string" else bytes(value)
            tail = _uint(len(raw)) + raw + bytes(-len(raw) % WORD)
        elif kind.endswith("[]"):
            tail = _uint(len(value)) + b"".join(_word(kind[:-2], one) for one in value)
        else:
            heads.append(_word(kind, value))
            continue
        heads.append(_uint(offset + sum(map(len, tails))))
        tails.append(tail)
    return b"".join(heads + tails)


def unpack_flat(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """The values of flat types in an encoding, arrays as tuples. Raises ValueError for malformed data, offsets out of
    bounds and bytes after the end of a text included."""
    found = list[Any]()
    for index, kind in enumerate(types):
        head = data[WORD * index : WORD * (index + 1)]
        if kind not in _BYTES and not kind.endswith("[]"):
            found.append(_value(kind, head))
            continue
        at = _length(data, WORD * index)
        count, start = _length(data, at), at + WORD
        if kind in _BYTES:
            whole = data[start : start + count + -count % WORD]
            if len(whole) < count + -count % WORD or any(whole[count:]):
                raise ValueError(f"a {kind} is cut short or goes on after its end")
            found.append(whole[:count].decode() if kind == "string" else whole[:count])
        else:
            found.append(
                tuple(_value(kind[:-2], data[at : at + WORD]) for at in range(start, start + WORD * count, WORD))
            )
    return tuple(found)


@cache
def struct_of(kind: str) -> tuple[Any, ...] | None:
    """The static types inside a struct as ``((uint256),bool)``, structs in it as tuples; None: it is no struct, or not
    static."""
    if not (kind.startswith("(") and kind.endswith(")")):
        return None
    parts, depth, part = list[str](), 0, ""
    for sign in kind[1:-1]:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and not depth:
            parts.append(part)
            part = ""
        else:
            part += sign
    parts.append(part)
    found = [struct_of(one) if one.startswith("(") else one for one in parts]
    if any(one is None or (isinstance(one, str) and not _STATIC.fullmatch(one)) for one in found):
        return None
    return tuple(found)


def unpack_struct(types: Sequence[Any], data: bytes) -> tuple[Any, ...]:
    """The values of a static struct (``struct_of``) in an encoding, in which its members lie flat. Raises as
    ``unpack``."""
    words = iter(range(0, len(data) + 1, WORD))

    def read(kinds: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(
            read(kind) if isinstance(kind, tuple) else _value(kind, data[(at := next(words, len(data))) : at + WORD])
            for kind in kinds
        )

    return read(types)


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
        if kind.startswith("bytes"):
            if len(value) != int(kind[5:]):
                raise ValueError(f"{kind} takes {kind[5:]} bytes")
            return bytes(value).ljust(WORD, b"\0")
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
    if kind.startswith("bytes"):
        if any(word[int(kind[5:]) :]):
            raise ValueError(f"a word does not fit {kind}")
        return word[: int(kind[5:])]
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
