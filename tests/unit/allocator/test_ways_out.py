"""Markets that take long to leave, whose cash nobody sees, or whose readings contradict each other: no new money, and
what is there stays or leaves as it pays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.market_builder import market, snapshot, usdc
from tests.kit.policies import loose
from yieldbot.allocator.allocate import allocate
from yieldbot.allocator.assess import assess
from yieldbot.allocator.plan import make_plan
from yieldbot.app.market_documents import WayOut
from yieldbot.app.plan_documents import MarketWayOut
from yieldbot.errors import MarketError
from yieldbot.math.curves import ConstantCurve, EnteredCurve
from yieldbot.model.market import Exit, ExitKind, MarketState
from yieldbot.model.plan import Hold, LegKind, Plan
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.protocols.evm.vaults import income_of, rates_of

WEEK = Exit(kind=ExitKind.COOLDOWN, seconds=7 * 86_400)
QUEUE = Exit(kind=ExitKind.REQUEST, seconds=None)
UNSEEN = {"opaque": True, "liquidity": usdc(0), "exit": Exit()}


def better(held: float = 0.0, **changes: object) -> MarketState:
    return replace(market("better", ConstantCurve(0.2), held=held), **changes)  # type: ignore[arg-type]


def target(state: MarketState, **policy: object) -> float:
    """What is put where 20 % are earned, of 1,000 in the wallet, beside a market of 5 %."""
    found = snapshot(1000.0, state, market("plain", ConstantCurve(0.05)))
    settings = loose(horizon_days=30.0, **policy)  # type: ignore[arg-type]
    return float(allocate(found, assess(found, settings), settings).targets[state.market.id])


@pytest.mark.parametrize(
    "changes",
    [
        {"exit": WEEK},
        {"exit": QUEUE},
        {"exit": Exit(kind=ExitKind.MATURITY, seconds=1)},
        UNSEEN,
        {"doubts": ("it says 1, and 2",)},
    ],
)
def test_no_new_money_and_what_is_held_may_stay(changes: dict[str, object]) -> None:
    assert target(better()) == 1000.0
    assert target(better(**changes)) == 0.0
    assert target(better(300.0, **{**changes, "offered": usdc(300)})) == 300.0


def test_what_the_policy_lets_by() -> None:
    assert target(better(exit=WEEK), max_exit_hours=168.0) == 1000.0
    assert target(better(exit=WEEK), max_exit_hours=167.9) == 0.0
    assert target(better(exit=QUEUE), max_exit_hours=1e9) == 0.0
    assert target(better(**UNSEEN), min_liquidity_multiple=0.0) == 1000.0


def test_what_is_held_may_leave_and_no_more_than_is_offered() -> None:
    worse = replace(market("worse", ConstantCurve(-0.05), held=500.0), **UNSEEN, offered=usdc(200))  # type: ignore[arg-type]
    assert worse.withdrawable == usdc(200)
    assert target(worse) == 300.0
    assert target(replace(worse, offered=usdc(500))) == 0.0


def test_cash_that_is_seen_bounds_what_goes_into_a_vault_that_is_not() -> None:
    seen = better(opaque=True, liquidity=usdc(400), exit=Exit(cash=usdc(400)))
    assert (target(seen), target(seen, min_liquidity_multiple=2.0)) == (400.0, 200.0)
    open_ = replace(better(), market=replace(better().market, name="open"), liquidity=usdc(300))
    for state, most in ((seen, 200.0), (open_, 300.0)):
        (one,) = [a for a in assess(snapshot(1000.0, state), loose(min_liquidity_multiple=2.0)) if a.max_exposure]
        assert (float(one.max_exposure), one.bound) == (most, "policy.min_liquidity_multiple")  # type: ignore[arg-type]


def test_the_document_says_the_way_out() -> None:
    said = WayOut.of(better(exit=WEEK))
    assert (said.kind, said.hours, said.limit) == ("cooldown", 168.0, None)
    assert said.cash is not None and said.cash.text == "1000000000.000000"
    unseen = WayOut.of(better(**UNSEEN))
    assert (unseen.kind, unseen.hours, unseen.cash) == ("instant", 0.0, None)
    assert WayOut.of(better(exit=QUEUE)).hours is None


def test_one_step_is_no_rate() -> None:
    """2,000 on a million in a day is 73 % a year of the window, whichever half it falls in, and nothing of a rate."""
    day, price = 86_400, 10**18
    stepped = price + price // 500
    for halfway in (price, stepped):
        whole, rate = rates_of([(0, price), (day // 2, halfway), (day, stepped)], "a vault", 7200)
        assert whole == pytest.approx(0.73) and rate == 0.0
    grown = [(0, price), (day // 2, price + price // 20_000), (day, price + price // 10_000)]
    whole, rate = rates_of(grown, "a vault", 7200)
    assert rate == pytest.approx(whole, rel=1e-4) == pytest.approx(0.0365, rel=1e-3)
    assert rates_of([(0, price), (day, stepped), (2 * day, price)], "a vault", 7200)[1] < 0
    with pytest.raises(MarketError, match="no history"):
        rates_of([(5, price), (5, price), (5, price)], "a vault", 7200)


def test_money_that_came_meanwhile_dilutes_once() -> None:
    """45,000 a year to a million, and to 1.6 millions from the middle or a quarter of the lookback on."""
    day, one = 86_400, 10**12
    diluted, whole = (round(one * 45_000 / total * 3.5 / 365) for total in (1_600_000, 1_000_000))
    middle, end = one + whole, one + whole + diluted
    halves = [(0, one, 1_000_000), (7 * day // 2, middle, 1_600_000), (7 * day, end, 1_600_000)]
    assert income_of(halves) == pytest.approx(45_000, rel=1e-3)
    early = [(0, one, 1_000_000), (7 * day // 2, one + (whole + diluted) // 2, 1_600_000), halves[2]]
    assert 0.8 * 45_000 < income_of(early) < 45_000
    assert income_of([*halves[:2], (7 * day, end, 500_000)]) <= 500_000 * 45_000 / 1_600_000, "what left earns nothing"
    assert income_of([halves[0], (7 * day // 2, one, 1_000_000), halves[2]]) == 0.0, "a step is no income"


def test_a_fee_is_paid_once_by_what_goes_in_beyond_what_is_held() -> None:
    curve, year = EnteredCurve(900.0, 50.0, 100.0, 0.01), float(SECONDS_PER_YEAR)
    assert curve.apr(100.0, year) == pytest.approx(0.05)
    assert 1100.0 * curve.apr(1100.0, year) == pytest.approx((1100 - 10) * 50 / 2000 - 10)
    for x in (50.0, 500.0, 5e4):
        slope = ((x + 0.01) * curve.apr(x + 0.01, year) - (x - 0.01) * curve.apr(x - 0.01, year)) / 0.02
        assert curve.marginal(x, year) == pytest.approx(slope, rel=1e-5, abs=1e-9)


def plan_into(state: MarketState, idle: float = 1000.0) -> Plan | Hold:
    found = snapshot(idle, state, market("plain", ConstantCurve(0.05)))
    policy = loose(horizon_days=30.0, max_gas_share_of_gain=1.0)
    return make_plan(found, allocate(found, assess(found, policy), policy), policy, found.block.timestamp)


def test_the_first_real_money_is_a_hundredth_of_which_half_comes_out_before_the_rest_follows() -> None:
    plan = plan_into(better(untried=True))
    assert isinstance(plan, Plan)
    parts = [(LegKind.DEPOSIT, usdc(10)), (LegKind.WITHDRAW, usdc(5)), (LegKind.DEPOSIT, usdc(995))]
    assert [(leg.kind, leg.amount) for leg in plan.legs] == parts
    assert all(leg.market_id == better().market.id and not leg.all for leg in plan.legs)
    (move,) = plan.moves
    assert move.amount == usdc(1000) and "tried first" in move.reason
    known = plan_into(better())
    assert isinstance(known, Plan) and [leg.amount for leg in known.legs] == [usdc(1000)]
    assert "tried" not in known.moves[0].reason
    assert plan.cost == pytest.approx(3 * known.cost), "the approval shows the gas of all three"


def test_a_hundredth_that_is_not_worth_its_gas_is_said_and_nothing_moves() -> None:
    """400,000 gas at 1 gwei and 3,000 for the coin are 1.20: of 100 they are more than a hundredth."""
    held = plan_into(better(untried=True), 119.0)
    assert isinstance(held, Hold) and "policy.try_first" in held.reason and "1.2000 of gas" in held.reason
    assert isinstance(plan_into(better(untried=True), 121.0), Plan)
    assert isinstance(plan_into(better(), 119.0), Plan)


def test_what_leaves_an_untried_market_leaves_at_once() -> None:
    state = replace(better(500.0), untried=True, curve=ConstantCurve(-0.05))
    plan = plan_into(state, 0.0)
    assert isinstance(plan, Plan)
    assert [leg.kind for leg in plan.legs if leg.market_id == state.market.id] == [LegKind.WITHDRAW]


def test_the_documents_say_what_is_known_of_the_way_out() -> None:
    seen = snapshot(5.0, better(untried=True), replace(market("shut", ConstantCurve(0.1)), no_way_out="it is locked"))
    one, other = MarketWayOut.of(seen)
    assert (one.market_id, one.untried, one.no_way_out) == ("lend/1/better", True, None)
    assert (other.untried, other.no_way_out) == (False, "it is locked")
    assert one.exit == WayOut.of(better())


def test_our_own_deposit_is_nobody_elses_cash() -> None:
    """100 of cash beside ours, which must cover the holding three times: 50 of ours, and as much in the next run."""
    thrice = {"min_liquidity_multiple": 3.0}
    assert target(better(liquidity=usdc(100)), **thrice) == 50.0
    assert target(better(50.0, liquidity=usdc(150), offered=usdc(50)), **thrice) == 50.0
