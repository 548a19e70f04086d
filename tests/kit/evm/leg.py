"""A leg that is sent to a double of a chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.chain_double import (
    ChainDouble,
    hash_at,
    open_journal,
    receipt,
    transfer,
)
from tests.kit.evm.submit import moving
from tests.kit.wiring import (
    OWNER,
    POOL,
    RAW,
    SHARES,
    STRANGER,
    USDC,
    plan,
    supply_data,
)
from yieldbot.journal.journal_entries import PlanWritten
from yieldbot.journal.store import Journal

OURS, ITS, POOLS = USDC.address.lower(), OWNER.lower(), POOL.lower()
SET = (OURS, ITS, POOLS)
PERMITTED = (ITS, OURS, STRANGER.lower())


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        opened.append(PlanWritten(plan()))
        yield opened


def done_by(chain: ChainDouble, to: str, data: bytes) -> list[dict[str, Any]] | None:
    """The events of an approval and of the supply on the double; None for a revert."""
    if data[:4].hex() == "095ea7b3":
        chain.allowed[(to.lower(), ITS, "0x" + data[16:36].hex())] = int.from_bytes(data[36:], "big")
        return []
    if data[:4].hex() == "87517c45":
        chain.permits[(ITS, "0x" + data[16:36].hex(), "0x" + data[48:68].hex())] = int.from_bytes(data[68:100], "big")
        return []
    if chain.allowed.get(SET, 0) < RAW or data != supply_data():
        return None
    chain.allowed[SET] = 0
    if chain.permits.get(PERMITTED, RAW) == RAW:
        chain.permits[PERMITTED] = 0
    chain.tokens[(OURS, ITS)] -= RAW
    chain.tokens[(SHARES.address.lower(), ITS)] += RAW
    return [transfer(USDC.address, OWNER, POOL, RAW)]


Done = Callable[[ChainDouble, str, bytes], list[dict[str, Any]] | None]


def living(journal: Journal, done_by: Done = done_by) -> ChainDouble:
    """A double that mines each transaction at once."""
    chain = moving()
    chain.allowed = {}
    chain.effect = lambda fork, fields: done_by(fork, fields["to"], bytes.fromhex(fields["data"][2:]))

    def mine(raw: str) -> None:
        from eth_account.typed_transactions.typed_transaction import TypedTransaction
        from hexbytes import HexBytes

        read = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        chain.was[hash_at(chain.height)] = dict(chain.tokens)
        logs = done_by(chain, "0x" + bytes(read["to"]).hex(), bytes(read["data"]))
        chain.height, chain.nonce = chain.height + 1, chain.nonce + 1
        chain.was[hash_at(chain.height)] = dict(chain.tokens)
        name = journal.transactions()[-1].signed.hash
        chain.receipts[name] = receipt(name, chain.height, logs=logs or [], status=int(logs is not None))

    chain.on_send = mine
    return chain
