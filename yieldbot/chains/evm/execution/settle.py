"""Start-up is recovery: every signed transaction without an outcome gets one before anything new is thought of.

For the transactions that share a nonce: one of them mined -> its outcome; the nonce taken by another -> Replaced; the
nonce free -> the same bytes again while the approval lives, else the nonce is taken back by a transfer of nothing; the
nonce never reached (an endpoint had inflated it) -> outbid and given up (``nonces``).
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
    """Settle the account's open transactions, oldest nonce first; the outcomes in order of signing within a nonce.

    Raises PendingError while one stays open, InvariantError when balances changed otherwise than simulated, SafetyError
    HALTED while the bot is halted.
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
