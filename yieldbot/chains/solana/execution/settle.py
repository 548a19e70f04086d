"""Settles what earlier runs left open: every signed transaction gets an outcome before anything new is signed.

There is no recovery mode: each run begins this way.
"""

from __future__ import annotations

from dataclasses import replace

from yieldbot.chains.solana.execution.account import Account
from yieldbot.chains.solana.execution.confirm import confirm
from yieldbot.chains.solana.execution.submit import may_send, submit
from yieldbot.errors import PendingError
from yieldbot.execution.halt import refuse_if_halted
from yieldbot.model.tx import Outcome


async def settle(account: Account) -> tuple[Outcome, ...]:
    """Settle the account's open transactions, in order of signing; returns their outcomes.

    While the approval and the blockhash are valid, the bytes are sent again; else they are only waited for. Raises
    PendingError while one stays open, InvariantError, SafetyError HALTED.
    """
    refuse_if_halted(account.halted())
    outcomes = []
    for tx in account.journal.open_transactions(account.settings.chain, account.owner):
        if await account.nodes.landed(tx.signed.hash, history=True) is None and may_send(account, tx):
            await submit(account, tx)
        outcomes.append(await confirm(account, tx))
    return tuple(outcomes)


async def read_outcomes(account: Account) -> tuple[tuple[Outcome, ...], tuple[str, ...]]:
    """Record the outcomes that the cluster shows by now; nothing is sent again.

    Returns them, and for each transaction that stays open why, in one line. Raises InvariantError if balances did not
    change as simulated: the account is then stopped.
    """
    once = replace(account.settings, confirm_timeout_seconds=0.0)
    reading = replace(account, settings=once, halted=lambda: "only outcomes are read")  # confirm then sends nothing
    outcomes, waits = list[Outcome](), list[str]()
    for tx in account.journal.open_transactions(account.settings.chain, account.owner):
        try:
            outcomes.append(await confirm(reading, tx))
        except PendingError as pending:
            waits.append(str(pending))
    return tuple(outcomes), tuple(waits)
