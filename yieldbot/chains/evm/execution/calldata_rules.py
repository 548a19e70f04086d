"""The judge's rules for calldata: every argument is decoded with abis/*.json and compared with what was approved.

Decoding is strict: the decoded arguments, encoded again, must give the same bytes, so that nothing hides behind them.
Arguments are judged by the roles in abis/*.json (``ROLES``), never by their names. A function with an argument that has
no role is never signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from yieldbot.chains.evm.execution.abi_calls import AbiFunction, Argument, arguments
from yieldbot.chains.evm.execution.swaps import swap_fault
from yieldbot.chains.evm.execution.swaps_aerodrome import PROTOCOL as AERODROME
from yieldbot.chains.evm.execution.swaps_aerodrome import aerodrome_fault
from yieldbot.chains.evm.execution.swaps_balancer import BOOSTED, balancer_fault, boosted_fault
from yieldbot.chains.evm.execution.swaps_balancer import PROTOCOL as BALANCER
from yieldbot.chains.evm.execution.swaps_psm import PROTOCOL as SPARK_PSM
from yieldbot.chains.evm.execution.swaps_psm import psm_fault
from yieldbot.chains.evm.execution.swaps_v4 import PROTOCOL as UNISWAP_V4
from yieldbot.chains.evm.execution.swaps_v4 import v4_fault
from yieldbot.model.exchange import SwapTerms
from yieldbot.model.ids import Address
from yieldbot.model.text import counted

AMOUNTS = frozenset({"amount", "assets", "value", "wad"})
"""Common argument names of amounts of the asset. Used in descriptions; no judgement depends on them."""

MOST_LOSS_BPS = 100
"""The largest loss that a withdrawal may accept, whatever a market's table says."""
BY_DEADLINE = "multicall(uint256,bytes[])"
"""SwapRouter02's multicall, which carries the deadline."""
IN_MULTICALL = frozenset({"exactInputSingle", "exactInput"})
"""The functions of SwapRouter02 (swap-router-contracts 1.3.1) that we put into its multicall."""


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
    least: int | None = None,
) -> tuple[str, str] | None:
    """Why calldata must not be signed, as (code, message); None if one of the candidate functions finds no fault.

    candidates: the functions in abis/ with the call's selector. known: values in the market's row: addresses in lower
    case, numbers as digits. most: the largest amount of the asset, in base units; None if the whole position is
    intended, so that the protocol's own maximum is allowed. most_shares: the most shares that may be given back. least:
    what the call must bring at least, in base units of what it brings; None: nothing was approved, so that no call that
    names a least is signed. swap: the terms by which the calls of a swap leg are judged; without them no swap is
    signed. now: unix seconds, for deadlines. inner: functions, by selector, that a router's multicall may contain.
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
            found = next((bad for item in read if (bad := _fault(item, owner, known, most, most_shares, least))), None)
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
    """Why a router's call is not the approved swap, as (code, message); None when it is. Each router has its own rules.

    SwapRouter02's multicall must contain exactly one swap, which is judged with the multicall's deadline.
    """
    if terms.pools[0].protocol == UNISWAP_V4:
        return v4_fault(read, terms, now)
    if terms.pools[0].protocol == AERODROME:
        return aerodrome_fault(read, owner, terms, now)
    if terms.pools[0].protocol == BALANCER:
        return balancer_fault(read, terms, now)
    if terms.pools[0].protocol == BOOSTED:
        return boosted_fault(read, terms, now)
    if terms.pools[0].protocol == SPARK_PSM:
        return psm_fault(read, owner, terms)
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
    item: Argument, owner: Address, known: frozenset[str], most: int | None, most_shares: int, least: int | None
) -> tuple[str, str] | None:
    """Why one argument breaks the rule of its role; None if it does not. Default deny: a role without a rule here is
    refused, and so is a value of another type."""
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
        case "least" if isinstance(value, int):
            if least is None or value < least:
                return "LEAST_BELOW_PLAN", f"{name} is {value}, at least {least} was approved"
        case "zero" if item.type in ("address", "bool") or isinstance(value, int):
            if int(str(value), 16) if item.type == "address" else value:
                return "ARGUMENT_NOT_KNOWN", f"{name} is {value}, and must be zero"
        case "empty" if isinstance(value, tuple | list):
            if value:
                return "CALLDATA_OPAQUE", f"{name} holds {counted(len(value), 'entry', 'entries')}, and must be empty"
        case "max_loss" if isinstance(value, int):
            if value > MOST_LOSS_BPS:
                return "AMOUNT_ABOVE_PLAN", f"{name} accepts a loss of {value} bps, at most {MOST_LOSS_BPS} may be"
        case "free":
            return None
        case _ if item.type in ("bytes", "string"):  # the role "empty", or bytes that another rule judges
            if value or item.role != "empty":
                return "CALLDATA_OPAQUE", f"{name} carries bytes that nobody can read"
        case _ if item.type == "address" and str(value).lower() not in known:
            return "ADDRESS_NOT_KNOWN", f"{name} is {value}, which the market does not name"
        case _:
            return "ARGUMENT_NOT_KNOWN", f"{name} has the role {item.role}, which no such call of ours has"
    return None


def numbers_in(value: Any) -> Iterator[str]:
    """Every integer in a market's nested parameters, as digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from numbers_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from numbers_in(inner)
