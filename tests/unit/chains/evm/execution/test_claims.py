"""Claims by default deny: only the adapter's own call, to our own account, and what was seen must come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit import ROOT
from tests.kit.policies import loose
from tests.kit.wiring import APPROVAL, BLOCK, CHAIN, MARKET, NOW, OWNER, RULES, STRANGER, USDC, plan
from yieldbot.chains.evm.execution.abi_calls import abi_functions
from yieldbot.chains.evm.execution.account import LegWork
from yieldbot.chains.evm.execution.build import Fees
from yieldbot.chains.evm.execution.judge import judge, leg_in_plan
from yieldbot.chains.evm.execution.rehearsal import Rehearsal
from yieldbot.execution.approvals import Auto, Proposal
from yieldbot.execution.deltas import leg_fault
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.plan import Declined, Leg, LegKind
from yieldbot.model.tx import Delta, EvmCall, SimulatedTx, UnsignedTx
from yieldbot.model.units import MAX_UINT256
from yieldbot.protocols.evm.abi import abi

RWD = Token(CHAIN, Address("0x50c5725949A6F0c72E6C4a641F24049A917DB0Cb"), "RWD", 18)
A_TOKEN = Address("0x4e65fE4DbA92790696d040ac24Aa414708F5c0AB")
CONTROLLER = Address("0xf9cc4F0D883F1a1eb2c253bdb46c254Ca51E1F44")
COMET_REWARDS = Address("0x123964802e6ABabBE1Bc9547D72Ef1B69B00A6b1")
CLAIM_ID = MarketId(f"claim/{MARKET.id}/{RWD.address.lower()}")
LEAST = 5 * 10**18
LEG = Leg(LegKind.CLAIM, CLAIM_ID, Amount(USDC, 0), all=True, gets=Amount(RWD, LEAST))
PLAN = replace(plan(), legs=(LEG,), moves=())
RULES_ = replace(RULES, abi=abi_functions(ROOT / "abis"))
GOOD = abi("aave_rewards").encode("claimRewardsToSelf", [A_TOKEN], MAX_UINT256, RWD.address)
COMET = abi("comet_rewards").encode("claim", MARKET.address, OWNER, True)


def work(data: bytes = GOOD, to: Address = CONTROLLER, leg: Leg = LEG) -> LegWork:
    return LegWork(
        index=0,
        leg=leg,
        market=replace(MARKET, id=CLAIM_ID, params={"a_token": A_TOKEN, "rewards_controller": CONTROLLER}),
        calls=(EvmCall(to, data, 0, "claim", least=leg.gets),),
        share_token=None,
        targets={to: frozenset({data[:4]})},
        spenders=(),
        known=frozenset({RWD.address}),
    )


def code(
    data: bytes = GOOD, to: Address = CONTROLLER, brought: int = LEAST, asset: int = 0, **changes: Any
) -> str | None:
    tx = UnsignedTx(CHAIN, OWNER, to, data, 0, 0, 300_000, 10**9, 10**8, "claim", PLAN.id, 0, CLAIM_ID)
    seen = SimulatedTx(tx, BLOCK, 200_000, (Delta(USDC, asset), Delta(RWD, brought, least=LEAST)))
    found = judge(RULES_, replace(APPROVAL, plan=PLAN), changes.get("work", work(data, to)), seen, NOW)
    return found.code if isinstance(found, Declined) else None


def test_the_adapters_own_claims_pass() -> None:
    assert code() is None and code(brought=LEAST + 1) is None
    assert code(COMET, COMET_REWARDS) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"brought": LEAST - 1}, "BELOW_LEAST"),
        ({"asset": -1}, "DELTA_NOT_PLANNED"),
        ({"work": work(COMET, COMET_REWARDS)}, "TARGET_NOT_ALLOWED"),
        ({"data": abi("comet_rewards").encode("claim", MARKET.address, STRANGER, True)}, "RECIPIENT_NOT_SELF"),
        ({"data": abi("comet_rewards").encode("claim", STRANGER, OWNER, True)}, "ADDRESS_NOT_KNOWN"),
        ({"data": abi("aave_rewards").encode("claimRewardsToSelf", [A_TOKEN], 1, STRANGER)}, "ADDRESS_NOT_KNOWN"),
        ({"data": GOOD + bytes(32)}, "CALLDATA_MALFORMED"),
        ({"data": abi("erc20").encode("approve", STRANGER, 1)}, "ADDRESS_NOT_KNOWN"),
        (
            {"data": abi("aave_rewards").encode("claimRewardsToSelf", [], 1, RWD.address), "work": work()},
            "NOT_THE_CALL",
        ),
        ({"data": GOOD[:3] + b"\0" + GOOD[4:], "work": work()}, "SELECTOR_NOT_ALLOWED"),
    ],
)
def test_anything_else_is_refused(changes: dict[str, Any], said: str) -> None:
    assert code(**changes) == said


def test_a_claim_gives_no_allowance() -> None:
    approve = abi("erc20").encode("approve", CONTROLLER, 1)
    assert code(approve, USDC.address, work=work()) == "SPENDER_NOT_ALLOWED"
    allowing = replace(work(), spenders=(CONTROLLER,))
    assert code(approve, USDC.address, work=allowing) == "ALLOWANCE_NOT_EXACT"


def test_a_claim_that_was_not_approved_is_refused() -> None:
    other = replace(LEG, gets=Amount(RWD, LEAST - 1))
    found = leg_in_plan(PLAN, work(leg=other))
    assert found is not None and found.code == "NOT_IN_PLAN"
    assert leg_in_plan(PLAN, work()) is None


@pytest.mark.parametrize(
    ("asset", "brought", "said"),
    [
        (0, LEAST, None),
        (0, LEAST + 7, None),
        (0, LEAST - 1, "BELOW_LEAST"),
        (1, LEAST, "DELTA_NOT_PLANNED"),
        (-1, LEAST, "DELTA_NOT_PLANNED"),
    ],
)
def test_a_claim_brings_what_was_seen_and_moves_nothing_else(asset: int, brought: int, said: str | None) -> None:
    found = leg_fault(work(), (Delta(USDC, asset), Delta(RWD, brought)), 1.0)
    assert (found.code if found else None) == said
    own = replace(LEG, gets=Amount(USDC, 5))
    assert leg_fault(work(leg=own), (Delta(USDC, 5),), 1.0) is None
    nothing = leg_fault(work(leg=replace(LEG, gets=None)), (Delta(USDC, 0),), 1.0)
    assert nothing is not None and nothing.code == "DELTA_NOT_PLANNED"


async def test_auto_lets_claims_pass_only_where_it_lets_moves(tmp_path: Path) -> None:
    proposal = Proposal(PLAN, Rehearsal(BLOCK, (), Fees(1, 1)))
    with Journal.open(tmp_path / "j.sqlite") as journal:
        refused = await Auto(journal, loose(horizon_days=30.0)).approve(proposal)
        assert isinstance(refused, Declined) and refused.code == "POLICY_LIMIT"
        allowed = await Auto(journal, loose(horizon_days=30.0, auto_max_move="1", auto_max_total="1")).approve(proposal)
        assert not isinstance(allowed, Declined)
        assert journal.plan(PLAN.id) is not None and journal.plan(PLAN.id).plan == PLAN  # type: ignore[union-attr]
