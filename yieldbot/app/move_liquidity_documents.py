"""What ``lp add``, ``remove``, ``collect``, ``compound`` and ``rerange`` answer."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part
from yieldbot.app.parts import BalanceChange, Block, Refusal, Transaction


class RehearsedCall(Part):
    """A transaction as it went on the fork."""

    words: str = Field(description="what it does")
    to: str = Field(description="the contract that is called")
    gas_used: int = Field(description="gas on the fork")


class LiquidityRehearsal(Part):
    """A whole order as it went on the fork."""

    block: Block = Field(description="the block that the fork began at")
    gas_used: int = Field(description="gas of all of it")
    l1_fee_wei: str = Field(description="what all of it pays for its data on L1 beside the gas, in wei as decimal text")
    operator_fee_wei: str = Field(description="a rollup operator's fee beside the gas, in wei as decimal text")
    l1_gas: int = Field(description="units of gas for data on L1 that lie inside the gas")
    calls: tuple[RehearsedCall, ...] = Field(description="its transactions, in order")
    deltas: tuple[BalanceChange, ...] = Field(description="what all of it did to our balances")


class LiquidityDocument(Document):
    """What came of an order for liquidity."""

    SCHEMA: ClassVar[str] = "lp"

    exit_code: int = Field(description="the command's: 1 a transaction did not succeed, 4 it was refused")
    action: str = Field(description="add, remove, collect, compound or rerange")
    wallet: str = Field(description="the wallet's name")
    owner: str = Field(description="the account's address")
    chain_id: str = Field(description="the chain's identifier, as eip155:8453")
    pool: str | None = Field(description="what the pool is called; null: the policy refused before it was rehearsed")
    rehearsal: LiquidityRehearsal | None = Field(description="how it went on a fork; null: it did not go through")
    warnings: tuple[str, ...] = Field(description="what to know before saying yes")
    declined: Refusal | None = Field(description="why it was not carried out, or not to its end; null: it was")
    transactions: tuple[Transaction, ...] = Field(description="what was sent")
