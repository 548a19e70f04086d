"""A pool as a market: what a holding is worth, what may go in and come out, what decides. Pure: pools are made up."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from tests.kit.allocator.liquidity import CALM, ONE, OTHER, STATE, WILD, held
from tests.kit.allocator.liquidity_market import BASE, MILD, TICKS, WIDE, decided, everything, pool, with_ours
from tests.kit.policies import loose
from yieldbot.allocator.allocate import allocate
from yieldbot.allocator.assess import assess
from yieldbot.allocator.liquidity_market import proceeds, without_positions
from yieldbot.allocator.rebalance import rebalance_due, rebalance_plan
from yieldbot.chains.evm.liquidity.work import share_for
from yieldbot.math.concentrated import sqrt_at
from yieldbot.math.liquidity_curve import LiquidityCurve
from yieldbot.math.liquidity_range import Range
from yieldbot.model.amounts import Amount
from yieldbot.model.contradiction import contradiction
from yieldbot.model.liquidity import PoolHistory
from yieldbot.model.market import MarketState, Status
from yieldbot.model.plan import Hold, LegKind, Plan


def test_a_holding_is_worth_what_leaving_would_bring() -> None:
    ours = held(-1000, 1000, fees=(5 * 10**16, 10**17))
    state = pool(CALM, ours)
    rest = without_positions(with_ours(ours), [ours])
    assert (rest.liquidity, rest.net[-1000], rest.net[-WIDE]) == (TICKS.liquidity, 0, TICKS.liquidity)
    amounts = ours.amounts[0] + ours.fees[0], ours.amounts[1] + ours.fees[1]
    given = TICKS.swap(amounts[1], False)  # token1 in; the pool as if we had never been there
    assert state.held.raw == amounts[0] - given.amount0 == proceeds(rest, amounts, True)
    mirrored = pool(CALM, ours, asset=OTHER)
    assert mirrored.held.raw == amounts[1] - TICKS.swap(amounts[0], True).amount1
    assert state.status is Status.ACTIVE and state.liquidity_market is not None and state.liquidity_market.token_id == 1
    assert state.liquidity_market.ticks == (-1000, 1000), "more goes where we are already"


def test_what_goes_in_and_out_is_bounded_by_the_policys_impact() -> None:
    narrow, wide = pool(max_impact_bps=10.0), pool(max_impact_bps=30.0)
    assert narrow.capacity is not None and wide.capacity is not None
    assert 0 < narrow.capacity.raw < wide.capacity.raw
    assert pool(max_impact_bps=4.0).capacity == Amount(ONE, 0), "the pool's fee alone is more"
    # a swap of the part that must be swapped moves the price no further than was allowed
    part = int(wide.capacity.raw * wide.liquidity_market.part) if wide.liquidity_market else 0
    after = TICKS.swap(part, True).sqrt_price_x96
    assert (after / sqrt_at(0)) ** 2 * (1 - 0.0005) == pytest.approx(0.997, abs=1e-5)


def test_a_price_off_the_feeds_lets_nothing_be_done() -> None:
    ours = held(-1000, 1000)
    for fair in (1.004, 0.996):
        off = pool(CALM, ours, fair=fair)
        assert not off.withdrawable and off.capacity == Amount(ONE, 0) and "price-off-the-feeds" in off.flags
        assert off.held == pool(CALM, ours).held, "what it is worth is told all the same"
    assert pool(CALM, ours, fair=1.002).withdrawable == pool(CALM, ours).held


def test_a_pool_without_a_record_is_neither_entered_nor_left() -> None:
    unknown = PoolHistory(missing=("the node has no history of so many blocks",))
    empty, ours = pool(unknown), pool(unknown, held(-1000, 1000))
    assert ours.status is Status.PAUSED and not ours.withdrawable and ours.held
    assessments = assess(everything(empty), loose(horizon_days=30.0), base=BASE)
    (vetoed,) = [one for one in assessments if one.market_id == empty.market.id]
    assert vetoed.vetoes == unknown.missing


def into(plan: Plan | Hold, state: MarketState) -> float:
    assert isinstance(plan, Plan)
    legs = [leg for leg in plan.legs if leg.market_id == state.market.id]
    return sum(float(leg.amount) for leg in legs if leg.kind is LegKind.DEPOSIT)


def test_liquidity_enters_by_its_low_end_and_stays_by_what_is_expected() -> None:
    mild, wild = pool(MILD), pool(WILD)
    assert into(decided(mild, lends=0.005), mild) > 0 and into(decided(wild, lends=0.005), wild) == 0
    surely = mild.curve.apr(1000.0, 30 * 86_400.0)
    first = max(mild.curve.marginal(x, 30 * 86_400.0) for x in (0.01, 0.1, 1.0, 10.0, 100.0))
    assert into(decided(mild, lends=surely), mild) > 0
    assert into(decided(mild, lends=first + 0.002), mild) == 0
    plan = decided(mild, lends=0.005)
    assert isinstance(plan, Plan) and mild.liquidity_market is not None
    assert [leg.ticks for leg in plan.legs if leg.market_id == mild.market.id] == [mild.liquidity_market.ticks]
    assert any("net of LVR (90% sure)" in move.reason for move in plan.moves)

    ours = pool(MILD, held(-1000, 1000))
    expected = ours.curve.apr(float(ours.held), 30 * 86_400.0)
    assert expected > surely
    stays = decided(ours, lends=(expected + surely) / 2, idle=0.0)
    assert isinstance(stays, Hold), "between the low end and the estimate, what is there stays"
    leaves = decided(ours, lends=expected + 0.02, idle=0.0)
    assert isinstance(leaves, Plan) and leaves.legs[0].kind is LegKind.WITHDRAW and leaves.legs[0].all


def test_a_range_that_the_price_has_left_is_laid_anew_or_left() -> None:
    gone = pool(CALM, held(500, 1500))
    assert gone.status is Status.FROZEN and gone.flags == ("out-of-range",)
    plan = decided(gone, idle=0.0)
    assert isinstance(plan, Plan)
    (leg,) = plan.legs
    assert (leg.kind, leg.amount, leg.all) == (LegKind.REBALANCE, gone.held, True)
    assert leg.ticks is not None and leg.ticks[0] < 0 < leg.ticks[1]
    assert plan.gain_per_year > 0 and plan.cost > 0
    away = decided(pool(MILD, held(500, 1500)), lends=0.5, idle=0.0)
    assert isinstance(away, Plan) and away.legs[0].kind is LegKind.WITHDRAW
    assert rebalance_due(everything(gone), pool(MILD, held(-1450, 1450)), loose(horizon_days=30.0)) is None


def test_a_new_range_is_a_move_in_the_first_asset_that_says_why() -> None:
    """By it a plan's job is found again, an approver's limit is kept, and a person sees what is meant."""
    gone = pool(CALM, held(500, 1500), asset=OTHER)
    plan = decided(gone, idle=0.0)
    assert isinstance(plan, Plan) and plan.legs[0].kind is LegKind.REBALANCE and plan.legs[0].amount.token == OTHER
    (move,) = plan.moves
    assert plan.asset == move.amount.token == ONE and float(move.amount) == pytest.approx(float(gone.held))
    assert move.source == move.target == gone.market.id and move.reason.startswith("out of range")
    assert (move.gain_per_year, move.cost) == (plan.gain_per_year, plan.cost)


def test_no_range_is_laid_anew_in_a_pool_that_gets_no_money() -> None:
    gone = pool(CALM, held(500, 1500))
    for name in (gone.market.id, gone.market.protocol, gone.market.name):
        shut = loose(horizon_days=30.0, min_gain_share=0.0, exclude=(name,))
        assert isinstance(decided(gone, idle=0.0, policy=shut), Hold)
        assert rebalance_due(everything(gone), gone, shut) is None
    old = replace(BASE, max_feed_age_seconds=1)
    seen = everything(gone, idle=0.0)
    late = replace(seen, block=replace(seen.block, timestamp=seen.block.timestamp + 10))
    allocation = allocate(late, assess(late, loose(horizon_days=30.0), base=old), loose(horizon_days=30.0), base=old)
    assert (
        rebalance_plan(late, assess(late, loose(horizon_days=30.0), base=BASE), allocation, loose(horizon_days=30.0), 0)
        is not None
    )
    assert (
        rebalance_plan(late, assess(late, loose(horizon_days=30.0), base=old), allocation, loose(horizon_days=30.0), 0)
        is None
    )


def test_nearly_all_of_a_pool_may_be_ours() -> None:
    """Others who leave do not make what we hold there unreadable: nothing else could be planned then either."""
    size = STATE.liquidity * 10**9
    ours = held(-1000, 1000, liquidity=size, amounts=Range(-1000, 1000).amounts(size, STATE.sqrt_price_x96))
    state = pool(CALM, ours)
    assert isinstance(state.curve, LiquidityCurve)
    assert state.curve.stays.fees / state.curve.stays.others > 1e3, "what a first unit would earn"
    assert contradiction(state) is None and abs(state.quoted.value) < 10.0
    assert decided(state, idle=1.0)


def test_a_strangers_gift_decides_nothing() -> None:
    """Anybody can open a position that is ours: a narrow one of next to nothing, out of range or in it."""
    small = {"liquidity": STATE.liquidity // 10**4, "fees": (0, 0)}
    for low, high in ((500, 510), (-10, 0), (0, 10)):
        amounts = Range(low, high).amounts(small["liquidity"], STATE.sqrt_price_x96)
        gift = held(low, high, amounts=amounts, **small)
        alone = pool(CALM, gift)
        assert 0 < float(alone.held) < 1 and alone.status is Status.ACTIVE and not alone.flags
        without_it = pool(CALM).liquidity_market
        assert alone.liquidity_market is not None and without_it is not None
        assert (alone.liquidity_market.token_id, alone.liquidity_market.ticks) == (None, without_it.ticks)
        ours = held(-1000, 1000, amounts=Range(-1000, 1000).amounts(10**20, 2**96), liquidity=10**20)
        beside = pool(CALM, replace(gift, token_id=7, liquidity=10**21), ours)
        assert beside.liquidity_market is not None and beside.liquidity_market.ticks == (-1000, 1000)
        with_gift, clear = (
            rebalance_due(everything(x), x, loose(horizon_days=30.0)) for x in (beside, pool(CALM, ours))
        )
        assert with_gift is not None and clear is not None and with_gift.ticks == clear.ticks


def test_a_pool_counts_for_the_shares_of_both_its_tokens() -> None:
    calm = pool(CALM)
    half = replace(BASE, shares={"1": 1.0, "2": 0.25})
    assert into(decided(calm, base=half), calm) == pytest.approx(250.0, rel=1e-6)
    assert into(decided(calm), calm) == pytest.approx(1000.0, rel=1e-6)


@pytest.mark.parametrize(
    ("wanted", "fees", "share"),
    [(1000, 0, Fraction(1)), (500, 0, Fraction(1, 2)), (500, 100, Fraction(4, 9)), (50, 100, Fraction(0))],
)
def test_the_share_that_comes_out_brings_what_is_wanted_with_the_fees(wanted: int, fees: int, share: Fraction) -> None:
    assert share_for(wanted, 1000, fees) == share


def test_what_is_there_earns_its_share_of_all_fees() -> None:
    """A pool's fees are everybody's: with ours in it for as long as they were measured, none are lost sight of."""
    ticks = Range(-1000, 1000)
    size = STATE.liquidity  # as much as everybody else has in range
    big = held(-1000, 1000, liquidity=size, amounts=ticks.amounts(size, STATE.sqrt_price_x96))
    with_us, alone = pool(MILD, big), pool(MILD)
    assert with_us.liquidity_market is not None and with_us.liquidity_market.state.liquidity == 2 * STATE.liquidity
    year = 31_536_000.0
    growth = sum(MILD.fees) / sum(MILD.fee_seconds) * year  # a unit of liquidity in range, a year
    assert isinstance(with_us.curve, LiquidityCurve) and isinstance(alone.curve, LiquidityCurve)
    stays = with_us.curve.stays
    x = with_us.curve.held
    got = stays.fees * x / (stays.others + x)
    assert got == pytest.approx(growth * size / 1e18, rel=0.03), "half of what twice the liquidity earns at that growth"


def test_a_range_at_its_edge_takes_no_more_than_can_be() -> None:
    for low, high in ((-1000, 10), (-10, 1000)):
        for asset in (ONE, OTHER):
            state = pool(CALM, held(low, high), asset=asset)
            assert contradiction(state) is None and state.capacity is not None and state.capacity.raw > 0
