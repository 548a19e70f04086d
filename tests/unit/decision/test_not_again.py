"""What a person rejected for a time: the same steps of the same account are held back, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.journal.store import MARKET, plan
from yieldbot.decision.not_again import not_again
from yieldbot.journal.entry_codec import decode, encode
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import JournalEntry, PlanMarked, PlanStatus, PlanWritten
from yieldbot.model.ids import Address, MarketId, evm_chain
from yieldbot.model.plan import LegKind, Plan

NOW = 1_700_000_000
UNTIL = NOW + 100
OTHER = MarketId("aave_v3/8453/0x55")
FIRST = plan("first")


def records(*entries: JournalEntry) -> list[Record]:
    return [Record(number, NOW, entry) for number, entry in enumerate(entries, 1)]


def rejected(of: Plan = FIRST, until: int = UNTIL) -> list[Record]:
    return records(PlanWritten(of), PlanMarked(of.id, PlanStatus.REJECTED, "anna", "", until))


def test_the_same_steps_are_held_back_until_the_time_has_passed_whatever_their_amounts() -> None:
    (leg,) = FIRST.legs
    again = replace(plan("again"), legs=(replace(leg, amount=leg.amount + leg.amount),))
    why = not_again(again, rejected(), NOW)
    assert why is not None and "anna rejected this (plan first)" in why and "reject first --for 0h" in why
    assert not_again(again, rejected(), UNTIL - 1) and not_again(again, rejected(), UNTIL) is None


def test_a_part_of_what_was_rejected_is_held_back_and_more_than_that_is_not() -> None:
    (leg,) = FIRST.legs
    both = replace(FIRST, legs=(leg, replace(leg, market_id=OTHER)))
    assert not_again(FIRST, rejected(both), NOW) and not_again(both, rejected(), NOW) is None


@pytest.mark.parametrize(
    "other",
    [
        replace(FIRST, owner=Address("0x" + "99" * 20)),
        replace(FIRST, block=replace(FIRST.block, chain=evm_chain(1))),
        replace(FIRST, legs=(replace(FIRST.legs[0], market_id=OTHER),)),
        replace(FIRST, legs=(replace(FIRST.legs[0], kind=LegKind.WITHDRAW),)),
    ],
)
def test_another_account_chain_market_or_direction_is_another_plan(other: Plan) -> None:
    assert FIRST.legs[0].market_id == MARKET and not_again(other, rejected(), NOW) is None


def test_the_newest_mark_counts() -> None:
    lifted = [*rejected(), Record(9, NOW, PlanMarked(FIRST.id, PlanStatus.REJECTED, "terminal"))]
    assert not_again(FIRST, lifted, NOW) is None
    expired = records(PlanWritten(FIRST), PlanMarked(FIRST.id, PlanStatus.EXPIRED, "clock"))
    assert not_again(FIRST, expired, NOW) is None and not_again(FIRST, [], NOW) is None


def test_a_row_without_the_time_is_an_older_one() -> None:
    for mark in (PlanMarked("p", PlanStatus.REJECTED, "anna", "", UNTIL), PlanMarked("p", PlanStatus.REJECTED, "anna")):
        keys, body = encode(mark)
        assert decode(keys, body) == mark and ("not_before" in body) is bool(mark.not_before)


@pytest.mark.parametrize(
    ("not_before", "until_gain", "gain", "now", "held_back"),
    [
        (0, 2.0, 1.99, NOW, True),
        (0, 2.0, 2.0, NOW, False),
        (0, 2.0, 1.99, NOW + 10**9, True),
        (UNTIL, 2.0, 1.99, UNTIL - 1, True),
        (UNTIL, 2.0, 1.99, UNTIL, False),
        (UNTIL, 2.0, 2.0, NOW, False),
    ],
)
def test_a_gain_ends_it_as_a_time_does_whichever_comes_first(
    not_before: int, until_gain: float, gain: float, now: int, held_back: bool
) -> None:
    mark = PlanMarked(FIRST.id, PlanStatus.REJECTED, "anna", "", not_before, until_gain)
    assert decode(*encode(mark)) == mark
    why = not_again(replace(FIRST, gain_per_year=gain), records(PlanWritten(FIRST), mark), now)
    assert (why is not None) is held_back
    assert why is None or ("it gains 2.00 USDC a year (now 1.99 USDC)" in why and (" or " in why) is bool(not_before))
