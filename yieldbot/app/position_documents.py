"""What ``positions`` answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part
from yieldbot.app.liquidity_documents import AccountPositions
from yieldbot.app.market_documents import Leaving, Reward
from yieldbot.app.parts import JobHead, Money
from yieldbot.app.plan_parts import Quarantined
from yieldbot.app.yields import apy_after, number
from yieldbot.books.text import decimal
from yieldbot.model.market import Kind

if TYPE_CHECKING:
    from yieldbot.app.profit import Earned
    from yieldbot.history import holdings
    from yieldbot.model.market import Snapshot
    from yieldbot.model.policy import Policy


class ProfitAndLoss(Part):
    """Since the position was last empty. What is in `base` is decimal text, null where a price is missing."""

    since: int = Field(description="unix seconds of the entry")
    put_in: Money = Field(description="since then")
    taken_out: Money = Field(description="since then")
    earned: Money = Field(description="in the asset, realised or not")
    base: str = Field(description="USD, or the unit of the job's base")
    total: str | None = Field(description="realised and not, together")
    realised: str | None = Field(description="what was taken out, less what it had cost by first in, first out")
    unrealised: str | None = Field(description="what is there now, less what it had cost")
    gas: Money | None = Field(description="native tokens for its transactions, apart; null: a fee is not known")
    gas_base: str | None = Field(description="what these were worth when they were paid")

    @classmethod
    def of(cls, row: Earned | None) -> ProfitAndLoss | None:
        """None where it is not known, or there is nothing to know."""
        if row is None or isinstance(row.found, str):
            return None
        told = row.found
        return cls(
            since=told.since,
            put_in=Money.of(told.put_in),
            taken_out=Money.of(told.taken_out),
            earned=Money.of(told.earned),
            base=row.unit,
            total=decimal(told.base) or None,
            realised=decimal(told.realised) or None,
            unrealised=decimal(told.unrealised) or None,
            gas=Money.or_none(told.gas),
            gas_base=decimal(told.gas_base) or None,
        )


def pnl_unknown(row: Earned | None) -> str | None:
    """Why a profit and loss is not known."""
    return row.found if row is not None and isinstance(row.found, str) else None


class Position(Part):
    """What we hold in one market."""

    id: str = Field(description="the market's identifier")
    name: str = Field(description="what it is called")
    held: Money = Field(description="what taking all out would pay")
    withdrawable: Money = Field(description="what can be taken out now")
    stuck: str | None = Field(
        description="why it cannot be taken out now, and `withdrawable` is 0 unless it is asked for once more; "
        "null: it can"
    )
    leaving: Leaving | None = Field(description="what of `held` is on its way out in two steps; null: nothing is")
    since: int | None = Field(description="unix seconds of the entry; null: it was not written down")
    earned: Money | None = Field(
        description="since then, fees of the entry and of the exit counted; that of `pnl` where it is known; "
        "null: nothing was written down"
    )
    apy_now: float | None = Field(description="what it earns from now on, an effective annual fraction")
    apy_predicted: float | None = Field(
        description="what was written down when the position was last changed; null: nothing was"
    )
    apy_realised: float | None = Field(
        description="what it earned from then on; what that change cost in fees is lost in both; null: not known"
    )
    pnl: ProfitAndLoss | None = Field(description="null: no entry of it is known, or `pnl_unknown` says why")
    pnl_unknown: str | None = Field(description="why there is no `pnl`; null: there is, or nothing to know")

    @classmethod
    def of(cls, found: holdings.Position, horizon_seconds: float, gain: Earned | None) -> Position:
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
            apy_now=number(apy_after(state, state.held, horizon_seconds).value),
            apy_predicted=number(found.predicted.value) if found.predicted else None,
            apy_realised=number(found.realised.value) if found.realised else None,
            pnl=ProfitAndLoss.of(gain),
            pnl_unknown=pnl_unknown(gain),
        )


class ClosedPosition(Part):
    """A position that was left: what the last stay in the market earned."""

    id: str = Field(description="the market's identifier")
    name: str = Field(description="what it is called")
    pnl: ProfitAndLoss | None = Field(description="null: `pnl_unknown` says why")
    pnl_unknown: str | None = Field(description="why there is no `pnl`; null: there is")


class Holdings(Part):
    """All that one job holds."""

    positions: tuple[Position, ...] = Field(description="in markets")
    closed: tuple[ClosedPosition, ...] = Field(description="positions that were left")
    rewards: tuple[Reward, ...] = Field(description="those to be claimed, or in the wallet")
    reward_flags: tuple[str, ...] = Field(
        description="merkl-not-read, merkl-not-proven, rewards-not-priced: of what Merkl owes"
    )
    idle: Money | None = Field(description="what lies in the wallet; null: that was not read")

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        found: Sequence[holdings.Position],
        horizon_seconds: float,
        policy: Policy,
        gains: Sequence[Earned] = (),
    ) -> Holdings:
        by_id = {gain.market_id: gain for gain in gains}
        idle = [state for state in snapshot.states.values() if state.market.kind is Kind.IDLE]
        return cls(
            positions=tuple(Position.of(row, horizon_seconds, by_id.get(row.state.market.id)) for row in found),
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
    """What one job holds; one over several assets has an entry for each of them."""

    quarantined: tuple[Quarantined, ...] = Field(description="markets that could not be observed")


class PositionsDocument(Document):
    """What we hold."""

    SCHEMA: ClassVar[str] = "positions"

    horizon_seconds: float = Field(description="over which yields are told")
    jobs: tuple[JobPositions | JobHead, ...] = Field(description="a job whose chain was not served has its head alone")
    liquidity: tuple[AccountPositions, ...] = Field(
        description="one for each wallet and chain that lists an exchange with liquidity"
    )
