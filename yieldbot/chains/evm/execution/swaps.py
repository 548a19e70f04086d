"""The judge's rules for swaps: calldata must be exactly the approved terms. Default deny: every argument has a rule.

Arguments are judged by their roles in abis/*.json. Known calls: UniswapV2Router02.swapExactTokensForTokens;
exactInputSingle and exactInput of v3's SwapRouter (and of Slipstream's, which names a pool by its tick spacing), and of
SwapRouter02, whose deadline is in its multicall; exchange(i, j, dx, min_dy) of Curve's pools and exchange_underlying of
its metapools, which pay the caller and have no deadline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from yieldbot.model.exchange import SwapTerms, v3_path

if TYPE_CHECKING:
    from yieldbot.chains.evm.execution.abi_calls import Argument
    from yieldbot.model.ids import Address

LEAST = frozenset({"amountoutmin", "amountoutminimum", "min_dy", "minamountout"})
"""Common argument names of the minimum out. Used in descriptions; no judgement depends on them."""
GIVEN = frozenset({"amountin", "dx"})
"""Common argument names of the amount in. Used in descriptions; no judgement depends on them."""
ENDS = frozenset({"token_in", "token_out"})
KEYS = frozenset({"fee", "tick_spacing"})
"""Roles by which a call names its single pool: the two tokens, and the fee tier or (Slipstream) the tick spacing."""
SINGLE = ENDS | KEYS
COINS: Mapping[str, tuple[str, str]] = {
    "coins": ("coin_in", "coin_out"),
    "underlying": ("underlying_in", "underlying_out"),
}
"""By the pool's list of coins, the roles by which a Curve call names its tokens: their indexes in that list."""
INDEXES = frozenset(role for roles in COINS.values() for role in roles)
BOUNDS = frozenset({"amount_in", "least_out", "recipient", "deadline"})
"""Roles that a swap must have; without one of them it is refused."""
MOST_DEADLINE_SECONDS = 3600
"""How far ahead a deadline may be: a swap that waits longer would be made at a price that nobody has checked."""

Fault = tuple[str, str]
"""Why something is refused: a stable code and a message."""


def swap_fault(items: Sequence[Argument], owner: Address, terms: SwapTerms, now: int) -> Fault | None:
    """Why a call's arguments are not the swap of ``terms``; None if they are. owner: the only account that may receive.
    now: unix seconds, for the deadline."""
    named = {item.role: item.value for item in items if item.role != "path"}
    if len(named) + sum(item.role == "path" for item in items) != len(items):
        return "CALLDATA_MALFORMED", "two arguments have one role"
    for item in items:
        if item.role != "path" and (bad := _fault(item, owner, terms, now)) is not None:
            return bad
    by_index = any(named.keys() >= {*roles} for roles in COINS.values())
    needed = BOUNDS - {"recipient", "deadline"} if by_index else BOUNDS
    if not named.keys() >= needed:
        return "SWAP_NOT_BOUND", "it does not say what goes in, what comes out at least, to whom and until when"
    return _way(items, named, terms)


def _fault(item: Argument, owner: Address, terms: SwapTerms, now: int) -> Fault | None:
    name, value = item.name or "an argument", item.value
    match item.role:
        case "recipient":
            if str(value).lower() != owner.lower():
                return "RECIPIENT_NOT_SELF", f"{name} is {value}, not our account {owner}"
        case "amount_in":
            return amount_fault(name, value, terms)
        case "least_out":
            return least_fault(name, value, terms)
        case "deadline":
            return deadline_fault(value, now)
        case "price_limit":
            if value:
                return "ARGUMENT_NOT_KNOWN", "a price limit can leave a part of what goes in unswapped"
        case role if role not in SINGLE | INDEXES:
            return "ARGUMENT_NOT_KNOWN", f"{name} is nothing that a swap of ours says"
    return None


def amount_fault(name: str, value: int, terms: SwapTerms) -> Fault | None:
    """Why ``value`` is not exactly the amount that the terms give, in base units."""
    if value == terms.given.raw:
        return None
    code = "AMOUNT_ABOVE_PLAN" if value > terms.given.raw else "AMOUNT_NOT_EXACT"
    return code, f"{name} is {value}, {terms.given.raw} was approved"


def least_fault(name: str, value: int, terms: SwapTerms) -> Fault | None:
    """Why ``value`` is a lower minimum out than the terms have, in base units."""
    if value >= terms.least.raw:
        return None
    return "LEAST_BELOW_PLAN", f"{name} is {value}, {terms.least.raw} was approved"


def deadline_fault(value: int, now: int) -> Fault | None:
    """Why a deadline is over, or more than MOST_DEADLINE_SECONDS ahead. Both in unix seconds."""
    if now < value <= now + MOST_DEADLINE_SECONDS:
        return None
    message = "is over" if value <= now else f"is {value - now} s ahead, {MOST_DEADLINE_SECONDS} s are allowed"
    return "DEADLINE_NOT_NEAR", f"the deadline {message}"


def _way(items: Sequence[Argument], named: dict[str, Any], terms: SwapTerms) -> Fault | None:
    """Why the call's route is not the tokens and pools of the terms in their order."""
    try:
        tokens = [token.address.lower() for token in terms.tokens]
        packed = v3_path(terms) if any(item.role == "path" and item.type == "bytes" for item in items) else b""
    except ValueError as bad:
        return "PATH_NOT_PLANNED", str(bad)
    shown = " > ".join(token.symbol for token in terms.tokens)
    path = [item for item in items if item.role == "path"]
    singles = (SINGLE | INDEXES) & named.keys()
    if path and path[0].type == "bytes":
        found = path[0].value
        same = len(path) == 1 and found == packed and not singles
        found_route = _spelled(found)
    elif path:
        same = [str(item.value).lower() for item in path] == tokens and not singles
        found_route = " > ".join(str(item.value) for item in path)
    elif INDEXES & named.keys():
        listing, roles = next((key, roles) for key, roles in COINS.items() if named.keys() & {*roles})
        coins = [str(coin).lower() for coin in terms.pools[0].params.get(listing, ())]
        places = [coins.index(token) if token in coins else None for token in tokens]
        indexes = [named.get(role) for role in roles]
        same = len(terms.pools) == 1 and None not in places and indexes == places and singles == {*roles}
        found_route = f"from coin {indexes[0]} to coin {indexes[1]}"
    else:
        ends = [str(named.get(name, "")).lower() for name in ("token_in", "token_out")]
        keys = {role: named[role] for role in KEYS & named.keys()}
        planned = {role: terms.pools[0].params[role] for role in KEYS & terms.pools[0].params.keys()}
        same = len(terms.pools) == 1 and ends == tokens and singles >= ENDS and len(keys) == 1 and keys == planned
        found_route = f"{ends[0]} > {' > '.join(map(str, keys.values()))} > {ends[1]}"
    return None if same else ("PATH_NOT_PLANNED", f"it goes {found_route}, approved was {shown} on {_names(terms)}")


def _names(terms: SwapTerms) -> str:
    return ", then ".join(pool.name for pool in terms.pools)


def _spelled(path: bytes) -> str:
    """A packed path for a message: tokens and fees; its bytes if it is not a path."""
    return " > ".join(map(str, way)) if (way := unpacked(path)) else f"0x{path.hex()}"


def unpacked(path: bytes) -> tuple[str | int, ...]:
    """The parts of Uniswap v3's packed path: token, fee in hundredths of a bp, token, and so on; empty if the bytes are
    not a path."""
    if len(path) % 23 != 20:
        return ()
    way: list[str | int] = ["0x" + path[:20].hex()]
    for at in range(20, len(path), 23):
        way += [int.from_bytes(path[at : at + 3], "big"), "0x" + path[at + 3 : at + 23].hex()]
    return tuple(way)
