"""Parts that several documents share, made from the model's values."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, TypedDict

from pydantic import Field

from yieldbot.app.document import Part
from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Declined
from yieldbot.model.settings import Job
from yieldbot.model.tx import Confirmed, Delta, Expired, Outcome, Replaced, Reverted


class Money(Part):
    """An amount of one token."""

    symbol: str = Field(description="the token's symbol")
    raw: str = Field(description="base units, as decimal text")
    text: str = Field(description="whole tokens, as decimal text")

    @property
    def shown(self) -> str:
        """The amount for people: with separators and its symbol, which `text` is without."""
        return f"{Decimal(self.text):,f} {self.symbol}"

    @classmethod
    def of(cls, amount: Amount) -> Money:
        return cls(symbol=amount.token.symbol, raw=str(amount.raw), text=f"{amount.decimal:f}")

    @classmethod
    def or_none(cls, amount: Amount | None) -> Money | None:
        return None if amount is None else cls.of(amount)


class Block(Part):
    """A block of a chain."""

    height: int = Field(description="the block number, on Solana the slot")
    hash: str = Field(description="its hash")
    timestamp: int = Field(description="its time, in unix seconds")

    @classmethod
    def of(cls, ref: BlockRef) -> Block:
        return cls(height=ref.height, hash=ref.hash, timestamp=ref.timestamp)


class JobHeadFields(TypedDict):
    """The fields of JobHead by name, for a part that adds fields of its own."""

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
    """The unit of a job with several assets; None: it has one asset."""
    assets: tuple[str, ...]
    """The symbols of all assets."""
    skipped: str | None
    """Why the chain could not be served; None: it was."""
    block: Block | None
    """The block that was read; None: none was."""


class JobHead(Part):
    """The job that an entry is about, and the block."""

    wallet: str = Field(description="the wallet's name")
    owner: str = Field(description="the account's address")
    chain: str = Field(description="the chain's name")
    chain_id: str = Field(description="the chain's identifier, as eip155:8453")
    asset: str = Field(
        description="the asset's symbol; of a job over several assets the first one, in which amounts are counted"
    )
    base: str | None = Field(description="the unit that several assets are held for; null: the job has one asset")
    assets: tuple[str, ...] = Field(description="the symbols of all of the job's assets")
    skipped: str | None = Field(description="why the chain could not be served; null: it was served")
    block: Block | None = Field(description="the block that was read; null: none was")

    @staticmethod
    def fields_of(job: Job, snapshot: Snapshot | None = None, skipped: str | None = None) -> JobHeadFields:
        """The fields by name, for a part that adds fields of its own. ``skipped``: why the chain could not be
        served."""
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
    """The change of one of our balances; negative: money went out."""

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
    reason: str = Field(description="why, in words")

    @classmethod
    def of(cls, refusal: Declined) -> Refusal:
        return cls(code=refusal.code, reason=refusal.reason)

    @classmethod
    def or_none(cls, refusal: Declined | None) -> Refusal | None:
        return None if refusal is None else cls.of(refusal)


class ConfirmedTransaction(Part):
    """A transaction that was mined and succeeded."""

    result: Literal["confirmed"] = Field(default="confirmed", description="how it ended")
    hash: str = Field(description="the transaction's hash, on Solana its signature")
    block: Block = Field(description="the block it was mined in")
    gas_used: int = Field(description="gas used, or compute units on Solana")
    gas_price_wei: str = Field(description="gas price in wei, as decimal text")
    fee_raw: str | None = Field(description="wei or lamports that it cost, as decimal text; null: not known")
    deltas: tuple[BalanceChange, ...] = Field(description="changes of our balances, read from the chain")


class RevertedTransaction(Part):
    """A transaction that was mined and reverted: it did nothing and cost its fee."""

    result: Literal["reverted"] = Field(default="reverted", description="how it ended")
    hash: str = Field(description="the transaction's hash, on Solana its signature")
    block: Block = Field(description="the block it was mined in")
    gas_used: int = Field(description="gas used, or compute units on Solana")
    fee_raw: str | None = Field(description="wei or lamports that it cost, as decimal text; null: not known")
    reason: str = Field(description="the revert reason")


class ExpiredTransaction(Part):
    """A transaction that was not mined and can no longer be."""

    result: Literal["expired"] = Field(default="expired", description="how it ended")
    hash: str = Field(description="the transaction's hash, on Solana its signature")
    reason: str = Field(description="why it can no longer be mined")


class ReplacedTransaction(Part):
    """A transaction whose nonce was used by another transaction."""

    result: Literal["replaced"] = Field(default="replaced", description="how it ended")
    hash: str = Field(description="the transaction's hash")
    by: str | None = Field(description="the other transaction's hash; null: not known")


Transaction = Annotated[
    ConfirmedTransaction | RevertedTransaction | ExpiredTransaction | ReplacedTransaction,
    Field(discriminator="result"),
]
"""How a transaction ended."""


def transaction(found: Outcome) -> Transaction:
    """The outcome of a transaction."""
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
