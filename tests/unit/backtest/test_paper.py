"""A paper wallet in the place of the real one: what it sees, and what its holdings earn between two readings."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.market_builder import BLOCK, USDC, kinked, market, snapshot, usdc
from yieldbot.backtest.carried import Asked, SimulatedHoldings
from yieldbot.backtest.paper import PaperHolding, accrued, as_held, dilution, gained, rebased
from yieldbot.math.curves import ConstantCurve, EnteredCurve, LookThroughCurve, VaultSlot
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address
from yieldbot.model.market import MarketState, RateForecast
from yieldbot.model.rewards import Reward

DAY = 86_400
CURVE = kinked(1e6, 8e5)
STATE = replace(market("one", CURVE, held=1_000, liquidity=2e5, capacity=5e4, borrowed=8e5), index=1.02)
LATER = replace(STATE, block=replace(BLOCK, timestamp=BLOCK.timestamp + DAY))


def position(raw: int, **changes: object) -> PaperHolding:
    values: dict[str, object] = {
        "raw": raw, "index": 1.02, "time": BLOCK.timestamp, "rate": 0.05, "expected": 0.05, "real": 0.0,
        "since": BLOCK.timestamp, "since_raw": raw,
    }  # fmt: skip
    return PaperHolding(**(values | changes))  # type: ignore[arg-type]


def test_the_index_says_what_was_earned() -> None:
    grown = replace(LATER, index=1.02 * 1.0001)
    same = gained(position(usdc(1_000).raw), grown, 1_000.0)
    assert same.exact and same.raw == pytest.approx(1_000 * 1e-4 * 1e6, abs=2), "the real wallet's money was as much"
    alone = gained(position(usdc(1_000).raw), grown, 0.0)
    ratio = CURVE.apr(1_000, DAY) / CURVE.apr(0, DAY)
    assert (
        alone.raw == pytest.approx(1_000 * math.expm1(math.log(1.0001) * ratio) * 1e6, abs=2) and alone.raw < same.raw
    )
    lost = gained(position(usdc(1_000).raw), replace(LATER, index=1.02 * 0.9), 0.0)
    assert lost.exact and lost.raw == pytest.approx(-100e6, abs=2), "a loss is shared in full"


def test_without_an_index_the_quotes_of_both_readings_count_and_it_is_said() -> None:
    found = gained(position(usdc(1_000).raw, index=None, rate=0.07), replace(LATER, index=None), 1_000.0)
    rate = (0.07 + CURVE.apr(1_000, DAY)) / 2
    assert not found.exact and found.raw == pytest.approx(1_000e6 * rate / 365, abs=2)
    assert gained(position(5), STATE, 0.0).raw == 0, "no time has passed"


@given(paper=st.floats(0.0, 1e7), real=st.floats(0.0, 1e7))
def test_more_of_ours_is_paid_no_more(paper: float, real: float) -> None:
    found = dilution(STATE, paper, real, DAY)
    assert found >= 0.0 and (found <= 1.0 + 1e-9 if paper >= real else found >= 1.0 - 1e-9)
    assert dilution(STATE, real, real, DAY) == pytest.approx(1.0)


def test_a_market_that_pays_nothing_dilutes_nothing() -> None:
    assert dilution(replace(STATE, curve=ConstantCurve(0.0)), 1e6, 0.0, DAY) == 1.0


def test_fees_of_entering_are_no_dilution() -> None:
    curve = EnteredCurve(1e6, 5e4, 0.0, 0.01)
    assert curve.apr(1_000, DAY) < 0.0, "entering for one day alone costs more than it brings"
    found = dilution(replace(STATE, curve=curve), 1_000.0, 0.0, DAY)
    assert found == pytest.approx(1e6 / 1_001_000)


def test_a_vault_is_seen_as_if_the_paper_money_had_gone_where_it_puts_money() -> None:
    slots = (VaultSlot(kinked(1e6, 8e5), 5e5, 1e4, 1e5, "a"), VaultSlot(kinked(1e6, 7e5), 4e5, math.inf, 2e5, "b"))
    vault = LookThroughCurve(9e5, 0.0, 0.1, slots, (0, 1))
    found = rebased(vault, 3e4)
    assert isinstance(found, LookThroughCurve) and found.ours == 3e4
    assert [slot.held for slot in found.slots] == [5.1e5, 4.2e5] and found.slots[0].room == 0.0
    for tokens in (3e4, 6e4):
        assert found.apr(tokens, DAY) == pytest.approx(vault.apr(tokens, DAY))


def test_the_real_holding_goes_and_the_paper_one_comes() -> None:
    forecast = RateForecast(mean=0.04, low=0.03, high=0.05, days=7.0)
    state = replace(STATE, forecast=forecast)
    seen = as_held(snapshot(77, state), SimulatedHoldings(idle={USDC: 5}, held={state.market.id: usdc(300).raw}), {})
    (idle,), found = seen.idle, seen.of(state.market.id)
    assert idle.held.raw == 5 and found.held == usdc(300) == found.withdrawable
    assert found.liquidity == usdc(2e5 - 1_000 + 300) and found.capacity == usdc(5e4 + 1_000 - 300)
    assert found.supplied == usdc(1e6 - 1_000 + 300) and found.curve == CURVE
    assert found.forecast is not None and found.forecast.ours == 1_000.0, (
        "the rates were seen with the real money in it"
    )
    assert seen.wealth(USDC) == Amount(USDC, usdc(300).raw + 5)
    same = as_held(
        snapshot(5, STATE), SimulatedHoldings(idle={USDC: usdc(5).raw}, held={STATE.market.id: STATE.held.raw}), {}
    )
    assert same == replace(snapshot(5, STATE), states=same.states) and same.of(STATE.market.id) == STATE


def test_what_leaves_by_a_two_step_exit_is_ready_when_its_time_is_over() -> None:
    for until, ready in ((BLOCK.timestamp + 1, 0), (BLOCK.timestamp, 9), (None, 0)):
        found = as_held(snapshot(0, STATE), SimulatedHoldings(asked={STATE.market.id: Asked(9, until)}), {}).of(
            STATE.market.id
        )
        assert found.leaving is not None and found.leaving.ready.raw == ready and found.held.raw == 9
        assert found.leaving.requested.raw == 9 - ready and found.inside.raw == 0


def test_rewards_are_those_that_the_paper_money_would_have_got() -> None:
    token = Token(BLOCK.chain, Address("0x" + "5" * 40), "COMP", 18)
    nothing = Amount(token, 0)
    one = Reward(
        token=token, claimable=Amount(token, 99), in_wallet=Amount(token, 7), raw_per_second=1e15,
        ends_at=BLOCK.timestamp + DAY // 2, others=3_000.0, distributor=Address("0x" + "6" * 40), gas=1,
    )  # fmt: skip
    state: MarketState = replace(LATER, rewards=(one,))
    claim = one.claim_id(state.market.id)
    assert accrued(state, usdc(1_000).raw, BLOCK.timestamp) == {claim: int(1e15 * DAY / 2 / 4)}
    assert accrued(state, 0, BLOCK.timestamp) == {} and accrued(state, 5, BLOCK.timestamp + DAY) == {}
    seen = as_held(snapshot(0, state), SimulatedHoldings(), {claim: 12}).of(state.market.id).rewards[0]
    assert (seen.claimable.raw, seen.in_wallet) == (12, nothing)
