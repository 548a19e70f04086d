"""A transaction about to be confirmed, its wallet, and doubles of the nodes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from tests.kit.chain_double import open_journal, settings
from yieldbot.chains.solana.execution.account import SYSTEM, Account
from yieldbot.chains.solana.execution.build import SYSTEM_TRANSFER
from yieldbot.chains.solana.execution.judge import Rules
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.journal.fold import StoredTx
from yieldbot.journal.journal_entries import SvmTerms, TxSigned
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.ids import Address, MarketId, svm_chain
from yieldbot.model.known import WRAPPED_SOL
from yieldbot.model.settings import SvmLimits
from yieldbot.model.tx import Delta

CHAIN = svm_chain("5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp")
KEY = Keypair.from_seed(bytes([7] * 32))
OWNER, STRANGER = (Address(str(p)) for p in (KEY.pubkey(), Pubkey.from_bytes(bytes([9] * 32))))
ACCOUNT, OTHER, TABLE = (Address(str(Pubkey.from_bytes(bytes([n] * 32)))) for n in (11, 12, 13))
MINT = Address("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")
TOKEN_PROGRAM = Address("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
USDC, SOL, NATIVE = Token(CHAIN, MINT, "USDC", 6), Token(CHAIN, WRAPPED_SOL, "SOL", 9), Token(CHAIN, SYSTEM, "SOL", 9)
LIMITS = SvmLimits(max_unit_price_micro_lamports=500_000, max_fee_lamports=105_000)
RULES = Rules(CHAIN, OWNER, LIMITS)


def wallet(lamports: int) -> AccountImage:
    return AccountImage(lamports, SYSTEM, b"")


def held(owner: Address, amount: int, lamports: int, mint: Address = WRAPPED_SOL) -> AccountImage:
    key = Pubkey.from_string
    data = bytes(key(mint)) + bytes(key(owner)) + struct.pack("<Q", amount) + bytes(36 + 1 + 12 + 8 + 36)
    assert len(data) == 165
    return AccountImage(lamports, TOKEN_PROGRAM, data)


def message(*tables: AddressLookupTableAccount) -> MessageV0:
    to = Pubkey.from_string(STRANGER)
    metas = [AccountMeta(KEY.pubkey(), True, True), AccountMeta(to, False, True)]
    pay = Instruction(Pubkey.from_string(SYSTEM), SYSTEM_TRANSFER + struct.pack("<Q", 7 * 10**8), metas)
    also = Instruction(to, b"\x01", [AccountMeta(Pubkey.from_string(OTHER), False, False)])
    return MessageV0.try_compile(KEY.pubkey(), [pay, also], list(tables), Hash.default())


@dataclass
class NodesDouble:
    """A labelled double of the cluster, which knows one landed transaction."""

    told: dict[str, Any] | None
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def transaction(self, signature: str, commitment: str) -> dict[str, Any] | None:
        self.asked.append((signature, commitment))
        return self.told


RAW = bytes(VersionedTransaction(message(), [KEY]))
KEYS = [str(key) for key in VersionedTransaction.from_bytes(RAW).message.account_keys]


def told(usdc: tuple[int, int] = (9_000, 4_000), err: Any = None, **meta: Any) -> dict[str, Any]:
    """A node's answer to getTransaction: our wallet pays the fee of 5,000 lamports. usdc: base units of USDC before and
    after in our token account, which the message lists under the address STRANGER."""
    at = KEYS.index(STRANGER)
    pre = [10**9 if key == OWNER else 0 if key == SYSTEM else 1_000 for key in KEYS]
    post = [10**9 - 5_000 if key == OWNER else old for key, old in zip(KEYS, pre, strict=True)]

    def of(raw: int, owner: str = OWNER) -> dict[str, Any]:
        return {"accountIndex": at, "mint": MINT, "owner": owner, "uiTokenAmount": {"amount": str(raw)}}

    whole = {
        "err": err,
        "fee": 5_000,
        "preBalances": pre,
        "postBalances": post,
        "preTokenBalances": [of(usdc[0]), of(5, STRANGER)],
        "postTokenBalances": [of(usdc[1]), of(7, STRANGER)],
        "computeUnitsConsumed": 1_234,
        "logMessages": ["Program X invoke [1]", f"Program {ACCOUNT} failed: custom program error: 0x1771"],
    }
    return {"slot": 55, "blockTime": 1_700_000_000, "meta": whole | meta}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        yield opened


def account_with(journal: Journal, nodes: NodesDouble, **changes: Any) -> tuple[Account, StoredTx]:
    signed = TxSigned(
        chain=CHAIN,
        owner=OWNER,
        plan_id="p1",
        leg=0,
        market_id=MarketId("m/1/x"),
        hash="signature",
        raw=RAW,
        nonce=0,
        gas=300_000,
        max_fee_wei=0,
        priority_fee_wei=0,
        words="deposit 5",
        expires_at=1,
        simulated_at=BlockRef(CHAIN, 50, "", 0),
        predicted=(Delta(USDC, -5_000), Delta(NATIVE, -5_000)),
        svm=SvmTerms(1, "", 5_000),
    )
    journal.append(signed)
    made: dict[str, Any] = {
        "nodes": nodes,
        "settings": settings(chain=CHAIN, native_symbol="SOL", finality="finalized"),
        "owner": OWNER,
        "journal": journal,
        "signer": None,
    }
    stored = journal.transaction("signature")
    assert stored is not None
    return Account(**made | changes), stored
