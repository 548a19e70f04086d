"""Clear signing of a Universal Router call that swaps in Uniswap v4's pools: one field for each action."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from yieldbot.chains.evm.execution.erc7730 import ShownField, date
from yieldbot.chains.evm.execution.swaps_v4 import exactly
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.v4 import (
    ALL_THERE_IS,
    NO_HOOKS,
    PLAN_TYPES,
    SETTLE,
    SETTLE_TYPES,
    SWAP_EXACT_IN_SINGLE,
    SWAP_TYPE,
    TAKE_ALL,
    TAKE_TYPES,
    V4_SWAP,
)

SIGNATURE = "execute(bytes,bytes[],uint256)"
PIPS = 1_000_000
"""Pips in one: a fee of this many pips is the whole amount (Uniswap v4, LPFeeLibrary)."""


def v4_fields(
    tokens: Mapping[str, Token], named: Callable[[str], str], signature: str, values: Sequence[Any]
) -> tuple[ShownField, ...] | None:
    """One field for each action of a V4_SWAP command; None for any other call, or if an action cannot be decoded.

    tokens: by lower-case address. named: returns an address with its name. signature, values: of the decoded call.
    """
    if signature != SIGNATURE or values[0] != V4_SWAP or len(values[1]) != 1:
        return None
    if (plan := exactly(PLAN_TYPES, values[1][0])) is None or len(plan[0]) != len(plan[1]):
        return None

    def money(token: str, raw: int) -> str:
        known = tokens.get(token.lower())
        return str(Amount(known, raw)) if known else f"{raw} units of {named(token)}"

    lines = []
    for place, part in enumerate(plan[1]):
        line = _line(plan[0][place : place + 1], part, money, named)
        if line is None:
            return None
        lines.append(ShownField(f"{place + 1}.", line, (f"inputs.[0].[{place}]",)))
    return (*lines, ShownField("deadline", date(values[2]), ("deadline",)))


def _line(action: bytes, part: bytes, money: Callable[[str, int], str], named: Callable[[str], str]) -> str | None:
    if action == SWAP_EXACT_IN_SINGLE and (read := exactly([SWAP_TYPE], part)) is not None:
        ((zero, one, fee, spacing, hooks), up, into, least, data) = read[0]
        source, wanted = (zero, one) if up else (one, zero)
        given = f"all the {named(source)} there is" if into == ALL_THERE_IS else money(source, into)
        guarded = "no hooks" if hooks == NO_HOOKS else f"HOOKS {named(hooks)}"
        message = f"swap {given} for at least {money(wanted, least)} in the pool of {fee * 100 / PIPS:g}%"
        return f"{message} and spacing {spacing}, {guarded}" + (f", with data for them: 0x{data.hex()}" if data else "")
    if action == SETTLE and (read := exactly(SETTLE_TYPES, part)) is not None:
        return f"pay {money(read[0], read[1])}, {'from the caller' if read[2] else 'from the router'}"
    if action == TAKE_ALL and (read := exactly(TAKE_TYPES, part)) is not None:
        return f"send all that comes out, at least {money(read[0], read[1])}, to the caller"
    return None
