"""The judge's rules for swaps by Balancer v3's Router: calldata must be exactly the approved terms. Default deny.

Source: Router.swapSingleTokenExactIn, which names the pool, both tokens, the amounts and the deadline, and pays whoever
calls it. Wrapped ether stays wrapped, and nothing is handed to a pool's hook. Arguments are judged by their positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from yieldbot.chains.evm.execution.swaps import Fault, amount_fault, deadline_fault, least_fault
from yieldbot.model.exchange import SwapTerms

if TYPE_CHECKING:
    from yieldbot.chains.evm.execution.abi_calls import Argument

PROTOCOL = "balancer_v3"
ROLES = ["pool", "token_in", "token_out", "amount_in", "least_out", "deadline", "no_native", "empty"]
"""Roles of the call's arguments, in order."""


def balancer_fault(items: Sequence[Argument], terms: SwapTerms, now: int) -> Fault | None:
    """Why a call's arguments are not the swap of ``terms``; None if they are. now: unix seconds, for the deadline."""
    if [item.role for item in items] != ROLES:
        return "ARGUMENT_NOT_KNOWN", "it is no swap of exactly what is given in one pool of Balancer's"
    pool, source, wanted, given, least, deadline, native, extra = (item.value for item in items)
    if native:
        return "ARGUMENT_NOT_KNOWN", "wethIsEth is set: the native token would go in or come out"
    if extra:
        return "ARGUMENT_NOT_KNOWN", f"userData is 0x{bytes(extra).hex()}, ours is always empty"
    try:
        planned = [token.address.lower() for token in terms.tokens]
    except ValueError as bad:
        return "PATH_NOT_PLANNED", str(bad)
    way = [str(one).lower() for one in (pool, source, wanted)]
    if len(terms.pools) != 1 or way != [terms.pools[0].address.lower(), *planned]:
        return "PATH_NOT_PLANNED", f"it goes {source} > {pool} > {wanted}, approved was {terms.pools[0].name}"
    return (
        amount_fault("exactAmountIn", given, terms)
        or least_fault("minAmountOut", least, terms)
        or deadline_fault(deadline, now)
    )
