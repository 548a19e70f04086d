"""The documents of ``dry-run``, ``run``, ``approve`` and ``reject``."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from yieldbot.app.alarm_documents import MarketAlarm
from yieldbot.app.document import Document, Part
from yieldbot.app.parts import (
    BalanceChange,
    Block,
    ConfirmedTransaction,
    ExpiredTransaction,
    JobHead,
    Money,
    Refusal,
    ReplacedTransaction,
    RevertedTransaction,
    Transaction,
)
from yieldbot.app.plan_parts import AcrossChains, Leg, PlanOrHold, PlansTogether, Quarantined


class LeftOut(Part):
    """An RPC endpoint whose answers were not believed."""

    host: str = Field(description="the endpoint's host")
    reason: str = Field(description="why it was not believed")


class Stuck(Part):
    """A holding that cannot be withdrawn now."""

    market_id: str = Field(description="the market's identifier")
    held: Money = Field(description="our holding there")
    reason: str = Field(description="why it cannot be withdrawn")


class StillIn(Part):
    """Money of ours in a market that an alarm or an order takes it out of, and that could not come out yet."""

    market_id: str = Field(description="the market's identifier")
    name: str = Field(description="its name")
    held: Money = Field(description="how much stays there")
    reasons: tuple[str, ...] = Field(description="why it is taken out: what was observed, or the order")
    why: str = Field(description="why it could not come out yet")
    next: str = Field(description="what happens next")


class RehearsedTransaction(Part):
    """A transaction as it ran on the fork."""

    words: str = Field(description="what it does, in words; on Solana all of its instructions together")
    to: str = Field(description="the contract or program that is called")
    gas_used: int = Field(description="gas used, or compute units on Solana")
    gas_limit: int = Field(description="the limit it will be sent with, margin included")


class RehearsedLeg(Part):
    """A leg as it ran on the fork."""

    index: int = Field(description="the leg's place in the plan, from 0")
    gas_used: int = Field(description="gas of its transactions, or compute units on Solana")
    transactions: tuple[RehearsedTransaction, ...] = Field(description="in order")
    deltas: tuple[BalanceChange, ...] = Field(description="balance changes of the leg")


class EvmRehearsal(Part):
    """A plan as it ran on a fork of an EVM chain."""

    block: Block = Field(description="the block that was forked")
    gas_used: int = Field(description="gas used by the whole plan")
    max_fee_wei: str = Field(description="max fee per gas that will be bid, in wei as decimal text")
    l1_fee_wei: str = Field(description="L1 data fee beside the gas, in wei as decimal text")
    operator_fee_wei: str = Field(description="operator fee beside the gas, in wei as decimal text")
    l1_gas: int = Field(description="the part of `gas_used` that pays for L1 data (Arbitrum)")
    legs: tuple[RehearsedLeg, ...] = Field(description="in order")
    deltas: tuple[BalanceChange, ...] = Field(description="balance changes of the whole plan")


class SolanaRehearsal(Part):
    """A plan as it ran on a fork of Solana."""

    block: Block = Field(description="the slot that was forked, to within a few")
    gas_used: int = Field(description="compute units used by the whole plan")
    fee_lamports: str = Field(description="the most that the whole plan pays in fees, in lamports as decimal text")
    legs: tuple[RehearsedLeg, ...] = Field(description="in order")
    deltas: tuple[BalanceChange, ...] = Field(description="balance changes of the whole plan")


PlanRehearsal = EvmRehearsal | SolanaRehearsal
"""Each leg of a plan as it ran on the fork; fees under the names of the chain's family."""


class OfLeg(Part):
    """The leg that a transaction belongs to."""

    leg: Leg = Field(description="the leg")
    words: str = Field(description="what the transaction does, as an allowance before a deposit; empty: not known")


class LegConfirmed(ConfirmedTransaction, OfLeg):
    """A transaction of this run that was mined and succeeded."""


class LegReverted(RevertedTransaction, OfLeg):
    """A transaction of this run that was mined and reverted."""


class LegExpired(ExpiredTransaction, OfLeg):
    """A transaction of this run that was not mined and can no longer be."""


class LegReplaced(ReplacedTransaction, OfLeg):
    """A transaction of this run whose nonce another transaction took."""


LegTransaction = Annotated[LegConfirmed | LegReverted | LegExpired | LegReplaced, Field(discriminator="result")]
"""A transaction of this run, with its leg."""


class FurtherTransaction(Part):
    """Another Safe transaction of the same plan, with a later nonce."""

    hash: str = Field(description="the Safe transaction's hash")
    safe_transaction: dict[str, Any] = Field(description="the body that Safe's transaction service takes")


class ProposedTransaction(Part):
    """A Safe transaction that waits for the other owners."""

    hash: str = Field(description="the Safe transaction's hash")
    threshold: int = Field(description="how many owners must confirm it, the signer included")
    owners: tuple[str, ...] = Field(description="the Safe's owners")
    safe_transaction: dict[str, Any] = Field(description="the body that Safe's transaction service takes")
    further: tuple[FurtherTransaction, ...] = Field(
        default=(), description="the plan's other Safe transactions, by nonce; where one fails, the others go on"
    )


class Holding(Part):
    """A holding after the cycle, the wallet included."""

    id: str = Field(description="the market's identifier")
    name: str = Field(description="its name")
    held: Money = Field(description="our holding")
    apy: float | None = Field(description="its yield over the horizon, an effective annual fraction")


class JobReport(JobHead):
    """One job's cycle. Stages that were not reached are null or empty."""

    rpc_left_out: tuple[LeftOut, ...] = Field(description="RPC endpoints whose answers were not believed")
    settled: tuple[Transaction, ...] = Field(description="transactions of earlier runs that were settled")
    quarantined: tuple[Quarantined, ...] = Field(description="markets that could not be read")
    plan: PlanOrHold | None = Field(description="the plan, or why nothing is to be done; null: nothing was decided")
    reported: bool = Field(
        description="whether the plan waits since an earlier run, which reported it; false again once, when half of "
        "its time has passed; or whether the last run reported today that the chain could not be read, or the plan was "
        "refused, for the same reason"
    )
    rehearsal: PlanRehearsal | None = Field(description="how the plan ran on a fork; null: it was not rehearsed")
    declined: Refusal | None = Field(description="why it was not carried out; null: it was, or there was nothing to do")
    stuck: tuple[Stuck, ...] = Field(description="holdings that cannot be withdrawn now")
    transactions: tuple[LegTransaction, ...] = Field(description="transactions of this run")
    proposed: ProposedTransaction | None = Field(description="a Safe's proposal; null: none was made")
    holdings: tuple[Holding, ...] = Field(description="holdings after the cycle, the wallet included")
    exit_code: int = Field(description="the exit code for this job")
    contradicted: tuple[str, ...] = Field(
        default=(),
        description="statements of memory about markets that the chain contradicts, in words; the chain is believed",
    )
    still_in: tuple[StillIn, ...] = Field(
        default=(),
        description="our money in markets that an alarm or an order takes it out of, where it could not come out "
        "yet; the most dangerous market first",
    )
    alarms: tuple[MarketAlarm, ...] = Field(default=(), description="alarms in force in its markets")


class JobError(Part):
    """The error that ended a job."""

    kind: str = Field(description="the error's class, as ConfigError, TransientError, SafetyError or PendingError")
    code: str | None = Field(description="the safety rule's code, as PLAN_CLOSED; null: it is no SafetyError")
    message: str = Field(description="what is wrong and what to do, in one line")


class JobFailure(JobHead):
    """A job that ended with an error."""

    error: JobError = Field(description="the error")
    exit_code: int = Field(description="the exit code for this job")


class RunDocument(Document):
    """The result of every job's cycle."""

    SCHEMA: ClassVar[str] = "run"

    exit_code: int = Field(description="the command's exit code: the most serious one of the jobs'")
    jobs: tuple[JobReport | JobFailure, ...] = Field(description="one for each job, in the order of the configuration")
    across_chains: tuple[AcrossChains, ...] = Field(
        description="what bridging would gain, for each asset that jobs on several chains hold"
    )
    together: tuple[PlansTogether, ...] = Field(
        default=(), description="markets that pay less once the plans of several wallets that wait are all carried out"
    )


class DryRunDocument(RunDocument):
    """The result of every job's cycle up to the rehearsal; nothing is signed."""

    SCHEMA: ClassVar[str] = "dry-run"


class ApproveDocument(RunDocument):
    """The result of the approved plan's job."""

    SCHEMA: ClassVar[str] = "approve"


class RejectDocument(Document):
    """A plan that was rejected."""

    SCHEMA: ClassVar[str] = "reject"

    plan_id: str = Field(description="the plan's identifier")
    status: Literal["rejected"] = Field(default="rejected", description="its status from now on")
    not_before: int | None = Field(
        default=None, description="until when the same steps are not proposed again, in unix seconds; null: no time"
    )
    until_gain: float | None = Field(
        default=None,
        description="the gain from which on they are proposed again, in tokens a year; null: no gain was named",
    )
    reached: bool = Field(
        default=False, description="whether the plan gains `until_gain` already, so that the next run may propose them"
    )
