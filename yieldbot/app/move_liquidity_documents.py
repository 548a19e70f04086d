"""The document of ``lp add``, ``remove``, ``collect``, ``compound`` and ``rerange``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part
from yieldbot.app.parts import BalanceChange, Block, Refusal, Transaction


class RehearsedCall(Part):
    """A transaction as it ran on the fork."""

    words: str = Field(description="what it does, in words")
    to: str = Field(description="the contract that is called")
    gas_used: int = Field(description="gas used on the fork")


class LiquidityRehearsal(Part):
    """The whole order as it ran on the fork."""

    block: Block = Field(description="the block that was forked")
    gas_used: int = Field(description="gas of all transactions")
    l1_fee_wei: str = Field(description="L1 data fee beside the gas, in wei as decimal text")
    operator_fee_wei: str = Field(description="operator fee beside the gas, in wei as decimal text")
    l1_gas: int = Field(description="the part of `gas_used` that pays for L1 data (Arbitrum)")
    calls: tuple[RehearsedCall, ...] = Field(description="its transactions, in order")
    deltas: tuple[BalanceChange, ...] = Field(description="balance changes of the whole order")


class LiquidityDocument(Document):
    """The result of a liquidity order."""

    SCHEMA: ClassVar[str] = "lp"

    exit_code: int = Field(
        description="0: done, or you said no; 1: a transaction did not succeed, or nobody answered in time; "
        "4: a rule refused; 6: another command changed something while you thought"
    )
    action: str = Field(description="add, remove, collect, compound or rerange (rebalance the range)")
    wallet: str = Field(description="the wallet's name")
    owner: str = Field(description="the account's address")
    chain_id: str = Field(description="the chain's identifier, as eip155:8453")
    pool: str | None = Field(description="the pool's name; null: the policy refused before the rehearsal")
    rehearsal: LiquidityRehearsal | None = Field(description="how it ran on a fork; null: it did not run to its end")
    warnings: tuple[str, ...] = Field(description="what to know before saying yes")
    declined: Refusal | None = Field(description="why it was not carried out, or not completely; null: it was")
    transactions: tuple[Transaction, ...] = Field(description="the transactions that were sent")
