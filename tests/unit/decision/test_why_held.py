"""A Hold says of the best move how long it would take to pay, where that is longer than allowed."""

from __future__ import annotations

from dataclasses import replace

from tests.kit.allocator import several
from tests.kit.allocator.several import in_dai
from tests.kit.market_builder import market, snapshot, usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import NOW, moved
from tests.unit.risk.test_protections import JOB
from yieldbot.decision.decide import Decision, decide
from yieldbot.decision.why_held import explained
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.market import Snapshot, Status
from yieldbot.model.plan import Hold, Plan
from yieldbot.model.policy import Policy

HERE, THERE = market("here", ConstantCurve(0.04), held=10_000), market("there", ConstantCurve(0.06))


def held(view: Snapshot, policy: Policy = loose()) -> tuple[Decision, Decision]:  # noqa: B008
    found = decide(view, policy, JOB, 0)
    assert isinstance(found.outcome, Hold)
    return found, explained(found, view, policy, JOB, 0)


def test_a_move_that_pays_too_late_is_told_with_its_days() -> None:
    found, said = held(snapshot(0, HERE, THERE, gwei=5))
    assert isinstance(said.outcome, Hold)
    assert said.outcome.reason == (
        "200.00 USDC a year more would take 10.9 days to pay 6.00 USDC of cost; "
        "the policy allows 7 (policy.move_horizon_days)"
    )
    assert said == replace(found, outcome=replace(found.outcome, reason=said.outcome.reason))
    _, idle = held(snapshot(1_000, market("a", ConstantCurve(0.04)), gwei=40))
    assert isinstance(idle.outcome, Hold) and "would take 219 days" in idle.outcome.reason
    assert idle.outcome.reason.endswith("the policy allows 90 (policy.enter_horizon_days)")


def test_what_is_far_from_paying_or_held_for_another_reason_is_left_as_it_was() -> None:
    found, said = held(snapshot(0, HERE, market("there", ConstantCurve(0.03))))
    assert said is found
    found, said = held(snapshot(500, market("a", ConstantCurve(0.04))), loose(idle_buffer="1000"))
    assert said is found and isinstance(found.outcome, Hold) and "idle_buffer" in found.outcome.reason
    plan = decide(snapshot(0, HERE, THERE), loose(), JOB, 0)
    assert isinstance(plan.outcome, Plan) and explained(plan, snapshot(0, HERE, THERE), loose(), JOB, 0) is plan


def test_a_swap_that_loses_too_much_is_told_where_gas_costs_nothing() -> None:
    """Gas alone was taken as cheaper, so that on a rollup nothing was said of moves between coins."""
    low, high = (
        replace(market("low", ConstantCurve(0.03)), held=usdc(10_000)),
        in_dai(market("high", ConstantCurve(0.06))),
    )
    view = several.seen(0, 0, low, high, pools=(several.pool(100, fee_bps=9),))
    view = replace(view, fees=replace(view.fees, native_price=0.0))
    assert view.fees.cost(1_000_000) == 0.0
    found = decide(view, loose(), several.JOB, several.NOW)
    assert isinstance(found.outcome, Hold)
    said = explained(found, view, loose(), several.JOB, several.NOW)
    assert isinstance(said.outcome, Hold)
    assert "a year more would take 12." in said.outcome.reason and said.outcome.reason.endswith(
        "the policy allows 7 (policy.move_horizon_days)"
    )


def test_an_empty_wallet_is_called_empty() -> None:
    found, _ = held(snapshot(0, market("there", ConstantCurve(0.05))))
    assert isinstance(found.outcome, Hold) and found.outcome.reason.startswith("the wallet is empty: it has no USDC")


def test_limits_and_vetoes_that_keep_money_out_are_named_with_their_number() -> None:
    best, full = market("best", ConstantCurve(0.06)), market("full", ConstantCurve(0.05), held=5_000)
    view = snapshot(5_000, best, full)
    _, said = held(view, loose(exclude=("best",), max_share_market=0.5))
    assert isinstance(said.outcome, Hold)
    assert said.outcome.reason.startswith("no market that pays more may get any of it: best: ")
    assert "full: at most 5,000 USDC (policy's share of a market)" in said.outcome.reason
    assert "exclude" in said.outcome.reason
    assert isinstance(decide(view, loose(exclude=("best",)), JOB, 0).outcome, Plan), "without the limit one may"


def test_the_policys_minimums_that_keep_back_what_would_pay_are_named_with_both_figures() -> None:
    view = snapshot(5_000, market("best", ConstantCurve(0.06)), market("full", ConstantCurve(0.05), held=5_000))
    for policy, said in (
        (loose(min_position="20000"), "a position of 5,000.00 USDC (policy.min_position is 20,000.00)"),
        (loose(min_move="6000", min_position="5"), "a move of 5,000.00 USDC (policy.min_move is 6,000.00)"),
    ):
        assert said in reason_of(held(view, policy)[1]), policy
    dear = snapshot(0, HERE, THERE, gwei=1)
    said = reason_of(held(dear, loose(max_gas_share_of_gain=0.1))[1])
    assert said == (
        "200.00 USDC a year more costs 1.20 USDC, 0.31 of its gain within the horizon "
        "(policy.max_gas_share_of_gain is 0.1)"
    )


def reason_of(found: Decision) -> str:
    assert isinstance(found.outcome, Hold)
    return found.outcome.reason


def test_what_refuses_several_markets_is_said_once() -> None:
    many = [market(f"m{number}", ConstantCurve(0.05)) for number in range(6)]
    _, said = held(snapshot(5_000, *many), loose(exclude=("lend",)))
    assert isinstance(said.outcome, Hold)
    names, cause = said.outcome.reason.removeprefix("no market that pays more may get any of it: ").split(": ", 1)
    assert names == "m0, m1, m2 and 3 more" and "exclude" in cause and ";" not in cause


def test_gas_above_the_ceiling_is_named_where_nothing_pays() -> None:
    job = replace(JOB, chain=replace(JOB.chain, max_fee_gwei=100.0))
    view = snapshot(0, HERE, THERE, gwei=500)
    said = explained(decide(view, loose(), job, 0), view, loose(), job, 0).outcome
    assert isinstance(said, Hold)
    assert said.reason.endswith("with gas at 500 gwei, above the ceiling of 100 (max_fee_gwei of the chain)")


def test_a_limit_that_is_used_up_hides_no_true_reason_and_is_named_only_where_it_matters() -> None:
    """A frozen market, one at its cap, one at our share and one that earns less say so, as without the limit."""
    best = market("best", ConstantCurve(0.06), held=50_000)
    frozen = market("frozen", ConstantCurve(0.2), status=Status.FROZEN)
    full = market("full", ConstantCurve(0.1), held=50_000, capacity=0)
    poor = market("poor", ConstantCurve(0.01))
    view, rules = snapshot(0, best, frozen, full, poor), loose(max_share_market=0.5, horizon_days=30.0)
    used = moved(1, best.market.id, 9_000, 1)
    for limit in ("limit_day", "limit_day_chain", "limit_day_market"):
        bound = replace(rules, **{limit: "9000"})
        free, found = (decide(view, policy, JOB, NOW, records=used) for policy in (rules, bound))
        assert isinstance(free.outcome, Hold) and found == free, limit
        assert explained(found, view, bound, JOB, NOW, used) == explained(free, view, rules, JOB, NOW, used)
    wide = snapshot(20_000, best, frozen, full, poor)
    bound = loose(limit_day="9000", horizon_days=30.0)
    said = decide(wide, bound, JOB, NOW, records=used)
    left = "policy.limit_day leaves {} now: 9,000 USDC of 9,000 USDC used in 24 hours, 9,000 USDC free again at {}"
    assert isinstance(said.outcome, Hold)
    assert said.outcome.reason == "20,000 USDC into lend/1/best: " + left.format("0 USDC", "2027-01-16 07:00 UTC")
    free = decide(wide, loose(horizon_days=30.0), JOB, NOW, records=used)
    assert isinstance(free.outcome, Plan)
    reasons = {one.market_id.rpartition("/")[2]: one.binding for one in said.allocation.reasons}
    assert len({one.binding for one in free.allocation.reasons} & set(reasons.values())) >= 3, "as without the limit"
    assert reasons["best"] == left.format("nothing", "2027-01-16 07:00 UTC")
    assert (reasons["frozen"], reasons["full"], reasons["poor"]) == (
        "frozen",
        "the market's cap",
        "earns less than the others",
    )
