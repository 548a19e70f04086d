"""Several assets in one solve: conversions are priced, shares and prices hold, and no choice beats the bound."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from tests.kit.allocator.several import BASE, DAI, HIGH, JOB, LOW, NOW, POLICY, dai, in_dai, planned, pool, seen, solved
from tests.kit.draws import draws
from tests.kit.market_builder import OWNER, USDC, kinked, market, usdc
from yieldbot.allocator.allocate import allocate, exchange_cost
from yieldbot.allocator.assess import assess
from yieldbot.allocator.convert import convert, swap_id, swap_routes
from yieldbot.allocator.plan import make_plan
from yieldbot.decision.holds import still_holds
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.amounts import Amount
from yieldbot.model.market import MarketState
from yieldbot.model.plan import Declined, Hold, LegKind, Plan


def test_money_is_swapped_where_the_other_asset_pays_enough_more() -> None:
    view = seen(100_000, 0, LOW, HIGH, pools=(pool(50),))
    plan = planned(view)
    assert isinstance(plan, Plan)
    assert [leg.kind for leg in plan.legs] == [LegKind.SWAP, LegKind.DEPOSIT]
    swap, deposit = plan.legs
    assert swap.market_id == swap_id(USDC, DAI) and swap.amount == usdc(100_000)
    assert swap.gets is not None and swap.gets.token == DAI and deposit.market_id == HIGH.market.id
    made = convert(view, swap.amount, DAI, BASE)
    assert not isinstance(made, Declined)
    assert deposit.amount.raw <= made.route.given.raw < 100_000 * 10**18
    assert deposit.amount.raw > made.route.given.raw - 10**16, "nothing to speak of is left over"
    assert swap.gets == made.least and float(swap.gets) == pytest.approx(99_700), "30 bp below the prices"
    (done,) = plan.allocation.swaps
    lost = 100_000 - float(done.gets)
    assert plan.cost == pytest.approx(lost + 0.528 + 0.6, abs=0.01)  # the fee and the gas of two legs
    assert plan.gain_per_year == pytest.approx(9_000, rel=0.01)
    assert plan.allocation.certificate.gap_bps < 0.1 and plan.moves[0].amount.token == USDC


def test_a_swap_that_does_not_pay_within_the_horizon_is_not_made() -> None:
    view = seen(100_000, 0, LOW, in_dai(market("high", ConstantCurve(0.035))), pools=(pool(50, fee_bps=10),))
    plan = planned(view)  # half a per cent a year more for a tenth of a per cent once: not within 30 days
    assert isinstance(plan, Plan) and [leg.market_id for leg in plan.legs] == [LOW.market.id]


def test_withdrawals_come_before_swaps_and_swaps_before_deposits() -> None:
    view = seen(0, 0, market("low", ConstantCurve(0.03), held=50_000), HIGH, pools=(pool(50),))
    plan = planned(view)
    assert isinstance(plan, Plan)
    assert [leg.kind for leg in plan.legs] == [LegKind.WITHDRAW, LegKind.SWAP, LegKind.DEPOSIT]
    assert still_holds(plan, 0, view, POLICY, JOB) is None
    worse = replace(view, exchange=replace(view.exchange, states=(pool(50, rate=0.998),)))
    refused = still_holds(plan, 0, worse, POLICY, JOB)
    assert refused is not None and refused.code == "PRICE_IMPACT"
    assert still_holds(plan, 1, replace(view, exchange=None), POLICY, JOB) is not None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"usd": (1.0, 0.98), "mean": 1.02}, "DEPEGGED"),
        ({"usd": (0.98, 1.0), "mean": 0.98}, "DEPEGGED"),
        ({"spoken": NOW - 90_001}, "PRICE_STALE"),
        ({"mean": 1.008}, "PRICES_DISAGREE"),
    ],
)
def test_nothing_is_swapped_at_prices_that_cannot_be_trusted(change: dict, code: str) -> None:
    view = seen(100_000, 0, LOW, HIGH, pools=(pool(50),), **change)
    refused = convert(view, usdc(1_000), DAI, BASE)
    assert isinstance(refused, Declined) and refused.code == code
    assert not solved(view).swaps


def test_a_pool_that_was_pushed_is_not_used() -> None:
    view = seen(100_000, 0, LOW, HIGH, pools=(pool(50, rate=0.99),))
    refused = convert(view, usdc(1_000), DAI, BASE)
    assert isinstance(refused, Declined) and refused.code == "PRICE_IMPACT" and not solved(view).swaps


def test_one_price_is_none() -> None:
    view = seen(100_000, 0, LOW, HIGH, pools=(pool(50),))
    alone = replace(view, exchange=replace(view.exchange, oracle_prices=()))
    refused = convert(alone, usdc(1_000), DAI, BASE)
    assert isinstance(refused, Declined) and refused.code == "PRICE_UNKNOWN"


def test_no_more_is_swapped_than_the_policys_impact_lets() -> None:
    view = seen(1_000_000, 0, LOW, in_dai(market("high", ConstantCurve(0.9))), pools=(pool(20),))
    (swap,) = solved(view).swaps
    assert 40_000 < float(swap.given) < 60_000, "29 bp of impact in a pool of 20 M"
    made = convert(view, swap.given, DAI, BASE)
    assert not isinstance(made, Declined) and float(made.route.given) >= float(swap.given) * 0.997
    beyond = convert(view, Amount(USDC, swap.given.raw + 10**7), DAI, BASE)
    assert isinstance(beyond, Declined) and beyond.code == "PRICE_IMPACT"


@pytest.mark.parametrize("held", [50_000, 1_234.567891, 999_999.999999, 7_000_000.000003])
def test_a_position_that_is_swapped_out_leaves_nothing_of_itself(held: float) -> None:
    """3e-7 of it stayed: worth less than it costs to take, and for ever."""
    view = seen(0, 0, market("low", ConstantCurve(0.0), held=held), HIGH, pools=(pool(50_000),))
    plan = planned(view)
    assert isinstance(plan, Plan)
    out, swap, into = plan.legs
    assert out.kind is LegKind.WITHDRAW and out.all and out.amount == usdc(held)
    assert not plan.allocation.targets[out.market_id] and into.kind is LegKind.DEPOSIT
    assert swap.amount.raw >= out.amount.raw * (1 - 1e-5)
    back = seen(
        0,
        0,
        market("home", ConstantCurve(0.09)),
        in_dai(market("left", ConstantCurve(0.0)), held=held),
        pools=(pool(50_000),),
    )
    plan = planned(back)
    assert isinstance(plan, Plan) and plan.legs[0].all and not plan.allocation.targets[plan.legs[0].market_id]


def test_a_rest_that_is_worth_keeping_stays() -> None:
    """Of a market whose cash does not suffice, and where the rest earns more than it costs to take."""
    view = seen(0, 0, market("low", ConstantCurve(0.03), held=50_000, liquidity=40_000), HIGH, pools=(pool(50),))
    plan = planned(view)
    assert isinstance(plan, Plan) and not plan.legs[0].all
    assert plan.allocation.targets[plan.legs[0].market_id] == usdc(10_000)


def test_an_asset_keeps_its_share() -> None:
    base = replace(BASE, shares={"USDC": 1.0, "DAI": 0.25})
    view = seen(100_000, 0, LOW, HIGH, pools=(pool(50),))
    found = solved(view, base=base)
    assert 24_900 < float(found.targets[HIGH.market.id]) <= 25_000
    assert float(found.targets[LOW.market.id]) == pytest.approx(75_000, abs=100)
    reason = next(r for r in found.reasons if r.market_id == HIGH.market.id)
    assert reason.binding == "policy's share of DAI"


def test_a_depegged_asset_gets_no_new_money_even_where_it_lies_already() -> None:
    view = seen(0, 100_000, LOW, HIGH, pools=(pool(50),), usd=(1.0, 0.9), mean=1.11)
    found = solved(view)
    assert not found.swaps and not found.targets[HIGH.market.id]
    vetoes = {a.market_id: a.vetoes for a in assess(view, POLICY, None, BASE)}
    assert "off its dollar" in vetoes[HIGH.market.id][0] and not vetoes[LOW.market.id]


def test_an_exchange_that_pays_more_than_the_feeds_is_no_income() -> None:
    view = seen(0, 100_000, market("low", ConstantCurve(0.0)), pools=(pool(50, rate=0.998),))
    assert isinstance(planned(view), Hold), "nothing is swapped for a difference in price"
    (way,) = swap_routes(view, dai(100_000), USDC, BASE)
    assert way.quotes() and all(out * 10**12 <= raw for raw, out in way.quotes())


def test_shares_and_wealth_are_counted_over_all_assets() -> None:
    policy = replace(POLICY, max_share_market=0.5)
    view = seen(50_000, 50_000, LOW, HIGH, pools=(pool(50),))
    found = solved(view, policy)
    assert not found.swaps and float(found.targets[HIGH.market.id]) == pytest.approx(50_000)
    assert float(found.targets[LOW.market.id]) == pytest.approx(50_000)
    assert view.wealth(USDC) == usdc(100_000) and float(view.wealth(DAI)) == pytest.approx(100_000)


@pytest.mark.parametrize("seed", range(draws(6, 12)))
def test_no_choice_of_a_fine_grid_beats_the_bound(seed: int) -> None:
    """Two USDC markets, one of DAI, both ways to swap: every choice of a grid against the certificate."""
    import random

    draw = random.Random(seed)
    rates = [draw.uniform(0.01, 0.08) for _ in range(2)]
    states = (
        market("one", kinked(draw.uniform(1e5, 1e6), 8e4, low=rates[0]), borrowed=8e4),
        market("two", ConstantCurve(rates[1])),
        in_dai(market("three", kinked(draw.uniform(1e5, 1e6), 9e4, low=draw.uniform(0.02, 0.2)))),
    )
    view = seen(draw.choice([0, 80_000]), draw.choice([20_000, 60_000]), *states, pools=(pool(30), pool(5, 5)))
    found = solved(view)
    assert found.certificate.gap_bps < 0.1
    years, h, steps = POLICY.horizon_days / 365, POLICY.horizon_days * 86_400, 16
    wealth = [float(s.held) for s in view.idle]

    def earned(state: MarketState, tokens: float) -> float:
        return tokens * state.curve.apr(tokens, h) - 0.6 / years if tokens else 0.0

    for swapped in range(-steps, steps + 1):
        given, wanted = (USDC, DAI) if swapped > 0 else (DAI, USDC)
        amount = Amount(given, int(abs(swapped) / steps * wealth[0 if swapped > 0 else 1] * given.one))
        have, cost = list(wealth), 0.0
        if amount.raw:
            made = convert(view, amount, wanted, BASE)
            if isinstance(made, Declined):
                continue
            out = float(made.route.given)
            have = [have[0] - float(amount), have[1] + out] if swapped > 0 else [have[0] + out, have[1] - float(amount)]
            cost = max(0.0, float(amount) - out) + 3e-6 * sum(part.gas for part in made.route.parts)
        one, two = ([earned(s, k / steps * have[0]) for k in range(steps + 1)] for s in states[:2])
        both = max(one[j] + two[k] for j, k in product(range(steps + 1), repeat=2) if j + k <= steps)
        third = max(earned(states[2], k / steps * have[1]) for k in range(steps + 1))
        assert both + third - cost / years <= found.certificate.upper_bound + 1e-6, swapped


def test_what_a_swap_costs_is_its_gas_and_its_loss() -> None:
    view = seen(100_000, 0, LOW, HIGH, pools=(pool(50),))
    (swap,) = solved(view).swaps
    assert exchange_cost(view, swap) == pytest.approx(0.528 + float(swap.given) - float(swap.gets), abs=1e-6)
    assert view.owner == OWNER


def test_as_if_there_were_more_every_move_is_told() -> None:
    """Of several assets too the wallet is the source of money that is only thought of."""
    view, more = seen(10_000, 0, LOW, HIGH, pools=(pool(50),)), usdc(100_000)
    base = replace(BASE, shares={"USDC": 1.0, "DAI": 0.4})
    found = allocate(view, assess(view, POLICY, more, base), POLICY, wealth=more, base=base)
    plan = make_plan(view, found, POLICY, NOW)
    assert isinstance(plan, Plan)
    assert sum(float(move.amount) for move in plan.moves) == pytest.approx(100_000, rel=1e-3)
    assert plan.gain_per_year == pytest.approx(60_000 * 0.03 + 40_000 * 0.09, rel=1e-2)
    assert plan.cost > 4, "the swap's fee of 1 bp, and gas"
