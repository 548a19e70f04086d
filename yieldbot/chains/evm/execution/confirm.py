"""Waits for a sent transaction's outcome: final by the chain's setting, with the balance changes on the chain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.balances import changes_in, given, given_fault, request_of
from yieldbot.chains.evm.execution.on_fork import replay
from yieldbot.chains.evm.execution.replace import replaced
from yieldbot.chains.evm.execution.submit import in_pool, stored, submit
from yieldbot.chains.evm.node.client import number
from yieldbot.chains.evm.rollups import fee_of_receipt
from yieldbot.chains.evm.signing.sign import unsigned_of
from yieldbot.errors import InvariantError, NodeRefused, PendingError, TransientError
from yieldbot.execution.deltas import real_fault
from yieldbot.journal.fold import StoredTx
from yieldbot.journal.journal_entries import AccountStopped, JournalEntry, TxNoted, TxSettled, TxSigned
from yieldbot.model.amounts import BlockRef
from yieldbot.model.dataclass import dataclass
from yieldbot.model.tx import Confirmed, Expired, Outcome, Replaced, Reverted

LONGEST_PAUSE_SECONDS = 30.0
"""Longest pause before bytes that the node keeps forgetting are sent again: it may refuse them because of their fee."""
MOST_L1_FEE_WEI = 10**20
"""A receipt that charges more wei than this (100 coins) in addition to the gas is not believed; an honest rollup
charges far less."""
FOREIGN_POLLS = 3
"""Number of polls in a row that must find our nonce used without a receipt of ours before a foreign transaction is
assumed: a node's receipts can lag behind its nonces."""


@dataclass(frozen=True, slots=True)
class Inclusion:
    """What one poll observed of our transactions that share a nonce."""

    mined: StoredTx | None = None
    """The transaction of ours that was mined; None: none was."""
    receipt: Mapping[str, Any] | None = None
    """The receipt of the mined transaction."""
    block: BlockRef | None = None
    """The block of the mined transaction, confirmed to be the chain's block at that height."""
    nonce_taken: bool = False
    """Whether the nonce is used, by any transaction."""
    final: bool = False
    """Whether that is final by the chain's setting."""


async def fetch_inclusion(account: Account, group: Sequence[StoredTx]) -> Inclusion:
    """Poll the node once for transactions that share a nonce. A receipt whose block was reorganised away does not
    count."""
    head = await account.node.block()
    final_height = await _final_height(account, head)
    for _ in range(2):  # a transaction may be mined between the two requests: fetch receipts again
        for tx in group:
            receipt = await account.node.request("eth_getTransactionReceipt", [tx.signed.hash])
            if isinstance(receipt, Mapping) and receipt.get("blockNumber"):
                block = await account.node.block(int(receipt["blockNumber"], 16))
                if block.hash == receipt["blockHash"]:
                    return Inclusion(tx, receipt, block, True, block.height <= final_height)
        nonce = group[0].signed.nonce
        if await account.node.nonce(account.owner) <= nonce:
            return Inclusion()
    return Inclusion(nonce_taken=True, final=await account.node.nonce(account.owner, hex(final_height)) > nonce)


async def confirm(account: Account, group: Sequence[StoredTx]) -> tuple[Outcome, ...]:
    """Wait until the nonce that ``group`` shares is used and final, and settle the whole group in the journal.

    While nothing is mined and the approval is valid, bytes that the node has forgotten are sent again, and after
    ``replace_after_seconds`` the transaction is replaced at higher fees. Returns the outcomes in the order of signing.

    Raises PendingError after ``confirm_timeout_seconds``, InvariantError if the balances did not change as simulated:
    the account is then stopped.
    """
    deadline = time.monotonic() + account.settings.confirm_timeout_seconds
    sent_at = again_at = time.monotonic()
    pause_seconds = account.settings.poll_seconds
    observed: Inclusion = Inclusion()
    foreign = 0
    trouble = "it is not mined yet"
    while True:
        try:
            now = await fetch_inclusion(account, group)
            if observed.block and observed.mined and (now.block is None or now.block.hash != observed.block.hash):
                note = f"its block {observed.block.height} {observed.block.hash} was taken back by a reorganisation"
                account.journal.append(TxNoted(group[0].signed.chain, account.owner, observed.mined.signed.hash, note))
            observed = now
            foreign = foreign + 1 if now.nonce_taken and now.mined is None else 0
            if now.final and now.mined is not None:
                return await _settled(account, group, now)
            if now.final and foreign and foreign % FOREIGN_POLLS == 0:
                if (height := await _named_in(account, group)) is None:
                    return _displaced(account, group)
                trouble = f"block {height} names it, but the node gives no receipt of it"
            elif now.mined is not None:
                trouble = f"it is mined but not final ({account.settings.finality})"
            elif not now.nonce_taken:
                trouble = "it is not mined yet"
                newest = group[-1]
                alive = account.halted() is None and account.now() < newest.signed.expires_at
                if alive and time.monotonic() - sent_at >= account.settings.replace_after_seconds:
                    group, sent_at = await replaced(account, group), time.monotonic()
                elif alive and time.monotonic() >= again_at and not await in_pool(account, newest.signed.hash):
                    await submit(account, newest)
                    pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
                    again_at = time.monotonic() + pause_seconds
        except TransientError as failure:
            trouble, foreign = str(failure), 0
        # A slow node is asked as often as a taken nonce needs to be believed, however late it is.
        if time.monotonic() >= deadline and not 0 < foreign < FOREIGN_POLLS:
            newest = stored(account, group[-1].signed.hash)
            if newest.notes and not observed.nonce_taken:
                trouble = f"{trouble} ({newest.notes[-1]})"  # for example why a node refused it
            raise PendingError(f"{newest.signed.hash} ({newest.signed.words}): {trouble}; run again to settle it")
        await asyncio.sleep(account.settings.poll_seconds)


async def _named_in(account: Account, group: Sequence[StoredTx]) -> int | None:
    """The height of the block that used the nonce, if it contains a transaction of ``group``: then only the receipt is
    missing (nodes index receipts later than blocks, and requests go to different nodes).

    The block is found by bisection over the account's nonce at earlier heights. None: the block contains none of ours,
    or the node no longer has that state.
    """
    owner, nonce = account.owner, group[0].signed.nonce
    floor = min(tx.signed.simulated_at.height for tx in group)  # at this height the nonce was unused
    used = (await account.node.block()).height
    step = 1
    try:
        while (free := max(floor, used - step)) < used and await account.node.nonce(owner, hex(free)) > nonce:
            used, step = free, 2 * step
        while used - free > 1:
            middle = (used + free) // 2
            if await account.node.nonce(owner, hex(middle)) > nonce:
                used = middle
            else:
                free = middle
        found = await account.node.request("eth_getBlockByNumber", [hex(used), False])
    except NodeRefused:
        return None
    names = found.get("transactions") if isinstance(found, Mapping) else None
    ours = {tx.signed.hash.lower() for tx in group}
    return used if ours & {str(name).lower() for name in names or ()} else None


async def finality_seconds(account: Account) -> int:
    """Approximate seconds until a transaction that is mined now is final: the age of the newest final block."""
    head = await account.node.block()
    return max(0, head.timestamp - (await account.node.block(await _final_height(account, head))).timestamp)


async def _final_height(account: Account, head: BlockRef) -> int:
    finality = account.settings.finality
    if finality == "latest":
        return head.height
    if isinstance(finality, int):
        return max(0, head.height - finality)
    return (await account.node.block(finality)).height


async def _settled(account: Account, group: Sequence[StoredTx], observed: Inclusion) -> tuple[Outcome, ...]:
    assert observed.mined is not None and observed.receipt is not None and observed.block is not None
    mined, receipt, block = observed.mined.signed, observed.receipt, observed.block
    gas_used, entries = gas_used_of(mined, receipt, account.node.host), list[JournalEntry]()
    fault: str | None = None
    outcome: Outcome
    if int(receipt["status"], 16) == 1:
        tokens = [delta.token for delta in mined.predicted]
        deltas, before = await changes_in(account.node, account.owner, tokens, block, receipt)
        gas_price_wei = int(receipt.get("effectiveGasPrice") or "0x0", 16)
        try:
            request_id = request_of(receipt, unsigned_of(mined, 0, 0).to, account.owner)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            raise TransientError(f"{account.node.host} returns events that cannot be read") from None
        outcome = Confirmed(mined.hash, block, gas_used, gas_price_wei, deltas, fee_of_receipt(receipt), request_id)
        fault = real_fault(mined.predicted, deltas, before, account.tolerance_bps)
        fault = fault or given_fault(mined.given, _given(receipt, account), mined.predicted)
    else:
        outcome = Reverted(
            mined.hash, block, gas_used, await _why(account, observed.mined, block), fee_of_receipt(receipt)
        )
    outcomes = tuple(outcome if tx.signed.hash == mined.hash else _beaten(tx, observed.mined) for tx in group)
    entries += [TxSettled(mined.chain, account.owner, each) for each in outcomes]
    if fault is not None:
        fault = f"{mined.words}: {fault}"
        entries.append(AccountStopped(mined.chain, account.owner, fault, mined.hash))
    account.journal.append(*entries)  # in one transaction: the journal must never hold the outcome without the stop
    if fault is not None:
        raise InvariantError(
            f"account {account.owner} on {mined.chain} is stopped: {fault}; look at {mined.hash}, then clear it"
        )
    return outcomes


def gas_used_of(signed: TxSigned, receipt: Mapping[str, Any], host: str) -> int:
    """The gas used by a receipt. Raises TransientError for a receipt that cannot be true: more gas than the signed
    limit, a higher price than the signed maximum, or more than MOST_L1_FEE_WEI in addition to the gas."""
    try:
        gas_used = number(receipt["gasUsed"])
        price_wei = number(receipt.get("effectiveGasPrice") or "0x0")
        for name in ("l1Fee", "operatorFeeScalar", "operatorFeeConstant"):
            number(receipt.get(name) or "0x0")
    except (KeyError, TypeError, ValueError):
        raise TransientError(f"{host} gives a receipt of {signed.hash} that cannot be read") from None
    wei = fee_of_receipt(receipt)
    beside_wei = 0 if wei is None else wei - gas_used * price_wei
    if gas_used > signed.gas or price_wei > signed.max_fee_wei or beside_wei > MOST_L1_FEE_WEI:
        message = f"{gas_used} gas at {price_wei} wei, with {beside_wei} wei beside it"
        raise TransientError(f"{host} gives a receipt of {signed.hash} that its bytes do not allow: {message}")
    return gas_used


def _given(receipt: Mapping[str, Any], account: Account) -> frozenset[str]:
    try:
        return given(receipt, account.owner)
    except (KeyError, TypeError, ValueError, IndexError):
        raise TransientError(f"{account.node.host} returns events that cannot be read") from None


def _beaten(tx: StoredTx, winner: StoredTx) -> Outcome:
    """The outcome of a transaction whose nonce another of ours used: Expired by a cancellation, else Replaced."""
    if unsigned_of(winner.signed, 0, 0).to.lower() == winner.signed.owner.lower():
        return Expired(tx.signed.hash, f"its approval had ended; cancelled by {winner.signed.hash}")
    return Replaced(tx.signed.hash, winner.signed.hash)


def _displaced(account: Account, group: Sequence[StoredTx]) -> tuple[Outcome, ...]:
    outcomes: tuple[Outcome, ...] = tuple(Replaced(tx.signed.hash, None) for tx in group)
    account.journal.append(*(TxSettled(group[0].signed.chain, account.owner, each) for each in outcomes))
    return outcomes


async def _why(account: Account, tx: StoredTx, block: BlockRef) -> str:
    """Why a mined transaction reverted, found by making its call again on the block before."""
    from eth_account.typed_transactions.typed_transaction import TypedTransaction
    from hexbytes import HexBytes

    fields = TypedTransaction.from_bytes(HexBytes(tx.signed.raw)).as_dict()
    call = {
        "from": account.owner,
        "to": "0x" + bytes(fields["to"]).hex(),
        "data": "0x" + bytes(fields["data"]).hex(),
        "gas": hex(tx.signed.gas),
    }
    return await replay(account.node, call, hex(block.height - 1), account)
