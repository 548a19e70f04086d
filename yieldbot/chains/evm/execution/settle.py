"""Settles what earlier runs left open: every signed transaction gets an outcome before anything new is signed.

There is no recovery mode: each run begins this way. For our transactions that share a nonce: if one was mined, its
outcome. If a foreign transaction used the nonce: Replaced. If the nonce is unused: the same bytes are sent again while
the approval is valid, else the nonce is cancelled. If the chain has not reached the nonce: ``nonces.given_up``.
"""

from __future__ import annotations

from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.confirm import confirm, fetch_inclusion
from yieldbot.chains.evm.execution.nonces import cancelled, clear_leftovers, given_up
from yieldbot.chains.evm.execution.submit import in_pool, submit
from yieldbot.execution.halt import refuse_if_halted
from yieldbot.journal.fold import StoredTx
from yieldbot.model.tx import Expired, Outcome


async def settle(account: Account) -> tuple[Outcome, ...]:
    """Settle the account's open transactions, lowest nonce first; returns their outcomes, within a nonce in order of
    signing.

    Raises PendingError while one stays open, InvariantError if balances did not change as simulated, SafetyError HALTED
    while the kill switch is set.
    """
    refuse_if_halted(account.halted())
    chain, owner = account.settings.chain, account.owner
    outcomes: list[Outcome] = list(await clear_leftovers(account))
    groups: dict[int, list[StoredTx]] = {tx.signed.nonce: [] for tx in account.journal.open_transactions(chain, owner)}
    for tx in account.journal.transactions(chain, owner):
        if tx.signed.nonce in groups and (tx.outcome is None or isinstance(tx.outcome, Expired)):
            groups[tx.signed.nonce].append(tx)
    for nonce in sorted(groups):
        outcomes += await _settle_nonce(account, groups[nonce])
    return tuple(outcomes)


async def _settle_nonce(account: Account, group: list[StoredTx]) -> tuple[Outcome, ...]:
    observed = await fetch_inclusion(account, group)
    newest = group[-1]
    if not observed.nonce_taken and observed.mined is None:
        if await account.node.nonce(account.owner) < newest.signed.nonce:
            outcomes = await given_up(account, group)
            if outcomes is not None:
                return outcomes
        if account.now() >= newest.signed.expires_at:
            cancel = await cancelled(account, newest)
            await submit(account, cancel)
            group = [*group, cancel]
        elif not await in_pool(account, newest.signed.hash):
            await submit(account, newest)
    return await confirm(account, group)
