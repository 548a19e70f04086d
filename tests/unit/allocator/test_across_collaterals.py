"""The limit on what rests on one collateral holds over all chains, beside a brute force that knows only the limit."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest

from tests.kit.market_builder import kinked, market, snapshot
from tests.unit.allocator.test_across import FREE, OTHER, on
from yieldbot.allocator.across import across, together
from yieldbot.allocator.optimise import optimise
from yieldbot.allocator.problem import Problem
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.look_through import Backer, Backing
from yieldbot.model.market import Kind, MarketState, Snapshot

HORIZON = FREE.horizon_seconds
STEPS = 5


def resting(state: MarketState, chain: int, *parts: tuple[str, float]) -> MarketState:
    """The market as one that rests on tokens, which have one symbol on every chain and an address on each."""
    named = tuple(
        Backer(backing="0x" + f"{symbol.encode().hex()}{chain:02x}".rjust(40, "0"), symbol=symbol, share=share)
        for symbol, share in parts
    )
    return replace(state, backing=Backing(market=state.market.id, parts=named))


def states_of(seen: Sequence[Snapshot]) -> list[MarketState]:
    return [state for one in seen for state in one.states.values() if state.market.kind is not Kind.IDLE]


def rests(states: Sequence[MarketState], holdings: Sequence[float]) -> dict[str, float]:
    """Whole tokens by collateral."""
    found: dict[str, float] = {}
    for state, held in zip(states, holdings, strict=True):
        for one in state.backing.parts if state.backing is not None else ():
            found[one.symbol] = found.get(one.symbol, 0.0) + one.share * held
    return found


def forced(states: Sequence[MarketState], joint: Problem, limit: float) -> float:
    """The best income over a grid of allocations none of which puts more than the limit on one collateral."""
    best, wealth = 0.0, joint.budgets[0].wealth
    for drawn in product(range(STEPS + 1), repeat=len(states)):
        if sum(drawn) > STEPS:
            continue
        holdings = [wealth * one / STEPS for one in drawn]
        if any(found > limit * wealth + 1e-6 for found in rests(states, holdings).values()):
            continue
        income = sum(one.income(held, HORIZON) for one, held in zip(joint.markets, holdings, strict=True))
        best = max(best, income)
    return best


@pytest.mark.parametrize("seed", range(25))
def test_no_allocation_over_chains_puts_more_on_one_collateral_and_none_is_better(seed: int) -> None:
    drawn = random.Random(seed)
    seen = []
    for chain in (1, 2):
        markets = [
            resting(
                market(
                    f"m{chain}{n}", kinked(others := drawn.uniform(1e5, 1e7), others * drawn.uniform(0.5, 0.97)), gas=0
                ),
                chain,
                ("WETH", drawn.choice([0.0, 0.3, 1.0])),
                ("WBTC", drawn.choice([0.0, 0.0, 0.5])),
            )
            for n in range(2)
        ]
        seen.append(snapshot(drawn.uniform(1e4, 1e5), *markets, gwei=0))
    pair = (seen[0], on(OTHER, seen[1]))
    limit = drawn.choice([0.2, 0.4, 0.6])
    policy = replace(FREE, max_share_collateral=limit)
    _, joint = together(pair, policy)
    best, states, wealth = optimise(joint), states_of(pair), joint.budgets[0].wealth
    assert all(found <= limit * wealth * (1 + 1e-6) for found in rests(states, best.holdings).values())
    assert best.objective >= forced(states, joint, limit) - 1e-6 * wealth
    loose = optimise(together(pair, FREE)[1])
    assert best.objective <= loose.objective + 1e-6 * wealth


def test_one_collateral_on_two_chains_is_one_exposure() -> None:
    """Both chains pay most for WETH: half of all the money may rest on it, wherever that is."""
    here = snapshot(0, resting(market("a", ConstantCurve(0.05)), 1, ("WETH", 1.0)), gwei=0)
    there = on(OTHER, snapshot(40_000, resting(market("b", ConstantCurve(0.05)), 2, ("WETH", 1.0)), gwei=0))
    bound = replace(FREE, max_share_collateral=0.5)
    (found,) = across((here, there), bound)
    assert found.gain_per_year == 0.0, "half of it is on WETH already on the chain where it lies"
    apart = on(OTHER, snapshot(40_000, resting(market("b", ConstantCurve(0.05)), 2, ("WBTC", 1.0)), gwei=0))
    (found,) = across((here, apart), bound)
    assert found.gain_per_year == pytest.approx(1_000, rel=1e-3), "the other half earns nothing there, 5 % here"
