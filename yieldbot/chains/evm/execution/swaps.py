"""Whether a swap's calldata says no more than the terms that were approved. Default deny: every argument has its rule.

Arguments are judged by their role in abis/*.json. The calls: UniswapV2Router02.swapExactTokensForTokens,
SwapRouter.exactInputSingle and exactInput (v3 periphery; of SwapRouter02 without their deadline, which its multicall
has), and of Curve's pools, whose exchange(i, j, dx, min_dy) pays whoever calls and knows no deadline. A least output is
of another token than what goes in, so that it is compared with the terms' own and never taken for an amount of the
asset.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from yieldbot.model.exchange import SwapTerms, v3_path

if TYPE_CHECKING:
    from yieldbot.chains.evm.execution.abi_calls import Argument
    from yieldbot.model.ids import Address

LEAST = frozenset({"amountoutmin", "amountoutminimum", "min_dy"})
GIVEN = frozenset({"amountin", "dx"})
"""Names of the least output and of what goes in, by which a swap is told in words; it is judged by roles."""
SINGLE = frozenset({"token_in", "token_out", "fee"})
"""How a call through one pool of a fee tier names its way."""
COINS = frozenset({"coin_in", "coin_out"})
"""How a call of Curve's names its way: which of the pool's coins."""
BOUNDS = frozenset({"amount_in", "least_out", "recipient", "deadline"})
MOST_DEADLINE_SECONDS = 3600
"""How far a deadline may lie ahead: a swap that waits longer is made at a price that nobody looked at."""

Fault = tuple[str, str]


def swap_fault(items: Sequence[Argument], owner: Address, terms: SwapTerms, now: int) -> Fault | None:
    """Why the arguments are not this swap, as (code, words); None when they are. ``now``: unix seconds."""
    named = {item.role: item.value for item in items if item.role != "path"}
    if len(named) + sum(item.role == "path" for item in items) != len(items):
        return "CALLDATA_MALFORMED", "two arguments have one role"
    for item in items:
        if item.role != "path" and (bad := _fault(item, owner, terms, now)) is not None:
            return bad
    needed = BOUNDS - {"recipient", "deadline"} if named.keys() >= COINS else BOUNDS
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
        case role if role not in SINGLE | COINS:
            return "ARGUMENT_NOT_KNOWN", f"{name} is nothing that a swap of ours says"
    return None


def amount_fault(name: str, value: int, terms: SwapTerms) -> Fault | None:
    """Why a number is not exactly what the terms give."""
    if value == terms.given.raw:
        return None
    code = "AMOUNT_ABOVE_PLAN" if value > terms.given.raw else "AMOUNT_NOT_EXACT"
    return code, f"{name} is {value}, {terms.given.raw} was approved"


def least_fault(name: str, value: int, terms: SwapTerms) -> Fault | None:
    """Why a number is no least output of the terms."""
    if value >= terms.least.raw:
        return None
    return "LEAST_BELOW_PLAN", f"{name} is {value}, {terms.least.raw} was approved"


def deadline_fault(value: int, now: int) -> Fault | None:
    """Why a deadline is none that is near. Both in unix seconds."""
    if now < value <= now + MOST_DEADLINE_SECONDS:
        return None
    message = "is over" if value <= now else f"is {value - now} s ahead, {MOST_DEADLINE_SECONDS} s are allowed"
    return "DEADLINE_NOT_NEAR", f"the deadline {message}"


def _way(items: Sequence[Argument], named: dict[str, Any], terms: SwapTerms) -> Fault | None:
    """The tokens and pools must be the terms', in their order."""
    try:
        tokens = [token.address.lower() for token in terms.tokens]
        packed = v3_path(terms) if any(item.role == "path" and item.type == "bytes" for item in items) else b""
    except ValueError as bad:
        return "PATH_NOT_PLANNED", str(bad)
    shown = " > ".join(token.symbol for token in terms.tokens)
    path = [item for item in items if item.role == "path"]
    singles = (SINGLE | COINS) & named.keys()
    if path and path[0].type == "bytes":
        found = path[0].value
        same = len(path) == 1 and found == packed and not singles
        found_route = _spelled(found)
    elif path:
        same = [str(item.value).lower() for item in path] == tokens and not singles
        found_route = " > ".join(str(item.value) for item in path)
    elif COINS & named.keys():
        coins = [str(coin).lower() for coin in terms.pools[0].params.get("coins", ())]
        places = [coins.index(token) if token in coins else None for token in tokens]
        same = len(terms.pools) == 1 and [named.get("coin_in"), named.get("coin_out")] == places and singles == COINS
        found_route = f"from coin {named.get('coin_in')} to coin {named.get('coin_out')}"
    else:
        ends = [str(named.get(name, "")).lower() for name in ("token_in", "token_out")]
        fee = named.get("fee")
        same = (
            len(terms.pools) == 1 and ends == tokens and singles == SINGLE and fee == terms.pools[0].params.get("fee")
        )
        found_route = f"{ends[0]} > {fee} > {ends[1]}"
    return None if same else ("PATH_NOT_PLANNED", f"it goes {found_route}, approved was {shown} on {_names(terms)}")


def _names(terms: SwapTerms) -> str:
    return ", then ".join(pool.name for pool in terms.pools)


def _spelled(path: bytes) -> str:
    """A packed path as tokens and fees; its bytes where it is none."""
    return " > ".join(map(str, way)) if (way := unpacked(path)) else f"0x{path.hex()}"


def unpacked(path: bytes) -> tuple[str | int, ...]:
    """Uniswap v3's packed path: addresses and the fees (hundredths of a bp) between them; empty where it is none."""
    if len(path) % 23 != 20:
        return ()
    way: list[str | int] = ["0x" + path[:20].hex()]
    for at in range(20, len(path), 23):
        way += [int.from_bytes(path[at : at + 3], "big"), "0x" + path[at + 3 : at + 23].hex()]
    return tuple(way)
