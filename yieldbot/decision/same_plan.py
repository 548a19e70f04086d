"""Whether a new plan says what one that waits says already, so that the one that waits stays. Pure."""

from __future__ import annotations

import re

from yieldbot.model.amounts import Amount
from yieldbot.model.plan import Leg, Plan

AMOUNT_PERCENT = 1
"""How much an amount may differ, in percent: interest accrues while a plan waits, and what two markets share moves from
one to the other. An amount that cannot be had any more fails when the plan that waits is rehearsed again, as each run
does: the new plan then takes its place."""
GAIN_SHARE = 0.1
"""How much the gain a year may differ, as a fraction."""
COST_SHARE = 0.25
"""How much more the plan may cost, as a fraction."""
NUMBER = re.compile(r"[0-9][0-9.,]*")
TIME_LEFT = 0.25
"""The fraction of ``plan_ttl_seconds`` that a plan must still be valid for, so that a person has time to approve it."""


def says_the_same(waits: Plan, new: Plan, now: int, ttl_seconds: int) -> bool:
    """Whether nothing material differs: the same account, steps and order; no amount that differs by more than
    AMOUNT_PERCENT; about the same gain; a cost that is not much higher; and enough time left. An exit for danger or
    by order must have the same reasons but for their numbers; a sale of what came out never counts, so that its price
    is always today's. now: unix seconds; ttl_seconds: how long a new plan is valid."""
    if waits.expires_at - now < TIME_LEFT * ttl_seconds:
        return False
    if (waits.why or new.why) and not (waits.is_exit and new.is_exit and _reasons(waits) == _reasons(new)):
        return False
    if (waits.block.chain, waits.owner, _steps(waits)) != (new.block.chain, new.owner, _steps(new)):
        return False
    pairs = zip(_amounts(waits), _amounts(new), strict=True)
    if any(abs(fresh.raw - old.raw) * 100 > old.raw * AMOUNT_PERCENT for old, fresh in pairs):
        return False
    gain = abs(new.gain_per_year - waits.gain_per_year) <= GAIN_SHARE * abs(waits.gain_per_year)
    return gain and new.cost <= waits.cost * (1 + COST_SHARE)


def _reasons(plan: Plan) -> list[str]:
    """Why it leaves, without numbers: how much was seen changes with each reading."""
    return [NUMBER.sub("#", reason) for reason in plan.why]


def _steps(plan: Plan) -> list[tuple[object, ...]]:
    return [_step(leg) for leg in plan.legs]


def _step(leg: Leg) -> tuple[object, ...]:
    return leg.kind, leg.market_id, leg.amount.token, leg.all, leg.gets and leg.gets.token, leg.ticks, leg.gives is None


def _amounts(plan: Plan) -> list[Amount]:
    """What each leg gives and brings, in order: as many for each plan of the same steps."""
    return [one for leg in plan.legs for one in (leg.amount, leg.gets, leg.gives) if one is not None and one]
