"""ERC-7730 descriptors: what a contract's owner says that its calls mean (https://eips.ethereum.org/EIPS/eip-7730).

Supported: contract contexts, formats by human-readable signature, definitions by ``$ref``, nested field groups,
includes, and the formats raw, addressName, tokenAmount, amount, date, duration, enum, unit, calldata. Whatever else a
descriptor asks for, or cannot be found where it points to, is shown as the raw value: no field is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

from yieldbot.errors import ConfigError
from yieldbot.execution.calldata import AbiFunction, functions, selector

MOST_INCLUDES = 8


@dataclass(frozen=True, slots=True)
class Node:
    """A decoded value with its ABI type; a tuple's value is a dict by argument name, an array's a list of nodes."""

    type: str
    value: Any


@dataclass(frozen=True, slots=True)
class Shown:
    """One field as its descriptor wants it: ``paths`` are the leaves that it shows. calls: nested calldata with whom it
    calls (None: not said). visible: whether the descriptor would show it."""

    label: str
    value: str
    paths: tuple[str, ...]
    visible: bool = True
    calls: tuple[tuple[bytes, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Format:
    """How one function is shown."""

    function: AbiFunction
    intent: str
    fields: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One file: which contracts it is of (chain number, lower-case address), and its formats by selector."""

    file: str
    name: str
    deployments: frozenset[tuple[int, str]]
    formats: Mapping[bytes, Format]
    document: Mapping[str, Any] = field(repr=False)


def descriptors(folder: Path) -> tuple[Descriptor, ...]:
    """Every descriptor of contracts in a folder and those below it. Raises ConfigError, naming the file."""
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder of ERC-7730 descriptors: name one with *.json files")
    found = []
    for path in sorted(folder.rglob("*.json")):
        try:
            document = _with_includes(path, folder)
            if isinstance(document.get("context", {}).get("contract"), Mapping):
                found.append(_descriptor(path, document))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as bad:
            raise ConfigError(f"{path} is no ERC-7730 descriptor ({bad}): correct or remove it") from None
    return tuple(found)


def _with_includes(path: Path, folder: Path, depth: int = 0) -> dict[str, Any]:
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    if "includes" not in document:
        return document
    if depth == MOST_INCLUDES:
        raise ValueError("its includes go round in a circle")
    base = (path.parent / str(document["includes"])).resolve()
    if not base.is_relative_to(folder.resolve()):
        raise ValueError("it includes a file outside of the folder")
    return _merged(_with_includes(base, folder, depth + 1), document)


def _merged(under: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` wins; objects are merged key by key."""
    made = dict(under)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(made.get(key), dict)
        made[key] = _merged(made[key], value) if both else value
    return made


def _descriptor(path: Path, document: Mapping[str, Any]) -> Descriptor:
    deployments = frozenset(
        (int(row["chainId"]), str(row["address"]).lower()) for row in document["context"]["contract"]["deployments"]
    )
    formats = {}
    for signature, rule in document["display"].get("formats", {}).items():
        function = parsed(signature)
        intent = rule.get("intent", "")
        words = " ".join(map(str, intent.values())) if isinstance(intent, Mapping) else str(intent)
        formats[selector(function.signature)] = Format(function, clean(words), tuple(rule.get("fields", ())))
    metadata = document.get("metadata", {})
    name = metadata.get("contractName") or metadata.get("owner") or document["context"].get("$id") or path.stem
    return Descriptor(clean(path.name), clean(str(name)), deployments, formats, document)


_TOKEN = re.compile(r"\s*([A-Za-z_$][\w$]*|[(),]|(?:\[\d*\])+)")


def parsed(signature: str) -> AbiFunction:
    """A function from its human-readable signature, parameter names included. Raises ValueError."""
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
    """The parameters of "(type name, ...)" at the front of ``words``, and the words after."""
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


def tree(inputs: Sequence[Mapping[str, Any]], values: Sequence[Any]) -> Node:
    """Decoded arguments as nodes, by name (by place where a parameter has none)."""
    named = {}
    for place, (item, value) in enumerate(zip(inputs, values, strict=True)):
        named[str(item.get("name") or place)] = _node(item, value)
    return Node("tuple", named)


def _node(item: Mapping[str, Any], value: Any) -> Node:
    kind = str(item["type"])
    if kind.endswith("]"):
        inner = dict(item) | {"type": kind[: kind.rindex("[")]}
        return Node(kind, [_node(inner, one) for one in value])
    if kind == "tuple":
        return tree(item["components"], value)
    return Node(kind, value)


def leaves(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every value that is no tuple or array, with its full path."""
    if isinstance(node.value, Mapping):
        for name, inner in node.value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(node.value, list):
        for place, inner in enumerate(node.value):
            yield from leaves(inner, f"{path}.[{place}]")
    else:
        yield path, node


def at(root: Node, path: str) -> list[tuple[str, Node]]:
    """The nodes that a path of a descriptor points to, each with its full path; none where there is nothing there.

    Steps: a name, [n] (from the end when negative), [] (each), [a:b] (a part of an array, or of bytes).
    """
    found = [("", root)]
    for step in filter(None, path.removeprefix("#.").split(".")):
        found = [pair for place, node in found for pair in _step(place, node, step)]
    return found


def _step(place: str, node: Node, step: str) -> list[tuple[str, Node]]:
    value = node.value
    if not step.startswith("["):
        if isinstance(value, Mapping) and step in value:
            return [(f"{place}.{step}" if place else step, value[step])]
        if isinstance(value, list):  # older descriptors leave the brackets out
            return [pair for n, one in enumerate(value) for pair in _step(f"{place}.[{n}]", one, step)]
        return []
    if not isinstance(value, list | bytes):
        return []
    inside = step[1:-1]
    try:
        if ":" in inside:
            first, last = (int(part) if part else None for part in inside.split(":"))
            if isinstance(value, bytes):
                return [(place, Node("bytes", value[first:last]))]
            chosen = range(len(value))[first:last]
        elif inside:
            chosen = range(len(value))[slice(int(inside), int(inside) + 1 or None)]
        else:
            chosen = range(len(value))
    except ValueError:
        return []
    if isinstance(value, bytes):
        return []
    return [(f"{place}.[{n}]", value[n]) for n in chosen]


def plain(node: Node) -> str:
    """A value as it is."""
    if isinstance(node.value, Mapping):
        return "(" + ", ".join(f"{name}: {plain(inner)}" for name, inner in node.value.items()) + ")"
    if isinstance(node.value, list):
        return "[" + ", ".join(plain(inner) for inner in node.value) + "]"
    if isinstance(node.value, bytes):
        return "0x" + node.value.hex()
    return str(node.value).lower() if isinstance(node.value, bool) else str(node.value)


def date(seconds: int) -> str:
    """A unix time in words; the number where it is no date."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def unit(raw: int, decimals: int, base: str, prefix: bool) -> str:
    """A number with its unit; SI prefixes k, M, G where the descriptor wants them."""
    with localcontext() as context:
        context.prec = 100  # 256 bits have 78 digits
        value = Decimal(raw).scaleb(-decimals)
        for sign, power in (("G", 9), ("M", 6), ("k", 3)) if prefix else ():
            if abs(value) >= Decimal(10) ** power:
                return f"{value.scaleb(-power).normalize():f}{sign}{base}"
        return f"{value.normalize():f}{base}"


def clean(text: str) -> str:
    """Words of others without what could move a terminal's cursor or change its direction of writing."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
