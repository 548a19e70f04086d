"""Plan after plan under a limit on each move: first choices fill up, and nothing is bought only to be sold again."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import pytest

from tests.kit.policies import loose
from tests.kit.risk.protections import JOB
from tests.property.frozen import NOW, World, drawn
from yieldbot.decision.decide import decide
from yieldbot.model.plan import LegKind, Plan
from yieldbot.model.policy import Policy

FREE = loose(horizon_days=30.0, min_gain_bps=0.0)
HOURS = 1.0
"""What is assumed until the next plan: how long a plan is valid."""


def limited(world: World, part: float) -> Policy:
    """A limit on one move that is this part of all our money."""
    wealth = world.idle + sum(pool.ours for pool in world.pools.values())
    return replace(FREE, limit_move=str(int(wealth * part)))


def plan_of(world: World, policy: Policy) -> Plan | None:
    made = decide(world.look(), policy, JOB, NOW).outcome
    return made if isinstance(made, Plan) else None


def mean_hours(rests: list[float], limit: float) -> float:
    """How long money waits on average, counted out plan by plan."""
    waits, left = 0.0, sum(rests)
    while sum(rests) > 0.0:
        waits += sum(rests) * HOURS
        rests = [max(0.0, rest - limit) for rest in rests]
    return waits / left if left else 0.0


@pytest.mark.parametrize("part", [0.12, 0.4])
def test_first_choices_fill_up_and_no_second_choice_is_entered_that_does_not_pay_both_ways(part: float) -> None:
    second = staged = 0
    for seed in range(9):
        world = drawn(seed, shared=False)
        policy = limited(world, part)
        limit = float(policy.limit_move or 0)
        best = drawn(seed, shared=False)
        if (whole := plan_of(best, FREE)) is not None:
            best.apply(whole)
        plans = 0
        while (plan := plan_of(world, policy)) is not None:
            plans += 1
            assert plans <= 3 + ceil(1 / part) + 3, seed
            seen = world.look()
            free = decide(seen, FREE, JOB, NOW).allocation.targets
            into = {leg.market_id: float(leg.amount) for leg in plan.legs if leg.kind is LegKind.DEPOSIT}
            assert all(amount <= limit for amount in into.values())
            held = {state.market.id: float(state.held) for state in seen.markets}
            rests = [max(0.0, float(free[m]) - have - limit) for m, have in held.items() if float(free[m]) > have]
            hours = mean_hours([rest for rest in rests if rest > 0.0], limit)
            wanted = {m for m, have in held.items() if float(free[m]) > have}
            for market_id in into.keys() - wanted:
                second += 1
                state = seen.of(market_id)
                gain = sum(move.gain_per_year for move in plan.moves if move.target == market_id)
                gas = seen.fees.cost(state.gas_deposit) + seen.fees.cost(state.gas_withdraw)
                assert gain * hours / 8_760 >= gas * 0.99, (seed, market_id, gain, hours, gas)
            for market_id, more in plan.allocation.later.items():
                staged += 1
                assert plan.allocation.targets[market_id] + more == free[market_id], seed
            assert plan.allocation.certificate.gap_bps < 0.1
            world.apply(plan)
        assert world.income() >= best.income() * 0.9999 - 10.0, (seed, world.income(), best.income())
    assert staged > 10
    assert second < staged
