"""Decoded values as a tree, and the descriptors' paths into it (ERC-7730, "Path references")."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from yieldbot.model.dataclass import dataclass

WORD = 32
"""Bytes of an ABI word."""


@dataclass(frozen=True, slots=True)
class DecodedValue:
    """A decoded value."""

    type: str
    """The ABI's type; ``constant`` for a value of the descriptor."""
    value: Any
    """For a tuple a dict of nodes by name, for an array a list of nodes."""
    part: bool = False
    """True: it is a slice of the bytes of a value of this type, as bytes."""


def tree(inputs: Sequence[Mapping[str, Any]], values: Sequence[Any]) -> DecodedValue:
    """Decoded arguments as a tuple node, by name; a parameter without a name by its place."""
    named = {}
    for place, (item, value) in enumerate(zip(inputs, values, strict=True)):
        named[str(item.get("name") or place)] = _node(item, value)
    return DecodedValue("tuple", named)


def _node(item: Mapping[str, Any], value: Any) -> DecodedValue:
    kind = str(item["type"])
    if kind.endswith("]"):
        inner = dict(item) | {"type": kind[: kind.rindex("[")]}
        return DecodedValue(kind, [_node(inner, one) for one in value])
    if kind == "tuple":
        return tree(item["components"], value)
    return DecodedValue(kind, value)


def leaves(node: DecodedValue, path: str = "") -> Iterator[tuple[str, DecodedValue]]:
    """(full path, node) of every value that is no tuple or array."""
    if isinstance(node.value, Mapping):
        for name, inner in node.value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(node.value, list):
        for place, inner in enumerate(node.value):
            yield from leaves(inner, f"{path}.[{place}]")
    else:
        yield path, node


def steps(path: str) -> list[str]:
    """The steps of a path, without its root; a dot before brackets is optional."""
    return [step for step in re.sub(r"(?<=[^.])\[", ".[", path.removeprefix("#.")).split(".") if step]


def at(root: DecodedValue, path: str) -> list[tuple[str, DecodedValue]]:
    """(full path, node) of everything that a descriptor's path refers to; empty if it refers to nothing.

    Steps: a name, [n] (from the end if negative), [] (each), [a:b] (a part of an array, or of the bytes of a value: an
    integer or address counts as its 32 bytes, big-endian).
    """
    found = [("", root)]
    for step in steps(path):
        found = [pair for place, node in found for pair in _step(place, node, step)]
    return found


def _step(place: str, node: DecodedValue, step: str) -> list[tuple[str, DecodedValue]]:
    value = node.value
    if not step.startswith("["):
        if isinstance(value, Mapping) and step in value:
            return [(f"{place}.{step}" if place else step, value[step])]
        if isinstance(value, list):  # older descriptors omit the brackets
            return [pair for n, one in enumerate(value) for pair in _step(f"{place}.[{n}]", one, step)]
        return []
    inside = step[1:-1]
    try:
        if ":" in inside:
            first, last = (int(part) if part else None for part in inside.split(":"))
            if not isinstance(value, list):
                whole = bytes_of(node)
                cut = [] if whole is None else [DecodedValue(node.type, whole[first:last], True)]
                return [(f"{place}.{step}", one) for one in cut]
            chosen = range(len(value))[first:last]
        elif not isinstance(value, list):
            return []
        elif inside:
            chosen = range(len(value))[slice(int(inside), int(inside) + 1 or None)]
        else:
            chosen = range(len(value))
    except ValueError:
        return []
    return [(f"{place}.[{n}]", value[n]) for n in chosen]


def bytes_of(node: DecodedValue) -> bytes | None:
    """The bytes that a slice is taken from: an integer or address as 32 bytes, big-endian; None for other values."""
    value: Any = node.value
    if isinstance(value, bytes):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value % 2 ** (8 * WORD)).to_bytes(WORD, "big")
    if node.type == "address" and isinstance(value, str):
        return bytes(WORD - 20) + bytes.fromhex(value.removeprefix("0x"))
    return value.encode() if isinstance(value, str) else None


def places(path: str) -> tuple[int, ...]:
    """The array indexes in a full path."""
    return tuple(int(step[1:-1]) for step in steps(path) if re.fullmatch(r"\[\d+\]", step))


def plain(node: DecodedValue) -> str:
    """A value as text, without any format."""
    if isinstance(node.value, Mapping):
        return "(" + ", ".join(f"{name}: {plain(inner)}" for name, inner in node.value.items()) + ")"
    if isinstance(node.value, list):
        return "[" + ", ".join(plain(inner) for inner in node.value) + "]"
    if isinstance(node.value, bytes):
        if node.part and node.type.startswith(("uint", "int")):
            return str(int.from_bytes(node.value, "big"))
        return "0x" + node.value.hex()
    return str(node.value).lower() if isinstance(node.value, bool) else str(node.value)


def number(node: DecodedValue) -> int | None:
    """A value that is an integer, or a slice of bytes as one (big-endian); None for anything else."""
    value = node.value
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, bytes) and (node.part or node.type == "bytes32") and len(value) <= WORD:
        return int.from_bytes(value, "big")
    return as_number(value) if node.type == "constant" else None


def as_number(value: Any) -> int | None:
    """A number in a descriptor or message: a JSON integer, decimal digits, or hex digits after 0x; None for anything
    else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= 80:
        if re.fullmatch(r"-?[0-9]+", value):
            return int(value)
        if re.fullmatch(r"0[xX][0-9a-fA-F]+", value):
            return int(value, 16)
    return None


def address_of(node: DecodedValue) -> str | None:
    """The address that a value holds: an address, 20 bytes, or the low 160 bits of an integer or of 32 bytes. None if
    it holds none, or if 32 bytes hold more than an address."""
    value = node.value
    if isinstance(value, str):
        return value if re.fullmatch(r"0x[0-9a-fA-F]{40}", value) else None
    if isinstance(value, bytes):
        if len(value) == WORD and not any(value[:12]):
            return "0x" + value[12:].hex()
        return "0x" + value.hex() if len(value) == 20 else None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**160:
        return f"0x{value:040x}"
    return None
