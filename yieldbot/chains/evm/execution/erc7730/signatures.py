"""Keys of ``display.formats``: human-readable function signatures, and the type strings of EIP-712 (``encodeType``)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from yieldbot.chains.evm.execution.abi_calls import AbiFunction, functions

_TOKEN = re.compile(r"\s*([A-Za-z_$][\w$]*|[(),]|(?:\[\d*\])+)")


def parsed(signature: str) -> AbiFunction:
    """A function by its human-readable signature, with parameter names. Raises ValueError."""
    words, at = [], 0
    while at < len(signature.rstrip()):
        found = _TOKEN.match(signature, at)
        if found is None:
            raise ValueError(f"{signature!r} is no function signature")
        words.append(found[1])
        at = found.end()
    try:
        name, rest = words[0], words[1:]
        inputs, left = _parameters(rest)
    except IndexError:
        raise ValueError(f"{signature!r} is no function signature") from None
    if left:
        raise ValueError(f"{signature!r} is no function signature")
    (function,) = functions([{"type": "function", "name": name, "inputs": inputs}])
    return function


def _parameters(words: list[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """(parameters, rest) of tokens that begin with "(type name, ...)"."""
    if words[0] != "(":
        raise IndexError
    words, found = words[1:], list[dict[str, Any]]()
    while words[0] != ")":
        if words[0] == "(":
            inner, words = _parameters(words)
            entry: dict[str, Any] = {"type": "tuple", "components": inner}
        else:
            entry, words = {"type": {"uint": "uint256", "int": "int256"}.get(words[0], words[0])}, words[1:]
        if words[0].startswith("["):
            entry["type"] += words[0]
            words = words[1:]
        while words[0] in ("memory", "calldata", "indexed"):
            words = words[1:]
        entry["name"] = ""
        if words[0] not in (",", ")"):
            entry["name"], words = words[0], words[1:]
        found.append(entry)
        if words[0] == ",":
            words = words[1:]
    return found, words[1:]


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


def types_of(said: str) -> tuple[str, dict[str, list[dict[str, str]]]]:
    """The primary type and all types of an encodeType string. Raises ValueError."""
    said, types, at, primary = said.strip(), dict[str, list[dict[str, str]]](), 0, ""
    while at < len(said):
        found = _STRUCT.match(said, at)
        if found is None:
            raise ValueError(f"{said[:200]!r} is no type string of EIP-712")
        fields = []
        for part in filter(None, (word.strip() for word in found[2].split(","))):
            words = part.split()
            if len(words) != 2:
                raise ValueError(f"{said[:200]!r} is no type string of EIP-712")
            fields.append({"type": words[0], "name": words[1]})
        types[found[1]] = fields
        primary, at = primary or found[1], found.end()
    if not primary:
        raise ValueError("it is no type string of EIP-712")
    return primary, types
