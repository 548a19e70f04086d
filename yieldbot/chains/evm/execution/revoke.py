"""Revokes allowances: rehearsed together on a fork, then one transaction each, through the stages of every
transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from yieldbot.chains.allowances import GrantedAllowance
from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.build import TxContext, revocation
from yieldbot.chains.evm.execution.fees import fetch_fees
from yieldbot.chains.evm.execution.judge import Rules, judge_revocation
from yieldbot.chains.evm.execution.on_fork import impersonate, mined, would_revert
from yieldbot.chains.evm.execution.rehearsal import RehearsedTx
from yieldbot.chains.evm.execution.rollup import charge, rehearsed_gas, short_of_native
from yieldbot.chains.evm.execution.simulate import simulate_tx
from yieldbot.chains.evm.execution.transact import transact
from yieldbot.errors import NodeRefused
from yieldbot.execution.gate import barred
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import MarketId, evm_number
from yieldbot.model.plan import Declined
from yieldbot.model.tx import Outcome


async def rehearse_revocations(
    account: Account, given: Sequence[GrantedAllowance], block: BlockRef
) -> list[RehearsedTx | Declined]:
    """Every revocation on one fork of ``block``, in order: its gas, or why it would fail."""
    fees = await fetch_fees(account, block)
    if isinstance(fees, Declined):
        return [fees] * len(given)
    priced = {"maxFeePerGas": hex(fees.max_fee_wei), "maxPriorityFeePerGas": hex(fees.priority_fee_wei)}
    found: list[RehearsedTx | Declined] = []
    async with account.fork(block) as fork:
        await impersonate(fork, account.owner)
        for one in given:
            call = revocation(one)
            fields = {"from": account.owner, "to": call.to, "data": "0x" + call.data.hex(), "value": "0x0"}
            try:
                needed = int(await fork.request("eth_estimateGas", [fields]), 16)
            except NodeRefused as refusal:
                found.append(would_revert(account, call.description, refusal))
                continue
            limit, fee = await rehearsed_gas(account, fork, call, needed, fees)
            if (short := await short_of_native(account, fork, limit * fees.max_fee_wei, fee)) is not None:
                found.append(short)
                continue
            receipt = await mined(account, fork, fields | priced | {"gas": hex(limit)}, call.description)
            if isinstance(receipt, Declined):
                found.append(receipt)
            else:
                await charge(account, fork, fee, int(receipt["effectiveGasPrice"], 16))
                found.append(RehearsedTx(call, int(receipt["gasUsed"], 16), limit, fee))
    return found


async def revoke(account: Account, given: GrantedAllowance, index: int, rehearsed: RehearsedTx) -> Outcome | Declined:
    """Revoke one allowance. index: its position among those of this run. rehearsed: its result on the fork. Refusals
    are values; see ``execute_leg`` for what is raised."""
    if (refused := barred(account)) is not None:
        return refused
    chain = account.settings.chain
    named = hashlib.sha256(f"{chain} {account.owner} {given.token.address} {given.spender}".encode()).hexdigest()[:8]
    market = MarketId(f"allowance/{evm_number(chain)}/{given.token.address.lower()}")
    context = TxContext(chain, account.owner, f"revoke-{named}", index, market)
    return await transact(
        account,
        context,
        revocation(given),
        rehearsed.gas_limit,
        simulate=lambda tx: simulate_tx(account, tx, None, ((given.token, given.spender),), tokens=(given.token,)),
        judge=lambda simulated: judge_revocation(Rules.of(account), given, simulated),
    )
