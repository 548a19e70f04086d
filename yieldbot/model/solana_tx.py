"""Transactions of Solana. As in model/tx.py, each stage's type proves that the stage before it ran.

The outcomes are the same: Confirmed, Reverted (landed, but failed) and Expired (its blockhash is too old to land).
"""

from __future__ import annotations

from dataclasses import dataclass

from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.tx import Delta, SvmInstruction


@dataclass(frozen=True, slots=True)
class SvmUnsigned:
    """A version 0 message that our account alone signs and pays for, with the leg it belongs to.

    message: the bytes that are signed. last_valid_height: the block height after which its blockhash no longer lets it
    land. instructions: what it was compiled from, compute budget included. meaning: sha256 of the message with a
    blockhash of zeros, so that two messages of one meaning are known as such. fee_lamports: the most it can cost.
    """

    chain: ChainId
    payer: Address
    message: bytes
    last_valid_height: int
    instructions: tuple[SvmInstruction, ...]
    meaning: bytes
    fee_lamports: int
    description: str
    plan_id: str
    leg: int
    market_id: MarketId


@dataclass(frozen=True, slots=True)
class SvmSimulated:
    """Proof that the transaction ran on a fork at ``slot``: compute units used and our balance changes there."""

    tx: SvmUnsigned
    slot: BlockRef
    units: int
    deltas: tuple[Delta, ...]


@dataclass(frozen=True, slots=True)
class SvmApproved:
    """A simulated transaction that policy and approver accepted. digest: sha256 of the message to be signed."""

    simulated: SvmSimulated
    digest: bytes
    approver: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class SvmSigned:
    """Signed bytes, ready for the journal and then the network. signature: base58, the transaction's id."""

    approved: SvmApproved
    raw: bytes
    signature: str
