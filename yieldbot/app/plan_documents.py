"""What ``plan`` answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part
from yieldbot.app.market_documents import WayOut
from yieldbot.app.parts import JobHead
from yieldbot.app.plan_parts import AcrossChains, PlanOrHold, Quarantined
from yieldbot.model.market import Kind

if TYPE_CHECKING:
    from yieldbot.model.market import Snapshot


class Assumptions(Part):
    """What differs from the configuration for this one answer; null and empty where nothing does."""

    wealth: str | None = Field(description="whole tokens, as if we had this much in all")
    horizon_days: float | None = Field(description="costs are weighed against the income of so many days")
    exclude: tuple[str, ...] = Field(description="names, ids or protocols of markets that get nothing")
    max_share: float | None = Field(description="the most of our wealth in one market, a fraction")


class MarketWayOut(Part):
    """How money leaves a market, and what is known of that."""

    market_id: str = Field(description="the market's identifier")
    exit: WayOut = Field(description="how money leaves it")
    no_way_out: str | None = Field(
        description="why what goes in did not come out again; null: it did, or was not tried"
    )
    untried: bool = Field(description="whether the first real money is to be tried (`policy.try_first`)")
    stuck: str | None = Field(description="why what is held there cannot be taken out now; null: it can")

    @classmethod
    def of(cls, snapshot: Snapshot) -> tuple[MarketWayOut, ...]:
        """Of every market but the wallet."""
        return tuple(
            cls(
                market_id=state.market.id,
                exit=WayOut.of(state),
                no_way_out=state.no_way_out or None,
                untried=state.untried,
                stuck=state.stuck or None,
            )
            for state in snapshot.states.values()
            if state.market.kind is not Kind.IDLE
        )


class JobPlan(JobHead):
    """What would be done with one job's money."""

    quarantined: tuple[Quarantined, ...] = Field(description="markets that could not be observed")
    ways_out: tuple[MarketWayOut, ...] = Field(description="of every market")
    plan: PlanOrHold = Field(description="what would be done")


class PlanDocument(Document):
    """What would be done now. Nothing is simulated or signed."""

    SCHEMA: ClassVar[str] = "plan"

    what_if: Assumptions | None = Field(description="null: by the configuration as it is")
    jobs: tuple[JobPlan | JobHead, ...] = Field(description="a job whose chain was not served has its head alone")
    across_chains: tuple[AcrossChains, ...] = Field(
        description="what bridging would gain, for each asset that jobs of several chains have"
    )
