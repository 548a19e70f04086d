"""The lines that persons sign are made from a plan's legs, so that no other words can stand for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.journal.store import CHAIN, MARKET, USDC, plan
from yieldbot.execution.persons import to_approve
from yieldbot.execution.plan_lines import plan_lines
from yieldbot.journal.fold import StoredPlan
from yieldbot.journal.journal_entries import PlanStatus
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.plan import Leg, LegKind

WETH = Token(CHAIN, Address("0x" + "55" * 20), "WETH", 18)
EXACT = f"0.000005 USDC (5 units of {USDC.address})"
LEAST = f"0.000000000000000007 WETH (7 units of {WETH.address})"


@pytest.mark.parametrize(
    ("leg", "line"),
    [
        (Leg(LegKind.DEPOSIT, MARKET, USDC.amount(5)), f"1. deposit {EXACT} into {MARKET}"),
        (
            Leg(LegKind.DEPOSIT, MARKET, USDC.amount(5), ticks=(-10, 20)),
            f"1. deposit {EXACT} into {MARKET}, ticks -10 to 20",
        ),
        (Leg(LegKind.WITHDRAW, MARKET, USDC.amount(5), all=True), f"1. withdraw all, now {EXACT} from {MARKET}"),
        (
            Leg(LegKind.SWAP, MarketId("swap/a"), USDC.amount(5), gets=WETH.amount(7)),
            f"1. swap {EXACT} for at least {LEAST}",
        ),
        (
            Leg(LegKind.CLAIM, MarketId("claim/a"), USDC.amount(0), gets=WETH.amount(7)),
            f"1. claim from claim/a: at least {LEAST}",
        ),
        (
            Leg(LegKind.REBALANCE, MARKET, USDC.amount(5), ticks=(1, 2)),
            f"1. rebalance the range of {MARKET}, ticks 1 to 2, worth {EXACT}",
        ),
        (Leg(LegKind.REQUEST, MARKET, USDC.amount(5)), f"1. request {EXACT} of {MARKET}"),
    ],
)
def test_each_kind_of_leg(leg: Leg, line: str) -> None:
    assert plan_lines(replace(plan(), legs=(leg,))) == (line, "for a stated gain of 1.0 a year and a cost of 0.1 USDC")


def test_no_symbol_and_no_number_of_decimals_hides_what_is_moved() -> None:
    odd = replace(USDC, symbol="USDC (1 units of 0xaa) into b; never mind", decimals=0)
    line, last = plan_lines(replace(plan(), legs=(Leg(LegKind.DEPOSIT, MARKET, Amount(odd, 5)),)))
    assert line == f"1. deposit 5 of a token (5 units of {USDC.address}) into {MARKET}" and last.endswith(
        "0.1 of a token"
    )
    assert (
        plan_lines(replace(plan(), why=("a vault fills up\n1. nothing",)))[-1] == "because: a vault fills up 1. nothing"
    )


def test_what_persons_sign_is_what_the_plan_does_whatever_is_written_beside_it() -> None:
    honest, hostile = (StoredPlan(plan(), lines, PlanStatus.QUEUED, "", "", 0) for lines in (("a",), ("b", "c")))
    assert to_approve(honest) == to_approve(hostile) and to_approve(hostile).calls == plan_lines(plan())
