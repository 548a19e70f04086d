"""What a plan makes of holdings: every leg to the base unit, every cost by the snapshot's own prices."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.market_builder import BLOCK, CHAIN, OWNER, USDC, kinked, market, snapshot, usdc
from tests.kit.policies import loose
from yieldbot.backtest.carried import Asked, Carried, SimulatedHoldings, carry_out
from yieldbot.decision.decide import decide
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.fees import ChainFees, SvmFees
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.market import Exit, ExitKind, Snapshot
from yieldbot.model.plan import Allocation, Certificate, Exchanged, Leg, LegKind, Plan
from yieldbot.model.settings import ChainSettings, Job, Wallet

ONE, OTHER = market("one", kinked(1e6, 8e5, low=0.20), borrowed=8e5), market("other", kinked(1e6, 7e5), borrowed=7e5)
EURC = Token(CHAIN, Address("0x1aBaEA1f7C830bD89Acc67eC4af516284b1bC33c"), "EURC", 6)
JOB = Job(
    wallet=Wallet(name="w", address=OWNER),
    chain=ChainSettings(
        name="c", chain=CHAIN, rpc_env="", rpc_urls=(), multicall3=OWNER, native_symbol="ETH", native_feed=None,
        feeds={}, tokens={"USDC": USDC}, deployments=(), max_fee_gwei=1e9,
    ),
    asset=USDC,
)  # fmt: skip


def plan(*legs: Leg, swaps: tuple[Exchanged, ...] = ()) -> Plan:
    allocation = Allocation({}, 0.0, 0.0, Certificate(0.0, 0.0, 0.0), 0.0, (), swaps)
    return Plan("p", BLOCK, OWNER, (), legs, allocation, 1.0, 0.0, 1, BLOCK.timestamp + 60)


def carried(seen: Snapshot, before: SimulatedHoldings, *legs: Leg, swaps: tuple[Exchanged, ...] = ()) -> Carried:
    return carry_out(seen, plan(*legs, swaps=swaps), before)


def test_what_decide_plans_is_carried_out_to_its_targets() -> None:
    seen = snapshot(50_000, ONE, OTHER)
    made = decide(seen, loose(), JOB, BLOCK.timestamp).outcome
    assert isinstance(made, Plan)
    found = carry_out(seen, made, SimulatedHoldings(idle={USDC: usdc(50_000).raw}))
    for market_id, target in made.allocation.targets.items():
        here = found.holdings.idle[USDC] if market_id.startswith("idle/") else found.holdings.held.get(market_id, 0)
        assert here == target.raw
    assert sum(found.holdings.idle.values()) + sum(found.holdings.held.values()) == usdc(50_000).raw
    assert found.touched == len(made.legs) and found.gas == pytest.approx(made.cost, rel=1e-9)


def test_all_of_a_holding_leaves_though_it_grew_and_a_deposit_takes_no_more_than_there_is() -> None:
    seen = snapshot(0, ONE, OTHER)
    before = SimulatedHoldings(held={ONE.market.id: usdc(100).raw + 7})
    found = carried(
        seen,
        before,
        Leg(LegKind.WITHDRAW, ONE.market.id, usdc(100), all=True),
        Leg(LegKind.DEPOSIT, OTHER.market.id, usdc(200)),
    )
    assert found.holdings.held == {OTHER.market.id: usdc(100).raw + 7} and found.holdings.idle == {USDC: 0}
    both = seen.fees.cost(ONE.gas_withdraw) + seen.fees.cost(OTHER.gas_deposit)
    assert found.gas == pytest.approx(both) and found.swap_gas == 0.0


@pytest.mark.parametrize(
    "leg",
    [
        Leg(LegKind.WITHDRAW, ONE.market.id, usdc(2)),
        Leg(LegKind.SWAP, MarketId("swap/x"), usdc(2), gets=Amount(EURC, 1)),
        Leg(LegKind.REQUEST, ONE.market.id, usdc(2)),
    ],
)
def test_more_than_there_is_is_refused(leg: Leg) -> None:
    with pytest.raises(ValueError, match="base units are taken where there are"):
        carried(snapshot(1, ONE), SimulatedHoldings(idle={USDC: usdc(1).raw}, held={ONE.market.id: usdc(1).raw}), leg)


def test_an_entry_fee_and_a_first_accounts_rent_are_costs() -> None:
    fees = SvmFees(0, 5000, 150.0)
    state = replace(ONE, entry_cost_bps=50.0, rent_deposit=2_000_000)
    seen = replace(snapshot(1_000, state), fees=fees)
    leg = Leg(LegKind.DEPOSIT, state.market.id, usdc(1_000))
    found = carried(seen, SimulatedHoldings(idle={USDC: usdc(1_000).raw}), leg)
    assert found.holdings.held == {state.market.id: usdc(995).raw} and found.entered == pytest.approx(5.0)
    assert found.gas == pytest.approx((5000 + 2_000_000) / 1e9 * 150)
    again = carried(seen, SimulatedHoldings(idle={USDC: usdc(1_000).raw}, held={state.market.id: 1}), leg)
    assert again.gas == pytest.approx(5000 / 1e9 * 150), "its account is there"


def test_a_swap_brings_what_the_plan_quoted_and_its_legs_minimum_where_it_did_not() -> None:
    seen = replace(snapshot(100, ONE), fees=ChainFees(10**9, 0, 3000.0, tx_wei=10**12))
    leg = Leg(LegKind.SWAP, MarketId("swap/x"), usdc(100), gets=Amount(EURC, 98 * 10**6))
    quote = Exchanged(usdc(100), Amount(EURC, 99_500_000), Amount(EURC, 98 * 10**6), 120_000, 2)
    begin = SimulatedHoldings(idle={USDC: usdc(100).raw, EURC: 0})
    found = carry_out(_priced(seen), plan(leg, swaps=(quote,)), begin)
    assert found.holdings.idle == {USDC: 0, EURC: 99_500_000} and found.swapped == pytest.approx(0.5)
    assert found.swap_gas == pytest.approx(seen.fees.cost(120_000, txs=4)) and found.gas == 0.0 and found.swaps == 1
    least = carry_out(_priced(seen), plan(leg), begin)
    assert least.holdings.idle == {USDC: 0, EURC: 98 * 10**6} and least.swapped == pytest.approx(2.0)


def _priced(seen: Snapshot) -> Snapshot:
    """Both tokens are worth the same."""
    from yieldbot.model.exchange import Exchange, Price

    return replace(seen, exchange=Exchange((), {USDC: Price(1.0, 0), EURC: Price(1.0, 0)}))


def test_a_two_step_exit_takes_its_time() -> None:
    state = replace(ONE, exit=Exit(kind=ExitKind.COOLDOWN, seconds=3600))
    seen = snapshot(0, state)
    asked = carried(
        seen,
        SimulatedHoldings(held={ONE.market.id: 500}),
        Leg(LegKind.REQUEST, ONE.market.id, Amount(USDC, 500), all=True),
    )
    assert asked.holdings.held == {} and asked.holdings.asked == {ONE.market.id: Asked(500, BLOCK.timestamp + 3600)}
    out = carried(seen, asked.holdings, Leg(LegKind.COLLECT, ONE.market.id, Amount(USDC, 500)))
    assert out.holdings.idle == {USDC: 500} and out.holdings.asked == {}
    back = carried(seen, asked.holdings, Leg(LegKind.CANCEL, ONE.market.id, Amount(USDC, 500)))
    assert back.holdings.held == {ONE.market.id: 500} and back.holdings.asked == {}
