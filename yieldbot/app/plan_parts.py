"""What documents say of a plan: its moves, its legs, and the allocation that it leads to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from yieldbot.allocator.across import Across
from yieldbot.app.document import Part
from yieldbot.app.parts import Money
from yieldbot.app.yields import number
from yieldbot.history.holdings import Unread
from yieldbot.model import plan as model


class Quarantined(Part):
    """A market that could not be observed. Where it held money of ours the plan is hold and the exit code 1."""

    id: str = Field(description="the market's identifier")
    name: str = Field(description="what it is called")
    reason: str = Field(description="why it could not be read")
    held_before: Money | None = Field(description="what the journal last knew that we hold there; null: nothing")

    @classmethod
    def of(cls, found: Sequence[Unread]) -> tuple[Quarantined, ...]:
        return tuple(
            cls(id=one.market_id, name=one.name, reason=one.reason, held_before=Money.or_none(one.held))
            for one in found
        )


class Leg(Part):
    """One step of a plan on chain."""

    kind: str = Field(
        description="withdraw, swap, deposit, claim, rerange, or of a market that is left in two steps request, "
        "collect or cancel"
    )
    market_id: str = Field(description="the market that it is in; of a swap or a claim, what it is of")
    amount: Money = Field(description="what goes in or comes out; of a swap what is given, of a claim nothing")
    all: bool = Field(description="whether it is the whole position")
    gets: Money | None = Field(description="the least that a swap or a claim must bring; null: of other kinds")
    ticks: tuple[int, int] | None = Field(description="the range that liquidity is put into; null: of other kinds")

    @classmethod
    def of(cls, step: model.Leg) -> Leg:
        return cls(
            kind=step.kind.value,
            market_id=step.market_id,
            amount=Money.of(step.amount),
            all=step.all,
            gets=Money.or_none(step.gets),
            ticks=step.ticks,
        )


class Target(Part):
    """What a market is to hold."""

    market_id: str = Field(description="the market's identifier")
    amount: Money = Field(description="the holding that is aimed at")


class Reason(Part):
    """Why a market gets its amount. Rates are simple annual fractions."""

    market_id: str = Field(description="the market's identifier")
    apr_quoted: float | None = Field(description="the rate that the market shows now")
    apr_after: float | None = Field(description="the mean rate that our target earns there")
    marginal_apr: float | None = Field(description="what one more token would earn there")
    binding: str = Field(description="the bound that binds, in words")


class Swap(Part):
    """One asset that is given for another before the targets are put in."""

    given: Money = Field(description="what is given")
    gets: Money = Field(description="what it is expected to bring")
    least: Money = Field(description="the least that it must bring")


class Allocation(Part):
    """Target holdings and how good they are. What is not money is in whole tokens of the job's first asset."""

    targets: tuple[Target, ...] = Field(description="of every market, the wallet included")
    income_per_year: float | None = Field(description="tokens a year, before the policy's haircuts")
    cost: float | None = Field(description="tokens once, gas included, to get there")
    objective_per_year: float | None = Field(description="income less haircuts and cost, tokens a year")
    upper_bound_per_year: float | None = Field(description="no allocation has a higher objective, tokens a year")
    gap_bps: float | None = Field(description="upper bound less objective, in bp of the wealth a year")
    shadow_price_apr: float | None = Field(description="what one more token would earn, a simple annual fraction")
    reasons: tuple[Reason, ...] = Field(description="why each market gets its amount")
    swaps: tuple[Swap, ...] = Field(description="assets that are given for others")

    @classmethod
    def of(cls, found: model.Allocation) -> Allocation:
        return cls(
            targets=tuple(
                Target(market_id=market_id, amount=Money.of(amount)) for market_id, amount in found.targets.items()
            ),
            income_per_year=number(found.income_per_year),
            cost=number(found.cost),
            objective_per_year=number(found.certificate.objective),
            upper_bound_per_year=number(found.certificate.upper_bound),
            gap_bps=number(found.certificate.gap_bps),
            shadow_price_apr=number(found.shadow_price),
            reasons=tuple(
                Reason(
                    market_id=reason.market_id,
                    apr_quoted=number(reason.apr_quoted),
                    apr_after=number(reason.apr_after),
                    marginal_apr=number(reason.marginal_apr),
                    binding=reason.binding,
                )
                for reason in found.reasons
            ),
            swaps=tuple(
                Swap(given=Money.of(swap.given), gets=Money.of(swap.gets), least=Money.of(swap.least))
                for swap in found.swaps
            ),
        )


class Move(Part):
    """Money between two markets."""

    source: str = Field(description="the market that it leaves")
    target: str = Field(description="the market that it goes into")
    amount: Money = Field(description="how much")
    gain_per_year: float | None = Field(description="tokens a year more, net of haircuts")
    cost: float | None = Field(description="tokens once, gas included")
    break_even_days: float | None = Field(description="when the gain has paid the cost; null: never")
    reason: str = Field(description="why, in words")


class Hold(Part):
    """Nothing is to be done."""

    action: Literal["hold"] = Field(default="hold", description="what is to be done")
    reason: str = Field(description="why nothing is, in words")
    allocation: Allocation | None = Field(description="the best there is; null: none was made")


class Plan(Part):
    """What is to be done. What is not money is in whole tokens of the job's first asset."""

    action: Literal["move"] = Field(default="move", description="what is to be done")
    id: str = Field(description="follows from the plan's content: `yieldbot approve` takes it")
    expires_at: int = Field(description="unix seconds after which it is decided anew")
    grade: int = Field(description="0 to 100: how small the certified gap is, and how soon the plan pays")
    gain_per_year: float | None = Field(description="tokens a year more, net of haircuts")
    cost: float | None = Field(description="tokens once, gas included")
    moves: tuple[Move, ...] = Field(description="money between markets")
    legs: tuple[Leg, ...] = Field(description="the steps on chain, in order")
    allocation: Allocation = Field(description="what the plan leads to")


PlanOrHold = Annotated[Plan | Hold, Field(discriminator="action")]
"""A plan, or the reason for holding."""


def plan_or_hold(found: model.Plan | model.Hold) -> PlanOrHold:
    """The part that says what is to be done."""
    if isinstance(found, model.Hold):
        return Hold(reason=found.reason, allocation=Allocation.of(found.allocation) if found.allocation else None)
    return Plan(
        id=found.id,
        expires_at=found.expires_at,
        grade=found.grade,
        gain_per_year=number(found.gain_per_year),
        cost=number(found.cost),
        moves=tuple(
            Move(
                source=move.source,
                target=move.target,
                amount=Money.of(move.amount),
                gain_per_year=number(move.gain_per_year),
                cost=number(move.cost),
                break_even_days=number(move.break_even_days),
                reason=move.reason,
            )
            for move in found.moves
        ),
        legs=tuple(Leg.of(step) for step in found.legs),
        allocation=Allocation.of(found.allocation),
    )


class Shift(Part):
    """What one chain's money would change by."""

    chain_id: str = Field(description="the chain's identifier")
    tokens: float | None = Field(description="whole tokens; negative leaves")


class AcrossChains(Part):
    """What bridging an asset that several chains hold would gain. Nothing is bridged."""

    asset: str = Field(description="the asset's symbol")
    gain_per_year: float | None = Field(
        description="tokens a year that one allocation over all chains would earn beyond the chains' own best ones, "
        "before the bridge's cost"
    )
    worth: float | None = Field(description="the most that bridging may cost so that it pays within the horizon")
    shifts: tuple[Shift, ...] = Field(description="of each chain")

    @classmethod
    def of(cls, found: Sequence[Across]) -> tuple[AcrossChains, ...]:
        return tuple(
            cls(
                asset=one.symbol,
                gain_per_year=number(one.gain_per_year),
                worth=number(one.worth),
                shifts=tuple(Shift(chain_id=chain, tokens=number(tokens)) for chain, tokens in one.shifts.items()),
            )
            for one in found
        )
