"""Liquidity of a paper wallet: entered, paid fees, rebalanced and left by the pool's own arithmetic."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest

from tests.kit.allocator.liquidity import CALM, ONE, OTHER, POOL, STATE, held
from tests.kit.allocator.liquidity_market import BASE, TICKS, everything, pool, with_ours
from tests.kit.market_builder import OWNER
from tests.kit.policies import loose
from yieldbot.app.paper_state import PaperState, read, written
from yieldbot.app.paper_step import Begins, decided, first, grown
from yieldbot.backtest import paper_liquidity
from yieldbot.backtest.carried import SimulatedHoldings
from yieldbot.backtest.paper import as_held
from yieldbot.backtest.paper_liquidity import SimulatedPosition, grown_position, value
from yieldbot.decision.decide import decide
from yieldbot.math.concentrated import Q128, V3Pool, sqrt_at
from yieldbot.math.liquidity_range import Range
from yieldbot.math.range_entry import with_position
from yieldbot.math.venues import V3Venue
from yieldbot.model.amounts import Amount
from yieldbot.model.exchange import PoolState, Price
from yieldbot.model.ids import MarketId
from yieldbot.model.liquidity import PoolHistory, PoolPosition
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Hold, LegKind, Plan
from yieldbot.model.settings import ChainSettings, Job, Wallet

DAY = 86_400
LP = MarketId(f"uniswap_v3_lp/1/{POOL.address}".lower())
JOB = Job(
    wallet=Wallet(name="w", address=OWNER),
    chain=ChainSettings(
        name="ethereum", chain=ONE.chain, rpc_env="", rpc_urls=(), multicall3=OWNER, native_symbol="ETH",
        native_feed=None, feeds={}, tokens={"1": ONE, "2": OTHER}, deployments=(), max_fee_gwei=1e9,
    ),
    asset=ONE, others=(OTHER,), base=BASE,
)  # fmt: skip
POLICY = loose(horizon_days=30.0, min_gain_share=0.0)


def chain(
    day: float = 0.0, growth: int = 0, history: PoolHistory = CALM, tick: int = 0, outside: tuple[int, ...] = ()
) -> Snapshot:
    """The chain after so many days: the pool's fee growth, its price, and ticks at which its fees are counted."""
    growths = replace(history, growth=(growth, growth))
    there = replace(TICKS, tick=tick, sqrt_price_x96=sqrt_at(tick), outside=dict.fromkeys(outside, (0, 0)))
    state = pool(growths)
    lp = state.liquidity_market
    assert lp is not None
    moved = replace(STATE, tick=tick, sqrt_price_x96=there.sqrt_price_x96)
    state = replace(state, liquidity_market=replace(lp, state=moved))
    found = everything(state)
    block = replace(found.block, timestamp=found.block.timestamp + round(day * DAY), height=round(day * 7200) + 1)
    states = {key: replace(one, block=block) for key, one in found.states.items()}
    assert found.exchange is not None
    usd = {ONE: Price(1.0, block.timestamp), OTHER: Price(1.0, block.timestamp)}
    pools = (PoolState(POOL, V3Venue(there, True), V3Venue(there, False)),)
    return replace(found, block=block, states=states, exchange=replace(found.exchange, states=pools, usd=usd))


def step(before: PaperState | None, real: Snapshot) -> tuple[PaperState, Plan | Hold]:
    begins = Begins(wealth="1000", amount=Amount(ONE, 1000 * ONE.one))
    now = first(begins, JOB, str(OWNER), real) if before is None else grown(before, real, {})
    seen = as_held(real, now.holdings, now.rewards, now.visited, JOB.base)
    outcome = decide(seen, POLICY, JOB, real.block.timestamp).outcome
    did = outcome.reason if isinstance(outcome, Hold) else ""
    made = decided(now, seen, real, outcome, POLICY, did)
    assert not made.failure, made.failure
    return made.state, outcome


def adds_up(state: PaperState) -> None:
    sums = state.totals
    parts = 1000 + sums.earned + sums.repriced + sums.rewards - sums.gas - sums.swapped - sums.entered
    assert state.value == pytest.approx(parts, abs=1e-9)
    assert read(written(state), str(ONE.chain)) == state


def test_a_paper_wallet_enters_a_pool_is_paid_its_fees_and_leaves_when_lending_pays_more() -> None:
    state, plan = step(None, chain())
    assert isinstance(plan, Plan) and {leg.kind for leg in plan.legs if leg.market_id != "lend/1/bank"} == {
        LegKind.DEPOSIT
    }, plan
    (leg,) = [leg for leg in plan.legs if leg.kind is LegKind.DEPOSIT and leg.market_id in state.holdings.liquidity]
    (market_id,) = state.holdings.liquidity
    position = state.holdings.liquidity[market_id]
    assert 0 <= leg.amount.raw - state.holdings.held[market_id] < leg.amount.raw // 500, "half of it was swapped twice"
    assert state.holdings.held[market_id] == value(TICKS, position, True), "to the base unit"
    assert position.ticks[0] < 0 < position.ticks[1] and state.totals.entered > 0.0
    adds_up(state)

    growth = Q128 // 10**5
    later = grown(state, chain(1, growth), {})
    now, diluted = later.holdings.liquidity[market_id], STATE.liquidity / (STATE.liquidity + position.liquidity)
    means = [(late - early) / 3600 for early, late in pairwise(CALM.ticks)][-24:]
    part = sum(position.ticks[0] <= one < position.ticks[1] for one in means) / 24
    assert 0.0 < part < 1.0
    assert now.fees[0] == now.fees[1] == pytest.approx(position.liquidity * diluted * part / 10**5, rel=1e-9)
    assert later.totals.earned == pytest.approx(2 * now.fees[0] / 10**18, rel=1e-3)
    assert later.totals.fees == later.totals.by_quotes == pytest.approx(2 * now.fees[0] / 10**18, rel=1e-9), (
        "no tick of the range is on chain: the pool's growth counts, for the time that its oracle saw in the range"
    )
    adds_up(later)

    state, outcome = step(state, chain(1, growth))  # others have brought the price back, which our swap had moved
    assert isinstance(outcome, Plan) and [leg.kind for leg in outcome.legs] == [LegKind.REBALANCE]
    moved = state.holdings.liquidity[market_id]
    assert abs(sum(moved.ticks)) < abs(sum(position.ticks)) and moved.fees == (0, 0), "the fees are compounded"
    assert moved.liquidity > position.liquidity
    adds_up(state)

    dead = replace(CALM, fees=(1e-12,) * 12)
    state, outcome = step(state, chain(2, growth, dead))
    assert isinstance(outcome, Plan) and LegKind.WITHDRAW in {leg.kind for leg in outcome.legs}
    assert not state.holdings.liquidity and market_id not in state.holdings.held
    adds_up(state)


def test_fees_are_those_that_the_chain_counts_in_the_range() -> None:
    """With both ticks on chain the growth inside is exact, wherever the price went; without, the time inside counts."""
    position = SimulatedPosition(
        ticks=(-100, 100), liquidity=10**21, inside=(0, 0), everywhere=(0, 0), time=chain().block.timestamp
    )
    growth = Q128 // 7
    diluted = Fraction(STATE.liquidity, STATE.liquidity + position.liquidity)
    for tick, part in ((0, 1), (500, 0)):
        real = chain(1, growth, tick=tick, outside=(-100, 100))
        found, exact = grown_position(position, real.of(market_of(real)), pool_in(real))
        assert (exact and found.fees == (fee := int(position.liquidity * growth * diluted * part / Q128), fee)) or (
            exact and part and found.fees[0] == pytest.approx(float(position.liquidity * growth * diluted) / Q128)
        )
    ticks = tuple(float(one) for one in (0, 3600 * 50, 3600 * 100, 3600 * 400, 3600 * 450))  # means: 50, 50, 300, 50
    half = replace(CALM, ticks=ticks, tick_seconds=3600.0)
    real = chain(4 / 24, growth, half)
    found, exact = grown_position(replace(position, inside=None), real.of(market_of(real)), pool_in(real))
    assert not exact
    assert found.fees[0] == pytest.approx(0.75 * float(position.liquidity * growth * diluted) / Q128)
    blind = chain(1, 0, replace(CALM))
    lp = blind.of(market_of(blind)).liquidity_market
    assert lp is not None
    state = replace(blind.of(market_of(blind)), liquidity_market=replace(lp, history=replace(lp.history, growth=None)))
    assert grown_position(position, state, pool_in(blind)) == (position, False), "they accrue when it is read again"
    anew = replace(position, inside=(Q128, Q128))  # the tick was cleared: its counters began anew
    found, exact = grown_position(anew, chain(1, growth, outside=(-100, 100)).of(market_of(real)), pool_in(chain(1)))
    assert not exact and found.fees[0] > 0


def test_a_range_that_the_price_has_left_is_rebalanced_by_the_plan() -> None:
    state, _ = step(None, chain())
    (market_id,) = state.holdings.liquidity
    old = state.holdings.liquidity[market_id]
    tick = old.ticks[1] + 15
    far = chain(1, 0, tick=tick)
    assert far.exchange is not None
    price = 1.0001**tick
    usd = {ONE: Price(price, far.block.timestamp), OTHER: Price(1.0, far.block.timestamp)}
    far = replace(far, exchange=replace(far.exchange, usd=usd, oracle_prices=((POOL, price),)))
    state, outcome = step(state, far)
    assert isinstance(outcome, Plan) and [leg.kind for leg in outcome.legs] == [LegKind.REBALANCE], outcome
    new = state.holdings.liquidity[market_id]
    assert new.ticks[0] <= tick < new.ticks[1] and new.ticks[1] - new.ticks[0] == outcome_width(outcome)
    assert state.totals.earned < 0.0, "the price has cost something, and there were no fees"
    adds_up(state)


def test_the_paper_position_stands_in_the_place_of_the_real_one() -> None:
    """With the same position both observe the same market."""
    real_position = held(-500, 500, token_id=0, liquidity=10**22)
    real_position = replace(
        real_position, amounts=Range(-500, 500).amounts(real_position.liquidity, STATE.sqrt_price_x96)
    )
    real = with_real(chain(), real_position)
    same = SimulatedPosition(ticks=(-500, 500), liquidity=real_position.liquidity, inside=None, everywhere=None, time=0)
    state = real.of(market_of(real))
    own = SimulatedHoldings(
        idle={ONE: 1000 * ONE.one, OTHER: 0}, held={state.market.id: state.held.raw}, liquidity={state.market.id: same}
    )
    seen = as_held(real, own, {}, (), BASE)
    found = seen.of(state.market.id)
    assert (found.held, found.liquidity, found.shares) == (state.held, state.liquidity, state.shares)
    assert found.liquidity_market is not None and state.liquidity_market is not None
    assert found.liquidity_market.state.liquidity == state.liquidity_market.state.liquidity
    assert found.liquidity_market.history.fees == pytest.approx(state.liquidity_market.history.fees)
    nothing = as_held(real, replace(own, liquidity={}, held={}), {}, (), BASE).of(state.market.id)
    assert nothing.held.raw == 0 and nothing.liquidity_market is not None
    assert nothing.liquidity_market.state.liquidity == STATE.liquidity, "the real liquidity is taken out"
    assert market_of(real) not in as_held(real, own, {}).states, "without a base there is no liquidity"
    unread = replace(real, exchange=replace(real.exchange, states=()) if real.exchange else None)
    assert market_of(real) not in as_held(unread, own, {}, (), BASE).states


def test_a_part_that_is_taken_out_brings_its_part_and_all_fees() -> None:
    position = SimulatedPosition(
        ticks=(-200, 200), liquidity=10**22, fees=(10**15, 2 * 10**15), inside=None, everywhere=None, time=0
    )
    inside = with_position(TICKS, Range(-200, 200), position.liquidity)
    half = paper_liquidity.leave(inside, position, Fraction(1, 2), True)
    whole = paper_liquidity.leave(inside, position, Fraction(1), True)
    assert whole.position is None and whole.back == (value(TICKS, position, True), 0)
    assert half.position is not None and half.position.liquidity == position.liquidity // 2
    assert half.position.fees == (0, 0) and half.back[0] == pytest.approx((whole.back[0] + 3 * 10**15) / 2, rel=1e-4)
    assert with_position(inside, Range(-200, 200), -position.liquidity).liquidity == TICKS.liquidity


def outcome_width(plan: Plan) -> int:
    (leg,) = plan.legs
    assert leg.ticks is not None
    return leg.ticks[1] - leg.ticks[0]


def market_of(snapshot: Snapshot) -> MarketId:
    return next(key for key, one in snapshot.states.items() if one.liquidity_market is not None)


def pool_in(snapshot: Snapshot) -> V3Pool:
    lp = snapshot.of(market_of(snapshot)).liquidity_market
    assert lp is not None
    found = paper_liquidity.pool_of(snapshot, lp)
    assert found is not None
    return found


def with_real(snapshot: Snapshot, position: PoolPosition) -> Snapshot:
    """The chain with a position of the real wallet's in the pool."""
    state = pool(CALM, position)
    ticks = with_ours(position)
    assert snapshot.exchange is not None
    pools = (PoolState(POOL, V3Venue(ticks, True), V3Venue(ticks, False)),)
    states = dict(snapshot.states) | {state.market.id: state}
    return replace(snapshot, states=states, exchange=replace(snapshot.exchange, states=pools))
