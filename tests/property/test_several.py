"""Whatever several assets look like, dust and whales among them, a decision is made: nothing raises, nothing is made
up, and a fresh plan holds."""

from __future__ import annotations

import random

import pytest

from tests.property.several import TOKENS, case_of
from yieldbot.cycle import decide, still_holds
from yieldbot.model.plan import Plan


def decided(draw: random.Random) -> str:
    """One random case, with what must hold of it; what the decision was."""
    seen, policy, job = case_of(draw)
    found = decide(seen, policy, job, seen.block.timestamp)
    for token in TOKENS:
        had = sum(state.held.raw for state in seen.states.values() if state.market.asset == token)
        has = sum(target.raw for target in found.allocation.targets.values() if target.token == token)
        given = sum(swap.given.raw for swap in found.allocation.swaps if swap.given.token == token)
        got = sum(swap.gets.raw for swap in found.allocation.swaps if swap.gets.token == token)
        assert has == had - given + got, token
    assert all(target.raw >= 0 for target in found.allocation.targets.values())
    if isinstance(found.outcome, Plan):
        refused = still_holds(found.outcome, 0, seen, policy, job)
        assert refused is None, refused
    swapped = len(found.allocation.swaps)
    return f"{type(found.outcome).__name__}, {swapped or 'no'} swap{'s' * (swapped != 1)}"


@pytest.mark.parametrize("first", range(0, 120, 20))
def test_every_snapshot_of_several_assets_is_decided(first: int) -> None:
    for seed in range(first, first + 20):
        decided(random.Random(seed))


@pytest.mark.parametrize("seed", [pytest.param(3090, id="a plan took more out of a market than it pays at once")])
def test_a_snapshot_that_was_once_decided_wrongly_is_decided(seed: int) -> None:
    assert decided(random.Random(seed)).startswith("Plan")
