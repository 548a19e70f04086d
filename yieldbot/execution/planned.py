"""Whether a leg, as it was just built, belongs to the approved plan, on any chain. Pure.

Between approval and execution the market is read again and the leg built anew; it may move less, never more.
"""

from __future__ import annotations

from typing import Protocol

from yieldbot.execution.deltas import IntendedLeg
from yieldbot.model.exchange import SwapTerms
from yieldbot.model.plan import Declined, Leg, LegKind, Plan


class PlannedLeg(IntendedLeg, Protocol):
    """A leg with its place in a plan, on any chain."""

    @property
    def index(self) -> int:
        """Counted from 0."""


def leg_line(plan: Plan, index: int, wallet: str, chain: str, what: str) -> str:
    """What is said before a leg is carried out: which leg, of which wallet and chain (several run at a time)."""
    return f"leg {index + 1} of {len(plan.legs)} of {wallet} on {chain}: {what}"


def leg_in_plan(plan: Plan, work: PlannedLeg) -> Declined | None:
    """Why a leg is not the one approved at its place in the plan; None if it is. Pure.

    Kind, market, token and range must be the same; the amount must not be larger; a swap's minimum rate must not be
    worse. Codes: NOT_IN_PLAN, AMOUNT_ABOVE_PLAN, BELOW_LEAST.
    """
    leg = work.leg
    if not 0 <= work.index < len(plan.legs):
        return Declined("NOT_IN_PLAN", f"the plan has no leg {work.index}")
    planned = plan.legs[work.index]
    same = (leg.kind, leg.market_id, leg.amount.token) == (planned.kind, planned.market_id, planned.amount.token)
    if leg.ticks != planned.ticks:
        return Declined("NOT_IN_PLAN", f"a range from tick {leg.ticks}, one of {planned.ticks} was approved")
    if not same or work.market.id != leg.market_id or work.market.asset != leg.amount.token:
        return Declined("NOT_IN_PLAN", f"{leg.kind} at {leg.market_id} is not the leg that was approved")
    if (leg.all and not planned.all) or (planned.amount < leg.amount and not planned.all):
        return Declined("AMOUNT_ABOVE_PLAN", f"{leg.amount} to {leg.kind}, {planned.amount} were approved")
    return _gets_in_plan(leg, planned)


def _gets_in_plan(leg: Leg, planned: Leg) -> Declined | None:
    """``leg_in_plan`` for what the leg brings: the approved token, at the approved rate or a better one."""
    if leg.kind is LegKind.CLAIM and leg.gets != planned.gets:
        return Declined("NOT_IN_PLAN", f"a claim of {leg.gets}, one of {planned.gets} was approved")
    if leg.gives is not None or planned.gives is not None:
        return _sold_in_plan(leg, planned)
    if leg.gets is None or planned.gets is None:
        return None if leg.gets is planned.gets else Declined("NOT_IN_PLAN", f"{leg.kind} is not what was approved")
    if leg.gets.token != planned.gets.token:
        message = f"a swap for {leg.gets.token.symbol}, one for {planned.gets.token.symbol} was approved"
        return Declined("NOT_IN_PLAN", message)
    if leg.gets.raw * planned.amount.raw < planned.gets.raw * leg.amount.raw:
        message = f"{leg.amount} for {leg.gets}, at least {planned.gets} for {planned.amount} was approved"
        return Declined("BELOW_LEAST", message)
    return None


def _sold_in_plan(leg: Leg, planned: Leg) -> Declined | None:
    """``leg_in_plan`` for shares that are sold: no more of them, and no less for each, than was approved."""
    terms = (leg.gives, leg.gets, planned.gives, planned.gets)
    if leg.kind is not LegKind.WITHDRAW or None in terms:
        return Declined("NOT_IN_PLAN", f"{leg.kind} is not what was approved")
    gives, gets, most, least = (one for one in terms if one is not None)
    if (gives.token, gets.token) != (most.token, least.token):
        return Declined("NOT_IN_PLAN", f"{gives.token.symbol} for {gets.token.symbol} is not what was approved")
    if gives > most:
        return Declined("AMOUNT_ABOVE_PLAN", f"{gives} to sell, {most} were approved")
    if gets.raw * most.raw < least.raw * gives.raw:
        return Declined("BELOW_LEAST", f"{gives} for {gets}, at least {least} for {most} was approved")
    return None


class SwapLeg(IntendedLeg, Protocol):
    """A leg that may be a swap, on any chain."""

    @property
    def swaps(self) -> tuple[SwapTerms, ...]:
        """The terms of each part of a split swap; none for other kinds of legs."""


def terms_are_the_legs(work: SwapLeg) -> bool:
    """Whether the terms of a swap's parts add up to the leg: the same tokens, and in total the leg's amount in and
    minimum out. For a leg of another kind: whether it has no terms. Pure."""
    leg = work.leg
    if leg.kind is not LegKind.SWAP or leg.gets is None:
        return leg.kind is not LegKind.SWAP and not work.swaps
    same = all((part.given.token, part.least.token) == (leg.amount.token, leg.gets.token) for part in work.swaps)
    given, least = sum(part.given.raw for part in work.swaps), sum(part.least.raw for part in work.swaps)
    return same and (given, least) == (leg.amount.raw, leg.gets.raw)
