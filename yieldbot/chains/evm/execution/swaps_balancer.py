"""The judge's rules for swaps by Balancer v3's Router and BatchRouter: exactly the approved terms. Default deny.

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

PROTOCOL, BOOSTED = "balancer_v3", "balancer_boosted"
ROLES = ["pool", "token_in", "token_out", "amount_in", "least_out", "deadline", "no_native", "empty"]
"""Roles of the call's arguments, in order."""
STEP = ["pool", "token_out", "buffer"]
"""Roles of one step of a path."""


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


def boosted_fault(items: Sequence[Argument], terms: SwapTerms, now: int) -> Fault | None:
    """The same for BatchRouter.swapExactIn: one path, which wraps what goes in, swaps in the one pool, and unwraps what
    comes out, each only where the pool's coin is not the token itself. It pays whoever calls it."""
    count = (len(items) - 6) // len(STEP)
    ends = ["amount_in", "least_out", "deadline", "no_native", "empty"]
    if [item.role for item in items] != ["token_in", *STEP * count, *ends]:
        return "ARGUMENT_NOT_KNOWN", "it is no swap of exactly what is given along one path of Balancer's"
    source, *way, given, least, deadline, native, extra = (item.value for item in items)
    if native:
        return "ARGUMENT_NOT_KNOWN", "wethIsEth is set: the native token would go in or come out"
    if extra:
        return "ARGUMENT_NOT_KNOWN", f"userData is 0x{bytes(extra).hex()}, ours is always empty"
    try:
        planned = _steps(terms)
    except (KeyError, ValueError) as bad:
        return "PATH_NOT_PLANNED", str(bad)
    plain = [value.lower() if isinstance(value, str) else value for value in (source, *way)]
    if plain != planned:
        found_route = " > ".join(str(value) for value in plain)
        return "PATH_NOT_PLANNED", f"it goes {found_route}, approved was {', then '.join(p.name for p in terms.pools)}"
    return (
        amount_fault("exactAmountIn", given, terms)
        or least_fault("minAmountOut", least, terms)
        or deadline_fault(deadline, now)
    )


def _steps(terms: SwapTerms) -> list[str | bool]:
    """What a path of the terms names, in order. Raises KeyError or ValueError if the pool does not lead there."""
    (pool,) = terms.pools
    coins, ends = ([str(one).lower() for one in pool.params[key]] for key in ("coins", "underlying"))
    given, wanted = (token.address.lower() for token in terms.tokens)
    into, out_of = (coins[ends.index(token)] for token in (given, wanted))
    wrapped: list[str | bool] = [] if into == given else [into, into, True]
    unwrapped: list[str | bool] = [] if out_of == wanted else [out_of, wanted, True]
    return [given, *wrapped, pool.address.lower(), out_of, False, *unwrapped]
