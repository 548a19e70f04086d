"""What bridging would gain, on chains whose answer can be said beforehand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.market_builder import kinked, market, snapshot
from tests.kit.policies import loose
from yieldbot.allocator.across import across
from yieldbot.allocator.allocate import allocate
from yieldbot.allocator.assess import assess
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import ChainId, MarketId
from yieldbot.model.market import Snapshot

OTHER = ChainId("eip155:8453")


def on(chain: ChainId, seen: Snapshot, decimals: int = 6, symbol: str = "USDC") -> Snapshot:
    """The snapshot as another chain's."""
    token = Token(chain, next(iter(seen.states.values())).market.asset.address, symbol, decimals)

    def moved(amount: Amount) -> Amount:
        return Amount(token, amount.raw * 10**decimals // 10**6)

    states = {}
    for state in seen.states.values():
        key = MarketId(f"{chain}/{state.market.id}")
        where = replace(state.market, id=key, chain=chain, asset=token)
        states[key] = replace(
            state,
            market=where,
            held=moved(state.held),
            liquidity=moved(state.liquidity),
            supplied=moved(state.supplied),
            capacity=None if state.capacity is None else moved(state.capacity),
        )
    return replace(seen, block=replace(seen.block, chain=chain), states=states)


FREE = loose(horizon_days=30.0, min_position="0", min_move="0")


@pytest.mark.parametrize("decimals", [6, 18])
def test_money_of_the_worse_chain_would_go_to_the_better(decimals: int) -> None:
    poor = snapshot(10_000, market("poor", ConstantCurve(0.02)), gwei=0)
    rich = on(OTHER, snapshot(30_000, market("rich", ConstantCurve(0.05)), gwei=0), decimals)
    (found,) = across((poor, rich), FREE)
    assert found.symbol == "USDC" and found.gain_per_year == pytest.approx(10_000 * 0.03, rel=1e-6)
    assert found.worth == pytest.approx(300 * 30 / 365, rel=0.01)
    assert found.shifts[poor.block.chain] == pytest.approx(-10_000) and found.shifts[OTHER] == pytest.approx(10_000)


def test_a_curve_takes_what_equalises_the_margins() -> None:
    """Two equal markets and all the money on one side: half of it would go over."""
    here = snapshot(50_000, market("a", kinked(1e6, 8e5)), gwei=0)
    there = on(OTHER, snapshot(0, market("a", kinked(1e6, 8e5)), gwei=0))
    (found,) = across((here, there), FREE)
    assert found.shifts[OTHER] == pytest.approx(25_000, abs=1_000)
    own = allocate(here, assess(here, FREE), FREE).certificate.objective
    assert 0 < found.gain_per_year < own


def test_nothing_is_said_of_one_chain_or_of_two_assets() -> None:
    here = snapshot(50_000, market("a", ConstantCurve(0.05)))
    assert across((here,), FREE) == ()
    assert across((here, here), FREE) == (), "two wallets of one chain"
    assert across((here, on(OTHER, here, symbol="EURC")), FREE) == ()


def test_no_gain_between_equals() -> None:
    here = snapshot(50_000, market("a", ConstantCurve(0.05)), gwei=0)
    (found,) = across((here, on(OTHER, here)), FREE)
    assert found.gain_per_year == 0.0 and set(found.shifts.values()) == {0.0}


def test_limits_are_those_of_each_chains_own_plan() -> None:
    """500 are bridged to 100,000 of which half may earn 5 %: that half is no larger for what the other chain holds."""
    policy = replace(FREE, max_share_market=0.5, max_share_markets={"full": 1.0})
    full = market("full", ConstantCurve(0.04), held=100_000, capacity=0, protocol="full")
    here = snapshot(500, full, gwei=0)
    markets = (market("best", ConstantCurve(0.05), held=50_000), market("rest", ConstantCurve(0.02), held=50_000))
    (found,) = across((here, on(OTHER, snapshot(0, *markets, gwei=0))), policy)
    assert found.shifts[OTHER] == pytest.approx(500)
    assert found.gain_per_year == pytest.approx(250 * 0.05 + 250 * 0.02, rel=1e-6)


def test_half_of_what_comes_counts_where_half_is_the_limit() -> None:
    """Each chain may use half of its wealth: what is bridged in full moves half of itself from 2 % to 5 %."""
    policy = replace(FREE, max_share_protocol={"lend": 0.5})
    poor = snapshot(5_000, market("poor", ConstantCurve(0.02), held=5_000), gwei=0)
    rich = on(OTHER, snapshot(10_000, market("rich", ConstantCurve(0.05)), gwei=0))
    (found,) = across((poor, rich), policy)
    assert found.shifts[OTHER] == pytest.approx(10_000), "what is invested leaves too"
    assert found.gain_per_year == pytest.approx(5_000 * 0.03, rel=1e-6)


def test_what_cannot_be_withdrawn_stays() -> None:
    locked = market("poor", ConstantCurve(0.02), held=10_000, liquidity=4_000)
    rich = on(OTHER, snapshot(1_000, market("rich", ConstantCurve(0.05)), gwei=0))
    (found,) = across((snapshot(0, locked, gwei=0), rich), FREE)
    assert found.shifts[OTHER] == pytest.approx(4_000) and found.gain_per_year == pytest.approx(120, rel=1e-6)


def test_buffers_stay_on_each_chain() -> None:
    policy = replace(FREE, idle_buffer="1000")
    poor = snapshot(10_000, market("poor", ConstantCurve(0.02)), gwei=0)
    rich = on(OTHER, snapshot(1_000, market("rich", ConstantCurve(0.05)), gwei=0))
    (found,) = across((poor, rich), policy)
    assert found.shifts[OTHER] == pytest.approx(9_000)


@pytest.mark.parametrize("limit", ["max_share_markets", "max_share_protocol"])
def test_a_bridge_leaves_no_larger_share_in_a_market_than_its_limit(limit: str) -> None:
    """Half of the source earns 5 %, the rest 2 %: what leaves for 3 % is half of each, 3.5 %, not all of the worse."""
    policy = replace(FREE, **{limit: {"best": 0.5}})
    best = market("a", ConstantCurve(0.05), held=50_000, protocol="best")
    here = snapshot(0, best, market("b", ConstantCurve(0.02), held=50_000), gwei=0)
    for rate, gain in ((0.03, 0.0), (0.04, 500.0)):
        (found,) = across((here, on(OTHER, snapshot(0, market("c", ConstantCurve(rate)), gwei=0))), policy)
        assert found.gain_per_year == pytest.approx(gain)
