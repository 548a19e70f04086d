"""The document of ``markets``, and the parts about a market in other documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from yieldbot.allocator.market_curve import haircut_bps, value
from yieldbot.app.alarm_documents import StandingAlarm
from yieldbot.app.document import Document, Part
from yieldbot.app.formatting import number
from yieldbot.app.parts import JobHead, Money
from yieldbot.app.risk_free import RiskFree
from yieldbot.app.yields import apy_after, probe_of, reward_apy
from yieldbot.model import market as model
from yieldbot.model import rewards
from yieldbot.model.amounts import Amount, Apy
from yieldbot.model.market import Kind
from yieldbot.model.units import SECONDS_PER_YEAR

if TYPE_CHECKING:
    from yieldbot.model.plan import Allocation, Assessment
    from yieldbot.model.policy import Policy


class WayOut(Part):
    """How money leaves a market."""

    kind: str = Field(description="the kind of exit: instant, cooldown, request, window or maturity")
    hours: float | None = Field(description="the longest it takes, in hours; null: unbounded")
    cash: Money | None = Field(
        description="the market's cash, out of which exits are paid; null: not known, and `liquidity` is 0"
    )
    limit: str | None = Field(description="what limits exits, in words; null: nothing but the cash")

    @classmethod
    def of(cls, state: model.MarketState) -> WayOut:
        return cls(
            kind=state.exit.kind.value,
            hours=number(state.exit.hours),
            cash=Money.or_none(state.cash),
            limit=state.exit.limit or None,
        )


class Leaving(Part):
    """Money of ours that is leaving a market in two steps."""

    asked: Money = Field(description="requested and not available yet")
    ready: Money = Field(description="available to be collected now")
    back: Money = Field(description="a request that was cancelled and is not back in the market yet")
    until: int | None = Field(
        description="when all of it is available, in unix seconds; null: when the protocol's operator serves "
        "the request"
    )
    cancels: bool = Field(description="whether the request can be cancelled now")
    entry: bool = Field(description="whether it is a deposit by request (EIP-7540) on its way in, and no exit")

    @classmethod
    def of(cls, state: model.MarketState) -> Leaving | None:
        """What is leaving the market; None if nothing is."""
        gone = state.leaving
        if gone is None:
            return None
        return cls(
            asked=Money.of(gone.requested),
            ready=Money.of(gone.ready),
            back=Money.of(gone.back),
            until=gone.until,
            cancels=gone.cancels,
            entry=gone.entry,
        )


class Reward(Part):
    """An incentive that one market pays on top of its yield."""

    id: str = Field(description="the market's identifier")
    token: str = Field(description="the address of the token that is paid")
    claimable: Money = Field(description="what a claim would bring now")
    in_wallet: Money = Field(description="the token's balance in our wallet")
    per_day: Money = Field(description="what all depositors together receive a day")
    ends_at: int | None = Field(description="when it ends, in unix seconds; null: no end is known")
    distributor: str = Field(description="the contract that is claimed from")
    price: float | None = Field(
        description="asset tokens for one reward token, by a feed; null: no feed prices it, and it counts as nothing"
    )
    haircut_bps: float = Field(description="deduction from its price by the policy, in bp")
    value: float | None = Field(
        description="asset tokens that a claim is worth, after the haircut and before gas; null: it has no price"
    )
    claim_cost: float | None = Field(description="gas of a claim, in asset tokens")

    @classmethod
    def of(cls, found: rewards.Reward, market_id: str, policy: Policy) -> Reward:
        return cls(
            id=market_id,
            token=found.token.address,
            claimable=Money.of(found.claimable),
            in_wallet=Money.of(found.in_wallet),
            per_day=Money.of(Amount(found.token, int(found.raw_per_second * 86_400))),
            ends_at=found.ends_at,
            distributor=found.distributor,
            price=number(found.price),
            haircut_bps=haircut_bps(found, policy),
            value=None if found.price is None else number(value(found, policy)),
            claim_cost=number(found.claim_cost),
        )


class ForecastYield(Part):
    """What a market is expected to pay its suppliers if we change nothing there."""

    apy: float = Field(description="the mean over the horizon, an effective annual fraction")
    low: float = Field(description="lower end of the 80 % interval")
    high: float = Field(description="upper end of the 80 % interval")
    days: float = Field(description="the horizon, in days")

    @classmethod
    def of(cls, said: model.RateForecast | None) -> ForecastYield | None:
        """The forecast as yields; None if there is none."""
        if said is None:
            return None
        seconds = said.days * 86_400
        mean, low, high = (
            Apy.from_growth(rate * seconds / SECONDS_PER_YEAR, seconds).value
            for rate in (said.mean, said.low, said.high)
        )
        return cls(apy=mean, low=low, high=high, days=said.days)


class Market(Part):
    """A market with its yields. Amounts are in its asset."""

    id: str = Field(description="its identifier")
    protocol: str = Field(description="the protocol's name")
    name: str = Field(description="its name")
    kind: str = Field(description="lending, vault or staking")
    address: str = Field(description="the contract that takes deposits")
    status: str = Field(description="active, frozen or paused")
    quoted_apy: float | None = Field(
        description="the quoted rate: what the protocol shows now, an effective annual fraction"
    )
    apy_after_deposit: float | None = Field(
        description="the yield once we hold `after_deposit_of` there, entry and exit fees deducted, rewards not "
        "included; an effective annual fraction over the horizon"
    )
    reward_apy_after_deposit: float | None = Field(
        description="what rewards add to that, net of their haircut and of claims, not compounded"
    )
    asset_growth: float | None = Field(
        description="what its asset earns by itself against the base's unit, as staked ether does, wherever it lies: a "
        "simple annual fraction; 0 for a job with one asset"
    )
    total_apy_after_deposit: float | None = Field(
        description="`apy_after_deposit` + `reward_apy_after_deposit` + `asset_growth`"
    )
    forecast: ForecastYield | None = Field(description="what memory expects it to pay; null: there is no forecast")
    after_deposit_of: Money = Field(
        description="the holding that these yields are for: the allocation's target, or our whole wealth as far as "
        "the market takes it"
    )
    held: Money = Field(description="what we hold there")
    supplied: Money = Field(description="total supply")
    borrowed: Money | None = Field(description="total borrows; null: it has no borrowers, or they are not known")
    liquidity: Money = Field(description="what all suppliers together could take out now")
    exit: WayOut = Field(description="how money leaves it")
    no_way_out: str | None = Field(
        description="why a deposit could not be withdrawn again; null: it could, or was not tried"
    )
    untried: bool = Field(description="whether a deposit would begin with a trial (`policy.try_first`)")
    stuck: str | None = Field(description="why our holding cannot be withdrawn now; null: it can")
    leaving: Leaving | None = Field(description="the part of `held` that is leaving in two steps; null: nothing is")
    utilisation: float | None = Field(description="borrowed over supplied; null as `borrowed`")
    entry_cost_bps: float | None = Field(
        description="entry and exit fees, in bp of a deposit; deducted in `apy_after_deposit`"
    )
    cap_headroom: Money | None = Field(description="what may still be deposited under its supply cap; null: no cap")
    safety: int | None = Field(description="its safety grade, 0 to 100 (`risk`); null: it was not graded")
    letter: str | None = Field(description="the grade as a letter, A+ to F")
    loss_bps: float | None = Field(description="expected loss a year by its grade, in bp; null: not graded")
    haircut_bps: float | None = Field(
        description="the policy's haircut: expected loss a year, in bp; null: not assessed"
    )
    max_exposure: Money | None = Field(description="the most that the policy lets us hold there; null: no limit")
    rewards: tuple[Reward, ...] = Field(description="incentives in addition to its yield")
    flags: tuple[str, ...] = Field(description="risk flags")
    vetoes: tuple[str, ...] = Field(description="why it gets no new money")
    alarms: tuple[StandingAlarm, ...] = Field(default=(), description="alarms in force")

    @classmethod
    def of(
        cls,
        state: model.MarketState,
        assessment: Assessment | None,
        probe: Amount,
        horizon_seconds: float,
        policy: Policy,
        growth: float = 0.0,
    ) -> Market:
        """A market's part. ``probe``: the holding for which yields are shown. growth: what its asset earns by
        itself."""
        base, beside = apy_after(state, probe, horizon_seconds, policy), reward_apy(state, probe, policy)
        return cls(
            id=state.market.id,
            protocol=state.market.protocol,
            name=state.market.name,
            kind=state.market.kind.value,
            address=state.market.address,
            status=state.status.value,
            quoted_apy=number(state.quoted.compounded().value),
            apy_after_deposit=number(base.value),
            reward_apy_after_deposit=number(beside.value),
            asset_growth=number(growth),
            total_apy_after_deposit=number(base.value + beside.value + growth),
            forecast=ForecastYield.of(state.forecast),
            after_deposit_of=Money.of(probe),
            held=Money.of(state.held),
            supplied=Money.of(state.supplied),
            borrowed=Money.or_none(state.borrowed),
            liquidity=Money.of(state.liquidity),
            exit=WayOut.of(state),
            no_way_out=state.no_way_out or None,
            untried=state.untried,
            stuck=state.stuck or None,
            leaving=Leaving.of(state),
            utilisation=state.utilisation,
            entry_cost_bps=number(state.entry_cost_bps),
            cap_headroom=Money.or_none(state.capacity),
            safety=state.grade.safety if state.grade else None,
            letter=state.grade.letter if state.grade else None,
            loss_bps=number(state.grade.loss_bps) if state.grade else None,
            haircut_bps=assessment.haircut_bps if assessment else None,
            max_exposure=Money.or_none(assessment.max_exposure) if assessment else None,
            rewards=tuple(Reward.of(one, state.market.id, policy) for one in state.rewards),
            flags=state.flags,
            vetoes=assessment.vetoes if assessment else (),
            alarms=StandingAlarm.of(state),
        )


class UnreadMarket(Part):
    """A market that could not be read."""

    id: str = Field(description="the market's identifier")
    name: str = Field(description="its name")
    reason: str = Field(description="why it could not be read")


class GlancedMarket(Part):
    """A market that was not read in full, because none of our money is there and others pay more."""

    id: str = Field(description="the market's identifier")
    name: str = Field(description="its name, as far as it is known")
    supplied: Money = Field(description="what all suppliers own")
    liquidity: Money | None = Field(description="what all suppliers together could withdraw now; null: not read")
    apy_quoted: float | None = Field(description="the quoted yield, compounded, as a fraction")
    apr_most: float | None = Field(
        description="the most that our first token could earn there over the horizon, rewards included, as a simple "
        "annual fraction; more of our money earns no more"
    )
    flags: tuple[str, ...] = Field(description="unusual facts, as far as they were read")


class JobMarkets(JobHead):
    """A job's markets; a job with several assets has one for each asset."""

    markets: tuple[Market, ...] = Field(description="all markets except the wallet")
    quarantined: tuple[UnreadMarket, ...] = Field(description="markets that could not be read")
    glanced: tuple[GlancedMarket, ...] = Field(
        description="markets that were not read in full, since others pay more; the highest possible rate first"
    )


class MarketsDocument(Document):
    """Every market with its yields, or with `--kind lp` every pool."""

    SCHEMA: ClassVar[str] = "markets"

    horizon_seconds: float = Field(description="the horizon of the yields, in seconds")


class YieldsDocument(MarketsDocument):
    """Every market with its yields."""

    risk_free: RiskFree | None = Field(
        description="the rate without risk that `policy.risk_free` names; null: none is named, or it cannot be had"
    )
    jobs: tuple[JobMarkets | JobHead, ...] = Field(
        description="one for each job; a job whose chain could not be served has its head only"
    )


def markets_of(
    snapshot: model.Snapshot,
    assessments: Sequence[Assessment],
    allocation: Allocation | None,
    wealth: Amount,
    horizon_seconds: float,
    policy: Policy,
) -> tuple[Market, ...]:
    """All markets of a snapshot except the wallet. ``wealth``: our total wealth."""
    by_id = {assessment.market_id: assessment for assessment in assessments}
    return tuple(
        Market.of(
            state,
            by_id.get(state.market.id),
            probe_of(state, allocation, wealth),
            horizon_seconds,
            policy,
            snapshot.growth.get(state.market.asset, 0.0),
        )
        for state in snapshot.states.values()
        if state.market.kind is not Kind.IDLE
    )


def unread_markets(snapshot: model.Snapshot) -> tuple[UnreadMarket, ...]:
    """Markets that could not be read."""
    return tuple(
        UnreadMarket(id=bad.market.id, name=bad.market.name, reason=bad.reason) for bad in snapshot.quarantined
    )


def glanced_markets(snapshot: model.Snapshot, horizon_seconds: float) -> tuple[GlancedMarket, ...]:
    """Markets that were not read in full, the highest possible rate first."""
    most = {glance.market.id: glance.ceiling.apr(0.0, horizon_seconds) for glance in snapshot.glanced}
    return tuple(
        GlancedMarket(
            id=glance.market.id,
            name=glance.market.name,
            supplied=Money.of(glance.supplied),
            liquidity=Money.or_none(glance.cash),
            apy_quoted=number(glance.quoted.compounded().value),
            apr_most=number(most[glance.market.id]),
            flags=glance.flags,
        )
        for glance in sorted(snapshot.glanced, key=lambda one: (-most[one.market.id], one.market.id))
    )
