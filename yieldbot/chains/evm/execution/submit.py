"""Write-ahead, then send. What the node answers is never taken as the outcome: the chain tells that."""

from __future__ import annotations

from collections.abc import Mapping

from yieldbot.chains.evm.execution.account import Account
from yieldbot.errors import NodeRefused, SignerRefused, TransientError
from yieldbot.journal.fold import StoredTx
from yieldbot.journal.journal_entries import TxNoted, TxSent, TxSigned
from yieldbot.model.plan import Declined
from yieldbot.model.tx import ApprovedTx, SignedTx


def sign(account: Account, approved: ApprovedTx) -> SignedTx | Declined:
    """The account's signature, or why nothing may be sent: the person at the device said no, or took too long.

    A device, or a question for a passphrase, can take minutes: what ended meanwhile ends here, and the bytes are
    dropped. Raises what the signer raises.
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
    """The journal's present view of a transaction that it holds."""
    found = account.journal.transaction(tx_hash)
    assert found is not None
    return found


async def submit(account: Account, tx: StoredTx) -> None:
    """Send the journalled bytes once. Never raises for what the node says or fails to say.

    "Already known", "nonce too low", "underpriced", a lost reply: each is noted, and what is true is found out by
    looking the hash and the nonce up (``confirm``).
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
    """Whether the node knows the transaction, mined or not."""
    return isinstance(await account.node.request("eth_getTransactionByHash", [tx_hash]), Mapping)
