"""Settles what earlier runs left open: every signed transaction gets an outcome before anything new is signed.

There is no recovery mode: each run begins this way. For our transactions that share a nonce: if one was mined, its
outcome. If a foreign transaction used the nonce: Replaced. If the nonce is unused: the same bytes are sent again while
the approval is valid, else the nonce is cancelled. If the chain has not reached the nonce: ``nonces.given_up``.
"""

from __future__ import annotations

from dataclasses import replace

from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.confirm import FOREIGN_POLLS, confirm, fetch_inclusion
from yieldbot.chains.evm.execution.nonces import cancelled, clear_leftovers, given_up, left_over
from yieldbot.chains.evm.execution.submit import in_pool, submit
from yieldbot.errors import PendingError
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
    outcomes: list[Outcome] = list(await clear_leftovers(account))
    for group in _by_nonce(account):
        outcomes += await _settle_nonce(account, group)
    return tuple(outcomes)


async def read_outcomes(account: Account) -> tuple[tuple[Outcome, ...], tuple[str, ...]]:
    """Record the outcomes that the chain shows by now, without a key: nothing is signed, and nothing is sent again.

    Returns them, and for each transaction that stays open why, in one line. Raises InvariantError if balances did not
    change as simulated: the account is then stopped.
    """
    polls = replace(account.settings, confirm_timeout_seconds=FOREIGN_POLLS * account.settings.poll_seconds)
    reading = replace(account, settings=polls, halted=lambda: "only outcomes are read")  # confirm then sends nothing
    outcomes, waits = list[Outcome](), list[str]()
    for group in _by_nonce(account):
        newest = group[-1].signed
        observed = await fetch_inclusion(account, group)
        if observed.mined is None and not observed.nonce_taken:
            ended = account.now() >= newest.expires_at
            what = "its approval has ended: `yieldbot run` cancels it" if ended else "`yieldbot run` sends it again"
            waits.append(f"{newest.hash} ({newest.words}) is not mined: {what}")
            continue
        try:
            outcomes += await confirm(reading, group)
        except PendingError as pending:
            waits.append(str(pending))
    mined = await account.node.nonce(account.owner) if (left := left_over(account)) else 0
    waits += [
        f"{tx.signed.hash} ({tx.signed.words}) can be mined now and must be cancelled: `yieldbot run` does that"
        for tx in left
        if tx.signed.nonce <= mined
    ]
    return tuple(outcomes), tuple(waits)


def _by_nonce(account: Account) -> list[list[StoredTx]]:
    """The account's open transactions, with expired ones of the same nonces, by nonce and in order of signing."""
    chain, owner = account.settings.chain, account.owner
    groups: dict[int, list[StoredTx]] = {tx.signed.nonce: [] for tx in account.journal.open_transactions(chain, owner)}
    for tx in account.journal.transactions(chain, owner) if groups else ():
        if tx.signed.nonce in groups and (tx.outcome is None or isinstance(tx.outcome, Expired)):
            groups[tx.signed.nonce].append(tx)
    return [groups[nonce] for nonce in sorted(groups)]


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
