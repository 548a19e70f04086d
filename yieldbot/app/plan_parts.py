"""A plan in documents: its moves, its legs and the allocation that it leads to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from yieldbot.allocator.across import Across
from yieldbot.app.document import Part
from yieldbot.app.formatting import number
from yieldbot.app.parts import Money
from yieldbot.app.together import Together
from yieldbot.history.holdings import UnreadHolding
from yieldbot.model import plan as model


class Quarantined(Part):
    """A market that could not be read. If it held money of ours, the plan is a hold and the exit code 1."""

    id: str = Field(description="the market's identifier")
    name: str = Field(description="its name")
    reason: str = Field(description="why it could not be read")
    held_before: Money | None = Field(description="our holding there as the journal last recorded it; null: none")

    @classmethod
    def of(cls, found: Sequence[UnreadHolding]) -> tuple[Quarantined, ...]:
        return tuple(
            cls(id=one.market_id, name=one.name, reason=one.reason, held_before=Money.or_none(one.held))
            for one in found
        )


class Leg(Part):
    """One step of a plan on chain."""

    kind: str = Field(
        description="withdraw, swap, deposit, claim, rerange (rebalance the range), and for exits in two steps request,"
        " "
        "collect or cancel"
    )
    market_id: str = Field(description="the market; of a swap the pair, of a claim the reward")
    amount: Money = Field(description="what goes in or comes out; of a swap what goes in, of a claim nothing")
    all: bool = Field(description="whether it is the whole position")
    gets: Money | None = Field(
        description="minimum out of a swap or a claim, and of a deposit or withdrawal where shares are bought and sold"
        " at a price; else null"
    )
    gives: Money | None = Field(description="the most shares that are sold at a price; null: none are")
    ticks: tuple[int, int] | None = Field(description="the range that liquidity is put into; null: other kinds")

    @classmethod
    def of(cls, step: model.Leg) -> Leg:
        return cls(
            kind=step.kind.value,
            market_id=step.market_id,
            amount=Money.of(step.amount),
            all=step.all,
            gets=Money.or_none(step.gets),
            gives=Money.or_none(step.gives),
            ticks=step.ticks,
        )


class Target(Part):
    """The target holding of one market."""

    market_id: str = Field(description="the market's identifier")
    amount: Money = Field(description="the target holding")


class Reason(Part):
    """Why a market has its target. Rates are simple annual fractions."""

    market_id: str = Field(description="the market's identifier")
    apr_quoted: float | None = Field(description="the quoted rate: what the protocol shows now")
    apr_after: float | None = Field(description="the average rate that our target earns there")
    marginal_apr: float | None = Field(description="what one more token would earn there")
    binding: str = Field(description="the limit that binds, in words")


class Swap(Part):
    """A swap between two assets, made before the deposits."""

    given: Money = Field(description="what goes in")
    gets: Money = Field(description="what is expected to come out")
    least: Money = Field(description="minimum out")


class Allocation(Part):
    """Target holdings with their certificate. Numbers are in whole tokens of the job's first asset."""

    targets: tuple[Target, ...] = Field(description="the target of every market, the wallet included")
    income_per_year: float | None = Field(description="income, tokens a year, before the policy's haircuts")
    cost: float | None = Field(description="one-time cost of getting there, tokens, gas included")
    objective_per_year: float | None = Field(description="income less haircuts and cost, tokens a year")
    upper_bound_per_year: float | None = Field(description="no allocation has a higher objective, tokens a year")
    gap_bps: float | None = Field(description="upper bound less objective, in bp of the wealth a year")
    glanced: int = Field(
        description="markets that were not read in full; the bound holds for them too, since each counts with the most "
        "that it could pay"
    )
    shadow_price_apr: float | None = Field(
        description="what one more token would earn: the highest marginal rate, less the haircut, of a market that has "
        "money and room for more, a simple annual fraction; 0: there is none"
    )
    reasons: tuple[Reason, ...] = Field(description="why each market has its target")
    swaps: tuple[Swap, ...] = Field(description="swaps that the targets need")
    later: tuple[Target, ...] = Field(
        description="what later plans put into markets beyond their targets, because a limit over time keeps it out of "
        "this one"
    )

    @classmethod
    def of(cls, found: model.Allocation) -> Allocation:
        return cls(
            targets=tuple(
                Target(market_id=market_id, amount=Money.of(amount)) for market_id, amount in found.targets.items()
            ),
            later=tuple(
                Target(market_id=market_id, amount=Money.of(amount)) for market_id, amount in found.later.items()
            ),
            income_per_year=number(found.income_per_year),
            cost=number(found.cost),
            objective_per_year=number(found.certificate.objective),
            upper_bound_per_year=number(found.certificate.upper_bound),
            gap_bps=number(found.certificate.gap_bps),
            glanced=found.certificate.glanced,
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
    """Money that goes from one market to another."""

    source: str = Field(description="the market that it leaves")
    target: str = Field(description="the market that it goes into")
    amount: Money = Field(description="how much")
    gain_per_year: float | None = Field(description="additional tokens a year, net of haircuts")
    cost: float | None = Field(description="one-time cost, tokens, gas included")
    break_even_days: float | None = Field(description="days until the gain has paid the cost; null: never")
    reason: str = Field(description="why, in words")


class Hold(Part):
    """Nothing is to be done."""

    action: Literal["hold"] = Field(default="hold", description="what is to be done")
    reason: str = Field(description="why nothing is, in words")
    allocation: Allocation | None = Field(description="the best allocation; null: none was computed")
    counts: tuple[str, ...] = Field(default=(), description="as of a plan")


class Plan(Part):
    """What is to be done. Numbers are in whole tokens of the job's first asset."""

    action: Literal["move"] = Field(default="move", description="what is to be done")
    id: str = Field(description="identifier, computed from the plan's content; `yieldbot approve` takes it")
    expires_at: int = Field(description="when the plan expires, in unix seconds")
    grade: int = Field(description="0 to 100; the smaller the certified gap and the break-even, the higher")
    gain_per_year: float | None = Field(description="additional tokens a year, net of haircuts")
    cost: float | None = Field(description="one-time cost, tokens, gas included")
    moves: tuple[Move, ...] = Field(description="money from market to market")
    legs: tuple[Leg, ...] = Field(description="the steps on chain, in order")
    allocation: Allocation = Field(description="the allocation that the plan leads to")
    why: tuple[str, ...] = Field(
        default=(),
        description="of a plan that leaves markets because of danger or an order: what was seen, a line a market; its "
        "gain and grade are 0",
    )
    counts: tuple[str, ...] = Field(
        default=(),
        description="what plans of your other wallets, made before it and not carried out yet, would move, a line a "
        "market: its figures are those after them",
    )


PlanOrHold = Annotated[Plan | Hold, Field(discriminator="action")]
"""A plan, or the reason for holding."""


def plan_or_hold(found: model.Plan | model.Hold) -> PlanOrHold:
    """The part for a plan or a hold."""
    if isinstance(found, model.Hold):
        best = Allocation.of(found.allocation) if found.allocation else None
        return Hold(reason=found.reason, allocation=best, counts=found.counts)
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
        why=found.why,
        counts=found.counts,
    )


class Shift(Part):
    """How much more or less one chain would hold."""

    chain_id: str = Field(description="the chain's identifier")
    tokens: float | None = Field(description="whole tokens; negative: leave the chain")


class AcrossChains(Part):
    """What bridging an asset held on several chains would gain. Nothing is bridged."""

    asset: str = Field(description="the asset's symbol")
    gain_per_year: float | None = Field(
        description="what the chains' own best allocations would earn more after the bridge, each under limits of its "
        "chain's wealth then: tokens a year, before the cost of bridging"
    )
    worth: float | None = Field(description="the most that bridging may cost and still pay within the horizon, tokens")
    shifts: tuple[Shift, ...] = Field(description="one for each chain")

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


class PlansTogether(Part):
    """A market into which several wallets' plans put money. Each plan's figures count the plans before it."""

    chain_id: str = Field(description="the chain, as CAIP-2 identifier")
    market_id: str = Field(description="the market's identifier")
    name: str = Field(description="its name")
    plans: int = Field(description="how many plans put money in")
    amount: Money = Field(description="what all plans together put in, less what they take out")
    apy_alone: float | None = Field(description="the highest APY that one of these plans says")
    apy_alone_least: float | None = Field(description="the lowest APY that one of these plans says")
    apy_together: float | None = Field(description="the APY after all of them")

    @classmethod
    def of(cls, found: Sequence[Together]) -> tuple[PlansTogether, ...]:
        return tuple(
            cls(
                chain_id=one.chain,
                market_id=one.market_id,
                name=one.name,
                plans=one.plans,
                amount=Money.of(one.amount),
                apy_alone=number(one.alone),
                apy_alone_least=number(one.least),
                apy_together=number(one.together),
            )
            for one in found
        )
