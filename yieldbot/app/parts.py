"""Parts that documents of several use cases have, and from the model's values to them."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from pydantic import Field

from yieldbot.app.document import Part
from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Declined
from yieldbot.model.policy import Job
from yieldbot.model.tx import Confirmed, Delta, Expired, Outcome, Replaced, Reverted


class Money(Part):
    """An amount of one token."""

    symbol: str = Field(description="the token's symbol")
    raw: str = Field(description="base units, as decimal text")
    text: str = Field(description="whole tokens, as decimal text")

    @classmethod
    def of(cls, amount: Amount) -> Money:
        return cls(symbol=amount.token.symbol, raw=str(amount.raw), text=f"{amount.decimal:f}")

    @classmethod
    def or_none(cls, amount: Amount | None) -> Money | None:
        return None if amount is None else cls.of(amount)


class Block(Part):
    """Where a chain stood."""

    height: int = Field(description="the block's number, on Solana the slot")
    hash: str = Field(description="its hash")
    timestamp: int = Field(description="its time, in unix seconds")

    @classmethod
    def of(cls, ref: BlockRef) -> Block:
        return cls(height=ref.height, hash=ref.hash, timestamp=ref.timestamp)


class HeadFields(TypedDict):
    """The fields of JobHead by name, for an entry that adds its own."""

    wallet: str
    """The wallet's name."""
    owner: str
    """The account's address."""
    chain: str
    """The chain's name."""
    chain_id: str
    """The chain's CAIP-2 identifier."""
    asset: str
    """The symbol of the job's (first) asset."""
    base: str | None
    """The unit of a job over several assets; None: it has one."""
    assets: tuple[str, ...]
    """The symbols of all assets."""
    skipped: str | None
    """Why the chain could not be served; None: it was."""
    block: Block | None
    """The block that was read; None: none was."""


class JobHead(Part):
    """Which job an entry is about, and at which block."""

    wallet: str = Field(description="the wallet's name")
    owner: str = Field(description="the account's address")
    chain: str = Field(description="the chain's name")
    chain_id: str = Field(description="the chain's identifier, as eip155:8453")
    asset: str = Field(
        description="the token's symbol; of a job over several assets the first one, in which amounts are counted"
    )
    base: str | None = Field(description="the unit that several assets are of; null: the job has one asset")
    assets: tuple[str, ...] = Field(description="the symbols of all of the job's tokens")
    skipped: str | None = Field(description="why the chain was not served; null: it was")
    block: Block | None = Field(description="the block that was looked at; null: none was")

    @staticmethod
    def fields_of(job: Job, snapshot: Snapshot | None = None, skipped: str | None = None) -> HeadFields:
        """The fields by name, for an entry that goes on with its own. ``skipped``: why the chain was not served."""
        return {
            "wallet": job.wallet.name,
            "owner": job.wallet.address,
            "chain": job.chain.name,
            "chain_id": job.chain.chain,
            "asset": job.asset.symbol,
            "base": job.base.unit if job.base else None,
            "assets": tuple(token.symbol for token in job.assets),
            "skipped": skipped,
            "block": Block.of(snapshot.block) if snapshot else None,
        }


class BalanceChange(Part):
    """How a balance of ours changed; what went out is negative."""

    token: str = Field(description="the token's address")
    symbol: str = Field(description="the token's symbol")
    raw: str = Field(description="base units, as decimal text")
    text: str = Field(description="whole tokens, as decimal text")

    @classmethod
    def of(cls, change: Delta) -> BalanceChange:
        amount = Amount(change.token, change.raw)
        return cls(
            token=change.token.address, symbol=change.token.symbol, raw=str(amount.raw), text=f"{amount.decimal:f}"
        )


class Refusal(Part):
    """Why something was not done."""

    code: str = Field(
        description="QUEUED, DRY_RUN, HUMAN_REJECTED, or the rule that refused (beside a hold: LOSS, TOO_MANY_FAILURES "
        "or ACCOUNT_STOPPED, why nothing would be signed)"
    )
    reason: str = Field(description="the same in words")

    @classmethod
    def of(cls, refusal: Declined) -> Refusal:
        return cls(code=refusal.code, reason=refusal.reason)

    @classmethod
    def or_none(cls, refusal: Declined | None) -> Refusal | None:
        return None if refusal is None else cls.of(refusal)


class ConfirmedTransaction(Part):
    """A transaction that was mined with success."""

    result: Literal["confirmed"] = Field(default="confirmed", description="how it ended")
    hash: str = Field(description="the transaction's hash, on Solana its signature")
    block: Block = Field(description="where it was mined")
    gas_used: int = Field(description="gas, or compute units on Solana")
    gas_price_wei: str = Field(description="wei for a unit of gas, as decimal text")
    fee_raw: str | None = Field(description="wei or lamports that it cost, as decimal text; null: not known")
    deltas: tuple[BalanceChange, ...] = Field(description="balance changes of ours, as the chain shows them")


class RevertedTransaction(Part):
    """A transaction that was mined without success: it did nothing and cost its fee."""

    result: Literal["reverted"] = Field(default="reverted", description="how it ended")
    hash: str = Field(description="the transaction's hash, on Solana its signature")
    block: Block = Field(description="where it was mined")
    gas_used: int = Field(description="gas, or compute units on Solana")
    fee_raw: str | None = Field(description="wei or lamports that it cost, as decimal text; null: not known")
    reason: str = Field(description="what the contract or the chain said")


class ExpiredTransaction(Part):
    """A transaction that was never mined and is no longer waited for."""

    result: Literal["expired"] = Field(default="expired", description="how it ended")
    hash: str = Field(description="the transaction's hash, on Solana its signature")
    reason: str = Field(description="why it can no longer be mined")


class ReplacedTransaction(Part):
    """A transaction in whose place another one took its nonce."""

    result: Literal["replaced"] = Field(default="replaced", description="how it ended")
    hash: str = Field(description="the transaction's hash")
    by: str | None = Field(description="the hash of the other one; null: not known")


Transaction = Annotated[
    ConfirmedTransaction | RevertedTransaction | ExpiredTransaction | ReplacedTransaction,
    Field(discriminator="result"),
]
"""How a transaction ended."""


def transaction(found: Outcome) -> Transaction:
    """The part that says how a transaction ended."""
    match found:
        case Confirmed():
            return ConfirmedTransaction(
                hash=found.hash,
                block=Block.of(found.block),
                gas_used=found.gas_used,
                gas_price_wei=str(found.gas_price_wei),
                fee_raw=_text_or_none(found.fee_raw),
                deltas=tuple(BalanceChange.of(change) for change in found.deltas),
            )
        case Reverted():
            return RevertedTransaction(
                hash=found.hash,
                block=Block.of(found.block),
                gas_used=found.gas_used,
                fee_raw=_text_or_none(found.fee_raw),
                reason=found.reason,
            )
        case Expired():
            return ExpiredTransaction(hash=found.hash, reason=found.reason)
        case Replaced():
            return ReplacedTransaction(hash=found.hash, by=found.by)


def _text_or_none(raw: int | None) -> str | None:
    return None if raw is None else str(raw)
