"""Keys of ``display.formats``: human-readable function signatures, and the type strings of EIP-712 (``encodeType``)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from yieldbot.chains.evm.execution.abi_calls import AbiFunction, functions

_TOKEN = re.compile(r"\s*([A-Za-z_$][\w$]*|[(),]|(?:\[\d*\])+)")


def parsed(signature: str) -> AbiFunction:
    """A function by its human-readable signature, with parameter names. Raises ValueError."""
    tokens, at = [], 0
    while at < len(signature.rstrip()):
        found = _TOKEN.match(signature, at)
        if found is None:
            raise ValueError(f"{signature!r} is no function signature")
        tokens.append(found[1])
        at = found.end()
    try:
        name, rest = tokens[0], tokens[1:]
        inputs, left = _parameters(rest)
    except IndexError:
        raise ValueError(f"{signature!r} is no function signature") from None
    if left:
        raise ValueError(f"{signature!r} is no function signature")
    (function,) = functions([{"type": "function", "name": name, "inputs": inputs}])
    return function


def _parameters(tokens: list[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """(parameters, rest) of tokens that begin with "(type name, ...)"."""
    if tokens[0] != "(":
        raise IndexError
    tokens, found = tokens[1:], list[dict[str, Any]]()
    while tokens[0] != ")":
        if tokens[0] == "(":
            inner, tokens = _parameters(tokens)
            entry: dict[str, Any] = {"type": "tuple", "components": inner}
        else:
            entry, tokens = {"type": {"uint": "uint256", "int": "int256"}.get(tokens[0], tokens[0])}, tokens[1:]
        if tokens[0].startswith("["):
            entry["type"] += tokens[0]
            tokens = tokens[1:]
        while tokens[0] in ("memory", "calldata", "indexed"):
            tokens = tokens[1:]
        entry["name"] = ""
        if tokens[0] not in (",", ")"):
            entry["name"], tokens = tokens[0], tokens[1:]
        found.append(entry)
        if tokens[0] == ",":
            tokens = tokens[1:]
    return found, tokens[1:]


def type_string(types: Mapping[str, Any], primary: str) -> str:
    """EIP-712's encodeType: the primary type, then all types that it refers to, sorted by name. Raises KeyError for a
    type that is not defined, ValueError for types that nest too deep."""
    needed: set[str] = set()

    def gather(name: str, depth: int) -> None:
        if depth > 64:
            raise ValueError("its types are nested too deep")
        needed.add(name)
        for field in types[name]:
            base = str(field["type"]).partition("[")[0]
            if base in types and base not in needed:
                gather(base, depth + 1)

    gather(primary, 0)

    def written(name: str) -> str:
        return name + "(" + ",".join(f"{field['type']} {field['name']}" for field in types[name]) + ")"

    return "".join(map(written, (primary, *sorted(needed - {primary}))))


_STRUCT = re.compile(r"([A-Za-z_$][\w$:]*)\(([^()]*)\)")


def types_of(text: str) -> tuple[str, dict[str, list[dict[str, str]]]]:
    """The primary type and all types of an encodeType string. Raises ValueError."""
    text, types, at, primary = text.strip(), dict[str, list[dict[str, str]]](), 0, ""
    while at < len(text):
        found = _STRUCT.match(text, at)
        if found is None:
            raise ValueError(f"{text[:200]!r} is no type string of EIP-712")
        fields = []
        for part in filter(None, (word.strip() for word in found[2].split(","))):
            tokens = part.split()
            if len(tokens) != 2:
                raise ValueError(f"{text[:200]!r} is no type string of EIP-712")
            fields.append({"type": tokens[0], "name": tokens[1]})
        types[found[1]] = fields
        primary, at = primary or found[1], found.end()
    if not primary:
        raise ValueError("it is no type string of EIP-712")
    return primary, types
