"""Simulates one transaction on a fork of the newest block, just before it is signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from yieldbot.chains.evm.execution.account import Account, LegWork
from yieldbot.chains.evm.execution.balances import (
    fetch_allowance,
    fetch_balances,
    given,
    nfts_sent,
    tokens_sent,
)
from yieldbot.chains.evm.execution.on_fork import impersonate, mined
from yieldbot.chains.evm.execution.permit2 import still_permitted
from yieldbot.chains.evm.execution.rollup import fetch_rollup_fee, short_of_native
from yieldbot.chains.evm.node.fork import fork_of_newest
from yieldbot.execution.deltas import changes
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined
from yieldbot.model.tx import Delta, SimulatedTx, UnsignedTx


async def simulate_tx(
    account: Account,
    tx: UnsignedTx,
    work: LegWork | None,
    settles: Sequence[tuple[Token, Address]] = (),
    *,
    tokens: Sequence[Token] = (),
    may_move: frozenset[Address] = frozenset(),
) -> SimulatedTx | Declined:
    """Run exactly this transaction on a fork of the newest block.

    work: the leg that it belongs to; None for a transaction without a leg. settles: (token, spender) of allowances that
    must be zero afterwards. For a transaction without a leg, tokens: whose balances are compared; may_move: contracts
    that may log a Transfer of ours; by default it may cost gas and nothing else.

    Declined when it would revert, cannot be paid for, moves a token that it should not, or leaves an allowance.
    """
    async with fork_of_newest(account.node, account.fork) as (block, fork):
        await impersonate(fork, account.owner)
        fee = await fetch_rollup_fee(account, account.node, tx, block)
        if (short := await short_of_native(account, fork, tx.gas * tx.max_fee_wei + tx.value, fee)) is not None:
            return short
        watched = (*(work.watched if work else tokens), account.native)
        before = await fetch_balances(fork, account.owner, watched)
        fields = {
            "from": tx.sender,
            "to": tx.to,
            "data": "0x" + tx.data.hex(),
            "value": hex(tx.value),
            "nonce": hex(tx.nonce),
            "gas": hex(tx.gas),
            "maxFeePerGas": hex(tx.max_fee_wei),
            "maxPriorityFeePerGas": hex(tx.priority_fee_wei),
            "chainId": hex(int(tx.chain.partition(":")[2])),
        }
        if work is None and not tx.data and tx.to.lower() == account.owner.lower():
            await fork.request(
                "anvil_setNonce", [account.owner, hex(tx.nonce)]
            )  # a cancelled nonce may be above the chain's
        receipt = await mined(account, fork, fields, tx.description)
        if isinstance(receipt, Declined):
            return receipt
        needed = int(receipt["gasUsed"], 16) + fee.l1_gas
        if needed > tx.gas:
            message = f"{tx.description}: needs {needed} gas with its data on L1, its limit is {tx.gas}"
            return Declined("WOULD_REVERT", message)
        allowed = work.may_move if work else frozenset(address.lower() for address in may_move)
        if (stray := stray_fault(receipt, account.owner, allowed)) is not None:
            return stray
        deltas = _with_least(changes(before, await fetch_balances(fork, account.owner, watched)), tx, work)
        for token, spender in settles:
            if left := await fetch_allowance(fork, token.address, account.owner, spender):
                return Declined(
                    "ALLOWANCE_LEFT", f"{tx.description}: {Amount(token, left)} would stay allowed to {spender}"
                )
        if work and settles and (left_on := await still_permitted(fork, account.owner, work.calls)) is not None:
            return Declined(left_on.code, f"{tx.description}: {left_on.reason}")
        return SimulatedTx(tx, block, int(receipt["gasUsed"], 16), deltas, given(receipt, account.owner), fee)


def _with_least(deltas: tuple[Delta, ...], tx: UnsignedTx, work: LegWork | None) -> tuple[Delta, ...]:
    """The changes, with a swap's output given the minimum out of the swap's own calldata."""
    calls = work.calls if work else ()
    least = next((c.least for c in calls if c.least and c.to.lower() == tx.to.lower() and c.data == tx.data), None)
    if least is None:
        return deltas
    return tuple(replace(d, least=least.raw) if d.token == least.token else d for d in deltas)


def stray_fault(receipt: Mapping[str, Any], owner: Address, allowed: frozenset[str]) -> Declined | None:
    """The refusal (UNKNOWN_TOKEN_MOVED) of a transaction that gave away an NFT, or a token whose contract is not in
    ``allowed`` (lower case); None if it did not."""
    stray = (tokens_sent(receipt, owner) - allowed) | nfts_sent(receipt, owner)
    if not stray:
        return None
    return Declined(
        "UNKNOWN_TOKEN_MOVED", f"tokens that the plan does not name would leave: {', '.join(sorted(stray))}"
    )
