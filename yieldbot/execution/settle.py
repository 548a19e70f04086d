"""Start-up is recovery: every signed transaction without an outcome gets one before anything new is thought of.

For the transactions that share a nonce: one of them mined -> its outcome; the nonce taken by another -> Replaced; the
nonce free -> the same bytes again while the approval lives, else the nonce is taken back by a transfer of nothing.
"""

from __future__ import annotations

from yieldbot.errors import PendingError
from yieldbot.execution.account import Account
from yieldbot.execution.approve import Rules, judge_cancellation
from yieldbot.execution.build import Fees, TxContext, bumped, cancellation, gas_limit, price
from yieldbot.execution.confirm import confirm, look
from yieldbot.execution.halt import refuse_if_halted
from yieldbot.execution.simulate import priority_fee, simulate_tx
from yieldbot.execution.submit import in_pool, record, sign, submit
from yieldbot.journal.fold import StoredTx
from yieldbot.model.plan import Declined
from yieldbot.model.tx import Outcome


async def settle(account: Account) -> tuple[Outcome, ...]:
    """Settle the account's open transactions, oldest nonce first; the outcomes in order of signing within a nonce.

    Raises PendingError while one stays open, InvariantError when balances changed otherwise than simulated, SafetyError
    HALTED while the bot is halted.
    """
    refuse_if_halted(account.halted())
    groups: dict[int, list[StoredTx]] = {}
    for tx in account.journal.open_transactions(account.settings.chain, account.owner):
        groups.setdefault(tx.signed.nonce, []).append(tx)
    outcomes: list[Outcome] = []
    for nonce in sorted(groups):
        outcomes += await _settle_nonce(account, groups[nonce])
    return tuple(outcomes)


async def _settle_nonce(account: Account, group: list[StoredTx]) -> tuple[Outcome, ...]:
    seen = await look(account, group)
    newest = group[-1]
    if not seen.nonce_taken:
        if account.now() >= newest.signed.expires_at:
            cancel = await _cancel(account, newest)
            await submit(account, cancel)
            group = [*group, cancel]
        elif not await in_pool(account, newest.signed.hash):
            await submit(account, newest)
    return await confirm(account, group)


async def _cancel(account: Account, stuck: StoredTx) -> StoredTx:
    """A journalled cancellation of a transaction whose approval has ended. Raises PendingError when it cannot be."""
    signed = stuck.signed
    _, base_fee_wei = await account.node.block_and_base_fee()
    fees = price(base_fee_wei, await priority_fee(account), account.max_fee_wei)
    if isinstance(fees, Declined):
        raise PendingError(f"{signed.hash} ({signed.words}) must be cancelled, but {fees.reason}")
    fees = bumped(fees, Fees(signed.max_fee_wei, signed.priority_fee_wei))
    context = TxContext(signed.chain, account.owner, signed.plan_id, signed.leg, signed.market_id)
    ourselves = {"from": account.owner, "to": account.owner, "value": "0x0"}
    gas = gas_limit(int(await account.node.request("eth_estimateGas", [ourselves]), 16))
    tx = cancellation(context, signed.nonce, gas, fees, signed.words)
    simulated = await simulate_tx(account, tx, None)
    approved = simulated if isinstance(simulated, Declined) else judge_cancellation(Rules.of(account), simulated)
    cancel = approved if isinstance(approved, Declined) else sign(account, approved)
    if isinstance(cancel, Declined):
        raise PendingError(f"{signed.hash} ({signed.words}) must be cancelled, but {cancel.reason}")
    return record(account, cancel, replaces=signed.hash)
