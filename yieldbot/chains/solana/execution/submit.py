"""Journalling and sending, in this order. A node's answer to sending is noted and never taken as the outcome."""

from __future__ import annotations

from yieldbot.chains.solana.execution.account import Account
from yieldbot.errors import NodeRefused, TransientError
from yieldbot.journal.fold import StoredTx
from yieldbot.journal.journal_entries import SvmTerms, TxNoted, TxSent, TxSigned
from yieldbot.model.solana_tx import SvmSigned


def record(account: Account, signed: SvmSigned, replaces: str | None = None, *, units: int) -> StoredTx:
    """Put the signed bytes into the journal. Nothing may be sent before this returns. units: the limit of compute
    units. repeats: the signature of the expired transaction that this one repeats."""
    simulated = signed.approved.simulated
    tx = simulated.tx
    account.journal.append(
        TxSigned(
            chain=tx.chain,
            owner=tx.payer,
            plan_id=tx.plan_id,
            leg=tx.leg,
            market_id=tx.market_id,
            hash=signed.signature,
            raw=signed.raw,
            nonce=0,
            gas=units,
            max_fee_wei=0,
            priority_fee_wei=0,
            words=tx.description,
            expires_at=signed.approved.expires_at,
            simulated_at=simulated.slot,
            predicted=simulated.deltas,
            replaces=replaces,
            svm=SvmTerms(tx.last_valid_height, tx.meaning.hex(), tx.fee_lamports),
        )
    )
    return stored(account, signed.signature)


async def submit(account: Account, tx: StoredTx) -> None:
    """Send journalled bytes once. No answer of the nodes, and no missing answer, raises anything: it is noted."""
    signed = tx.signed
    attempt = stored(account, signed.hash).attempts + 1
    account.journal.append(TxSent(signed.chain, signed.owner, signed.hash, attempt))
    try:
        await account.nodes.send(signed.raw)
    except (NodeRefused, TransientError) as failure:
        account.journal.append(TxNoted(signed.chain, signed.owner, signed.hash, f"attempt {attempt}: {failure}"))


def may_send(account: Account, tx: StoredTx) -> bool:
    """Whether a journalled transaction may be sent again: its approval is valid, and the kill switch is not set."""
    return account.halted() is None and account.now() < tx.signed.expires_at


def stored(account: Account, tx_hash: str) -> StoredTx:
    """A transaction in the journal, with what is known of it now."""
    found = account.journal.transaction(tx_hash)
    assert found is not None
    return found
