"""From a snapshot to a plan or a Hold, on markets whose answer can be said beforehand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.allocator.decisions import NOW, decide
from tests.kit.market_builder import IDLE_ID, USDC, kinked, market, snapshot, usdc
from tests.kit.policies import loose
from yieldbot.allocator.allocate import allocate
from yieldbot.allocator.assess import assess
from yieldbot.allocator.plan import _End, _paired, make_plan
from yieldbot.decision.holds import still_holds
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.amounts import Apr
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Status
from yieldbot.model.plan import Hold, LegKind, Plan


def test_equal_markets_share_the_money_equally() -> None:
    seen = snapshot(100_000, *(market(n, kinked(1e6, 8e5)) for n in ("a", "b")))
    found, plan = decide(seen, loose(horizon_days=30.0))
    a, b = (found.targets[s.market.id] for s in list(seen.states.values())[:2])
    assert abs(a.raw - b.raw) < 2_000 * 10**6 and a.raw + b.raw == usdc(100_000).raw
    assert found.certificate.gap_bps < 0.1
    assert isinstance(plan, Plan) and {leg.kind for leg in plan.legs} == {LegKind.DEPOSIT}


def test_targets_sum_to_the_wealth_and_leave_the_buffer() -> None:
    seen = snapshot(10_000.123457, market("a", kinked(1e6, 9e5)), market("b", kinked(2e5, 1.7e5), held=333.33))
    found, _ = decide(seen, loose(horizon_days=30.0, idle_buffer="77.7"))
    assert sum(t.raw for t in found.targets.values()) == usdc(10_000.123457).raw + usdc(333.33).raw
    assert found.targets[IDLE_ID] >= usdc(77.7)


def test_a_wallet_below_its_buffer_is_told_of() -> None:
    seen = snapshot(500.0, market("a", kinked(1e6, 8e5), held=50_000.0))
    _, held = decide(seen, loose(horizon_days=30.0, idle_buffer="1000"))
    assert isinstance(held, Hold)
    assert held.reason.endswith(
        "has 500 USDC, less than idle_buffer (1,000 USDC): new money fills it, nothing is withdrawn for it"
    )
    _, enough = decide(seen, loose(horizon_days=30.0, idle_buffer="500"))
    assert isinstance(enough, Hold) and "idle_buffer" not in enough.reason


def test_a_wallet_whose_money_all_stays_there_is_told_why() -> None:
    """Limits in whole tokens that were meant for another token: 500 USDC is little, 500 SOL is not."""
    seen = snapshot(25.0, market("a", kinked(1e6, 8e5)))
    _, below = decide(seen, loose(horizon_days=30.0, idle_buffer="500"))
    assert isinstance(below, Hold)
    assert below.reason.endswith("the wallet has 25 USDC, less than idle_buffer (500 USDC): all of it stays there")
    _, little = decide(seen, loose(horizon_days=30.0, idle_buffer="1", min_position="1000"))
    assert isinstance(little, Hold)
    assert little.reason.endswith("has 24 USDC beyond idle_buffer, less than min_position (1,000 USDC)")
    _, none = decide(snapshot(0.0, market("a", kinked(1e6, 8e5))), loose(horizon_days=30.0, idle_buffer="500"))
    assert isinstance(none, Hold) and "idle_buffer" not in none.reason


def test_caps_shares_and_protocol_limits_hold_to_the_unit() -> None:
    seen = snapshot(
        100_000,
        market("capped", ConstantCurve(0.2), capacity=1_234.567891),
        market("x", ConstantCurve(0.1), protocol="p"),
        market("y", ConstantCurve(0.09), protocol="p"),
        market("rest", ConstantCurve(0.01)),
    )
    policy = loose(horizon_days=30.0, max_share_market=0.3, max_share_protocol={"p": 0.45})
    found, _ = decide(seen, policy)
    capped, x, y, rest = (found.targets[s.market.id].raw for s in list(seen.states.values())[:4])
    assert capped == 1_234_567_891
    assert x == 30_000 * 10**6 and x + y <= 45_000 * 10**6 and x + y > 44_999 * 10**6
    assert rest == 30_000 * 10**6


def test_a_vetoed_market_gets_nothing_but_may_be_left() -> None:
    seen = snapshot(
        1_000,
        market("frozen", ConstantCurve(0.5), status=Status.FROZEN, held=5_000),
        market("full", ConstantCurve(0.5), borrowed=0.99e6),
        market("excluded", ConstantCurve(0.5)),
        market("good", ConstantCurve(0.6)),
    )
    policy = loose(horizon_days=30.0, exclude=("excluded",))
    found, plan = decide(seen, policy)
    frozen, full, excluded, good = (found.targets[s.market.id].raw for s in list(seen.states.values())[:4])
    assert (full, excluded) == (0, 0)
    assert frozen == 0 and good == 6_000 * 10**6
    assert isinstance(plan, Plan)
    assert [leg.kind for leg in plan.legs] == [LegKind.WITHDRAW, LegKind.DEPOSIT] and plan.legs[0].all


def test_what_cannot_be_withdrawn_stays() -> None:
    seen = snapshot(
        0, market("stuck", ConstantCurve(0.01), held=5_000, liquidity=1_200), market("b", ConstantCurve(0.1))
    )
    found, _ = decide(seen, loose(horizon_days=30.0))
    stuck, b = (found.targets[s.market.id].raw for s in list(seen.states.values())[:2])
    assert (stuck, b) == (3_800 * 10**6, 1_200 * 10**6)


def test_markets_of_one_pool_never_both_change() -> None:
    shared = frozenset({"reserve"})
    seen = snapshot(
        100_000,
        market("direct", kinked(1e6, 8.5e5), pools=shared),
        market("wrapped", kinked(1e6, 8.5e5), pools=shared, gas=400_000),
        market("other", kinked(1e6, 8e5)),
    )
    found, _ = decide(seen, loose(horizon_days=30.0))
    direct, wrapped, other = (found.targets[s.market.id].raw for s in list(seen.states.values())[:3])
    assert direct > 0 and other > 0 and wrapped == 0


@pytest.mark.parametrize("noise", [-1e-5, -1e-6, 1e-6, 1e-5])
def test_a_rate_change_below_its_cost_moves_nothing(noise: float) -> None:
    first = snapshot(100_000, market("a", ConstantCurve(0.05)), market("b", ConstantCurve(0.0499)))
    found, _ = decide(first, loose(horizon_days=30.0))
    assert found.targets[next(iter(first.states))].raw == usdc(100_000).raw
    again = snapshot(
        0, market("a", ConstantCurve(0.05 + noise), held=100_000), market("b", ConstantCurve(0.05), held=0), gwei=20
    )
    _, outcome = decide(again, loose(horizon_days=30.0))
    assert isinstance(outcome, Hold) and "nothing earns more" in outcome.reason


def test_hold_when_the_gain_does_not_pay_in_time() -> None:
    seen = snapshot(1_000, market("a", ConstantCurve(0.04)), gwei=10)  # 6 USDC of gas, 40 a year: 55 days
    _, outcome = decide(seen, loose(horizon_days=365, break_even_days=30))
    assert isinstance(outcome, Hold) and "after costs" in outcome.reason
    _, outcome = decide(seen, loose(horizon_days=365, break_even_days=60))
    assert isinstance(outcome, Plan)


def test_hold_when_gas_takes_more_than_its_share_or_is_above_the_ceiling() -> None:
    seen = snapshot(10_000, market("a", ConstantCurve(0.04)), gwei=10)  # 6 USDC against 32.9 in 30 days
    policy = loose(horizon_days=30.0, max_gas_share_of_gain=0.1)
    _, outcome = decide(seen, policy)
    assert isinstance(outcome, Hold) and "after costs" in outcome.reason
    found, outcome = decide(seen, replace(policy, max_gas_share_of_gain=0.2))
    assert isinstance(outcome, Plan)
    held = make_plan(seen, found, loose(horizon_days=30.0), NOW, max_fee_wei=5 * 10**9)
    assert isinstance(held, Hold) and "ceiling of 5" in held.reason


def test_hold_when_the_gain_is_not_worth_a_transaction() -> None:
    """A fresh thousand beside a million earns 50 a year: 0.5 bp of the wealth. Twelve thousand are 6 bp."""
    for new, gain, planned in ((1_000.0, "50.00", False), (12_000.0, "", True)):
        seen = snapshot(new, market("a", ConstantCurve(0.05), held=1e6, gas=0))
        _, found = decide(seen, loose())
        if planned:
            assert isinstance(found, Plan)
            continue
        assert isinstance(found, Hold) and not found.late
        assert found.reason.startswith(f"{gain} USDC a year more is less than 5 bp of the wealth (500.50 USDC")
        _, every = decide(seen, loose(min_gain_bps=0.0))
        assert isinstance(every, Plan) and every.gain_per_year == pytest.approx(50.0)


def test_each_move_must_gain_what_a_signature_is_worth() -> None:
    """Two markets that pay 5 % on 12,000 each: 1,200 a year by two moves, so 600 for each."""
    seen = snapshot(24_000, *(market(name, ConstantCurve(0.05), gas=0) for name in ("a", "b")))
    for least, planned in (("0", True), ("599", True), ("601", False)):
        _, found = decide(seen, loose(min_gain=least, max_share_market=0.5))
        assert isinstance(found, Plan if planned else Hold), least
        if isinstance(found, Plan):
            assert len(found.moves) == 2
        else:
            assert found.reason.startswith(
                "1,200.00 USDC a year more by 2 moves is less than policy.min_gain for each (1,202.00 USDC)"
            )


def test_a_few_base_units_are_no_step_of_their_own() -> None:
    def ends(*amounts: float) -> list[_End]:
        return [_End(MarketId(f"m{k}"), USDC, raw, raw) for k, raw in enumerate(usdc(part).raw for part in amounts)]

    def steps(sources: list[_End], targets: list[_End]) -> list[int]:
        return [value for _, _, value in _paired(sources, targets, 0, USDC.one // 100)]

    assert steps(ends(50_000.0, 0.000_003), ends(50_000.000_003)) == [50_000 * USDC.one]
    assert steps(ends(50.0, 0.02), ends(50.02)) == [50 * USDC.one, USDC.one // 50], "two cents are a step"
    assert steps(ends(0.000_003), ends(0.000_003)) == [3], "a whole change is"


def test_the_same_snapshot_gives_the_same_plan() -> None:
    seen = snapshot(250_000, *(market(f"m{i}", kinked(1e6 * (i + 1), 8.3e5 * (i + 1))) for i in range(6)))
    plans = [decide(seen, loose(horizon_days=30.0, max_share_market=0.4))[1] for _ in range(3)]
    assert isinstance(plans[0], Plan)
    assert plans[0] == plans[1] == plans[2]


def test_what_if_wealth_answers_without_touching_the_snapshot() -> None:
    seen = snapshot(1_000, market("a", kinked(1e6, 8e5)))
    found = allocate(seen, assess(seen, loose(horizon_days=30.0)), loose(horizon_days=30.0), wealth=usdc(50_000))
    assert sum(t.raw for t in found.targets.values()) == usdc(50_000).raw


def test_a_market_whose_risk_is_no_longer_paid_for_is_left() -> None:
    """The gain of a move is net of haircuts: leaving 9 % that is expected to lose 20 % a year for 4 % is a gain."""
    seen = snapshot(0, market("risky", ConstantCurve(0.09), held=10_000), market("safe", ConstantCurve(0.04)))
    assert isinstance(decide(seen, loose(horizon_days=30.0))[1], Hold)
    policy = loose(horizon_days=30.0, haircut_bps={"lend/1/risky": 2_000})
    _, plan = decide(seen, policy)
    assert isinstance(plan, Plan)
    assert [(leg.kind, leg.market_id, leg.all) for leg in plan.legs] == [
        (LegKind.WITHDRAW, "lend/1/risky", True),
        (LegKind.DEPOSIT, "lend/1/safe", False),
    ]
    assert plan.gain_per_year == pytest.approx(10_000 * (0.04 - (0.09 - 0.20)), rel=1e-5)
    assert plan.moves[0].reason.startswith(
        "safe pays 4.07 % APY after our deposit, risky 9.38 % (-10.46 % after its expected loss);"
    )
    assert still_holds(plan, 0, seen, policy) is None
    gone = still_holds(plan, 0, seen, loose(horizon_days=30.0))
    assert gone is not None and gone.code == "GAIN_GONE"


def test_the_rate_that_is_left_is_the_one_that_our_money_earns_there() -> None:
    """Once our money is out the others share more; that rate is nobody's, and stands in no other table."""
    left, h = market("left", kinked(50_000, 40_000), held=10_000), loose(horizon_days=30.0).horizon_seconds
    _, plan = decide(snapshot(0, left, market("best", ConstantCurve(0.2))), loose(horizon_days=30.0))
    assert isinstance(plan, Plan)
    ours, without_us = (Apr(left.curve.apr(x, h)).compounded(h).value * 100 for x in (10_000.0, 0.0))
    assert f"after our deposit, left {ours:.2f} %" in plan.moves[0].reason and without_us > ours + 0.1


def test_money_leaves_for_the_wallet_where_no_market_pays_for_its_risk() -> None:
    seen = snapshot(0, market("risky", ConstantCurve(0.09), held=10_000))
    _, plan = decide(seen, loose(horizon_days=30.0, haircut_bps={"lend": 2_000}))
    assert isinstance(plan, Plan) and [leg.kind for leg in plan.legs] == [LegKind.WITHDRAW]
    assert plan.moves[0].target == IDLE_ID


@pytest.mark.parametrize("wealth", [1e9, 1e11, 1e12, 1e13])
def test_a_wealth_that_no_market_can_take_still_fills_them(wealth: float) -> None:
    """All that they pay is then below the search's tolerance, which is a share of the wealth: it said "hold"."""
    seen = snapshot(100_000, market("a", kinked(1e6, 8e5), borrowed=8e5), market("b", kinked(5e6, 4.5e6)))
    found = allocate(
        seen, assess(seen, loose(horizon_days=30.0), usdc(wealth)), loose(horizon_days=30.0), wealth=usdc(wealth)
    )
    proof = found.certificate
    assert proof.objective > 7_000 and proof.upper_bound - proof.objective <= 0.002 * proof.upper_bound
    assert 1e6 < found.targets[MarketId("lend/1/a")].raw / 1e6 < 1.1e6
