"""What is approved is judged by today's policy and today's state: leg by leg, as a fresh plan would be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.kit.allocator.several import BASE, DAI, HIGH, JOB, LOW, pool, seen
from tests.kit.decision.holds import NOW, SEEN, A, B, changed, planned
from tests.kit.market_builder import market, snapshot, usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB as ALONE
from yieldbot.allocator.assess import assess
from yieldbot.chains.leg_limits import leg_now
from yieldbot.decision.decide import decide
from yieldbot.decision.holds import still_holds
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.exchange import Price
from yieldbot.model.plan import Hold, LegKind, Plan, identified, plan_id
from yieldbot.model.policy import Policy

USDC = usdc(1).token


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        (loose(horizon_days=30.0, exclude=("a",)), "EXCLUDED"),
        (loose(horizon_days=30.0, exclude=("lend/1/a",)), "EXCLUDED"),
        (loose(horizon_days=30.0, exclude=("lend",)), "EXCLUDED"),
        (loose(horizon_days=30.0, max_share_market=0.5), "EXPOSURE_LIMIT"),
        (loose(horizon_days=30.0, max_share_markets={"lend/1/a": 0.0}), "EXPOSURE_LIMIT"),
        (loose(horizon_days=30.0, max_share_protocol={"lend": 0.5}), "EXPOSURE_LIMIT"),
        (loose(horizon_days=30.0, idle_buffer="20000"), "BUFFER_TAKEN"),
        (loose(horizon_days=30.0, max_utilisation_entry=0.4), "MARKET_VETOED"),
        (loose(horizon_days=30.0, min_liquidity_multiple=1e6), "EXPOSURE_LIMIT"),
        (loose(horizon_days=30.0, min_move="200000"), "BELOW_MINIMUM"),
        (loose(horizon_days=30.0, min_position="200000"), "BELOW_MINIMUM"),
    ],
)
def test_a_policy_that_has_changed_binds_what_was_planned_before(policy: Policy, code: str) -> None:
    plan = planned(SEEN)
    assert still_holds(plan, 0, SEEN, loose(horizon_days=30.0), ALONE) is None
    for index, leg in enumerate(plan.legs):
        done = SEEN
        if index and plan.legs[0].kind is LegKind.WITHDRAW:  # the money has come out since
            done = changed(changed(SEEN, B, held=usdc(0)), SEEN.idle[0], held=usdc(100_000))
        refused = still_holds(plan, index, done, policy, ALONE)
        assert refused is not None and refused.code == code, (index, leg, refused)
        assert still_holds(plan, index, done, loose(horizon_days=30.0), ALONE) is None


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"liquidity": usdc(10), "borrowed": usdc(1e6)}, "MARKET_VETOED"),
        ({"liquidity": usdc(10)}, "EXPOSURE_LIMIT"),
        ({"borrowed": usdc(990_000)}, "MARKET_VETOED"),
    ],
)
def test_a_market_that_has_emptied_gets_no_new_money(parts: dict[str, Any], code: str) -> None:
    policy = loose(horizon_days=30.0, min_liquidity_multiple=2.0)
    plan = planned(SEEN, policy)
    refused = still_holds(plan, 0, changed(SEEN, A, **parts), policy, ALONE)
    assert refused is not None and refused.code == code and "a" in refused.reason
    assert isinstance(decide(changed(SEEN, A, **parts), policy, ALONE, NOW).outcome, Hold | Plan)


def test_interest_that_has_come_in_since_is_no_reason_to_drop_a_plan() -> None:
    policy = loose(horizon_days=30.0, max_share_market=0.5, idle_buffer="1000")
    view = snapshot(95_000, A, market("c", ConstantCurve(0.09), held=50_000))
    plan = planned(view, policy)
    held = view.of(A.market.id).held
    later = changed(view, view.of(A.market.id), held=usdc(float(held) + 5.0))
    assert still_holds(plan, 0, later, policy, ALONE) is None
    much = changed(view, view.of(A.market.id), held=usdc(float(held) + 5_000))
    refused = still_holds(plan, 0, much, policy, ALONE)
    assert refused is not None and refused.code == "EXPOSURE_LIMIT"


def test_what_is_above_a_bound_already_may_move_within_it() -> None:
    """As in a fresh plan: b's money may go to a, though both are of a protocol that has more than its share."""
    policy = loose(horizon_days=30.0, max_share_protocol={"lend": 0.1}, idle_buffer="500")
    view = snapshot(100, A, market("b", ConstantCurve(0.02), held=50_000))
    plan = planned(view, policy)
    assert [leg.kind for leg in plan.legs] == [LegKind.WITHDRAW, LegKind.DEPOSIT]
    assert still_holds(plan, 0, view, policy, ALONE) is None
    out = changed(changed(view, view.of(plan.legs[0].market_id), held=usdc(0)), view.idle[0], held=usdc(50_100))
    assert still_holds(plan, 1, out, policy, ALONE) is None


@pytest.mark.parametrize(
    ("price", "code", "said"),
    [
        (Price(0.80, NOW), "DEPEGGED", "USDC is -2,000.0 bp off its dollar"),
        (Price(1.02, NOW), "DEPEGGED", "+200.0 bp"),
        (Price(1.0, NOW - 90_001), "PRICE_STALE", "90,001 s old"),
        (None, "PRICE_UNKNOWN", "no feed says"),
    ],
)
def test_no_new_money_goes_into_a_pegged_assets_markets_off_its_peg(price: Price | None, code: str, said: str) -> None:
    """Of one asset too, where nothing is swapped; what is there may leave."""
    good = replace(SEEN, pegs={USDC: Price(1.0, NOW)})
    plan = planned(good)
    bad = replace(SEEN, pegs={USDC: price})
    refused = still_holds(plan, 0, bad, loose(horizon_days=30.0), ALONE)
    assert refused is not None and refused.code == code and said in refused.reason
    vetoes = {one.market_id: one.vetoes for one in assess(bad, loose(horizon_days=30.0))}
    assert all(said in vetoes[state.market.id][0] for state in bad.markets)
    held = decide(bad, loose(horizon_days=30.0), ALONE, NOW).outcome
    assert isinstance(held, Hold) and said in held.reason and "no new money" in held.reason
    leaves = decide(bad, loose(horizon_days=30.0, haircut_bps={"lend": 500}), ALONE, NOW).outcome
    assert isinstance(leaves, Plan) and [leg.kind for leg in leaves.legs] == [LegKind.WITHDRAW]
    assert still_holds(leaves, 0, bad, loose(horizon_days=30.0, haircut_bps={"lend": 500}), ALONE) is None


def test_an_asset_that_is_not_pegged_needs_no_dollar() -> None:
    assert isinstance(decide(replace(SEEN, pegs={}), loose(horizon_days=30.0), ALONE, NOW).outcome, Plan)


def test_of_several_assets_too() -> None:
    view = seen(100_000, 0, LOW, HIGH, pools=(pool(50),))
    policy = loose(horizon_days=30.0, idle_buffer="0")
    plan = decide(view, policy, JOB, NOW).outcome
    assert isinstance(plan, Plan) and [leg.kind for leg in plan.legs] == [LegKind.SWAP, LegKind.DEPOSIT]
    assert still_holds(plan, 0, view, policy, JOB) is None
    narrow = replace(JOB, base=replace(BASE, shares={"USDC": 1.0, "DAI": 0.25}))
    for changed_policy, job, code in (
        (policy, narrow, "EXPOSURE_LIMIT"),
        (replace(policy, exclude=("high",)), JOB, "EXCLUDED"),
        (replace(policy, max_share_market=0.5), JOB, "EXPOSURE_LIMIT"),
        (replace(policy, idle_buffer="30000"), JOB, "BUFFER_TAKEN"),
    ):
        refused = still_holds(plan, 0, view, changed_policy, job)
        assert refused is not None and refused.code == code, refused
    swapped = {s.market.id: s for s in seen(0, 99_990, LOW, HIGH).idle}
    after = replace(view, states={**view.states, **swapped})
    assert still_holds(plan, 1, after, policy, JOB) is None
    gone = still_holds(plan, 1, after, replace(policy, exclude=("high",)), JOB)
    assert gone is not None and gone.code == "EXCLUDED"
    off = replace(after, exchange=replace(after.exchange, usd={USDC: Price(1.0, NOW), DAI: Price(0.9, NOW)}))
    refused = still_holds(plan, 1, off, policy, JOB)
    assert refused is not None and refused.code == "DEPEGGED"


def test_the_id_of_a_plan_follows_from_all_that_it_was_shown_with() -> None:
    plan = planned(SEEN)
    assert plan.id == plan_id(plan) == identified(replace(plan, id="?")).id
    leg, move = plan.legs[-1], plan.moves[0]
    edited = (
        replace(plan, legs=(*plan.legs[:-1], replace(leg, amount=usdc(float(leg.amount) + 1)))),
        replace(plan, legs=(*plan.legs[:-1], replace(leg, market_id=B.market.id))),
        replace(plan, legs=(*plan.legs[:-1], replace(leg, all=True))),
        replace(plan, legs=(*plan.legs[:-1], replace(leg, gets=usdc(1)))),
        replace(plan, legs=(*plan.legs[:-1], replace(leg, ticks=(1, 2)))),
        replace(plan, legs=plan.legs[:-1]),
        replace(plan, moves=(replace(move, reason="better"), *plan.moves[1:])),
        replace(plan, moves=(replace(move, amount=usdc(1)), *plan.moves[1:])),
        replace(plan, expires_at=plan.expires_at + 1),
        replace(plan, gain_per_year=plan.gain_per_year * 2),
        replace(plan, cost=plan.cost * 2),
        replace(plan, grade=plan.grade - 1),
        replace(plan, sold=usdc(1)),
        replace(plan, owner="0x" + "11" * 20),
    )
    assert len({plan.id, *(plan_id(one) for one in edited)}) == len(edited) + 1


def test_the_legs_of_a_trial_hold_before_and_between_them() -> None:
    """The half that comes out again is no more than the first leg brings, and the rest is no move of its own."""
    policy = loose(horizon_days=30.0, min_move="90000", min_position="90000")
    view = changed(SEEN, A, untried=True)
    plan = planned(view, policy)
    assert [leg.kind for leg in plan.legs] == [LegKind.DEPOSIT, LegKind.WITHDRAW, LegKind.DEPOSIT]
    wallet, inside = 95_000.0, 0.0
    at = view
    for index, leg in enumerate(plan.legs):
        assert still_holds(plan, index, at, policy, ALONE) is None, (index, leg)
        way = 1 if leg.kind is LegKind.WITHDRAW else -1
        wallet += way * float(leg.amount)
        inside -= way * float(leg.amount) if leg.market_id == A.market.id else 0.0
        at = changed(changed(at, at.of(A.market.id), held=usdc(inside)), at.idle[0], held=usdc(wallet))
    assert (round(wallet), round(inside)) == (0, 95_000)
    lost = changed(view, A, held=usdc(900), liquidity=usdc(10))  # it was to pay 500 out again
    gone = still_holds(plan, 1, changed(lost, lost.idle[0], held=usdc(94_050)), policy, ALONE)
    assert gone is not None and gone.code in ("LIQUIDITY_GONE", "EXPOSURE_LIMIT")


def test_a_thousandth_less_cash_is_taken_as_it_is_and_more_is_refused() -> None:
    """A thin market's cash falls each second; the leg takes what is there, or nothing is done."""
    policy = loose(horizon_days=30.0)
    thin = snapshot(95_000, A, replace(B, liquidity=usdc(4_000)))
    plan = planned(thin, policy)
    index, leg = next((i, one) for i, one in enumerate(plan.legs) if one.kind is LegKind.WITHDRAW)
    assert (leg.amount, leg.all) == (usdc(4_000), False)
    assert leg_now(plan, index, None, thin.of(B.market.id)) == leg == leg_now(plan, index, None)
    for there, code in ((3_996.1, None), (3_995.9, "LIQUIDITY_GONE"), (0, "LIQUIDITY_GONE")):
        now = changed(thin, thin.of(B.market.id), liquidity=usdc(there))
        refused = still_holds(plan, index, now, policy, ALONE)
        assert (refused.code if refused else None) == code, there
        taken = leg_now(plan, index, None, now.of(B.market.id)).amount
        assert taken == (usdc(there) if code is None else leg.amount)
    more = changed(thin, thin.of(B.market.id), liquidity=usdc(5_000))
    assert leg_now(plan, index, None, more.of(B.market.id)) == leg, "no more than was approved"
