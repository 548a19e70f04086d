"""Rewards in the allocation: what they are worth to our own deposit, by hand and against exhaustive search."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.market_builder import BLOCK, CHAIN, OWNER, kinked, market, snapshot
from tests.kit.policies import loose
from yieldbot.allocator.allocate import allocate
from yieldbot.allocator.assess import assess, net_income
from yieldbot.allocator.market_curve import curve_of, reward_apr, value
from yieldbot.chains.evm.prices import Price, Surroundings, priced
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address
from yieldbot.model.market import MarketState
from yieldbot.model.rewards import Reward
from yieldbot.model.units import SECONDS_PER_YEAR

RWD = Token(CHAIN, Address("0x" + "0e" * 20), "RWD", 18)
DAY = 86_400
PER_YEAR = 100_000


def reward(
    *,
    per_year: float = PER_YEAR,
    days_left: float | None = None,
    others: float = 1e6,
    price: float | None = 0.5,
    cost: float = 0.0,
    claimable: float = 0.0,
) -> Reward:
    return Reward(
        token=RWD,
        claimable=Amount(RWD, round(claimable * RWD.one)),
        in_wallet=Amount(RWD, 0),
        raw_per_second=per_year * RWD.one / SECONDS_PER_YEAR,
        ends_at=None if days_left is None else BLOCK.timestamp + int(days_left * DAY),
        others=others,
        distributor=OWNER,
        gas=200_000,
        price=price,
        claim_cost=cost,
    )


def rewarded(name: str, *rewards: Reward, others: float = 1e6, borrowed: float = 8e5, held: float = 0) -> MarketState:
    return replace(market(name, kinked(others, borrowed), held=held, borrowed=borrowed), rewards=rewards)


def test_a_share_of_the_emission_after_the_haircut() -> None:
    """x = 250,000 beside 1,000,000 gets a fifth of 100,000 a year at 0.5, less 20 %: 8,000 a year, 3.2 %."""
    state = rewarded("a", reward())
    assert reward_apr(state, 250_000, loose(horizon_days=30.0)) == pytest.approx(8_000 / 250_000)
    assert reward_apr(state, 250_000, loose(horizon_days=30.0, reward_haircut_tokens={"RWD": 0.0})) == pytest.approx(
        10_000 / 250_000
    )
    assert reward_apr(state, 250_000, loose(horizon_days=30.0, reward_haircut_bps=10_000)) == 0.0
    base = state.curve.apr(250_000, 30 * DAY)
    assert curve_of(state, loose(horizon_days=30.0)).apr(250_000, 30 * DAY) == pytest.approx(base + 0.032)
    assert net_income(state, 250_000, loose(horizon_days=30.0)) == pytest.approx(250_000 * (base + 0.032))


def test_time_left_price_and_dust() -> None:
    policy = loose(horizon_days=30.0, reward_haircut_bps=0.0)
    half = rewarded("a", reward(days_left=15))
    assert reward_apr(half, 250_000, policy) == pytest.approx(0.02)
    for gone in (reward(days_left=0), reward(days_left=-1), reward(price=None), reward(per_year=0)):
        state = rewarded("a", gone)
        assert curve_of(state, policy) is state.curve
    # One claim of 10 a horizon of 30 days: 121.67 a year; x = 1,000 would earn 49.95 a year, and claims nothing.
    dear = rewarded("a", reward(cost=10.0))
    assert reward_apr(dear, 1_000, policy) == 0.0
    assert reward_apr(dear, 250_000, policy) == pytest.approx((10_000 - 10 * SECONDS_PER_YEAR / (30 * DAY)) / 250_000)


def test_two_rewards_are_added_and_the_claimable_one_is_no_income() -> None:
    policy = loose(horizon_days=30.0)
    one, two = rewarded("a", reward()), rewarded("a", reward(), reward(claimable=1e6))
    assert reward_apr(two, 1e5, policy) == pytest.approx(2 * reward_apr(one, 1e5, policy))
    assert value(two.rewards[1], policy) == pytest.approx(1e6 * 0.5 * 0.8)
    assert net_income(two, 0.0, policy) == 0.0


def test_a_reward_is_priced_by_a_feed_of_the_chain_alone() -> None:
    state = rewarded("a", reward(price=None))
    fees = snapshot(0, state).fees
    around = Surroundings(0, Price(3000.0, 0), Price(2.0, 0))
    lacking = priced(state, around, fees)  # type: ignore[arg-type]
    assert lacking.rewards[0].price is None and "rewards-not-priced" in lacking.flags
    around = replace(around, usd={RWD.address: Price(5.0, 0)})
    told = priced(state, around, fees)  # type: ignore[arg-type]
    assert told.rewards[0].price == 2.5 and told.flags == () and told.rewards[0].claim_cost == fees.cost(200_000)
    own = replace(state, rewards=(replace(reward(price=None), token=state.market.asset),))
    assert priced(own, around, fees).rewards[0].price == 1.0  # type: ignore[arg-type]


@pytest.mark.parametrize("cost", [0.0, 25.0])
@pytest.mark.parametrize("others", [2e4, 1e6])
def test_no_allocation_is_better_than_the_bound_says(cost: float, others: float) -> None:
    """Two markets, one with a reward: every split of 100,000 in steps of 250 against the answer and its bound."""
    policy = loose(horizon_days=30.0)
    states = rewarded("a", reward(per_year=9_000, others=others, cost=cost)), rewarded("b", others=3e5, borrowed=2.7e5)
    seen = snapshot(100_000, *states, gwei=0.0)
    found = allocate(seen, assess(seen, policy), policy)
    best = max(
        net_income(states[0], x, policy) + net_income(states[1], y, policy)
        for x in range(0, 100_001, 250)
        for y in (0, 100_000 - x)
    )
    assert found.certificate.upper_bound >= best
    assert found.certificate.objective >= best - 1.0
    assert found.certificate.gap_bps <= 0.1
    bare = snapshot(100_000, *(replace(s, rewards=()) for s in states), gwei=0.0)
    plain = allocate(bare, assess(bare, policy), policy)
    where = states[0].market.id
    if others == 2e4:  # most of the reward would be ours
        assert found.targets[where].raw > plain.targets[where].raw
