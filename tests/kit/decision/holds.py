"""A plan of two markets, and the snapshot that it was made from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.kit.market_builder import BLOCK, market, snapshot
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB as ALONE
from yieldbot.decision.decide import decide
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.plan import Plan
from yieldbot.model.policy import Policy

NOW = BLOCK.timestamp

A = market("a", ConstantCurve(0.10), borrowed=500_000)
B = market("b", ConstantCurve(0.02), held=5_000)
SEEN = snapshot(95_000, A, B)
"""The snapshot from which the plan moves everything into market A: the wallet's money, and that in B, which earns
less."""


def planned(view: Snapshot, policy: Policy = loose(horizon_days=30.0)) -> Plan:  # noqa: B008
    plan = decide(view, policy, ALONE, NOW).outcome
    assert isinstance(plan, Plan), plan
    return plan


def changed(view: Snapshot, state: MarketState, **parts: Any) -> Snapshot:
    return replace(view, states={**view.states, state.market.id: replace(state, **parts)})
