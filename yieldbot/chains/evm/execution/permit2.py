"""Permit2's allowances: Permit2 has an allowance from us, and in turn lets a further contract take our tokens.

Source: Permit2's IAllowanceTransfer. ``approve(token, spender, amount, expiration)`` replaces an older allowance, so
nothing is set to zero first; transfers reduce it.
"""

from __future__ import annotations

from collections.abc import Iterable

from yieldbot.chains.evm.execution.account import LegWork
from yieldbot.chains.evm.execution.balances import abi_word
from yieldbot.chains.evm.execution.erc7730 import date
from yieldbot.chains.evm.execution.swaps import MOST_DEADLINE_SECONDS
from yieldbot.chains.evm.node.client import Node
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined
from yieldbot.model.tx import Allowance, EvmCall, UnsignedTx

PERMIT = bytes.fromhex("87517c45")  # approve(address,address,uint160,uint48)
PERMITTED = bytes.fromhex("927da105")  # allowance(address,address,address)
NAME = "Permit2"


def onward(calls: Iterable[EvmCall]) -> tuple[Allowance, ...]:
    """The allowances of these calls whose spender is Permit2, each once."""
    found = (call.allowance for call in calls if call.allowance is not None and call.allowance.onward is not None)
    return tuple(dict.fromkeys(found))


def permit_call(need: Allowance, raw: int, name: str) -> EvmCall:
    """The call that sets Permit2's allowance for the onward spender to ``raw`` base units; 0 revokes it. name: the
    spender's, for the description."""
    assert need.onward is not None
    ends = need.onward.expires_at if raw else 0
    data = PERMIT + abi_word(need.token.address) + abi_word(need.onward.spender) + _abi_number(raw) + _abi_number(ends)
    amount = Amount(need.token, raw)
    description = (
        f"let {name} take exactly {amount} by {NAME}, until {date(ends)}"
        if raw
        else f"take back what {NAME} lets {name} take of {need.token.symbol}"
    )
    return EvmCall(need.spender, data, 0, description)


async def fetch_permitted(node: Node, owner: Address, need: Allowance) -> int:
    """What the onward spender may take at the newest block, in base units, even if that has expired."""
    assert need.onward is not None
    calldata = PERMITTED + abi_word(owner) + abi_word(need.token.address) + abi_word(need.onward.spender)
    return int.from_bytes((await node.call(need.spender, calldata))[:32], "big")


async def still_permitted(node: Node, owner: Address, calls: Iterable[EvmCall]) -> Declined | None:
    """The refusal (ALLOWANCE_LEFT) if Permit2 still allows a spender of these calls something; None if not."""
    for need in onward(calls):
        if left := await fetch_permitted(node, owner, need):
            assert need.onward is not None
            message = f"{Amount(need.token, left)} stay allowed to {need.onward.spender} by {NAME}"
            return Declined("ALLOWANCE_LEFT", message)
    return None


def is_permit(work: LegWork, tx: UnsignedTx) -> bool:
    """Whether a transaction sets a Permit2 allowance that a call of the leg needs."""
    return tx.data[:4] == PERMIT and any(need.spender.lower() == tx.to.lower() for need in onward(work.calls))


def permits_nothing(tx: UnsignedTx) -> bool:
    """Whether a transaction that sets a Permit2 allowance sets it to zero."""
    return len(tx.data) == 4 + 4 * 32 and not any(tx.data[68:100])


def permit_fault(work: LegWork, tx: UnsignedTx, now: int) -> Declined | None:
    """Why a transaction that sets a Permit2 allowance must not be signed; None if it may be. Pure.

    The allowance must be of the leg's token, for one of its spenders, of exactly the amount that a call consumes, and
    expire within MOST_DEADLINE_SECONDS of ``now`` (unix seconds); or it must be zero.
    """
    if len(tx.data) != 4 + 4 * 32 or any(tx.data[4:16]) or any(tx.data[36:48]):
        return Declined("CALLDATA_MALFORMED", "the bytes are not an exact call of Permit2's approve")
    token, spender = "0x" + tx.data[16:36].hex(), "0x" + tx.data[48:68].hex()
    raw, ends = (int.from_bytes(tx.data[at : at + 32], "big") for at in (68, 100))
    if token != work.leg.amount.token.address.lower():
        return Declined("ALLOWANCE_NOT_EXACT", f"{token} is not the token of the leg")
    if spender not in {allowed.lower() for allowed in work.spenders}:
        return Declined("SPENDER_NOT_ALLOWED", f"{spender} is no spender of {work.market.name}")
    if raw == 0:
        return None
    if not now < ends <= now + MOST_DEADLINE_SECONDS:
        return Declined("DEADLINE_NOT_NEAR", f"an allowance until {ends}, {MOST_DEADLINE_SECONDS} s are allowed")
    needs = {(n.onward.spender.lower(), n.raw, n.onward.expires_at) for n in onward(work.calls) if n.onward}
    if raw > work.leg.amount.raw or (spender, raw, ends) not in needs:
        return Declined("ALLOWANCE_NOT_EXACT", f"an allowance of {raw} that no call of the leg consumes")
    return None


def _abi_number(value: int) -> bytes:
    return value.to_bytes(32, "big")
