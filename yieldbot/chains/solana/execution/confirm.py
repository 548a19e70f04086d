"""Waits for a sent transaction's outcome. The same bytes are sent again until they are final or can no longer land.

A transaction is Expired once the chain has finalised a block beyond its last valid height and a quorum of nodes finds
no trace of it in all their history: it can then never land.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from yieldbot.chains.solana.execution.account import Account
from yieldbot.chains.solana.execution.submit import may_send, submit
from yieldbot.chains.solana.node.answers import Landed
from yieldbot.chains.solana.node.quorum import DEPTH
from yieldbot.errors import InvariantError, PendingError, TransientError
from yieldbot.execution.deltas import real_fault
from yieldbot.journal.fold import StoredTx
from yieldbot.journal.journal_entries import AccountStopped, JournalEntry, TxNoted, TxSettled
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.ids import Address
from yieldbot.model.known import WRAPPED_SOL
from yieldbot.model.tx import Confirmed, Delta, Expired, Outcome, Reverted

AGAIN_SECONDS = 2.0
"""Pause before the same bytes are sent again: leaders change every 1.6 s and drop what they could not include."""


async def confirm(account: Account, tx: StoredTx) -> Outcome:
    """Wait until the transaction is final or can no longer land, and settle it in the journal.

    Raises PendingError after the timeout, InvariantError if balances changed otherwise than simulated (the account is
    then stopped).
    """
    deadline = time.monotonic() + account.settings.confirm_timeout_seconds
    sent_at = time.monotonic()
    observed: Landed | None = None
    trouble = "it has not landed yet"
    while True:
        try:
            now = await account.nodes.landed(tx.signed.hash, history=observed is None and tx.attempts > 1)
            if observed is not None and (now is None or now.slot != observed.slot):
                note = f"its slot {observed.slot} was taken back: the cluster went on with another fork"
                account.journal.append(TxNoted(tx.signed.chain, account.owner, tx.signed.hash, note))
            observed = now
            if now is not None:
                trouble = f"it landed but is only {now.commitment} ({account.settings.finality})"
                if DEPTH.get(now.commitment, 0) >= DEPTH[finality(account)]:
                    return await _settled(account, tx)
            elif await _can_land_no_more(account, tx):
                expired = Expired(tx.signed.hash, "it did not land before its blockhash was too old")
                account.journal.append(TxSettled(tx.signed.chain, account.owner, expired))
                return expired
            elif time.monotonic() - sent_at >= AGAIN_SECONDS and may_send(account, tx):
                await submit(account, tx)
                sent_at = time.monotonic()
        except TransientError as failure:
            trouble = str(failure)
        if time.monotonic() >= deadline:
            raise PendingError(f"{tx.signed.hash} ({tx.signed.words}): {trouble}; run again to settle it")
        await asyncio.sleep(account.settings.poll_seconds)


def finality(account: Account) -> str:
    """The commitment that an outcome needs by the chain's settings: processed, confirmed or finalized."""
    setting = str(account.settings.finality)
    return setting if setting in DEPTH else "finalized"


async def _can_land_no_more(account: Account, tx: StoredTx) -> bool:
    terms = tx.signed.svm
    assert terms is not None  # entries of Solana transactions have them
    if await account.nodes.height("finalized") <= terms.last_valid_height:
        return False
    return await account.nodes.unknown(tx.signed.hash)


async def _settled(account: Account, tx: StoredTx) -> Outcome:
    landed = await account.nodes.transaction(tx.signed.hash, finality(account))
    if landed is None:
        raise TransientError("its balances cannot be read yet")
    signed, meta = tx.signed, landed["meta"]
    slot = BlockRef(signed.chain, int(landed["slot"]), "", int(landed.get("blockTime") or 0))
    units = int(meta.get("computeUnitsConsumed") or 0)
    entries: list[JournalEntry] = []
    fault: str | None = None
    outcome: Outcome
    if meta.get("err") is None:
        tokens = [delta.token for delta in signed.predicted]
        deltas, before = changes_in_meta(landed, signed.raw, account.owner, tokens)
        outcome = Confirmed(signed.hash, slot, units, 0, deltas, int(meta["fee"]))
        fault = real_fault(signed.predicted[:-1], deltas, before, account.tolerance_bps)
    else:
        outcome = Reverted(signed.hash, slot, units, _why(account, meta), int(meta["fee"]))
    entries.append(TxSettled(signed.chain, account.owner, outcome))
    if fault is not None:
        fault = f"{signed.words}: {fault}"
        entries.append(AccountStopped(signed.chain, account.owner, fault, signed.hash))
    account.journal.append(*entries)  # in one transaction: the journal must never hold the outcome without the stop
    if fault is not None:
        raise InvariantError(
            f"account {account.owner} on {signed.chain} is stopped: {fault}; look at {signed.hash}, then clear it"
        )
    return outcome


def changes_in_meta(
    landed: Mapping[str, Any], raw: bytes, owner: Address, tokens: Sequence[Token]
) -> tuple[tuple[Delta, ...], dict[Token, int]]:
    """(our balance changes by a landed transaction, the balances before it), from its meta. Pure.

    landed: the result of ``getTransaction``. raw: the signed bytes. tokens: those whose changes were predicted, the
    wallet's own lamports last. The change of wrapped SOL is that of all our SOL: the lamports of the wallet and of our
    token accounts, without the fee.
    """
    from solders.transaction import VersionedTransaction

    meta = landed["meta"]
    keys = [str(key) for key in VersionedTransaction.from_bytes(raw).message.account_keys]
    loaded = meta.get("loadedAddresses") or {}
    keys += [*loaded.get("writable", ()), *loaded.get("readonly", ())]
    pre, post = meta["preBalances"], meta["postBalances"]
    sums: dict[str, list[int]] = {}
    ours = {owner}
    for position, name in enumerate(("preTokenBalances", "postTokenBalances")):
        for one in meta.get(name) or ():
            if one.get("owner") == owner:
                sums.setdefault(one["mint"], [0, 0])[position] += int(one["uiTokenAmount"]["amount"])
                ours.add(Address(keys[one["accountIndex"]]))
    at = keys.index(owner)
    sol = int(meta["fee"]) + sum(
        post[i] - pre[i] for i, key in enumerate(keys) if key in ours or (pre[i] == 0) != (post[i] == 0)
    )
    deltas, before = [], {}
    for token in tokens[:-1]:
        old, new = sums.get(token.address, [0, 0])
        is_sol = token.address == WRAPPED_SOL
        deltas.append(Delta(token, sol if is_sol else new - old))
        before[token] = pre[at] if is_sol else old
    return (*deltas, Delta(tokens[-1], post[at] - pre[at])), before


def _why(account: Account, meta: Mapping[str, Any]) -> str:
    """Why a landed transaction failed: the adapter's message for the program's error number, else the last log line
    about an error."""
    logs = [str(line) for line in meta.get("logMessages") or ()]
    failed = next((line for line in reversed(logs) if " failed: custom program error: " in line), None)
    if failed is not None:
        program, code = failed.split()[1], failed.rsplit(" ", 1)[1]
        known = account.explain(Address(program), int(code, 16))
        return known or failed
    return next((line for line in reversed(logs) if "failed" in line or "Error" in line), str(meta.get("err")))
