"""The document of ``plan``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from yieldbot.app.alarm_documents import MarketAlarm
from yieldbot.app.document import Document, Part
from yieldbot.app.formatting import number
from yieldbot.app.market_documents import WayOut
from yieldbot.app.parts import JobHead
from yieldbot.app.plan_parts import AcrossChains, PlanOrHold, PlansTogether, Quarantined
from yieldbot.model.market import Kind

if TYPE_CHECKING:
    from yieldbot.model.market import Snapshot


class Assumptions(Part):
    """What this answer assumes instead of the configuration; null or empty: nothing is changed."""

    wealth: str | None = Field(description="assumed wealth of each job, in whole tokens")
    horizon_days: float | None = Field(description="days over which costs are weighed against income")
    exclude: tuple[str, ...] = Field(description="names, ids or protocols of markets that get nothing")
    max_share: float | None = Field(description="the largest fraction of the wealth in one market")


class MarketWayOut(Part):
    """How money leaves a market, and what is known about it."""

    market_id: str = Field(description="the market's identifier")
    exit: WayOut = Field(description="how money leaves it")
    no_way_out: str | None = Field(
        description="why a deposit could not be withdrawn again; null: it could, or was not tried"
    )
    untried: bool = Field(description="whether a deposit would begin with a trial (`policy.try_first`)")
    stuck: str | None = Field(description="why our holding cannot be withdrawn now; null: it can")

    @classmethod
    def of(cls, snapshot: Snapshot) -> tuple[MarketWayOut, ...]:
        """Of every market except the wallet."""
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


class ForecastUsed(Part):
    """The forecast that the allocator used for a market: what suppliers are paid if we add no more money. Rates are
    simple annual fractions."""

    market_id: str = Field(description="the market's identifier")
    quoted: float | None = Field(description="the quoted rate: what the protocol shows now")
    mean: float | None = Field(description="mean rate over the horizon")
    low: float | None = Field(description="lower end of the 80 % interval")
    high: float | None = Field(description="upper end of the 80 % interval")
    days: float = Field(description="the horizon")
    forecaster: str = Field(default="", description="whose forecast it is (`policy.forecaster`)")
    why: str | None = Field(description="why it differs from the quoted rate, in words; null: it does not")

    @classmethod
    def of(cls, snapshot: Snapshot) -> tuple[ForecastUsed, ...]:
        """Of every market that there is a forecast for."""
        return tuple(
            cls(
                market_id=state.market.id,
                quoted=number(state.quoted.value),
                mean=number(said.mean),
                low=number(said.low),
                high=number(said.high),
                days=said.days,
                forecaster=said.by,
                why=said.reason or None,
            )
            for state in snapshot.markets
            if (said := state.forecast) is not None
        )


class JobPlan(JobHead):
    """The plan for one job's money."""

    quarantined: tuple[Quarantined, ...] = Field(description="markets that could not be read")
    ways_out: tuple[MarketWayOut, ...] = Field(description="how money leaves each market")
    plan: PlanOrHold = Field(description="the plan, or why nothing would be done")
    forecasts: tuple[ForecastUsed, ...] = Field(
        default=(),
        description="what each market is expected to pay; one without a forecast is expected to go on paying as now",
    )
    bound_of: str = Field(
        default="rates",
        description="what `upper_bound_per_year` is a bound of: `forecast` (what is earned if markets pay what is "
        "forecast) or `rates` (if they go on paying as now)",
    )
    contradicted: tuple[str, ...] = Field(
        default=(),
        description="statements of memory about markets that the chain contradicts, in words; the chain is believed",
    )
    alarms: tuple[MarketAlarm, ...] = Field(default=(), description="alarms in force in its markets")


class PlanDocument(Document):
    """What a run would do now. Nothing is simulated or signed."""

    SCHEMA: ClassVar[str] = "plan"

    what_if: Assumptions | None = Field(description="changed assumptions; null: the configuration as it is")
    jobs: tuple[JobPlan | JobHead, ...] = Field(
        description="one for each job; a job whose chain could not be served has its head only"
    )
    across_chains: tuple[AcrossChains, ...] = Field(
        description="what bridging would gain, for each asset that jobs on several chains hold"
    )
    together: tuple[PlansTogether, ...] = Field(
        default=(), description="markets that pay less once the plans of several wallets are all carried out"
    )
