"""What each market would pay for other holdings of ours: its curve, as plans use it. Nothing is signed."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from yieldbot.allocator.market_curve import reward_apr
from yieldbot.app import overview
from yieldbot.app.document import Document, Part
from yieldbot.app.formatting import number
from yieldbot.app.wiring import JobFilter
from yieldbot.math.sustainable import sustainable_curve
from yieldbot.model.amounts import Amount, Apy
from yieldbot.model.dataclass import dataclass
from yieldbot.model.market import Kind
from yieldbot.model.units import SECONDS_PER_YEAR

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.model.market import MarketState
    from yieldbot.model.policy import Policy
    from yieldbot.model.settings import Job

STEPS = 16
"""Steps from nothing to the largest holding of a curve."""
TIMES = 4
"""The largest holding is so many times our wealth or holding, whichever is more, unless the market takes less."""


class CurvePoint(Part):
    """The yield for one holding."""

    holding: float = Field(description="our whole holding there, in whole tokens")
    apy: float | None = Field(description="what all of it would earn, rewards included, an effective annual fraction")


class MarketCurve(Part):
    """What one market would pay for other holdings of ours."""

    wallet: str = Field(description="the job's wallet")
    owner: str = Field(description="the account's address")
    chain_id: str = Field(description="the chain's identifier")
    id: str = Field(description="the market's identifier")
    asset: str = Field(description="symbol of its asset")
    held: float = Field(description="what we hold there, in whole tokens")
    points: tuple[CurvePoint, ...] = Field(description="by holding, from nothing on")


class CurvesDocument(Document):
    """The curves of all markets."""

    SCHEMA: ClassVar[str] = "curves"

    horizon_seconds: float = Field(description="the horizon of the yields, in seconds")
    markets: tuple[MarketCurve, ...] = Field(description="every market, by job")


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvesRequest:
    """Which markets."""

    jobs: JobFilter = field(default_factory=JobFilter)
    """The jobs whose markets they are."""


def curves(request: CurvesRequest, context: Context) -> CurvesDocument:
    """Observes every chain; chains that cannot be served are left out. Raises ConfigError for a request that names no
    job."""
    policy = context.settings.policy
    found = []
    for job, snapshot in overview.observe(request.jobs, context):
        if isinstance(snapshot, str):
            continue
        for one, part in overview.by_asset(job, snapshot):
            wealth = part.wealth(one.asset)
            states = (state for state in part.states.values() if state.market.kind is not Kind.IDLE)
            found += [_curve(one, state, wealth, policy) for state in states]
    return CurvesDocument(horizon_seconds=overview.horizon_seconds(policy), markets=tuple(found))


def _curve(job: Job, state: MarketState, wealth: Amount, policy: Policy) -> MarketCurve:
    token, curve = state.market.asset, sustainable_curve(state, policy)
    most = TIMES * max(wealth.raw, state.held.raw)
    if state.capacity is not None:
        most = min(most, (state.held + state.capacity).raw)
    held = float(state.held)
    amounts = sorted({float(Amount(token, most * step // STEPS)) for step in range(STEPS + 1)} | {held})
    horizon = policy.horizon_seconds

    def apy(holding: float) -> float | None:
        mean = curve.apr(holding, horizon)
        paid = Apy.from_growth(mean * horizon / SECONDS_PER_YEAR, horizon).value
        return number(paid + (reward_apr(state, holding, policy) if state.rewards else 0.0))

    return MarketCurve(
        wallet=job.wallet.name,
        owner=job.wallet.address,
        chain_id=job.chain.chain,
        id=state.market.id,
        asset=token.symbol,
        held=held,
        points=tuple(CurvePoint(holding=amount, apy=apy(amount)) for amount in amounts),
    )
