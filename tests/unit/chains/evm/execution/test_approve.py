"""The policy denies by default: every way to leave the plan has its code, and no mutant of good bytes passes."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.draws import draws
from tests.kit.evm.proposal import DAI, code, proposal
from tests.kit.policies import loose
from tests.kit.wiring import (
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
    SUPPLY,
    USDC,
    allowance_tx,
    leg,
    plan,
    simulated,
    supply_data,
    supply_tx,
    work,
)
from yieldbot.chains.evm.execution.judge import judge
from yieldbot.chains.evm.execution.judge import judge_cancellation as judge_cancel
from yieldbot.chains.evm.signing.sign import digest
from yieldbot.execution.approvals import NEVER, Ask, Auto, DeclineAll, PreApproved, Proposal, Queue
from yieldbot.execution.planned import leg_in_plan
from yieldbot.journal.journal_entries import PlanStatus
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import MarketId, evm_chain
from yieldbot.model.plan import Declined, Leg, LegKind
from yieldbot.model.tx import ApprovedTx, Delta, SimulatedTx


def test_what_was_approved_passes_with_the_digest_of_its_bytes() -> None:
    for tx in (supply_tx(), allowance_tx(), allowance_tx(0)):
        found = judge(RULES, APPROVAL, work(), simulated(tx), NOW)
        assert isinstance(found, ApprovedTx), found
        assert found.digest == digest(tx)
        assert found.approver == "test"
        assert found.expires_at == (NEVER if tx == allowance_tx(0) else EXPIRES)


@pytest.mark.parametrize(
    ("expected", "tx"),
    [
        ("CHAIN_NOT_ALLOWED", supply_tx(chain=evm_chain(1))),
        ("SENDER_NOT_SELF", supply_tx(sender=STRANGER)),
        ("VALUE_NOT_ZERO", supply_tx(value=1)),
        ("GAS_ABOVE_LIMIT", supply_tx(gas=1_000_001)),
        ("FEE_ABOVE_CEILING", supply_tx(max_fee_wei=10**10 + 1)),
        ("FEE_ABOVE_CEILING", supply_tx(priority_fee_wei=3 * 10**9)),
        ("NOT_IN_PLAN", supply_tx(plan_id="p2")),
        ("NOT_IN_PLAN", supply_tx(leg=1)),
        ("TARGET_NOT_ALLOWED", supply_tx(to=STRANGER)),
        ("SELECTOR_NOT_ALLOWED", supply_tx(data=b"\x01\x02\x03\x04" + supply_data()[4:])),
        ("SELECTOR_NOT_ALLOWED", supply_tx(data=b"")),
        ("RECIPIENT_NOT_SELF", supply_tx(data=supply_data(to=STRANGER))),
        ("RECIPIENT_NOT_SELF", supply_tx(data=supply_data(to=POOL))),
        ("ADDRESS_NOT_KNOWN", supply_tx(data=supply_data(asset=STRANGER))),
        ("AMOUNT_ABOVE_PLAN", supply_tx(data=supply_data(raw=RAW + 1))),
        ("CALLDATA_MALFORMED", supply_tx(data=supply_data() + b"\x00")),
        ("CALLDATA_MALFORMED", supply_tx(data=supply_data()[:-1])),
        ("TARGET_NOT_ALLOWED", supply_tx(to=USDC.address)),
        ("SPENDER_NOT_ALLOWED", allowance_tx(spender=STRANGER)),
        ("ALLOWANCE_NOT_EXACT", allowance_tx(RAW + 1)),
        ("ALLOWANCE_NOT_EXACT", allowance_tx(RAW - 1)),
        ("ALLOWANCE_NOT_EXACT", allowance_tx(2**256 - 1)),
    ],
)
def test_whatever_leaves_the_plan_is_refused_by_name(expected: str, tx: Any) -> None:
    assert code(tx) == expected


def test_time_effect_and_leg_are_bounded() -> None:
    assert code(supply_tx(), now=EXPIRES) == "EXPIRED"
    assert code(allowance_tx(), now=EXPIRES) == "EXPIRED"
    assert code(allowance_tx(0), now=EXPIRES) is None  # taking an allowance back is never wrong
    assert code(supply_tx(), asset_raw=-RAW - 1) == "DELTA_NOT_PLANNED"
    assert code(supply_tx(), shares_raw=-1) == "DELTA_NOT_PLANNED"
    assert code(allowance_tx(), asset_raw=-1) == "DELTA_NOT_PLANNED"
    assert code(supply_tx(), rules=replace(RULES, abi={})) == "CALLDATA_UNKNOWN"
    assert code(supply_tx(), work=replace(work(), leg=leg(RAW + 1))) == "AMOUNT_ABOVE_PLAN"
    assert code(supply_tx(), work=replace(work(), leg=replace(leg(), kind=LegKind.WITHDRAW))) == "NOT_IN_PLAN"
    assert code(supply_tx(), work=replace(work(), leg=replace(leg(), all=True))) == "AMOUNT_ABOVE_PLAN"
    other = replace(MARKET, id=MarketId("aave_v3/8453/other"))
    assert code(supply_tx(), work=replace(work(), market=other)) == "NOT_IN_PLAN"
    smaller = work(RAW // 2)
    assert code(supply_tx(data=supply_data(raw=RAW // 2)), work=smaller, asset_raw=-RAW // 2) is None


def mutated(good: bytes, draw: random.Random) -> bytes:
    """The bytes with a run of them replaced, removed, inserted, doubled, set to one value or with one bit flipped."""
    raw = bytearray(good)
    start, length = draw.randrange(len(raw) + 1), draw.choice([1, 1, 4, 20, 32, 33])
    piece = bytes(draw.choice([0, 255, draw.randrange(256)]) for _ in range(length))
    match draw.randrange(5):
        case 0:
            return bytes(raw[:start] + piece + raw[start + length :])
        case 1:
            return bytes(raw[:start] + raw[start + length :])
        case 2:
            return bytes(raw[:start] + piece + raw[start:])
        case 3:
            return bytes(raw[: start + length] + raw[start:])
        case _:
            raw[min(start, len(raw) - 1)] ^= 1 << draw.randrange(8)
            return bytes(raw)


def test_no_mutant_of_good_bytes_is_signed() -> None:
    """Thousands: the only other bytes that pass take an allowance back."""
    draw, passed = random.Random(1), set()
    for number in range(draws(2_000, 10_000)):
        good = supply_tx() if number % 2 else allowance_tx()
        mutant = mutated(good.data, draw)
        if mutant != good.data and code(replace(good, data=mutant)) is None:
            passed.add(mutant)
    assert passed <= {allowance_tx(0).data}


def test_no_mutant_would_be_read_as_more_than_was_approved() -> None:
    """The decoder alone, without the adapter's own bytes to compare with: what it lets pass means the same or less."""
    draw, passed = random.Random(2), 0
    for _ in range(draws(2_000, 10_000)):
        mutant = mutated(supply_data(), draw)
        leg_of_mutant = replace(work(), calls=(replace(work().calls[0], data=mutant),))
        if mutant == supply_data() or code(supply_tx(data=mutant), work=leg_of_mutant) is not None:
            continue
        passed += 1
        assert mutant[:36] == supply_data()[:36] and mutant[68:100] == supply_data()[68:100]
        assert len(mutant) == len(supply_data()) and int.from_bytes(mutant[36:68], "big") <= RAW
    assert passed  # a smaller amount or another referral code: the test reaches what it is about


@pytest.mark.parametrize("field", ["to", "chain", "sender", "value", "gas", "max_fee_wei", "plan_id", "leg"])
def test_no_other_field_may_differ(field: str) -> None:
    other: dict[str, Any] = {
        "to": STRANGER,
        "chain": evm_chain(1),
        "sender": STRANGER,
        "value": 1,
        "gas": RULES.max_gas + 1,
        "max_fee_wei": RULES.max_fee_wei + 1,
        "plan_id": "p2",
        "leg": 1,
    }
    for good in (supply_tx(), allowance_tx()):
        assert code(replace(good, **{field: other[field]})) is not None


def test_a_cancellation_is_nothing_to_ourselves() -> None:
    empty = supply_tx(to=OWNER, data=b"", gas=21_000)
    found = judge_cancel(RULES, simulated(empty, asset_raw=0, shares_raw=0))
    assert isinstance(found, ApprovedTx) and found.expires_at == NEVER
    for tx, expected in (
        (replace(empty, to=STRANGER), "NOT_A_CANCELLATION"),
        (replace(empty, data=b"\x00"), "NOT_A_CANCELLATION"),
        (replace(empty, value=1), "VALUE_NOT_ZERO"),
        (replace(empty, chain=evm_chain(1)), "CHAIN_NOT_ALLOWED"),
    ):
        refused = judge_cancel(RULES, simulated(tx, asset_raw=0, shares_raw=0))
        assert isinstance(refused, Declined) and refused.code == expected


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    with Journal.open(tmp_path / "journal.sqlite") as opened:
        yield opened


async def test_auto_stays_inside_the_limits(journal: Journal) -> None:
    auto = Auto(journal, loose(horizon_days=30.0, auto_max_move="1000", auto_max_total="1500"))
    assert not isinstance(await auto.approve(proposal(10**9)), Declined)
    for raws in ((10**9 + 1,), (10**9, 10**9)):
        refused = await auto.approve(proposal(*raws, plan_id=f"p{raws}"))
        assert isinstance(refused, Declined) and refused.code == "POLICY_LIMIT"
    assert [stored.status for stored in journal.plans()] == [PlanStatus.APPROVED]
    nothing = await Auto(journal, loose(horizon_days=30.0)).approve(proposal(1, plan_id="p9"))
    assert isinstance(nothing, Declined)  # the policy's default allows nothing


async def test_a_queued_plan_is_approved_by_its_id_as_it_was_stored(journal: Journal) -> None:
    queued = await Queue(journal).approve(proposal(RAW))
    assert isinstance(queued, Declined) and queued.code == "QUEUED" and "yieldbot approve p1" in queued.reason
    other = await PreApproved(journal, "p1").approve(proposal(RAW + 1))
    assert isinstance(other, Declined) and other.code == "NOT_THE_PLAN"
    approved = await PreApproved(journal, "p1").approve(proposal(RAW))
    assert not isinstance(approved, Declined) and approved.expires_at == EXPIRES
    await Queue(journal).approve(proposal(RAW, plan_id="p2"))
    await Queue(journal).approve(proposal(RAW, plan_id="p3"))
    assert [stored.status.value for stored in journal.plans()] == ["approved", "expired", "queued"]
    late = await PreApproved(journal, "p2").approve(proposal(RAW, plan_id="p2"))
    assert isinstance(late, Declined) and late.code == "PLAN_CLOSED"


async def test_a_person_says_yes_or_no_and_a_dry_run_says_no(journal: Journal) -> None:
    async def yes(_: Proposal) -> bool:
        return True

    async def no(_: Proposal) -> bool:
        return False

    assert not isinstance(await Ask(journal, yes).approve(proposal(RAW)), Declined)
    refused = await Ask(journal, no).approve(proposal(RAW, plan_id="p2"))
    assert isinstance(refused, Declined) and refused.code == "HUMAN_REJECTED"
    assert [stored.status.value for stored in journal.plans()] == ["approved", "rejected"]
    dry = await DeclineAll().approve(proposal(RAW, plan_id="p3"))
    assert isinstance(dry, Declined) and dry.code == "DRY_RUN"
    assert journal.plan("p3") is None
    assert (CHAIN, SUPPLY.hex()) == ("eip155:8453", "617ba037")


def test_a_swap_brings_the_approved_token_at_no_worse_a_rate() -> None:
    swap = Leg(LegKind.SWAP, MARKET.id, Amount(USDC, RAW), gets=Amount(DAI, 11_990))
    approved = plan(swap)

    def refused(**changes: Any) -> str | None:
        found = leg_in_plan(approved, replace(work(), leg=replace(swap, **changes)))
        return found.code if found else None

    assert refused() is None
    assert refused(gets=Amount(DAI, 12_000)) is None
    assert refused(gets=Amount(DAI, 11_989)) == "BELOW_LEAST"
    assert refused(amount=Amount(USDC, RAW // 2), gets=Amount(DAI, 5_995)) is None
    assert refused(amount=Amount(USDC, RAW // 2), gets=Amount(DAI, 5_994)) == "BELOW_LEAST"
    assert refused(amount=Amount(USDC, RAW + 1), gets=Amount(DAI, 12_000)) == "AMOUNT_ABOVE_PLAN"
    assert refused(gets=Amount(SHARES, 12_000)) == "NOT_IN_PLAN"
    assert refused(gets=None) == "NOT_IN_PLAN"
    other = leg_in_plan(plan(), replace(work(), leg=replace(leg(), gets=Amount(DAI, 1))))
    assert other is not None and other.code == "NOT_IN_PLAN"


def test_what_a_swap_brings_less_than_its_least_is_refused() -> None:
    ran = SimulatedTx(supply_tx(), BLOCK, 100_000, (Delta(USDC, -RAW), Delta(DAI, 99, least=100)))
    found = judge(RULES, APPROVAL, work(), ran, NOW)
    assert isinstance(found, Declined) and found.code == "BELOW_LEAST"
