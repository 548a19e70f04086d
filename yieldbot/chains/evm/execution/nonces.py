"""Which nonce to sign with, and what happens to transactions signed with a nonce that the chain has not reached.

Such a nonce gap arises when an endpoint once reports too high a nonce: the transaction cannot be mined before the
account has sent the missing ones. It is then outbid by a cancellation with the same nonce, and no longer waited for (a
leftover). As soon as the chain reaches that nonce, the cancellation is sent, before anything new is signed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.build import Fees, TxContext, bumped, cancellation, gas_limit, price
from yieldbot.chains.evm.execution.confirm import confirm
from yieldbot.chains.evm.execution.fees import fetch_priority_fee
from yieldbot.chains.evm.execution.judge import Rules, judge_cancellation
from yieldbot.chains.evm.execution.simulate import simulate_tx
from yieldbot.chains.evm.execution.submit import in_pool, record, sign, stored, submit
from yieldbot.chains.evm.signing.sign import unsigned_of
from yieldbot.errors import ConfigError, PendingError, TransientError
from yieldbot.journal.fold import StoredTx
from yieldbot.journal.journal_entries import TxNoted, TxSettled
from yieldbot.model.plan import Declined
from yieldbot.model.tx import Confirmed, Expired, Outcome, Replaced, Reverted
from yieldbot.rpc.together import together

SAME_POLLS = 3
"""Number of polls in a row that must find a nonce beyond the chain's before its transactions are given up."""


async def next_nonce(account: Account) -> int | Declined:
    """The nonce to sign with; Declined NONCE_BUSY while a transaction that is not in the journal waits in the pool.

    The nonces by the newest block's hash, by ``latest`` and by ``pending`` must be equal, each given by a quorum of the
    endpoints, so that no single inflated answer is used. Raises TransientError if they contradict each other, or if the
    node knows fewer transactions than the journal.
    """
    mined, pending = await _fetch_nonces(account)
    transactions = account.journal.transactions(account.settings.chain, account.owner)
    beyond = {tx.signed.hash for tx in leftovers(transactions)}
    used = [tx.signed.nonce for tx in transactions if tx.signed.hash not in beyond]
    if used and mined <= max(used):
        raise TransientError(
            f"{account.node.host} knows {mined} transactions of {account.owner}, the journal has settled "
            f"{max(used) + 1}: the node is behind, or serves another chain"
        )
    if pending > mined:
        return Declined("NONCE_BUSY", f"another transaction of {account.owner} waits in the node's pool")
    return mined


async def _fetch_nonces(account: Account) -> tuple[int, int]:
    """(the owner's nonce by mined transactions, the nonce that includes transactions in the pool). Raises
    TransientError if the answers contradict each other."""
    node, owner = account.node, account.owner
    block = await node.block()
    asks: tuple[str | Mapping[str, object], ...] = (
        {"blockHash": block.hash, "requireCanonical": True},
        "latest",
        "pending",
    )

    at_block, latest, pending = await together([partial(node.nonce, owner, tag) for tag in asks])
    if at_block > latest or latest > pending or (latest != at_block and await _still(account, block.hash)):
        message = f"{at_block} at block {block.height}, {latest} as the latest, {pending} with what is pending"
        raise TransientError(f"{node.host} contradicts itself about the nonce of {owner}: {message}; nothing is signed")
    return latest, pending


async def _still(account: Account, block_hash: str) -> bool:
    """Whether a block is still the newest, so that nothing was mined meanwhile."""
    return (await account.node.block()).hash == block_hash


def leftovers(transactions: Iterable[StoredTx]) -> tuple[StoredTx, ...]:
    """Transactions that were given up and whose nonce, as far as the journal knows, no transaction has used. Pure."""
    every = tuple(transactions)
    taken = {
        tx.signed.nonce for tx in every if isinstance(tx.outcome, Confirmed | Reverted | Replaced) or tx.outcome is None
    }
    return tuple(tx for tx in every if isinstance(tx.outcome, Expired) and tx.signed.nonce not in taken)


def cancels(tx: StoredTx) -> bool:
    """Whether a journalled transaction is a cancellation: an empty transfer to ourselves."""
    unsigned = unsigned_of(tx.signed, 0, 0)
    return unsigned.to.lower() == tx.signed.owner.lower() and not unsigned.data and not unsigned.value


async def given_up(account: Account, group: Sequence[StoredTx]) -> tuple[Outcome, ...] | None:
    """Give up transactions behind a nonce gap: outbid them by a cancellation and settle them as Expired. None if there
    is no gap.

    A gap must be certain: SAME_POLLS polls find the chain's nonce below theirs, at a later block than they were
    simulated at, with nothing in the pool. If the journal holds a transaction with a nonce in between, there is no gap:
    the node is behind.
    """
    nonce, signed_at = group[0].signed.nonce, max(tx.signed.simulated_at.height for tx in group)
    reached = 0
    for poll in range(SAME_POLLS):
        if poll:
            await asyncio.sleep(account.settings.poll_seconds)
        head = await account.node.block()
        reached, pending = await _fetch_nonces(account)
        if pending >= nonce or pending > reached or head.height <= signed_at:
            return None
    every = account.journal.transactions(account.settings.chain, account.owner)
    beyond = {tx.signed.hash for tx in leftovers(every)}
    if any(reached <= tx.signed.nonce < nonce and tx.signed.hash not in beyond for tx in every):
        return None
    newest = group[-1]
    try:
        cancel = None if cancels(newest) else await cancelled(account, newest)
    except (ConfigError, PendingError, TransientError) as failure:
        note = f"not outbid by a cancellation: {failure}"
        account.journal.append(TxNoted(newest.signed.chain, account.owner, newest.signed.hash, note))
    else:
        if cancel is not None:
            await submit(account, cancel)
            group = [*group, cancel]
    lacking = nonce - reached
    reason = (
        f"its nonce {nonce} was never the account's next, which is {reached}: no longer waited for; it cannot be mined "
        f"before {lacking} other transaction{'s are' if lacking > 1 else ' is'} sent, and is cancelled then"
    )
    outcomes: tuple[Outcome, ...] = tuple(Expired(tx.signed.hash, reason) for tx in group)
    account.journal.append(*(TxSettled(newest.signed.chain, account.owner, outcome) for outcome in outcomes))
    return outcomes


def left_over(account: Account) -> tuple[StoredTx, ...]:
    """The account's leftovers."""
    key = account.settings.chain, account.owner
    return leftovers(account.journal.transactions(*key)) if account.journal.gave_up(*key) else ()


async def clear_leftovers(account: Account) -> tuple[Outcome, ...]:
    """Settle leftovers whose nonce the chain has reached: send their cancellations and wait for the outcomes."""
    outcomes: list[Outcome] = []
    while True:
        groups: dict[int, list[StoredTx]] = {}
        for tx in left_over(account):
            groups.setdefault(tx.signed.nonce, []).append(tx)
        if not groups or min(groups) > (mined := await account.node.nonce(account.owner)):
            return tuple(outcomes)
        group = groups[min(groups)]
        if group[0].signed.nonce == mined:
            if not cancels(group[-1]):
                group.append(await cancelled(account, group[-1]))
                await submit(account, group[-1])
            elif not await in_pool(account, group[-1].signed.hash):
                await submit(account, stored(account, group[-1].signed.hash))
        outcomes += await confirm(account, group)


async def cancelled(account: Account, stuck: StoredTx) -> StoredTx:
    """Sign and journal the cancellation of an unwanted transaction; the caller sends it. Raises PendingError if it is
    refused."""
    signed = stuck.signed
    _, base_fee_wei = await account.node.block_and_base_fee()
    ourselves = {"from": account.owner, "to": account.owner, "value": "0x0"}
    gas = gas_limit(int(await account.node.request("eth_estimateGas", [ourselves]), 16))
    fees = price(base_fee_wei, await fetch_priority_fee(account, b"", gas), account.max_fee_wei)
    if isinstance(fees, Declined):
        raise PendingError(f"{signed.hash} ({signed.words}) must be cancelled, but {fees.reason}")
    fees = bumped(fees, Fees(signed.max_fee_wei, signed.priority_fee_wei))
    context = TxContext(signed.chain, account.owner, signed.plan_id, signed.leg, signed.market_id)
    tx = cancellation(context, signed.nonce, gas, fees, signed.words)
    simulated = await simulate_tx(account, tx, None)
    approved = simulated if isinstance(simulated, Declined) else judge_cancellation(Rules.of(account), simulated)
    cancel = approved if isinstance(approved, Declined) else sign(account, approved)
    if isinstance(cancel, Declined):
        raise PendingError(f"{signed.hash} ({signed.words}) must be cancelled, but {cancel.reason}")
    return record(account, cancel, replaces=signed.hash)
