"""The bound of an allocation holds for markets that were not read in full; reading what it asks for closes the gap."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.kit.draws import draws
from tests.kit.market_builder import kinked, market, snapshot
from tests.kit.policies import loose
from yieldbot.allocator.allocate import CLOSE_BPS, allocate
from yieldbot.allocator.assess import assess
from yieldbot.math.curves import AdaptiveCurve, ConstantCurve
from yieldbot.model.curve import YieldCurve
from yieldbot.model.glance import Glance
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.plan import Allocation
from yieldbot.model.policy import Policy

SLACK = 1e-6
"""Whole tokens a year: rounding to base units."""


def drawn(draw: random.Random, name: str) -> MarketState:
    """A market of any size and utilisation; some have a doubt, which only a full reading finds."""
    others = 10 ** draw.uniform(2, 7)
    used = draw.choice((draw.random(), draw.uniform(0.85, 1.0)))
    curve: YieldCurve = draw.choice(
        (
            AdaptiveCurve(others, others * used, 0.1 * draw.random(), 10 ** draw.uniform(-2.5, -0.7)),
            kinked(others, others * used, low=0.2 * draw.random()),
        )
    )
    found = market(name, curve, borrowed=others * used)
    return replace(found, doubts=("contradicts itself",)) if draw.random() < 0.3 else found


def glanced(state: MarketState, draw: random.Random) -> Glance:
    """A glance at it: its own curve is the ceiling, or a coarser one."""
    ceiling = draw.choice((state.curve, ConstantCurve(state.curve.apr(0.0, Policy().horizon_seconds))))
    return Glance(
        market=state.market,
        block=state.block,
        held=state.held,
        supplied=state.supplied,
        borrowed=state.borrowed,
        cash=state.liquidity,
        capacity=state.capacity,
        quoted=state.quoted,
        ceiling=ceiling,
        gas_deposit=state.gas_deposit,
        gas_withdraw=state.gas_withdraw,
    )


def solved(view: Snapshot, policy: Policy) -> Allocation:
    return allocate(view, assess(view, policy), policy)


@pytest.mark.parametrize("seed", range(draws(25, 1000)))
def test_no_market_that_was_not_read_is_better_than_the_bound(seed: int) -> None:
    draw = random.Random(seed)
    states = [drawn(draw, f"m{k}") for k in range(draw.randint(2, 24))]
    policy = loose(
        haircut_bps={f"m{k}": draw.uniform(0, 200) for k in range(0, len(states), 3)},
        max_share_market=draw.choice((1.0, 0.3)),
        max_share_markets={"m1": 0.8} if draw.random() < 0.5 else {},
        min_liquidity_multiple=draw.choice((0.0, 2.0)),
        min_position=str(draw.choice((0, 500))),
    )
    whole = snapshot(10 ** draw.uniform(3, 6), *states)
    best = solved(whole, policy)
    read = set(draw.sample(sorted(one.market.id for one in states), draw.randint(0, len(states) // 2)))
    for _ in range(len(states) + 1):
        kept = {key: state for key, state in whole.states.items() if key in read or state in whole.idle}
        rest = tuple(glanced(state, draw) for state in states if state.market.id not in read)
        found = solved(replace(whole, states=kept, glanced=rest), policy)
        proof = found.certificate
        assert proof.glanced == len(rest)
        assert proof.upper_bound >= best.certificate.objective - SLACK
        assert set(proof.unread) <= {one.market.id for one in rest}
        if not proof.unread:
            break
        read |= set(proof.unread)
    assert not proof.unread
    assert proof.gap_bps <= max(CLOSE_BPS, best.certificate.gap_bps) + 0.02
    assert (
        best.certificate.objective - proof.objective
        <= proof.gap_bps / 10_000 * float(whole.wealth(whole.assets[0])) + SLACK
    )


def test_a_job_that_is_read_in_full_is_solved_as_before() -> None:
    view = snapshot(10_000.0, market("a", kinked(1e6, 8e5), borrowed=8e5))
    proof = solved(view, loose()).certificate
    assert (proof.glanced, proof.unread) == (0, ())


def test_a_market_whose_forecast_is_better_is_read_in_full() -> None:
    """Its ceiling is what it pays now; memory may know better."""
    draw = random.Random(1)
    read, rest = market("a", ConstantCurve(0.03)), market("b", ConstantCurve(0.01))
    for outlook, wanted in ((None, ()), (0.02, ()), (0.08, (rest.market.id,))):
        glance = replace(glanced(rest, draw), outlook=outlook)
        view = replace(snapshot(10_000.0, read), glanced=(glance,))
        proof = solved(view, loose()).certificate
        assert proof.unread == wanted
        assert (proof.gap_bps > 100) == bool(wanted)  # the bound counts the forecast
    spike = replace(glanced(market("b", kinked(1e6, 9.5e5)), draw), outlook=0.08)
    proof = solved(replace(snapshot(10_000.0, read), glanced=(spike,)), loose()).certificate
    assert proof.unread == (spike.market.id,)
