"""Transactions that share a nonce, some of them given up."""

from __future__ import annotations

from dataclasses import replace

from tests.kit.chain_double import hash_at
from tests.kit.evm.submit import approved, journalled
from tests.kit.wiring import CHAIN, NOW, OWNER, RULES, simulated, supply_tx
from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.judge import judge_cancellation
from yieldbot.chains.evm.execution.submit import stored
from yieldbot.journal.fold import StoredTx
from yieldbot.journal.journal_entries import TxSettled
from yieldbot.model.amounts import BlockRef
from yieldbot.model.tx import ApprovedTx, Confirmed, Expired, Outcome, Replaced

BLOCK = BlockRef(CHAIN, 100, hash_at(100), NOW)


def signed_under(account: Account, nonce: int, outcome: Outcome | None = None) -> StoredTx:
    tx = journalled(account, approved(nonce=nonce))
    if outcome is not None:
        account.journal.append(TxSettled(CHAIN, OWNER, replace(outcome, hash=tx.signed.hash)))
    return stored(account, tx.signed.hash)


def cancelling(account: Account, nonce: int, outcome: Outcome | None = None) -> StoredTx:
    empty = supply_tx(to=OWNER, data=b"", gas=21_000, nonce=nonce)
    approval = judge_cancellation(RULES, simulated(empty, asset_raw=0, shares_raw=0))
    assert isinstance(approval, ApprovedTx)
    tx = journalled(account, approval)
    if outcome is not None:
        account.journal.append(TxSettled(CHAIN, OWNER, replace(outcome, hash=tx.signed.hash)))
    return stored(account, tx.signed.hash)


DONE, GONE, TAKEN = Confirmed("", BLOCK, 1, 1, ()), Expired("", "given up"), Replaced("", None)
