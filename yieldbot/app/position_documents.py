"""The document of ``positions``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from yieldbot.app.alarm_documents import StandingAlarm
from yieldbot.app.document import Document, Part
from yieldbot.app.exposure_documents import ExposureShare
from yieldbot.app.formatting import number
from yieldbot.app.learned_documents import EverHeld
from yieldbot.app.liquidity_documents import AccountPositions
from yieldbot.app.market_documents import Leaving, Reward
from yieldbot.app.parts import JobHead, Money
from yieldbot.app.plan_parts import Quarantined
from yieldbot.app.totals import AssetTotals
from yieldbot.app.yields import apy_after
from yieldbot.books.export_text import decimal
from yieldbot.model.market import Kind

if TYPE_CHECKING:
    from yieldbot.app.profit import Earned
    from yieldbot.app.removed_jobs import RemovedHolding
    from yieldbot.history import holdings
    from yieldbot.model.market import Snapshot
    from yieldbot.model.policy import Policy


class ProfitAndLoss(Part):
    """Profit and loss since the position was last empty. Amounts in `base` are decimal text, null where a price is
    missing."""

    since: int = Field(description="when we entered, in unix seconds")
    put_in: Money = Field(description="put in since then")
    taken_out: Money = Field(description="taken out since then")
    earned: Money = Field(description="earned in the asset, realised or not")
    base: str = Field(description="USD, or the unit of the job's base")
    total: str | None = Field(description="realised and unrealised profit together")
    realised: str | None = Field(description="what was taken out, less its cost by first in, first out")
    unrealised: str | None = Field(description="what is there now, less its cost")
    gas: Money | None = Field(
        description="fees of its transactions in native tokens, not part of `total`; null: a fee is not known"
    )
    gas_base: str | None = Field(description="value of those fees when they were paid")

    @classmethod
    def of(cls, row: Earned | None) -> ProfitAndLoss | None:
        """The profit and loss; None if it is unknown, or there was no entry."""
        if row is None or isinstance(row.found, str):
            return None
        profit = row.found
        return cls(
            since=profit.since,
            put_in=Money.of(profit.put_in),
            taken_out=Money.of(profit.taken_out),
            earned=Money.of(profit.earned),
            base=row.unit,
            total=decimal(profit.base) or None,
            realised=decimal(profit.realised) or None,
            unrealised=decimal(profit.unrealised) or None,
            gas=Money.or_none(profit.gas),
            gas_base=decimal(profit.gas_base) or None,
        )


def pnl_unknown(row: Earned | None) -> str | None:
    """Why a profit and loss is unknown; None if it is known."""
    return row.found if row is not None and isinstance(row.found, str) else None


class Position(Part):
    """Our holding in one market."""

    id: str = Field(description="the market's identifier")
    name: str = Field(description="its name")
    held: Money = Field(description="what withdrawing everything would pay")
    withdrawable: Money = Field(description="what can be withdrawn now")
    stuck: str | None = Field(
        description="why it cannot be withdrawn now; `withdrawable` is then 0, unless an exit may be requested again; "
        "null: it can"
    )
    leaving: Leaving | None = Field(description="the part of `held` that is leaving in two steps; null: nothing is")
    since: int | None = Field(
        description="when the position was last changed, in unix seconds, from which on both APYs count; `pnl.since` "
        "says when we entered; null: not recorded"
    )
    earned: Money | None = Field(
        description="earned since we entered, fees deducted: `pnl.earned`; where that is not known, since `since`; "
        "null: the entry was not recorded"
    )
    apy_now: float | None = Field(
        description="what it is expected to earn from now on, as `apy_after_deposit` of `markets`, an effective "
        "annual fraction"
    )
    apy_predicted: float | None = Field(
        description="the prediction recorded when the position was last changed; null: none was"
    )
    apy_realised: float | None = Field(
        description="what it has earned since that change; the fees of that change are deducted in both; null: not "
        "known"
    )
    pnl: ProfitAndLoss | None = Field(
        description="profit and loss; null: the entry is not known, or `pnl_unknown` says why"
    )
    pnl_unknown: str | None = Field(description="why there is no `pnl`; null: there is, or the entry is not known")
    alarms: tuple[StandingAlarm, ...] = Field(default=(), description="alarms in force in the market")

    @classmethod
    def of(
        cls, found: holdings.MeasuredPosition, horizon_seconds: float, policy: Policy, gain: Earned | None
    ) -> Position:
        state = found.state
        return cls(
            id=state.market.id,
            name=state.market.name,
            held=Money.of(state.held),
            withdrawable=Money.of(state.withdrawable),
            stuck=state.stuck or None,
            leaving=Leaving.of(state),
            since=found.since,
            earned=Money.or_none(found.earned),
            apy_now=number(apy_after(state, state.held, horizon_seconds, policy).value),
            apy_predicted=number(found.predicted.value) if found.predicted else None,
            apy_realised=number(found.realised.value) if found.realised else None,
            pnl=ProfitAndLoss.of(gain),
            pnl_unknown=pnl_unknown(gain),
            alarms=StandingAlarm.of(state),
        )


class ClosedPosition(Part):
    """A position that was closed, with the profit of the last stay."""

    id: str = Field(description="the market's identifier")
    name: str = Field(description="its name")
    pnl: ProfitAndLoss | None = Field(description="profit and loss; null: `pnl_unknown` says why")
    pnl_unknown: str | None = Field(description="why there is no `pnl`; null: there is")


class Holdings(Part):
    """Everything that one job holds."""

    positions: tuple[Position, ...] = Field(description="holdings in markets")
    closed: tuple[ClosedPosition, ...] = Field(description="positions that we have left")
    rewards: tuple[Reward, ...] = Field(description="rewards that can be claimed or lie in the wallet")
    reward_flags: tuple[str, ...] = Field(
        description="flags about Merkl's rewards: merkl-not-read, merkl-not-proven, rewards-not-priced"
    )
    idle: Money | None = Field(description="the wallet's balance; null: it could not be read")

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        found: Sequence[holdings.MeasuredPosition],
        horizon_seconds: float,
        policy: Policy,
        gains: Sequence[Earned] = (),
    ) -> Holdings:
        by_id = {gain.market_id: gain for gain in gains}
        idle = [state for state in snapshot.states.values() if state.market.kind is Kind.IDLE]
        return cls(
            positions=tuple(Position.of(row, horizon_seconds, policy, by_id.get(row.state.market.id)) for row in found),
            closed=tuple(
                ClosedPosition(id=row.market_id, name=row.name, pnl=ProfitAndLoss.of(row), pnl_unknown=pnl_unknown(row))
                for row in gains
                if row.left
            ),
            rewards=tuple(
                Reward.of(reward, state.market.id, policy)
                for state in snapshot.states.values()
                for reward in state.rewards
                if reward.claimable or reward.in_wallet
            ),
            reward_flags=tuple(sorted({flag for state in idle for flag in state.flags})),
            idle=Money.or_none(idle[0].held if idle else None),
        )


class JobPositions(Holdings, JobHead):
    """What one job holds; a job with several assets has one for each asset."""

    quarantined: tuple[Quarantined, ...] = Field(description="markets that could not be read")
    exposures: tuple[ExposureShare, ...] = Field(
        default=(), description="what our money finally depends on, the largest part first"
    )


class RemovedPosition(Part):
    """A holding that no job looks after any more."""

    chain: str = Field(description="the chain's name, or its id where it is not configured any more")
    owner: str = Field(description="the account that holds it")
    id: str = Field(description="the market's identifier")
    name: str = Field(description="its name when it was last observed")
    held: Money | None = Field(description="what it held then; null: its token is not configured any more")
    at: int = Field(description="when that was, in unix seconds of the chain")

    @classmethod
    def of(cls, found: RemovedHolding) -> RemovedPosition:
        return cls(
            chain=found.chain_name,
            owner=found.owner,
            id=found.market_id,
            name=found.name,
            held=Money.or_none(found.held),
            at=found.at,
        )


class PositionsDocument(Document):
    """Everything that we hold."""

    SCHEMA: ClassVar[str] = "positions"

    horizon_seconds: float = Field(description="the horizon of the yields, in seconds")
    jobs: tuple[JobPositions | JobHead, ...] = Field(
        description="one for each job; a job whose chain could not be served has its head only"
    )
    totals: tuple[AssetTotals, ...] = Field(
        default=(), description="one for each asset, over all jobs whose chain could be served"
    )
    liquidity: tuple[AccountPositions, ...] = Field(
        description="one for each wallet and chain that lists an exchange with liquidity"
    )
    ever_held: tuple[EverHeld, ...] = Field(
        default=(),
        description="predicted and realised rate of every position that these jobs' accounts have or had, by "
        "account, market and time",
    )
    exposures: tuple[ExposureShare, ...] = Field(
        default=(),
        description="the assets and protocols that all jobs' holdings together depend on; empty: fewer than two "
        "jobs have a price",
    )
    removed: tuple[RemovedPosition, ...] = Field(
        default=(),
        description="what the journal knows of markets that no job looks after any more, since their wallet, chain or "
        "asset was taken out of the configuration; in no total. Empty where only some jobs were asked for",
    )
