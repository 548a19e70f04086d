"""What transactions pay for their data on L1 is in a plan's cost, its break-even and its limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.allocator import several
from tests.kit.allocator.decisions import decide
from tests.kit.market_builder import kinked, market, snapshot
from tests.kit.policies import loose
from yieldbot.allocator.outcome import exchange_cost
from yieldbot.chains.evm.execution.build import Fees
from yieldbot.chains.evm.execution.rehearsal import Rehearsal, RehearsedLeg, RehearsedTx
from yieldbot.chains.evm.leg_cost import dearer
from yieldbot.model.fees import ENTER_TXS, LEAVE_TXS, SWAP_TXS, ChainFees
from yieldbot.model.ids import Address
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Declined, Hold, LegKind, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.tx import EvmCall, RollupFee

ETHER = 10**18
PRICE = 3_000.0


def seen(tx_wei: int = 0, unit_wei: float = 0.0) -> Snapshot:
    """50,000 in a market that pays little, and one that pays more; gas costs next to nothing."""
    made = snapshot(0, market("low", kinked(1e6, 2e5), held=50_000.0), market("high", kinked(1e6, 8e5)))
    return replace(made, fees=ChainFees(10**6, 0, PRICE, tx_wei, unit_wei))


def test_a_move_costs_the_data_of_each_of_its_transactions() -> None:
    _, free = decide(seen(), loose(horizon_days=30.0))
    _, dear = decide(seen(tx_wei=ETHER // 10_000), loose(horizon_days=30.0))
    assert isinstance(free, Plan) and isinstance(dear, Plan)
    kinds = [leg.kind for leg in dear.legs]
    assert sorted(kinds) == [LegKind.DEPOSIT, LegKind.WITHDRAW]
    assert dear.cost - free.cost == pytest.approx((ENTER_TXS + LEAVE_TXS) * PRICE / 10_000)
    (move,) = dear.moves
    assert move.break_even_days == pytest.approx(dear.cost / dear.gain_per_year * 365)


def test_an_operators_fee_goes_by_the_gas() -> None:
    _, free = decide(seen(), loose(horizon_days=30.0))
    _, dear = decide(seen(unit_wei=10**9), loose(horizon_days=30.0))
    assert isinstance(free, Plan) and isinstance(dear, Plan)
    assert dear.cost / free.cost == pytest.approx((10**6 + 10**9) / 10**6)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (loose(horizon_days=30.0, max_gas_share_of_gain=0.5), "after costs"),
        (loose(horizon_days=30.0, max_gas_share_of_gain=1e9, break_even_days=5), "after costs"),
    ],
)
def test_what_costs_more_than_it_gains_is_held(policy: Policy, said: str) -> None:
    _, plan = decide(seen(), policy)
    assert isinstance(plan, Plan)
    _, held = decide(seen(tx_wei=ETHER * 7 // 1000), policy)
    assert isinstance(held, Hold) and said in held.reason


def test_a_swap_costs_the_data_of_each_of_its_parts() -> None:
    free = several.seen(100_000, 0, several.LOW, several.HIGH, pools=(several.pool(50),))
    dear = replace(free, fees=replace(free.fees, tx_wei=ETHER // 10_000))
    (swap,) = several.solved(free).swaps
    each = dear.fees.cost(1) - free.fees.cost(1)
    assert each > 0
    for parts in (1, 2, 5):
        split = replace(swap, parts=parts)
        more = exchange_cost(dear, split) - exchange_cost(free, split)
        assert more == pytest.approx(SWAP_TXS * parts * each)


def rehearsal(made: Snapshot, plan: Plan, fee: RollupFee, gas: int = 200_000) -> Rehearsal:
    call = EvmCall(Address("0x" + "11" * 20), b"", 0, "a call")
    legs = tuple(RehearsedLeg(n, (RehearsedTx(call, gas, gas, fee),), ()) for n in range(len(plan.legs)))
    return Rehearsal(made.block, legs, Fees(10**7, 0))


def test_a_plan_whose_very_bytes_turn_out_dearer_than_its_gain_allows_is_refused() -> None:
    made, policy = seen(tx_wei=10**12), loose(horizon_days=30.0)
    _, plan = decide(made, policy)
    assert isinstance(plan, Plan)
    share = policy.max_gas_share_of_gain * plan.gain_per_year * policy.horizon_days / 365
    most_wei = int(share / PRICE * ETHER)
    legs = len(plan.legs)
    within = [RollupFee(l1_wei=most_wei // legs * 9 // 10), RollupFee(l1_gas=most_wei // legs * 9 // 10 // 10**6)]
    for fee in (*within, RollupFee()):
        assert dearer(plan, made, rehearsal(made, plan, fee), policy) is None
    beyond = [RollupFee(l1_wei=most_wei // legs + 10), RollupFee(operator_wei=most_wei // legs + 10)]
    for fee in (*beyond, RollupFee(l1_gas=most_wei // legs // 10**6 + 10)):
        refused = dearer(plan, made, rehearsal(made, plan, fee), policy)
        assert isinstance(refused, Declined) and refused.code == "COST_ABOVE_GAIN" and "data on L1" in refused.reason
    patient = replace(policy, break_even_days=0.001)
    refused = dearer(plan, made, rehearsal(made, plan, within[0]), patient)
    assert isinstance(refused, Declined), "it would not be paid back in time"
