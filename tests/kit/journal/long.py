"""Writes a long journal directly, as an operator's would be: with valid hashes, in a minute for a million rows.

Each account is observed every half hour and its cycle's end is noted; every third day a plan is carried out in two
transactions, and every sixth hour one waits in vain and expires.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import astuple, replace
from itertools import islice
from pathlib import Path

from tests.kit.journal.store import plan, signed
from yieldbot.journal.entry_codec import encode
from yieldbot.journal.journal_entries import (
    JournalEntry,
    Observed,
    PlanMarked,
    PlanStatus,
    PlanWritten,
    TxSent,
    TxSettled,
)
from yieldbot.journal.observations import RecordedHolding, RecordedPrices
from yieldbot.journal.rows import COLUMNS, GENESIS, row_digest
from yieldbot.journal.run_entries import RunEnded
from yieldbot.journal.store import Journal
from yieldbot.model import families
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.plan import Leg, LegKind, Plan
from yieldbot.model.tx import Confirmed, Delta

HALF_HOUR = 1800
FEE_RAW = 180_000 * 10**9
HOLDING_RAW = 50_000_000_000
"""What each account holds in each market, in base units, before interest."""


def write(
    path: Path, accounts: Sequence[tuple[ChainId, Address, str]], asset: Token, markets: Sequence[MarketId], rows: int,
    until: int, behind: int = 0,
) -> int:  # fmt: skip
    """A journal of ``rows`` rows of these accounts (chain, owner, wallet's name) in these two markets, which ends at
    ``until`` (unix seconds); returns how many transactions it has. behind: seconds by which the chain's clock is behind
    this machine's."""
    with Journal.open(path):
        pass
    rounds = rows // (2 * len(accounts)) + 1
    database = sqlite3.connect(path)
    database.execute("PRAGMA synchronous = OFF")
    prev, found, sent = GENESIS, list[tuple[int | str, ...]](), 0
    entries = islice(_entries(accounts, asset, markets, until - rounds * HALF_HOUR, behind), rows)
    for seq, (at, entry) in enumerate(entries, 1):
        keys, doc = encode(entry)
        body = json.dumps(doc, sort_keys=True, separators=(",", ":"))
        row = (seq, at, *astuple(keys), body, prev)
        prev = row_digest(row)
        found.append((*row, prev))
        sent += keys.kind == "tx.signed"
        if len(found) == 10_000 or seq == rows:
            database.executemany(f"INSERT INTO events ({COLUMNS}) VALUES ({', '.join('?' * 10)})", found)
            found.clear()
    database.commit()
    database.close()
    return sent


def _entries(
    accounts: Sequence[tuple[ChainId, Address, str]], asset: Token, markets: Sequence[MarketId], begin: int, behind: int
) -> Iterator[tuple[int, JournalEntry]]:
    number = 0
    at = begin
    while True:
        number += 1
        at += HALF_HOUR
        for index, (chain, owner, wallet) in enumerate(accounts):
            block = BlockRef(chain, number, f"0x{number:064x}", at - behind)
            place = number + 7 * index
            if place % 144 == 0:
                yield from ((at, one) for one in _moved(block, owner, asset, markets, place // 144 % 2))
            elif place % 12 == 0:
                stale = replace(_plan(block, owner, asset, markets, 0), id=f"{number:08x}{index:08x}")
                yield at, PlanWritten(stale, ("a call",), ("a change",))
                yield at, PlanMarked(stale.id, PlanStatus.QUEUED, "queue")
                yield at, PlanMarked(stale.id, PlanStatus.EXPIRED, "clock")
            raw = HOLDING_RAW + number * 3000
            apr, days = 0.041 + place % 9 / 1e5, 30.0
            held = RecordedHolding(held_raw=raw, apr=apr, horizon_seconds=days * 86_400, name="a market")
            yield at, Observed(
                chain, owner, block, asset=asset.address, holdings=dict.fromkeys(markets, held), idle_raw=0,
                prices=RecordedPrices(asset=1.0, native=3000.0),
            )  # fmt: skip
            yield at, RunEnded(
                chain=chain, owner=owner, plan_id="", run=f"{number:08x}", by="schedule", command="run", wallet=wallet,
                assets=(asset.symbol,), began=at, seconds=2.5, outcome="held", code="",
                reason=f"nothing earns {number % 100}.5 USDC a year more than what is held",
            )  # fmt: skip


def _plan(block: BlockRef, owner: Address, asset: Token, markets: Sequence[MarketId], first: int) -> Plan:
    part = Amount(asset, HOLDING_RAW // 10)
    legs = (Leg(LegKind.WITHDRAW, markets[first], part), Leg(LegKind.DEPOSIT, markets[1 - first], part))
    targets = {market: Amount(asset, HOLDING_RAW) for market in markets}
    base = plan("p")
    return replace(
        base, block=block, owner=owner, legs=legs, allocation=replace(base.allocation, targets=targets),
        expires_at=block.timestamp + 3600,
    )  # fmt: skip


def _moved(
    block: BlockRef, owner: Address, asset: Token, markets: Sequence[MarketId], first: int
) -> Iterator[JournalEntry]:
    name = f"{block.height:08x}{owner[2:18]}"
    made = replace(_plan(block, owner, asset, markets, first), id=name)
    yield PlanWritten(made, ("withdraw", "deposit"), ("no change",))
    yield PlanMarked(name, PlanStatus.APPROVED, "auto")
    for index, leg in enumerate(made.legs):
        tx_hash = f"0x{block.height:016x}{index:08x}{owner[2:]}"
        raw = leg.amount.raw if leg.kind is LegKind.WITHDRAW else -leg.amount.raw
        native = families.native_of(block.chain, "ETH")
        deltas = (Delta(asset, raw), Delta(native, -FEE_RAW))
        yield replace(
            signed(tx_hash, 2 * block.height + index, owner), chain=block.chain, plan_id=name, leg=index,
            market_id=leg.market_id, raw=bytes(200), simulated_at=block, predicted=deltas,
        )  # fmt: skip
        yield TxSent(block.chain, owner, tx_hash, 1)
        yield TxSettled(block.chain, owner, Confirmed(tx_hash, block, 180_000, 10**9, deltas, FEE_RAW))
    yield PlanMarked(name, PlanStatus.EXECUTED, "execution")
