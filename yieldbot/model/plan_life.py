"""How long a plan may wait."""

from __future__ import annotations

from yieldbot.model.durations import duration
from yieldbot.model.plan import Plan

CLOCK_SECONDS = 300
"""How far apart clocks may be without a word."""


def waits_too_long(plan: Plan, now: float, ttl_seconds: int) -> str:
    """Why a plan counts as expired that would wait for longer than a new one; empty: it would not. now: unix seconds;
    ttl_seconds: how long a new plan is valid."""
    left = plan.expires_at - now
    if left <= ttl_seconds + CLOCK_SECONDS:
        return ""
    return (
        f"it would wait for another {duration(left)}, longer than plan_ttl_seconds ({duration(ttl_seconds)}): the "
        "clock was ahead when it was made, or plan_ttl_seconds is shorter since"
    )
