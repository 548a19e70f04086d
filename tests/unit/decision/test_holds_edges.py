"""What still holds of a plan, at its edges: the last unit of capacity, cash, gain and bound; ranges, claims, swaps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.kit.allocator.liquidity import CALM, held
from tests.kit.allocator.liquidity_market import BASE as LP_BASE
from tests.kit.allocator.liquidity_market import MILD, decided, everything
from tests.kit.allocator.liquidity_market import pool as lp_pool
from tests.kit.allocator.sales import RWD, reward
from tests.kit.allocator.several import BASE, DAI, HIGH, JOB, LOW, NOW, dai, pool, seen
from tests.kit.decision.holds_edges import SEEN, A, B, plan_of, put, take
from tests.kit.market_builder import market, snapshot, usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB as ALONE
from yieldbot.decision.decide import decide
from yieldbot.decision.holds import (
    _above,
    _buffer_taken,
    _changes,
    _gain_per_year,
    _into_wallet,
    not_entered,
    still_holds,
)
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Leaving, MarketState, Snapshot, Status
from yieldbot.model.plan import Declined, Exchanged, Leg, LegKind, Plan
from yieldbot.model.policy import Policy


def changed(view: Snapshot, state: MarketState, **parts: Any) -> Snapshot:
    return replace(view, states={**view.states, state.market.id: replace(state, **parts)})


def code(plan: Plan, view: Snapshot = SEEN, index: int = 0, **policy: Any) -> str | None:
    found = still_holds(
        plan, index, view, loose(horizon_days=30.0, **{"idle_buffer": "0", "min_move": "0"} | policy), ALONE
    )
    return found.code if found else None


def test_a_market_still_takes_the_amount_to_the_unit() -> None:
    assert code(plan_of(put(60_000))) is None
    assert code(plan_of(put(60_000.000001))) == "CAP_REACHED"
    assert code(plan_of(put(60_000)), changed(SEEN, A, capacity=None)) is None
    for status in (Status.FROZEN, Status.PAUSED):
        assert code(plan_of(put(1)), changed(SEEN, A, status=status)) == "MARKET_CLOSED"
    gone = replace(SEEN, states={k: v for k, v in SEEN.states.items() if k != A.market.id})
    assert code(plan_of(put(1)), gone) == "MARKET_UNREADABLE"


def test_a_market_still_gives_the_amount_to_the_unit_or_all_there_is() -> None:
    less = changed(SEEN, B, liquidity=usdc(4_000))
    assert code(plan_of(take(4_000)), less, min_gain_share=0.0) == "GAIN_GONE", "a loss of income, and so no gain"
    both = (take(4_000), put(4_000))
    assert code(plan_of(*both), less) is None
    assert code(plan_of(take(4_004), put(4_000)), less) is None, "a thousandth is what interest and roundings do"
    assert code(plan_of(take(4_004.000001), put(4_000)), less) == "LIQUIDITY_GONE"
    assert code(plan_of(take(5_000, everything=True), put(4_000)), less) is None
    assert code(plan_of(take(1), put(1)), changed(less, B, status=Status.FROZEN)) is None, "what is there may leave"


def test_what_a_plan_puts_in_may_come_out_of_it_again_and_is_one_move() -> None:
    def said(*legs: Leg, **policy: Any) -> str | None:
        return code(plan_of(*legs), min_gain_share=0.0, **policy)

    assert said(put(1_000), take(1_000, A), put(1)) is None
    assert said(put(1_000), take(1_001, A), put(1)) is None
    assert said(put(1_000), take(1_001.000001, A), put(1)) == "LIQUIDITY_GONE"
    assert said(put(600), put(400), take(600, A), put(1)) is None
    assert said(put(1_000, B), take(1, A)) == "LIQUIDITY_GONE", "of another market"
    trial = put(100), take(50, A), put(950)
    assert said(*trial, min_move="1000") is None and said(*trial, min_move="1002") == "BELOW_MINIMUM"
    half_way = changed(changed(SEEN, A, held=usdc(50)), SEEN.idle[0], held=usdc(94_950))
    for least, wanted in (("1000", None), ("1002", "BELOW_MINIMUM")):
        assert code(plan_of(*trial), half_way, index=2, min_move=least) == wanted


def test_only_the_legs_that_are_left_are_looked_at() -> None:
    assert code(plan_of(put(70_000), put(1)), index=1) is None
    assert code(plan_of(put(70_000), put(1))) == "CAP_REACHED"


def test_the_gain_may_fall_to_the_share_that_the_policy_names_and_not_below() -> None:
    """10,000 at 10 % are 1,000 a year."""
    for gain, wanted in ((1_000.0, None), (2_000.0, None), (2_000.1, "GAIN_GONE")):
        assert code(plan_of(put(10_000), gain=gain), min_gain_share=0.5) == wanted
    assert code(plan_of(put(10_000), put(10_000), gain=1e9), index=1) is None, "what was begun is ended"
    assert code(plan_of(put(10), take(100), gain=1e9), index=1) == "GAIN_GONE", "but not at a loss"


def test_what_legs_bring_in_a_year_is_net_of_what_was_held() -> None:
    policy = loose(horizon_days=30.0)
    assert _gain_per_year((put(10_000),), SEEN, policy) == pytest.approx(1_000)
    assert _gain_per_year((put(10_000), take(2_000)), SEEN, policy) == pytest.approx(1_000 - 40)
    assert _gain_per_year((take(9_000),), SEEN, policy) == pytest.approx(-100), "no more than there is"
    assert _gain_per_year((), SEEN, policy) == 0
    steps = tuple(Leg(kind, B.market.id, usdc(5)) for kind in (LegKind.REQUEST, LegKind.COLLECT, LegKind.CANCEL))
    assert _gain_per_year(steps, SEEN, policy) == 0, "what is asked for earns until it is out"
    view = seen(0, 1_000, LOW, HIGH, pools=(pool(50),), usd=(1.0, 2.0))
    into = Leg(LegKind.DEPOSIT, HIGH.market.id, dai(1_000))
    assert _gain_per_year((into,), view, policy) == pytest.approx(1_000 * 0.09 * view.price(DAI))


def test_a_bound_is_passed_by_more_than_a_thousandth_and_the_slack() -> None:
    assert not _above(1_001, 1_000) and _above(1_002, 1_000)
    assert not _above(999, 999) and _above(1_000, 999), "a thousandth of less than 1,000 units is nothing"
    assert not _above(1_006, 1_000, 5) and _above(1_007, 1_000, 5) and not _above(0, 0) and _above(1, 0)


def test_changes_are_what_legs_put_into_each_market() -> None:
    legs = (put(5), put(7), take(3), Leg(LegKind.SWAP, MarketId("swap/1/x"), usdc(9)), take(2, A))
    assert _changes(legs) == {A.market.id: 10 * 10**6, B.market.id: -3 * 10**6, MarketId("swap/1/x"): 0}


def test_a_share_is_counted_with_what_this_plan_has_put_there_before() -> None:
    """Two deposits of 30,000 into a market that may hold half of 100,000: the second is too much."""
    plan = plan_of(put(30_000), put(30_000))
    half_way = changed(changed(SEEN, A, held=usdc(30_000)), SEEN.idle[0], held=usdc(65_000))
    assert code(plan, half_way, index=1, max_share_market=0.5) == "EXPOSURE_LIMIT"
    assert code(plan, half_way, index=1, max_share_market=0.61) is None
    assert code(plan, half_way, index=1, max_share_protocol={"lend": 0.5}) == "EXPOSURE_LIMIT"
    assert code(plan, half_way, index=1, max_share_protocol={"lend": 0.66}) is None
    was = changed(SEEN, A, held=usdc(58_000), capacity=None)
    assert code(plan_of(put(100)), was, max_share_market=0.3) == "EXPOSURE_LIMIT", "what was above may not grow"
    out_and_in = plan_of(take(1_000, A), put(1_000))
    assert code(out_and_in, was, max_share_market=0.3) is None, "but may stay"


def test_what_the_plans_own_swaps_have_cost_is_no_excess() -> None:
    """The wealth is smaller by it, and so is every share; before they are made there is none."""
    plan = plan_of(put(1), put(50_020), cost=50.0)
    assert code(plan, index=1, max_share_market=0.5) is None
    assert code(plan, index=1, max_share_market=0.498) == "EXPOSURE_LIMIT"
    assert code(plan_of(put(50_070), cost=50.0), max_share_market=0.5) == "EXPOSURE_LIMIT"
    assert code(plan_of(put(50_049), cost=50.0), max_share_market=0.5) is None
    free = plan_of(put(1), put(50_070), cost=0.0)
    assert code(free, index=1, max_share_market=0.5) == "EXPOSURE_LIMIT"
    assert code(replace(free, cost=50.0), index=1, max_share_market=0.5) is None


@pytest.mark.parametrize(
    ("least", "wanted"), [("1000", None), ("1001", None), ("1001.001002", "BELOW_MINIMUM"), ("1002", "BELOW_MINIMUM")]
)
def test_a_move_or_a_position_is_not_below_its_least(least: str, wanted: str | None) -> None:
    assert code(plan_of(put(1_000)), min_move=least) == code(plan_of(put(1_000)), min_position=least) == wanted
    there = changed(SEEN, A, held=usdc(9_000))
    assert code(plan_of(put(1_000)), there, min_position=least) is None, "with what is there it is enough"


@pytest.mark.parametrize(("left", "wanted"), [(1_000, None), (999.001, None), (998.9, "BUFFER_TAKEN")])
def test_the_wallet_keeps_its_buffer(left: float, wanted: str | None) -> None:
    view = changed(SEEN, A, capacity=None)
    assert code(plan_of(put(95_000 - left)), view, idle_buffer="1000") == wanted
    policy, both = loose(horizon_days=30.0, idle_buffer="1000"), plan_of(take(1_000), put(96_000 - left))
    found = _buffer_taken(both, 0, view, policy)
    assert (found.code if found else None) == wanted
    out = changed(changed(view, B, held=usdc(4_000)), view.idle[0], held=usdc(96_000))
    found = _buffer_taken(both, 1, out, policy)
    assert (found.code if found else None) == wanted


def test_what_was_missing_of_the_buffer_stays_missing_and_does_not_grow() -> None:
    view = changed(changed(SEEN, A, capacity=None), SEEN.idle[0], held=usdc(300))
    moved = plan_of(take(2_000), put(2_000))
    assert _buffer_taken(moved, 0, view, loose(horizon_days=30.0, idle_buffer="1000")) is None
    assert _buffer_taken(
        plan_of(take(2_000), put(2_001)), 0, view, loose(horizon_days=30.0, idle_buffer="1000")
    ) == Declined("BUFFER_TAKEN", "299 USDC would stay in the wallet, idle_buffer: 1,000 USDC")
    assert _buffer_taken(plan_of(put(9_000)), 0, view, loose(horizon_days=30.0, idle_buffer="0")) is None
    cost = plan_of(take(2_000), put(2_001), cost=0.5)
    assert _buffer_taken(cost, 0, view, loose(horizon_days=30.0, idle_buffer="1000")) is None, (
        "fees may be paid from it"
    )


def test_what_comes_into_the_wallet_counts_swaps_as_they_are_expected() -> None:
    gives = Leg(LegKind.SWAP, MarketId("swap/1/x"), usdc(100), gets=dai(99))
    brings = Leg(LegKind.SWAP, MarketId("swap/1/y"), dai(50), gets=usdc(49))
    into_dai = Leg(LegKind.DEPOSIT, HIGH.market.id, dai(7))
    from_dai = Leg(LegKind.WITHDRAW, HIGH.market.id, dai(7))
    legs = (gives, brings, put(10), take(3), into_dai, from_dai)
    assert _into_wallet(plan_of(*legs), legs) == (-100 + 49 - 10 + 3) * 10**6
    told = Exchanged(dai(50), usdc(49.5), usdc(49))
    assert _into_wallet(plan_of(*legs, swaps=(told,)), legs) == (-100 - 10 + 3) * 10**6 + 49_500_000
    assert _into_wallet(plan_of(put(1)), ()) == 0


# Ranges.

GONE = lp_pool(CALM, held(500, 1500))
STAYS = lp_pool(MILD, held(-1450, 1450))
RANGES = loose(horizon_days=30.0, min_gain_share=0.0)
LAID = decided(GONE, idle=0.0)


def laid(state: MarketState, policy: Policy = RANGES, view: Snapshot | None = None) -> str | None:
    assert isinstance(LAID, Plan) and [leg.kind for leg in LAID.legs] == [LegKind.REBALANCE]
    job = replace(JOB, base=LP_BASE)
    found = still_holds(LAID, 0, view or everything(state, idle=0.0), policy, job)
    return found.code if found else None


def test_a_range_is_laid_anew_only_while_it_is_called_for() -> None:
    """The price may have come back meanwhile: then its own swaps would be paid for nothing."""
    assert GONE.market.id == STAYS.market.id
    assert laid(GONE) is None
    assert laid(lp_pool(MILD, held(-1450, 1450))) == "RANGE_STAYS"
    assert laid(lp_pool(CALM)) == "RANGE_STAYS", "no position is there any more"
    excluded = laid(GONE, replace(RANGES, exclude=(GONE.market.id,)))
    assert excluded == "RANGE_STAYS"
    without = everything(GONE, idle=0.0)
    states = {k: v for k, v in without.states.items() if k != GONE.market.id}
    assert laid(GONE, view=replace(without, states=states)) == "MARKET_UNREADABLE"


def test_a_frozen_range_may_be_laid_anew_but_not_one_whose_feeds_are_not_to_be_trusted() -> None:
    assert GONE.status is Status.FROZEN
    view = everything(GONE, idle=0.0)
    late = replace(view, block=replace(view.block, timestamp=view.block.timestamp + 90_001))
    assert laid(GONE, view=late) == "PRICE_STALE"
    assert isinstance(LAID, Plan)
    more = replace(LAID, gain_per_year=1e9)
    found = still_holds(more, 0, view, replace(RANGES, min_gain_share=0.5), replace(JOB, base=LP_BASE))
    assert found is not None and found.code == "GAIN_GONE"


def test_a_deposit_beside_a_range_is_judged_as_every_deposit() -> None:
    assert isinstance(LAID, Plan)
    view = everything(GONE, idle=1.0)
    bank = next(s for s in view.markets if s.market.name == "Bank")
    small = Leg(LegKind.DEPOSIT, bank.market.id, Amount(bank.market.asset, 10**18))
    both, job = replace(LAID, legs=(*LAID.legs, small)), replace(JOB, base=LP_BASE)
    for least, code in (("0", None), ("2", "BELOW_MINIMUM")):
        policy = replace(RANGES, idle_buffer="0", min_move=least, min_position="0")
        found = still_holds(both, 0, view, policy, job)
        assert (found.code if found else None) == code


# Claims.


def claimed(gets: Amount | None, seen_raw: int = 5, where: str | None = None) -> str | None:
    rewarded = replace(A, rewards=(replace(reward(), claimable=Amount(RWD, seen_raw), price=1.0),))
    view = changed(SEEN, rewarded)
    its = MarketId(where or rewarded.rewards[0].claim_id(A.market.id))
    leg = Leg(LegKind.CLAIM, its, usdc(0), all=True, gets=gets)
    found = still_holds(plan_of(leg), 0, view, loose(horizon_days=30.0, min_gain_share=0.0), ALONE)
    return found.code if found else None


def test_a_claim_brings_what_can_still_be_seen() -> None:
    assert claimed(Amount(RWD, 5)) is claimed(Amount(RWD, 4)) is None
    assert claimed(Amount(RWD, 6)) == claimed(Amount(DAI, 5)) == claimed(None) == "REWARD_GONE"
    assert claimed(Amount(RWD, 5), where="claim/1/elsewhere") == "MARKET_UNREADABLE"


def test_what_a_claim_brings_counts_as_gain() -> None:
    """5 RWD at 1, less a fifth, within 30 days."""
    rewarded = replace(A, rewards=(replace(reward(), claimable=Amount(RWD, 5 * RWD.one), price=1.0),))
    leg = Leg(LegKind.CLAIM, MarketId(rewarded.rewards[0].claim_id(A.market.id)), usdc(0), gets=Amount(RWD, 1))
    found = _gain_per_year((leg,), changed(SEEN, rewarded), loose(horizon_days=30))
    assert found == pytest.approx(5 * 0.8 * 365 / 30)


# Swaps of several assets.


def test_new_money_is_judged_with_what_a_swap_is_expected_to_bring() -> None:
    view = seen(100_000, 0, LOW, HIGH, pools=(pool(50),))
    plan = decide(view, loose(horizon_days=30.0, idle_buffer="0"), JOB, NOW).outcome
    assert isinstance(plan, Plan)
    swap = plan.legs[0]
    for leg in (replace(swap, gets=None), swap):
        found = still_holds(replace(plan, legs=(leg,)), 0, view, loose(horizon_days=30.0), None)
        assert found is not None and found.code == "NOT_IN_PLAN", "a swap that no job makes"
    dear = replace(swap, gets=Amount(DAI, swap.amount.raw * 10**12))
    found = still_holds(
        replace(plan, legs=(dear, *plan.legs[1:])), 0, view, loose(horizon_days=30.0, idle_buffer="0"), JOB
    )
    assert found is not None and found.code != "NOT_IN_PLAN"
    assert not_entered(replace(plan, legs=(swap,)), 0, view, loose(horizon_days=30.0), BASE) is None, (
        "no deposit, no new money"
    )


# What the plan's own swaps have cost, in another asset; groups that get nothing; steps.


@pytest.mark.parametrize(("whole", "wanted"), [(55_104.9, None), (55_106, "EXPOSURE_LIMIT")])
def test_what_a_plan_has_cost_is_counted_in_the_assets_own_units(whole: float, wanted: str | None) -> None:
    """Half of 220,000 USDC are 55,000 DAI at 2; a thousandth more, and the 100 USDC that the plan may have cost."""
    view = seen(100_000, 60_000, LOW, HIGH, usd=(1.0, 2.0))
    plan = plan_of(put(1, LOW), Leg(LegKind.DEPOSIT, HIGH.market.id, dai(whole)), cost=50.0)
    assert view.price(DAI) == 2.0
    assert code(plan, view, index=1, max_share_market=0.5) == wanted


def test_a_group_that_gets_no_new_money_is_not_looked_at() -> None:
    other = market("c", ConstantCurve(0.10), protocol="else")
    view = snapshot(65_000, replace(A, held=usdc(30_000)), B, other)
    plan = plan_of(put(30_000), put(1, other))
    assert code(plan, view, index=1, max_share_protocol={"lend": 0.1}) is None
    assert code(plan_of(put(30_000), put(1)), view, index=1, max_share_protocol={"lend": 0.1}) == "EXPOSURE_LIMIT"
    assert code(plan, view, index=1, max_share_protocol={"else": 0.00000001}) == "EXPOSURE_LIMIT"


def test_what_an_earlier_leg_took_out_of_a_group_may_go_in_again() -> None:
    was = snapshot(40_000, replace(A, held=usdc(60_000), capacity=None), B)
    plan = plan_of(take(20_000, A), put(20_000))
    half_way = snapshot(60_000, replace(A, held=usdc(40_000), capacity=None), B)
    for policy in ({"max_share_protocol": {"lend": 0.1}}, {"max_share_market": 0.1}):
        assert code(plan, was, **policy) is code(plan, half_way, index=1, **policy) is None
        more = plan_of(take(20_000, A), put(20_100))
        assert code(more, half_way, index=1, **policy) == "EXPOSURE_LIMIT" == code(more, was, **policy)


@pytest.mark.parametrize(("share", "wanted"), [(0.15, None), (0.1499, "GAIN_GONE")])
@pytest.mark.parametrize("kind", [LegKind.COLLECT, LegKind.CANCEL])
def test_a_step_is_made_while_it_is_worth_its_gas(kind: LegKind, share: float, wanted: str | None) -> None:
    """4 USDC, and 0.6 of gas."""
    gone = Leaving(requested=usdc(0), ready=usdc(4), back=usdc(4))
    view = changed(SEEN, replace(B, leaving=gone))
    step = Leg(kind, B.market.id, usdc(4))
    assert code(plan_of(step, gain=1e9), view, max_gas_share_of_gain=share) == wanted
    assert code(plan_of(put(1), step, gain=1e9), view, index=1, max_gas_share_of_gain=share) == wanted


def test_a_step_that_is_not_due_is_told_of_its_market() -> None:
    found = still_holds(plan_of(Leg(LegKind.COLLECT, B.market.id, usdc(4))), 0, SEEN, loose(horizon_days=30.0), ALONE)
    assert found == Declined("STEP_NOT_DUE", "b: nothing is on its way out")
