"""What is approved without a person as an exit: by its legs, never by what a plan says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.decision.holds_edges import SEEN, put, take
from tests.kit.market_builder import usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB, NOW
from yieldbot.allocator.exits import held_as_it_is
from yieldbot.execution.approvals import Approval, Auto, DeclineAll, ExitsAtOnce, Proposal, Queue, only_out
from yieldbot.journal.journal_entries import PlanStatus
from yieldbot.journal.store import Journal
from yieldbot.model.ids import MarketId
from yieldbot.model.plan import Declined, Leg, LegKind, Move, Plan, identified


class Ran:
    """A labelled double of a rehearsal."""

    lines = ("a call",)
    deltas = ()


def exit_of(*legs: Leg, **fields: Any) -> Plan:
    base = Plan("", SEEN.block, SEEN.owner, (), legs, held_as_it_is(SEEN), 0.0, 1.0, 0, NOW + 60, why=("b: seen",))
    return identified(replace(base, **fields))


OUT = take(5_000)
FORGED = [
    put(1),
    Leg(LegKind.SWAP, OUT.market_id, usdc(1), gets=usdc(1)),
    Leg(LegKind.SWAP, MarketId("swap/1/a/b"), usdc(1), gets=usdc(1)),
    Leg(LegKind.CLAIM, MarketId("claim/x"), usdc(0), gets=usdc(1)),
    Leg(LegKind.REBALANCE, OUT.market_id, usdc(1), ticks=(1, 2)),
    replace(OUT, market_id=MarketId("swap/1/a/b")),
    replace(OUT, market_id=MarketId("uniswap_v3_lp/1/0xpool")),
    replace(OUT, gets=usdc(1)),
    replace(OUT, ticks=(1, 2)),
]
MOVE = Move(OUT.market_id, OUT.market_id, usdc(1), 1.0, 0.0, 0.0, "why")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.sqlite", clock=lambda: NOW) as opened:
        yield opened


async def asked(journal: Journal, plan: Plan, other: Any) -> Approval | Declined:
    ran: Any = Ran()
    return await ExitsAtOnce(journal, other).approve(Proposal(plan, ran))


async def test_an_exit_waits_for_nobody_and_no_automatic_limit_binds_it(journal: Journal) -> None:
    policy = loose()
    assert (policy.auto_exit, policy.auto_max_move) == (False, "0")
    plan = exit_of(OUT, replace(OUT, kind=LegKind.REQUEST), replace(OUT, kind=LegKind.COLLECT))
    for other in (Queue(journal), Auto(journal, policy), DeclineAll()):
        found = await asked(journal, plan, other)
        assert isinstance(found, Approval) and (found.approver, found.plan) == ("auto_exit", plan)
        assert found.expires_at == plan.expires_at
    stored = journal.plan(plan.id)
    assert stored is not None and (stored.status, stored.by) == (PlanStatus.APPROVED, "auto_exit")


@pytest.mark.parametrize("leg", FORGED, ids=lambda leg: f"{leg.kind} {leg.market_id}")
async def test_one_other_leg_and_a_person_must_say(leg: Leg, journal: Journal) -> None:
    for legs in ((leg,), (OUT, leg), (leg, OUT)):
        plan = exit_of(*legs)
        assert plan.why and not only_out(plan)
        found = await asked(journal, plan, Queue(journal))
        assert isinstance(found, Declined) and found.code == "QUEUED"
        found = await asked(journal, plan, Auto(journal, loose(auto_max_move="0")))
        assert isinstance(found, Declined) and found.code == "POLICY_LIMIT"


async def test_what_is_to_gain_something_is_no_exit(journal: Journal) -> None:
    for plan in (exit_of(OUT, why=()), exit_of(OUT, moves=(MOVE,)), exit_of(OUT, sold=usdc(1)), exit_of()):
        assert not only_out(plan)


def test_the_reason_is_part_of_the_plans_id() -> None:
    assert exit_of(OUT).id != exit_of(OUT, why=("b: something else",)).id and JOB.asset == OUT.amount.token
