"""What legs use of gas: the table's figures at first, our own receipts from then on."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.market_builder import IDLE_ID, market, snapshot, usdc
from tests.kit.policies import loose
from tests.unit.risk.test_protections import JOB
from yieldbot.decision.decide import decide
from yieldbot.decision.gas_learned import NEWEST, receipts_of, with_learnt_gas
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import (
    JournalEntry,
    PlanMarked,
    PlanStatus,
    PlanWritten,
    SvmTerms,
    TxSettled,
    TxSigned,
)
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.gas import LEGS, USUAL, kind_of, leg_gas
from yieldbot.model.ids import MarketId
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.plan import Hold, Leg, LegKind, Plan
from yieldbot.model.tx import Confirmed, Outcome, Reverted

A, B = market("a", ConstantCurve(0.04)), market("b", ConstantCurve(0.05))
OTHER = market("o", ConstantCurve(0.01), protocol="other")
SEEN = snapshot(100_000, A, B, OTHER)
ROOT = Path(__file__).resolve().parents[3]


def made(number: int, legs: Sequence[Leg]) -> Plan:
    found = decide(SEEN, loose(), JOB, 0).outcome
    assert isinstance(found, Plan)
    return replace(found, id=f"plan {number}", legs=tuple(legs))


def receipts(
    number: int,
    leg: Leg,
    *gas: int,
    status: PlanStatus = PlanStatus.EXECUTED,
    reverted: bool = False,
    svm: SvmTerms | None = None,
) -> list[Record]:
    """A plan of one leg, whose transactions used so much."""
    plan = made(number, [leg])
    entries: list[JournalEntry] = [PlanWritten(plan)]
    for nonce, used in enumerate(gas):
        tx_hash = f"0x{number:032x}{nonce:032x}"
        signed = TxSigned(
            chain=SEEN.block.chain,
            owner=SEEN.owner,
            plan_id=plan.id,
            leg=0,
            market_id=leg.market_id,
            hash=tx_hash,
            raw=b"",
            nonce=nonce,
            gas=999_999,
            max_fee_wei=1,
            priority_fee_wei=1,
            words="",
            expires_at=0,
            simulated_at=SEEN.block,
            predicted=(),
            svm=svm,
        )
        end: Outcome = Confirmed(tx_hash, SEEN.block, used, 1, ())
        if reverted:
            end = Reverted(tx_hash, SEEN.block, used, "why")
        settled = TxSettled(SEEN.block.chain, SEEN.owner, end)
        entries += [signed, settled, settled]  # written twice, counted once
    entries.append(PlanMarked(plan.id, status, "execution"))
    return [Record(100 * number + place, 0, entry) for place, entry in enumerate(entries)]


def into(state: MarketState) -> Leg:
    return Leg(LegKind.DEPOSIT, state.market.id, usdc(1))


def out_of(state: MarketState) -> Leg:
    return Leg(LegKind.WITHDRAW, state.market.id, usdc(1))


def gas(view: Snapshot, state: MarketState) -> tuple[int, int]:
    found = view.of(state.market.id)
    return found.gas_deposit, found.gas_withdraw


def test_without_receipts_the_tables_figures_stand() -> None:
    assert with_learnt_gas(SEEN, []) is SEEN
    foreign = receipts(1, Leg(LegKind.DEPOSIT, MarketId("lend/1/gone"), usdc(1)), 5)
    assert with_learnt_gas(SEEN, foreign) == SEEN


def test_a_leg_is_all_of_its_transactions_and_teaches_its_market_then_its_kind() -> None:
    """The allowance is part of a deposit. ``b`` was never used: it is of ``a``'s kind; the other protocol learns
    nothing."""
    view = with_learnt_gas(SEEN, receipts(1, into(A), 46_000, 100_000))
    assert gas(view, A) == (146_000, 200_000) and gas(view, B) == (146_000, 200_000)
    assert gas(view, OTHER) == (200_000, 200_000)
    both = receipts(1, into(A), 146_000) + receipts(2, out_of(A), 90_000) + receipts(3, into(B), 300_000)
    view = with_learnt_gas(SEEN, both)
    assert gas(view, A) == (146_000, 90_000) and gas(view, B) == (300_000, 90_000)
    assert view.of(IDLE_ID) == SEEN.of(IDLE_ID)


def test_the_median_of_the_newest_counts() -> None:
    used = [500_000] * NEWEST + [100_000, 110_000, 120_000, 9_000_000, 130_000, 140_000, 1]
    records = [one for number, units in enumerate(used) for one in receipts(number, into(A), units)]
    assert gas(with_learnt_gas(SEEN, records), A)[0] == 120_000


@pytest.mark.parametrize("change", [{"status": PlanStatus.FAILED}, {"status": PlanStatus.APPROVED}, {"reverted": True}])
def test_what_did_not_end_well_teaches_nothing(change: dict) -> None:
    """Of a leg that was broken off the allowance alone may have been mined."""
    assert not receipts_of(receipts(1, into(A), 46_000, **change))


def test_other_legs_teach_nothing_and_liquidity_stays_as_it_was() -> None:
    swap = Leg(LegKind.SWAP, MarketId("swap/1/x/y"), usdc(1), gets=usdc(1))
    assert not receipts_of(receipts(1, swap, 90_000))
    assert not receipts_of([Record(1, 0, PlanMarked("unknown", PlanStatus.EXECUTED, "execution"))])


def test_on_solana_the_units_that_were_paid_for_count() -> None:
    terms = SvmTerms(last_valid_height=1, meaning="", fee_lamports=5_000)
    assert receipts_of(receipts(1, into(A), 80_000, svm=terms)) == {(A.market.id, LegKind.DEPOSIT): [999_999]}


def test_a_decision_weighs_what_was_learnt() -> None:
    """1,000 at 4 %: 6 USDC of gas pay within 90 days, ten times as much does not."""
    view = snapshot(1_000, A, gwei=10)
    assert isinstance(decide(view, loose(), JOB, 0).outcome, Plan)
    dear = receipts(1, into(A), 2_000_000)
    assert isinstance(decide(view, loose(), JOB, 0, records=dear).outcome, Hold)
    cheap = receipts(1, into(A), 20_000)
    found = decide(view, loose(), JOB, 0, records=cheap).outcome
    assert isinstance(found, Plan) and found.cost == pytest.approx(0.6)


def test_every_adapter_has_its_row_and_no_adapter_a_figure_of_its_own() -> None:
    known = {row.partition("/")[0] for row in LEGS}
    files = [path for path in (ROOT / "yieldbot" / "protocols").rglob("*.py") if path.stem != "idle"]
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg in ("gas", "gas_deposit", "gas_withdraw"):
                assert not isinstance(node.value, ast.Constant), f"{path}: gas belongs to model/gas.py"
    assert {path.stem for path in files} >= known
    assert leg_gas("save") is LEGS["save"] and leg_gas("savings") is USUAL, "no list is edited for a new protocol"
    assert kind_of("erc4626", {"flavour": "stata"}) == "erc4626/stata" and kind_of("save", {}) == "save"
