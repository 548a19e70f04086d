"""What ``dry-run``, ``run``, ``approve`` and ``reject`` answer."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

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
from yieldbot.app.plan_parts import AcrossChains, Leg, PlanOrHold, Quarantined


class LeftOut(Part):
    """An RPC endpoint that was not believed."""

    host: str = Field(description="the endpoint's host")
    reason: str = Field(description="why it was not believed")


class Stuck(Part):
    """What is held and cannot be taken out now."""

    market_id: str = Field(description="the market's identifier")
    held: Money = Field(description="what is held there")
    reason: str = Field(description="why it cannot be taken out")


class RehearsedTransaction(Part):
    """A transaction as it went on the fork."""

    words: str = Field(description="what it does; on Solana of all instructions that do anything")
    to: str = Field(description="the contract or program that is called")
    gas_used: int = Field(description="gas, or compute units on Solana")
    gas_limit: int = Field(description="what will be asked for, margin included")


class RehearsedLeg(Part):
    """A leg as it went on the fork."""

    index: int = Field(description="the leg's place in the plan, from 0")
    gas_used: int = Field(description="gas of its transactions, or compute units on Solana")
    transactions: tuple[RehearsedTransaction, ...] = Field(description="in order")
    deltas: tuple[BalanceChange, ...] = Field(description="what it did to our balances")


class EvmRehearsal(Part):
    """A plan as it went on a fork of an EVM chain."""

    block: Block = Field(description="the block that the fork began at")
    gas_used: int = Field(description="gas of the whole plan")
    max_fee_wei: str = Field(description="the most that is bid for a unit of gas, in wei as decimal text")
    l1_fee_wei: str = Field(description="what all of it pays for its data on L1 beside the gas, in wei as decimal text")
    operator_fee_wei: str = Field(description="a rollup operator's fee beside the gas, in wei as decimal text")
    l1_gas: int = Field(description="units of gas for data on L1 that lie inside the gas")
    legs: tuple[RehearsedLeg, ...] = Field(description="in order")
    deltas: tuple[BalanceChange, ...] = Field(description="balance changes of the whole plan")


class SolanaRehearsal(Part):
    """A plan as it went on a fork of Solana."""

    block: Block = Field(description="about the slot that the fork began at")
    gas_used: int = Field(description="compute units of the whole plan")
    fee_lamports: str = Field(description="the most that the whole plan pays in fees, as decimal text")
    legs: tuple[RehearsedLeg, ...] = Field(description="in order")
    deltas: tuple[BalanceChange, ...] = Field(description="balance changes of the whole plan")


PlanRehearsal = EvmRehearsal | SolanaRehearsal
"""Each leg of a plan as it went on the fork; fees by the names of the chain's family."""


class OfLeg(Part):
    """Which step of the plan a transaction belongs to."""

    leg: Leg = Field(description="the step of the plan")


class LegConfirmed(ConfirmedTransaction, OfLeg):
    """A transaction of this run that was mined with success."""


class LegReverted(RevertedTransaction, OfLeg):
    """A transaction of this run that was mined without success."""


class LegExpired(ExpiredTransaction, OfLeg):
    """A transaction of this run that was never mined."""


class LegReplaced(ReplacedTransaction, OfLeg):
    """A transaction of this run in whose place another one was mined."""


LegTransaction = Annotated[LegConfirmed | LegReverted | LegExpired | LegReplaced, Field(discriminator="result")]
"""A transaction of this run, with its leg."""


class ProposedTransaction(Part):
    """A Safe transaction that waits for the other owners."""

    hash: str = Field(description="the Safe transaction's hash")
    threshold: int = Field(description="how many owners must confirm it, the signer included")
    owners: tuple[str, ...] = Field(description="the Safe's owners")
    safe_transaction: dict[str, Any] = Field(description="what Safe's transaction service takes")


class Holding(Part):
    """What is held in a market after the cycle, the wallet included."""

    id: str = Field(description="the market's identifier")
    name: str = Field(description="what it is called")
    held: Money = Field(description="what is held")
    apy: float | None = Field(description="its effective annual yield over the horizon, as a fraction")


class JobReport(JobHead):
    """One job's cycle. Stages that were not reached are null or empty."""

    rpc_left_out: tuple[LeftOut, ...] = Field(description="RPC endpoints that were not believed")
    settled: tuple[Transaction, ...] = Field(description="transactions of earlier runs whose outcome is known now")
    quarantined: tuple[Quarantined, ...] = Field(description="markets that could not be observed")
    plan: PlanOrHold | None = Field(description="what is to be done; null: nothing was decided")
    rehearsal: PlanRehearsal | None = Field(description="how the plan went on a fork; null: it was not tried")
    declined: Refusal | None = Field(description="why it was not carried out; null: it was, or there was nothing to do")
    stuck: tuple[Stuck, ...] = Field(description="what is held and cannot be taken out now")
    transactions: tuple[LegTransaction, ...] = Field(description="transactions of this run")
    proposed: ProposedTransaction | None = Field(description="a Safe's proposal; null: of other wallets")
    holdings: tuple[Holding, ...] = Field(description="what is held after the cycle, the wallet included")
    exit_code: int = Field(description="the job's own, as of the command")


class JobError(Part):
    """What ended a job."""

    kind: str = Field(description="as ConfigError, TransientError, SafetyError, PendingError")
    code: str | None = Field(description="of a safety rule, as PLAN_CLOSED; null: of other errors")
    message: str = Field(description="one line")


class JobFailure(JobHead):
    """A job that ended with an error."""

    error: JobError = Field(description="what ended it")
    exit_code: int = Field(description="the job's own, as of the command")


class RunDocument(Document):
    """What came of every job's cycle."""

    SCHEMA: ClassVar[str] = "run"

    exit_code: int = Field(description="the command's: the gravest of the jobs'")
    jobs: tuple[JobReport | JobFailure, ...] = Field(description="of each job, in the configuration's order")
    across_chains: tuple[AcrossChains, ...] = Field(
        description="what bridging would gain, of each asset that jobs of several chains have"
    )


class DryRunDocument(RunDocument):
    """What every job's cycle would do; nothing is signed."""

    SCHEMA: ClassVar[str] = "dry-run"


class ApproveDocument(RunDocument):
    """What came of the plan that was approved, in its one job."""

    SCHEMA: ClassVar[str] = "approve"


class RejectDocument(Document):
    """A plan that was refused."""

    SCHEMA: ClassVar[str] = "reject"

    plan_id: str = Field(description="the plan's identifier")
    status: Literal["rejected"] = Field(default="rejected", description="what the journal says of it from now on")
