"""The judge's rules for swaps by Spark's PSM3: calldata must be exactly the approved terms. Default deny.

Source: PSM3.swapExactIn, which names its tokens, the minimum out, the receiver and a referral code, and no deadline: as
the PSM has one price, only the minimum out limits a pending swap. Arguments are judged by their positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from yieldbot.chains.evm.execution.swaps import Fault, amount_fault, least_fault
from yieldbot.model.exchange import SwapTerms

if TYPE_CHECKING:
    from yieldbot.chains.evm.execution.abi_calls import Argument
    from yieldbot.model.ids import Address

PROTOCOL = "spark_psm"
ROLES = ["token_in", "token_out", "amount_in", "least_out", "recipient", "referral"]
"""Roles of the call's arguments, in order."""


def psm_fault(items: Sequence[Argument], owner: Address, terms: SwapTerms) -> Fault | None:
    """Why a call's arguments are not the swap of ``terms``; None if they are. owner: the only account that may
    receive."""
    if [item.role for item in items] != ROLES:
        return "ARGUMENT_NOT_KNOWN", "it is no swap of exactly what is given between two tokens of a PSM"
    source, wanted, given, least, to, referral = (item.value for item in items)
    if str(to).lower() != owner.lower():
        return "RECIPIENT_NOT_SELF", f"receiver is {to}, not our account {owner}"
    if referral:
        return "ARGUMENT_NOT_KNOWN", f"referralCode is {referral}, ours is always 0"
    try:
        planned = [token.address.lower() for token in terms.tokens]
    except ValueError as bad:
        return "PATH_NOT_PLANNED", str(bad)
    if [str(source).lower(), str(wanted).lower()] != planned:
        return "PATH_NOT_PLANNED", f"it goes {source} > {wanted}, approved was {terms.pools[0].name}"
    return amount_fault("amountIn", given, terms) or least_fault("minAmountOut", least, terms)
