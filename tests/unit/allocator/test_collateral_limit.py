"""The limit on what rests on one collateral: each market counts by the part that does."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.kit.allocator.decisions import decide
from tests.kit.market_builder import kinked, market, snapshot
from tests.kit.policies import loose
from yieldbot.model.look_through import Backer, Backing
from yieldbot.model.market import MarketState
from yieldbot.model.policy import Policy
from yieldbot.risk.look_through import exposures

WETH, WBTC = "0x" + "e" * 40, "0x" + "b" * 40


def on(state: MarketState, *parts: tuple[str, float]) -> MarketState:
    backers = tuple(Backer(backing=token, share=share, through=("m",)) for token, share in parts)
    backing = Backing(market=state.market.id, parts=backers, unknown=max(0.0, 1.0 - sum(share for _, share in parts)))
    return replace(state, backing=backing)


def shares_after(states: list[MarketState], wealth: float, policy: Policy) -> dict[str, float]:
    found, _ = decide(snapshot(wealth, *states), policy)
    held = [replace(one, held=found.targets.get(one.market.id, one.held)) for one in states]
    spent = sum(float(one.held) for one in held)
    return {one.backing: one.share for one in exposures(snapshot(wealth - spent, *held))} | {"spent": spent / wealth}


def policy(limit: float) -> Policy:
    return loose(horizon_days=30.0, max_share_collateral=limit)


def test_two_markets_on_one_collateral_share_its_limit() -> None:
    best = on(market("best", kinked(1e7, 9e6)), (WETH, 1.0))
    pool = on(market("pool", kinked(1e7, 8.99e6)), (WETH, 0.5), (WBTC, 0.25))
    free = shares_after([best, pool], 1e5, policy(1.0))
    assert free[WETH] > 0.6
    bound = shares_after([best, pool], 1e5, policy(0.6))
    assert bound[WETH] <= 0.6 + 1e-6 and bound["spent"] > 0.99, "half of the pool's money rests on something else"
    assert bound[WETH] == pytest.approx(0.6, abs=1e-3)


@pytest.mark.parametrize("seed", range(12))
def test_no_plan_exceeds_the_limit_that_was_not_exceeded_before(seed: int) -> None:
    drawn = random.Random(seed)
    states = [
        on(
            market(f"m{n}", kinked(drawn.uniform(1e6, 1e8), 8e5 * drawn.uniform(0.5, 1.2))),
            (WETH, drawn.choice([0.0, 0.2, 0.7, 1.0])),
            *(((WBTC, 0.0),) if drawn.random() < 0.5 else ()),
        )
        for n in range(6)
    ]
    limit = drawn.choice([0.2, 0.35, 0.5])
    found = shares_after(states, drawn.uniform(1e4, 1e6), policy(limit))
    assert found.get(WETH, 0.0) <= limit + 1e-6


def test_what_is_not_known_is_no_collateral() -> None:
    blind = on(market("blind", kinked(1e7, 9e6)))
    assert blind.backing is not None and blind.backing.unknown == 1.0
    assert shares_after([blind], 1e5, policy(0.1))["spent"] > 0.9
