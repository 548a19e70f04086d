"""Reads the history of an account on Solana: balance changes between two of our transactions were made by others.

Past slots cannot be read, but each landed transaction states the balances before and after it. So what others sent or
took is known exactly, but not who did it nor in which slot. Prices come from what runs recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from yieldbot.books.chain_record import ChainRecord, WalletCheck, reconciled, wallet_sums
from yieldbot.books.entries import Account, Entry, EntryKind, in_order, receipts
from yieldbot.chains.ports import AccountHistoryRequest
from yieldbot.chains.solana.node.connect import connect
from yieldbot.chains.solana.node.quorum import Quorum
from yieldbot.chains.solana.observe import observe
from yieldbot.errors import TransientError
from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.known import WRAPPED_SOL
from yieldbot.model.market import Snapshot
from yieldbot.model.native import native_token
from yieldbot.model.settings import Job
from yieldbot.model.tx import Delta
from yieldbot.protocols import svm_adapters
from yieldbot.rpc.together import together

AT_ONCE = 8
"""Most requests under way at one time."""


@dataclass(frozen=True, slots=True)
class Balances:
    """Our balances before and after one transaction, in base units by mint (lamports under the native token's
    address)."""

    before: Mapping[Address, int]
    """Base units by mint before the transaction."""
    after: Mapping[Address, int]
    """Base units by mint after the transaction."""


async def fetch_account_history(
    jobs: Sequence[Job], entries: Sequence[Entry], request: AccountHistoryRequest
) -> ChainRecord:
    """The history of the jobs' common account, from the journal and the cluster's record of its transactions. Raises
    TransientError when the cluster cannot be served."""
    snapshots = request.snapshots
    settings, owner = jobs[0].chain, jobs[0].wallet.address
    account, native = (settings.chain, owner), native_token(settings)
    async with connect(settings) as nodes:
        await nodes.verify_chain()
        if snapshots is None:
            snapshots = [await observe(nodes, job, svm_adapters()) for job in jobs]
        balances = await _fetch_balances(nodes, entries, owner, native)
    newest = max(snapshots, key=lambda snapshot: snapshot.block.height)
    now = _now(snapshots, newest, native)
    mine = [entry for entry in entries if entry.kind is not EntryKind.OPENING or entry.market_id is not None]
    every, known = _with_gaps(account, mine, balances, now, native)
    forgotten = sum(entry.hash not in balances for entry in mine if entry.hash)
    sums = wallet_sums(every)
    checks = tuple(
        WalletCheck(token, sums.get(token, 0), raw, token in known)
        for token, raw in now.items()
        if raw or sums.get(token, 0)
    )
    shares = {s.share_token for snapshot in snapshots for s in snapshot.states.values() if s.share_token}
    every = reconciled(every, checks, account, newest.block, frozenset(receipts(entries)) | shares)
    return ChainRecord(
        account=account,
        block=newest.block,
        since=min((entry.height for entry in mine if entry.hash), default=newest.block.height),
        entries=every,
        quotes={},
        checks=checks,
        snapshots=tuple(zip(jobs, snapshots, strict=True)),
        notes=(f"the node no longer knows {forgotten} of our transactions",) if forgotten else (),
    )


def _now(snapshots: Sequence[Snapshot], newest: Snapshot, native: Token) -> dict[Token, int]:
    """The wallet's balances by the snapshots: each asset, each market's share token, and lamports."""
    now = {native: newest.native_balance_raw}
    for snapshot in snapshots:
        for state in snapshot.states.values():
            if state.market.id.startswith("idle/") and state.market.asset.address != WRAPPED_SOL:
                now[state.market.asset] = state.held.raw
            if state.share_token is not None:
                now[state.share_token] = state.shares
    return now


async def _fetch_balances(
    nodes: Quorum, entries: Sequence[Entry], owner: Address, native: Token
) -> dict[str, Balances]:
    """Balances around each of our transactions that the nodes still know."""

    async def one(signature: str) -> Balances | None:
        try:
            balances = await nodes.transaction(signature, "confirmed")
            return None if balances is None else balances_in(balances, owner, native)
        except (TransientError, IndexError, KeyError, TypeError, ValueError):
            return None

    signatures = [entry.hash for entry in entries if entry.hash]
    answers = await together([partial(one, signature) for signature in signatures], AT_ONCE)
    return {signature: found for signature, found in zip(signatures, answers, strict=True) if found is not None}


def balances_in(balances: Mapping[str, Any], owner: Address, native: Token) -> Balances:
    """Our balances from a landed transaction's meta. The transaction is ours, so the first account is ours."""
    meta = balances["meta"]
    found: list[dict[Address, int]] = []
    for lamports, tokens in (("preBalances", "preTokenBalances"), ("postBalances", "postTokenBalances")):
        sums = {native.address: int(meta[lamports][0])}
        for one in meta.get(tokens) or ():
            if one.get("owner") == owner and one["mint"] != WRAPPED_SOL:
                mint = Address(one["mint"])
                sums[mint] = sums.get(mint, 0) + int(one["uiTokenAmount"]["amount"])
        found.append(sums)
    before, after = found
    mints = sorted(before.keys() | after.keys())  # rows made of them come in one order
    return Balances({mint: before.get(mint, 0) for mint in mints}, {mint: after.get(mint, 0) for mint in mints})


def _with_gaps(
    account: Account,
    entries: Sequence[Entry],
    balances: Mapping[str, Balances],
    now: Mapping[Token, int],
    native: Token,
) -> tuple[tuple[Entry, ...], frozenset[Token]]:
    """(the entries, preceded by the opening balances, with one more for each balance change between two of them; the
    tokens whose opening balance is known). Pure."""
    tokens = {token.address: token for token in now}
    tokens |= {d.token.address: d.token for entry in entries for d in entry.changes}
    last: dict[Address, int] = {}
    shares = frozenset(receipts(entries))
    found: list[Entry] = []
    for entry in in_order(entries):
        around = balances.get(entry.hash)
        if around is not None:
            new = [(tokens[m], raw) for m, raw in around.before.items() if m in tokens and m not in last and raw]
            gaps = [(tokens[m], raw - last[m]) for m, raw in around.before.items() if m in tokens and m in last]
            found += _made(account, EntryKind.OPENING, entry, "held before the first transaction", new, shares, native)
            words = "between two transactions of ours: by whom is not known"
            found += _made(account, EntryKind.IN, entry, words, [g for g in gaps if g[1] > 0], frozenset(), native)
            found += _made(account, EntryKind.OUT, entry, words, [g for g in gaps if g[1] < 0], frozenset(), native)
            last |= around.after
        found.append(entry)
    return tuple(found), frozenset(tokens[mint] for mint in last if mint in tokens)


def _made(
    account: Account,
    kind: EntryKind,
    by: Entry,
    words: str,
    changes: Sequence[tuple[Token, int]],
    shares: frozenset[Token],
    native: Token,
) -> list[Entry]:
    """Entries at the time of the transaction ``by`` that show the changes; empty if nothing changed."""
    moved = tuple(Delta(token, raw) for token, raw in changes if raw)
    if not moved:
        return []
    return [
        Entry(
            account=account,
            kind=kind,
            at=by.at,
            height=by.height,
            description=words,
            changes=moved,
            shares=shares,
            native=native,
        )
    ]
