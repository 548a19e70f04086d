"""Signing, journalling and sending, in this order. A node's answer to sending is noted and never taken as the
outcome."""

from __future__ import annotations

from collections.abc import Mapping

from yieldbot.chains.evm.execution.account import Account
from yieldbot.errors import NodeRefused, SignerRefused, TransientError
from yieldbot.journal.fold import StoredTx
from yieldbot.journal.journal_entries import TxNoted, TxSent, TxSigned
from yieldbot.model.plan import Declined
from yieldbot.model.tx import ApprovedTx, SignedTx


def sign(account: Account, approved: ApprovedTx) -> SignedTx | Declined:
    """Have the account's signer sign. Declined if the person refuses at the device, or if the kill switch was set or
    the approval expired meanwhile (devices and passphrases can take minutes); the signature is then dropped.

    Raises what the signer raises.
    """
    try:
        signed = account.signer.sign(approved)
    except SignerRefused as no:
        return Declined(no.code, f"{approved.simulated.tx.description}: {no.reason}")
    if (reason := account.halted()) is not None:
        return Declined("HALTED", f"yieldbot was halted on the way ({reason}): `yieldbot resume` lifts it")
    if account.now() >= approved.expires_at:
        return Declined("EXPIRED", f"the approval ended before {approved.simulated.tx.description} was signed")
    return signed


def record(account: Account, signed: SignedTx, replaces: str | None = None) -> StoredTx:
    """Put the signed bytes into the journal. Nothing may be sent before this returns."""
    simulated = signed.approved.simulated
    tx = simulated.tx
    account.journal.append(
        TxSigned(
            chain=tx.chain,
            owner=tx.sender,
            plan_id=tx.plan_id,
            leg=tx.leg,
            market_id=tx.market_id,
            hash=signed.hash,
            raw=signed.raw,
            nonce=tx.nonce,
            gas=tx.gas,
            max_fee_wei=tx.max_fee_wei,
            priority_fee_wei=tx.priority_fee_wei,
            words=tx.description,
            expires_at=signed.approved.expires_at,
            simulated_at=simulated.block,
            predicted=simulated.deltas,
            replaces=replaces,
            given=None if simulated.given is None else tuple(sorted(simulated.given)),
        )
    )
    return stored(account, signed.hash)


def stored(account: Account, tx_hash: str) -> StoredTx:
    """A transaction in the journal, with what is known of it now."""
    found = account.journal.transaction(tx_hash)
    assert found is not None
    return found


async def submit(account: Account, tx: StoredTx) -> None:
    """Send a journalled transaction once. Raises nothing, whatever the node answers or if it does not answer.

    A refusal ("already known", "nonce too low", "underpriced") or a lost answer is noted in the journal; ``confirm``
    then finds by hash and nonce what became of the transaction.
    """
    signed = tx.signed
    attempt = stored(account, signed.hash).attempts + 1
    account.journal.append(TxSent(signed.chain, signed.owner, signed.hash, attempt))
    try:
        await account.node.request("eth_sendRawTransaction", ["0x" + signed.raw.hex()])
    except NodeRefused as refusal:
        account.journal.append(TxNoted(signed.chain, signed.owner, signed.hash, f"attempt {attempt}: {refusal}"))
    except TransientError as lost:
        account.journal.append(TxNoted(signed.chain, signed.owner, signed.hash, f"attempt {attempt}: {lost}"))


async def in_pool(account: Account, tx_hash: str) -> bool:
    """Whether the node knows the transaction, pending or mined."""
    return isinstance(await account.node.request("eth_getTransactionByHash", [tx_hash]), Mapping)
