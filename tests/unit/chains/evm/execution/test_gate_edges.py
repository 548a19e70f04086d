"""The gate at its edges: the last unit of gas, wei, second and asset that passes, and what each kind of leg may do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.chain_double import ChainDouble, account_of, open_journal
from tests.kit.evm.proposal import DAI, code, proposal
from tests.kit.evm.submit import journalled
from tests.kit.policies import loose
from tests.kit.wiring import (
    ABI,
    APPROVAL,
    BLOCK,
    CHAIN,
    EXPIRES,
    MARKET,
    NOW,
    OWNER,
    POOL,
    RAW,
    RULES,
    SHARES,
    STRANGER,
    USDC,
    allowance_tx,
    leg,
    plan,
    simulated,
    supply_data,
    supply_tx,
    word,
    work,
)
from yieldbot.chains.allowances import GrantedAllowance
from yieldbot.chains.evm.execution.abi_calls import APPROVE, functions, selector
from yieldbot.chains.evm.execution.account import LegWork
from yieldbot.chains.evm.execution.build import allowance_call
from yieldbot.chains.evm.execution.judge import (
    Rules,
    bounds,
    judge,
    judge_cancellation,
    judge_replacement,
    judge_revocation,
)
from yieldbot.chains.evm.signing.sign import digest
from yieldbot.execution.approvals import NEVER, Approval, Ask, Auto, DeclineAll, PreApproved, Proposal, Queue, in_time
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, TxSigned
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.plan import Declined, Leg, LegKind
from yieldbot.model.tx import Allowance, ApprovedTx, Delta, EvmCall, SimulatedTx, UnsignedTx

WITHDRAW = selector("withdraw(address,uint256,address)")
PULL: list[dict[str, Any]] = [
    {
        "type": "function",
        "name": "withdraw",
        "inputs": [
            {"name": "asset", "type": "address", "role": "market"},
            {"name": "amount", "type": "uint256", "role": "amount"},
            {"name": "to", "type": "address", "role": "recipient"},
        ],
    }
]
BOTH = replace(RULES, abi={selector(f.signature): (f,) for f in functions([*ABI, *PULL])})


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        yield opened


def pulled(raw: int) -> bytes:
    return WITHDRAW + word(USDC.address) + raw.to_bytes(32, "big") + word(OWNER)


def leaving(raw: int = RAW, *, whole: bool = False, asks: int | None = None) -> tuple[LegWork, UnsignedTx, Approval]:
    """A withdrawal of ``raw`` whose call asks for ``asks``."""
    its = Leg(LegKind.WITHDRAW, MARKET.id, Amount(USDC, raw), all=whole)
    call = EvmCall(POOL, pulled(raw if asks is None else asks), 0, "withdraw")
    made = replace(work(), leg=its, calls=(call,), targets={POOL: frozenset({WITHDRAW})})
    return made, supply_tx(data=call.data, description="withdraw"), Approval(plan(its), "test", EXPIRES)


def left(raw: int = RAW, deltas: tuple[Delta, ...] = (Delta(USDC, RAW), Delta(SHARES, -RAW)), **of: Any) -> str | None:
    its, tx, approval = leaving(raw, **of)
    found = judge(BOTH, approval, its, SimulatedTx(tx, BLOCK, 1, deltas), NOW)
    return found.code if isinstance(found, Declined) else None


def test_only_a_withdrawal_of_everything_may_ask_for_more_than_its_amount() -> None:
    assert left() is None and left(asks=RAW + 1) == "AMOUNT_ABOVE_PLAN"
    assert left(whole=True) is None and left(whole=True, asks=2**256 - 1) is None
    everything = plan(replace(leg(), all=True))
    whole = replace(work(), leg=everything.legs[0])
    more = supply_tx(data=supply_data(RAW + 1))
    assert code(more, work=whole, approval=Approval(everything, "test", EXPIRES)) == "AMOUNT_ABOVE_PLAN"
    assert code(supply_tx(), work=whole, approval=Approval(everything, "test", EXPIRES)) is None


def test_a_withdrawal_takes_nothing_of_the_asset_and_may_take_shares() -> None:
    assert left(deltas=(Delta(USDC, 0), Delta(SHARES, -RAW))) is None
    assert left(deltas=(Delta(USDC, -1), Delta(SHARES, -RAW))) == "DELTA_NOT_PLANNED"


def test_a_withdrawal_lets_nobody_take_the_asset() -> None:
    its, _, approval = leaving()
    its = replace(its, calls=(replace(its.calls[0], allowance=Allowance(USDC, POOL, RAW)),))
    for raw, wanted in ((RAW, "ALLOWANCE_NOT_EXACT"), (0, None)):
        found = judge(BOTH, approval, its, simulated(allowance_tx(raw)), NOW)
        assert (found.code if isinstance(found, Declined) else None) == wanted


def test_an_allowance_is_of_the_legs_token_for_a_call_that_consumes_it() -> None:
    other = replace(work(), calls=(replace(work().calls[0], allowance=Allowance(SHARES, POOL, RAW)),))
    assert code(allowance_tx(), work=other) == "ALLOWANCE_NOT_EXACT"
    none = replace(work(), calls=(replace(work().calls[0], allowance=None),))
    assert code(allowance_tx(), work=none) == "ALLOWANCE_NOT_EXACT"
    theirs = replace(work(), calls=(replace(work().calls[0], allowance=Allowance(USDC, STRANGER, RAW)),))
    assert code(allowance_tx(), work=theirs) == "ALLOWANCE_NOT_EXACT"
    more = replace(work(), calls=(replace(work().calls[0], allowance=Allowance(USDC, POOL, RAW + 1)),))
    assert code(allowance_tx(RAW + 1), work=more) == "ALLOWANCE_NOT_EXACT"
    data = allowance_tx().data
    for bad in (data + b"\0", data[:-1], data[:4] + b"\1" + data[5:], data[:15] + b"\1" + data[16:]):
        assert code(replace(allowance_tx(), data=bad)) == "CALLDATA_MALFORMED"
    swap = Leg(LegKind.SWAP, MARKET.id, Amount(USDC, RAW), gets=Amount(DAI, 1))
    assert code(allowance_tx(), work=replace(work(), leg=swap), approval=Approval(plan(swap), "t", EXPIRES)) is None


def test_bounds_of_every_transaction() -> None:
    most = RULES.max_fee_wei

    def said(**changes: Any) -> str | None:
        found = bounds(RULES, supply_tx(**changes))
        return found.code if found else None

    assert said(gas=21_000) is said(gas=RULES.max_gas) is None
    assert said(gas=20_999) == said(gas=RULES.max_gas + 1) == "GAS_ABOVE_LIMIT"
    assert said(max_fee_wei=most, priority_fee_wei=most) is said(priority_fee_wei=0) is None
    assert said(max_fee_wei=most + 1) == said(max_fee_wei=5, priority_fee_wei=6) == "FEE_ABOVE_CEILING"
    assert said(priority_fee_wei=-1) == "FEE_ABOVE_CEILING" and said(max_fee_wei=5, priority_fee_wei=5) is None
    assert said(value=-1) == said(value=1) == "VALUE_NOT_ZERO"
    assert said(sender=Address(OWNER.lower())) == "SENDER_NOT_SELF"


def test_gas_that_was_used_on_the_fork_is_within_the_limit() -> None:
    for used, wanted in ((300_000, None), (300_001, "GAS_ABOVE_LIMIT")):
        found = judge(RULES, APPROVAL, work(), replace(simulated(supply_tx()), gas_used=used), NOW)
        assert (found.code if isinstance(found, Declined) else None) == wanted


def test_a_leasts_edge_and_what_is_not_bound() -> None:
    for raw, wanted in ((100, None), (99, "BELOW_LEAST")):
        ran = SimulatedTx(supply_tx(), BLOCK, 1, (Delta(USDC, -RAW), Delta(DAI, 0), Delta(SHARES, raw, least=100)))
        found = judge(RULES, APPROVAL, work(), ran, NOW)
        assert (found.code if isinstance(found, Declined) else None) == wanted


def test_an_approval_lasts_to_its_last_second_and_no_longer_than_the_calls() -> None:
    assert in_time(APPROVAL, EXPIRES - 1) is None
    ended = in_time(APPROVAL, EXPIRES + 5)
    assert ended == Declined("EXPIRED", "the approval of plan p1 ended 5 s ago")
    for lasts, ends in ((None, EXPIRES), (60, NOW + 60), (10**6, EXPIRES)):
        found = judge(RULES, APPROVAL, replace(work(), lasts_seconds=lasts), simulated(supply_tx()), NOW)
        assert isinstance(found, ApprovedTx) and found.expires_at == ends


def test_what_the_market_names_may_stand_in_a_call() -> None:
    def allowed(**changes: Any) -> str | None:
        data = supply_data(asset=STRANGER)
        call = replace(work().calls[0], data=data)
        return code(supply_tx(data=data), work=replace(work(), calls=(call,), **changes))

    assert allowed() == "ADDRESS_NOT_KNOWN"
    assert allowed(known=frozenset({STRANGER})) is None
    assert allowed(market=replace(MARKET, address=STRANGER)) is None
    assert allowed(market=replace(MARKET, params={"pool": [STRANGER]})) is None
    assert allowed(share_token=replace(SHARES, address=STRANGER)) is None
    assert allowed(share_token=None) == "ADDRESS_NOT_KNOWN"
    assert code(supply_tx(), work=replace(work(), targets={Address(POOL.lower()): work().targets[POOL]})) is None


def test_the_bytes_are_the_adapters_own() -> None:
    fewer = supply_tx(data=supply_data(RAW - 1))
    assert code(fewer) == "NOT_THE_CALL"
    elsewhere = replace(work(), calls=(replace(work().calls[0], to=STRANGER),))
    assert code(supply_tx(), work=elsewhere) == "NOT_THE_CALL"
    spelled = replace(work(), calls=(replace(work().calls[0], to=Address(POOL.lower())),))
    assert code(supply_tx(), work=spelled) is None


def test_a_leg_that_is_no_swap_has_no_terms_of_one() -> None:
    swap = Leg(LegKind.SWAP, MARKET.id, Amount(USDC, RAW), gets=Amount(DAI, 1))
    assert code(supply_tx(), work=replace(work(), leg=swap), approval=Approval(plan(swap), "t", EXPIRES)) == (
        "SWAP_NOT_PLANNED"
    )


# Cancellations, revocations, replacements.


def test_a_cancellation_is_told_by_its_recipient_whatever_its_spelling() -> None:
    empty = supply_tx(to=Address(OWNER.lower()), data=b"", gas=21_000)
    found = judge_cancellation(RULES, simulated(empty, 0, 0))
    assert found == ApprovedTx(simulated(empty, 0, 0), digest(empty), "recovery", NEVER)


GIVEN = GrantedAllowance(USDC, STRANGER, 1, True, None, None)


def revocation(to: str = USDC.address, data: bytes = allowance_call(USDC, STRANGER, 0, "x").data, **moves: Any) -> Any:
    tx = supply_tx(to=Address(to), data=data, gas=moves.pop("gas", 80_000))
    ran = SimulatedTx(tx, BLOCK, 1, (Delta(SHARES, 5), Delta(USDC, moves.pop("moved", 0))))
    found = judge_revocation(RULES, GIVEN, ran)
    if isinstance(found, ApprovedTx):
        assert found == ApprovedTx(ran, digest(tx), "revocation", NEVER)
        return None
    return found.code


def test_a_revocation_is_an_exact_approve_of_nothing_that_moves_nothing() -> None:
    assert revocation() is None and revocation(USDC.address.lower()) is None
    assert revocation(SHARES.address) == "NOT_A_REVOCATION"
    for data in (
        allowance_call(USDC, STRANGER, 1, "x").data,
        allowance_call(USDC, POOL, 0, "x").data,
        APPROVE + word(STRANGER) + bytes(31),
        b"\0" + APPROVE[1:] + word(STRANGER) + bytes(32),
    ):
        assert revocation(data=data) == "NOT_A_REVOCATION"
    assert revocation(moved=1) == revocation(moved=-1) == "DELTA_NOT_PLANNED"
    assert revocation(gas=20_999) == "GAS_ABOVE_LIMIT"


def test_a_replacement_is_the_same_call_in_time_with_the_same_effect(journal: Journal) -> None:
    signed: TxSigned = journalled(account_of(ChainDouble(), journal)).signed
    before = {USDC: 2 * RAW, SHARES: 0}

    def said(now: int = NOW, deltas: Any = None, **changes: Any) -> str | None:
        tx = supply_tx(**{"max_fee_wei": 3 * 10**9} | changes)
        ran = replace(simulated(tx), deltas=deltas or simulated(tx).deltas)
        found = judge_replacement(RULES, signed, ran, before, 1.0, now)
        if isinstance(found, ApprovedTx):
            assert found == ApprovedTx(ran, digest(tx), "replacement", EXPIRES)
            return None
        return found.code

    assert said() is said(now=EXPIRES - 1) is None and said(now=EXPIRES) == "EXPIRED"
    assert said(max_fee_wei=RULES.max_fee_wei + 1) == "FEE_ABOVE_CEILING"
    for changes in ({"data": supply_data(1)}, {"nonce": 8}, {"gas": 300_001}, {"to": STRANGER}, {"leg": 1}):
        assert said(**changes) == "NOT_THE_CALL", changes
    assert said(deltas=(Delta(USDC, -RAW), Delta(SHARES, RAW // 2))) == "DELTA_NOT_PLANNED"


# Who approves.


async def declined(approver: Any, asked: Proposal) -> tuple[str, str] | None:
    found = await approver.approve(asked)
    return (found.code, found.reason) if isinstance(found, Declined) else None


def bare(*legs: Leg, plan_id: str = "p1", sold: Amount | None = None) -> Proposal:
    return replace(proposal(), plan=replace(plan(*legs), id=plan_id, sold=sold))


async def test_automatic_limits_count_moves_sales_and_legs_to_the_unit(journal: Journal) -> None:
    auto = Auto(journal, loose(horizon_days=30.0, auto_max_move="1000", auto_max_total="1500"))
    unit = 10**6
    assert await declined(auto, proposal(1_000 * unit, 500 * unit, plan_id="a")) is None
    assert await declined(auto, proposal(1_000 * unit, 500 * unit + 1, plan_id="b")) == (
        "POLICY_LIMIT",
        "1,500.000001 USDC in all is above auto_max_total = 1500 USDC: a person must approve",
    )
    assert await declined(auto, proposal(1, 1_000 * unit + 1, plan_id="c")) == (
        "POLICY_LIMIT",
        "a move of 1,000.000001 USDC is above auto_max_move = 1000 USDC: a person must approve",
    )
    assert await declined(auto, bare(leg(1_000 * unit), plan_id="d")) is None
    assert (await declined(auto, bare(leg(1_000 * unit + 1), plan_id="e")) or "")[0] == "POLICY_LIMIT"
    sells = Leg(LegKind.SWAP, MarketId("swap/1/x"), Amount(DAI, 10**30), gets=Amount(USDC, 5))
    assert await declined(auto, bare(sells, plan_id="f", sold=Amount(USDC, 5))) is None
    assert (await declined(auto, bare(sells, plan_id="g", sold=Amount(USDC, 1_001 * unit))) or "")[0] == "POLICY_LIMIT"
    stored = {one.plan.id: one.status for one in journal.plans()}
    assert stored == dict.fromkeys("adf", PlanStatus.APPROVED)
    approval = await auto.approve(proposal(unit, plan_id="h"))
    assert isinstance(approval, Approval) and (approval.approver, approval.expires_at) == ("auto", EXPIRES)


async def test_a_claim_is_automatic_only_where_something_is(journal: Journal) -> None:
    claim = bare(Leg(LegKind.CLAIM, MARKET.id, Amount(USDC, 0), gets=Amount(DAI, 1)), plan_id="c")
    none = await declined(Auto(journal, loose(horizon_days=30.0, auto_max_move="0", auto_max_total="9")), claim)
    assert none == ("POLICY_LIMIT", "auto_max_move = 0: a person must approve, claims included")
    assert (
        await declined(Auto(journal, loose(horizon_days=30.0, auto_max_move="0.000001", auto_max_total="0")), claim)
        is None
    )
    deposit = await declined(
        Auto(journal, loose(horizon_days=30.0, auto_max_move="0", auto_max_total="9")), bare(leg(0), plan_id="d")
    )
    assert deposit is None, "nothing is moved"


async def test_a_newer_plan_of_the_account_and_asset_takes_the_place_of_older_ones(journal: Journal) -> None:
    queue = Queue(journal, "yb")
    elsewhere = replace(proposal(RAW, plan_id="o1"), plan=replace(proposal(RAW, plan_id="o1").plan, owner=STRANGER))
    in_dai = bare(replace(leg(), amount=Amount(DAI, 5)), plan_id="d1")
    for one in (proposal(RAW, plan_id="p1"), elsewhere, in_dai):
        await queue.approve(one)
    assert await declined(queue, proposal(RAW, plan_id="p2")) == ("QUEUED", "plan p2 waits: yb approve p2")
    queue = Queue(journal, "yb", lambda plan_id: f"https://bot.example/plans/{plan_id}")
    words = "plan p2 waits: yb approve p2, or sign it at https://bot.example/plans/p2"
    assert await declined(queue, proposal(RAW, plan_id="p2")) == ("QUEUED", words)
    await queue.approve(proposal(RAW, plan_id="p2"))
    found = {one.plan.id: (one.status, one.reason) for one in journal.plans()}
    assert found["p1"] == (PlanStatus.EXPIRED, "superseded by p2")
    assert [found[name][0] for name in ("o1", "d1", "p2")] == [PlanStatus.QUEUED] * 3


@pytest.mark.parametrize(
    ("status", "open_still"),
    [
        (PlanStatus.QUEUED, True),
        (PlanStatus.PROPOSED, True),
        (PlanStatus.APPROVED, True),
        (PlanStatus.EXECUTED, False),
        (PlanStatus.REJECTED, False),
        (PlanStatus.EXPIRED, False),
        (PlanStatus.FAILED, False),
    ],
)
async def test_only_a_plan_that_is_open_is_approved_by_its_id(
    journal: Journal, status: PlanStatus, open_still: bool
) -> None:
    await Queue(journal).approve(proposal(RAW))
    journal.append(PlanMarked("p1", status, "x"))
    found = await PreApproved(journal, "p1", "a person").approve(proposal(RAW))
    if open_still:
        assert found == Approval(proposal(RAW).plan, "a person", EXPIRES)
        stored = journal.plan("p1")
        assert stored is not None and stored.status is PlanStatus.APPROVED
    else:
        assert isinstance(found, Declined) and found.code == "PLAN_CLOSED" and status.value in found.reason
    missing = await PreApproved(journal, "p9").approve(proposal(RAW))
    assert isinstance(missing, Declined) and missing.code == "NOT_THE_PLAN"


async def test_a_persons_answer_is_written_with_the_plan(journal: Journal) -> None:
    async def no(asked: Proposal) -> bool:
        return asked.plan.id == "p1"

    assert await Ask(journal, no, "device").approve(proposal(RAW)) == Approval(proposal(RAW).plan, "device", EXPIRES)
    assert await declined(Ask(journal, no), proposal(RAW, plan_id="p2")) == ("HUMAN_REJECTED", "you said no")
    marks = [row.entry for row in journal.history() if isinstance(row.entry, PlanMarked)]
    assert [(mark.plan_id, mark.status, mark.by) for mark in marks] == [
        ("p1", PlanStatus.APPROVED, "device"),
        ("p2", PlanStatus.REJECTED, "terminal"),
    ]
    assert await declined(DeclineAll("why not"), proposal(RAW)) == ("DRY_RUN", "why not")


def test_the_rules_are_the_accounts() -> None:
    account: Any = account_of(ChainDouble(), Any)  # type: ignore[arg-type]
    found = Rules.of(account)
    assert (found.chain, found.owner, found.max_gas) == (CHAIN, OWNER, 8_000_000)
    assert found.max_fee_wei == 10 * 10**9 and found.abi is account.abi
