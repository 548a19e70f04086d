"""Whether a leg, as it is to be done now, is one of those that were approved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.kit.wiring import MARKET, RAW, SHARES, STRANGER, USDC, leg, plan, work
from yieldbot.execution.planned import leg_in_plan, terms_are_the_legs
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.exchange import Pool, SwapTerms
from yieldbot.model.ids import MarketId
from yieldbot.model.plan import Leg, LegKind

OTHER = MarketId("other/8453/usdc")
DAI = Token(USDC.chain, STRANGER, "DAI", 18)
SWAP = replace(leg(1_000), kind=LegKind.SWAP, gets=Amount(DAI, 900))
CLAIM = replace(leg(0), kind=LegKind.CLAIM, gets=Amount(DAI, 900))


def code(planned: Leg, now: Leg | None = None, *, index: int = 0, market: Any = MARKET) -> str | None:
    made = replace(work(), index=index, leg=now or planned, market=market)
    found = leg_in_plan(plan(planned), made)
    return found.code if found else None


def test_the_leg_that_was_approved_and_less_of_it() -> None:
    assert code(leg()) is None and code(leg(), leg(1)) is None
    assert code(leg(), leg(RAW + 1)) == "AMOUNT_ABOVE_PLAN"


@pytest.mark.parametrize("index", [-1, 1])
def test_a_place_that_the_plan_does_not_have(index: int) -> None:
    assert code(leg(), index=index) == "NOT_IN_PLAN"


@pytest.mark.parametrize(
    "now",
    [
        replace(leg(), kind=LegKind.WITHDRAW),
        replace(leg(), market_id=OTHER),
        replace(leg(), amount=Amount(SHARES, RAW)),
        replace(leg(), ticks=(1, 2)),
    ],
)
def test_another_leg_is_none_of_the_plan(now: Leg) -> None:
    assert code(leg(), now) == "NOT_IN_PLAN" and code(now, leg()) == "NOT_IN_PLAN"


def test_what_is_called_is_the_legs_own_market_and_asset() -> None:
    assert code(leg(), market=replace(MARKET, id=OTHER)) == "NOT_IN_PLAN"
    assert code(leg(), market=replace(MARKET, asset=DAI)) == "NOT_IN_PLAN"
    ranged = replace(leg(), ticks=(1, 2))
    assert code(ranged) is None and code(ranged, replace(ranged, ticks=(1, 3))) == "NOT_IN_PLAN"


def test_all_is_only_where_all_was_approved_and_then_whatever_it_has_become() -> None:
    out = replace(leg(), kind=LegKind.WITHDRAW)
    whole = replace(out, all=True)
    assert code(out, whole) == "AMOUNT_ABOVE_PLAN" == code(out, replace(whole, amount=Amount(USDC, 1)))
    assert code(whole, out) is None and code(whole) is None
    more = Amount(USDC, RAW + 1)
    assert code(whole, replace(whole, amount=more)) is code(whole, replace(out, amount=more)) is None


def test_a_swap_brings_what_was_approved_at_no_worse_a_rate() -> None:
    assert code(SWAP) is None
    for given, gets, wanted in (
        (500, 450, None),
        (500, 449, "BELOW_LEAST"),
        (1_000, 899, "BELOW_LEAST"),
        (1_000, 950, None),
        (1_001, 950, "AMOUNT_ABOVE_PLAN"),
    ):
        assert code(SWAP, replace(SWAP, amount=Amount(USDC, given), gets=Amount(DAI, gets))) == wanted
    assert code(SWAP, replace(SWAP, gets=Amount(SHARES, 900))) == "NOT_IN_PLAN"
    assert code(SWAP, replace(SWAP, gets=None)) == "NOT_IN_PLAN" == code(replace(SWAP, gets=None), SWAP)


def test_a_claim_is_exactly_what_was_seen() -> None:
    assert code(CLAIM) is None
    for gets in (Amount(DAI, 901), Amount(DAI, 899), Amount(SHARES, 900), None):
        assert code(CLAIM, replace(CLAIM, gets=gets)) == "NOT_IN_PLAN"
    # Two claims that name nothing are as alike as two deposits.
    assert code(replace(CLAIM, gets=None)) is None


POOL = Pool("uniswap_v3", "a pool", STRANGER, USDC, DAI)


def terms(given: int, least: int, source: Token = USDC, target: Token = DAI) -> SwapTerms:
    return SwapTerms((POOL,), Amount(source, given), Amount(target, least))


def test_the_parts_of_a_swap_are_together_the_leg() -> None:
    def right(leg_: Leg, *parts: SwapTerms) -> bool:
        return terms_are_the_legs(replace(work(), leg=leg_, swaps=parts))

    assert right(SWAP, terms(1_000, 900)) and right(SWAP, terms(400, 400), terms(600, 500))
    for parts in (
        [terms(999, 900)],
        [terms(1_001, 900)],
        [terms(1_000, 899)],
        [terms(1_000, 901)],
        [terms(1_000, 900, SHARES)],
        [terms(1_000, 900, USDC, SHARES)],
        [terms(400, 400), terms(600, 500, USDC, SHARES)],
        [],
    ):
        assert not right(SWAP, *parts)
    assert right(leg()) and not right(leg(), terms(1_000, 900))
    assert right(CLAIM) and not right(CLAIM, terms(1_000, 900)), "a claim brings something, and swaps nothing"
    assert not right(replace(SWAP, gets=None)) and not right(replace(SWAP, gets=None), terms(1_000, 900))
