"""Plans of several wallets count each other: whatever the markets and the moves, a plan made after others' is the plan
that would be made once theirs are carried out."""

from __future__ import annotations

import importlib
import math
import pkgutil
from dataclasses import fields, is_dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import yieldbot.math
from tests.kit.draws import draws
from tests.kit.market_builder import kinked as kinked_pool
from tests.kit.market_builder import market, snapshot, usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB
from tests.property.test_allocator_envelope import H, adaptive, kinked, staked, vault, vesting
from yieldbot.app.yields import apy_after
from yieldbot.decision.decide import decide
from yieldbot.decision.pending import moves_of, with_others
from yieldbot.math.beside import joined
from yieldbot.math.curves import (
    DilutedCurve,
    KinkedCurve,
    LookThroughCurve,
    SampledCurve,
    SupplyKinkedCurve,
    VaultSlot,
)
from yieldbot.math.kamino_vault import LessFeeCurve
from yieldbot.math.scaled import CappedCurve, ScaledCurve
from yieldbot.math.unlocking import UnlockingCurve
from yieldbot.model.amounts import Amount
from yieldbot.model.curve import YieldCurve
from yieldbot.model.market import MarketState, RateForecast, Snapshot
from yieldbot.model.pending import Beside, PendingMove
from yieldbot.model.plan import Plan

POLICY = loose(horizon_days=30.0, min_liquidity_multiple=2.0)
AMOUNTS = st.sampled_from([0.0, 1.0, 3e3, 2e5, 4e7])
TABLE = SampledCurve(((0.0, 0.09), (1e4, 0.08), (1e6, 0.02)))


@st.composite
def pooled(draw: st.DrawFn) -> YieldCurve:
    """A curve whose rate depends on all money in the market, whoever brings it."""
    curve = draw(st.one_of(kinked(), adaptive(), vault(), vesting(), staked(), st.just(TABLE)))
    if hasattr(curve, "entry_cost"):
        curve = replace(curve, entry_cost=0.0)
    match draw(st.integers(0, 3)):
        case 1:
            return ScaledCurve(curve, 0.5)
        case 2:
            return CappedCurve(curve, draw(st.sampled_from([1.0, 3e5])))
        case 3:
            return LessFeeCurve(curve, 0.001)
    return curve


def ours(curve: YieldCurve) -> float:
    """What of ours is in a vault, below which its money leaves by another order than it came in."""
    base = getattr(curve, "base", curve)
    return base.ours if isinstance(base, LookThroughCurve) else 0.0


@settings(max_examples=draws(60, 400), deadline=None)
@given(pooled(), AMOUNTS, AMOUNTS, AMOUNTS)
def test_others_money_lowers_the_rate_as_ours_does(curve: YieldCurve, first: float, more: float, x: float) -> None:
    start = ours(curve) + x
    after = joined(joined(curve, first), more)
    assert after.apr(start, H) == pytest.approx(curve.apr(start + first + more, H), rel=1e-6, abs=1e-12)
    assert type(joined(curve, first)) in (type(curve), type(getattr(curve, "base", curve)))


def test_every_curve_has_a_figure_for_others_money_or_pays_the_same_whoever_comes() -> None:
    found = set()
    for one in pkgutil.iter_modules(yieldbot.math.__path__):
        module = importlib.import_module(f"yieldbot.math.{one.name}")
        found |= {
            kind
            for name, kind in vars(module).items()
            if name.endswith("Curve") and isinstance(kind, type) and is_dataclass(kind) and hasattr(kind, "marginal")
        }
    without = {kind.__name__ for kind in found if "others" not in {one.name for one in fields(kind)}}
    joined_here = {"SampledCurve", "CappedCurve", "ScaledCurve", "LessFeeCurve"}
    flat = {"ConstantCurve", "StatedCurve"}
    never_joined = {"FixedTermCurve", "LiquidityCurve", "RewardedCurve"}
    assert without == joined_here | flat | never_joined


def lending(others: float, lent: float) -> YieldCurve:
    return kinked_pool(others, lent * others)


@st.composite
def markets(draw: st.DrawFn) -> tuple[MarketState, ...]:
    found = []
    for number in range(draw(st.integers(1, 4))):
        others = draw(st.floats(1e5, 1e7))
        rate, lent = draw(st.floats(0.02, 0.15)), draw(st.floats(0.3, 0.95))
        curve: YieldCurve = draw(
            st.sampled_from(
                [
                    lending(others, lent),
                    DilutedCurve(others, rate * others),
                    SupplyKinkedCurve(others, lent * others, ((0.0, 0.0), (0.8, 0.05), (1.0, 0.3))),
                    UnlockingCurve(others, rate * others / 12, 1e6, rate * others),
                ]
            )
        )
        state = market(f"m{number}", curve, liquidity=others * draw(st.sampled_from([0.1, 0.5, 1.0])))
        mean = draw(st.sampled_from([None, 0.04, 0.12]))
        forecast = None if mean is None else RateForecast(mean=mean, low=0.0, high=1.0, days=30.0)
        capacity = draw(st.sampled_from([None, 4e4, 1e9]))
        found.append(replace(state, forecast=forecast, capacity=None if capacity is None else usdc(capacity)))
    return tuple(found)


def read_anew(seen: Snapshot, put: dict[str, int]) -> Snapshot:
    """What a reading would show once so many base units of other wallets' were in each market, as cash that is left."""

    def state_of(state: MarketState) -> MarketState:
        raw = put.get(state.market.id, 0)
        if not raw:
            return state
        tokens = raw / state.market.asset.one
        forecast = state.forecast and replace(state.forecast, beside=tokens)
        room = state.capacity and Amount(state.market.asset, max(0, state.capacity.raw - raw))
        curve = replace(state.curve, others=state.curve.others + tokens)  # type: ignore[type-var]
        found = replace(state, curve=curve, forecast=forecast, capacity=room, others_held=raw)
        return replace(found, liquidity=Amount(state.market.asset, state.liquidity.raw + raw))

    return replace(seen, states={key: state_of(state) for key, state in seen.states.items()})


@settings(max_examples=draws(40, 400), deadline=None)
@given(markets(), st.lists(st.sampled_from([2e3, 3e4, 5e5]), min_size=2, max_size=4))
def test_a_plan_after_others_is_the_plan_once_they_are_carried_out(
    found: tuple[MarketState, ...], wallets: list[float]
) -> None:
    moves: list[PendingMove] = []
    put: dict[str, int] = {}
    for number, idle in enumerate(wallets):
        seen = snapshot(idle, *found)
        decided = decide(seen, POLICY, JOB, seen.block.timestamp, beside=Beside(tuple(moves)))
        fresh = read_anew(seen, put)
        after = decide(fresh, POLICY, JOB, seen.block.timestamp)
        assert decided.allocation.targets == after.allocation.targets
        proof, anew = decided.allocation.certificate, after.allocation.certificate
        assert proof.upper_bound == pytest.approx(anew.upper_bound, rel=1e-9, abs=1e-9)
        assert proof.objective <= proof.upper_bound + 1e-6
        counting = with_others(seen, Beside(tuple(moves)))
        for state in seen.markets:
            target = decided.allocation.targets[state.market.id]
            here, there = (
                apy_after(one.of(state.market.id), target, POLICY.horizon_seconds, POLICY).value
                for one in (counting, fresh)
            )
            assert math.isclose(here, there, rel_tol=1e-9, abs_tol=1e-12)
        if isinstance(decided.outcome, Plan):
            assert bool(decided.outcome.counts) == bool(moves)
            mine = moves_of(f"w{number}", decided.outcome)
            moves += mine
            for one in mine:
                put[one.market_id] = put.get(one.market_id, 0) + one.puts.raw


@settings(max_examples=draws(20, 200), deadline=None)
@given(markets(), st.sampled_from([3e4, 5e5]), st.sampled_from([1e4, 1e6, 1e9]))
def test_what_others_would_take_out_is_never_a_gain(found: tuple[MarketState, ...], idle: float, out: float) -> None:
    seen = snapshot(idle, *found)
    takes = tuple(PendingMove("w", state.market.id, usdc(0), usdc(out)) for state in seen.markets)
    alone = decide(seen, POLICY, JOB, seen.block.timestamp).allocation
    beside = decide(seen, POLICY, JOB, seen.block.timestamp, beside=Beside(takes)).allocation
    assert beside.certificate.objective <= alone.certificate.upper_bound + 1e-6
    for state in seen.markets:
        less = with_others(seen, Beside(takes)).of(state.market.id)
        assert less.curve == state.curve and less.liquidity.raw == max(0, state.liquidity.raw - usdc(out).raw)


@settings(max_examples=draws(40, 300), deadline=None)
@given(kinked(), st.floats(1e2, 1e7), st.sampled_from([0.0, 0.1, 1.0]), st.booleans())
def test_what_comes_to_a_pool_through_another_market_counts_there(
    pool: KinkedCurve, coming: float, inside: float, through: bool
) -> None:
    """A market, a wrapper of it, and a vault that lends to it: what is put into one lowers the rate of all three."""
    held = inside * pool.others
    slot = VaultSlot(pool, held, math.inf, held, "pool")
    states = (
        market("lend", pool, pools=frozenset({"pool"})),
        market("wrapper", pool, pools=frozenset({"pool"})),
        market("vault", LookThroughCurve(held, 0.0, 0.1, (slot,), (0,)), pools=frozenset({"pool"})),
    )
    seen = snapshot(1e5, *states)
    entered = states[2 if through else 0]
    puts = PendingMove("w", entered.market.id, usdc(coming), usdc(0))
    found = with_others(seen, Beside((puts,), {entered.market.id: usdc(7).raw}))
    tokens = float(usdc(coming))
    for state in states[:2]:
        after = found.of(state.market.id)
        assert isinstance(after.curve, KinkedCurve)
        assert after.curve.others == pytest.approx(pool.others + tokens, rel=1e-12)
        assert (after.others_coming, after.others_held) == (usdc(coming).raw, usdc(7).raw), "the same cash"
    vault_after = found.of(states[2].market.id).curve
    whole = held + (tokens if through else 0.0)
    assert vault_after.apr(0.0, H) == pytest.approx(0.9 * pool.apr(held + tokens, H), rel=1e-9) or not whole
