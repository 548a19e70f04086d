"""The judge's rules for swaps: instructions must be exactly the approved terms. Default deny: every argument, and every
account of ours, has a rule. Pure.

The only known instruction is the Whirlpool program's ``swap`` (npm @orca-so/whirlpools-sdk, whirlpool.json). Arguments:
amount u64, threshold u64, price limit u128, whether the amount is the input, whether token A goes in. Accounts: token
program, owner, pool, our account and the pool's vault of A, the same of B, then tick arrays and oracle, which the
program itself checks against the pool.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from yieldbot.chains.solana.execution.account import LegWork
from yieldbot.chains.solana.execution.build import associated
from yieldbot.execution.planned import terms_are_the_legs
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.plan import Declined
from yieldbot.model.text import counted

if TYPE_CHECKING:
    from yieldbot.model.exchange import SwapTerms
    from yieldbot.model.tx import SvmInstruction

SWAP = bytes.fromhex("f8c69e91e17587c8")
ARGUMENTS = struct.Struct("<QQ16s??")
"""The layout of its arguments."""
ACCOUNTS = 11
"""How many accounts it takes."""


def swap_fault(owner: Address, work: LegWork, decoded: Sequence[SvmInstruction]) -> Declined | None:
    """Why the instructions are not the leg's swap; None if they are, or the leg is no swap. owner: only its accounts
    may pay and receive."""
    if not terms_are_the_legs(work):
        return Declined("SWAP_NOT_PLANNED", "the terms are not the leg's")
    theirs = [instruction for instruction in decoded if instruction.program in work.tags]
    if not work.swaps or not theirs:  # no swap, or a transaction that only prepares it or cleans up
        return None
    if len(theirs) != len(work.swaps):
        return Declined("SWAP_NOT_BOUND", f"{counted(len(theirs), 'swap')}, {len(work.swaps)} were approved")
    for instruction, terms in zip(theirs, work.swaps, strict=True):
        if (bad := _fault(owner, instruction, terms)) is not None:
            return bad
    return None


def _fault(owner: Address, call: SvmInstruction, terms: SwapTerms) -> Declined | None:
    data = call.data
    if data[:8] != SWAP or len(data) != 8 + ARGUMENTS.size or len(call.accounts) != ACCOUNTS:
        return Declined("SWAP_NOT_BOUND", "it is no swap whose arguments are known")
    given, least, limit, exact_in, a_to_b = ARGUMENTS.unpack_from(data, 8)
    (pool,) = terms.pools
    if given != terms.given.raw:
        code = "AMOUNT_ABOVE_PLAN" if given > terms.given.raw else "AMOUNT_NOT_EXACT"
        return Declined(code, f"{given} goes in, {terms.given.raw} was approved")
    if least < terms.least.raw:
        return Declined("LEAST_BELOW_PLAN", f"{least} comes out at least, {terms.least.raw} was approved")
    if data[40] != 1 or data[41] not in (0, 1) or not exact_in or any(limit):
        return Declined("ARGUMENT_NOT_KNOWN", "a price limit, or an exact output, can leave a part unswapped")
    ends = (pool.token0, pool.token1) if a_to_b else (pool.token1, pool.token0)
    if ends != (terms.given.token, terms.least.token):
        return Declined("PATH_NOT_PLANNED", f"it swaps {ends[0].symbol} for {ends[1].symbol}")
    named = [meta.address for meta in call.accounts]
    if named[2] != pool.address:
        return Declined("PATH_NOT_PLANNED", f"it goes through {named[2]}, approved was {pool.name} ({pool.address})")
    if named[0] != TOKEN_PROGRAM or named[1] != owner:
        return Declined("RECIPIENT_NOT_SELF", "another owner, or another token program")

    own = [associated(owner, token.address, TOKEN_PROGRAM) for token in (pool.token0, pool.token1)]
    if [named[3], named[5]] != own:
        return Declined("RECIPIENT_NOT_SELF", "what comes out would not lie in our own account")
    return None
