"""The limits of one job, whatever its chain: what a leg is now, what it may give back, what it may cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.kit.market_builder import market, usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB, NOW, SEEN, USDC, A, deposit, moved
from yieldbot.chains.evm.execution.build import Fees
from yieldbot.chains.evm.execution.rehearsal import Rehearsal, RehearsedLeg, RehearsedTx
from yieldbot.chains.evm.leg_cost import dearer
from yieldbot.chains.leg_limits import beyond_limits, idle, leg_now, most_gas, shares_for
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.fees import ChainFees, SvmFees
from yieldbot.model.ids import Address
from yieldbot.model.plan import Allocation, Certificate, Leg, LegKind, Move, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.tx import EvmCall, RollupFee

DAI = Token(USDC.chain, Address("0x" + "d1" * 20), "DAI", 18)
SWAP = Leg(LegKind.SWAP, A, Amount(USDC, 1_000), gets=Amount(DAI, 3_001))


def plan_of(*legs: Leg, gain: float = 73.0) -> Plan:
    allocation = Allocation({}, 0.0, 0.0, Certificate(0.0, 0.0, 0.0), 0.0, ())
    return Plan("p", SEEN.block, SEEN.owner, (), legs, allocation, gain, 0.0, 1, NOW)


def amounts(kind: LegKind, most: int | None) -> int:
    """Base units of a leg of 1,000 when the wallet holds ``most``."""
    leg = Leg(kind, A, Amount(USDC, 1_000))
    found = leg_now(plan_of(leg), 0, None if most is None else Amount(USDC, most))
    assert replace(found, amount=leg.amount) == leg
    return found.amount.raw


def test_a_deposit_takes_no_more_than_the_wallet_holds() -> None:
    assert [amounts(LegKind.DEPOSIT, most) for most in (998, 999, 1_000, 1_001, None)] == [
        998,
        999,
        1_000,
        1_000,
        1_000,
    ]
    for kind in (LegKind.WITHDRAW, LegKind.CLAIM, LegKind.REBALANCE):
        assert amounts(kind, 998) == 1_000, "what leaves a market is not bounded by the wallet"


def test_a_swap_of_less_must_bring_its_part_rounded_up() -> None:
    for most, given, least in ((999, 999, 2_998), (1, 1, 4), (1_000, 1_000, 3_001), (2_000, 1_000, 3_001)):
        found = leg_now(plan_of(SWAP), 0, Amount(USDC, most))
        assert (found.amount, found.gets) == (Amount(USDC, given), Amount(DAI, least))
    assert leg_now(plan_of(SWAP), 0, None) == SWAP


def test_the_leg_is_the_one_that_was_asked_for() -> None:
    plan = plan_of(deposit(5), deposit(7))
    assert [leg_now(plan, index, usdc(6)).amount for index in (0, 1)] == [usdc(5), usdc(6)]


@pytest.mark.parametrize(
    ("there", "asked", "taken"), [(1_000, 1_000, 1_000), (999, 1_000, 999), (2_000, 1_000, 1_000), (900, 1_000, 1_000)]
)
def test_a_withdrawal_takes_what_a_thin_market_has_by_now_where_little_is_missing(
    there: int, asked: int, taken: int
) -> None:
    thin = replace(HELD, liquidity=Amount(USDC, there))
    leg = Leg(LegKind.WITHDRAW, A, Amount(USDC, asked))
    assert leg_now(plan_of(leg), 0, None, thin).amount.raw == taken
    assert leg_now(plan_of(replace(leg, all=True)), 0, None, thin).amount.raw == asked
    assert leg_now(plan_of(leg), 0, None).amount.raw == asked


HELD = replace(market("a", ConstantCurve(0.1), held=1), held=Amount(USDC, 4_000_000), shares=3_000_000)


def leaving(raw: int, *, whole: bool = False, kind: LegKind = LegKind.WITHDRAW) -> Leg:
    return Leg(kind, A, Amount(USDC, raw), all=whole)


def test_a_withdrawal_gives_back_what_it_is_worth_and_a_little_for_rounding() -> None:
    assert shares_for(HELD, leaving(1_000_000)) == 750_000 + 3 + 2
    assert shares_for(HELD, leaving(1)) == 0 + 3 + 2
    assert shares_for(HELD, leaving(3_999_999)) == 3_000_000, "never more than there are"
    assert shares_for(HELD, leaving(1, whole=True)) == 3_000_000
    assert shares_for(replace(HELD, held=Amount(USDC, 0)), leaving(1)) == 3_000_000, "shares that nothing prices"
    for kind in (LegKind.DEPOSIT, LegKind.CLAIM, LegKind.SWAP):
        assert shares_for(HELD, leaving(1, kind=kind)) == 0


def test_a_transaction_costs_at_most_the_policys_share_of_what_the_plan_gains_in_its_horizon() -> None:
    seen = replace(SEEN, fees=ChainFees(10**9, 0, 2_000.0))
    policy = loose(horizon_days=30, max_gas_share_of_gain=0.25)
    wanted = 73.0 * 30 / 365 * 0.25 / 2_000
    assert most_gas(plan_of(deposit(1)), seen, policy, 18) == pytest.approx(wanted * 10**18)
    assert most_gas(plan_of(deposit(1)), seen, policy, 9) == int(wanted * 10**9)


def test_what_lies_in_the_wallet_is_told_by_its_token() -> None:
    assert idle(SEEN, USDC) == usdc(100_000) and idle(SEEN, DAI) is None


def test_the_limits_are_asked_with_the_journal_as_it_is_now() -> None:
    @dataclass
    class Journal:
        known: list[Any]

        def records(self, *_: Any, **__: Any) -> list[Any]:
            return self.known

    @dataclass
    class World:
        settings: Any
        journal: Journal

        def now(self) -> int:
            return NOW

    @dataclass
    class Settings:
        policy: Policy

    world: Any = World(Settings(loose(horizon_days=30.0, limit_day="100")), Journal(moved(1, A, 60, 1)))
    assert beyond_limits(world, JOB, [deposit(40)]) is None
    refused = beyond_limits(world, JOB, [deposit(41)])
    assert refused is not None and refused.code == "DAY_LIMIT"
    assert beyond_limits(world, JOB, [leaving(10**12)]) is None


def test_on_a_rollup_a_plan_is_judged_again_once_its_bytes_are_known() -> None:
    """Gas of 1,000 units at 10 wei, and data: of a gain of 365 a year 0.3 may be paid within 30 days' share of it."""
    seen = replace(SEEN, fees=ChainFees(9, 1, 10.0**18))

    def rehearsed(rollup: RollupFee) -> Rehearsal:
        call = EvmCall(SEEN.owner, b"", 0, "x")
        return Rehearsal(SEEN.block, (RehearsedLeg(0, (RehearsedTx(call, 1_000, 2_000, rollup),), ()),), Fees(1, 1))

    def code(rollup: RollupFee, gain: float, *, moves: bool = True, **policy: float) -> str | None:
        move = Move(A, A, usdc(1), gain, 0.0, None, "more yield")
        plan = replace(plan_of(deposit(1), gain=gain), moves=(move,) if moves else ())
        limits = {"horizon_days": 365.0, "max_gas_share_of_gain": 0.5, "break_even_days": 365.0} | policy
        found = dearer(plan, seen, rehearsed(rollup), loose(**limits))
        return found.code if found else None

    beside, inside = RollupFee(l1_wei=4_000, operator_wei=6_000), RollupFee(l1_gas=1_000)
    for fee in (beside, inside):
        assert code(fee, 40_000.0) is None and code(fee, 39_999.0) == "COST_ABOVE_GAIN"
        assert code(fee, 40_000.0, break_even_days=182.5) is None
        assert code(fee, 40_000.0, break_even_days=182.4) == "COST_ABOVE_GAIN"
        assert code(fee, 40_000.0, moves=False, break_even_days=1.0) is None, "claims and sales are paid at once"
        assert code(fee, 0.0) == code(fee, -1.0, max_gas_share_of_gain=0.0) == "COST_ABOVE_GAIN"
    assert code(RollupFee(), 0.0) is None, "no rollup"
    solana = replace(seen, fees=SvmFees(5_000, 0, 1.0))
    assert dearer(plan_of(deposit(1)), solana, rehearsed(beside), loose(horizon_days=30.0)) is None
