"""What bytes of a call say: decoded with the ABIs of abis/*.json and refused where they say more than they should.

Decoding is strict: the arguments are encoded again and must give the same bytes, so that nothing can hide behind
them. Arguments are judged by the role that abis/*.json gives each of them (``ROLES``), never by their names: a function
with an argument that has no role cannot be signed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from yieldbot.execution.swaps import swap_fault
from yieldbot.execution.swaps_aerodrome import PROTOCOL as AERODROME
from yieldbot.execution.swaps_aerodrome import aerodrome_fault
from yieldbot.execution.swaps_v4 import PROTOCOL as UNISWAP_V4
from yieldbot.execution.swaps_v4 import v4_fault
from yieldbot.model.exchange import SwapTerms
from yieldbot.model.ids import Address

PLAIN = frozenset({"amount", "shares", "recipient", "market", "empty", "free"})
"""Roles of the arguments of deposits, withdrawals and claims. amount: base units of the leg's asset, never more than
the plan's. shares: never more than what the leg may give back. recipient: whose money it is, our own account. market:
an address or a number that the market names. empty: no bytes at all. free: anything, for the ``reason`` beside it."""
ROLES = PLAIN | {
    *("amount_in", "least_out", "deadline", "path", "token_in", "token_out", "fee", "coin_in", "coin_out"),
    *("price_limit", "pool_kind", "factory", "commands", "commands_inputs", "calls"),  # of swaps: swaps*.py
    *("token0", "token1", "tick_lower", "tick_upper", "amount0", "amount1", "least0", "least1"),
    *("position", "liquidity"),  # of liquidity: liquidity.py
    *("spender", "allowance"),  # of allowances: approve.py, permit2.py
}
AMOUNTS = frozenset({"amount", "assets", "value", "wad"})
"""Names that amounts of the asset commonly have, by which a call is told in words; nothing is judged by them."""

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

    @property
    def has_roles(self) -> bool:
        """Whether abis/*.json says of every argument what it is; without that it is never signed."""
        return all(_roles(self.inputs))


@dataclass(frozen=True, slots=True)
class Argument:
    """One leaf of a call's arguments: lower-case name without underscores, ABI type, value, and its role in
    abis/*.json: empty where none is given, or one that is free without a reason."""

    name: str
    type: str
    value: Any
    role: str = ""


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
    most_shares: int = 0,
) -> tuple[str, str] | None:
    """Why a call must not be signed, as (code, words); None when some ABI reading of it is without fault.

    ``known``: lower-case addresses, and numbers as digits, that the market names. ``most``: the greatest amount of the
    asset allowed; None where the whole position is meant (then the protocol's own maximum may stand there).
    ``most_shares``: the most shares that may be given back. ``swap``: the terms of a
    leg that swaps, by which alone its calls are judged at ``now`` (unix seconds); without them no swap is signed.
    ``inner``: by selector, what may be within a router's multicall.
    """
    fault: tuple[str, str] = ("CALLDATA_UNKNOWN", f"nothing in abis/ describes the call {data[:4].hex()}")
    for function in candidates:
        read = arguments(function, data)
        if read is None:
            fault = ("CALLDATA_MALFORMED", f"the bytes are not an exact call of {function.signature}")
            continue
        found: tuple[str, str] | None
        if not function.has_roles:
            found = "ARGUMENT_WITHOUT_ROLE", "abis/ does not say what each of its arguments is"
        elif swap is not None:
            found = judged_swap(function, read, owner, swap, now, inner or {})
        elif any(item.role == "least_out" for item in read):
            found = "SWAP_NOT_PLANNED", "a swap, and the leg is none"
        else:
            found = next((bad for item in read if (bad := _fault(item, owner, known, most, most_shares))), None)
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


def _fault(
    item: Argument, owner: Address, known: frozenset[str], most: int | None, most_shares: int
) -> tuple[str, str] | None:
    """Default deny: a role that has no rule here is refused, and so is a value of another type than the role's."""
    name, value = item.name or "an argument", item.value
    match item.role:
        case "recipient" if item.type == "address":
            if str(value).lower() != owner.lower():
                return "RECIPIENT_NOT_SELF", f"{name} is {value}, not our account {owner}"
        case "market":
            if str(value).lower() not in known:
                return "ADDRESS_NOT_KNOWN", f"{name} is {value}, which the market does not name"
        case "amount" if isinstance(value, int):
            if most is not None and value > most:
                return "AMOUNT_ABOVE_PLAN", f"{name} is {value}, {most} was approved"
        case "shares" if isinstance(value, int):
            if value > most_shares:
                return "AMOUNT_ABOVE_PLAN", f"{name} is {value} shares, {most_shares} may be given back"
        case "free":
            return None
        case _ if item.type in ("bytes", "string"):  # "empty", or bytes of a call that is judged elsewhere
            if value or item.role != "empty":
                return "CALLDATA_OPAQUE", f"{name} carries bytes that nobody can read"
        case _ if item.type == "address" and str(value).lower() not in known:
            return "ADDRESS_NOT_KNOWN", f"{name} is {value}, which the market does not name"
        case _:
            return "ARGUMENT_NOT_KNOWN", f"{name} has the role {item.role}, which no such call of ours has"
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


def numbers_in(value: Any) -> Iterator[str]:
    """Every integer in nested params, as digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from numbers_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from numbers_in(inner)


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
        yield from _roles(item["components"]) if "components" in item else [_role(item)]


def _role(item: Mapping[str, Any]) -> str:
    role = str(item.get("role", ""))
    return "" if role not in ROLES or (role == "free" and not item.get("reason")) else role


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
            yield Argument(name, kind, value, _role(item))
