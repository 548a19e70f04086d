"""The judge's rules for swaps in Uniswap v4's pools by the Universal Router: exactly the approved terms. Default deny.

The call must be one V4_SWAP command: a swap in each pool of the terms, in their order, then SETTLE of exactly the
amount in from our account, then TAKE_ALL of the output to the caller, which is our account. Every part must be its
exact encoding. Any other command or action, hooks other than the pool's, and data for hooks are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from yieldbot.chains.evm.execution.swaps import Fault, amount_fault, deadline_fault, least_fault
from yieldbot.model.exchange import SwapTerms
from yieldbot.model.v4 import (
    ALL_THERE_IS,
    PLAN_TYPES,
    SETTLE,
    SETTLE_TYPES,
    SWAP_EXACT_IN_SINGLE,
    SWAP_TYPE,
    TAKE_ALL,
    TAKE_TYPES,
    V4_SWAP,
    key_of,
)

if TYPE_CHECKING:
    from yieldbot.chains.evm.execution.abi_calls import Argument

PROTOCOL = "uniswap_v4"
ARGUMENTS = ["commands", "commands_inputs", "deadline"]
"""Roles of the arguments of ``execute``, in order."""


def v4_fault(items: Sequence[Argument], terms: SwapTerms, now: int) -> Fault | None:
    """Why the arguments of ``execute`` are not the swap of ``terms``; None if they are. now: unix seconds, for the
    deadline."""
    if [item.role for item in items] != ARGUMENTS:
        return "ARGUMENT_NOT_KNOWN", "a swap in Uniswap v4 is one command with a deadline"
    commands, plan, deadline = (item.value for item in items)
    if commands != V4_SWAP:
        return "COMMAND_NOT_KNOWN", f"the router's commands are {commands.hex() or 'none'}, a swap is {V4_SWAP.hex()}"
    if (late := deadline_fault(deadline, now)) is not None:
        return late
    try:
        tokens, keys = terms.tokens, [key_of(pool).fields for pool in terms.pools]
    except ValueError as bad:
        return "PATH_NOT_PLANNED", str(bad)
    read = exactly(PLAN_TYPES, plan)
    if read is None:
        return "CALLDATA_MALFORMED", "the command's bytes are not an exact list of actions"
    actions, parts = read
    if actions != SWAP_EXACT_IN_SINGLE * len(keys) + SETTLE + TAKE_ALL or len(parts) != len(actions):
        return (
            "COMMAND_NOT_KNOWN",
            f"the actions are {actions.hex()}: a swap in each pool, paid and taken, was approved",
        )
    for place, (key, part) in enumerate(zip(keys, parts, strict=False)):
        zero = tokens[place] == terms.pools[place].token0
        if (fault := _swap(part, key, zero, terms, (place == 0, place == len(keys) - 1))) is not None:
            return fault
    return _ends(parts[-2], parts[-1], terms)


def _swap(part: bytes, key: tuple[Any, ...], zero: bool, terms: SwapTerms, ends: tuple[bool, bool]) -> Fault | None:
    """Why one action is not the swap in its pool. zero: whether token 0 goes in. ends: whether it is the first, and the
    last."""
    read = exactly([SWAP_TYPE], part)
    if read is None:
        return "CALLDATA_MALFORMED", "a swap's bytes are not exact"
    ((found, direction, into, least, data),) = read
    first, last = ends
    if tuple(_plain(found)) != tuple(_plain(key)) or direction != zero:
        message = f"it goes through {', '.join(str(item) for item in found)}, {'up' if not direction else 'down'}"
        return "PATH_NOT_PLANNED", f"{message}; approved was {', then '.join(pool.name for pool in terms.pools)}"
    if data:
        return "CALLDATA_OPAQUE", "a swap carries data for hooks"
    if first:
        if (fault := amount_fault("amountIn", into, terms)) is not None:
            return fault
    elif into != ALL_THERE_IS:
        return "AMOUNT_NOT_EXACT", f"the second pool is given {into}, not all that the first one gave"
    return least_fault("amountOutMinimum", least, terms) if last else None


def _ends(settle: bytes, take: bytes, terms: SwapTerms) -> Fault | None:
    """Why SETTLE and TAKE_ALL do not match the terms: exactly the amount in, from our account, and at least the minimum
    out."""
    owed, ours = exactly(SETTLE_TYPES, settle), exactly(TAKE_TYPES, take)
    if owed is None or ours is None:
        return "CALLDATA_MALFORMED", "what settles the swap is not exact"
    if [owed[0].lower(), ours[0].lower()] != [a.token.address.lower() for a in (terms.given, terms.least)]:
        return "PATH_NOT_PLANNED", f"it gives {owed[0]} for {ours[0]}"
    if owed[2] is not True:
        return "RECIPIENT_NOT_SELF", "it is paid for by the router, not by our account"
    return amount_fault("amount", owed[1], terms) or least_fault("minAmount", ours[1], terms)


def exactly(types: list[str], data: bytes) -> tuple[Any, ...] | None:
    """The decoded values; None if the bytes are not exactly their encoding."""
    from eth_abi.abi import decode, encode
    from eth_abi.exceptions import DecodingError, EncodingError

    try:
        values = tuple(decode(types, data))
        return values if encode(types, values) == data else None
    except (DecodingError, EncodingError, OverflowError):
        return None


def _plain(key: Sequence[Any]) -> list[Any]:
    return [item.lower() if isinstance(item, str) else item for item in key]
