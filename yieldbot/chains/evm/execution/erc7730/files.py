"""Loads descriptors from a folder: the public registry as it is, or a part of it.

Files that are not descriptors (tests, indexes, templates without a context) are skipped. A descriptor that cannot be
used is reported once; the others are used. A file may include any other file of its registry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from yieldbot.chains.evm.execution.abi_calls import AbiFunction, functions, selector
from yieldbot.chains.evm.execution.erc7730.signatures import parsed, type_string, types_of
from yieldbot.chains.evm.execution.erc7730.words import clean
from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.json_text import loads

MOST_INCLUDES = 8
"""How deep includes may nest."""
MOST_DEPTH = 200
"""Levels that a file's JSON may nest."""
MOST_BYTES = 4_000_000
"""The longest file that is read."""
NOT_DESCRIPTORS = frozenset({"tests", "testsv1", "testsv2", "sigs", "node_modules"})
"""Folders of the registry without descriptors."""


@dataclass(frozen=True, slots=True)
class Format:
    """How one function, or one primary type of EIP-712, is shown."""

    function: AbiFunction | None
    """The function; None for a typed message."""
    intent: str
    """What it does, in a few words."""
    fields: Sequence[Mapping[str, Any]]
    """The fields to show, as the descriptor has them."""
    sentence: str = ""
    """``interpolatedIntent``, with {path} in the places of values; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One descriptor file."""

    file: str
    """Its name, for a person."""
    name: str
    """The contract's name."""
    deployments: frozenset[tuple[int, str]]
    """(chain number, lower-case address) of each contract that it describes."""
    formats: Mapping[bytes, Format]
    """Formats of calls, by selector."""
    document: Mapping[str, Any] = field(repr=False)
    """The JSON document, includes merged."""
    owner: str = ""
    """The contract's owner."""
    typed: Mapping[str, Format] = field(default_factory=dict)
    """Formats of messages, by type string (EIP-712's encodeType)."""
    domain: Mapping[str, Any] = field(default_factory=dict)
    """Values that a message's domain must have."""
    separator: str = ""
    """The hash that a message's domain must have, in hex; empty: any."""


def descriptors(folder: Path, lost: Callable[[str], None] | None = None) -> tuple[Descriptor, ...]:
    """Every descriptor in a folder and its subfolders. lost: called with one line for each file that cannot be used.

    Raises ConfigError where there is no folder.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder of ERC-7730 descriptors: name one with *.json files")
    top, found, read = _registry(folder), list[Descriptor](), dict[Path, dict[str, Any]]()
    for path in _files(folder):
        try:
            document = _with_includes(path, top, read)
            if (made := _descriptor(path, document)) is not None:
                found.append(made)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as bad:
            if lost is not None:
                lost(clean(f"{path} is no ERC-7730 descriptor and is left out ({bad}): correct or remove it"))
    return tuple(found)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*.json")):
        above = path.relative_to(folder).parts[:-1]
        if not NOT_DESCRIPTORS.intersection(above) and not any(part.startswith(".") for part in above):
            yield path


def _registry(folder: Path) -> Path:
    """The root of the registry (the folder with ercs/ and registry/) that a folder is in; else the folder itself."""
    here = folder.resolve()
    for above in (here, *here.parents[:3]):
        if (above / "ercs").is_dir() and (above / "registry").is_dir():
            return above
    return here


def json_of(text: str, once: bool = False) -> Any:
    """Parsed JSON that nests at most MOST_DEPTH levels: deeper ones could crash the parser. once: refuse an object with
    the same key twice, of which parsers take different values. Raises ValueError."""
    depth = 0
    for bracket in re.findall(r"[\[{\]}]", re.sub(r'"(?:[^"\\]|\\.)*"', "", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MOST_DEPTH:
            raise ValueError(f"it is nested deeper than {MOST_DEPTH}")
    return loads(text, object_pairs_hook=_once if once else None)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict[str, Any]()
    for key, value in pairs:
        if key in made:
            raise ValueError(
                f"the key {key[:60]!r} stands twice in one object: readers differ in which of its values they take"
            )
        made[key] = value
    return made


def _json(path: Path, read: dict[Path, dict[str, Any]]) -> dict[str, Any]:
    if path not in read:
        if not path.is_file():
            raise ValueError("it, or what it includes, is not a regular file")
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES} bytes")
        document = json_of(path.read_text(encoding="utf-8"), once=True)
        if not isinstance(document, dict):
            raise ValueError("it is no JSON object")
        read[path] = document
    return read[path]


def _with_includes(path: Path, top: Path, read: dict[Path, dict[str, Any]], depth: int = 0) -> dict[str, Any]:
    document = _json(path, read)
    if "includes" not in document:
        return document
    if depth == MOST_INCLUDES:
        raise ValueError("its includes go round in a circle")
    base = (path.parent / str(document["includes"])).resolve()
    if not base.is_relative_to(top):
        raise ValueError("it includes a file outside of the registry's folder")
    return merged(_with_includes(base, top, read, depth + 1), document)


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Two documents merged: ``over`` takes precedence; objects are merged by key, and ``fields`` (objects with paths)
    by path."""
    made = dict(under)
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(made.get(key), Mapping):
            made[key] = merged(made[key], value)
        elif key == "fields" and isinstance(value, list) and isinstance(made.get(key), list):
            made[key] = _fields_merged(made[key], value)
        else:
            made[key] = value
    return made


def _fields_merged(under: Sequence[Any], over: Sequence[Any]) -> list[Any]:
    made = list(under)
    places = {one["path"]: place for place, one in enumerate(made) if isinstance(one, Mapping) and "path" in one}
    for one in over:
        place = places.get(one.get("path")) if isinstance(one, Mapping) else None
        if place is None:
            made.append(one)
        else:
            made[place] = merged(made[place], one)
    return made


def _descriptor(path: Path, document: Mapping[str, Any]) -> Descriptor | None:
    """The descriptor in a file; None for a file without contract and message (templates, indexes)."""
    context = document.get("context")
    if context is None or "display" not in document:
        return None
    if not isinstance(context, Mapping) or not isinstance(document["display"], Mapping):
        raise ValueError("its context or display is no object")
    contract, message = context.get("contract"), context.get("eip712")
    if contract is None and message is None:
        return None
    bound: Mapping[str, Any] = contract if contract is not None else message or {}
    deployments = frozenset((int(row["chainId"]), str(row["address"]).lower()) for row in bound.get("deployments", ()))
    if contract is not None and not deployments:
        return None
    calls, typed = dict[bytes, Format](), dict[str, Format]()
    for key, rule in (document["display"].get("formats") or {}).items():
        if contract is not None:
            function = _function(key, bound)
            made = _format(rule, function)
            calls[selector(function.signature)] = made
        else:
            typed |= {type_string: _format(rule, None) for type_string in _type_strings(key, bound)}
    metadata = document.get("metadata") or {}
    owner = str(metadata.get("owner") or "")
    name = metadata.get("contractName") or owner or context.get("$id") or path.stem
    domain, separator = (message or {}).get("domain") or {}, (message or {}).get("domainSeparator") or ""
    if not isinstance(domain, Mapping):
        raise ValueError("its domain is no object")
    return Descriptor(
        clean(path.name), clean(str(name)), deployments, calls, document, clean(owner), typed, domain, str(separator)
    )


def _format(rule: Mapping[str, Any], function: AbiFunction | None) -> Format:
    intent = rule.get("intent", "")
    words = " ".join(map(str, intent.values())) if isinstance(intent, Mapping) else str(intent)
    return Format(function, clean(words), tuple(rule.get("fields") or ()), str(rule.get("interpolatedIntent") or ""))


def _function(key: str, contract: Mapping[str, Any]) -> AbiFunction:
    """The function of a format's key: a signature, or (in older files, which contain the ABI) a selector."""
    if "(" in key:
        return parsed(key)
    abi = contract.get("abi")
    for function in functions(abi) if isinstance(abi, list) else ():
        if "0x" + selector(function.signature).hex() == key.lower():
            return function
    raise ValueError(f"{key!r} is no function signature")


def _type_strings(key: str, message: Mapping[str, Any]) -> Iterator[str]:
    """The type string of a format's key: the string itself, or (in older files, which contain the types) the name of
    its primary type."""
    if "(" in key:
        primary, types = types_of(key)
        yield type_string(types, primary)
        return
    for schema in message.get("schemas") or ():
        if isinstance(schema, Mapping) and schema.get("primaryType") == key:
            yield type_string(schema["types"], key)
