"""Transactions of Solana. As in model/tx.py, each stage's type proves that the stage before it ran.

The outcomes are the same: Confirmed, Reverted (landed, but failed) and Expired (its blockhash is too old to land).
"""

from __future__ import annotations

from yieldbot.model.amounts import BlockRef
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.tx import Delta, SvmInstruction


@dataclass(frozen=True, slots=True)
class SvmUnsigned:
    """A version 0 message that our account alone signs and pays for, with the leg that it belongs to."""

    chain: ChainId
    """The cluster that it is for."""
    payer: Address
    """Our account."""
    message: bytes
    """The bytes that are signed."""
    last_valid_height: int
    """The last block height at which it may land."""
    instructions: tuple[SvmInstruction, ...]
    """The instructions that it was compiled from, those of the compute budget included."""
    meaning: bytes
    """sha256 of the message with a blockhash of zeros: equal for messages that do the same."""
    fee_lamports: int
    """The most that it can cost, in lamports."""
    description: str
    """What it does, for the person who approves."""
    plan_id: str
    """The plan or order that it belongs to."""
    leg: int
    """Index of the leg in the plan."""
    market_id: MarketId
    """The leg's market."""


@dataclass(frozen=True, slots=True)
class SvmSimulated:
    """Proof that the transaction ran on a fork."""

    tx: SvmUnsigned
    """The transaction."""
    slot: BlockRef
    """The slot of the fork."""
    units: int
    """Compute units used."""
    deltas: tuple[Delta, ...]
    """Our balance changes on the fork."""


@dataclass(frozen=True, slots=True)
class SvmApproved:
    """A simulated transaction that policy and approver accepted."""

    simulated: SvmSimulated
    """The simulated transaction."""
    digest: bytes
    """sha256 of the message to be signed."""
    approver: str
    """Who approved it."""
    expires_at: int
    """Unix seconds of the chain from which it is no longer signed."""


@dataclass(frozen=True, slots=True)
class SvmSigned:
    """Signed bytes, ready for the journal and then the network."""

    approved: SvmApproved
    """The approved transaction."""
    raw: bytes
    """The signed bytes."""
    signature: str
    """The signature in base58, which is the transaction's id."""
