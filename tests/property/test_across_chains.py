"""What bridging is said to gain, beside what the chains' own plans earn after each bridge of a grid."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.kit.market_builder import kinked, market, snapshot
from tests.unit.allocator.test_across import FREE, OTHER, on
from yieldbot.allocator.across import across
from yieldbot.allocator.allocate import allocate
from yieldbot.allocator.assess import assess
from yieldbot.model.amounts import Amount
from yieldbot.model.look_through import Backer, Backing
from yieldbot.model.market import Kind, MarketState, Snapshot
from yieldbot.model.policy import Policy

STEPS = 20


def resting(state: MarketState, chain: int, *parts: tuple[str, float]) -> MarketState:
    """The market as one that rests on tokens, which have one symbol on every chain and an address on each."""
    named = tuple(
        Backer(backing="0x" + f"{symbol.encode().hex()}{chain:02x}".rjust(40, "0"), symbol=symbol, share=share)
        for symbol, share in parts
    )
    return replace(state, backing=Backing(market=state.market.id, parts=named))


def wallet(seen: Snapshot) -> MarketState:
    (found,) = (state for state in seen.states.values() if state.market.kind is Kind.IDLE)
    return found


def idle(seen: Snapshot) -> float:
    return float(wallet(seen).held)


def given(seen: Snapshot, more: float) -> Snapshot:
    """The snapshot once ``more`` whole tokens came to its wallet, or left it."""
    state = wallet(seen)
    raw = max(0, state.held.raw + round(more * state.held.token.one))
    return replace(seen, states={**seen.states, state.market.id: replace(state, held=Amount(state.held.token, raw))})


def earned(pair: Sequence[Snapshot], policy: Policy) -> float:
    """Whole tokens a year of the chains' own plans."""
    return sum(allocate(one, assess(one, policy), policy).certificate.objective for one in pair)


@pytest.mark.parametrize("seed", range(16))
def test_a_bridge_gains_what_the_chains_own_plans_earn_after_it_and_none_gains_more(seed: int) -> None:
    drawn = random.Random(seed)
    seen = []
    for chain in (1, 2):
        markets = []
        for n in range(2):
            others = drawn.uniform(1e5, 1e7)
            curve = kinked(others, others * drawn.uniform(0.5, 0.97))
            rests = ("WETH", drawn.choice([0.0, 0.3, 1.0])), ("WBTC", drawn.choice([0.0, 0.0, 0.5]))
            markets.append(resting(market(f"m{chain}{n}", curve), chain, *rests))
        seen.append(snapshot(drawn.uniform(1e4, 1e5), *markets, gwei=drawn.choice([0.0, 0.1])))
    here, there = seen[0], on(OTHER, seen[1])
    policy = replace(
        FREE,
        max_share_market=drawn.choice([0.5, 0.7, 1.0]),
        max_share_collateral=drawn.choice([0.4, 0.6, 1.0]),
        max_share_protocol={"lend": drawn.choice([0.6, 1.0])},
        idle_buffer=drawn.choice(["0", "1000"]),
        min_position=drawn.choice(["0", "1000"]),
    )
    (found,) = across((here, there), policy)
    alone, moved = earned((here, there), policy), found.shifts[OTHER]
    assert sum(found.shifts.values()) == pytest.approx(0.0, abs=1e-6)
    after = earned((given(here, -moved), given(there, moved)), policy)
    wealth = idle(here) + idle(there)
    assert after - alone == pytest.approx(found.gain_per_year, abs=2e-6 * wealth)
    buffer = float(policy.idle_buffer)
    most, least = idle(here) - buffer, buffer - idle(there)
    for step in range(STEPS + 1):
        other = least + (most - least) * step / STEPS
        grid = earned((given(here, -other), given(there, other)), policy)
        assert grid - alone <= found.gain_per_year + max(1e-6 * wealth, 0.02 * found.gain_per_year)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_invested_can_leave_as_what_is_idle(seed: int) -> None:
    """Where no move costs anything, it does not matter where the money lies."""
    drawn = random.Random(seed)
    pairs: list[list[Snapshot]] = [[], []]
    for used in (0.6, 0.85):
        held = [drawn.uniform(1e3, 5e4) for _ in range(2)]
        curves = [kinked(others := drawn.uniform(1e5, 3e6), others * drawn.uniform(used, used + 0.1)) for _ in held]
        invested = [market(f"m{n}", curve, held=one) for n, (curve, one) in enumerate(zip(curves, held, strict=True))]
        pairs[0].append(snapshot(0, *invested, gwei=0))
        pairs[1].append(snapshot(sum(held), *(market(f"m{n}", curve) for n, curve in enumerate(curves)), gwei=0))
    (busy,), (free,) = (across((here, on(OTHER, there)), FREE) for here, there in pairs)
    assert busy.gain_per_year == pytest.approx(free.gain_per_year, rel=0.02, abs=0.5)
    assert free.gain_per_year > 1
