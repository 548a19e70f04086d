"""What bytes of a call say: decoded with the ABIs of abis/*.json and refused where they say more than they should.

Decoding is strict: the arguments are encoded again and must give the same bytes, so that nothing can hide behind
them. Arguments are judged by the names that the published ABIs give them (https://docs.soliditylang.org, ABI JSON).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from yieldbot.execution.swaps import LEAST, swap_fault
from yieldbot.execution.swaps_aerodrome import PROTOCOL as AERODROME
from yieldbot.execution.swaps_aerodrome import aerodrome_fault
from yieldbot.execution.swaps_v4 import PROTOCOL as UNISWAP_V4
from yieldbot.execution.swaps_v4 import v4_fault
from yieldbot.model.exchange import SwapTerms
from yieldbot.model.ids import Address

OURSELVES = frozenset(
    {"onbehalfof", "onbehalf", "receiver", "recipient", "owner", "to", "from", "dst", "src", "account", "user", "users"}
)
"""Names of address arguments that say whose money it is: they must be our own account."""

AMOUNTS = frozenset({"amount", "assets", "value", "wad"})
"""Names of integer arguments that are amounts of the asset."""

BY_DEADLINE = "multicall(uint256,bytes[])"
IN_MULTICALL = frozenset({"exactInputSingle", "exactInput"})
"""Of SwapRouter02 (swap-router-contracts 1.3.1): what carries a deadline, and what we put into it."""

APPROVE = bytes.fromhex("095ea7b3")  # approve(address,uint256)
UNBOUNDED = 2**256 - 1


@dataclass(frozen=True, slots=True)
class AbiFunction:
    """One function: its name, its argument types for eth_abi, and each argument's ABI entry."""

    name: str
    types: tuple[str, ...]
    inputs: tuple[Mapping[str, Any], ...]

    @property
    def signature(self) -> str:
        return f"{self.name}({','.join(self.types)})"


@dataclass(frozen=True, slots=True)
class Argument:
    """One leaf of a call's arguments: lower-case name without underscores, ABI type, value."""

    name: str
    type: str
    value: Any


def abi_functions(folder: Path) -> dict[bytes, tuple[AbiFunction, ...]]:
    """Every function in the folder's *.json, by selector. Raises ValueError for a file that is not an ABI.

    A file holds an ABI list, or an object whose values (or whose ``abi``) are ABI lists. One selector can have several
    entries, when contracts name the arguments differently.
    """
    found: dict[bytes, dict[str, AbiFunction]] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            entries = list(_entries(json.loads(path.read_text())))
        except (json.JSONDecodeError, TypeError) as damage:
            raise ValueError(f"{path.name} is not an ABI: {damage}") from None
        for function in functions(entries):
            key = json.dumps([function.signature, [dict(item) for item in function.inputs]], sort_keys=True)
            found.setdefault(selector(function.signature), {})[key] = function
    return {key: tuple(entries.values()) for key, entries in found.items()}


def functions(entries: Iterable[Mapping[str, Any]]) -> Iterator[AbiFunction]:
    """The functions among ABI entries."""
    for entry in entries:
        if entry.get("type") == "function":
            inputs = tuple(entry.get("inputs", ()))
            yield AbiFunction(str(entry["name"]), tuple(_type(item) for item in inputs), inputs)


@lru_cache(maxsize=4096)
def selector(signature: str) -> bytes:
    """First four bytes of keccak-256 of a canonical signature."""
    from eth_utils.crypto import keccak

    return keccak(text=signature)[:4]


def arguments(function: AbiFunction, data: bytes) -> tuple[Argument, ...] | None:
    """The call's arguments, nested ones flattened; None when the bytes are not exactly this function's encoding."""
    from eth_abi.abi import decode, encode
    from eth_abi.exceptions import DecodingError, EncodingError

    try:
        values = decode(function.types, data[4:])
        if encode(function.types, values) != data[4:]:
            return None
    except (DecodingError, EncodingError, OverflowError):
        return None
    return tuple(_leaves(function.inputs, values))


def objection(
    candidates: Iterable[AbiFunction],
    data: bytes,
    owner: Address,
    known: frozenset[str],
    most: int | None,
    swap: SwapTerms | None = None,
    now: int = 0,
    inner: Mapping[bytes, tuple[AbiFunction, ...]] | None = None,
) -> tuple[str, str] | None:
    """Why a call must not be signed, as (code, words); None when some ABI reading of it is without fault.

    ``known``: lower-case addresses that may appear beside our own. ``most``: the greatest amount of the asset allowed;
    None where the whole position is meant (then the protocol's own maximum may stand there). ``swap``: the terms of a
    leg that swaps, by which alone its calls are judged at ``now`` (unix seconds); without them no swap is signed.
    ``inner``: by selector, what may be within a router's multicall.
    """
    fault: tuple[str, str] = ("CALLDATA_UNKNOWN", f"nothing in abis/ describes the call {data[:4].hex()}")
    for function in candidates:
        read = arguments(function, data)
        if read is None:
            fault = ("CALLDATA_MALFORMED", f"the bytes are not an exact call of {function.signature}")
            continue
        if swap is not None:
            found = judged_swap(function, read, owner, swap, now, inner or {})
        elif any(item.name in LEAST for item in read):
            found = "SWAP_NOT_PLANNED", "a swap, and the leg is none"
        else:
            found = next((bad for item in read if (bad := _fault(item, owner, known, most))), None)
        if found is None:
            return None
        fault = (found[0], f"{function.name}: {found[1]}")
    return fault


def judged_swap(
    function: AbiFunction,
    read: tuple[Argument, ...],
    owner: Address,
    terms: SwapTerms,
    now: int,
    inner: Mapping[bytes, tuple[AbiFunction, ...]],
) -> tuple[str, str] | None:
    """``swap_fault`` of a router's call. Of SwapRouter02's multicall, which has the deadline, the one call in it is
    judged with that deadline: more calls, or another one than a swap of that router, are refused."""
    if terms.pools[0].protocol == UNISWAP_V4:
        return v4_fault(read, terms, now)
    if terms.pools[0].protocol == AERODROME:
        return aerodrome_fault(read, owner, terms, now)
    if function.signature != BY_DEADLINE:
        return swap_fault(read, owner, terms, now)
    deadline, *calls = read
    if len(calls) != 1:
        return "SWAP_NOT_PLANNED", f"there are {len(calls)} calls in it, and one swap was approved"
    data = calls[0].value
    for one in inner.get(data[:4], ()):
        if one.name in IN_MULTICALL and (found := arguments(one, data)) is not None:
            return swap_fault((deadline, *found), owner, terms, now)
    return "CALLDATA_UNKNOWN", f"the call in it, {data[:4].hex()}, is no exact swap of that router"


def _fault(item: Argument, owner: Address, known: frozenset[str], most: int | None) -> tuple[str, str] | None:
    if item.type == "address":
        address = str(item.value).lower()
        if item.name in OURSELVES and address != owner.lower():
            return "RECIPIENT_NOT_SELF", f"{item.name} is {item.value}, not our account {owner}"
        if address != owner.lower() and address not in known:
            return "ADDRESS_NOT_KNOWN", f"{item.name or 'an argument'} is {item.value}, which the market does not name"
    elif item.name in AMOUNTS and isinstance(item.value, int) and most is not None and item.value > most:
        return "AMOUNT_ABOVE_PLAN", f"{item.name} is {item.value}, {most} was approved"
    elif item.type in ("bytes", "string") and item.value:
        return "CALLDATA_OPAQUE", f"{item.name or 'an argument'} carries bytes that nobody can read"
    return None


def addresses_in(value: Any) -> Iterator[Address]:
    """Every address-shaped text in nested params."""
    if isinstance(value, str):
        if len(value) == 42 and value.startswith("0x"):
            yield Address(value)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from addresses_in(inner)
    elif isinstance(value, list | tuple | frozenset | set):
        for inner in value:
            yield from addresses_in(inner)
    elif hasattr(value, "address"):
        yield from addresses_in(value.address)


def _entries(document: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(document, list):
        yield from (item for item in document if isinstance(item, Mapping))
    elif isinstance(document, Mapping):
        for value in document.values():
            if isinstance(value, list | Mapping):
                yield from _entries(value)


def _type(item: Mapping[str, Any]) -> str:
    kind = str(item["type"])
    if kind.startswith("tuple"):
        inner = ",".join(_type(part) for part in item["components"])
        return f"({inner}){kind[5:]}"
    return kind


def _leaves(inputs: Iterable[Mapping[str, Any]], values: Iterable[Any]) -> Iterator[Argument]:
    for item, value in zip(inputs, values, strict=True):
        kind, name = str(item["type"]), str(item.get("name", "")).lower().strip("_")
        if kind.endswith("]"):
            inner = dict(item) | {"type": kind[: kind.rindex("[")]}
            for element in value:
                yield from _leaves([inner], [element])
        elif kind == "tuple":
            yield from _leaves(item["components"], value)
        else:
            yield Argument(name, kind, value)
