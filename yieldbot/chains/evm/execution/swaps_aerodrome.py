"""The judge's rules for swaps by Aerodrome's router: calldata must be exactly the approved terms. Default deny.

Source: Router.swapExactTokensForTokens, whose routes name each pool by its tokens, its kind (stable or volatile) and
its factory. Arguments are judged by their positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from yieldbot.chains.evm.execution.swaps import Fault, amount_fault, deadline_fault, least_fault
from yieldbot.model.exchange import SwapTerms

if TYPE_CHECKING:
    from yieldbot.chains.evm.execution.abi_calls import Argument
    from yieldbot.model.ids import Address

PROTOCOL = "aerodrome"
ROUTE = ["token_in", "token_out", "pool_kind", "factory"]
"""Roles of one route's arguments, in order."""


def aerodrome_fault(items: Sequence[Argument], owner: Address, terms: SwapTerms, now: int) -> Fault | None:
    """Why a call's arguments are not the swap of ``terms``; None if they are. owner: the only account that may receive.
    now: unix seconds, for the deadline."""
    count = (len(items) - 4) // len(ROUTE)
    if [item.role for item in items] != ["amount_in", "least_out", *ROUTE * count, "recipient", "deadline"]:
        return "ARGUMENT_NOT_KNOWN", "it is no swap of exactly what is given along routes"
    given, least, *way, to, deadline = (item.value for item in items)
    if str(to).lower() != owner.lower():
        return "RECIPIENT_NOT_SELF", f"to is {to}, not our account {owner}"
    try:
        planned = [
            [source.address.lower(), wanted.address.lower(), pool.params["stable"], pool.params["factory"].lower()]
            for (source, wanted), pool in zip(pairwise(terms.tokens), terms.pools, strict=True)
        ]
    except (KeyError, ValueError) as bad:
        return "PATH_NOT_PLANNED", str(bad)
    plain = [value.lower() if isinstance(value, str) else value for value in way]
    if [plain[at : at + len(ROUTE)] for at in range(0, len(plain), len(ROUTE))] != planned:
        found_route = " > ".join(str(value) for value in way)
        return "PATH_NOT_PLANNED", f"it goes {found_route}, approved was {', then '.join(p.name for p in terms.pools)}"
    faults = (
        amount_fault("amountIn", given, terms),
        least_fault("amountOutMin", least, terms),
        deadline_fault(deadline, now),
    )
    return next((fault for fault in faults if fault is not None), None)
