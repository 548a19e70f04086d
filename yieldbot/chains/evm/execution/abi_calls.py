"""Functions of ABIs (abis/*.json), and calldata decoded by them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.json_text import loads
from yieldbot.model.keccak import keccak

PLAIN = frozenset({"amount", "shares", "recipient", "market", "empty", "zero", "least", "free", "max_loss"})
"""Roles of arguments in deposits, withdrawals and claims, and what the judge demands for each.

amount: base units of the leg's asset, at most the plan's amount. shares: at most what the leg may give back. recipient:
our own account. market: an address or a number in the market's row. empty: no bytes, or a list of none. zero: zero,
false, or nobody's address. least: at least what the leg must bring. free: any value; the ``reason``
beside it in the ABI says why it can do no harm.
"""
ROLES = PLAIN | {
    *("amount_in", "least_out", "deadline", "path", "token_in", "token_out", "fee", "coin_in", "coin_out"),
    *("underlying_in", "underlying_out", "buffer"),
    *("tick_spacing", "price_limit", "pool_kind", "factory", "referral", "pool", "no_native"),
    *("commands", "commands_inputs", "calls"),  # of swaps; judged in swaps*.py
    *("token0", "token1", "tick_lower", "tick_upper", "amount0", "amount1", "least0", "least1"),
    *("position", "liquidity"),  # of liquidity; judged in chains/evm/liquidity/judge.py
    *("spender", "allowance"),  # of allowances; judged in judge.py and permit2.py
}
APPROVE = bytes.fromhex("095ea7b3")  # approve(address,uint256)
UNBOUNDED = 2**256 - 1


@dataclass(frozen=True, slots=True)
class AbiFunction:
    """One function of an ABI."""

    name: str
    """The function's name in the ABI."""
    types: tuple[str, ...]
    """Argument types as eth_abi takes them, tuples spelled out."""
    inputs: tuple[Mapping[str, Any], ...]
    """Each argument's entry in the ABI, with the ``role`` that abis/*.json adds."""

    @property
    def signature(self) -> str:
        """The canonical signature, whose keccak-256 begins with the selector."""
        return f"{self.name}({','.join(self.types)})"

    @property
    def has_roles(self) -> bool:
        """Whether abis/*.json gives every argument a role. A function without is never signed."""
        return all(_roles(self.inputs))


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call; members of structs and elements of arrays are arguments of their own."""

    name: str
    """In lower case, without leading and trailing underscores."""
    type: str
    """The ABI's type."""
    value: Any
    """The value that eth_abi decodes."""
    role: str = ""
    """Its role in abis/*.json; empty where there is none, or a free one without a reason."""


def abi_functions(folder: Path) -> dict[bytes, tuple[AbiFunction, ...]]:
    """Every function in the folder's *.json, by selector (4 bytes). Raises ValueError for a file that is no ABI.

    A file holds an ABI list, or an object whose values (or whose ``abi``) are ABI lists. One selector can have several
    entries, when contracts name the arguments differently.
    """
    found: dict[bytes, dict[str, AbiFunction]] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            entries = list(_entries(loads(path.read_text())))
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
    """The first four bytes of keccak-256 of a canonical signature."""
    return keccak(signature.encode())[:4]


def arguments(function: AbiFunction, data: bytes) -> tuple[Argument, ...] | None:
    """The arguments in calldata, nested ones flattened; None if the bytes are not exactly this function's encoding
    (re-encoding the values must give the same bytes)."""
    from eth_abi.abi import decode, encode
    from eth_abi.exceptions import DecodingError, EncodingError

    try:
        values = decode(function.types, data[4:])
        if encode(function.types, values) != data[4:]:
            return None
    except (DecodingError, EncodingError, OverflowError):
        return None
    return tuple(_leaves(function.inputs, values))


def addresses_in(value: Any) -> Iterator[Address]:
    """Every text in a market's nested parameters that has the form of an address."""
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


def _roles(inputs: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The role of each argument, structs' members included."""
    for item in inputs:
        yield from _roles(item["components"]) if "components" in item and not _empty_list(item) else [_role(item)]


def _role(item: Mapping[str, Any]) -> str:
    role = str(item.get("role", ""))
    return "" if role not in ROLES or (role == "free" and not item.get("reason")) else role


def _empty_list(item: Mapping[str, Any]) -> bool:
    """Whether it is a list that must be empty, so that no element of it needs a role."""
    return str(item["type"]).endswith("]") and item.get("role") == "empty"


def _leaves(inputs: Iterable[Mapping[str, Any]], values: Iterable[Any]) -> Iterator[Argument]:
    for item, value in zip(inputs, values, strict=True):
        kind, name = str(item["type"]), str(item.get("name", "")).lower().strip("_")
        if _empty_list(item):
            yield Argument(name, kind, value, _role(item))
        elif kind.endswith("]"):
            inner = dict(item) | {"type": kind[: kind.rindex("[")]}
            for element in value:
                yield from _leaves([inner], [element])
        elif kind == "tuple":
            yield from _leaves(item["components"], value)
        else:
            yield Argument(name, kind, value, _role(item))
