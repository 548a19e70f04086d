"""A journal, a plan and a signed transaction to be kept in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from yieldbot.journal.journal_entries import (
    TxSigned,
)
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.ids import Address, MarketId, evm_chain
from yieldbot.model.plan import Allocation, Certificate, Leg, LegKind, Plan
from yieldbot.model.tx import Delta

CHAIN = evm_chain(8453)
OWNER = Address("0x" + "11" * 20)

USDC = Token(CHAIN, Address("0x" + "33" * 20), "USDC", 6)
BLOCK = BlockRef(CHAIN, 7, "0x07", 1_700_000_000)
MARKET = MarketId("aave_v3/8453/0x44")


def plan(plan_id: str = "p1") -> Plan:
    leg = Leg(LegKind.DEPOSIT, MARKET, Amount(USDC, 5))
    allocation = Allocation({MARKET: Amount(USDC, 5)}, 1.0, 0.1, Certificate(1.0, 1.0, 0.0), 0.05, ())
    return Plan(plan_id, BLOCK, OWNER, (), (leg,), allocation, 1.0, 0.1, 1, 1_700_003_600)


def signed(tx_hash: str = "0xaa", nonce: int = 0, owner: Address = OWNER) -> TxSigned:
    return TxSigned(
        chain=CHAIN,
        owner=owner,
        plan_id="p1",
        leg=0,
        market_id=MARKET,
        hash=tx_hash,
        raw=b"\x02\x03",
        nonce=nonce,
        gas=90_000,
        max_fee_wei=10**18,
        priority_fee_wei=1,
        words="supply 5 USDC",
        expires_at=1_700_003_600,
        simulated_at=BLOCK,
        predicted=(Delta(USDC, -5),),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "journal.sqlite"
