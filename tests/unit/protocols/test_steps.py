"""Vaults that are left in two steps: what they say of ours on its way out, and the bytes of each step. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.kit.market_builder import OWNER, USDC, market, usdc
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address
from yieldbot.model.market import Exit, ExitKind, Leaving, MarketState
from yieldbot.protocols.evm.abi import abi
from yieldbot.protocols.evm.two_step_exits import (
    LATEST,
    ExitRequests,
    cancel,
    collect,
    exit_requests,
    leaving,
    request,
    request_reads,
)

VAULT = Address("0x" + "ab" * 20)
REQUESTS: dict[str, object] = {"async_redeem": True}
COOLS: dict[str, object] = {}
NOW = 1_700_000_000


def words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(32, "big") for number in numbers)


def test_a_request_is_asked_for_by_four_reads_and_a_cooldown_by_one() -> None:
    of_requests, of_cooldown = request_reads(REQUESTS, VAULT, OWNER), request_reads(COOLS, VAULT, OWNER)
    names = ["pendingRedeemRequest", "claimableRedeemRequest", "pendingCancelRedeemRequest"]
    vault = abi("erc4626")
    assert [read.data for read in of_requests] == [
        vault.encode(name, 0, OWNER) for name in (*names, "claimableCancelRedeemRequest")
    ]
    assert [read.data for read in of_cooldown] == [vault.encode("cooldowns", OWNER)]
    assert all(read.to == VAULT and read.optional for read in (*of_requests, *of_cooldown))


def test_what_a_vault_answers_of_a_request() -> None:
    answers = [words(5), words(6), words(1), words(7)]
    found = exit_requests(REQUESTS, answers, None)
    assert found == ExitRequests(pending=5, claimable=6, back=7, calling=True)
    assert exit_requests(REQUESTS, [words(5), b"", b"\1" * 31, words(0)], 9) == ExitRequests(pending=5), (
        "what is no word is nothing"
    )
    assert exit_requests(REQUESTS, [words(5), words(6), words(2), words(7)], 9).calling is False
    assert exit_requests(REQUESTS, [words(5, 9), words(6), words(0), words(7)], 9).pending == 5, "the first word"


def test_what_a_vault_answers_of_a_cooldown() -> None:
    assert exit_requests(COOLS, [words(NOW, 44)], 0) == ExitRequests(assets=44, until=NOW)
    assert exit_requests(COOLS, [words(2**255, 2**255)], 0) == ExitRequests(assets=2**255, until=2**255), "whole words"
    for answer, cooldown in ((words(NOW, 44), None), (words(NOW), 9), (words(NOW, 44, 0), 9), (b"", 9)):
        assert exit_requests(COOLS, [answer], cooldown) == ExitRequests()


def test_a_cooldown_is_ready_when_it_has_ended_or_the_vault_has_none_any_more() -> None:
    def of(until: int, cooldown: int = 9, assets: int = 44) -> Leaving | None:
        return leaving(COOLS, USDC, ExitRequests(assets=assets, until=until), (1, 2, 3), NOW, cooldown)

    waits = Leaving(requested=Amount(USDC, 44), ready=usdc(0), back=usdc(0), until=NOW + 1)
    ready = Leaving(requested=usdc(0), ready=Amount(USDC, 44), back=usdc(0))
    assert of(NOW + 1) == waits and of(NOW) == of(NOW - 1) == ready
    assert of(NOW + 1, 0) == ready
    assert of(LATEST) == replace(waits, until=None) and of(LATEST - 1) == replace(waits, until=LATEST - 1)


def test_a_request_is_what_its_shares_are_worth_and_says_what_it_lets_be_done() -> None:
    def of(found: ExitRequests, *worth: int, **where: object) -> Leaving | None:
        return leaving(REQUESTS | where, USDC, found, (worth[0], worth[1], worth[2]), NOW, 9)

    assert of(ExitRequests(), 0, 0, 0) is None
    some = of(ExitRequests(pending=5, claimable=6, back=7), 50, 60, 70)
    assert some == Leaving(
        requested=Amount(USDC, 50), ready=Amount(USDC, 60), back=Amount(USDC, 70), ready_shares=6, until=None
    )
    assert of(ExitRequests(pending=5, claimable=6), 50, 0, 0) == Leaving(
        requested=Amount(USDC, 50), ready=usdc(0), back=usdc(0)
    )
    for found, cancels in (
        (ExitRequests(pending=5), True),
        (ExitRequests(pending=5, calling=True), False),
        (ExitRequests(back=7), False),
    ):
        told = of(found, 50, 0, 0, cancel_redeem=True)
        assert told is not None and told.cancels is cancels
    told = of(ExitRequests(pending=1), 50, 0, 0, cancel_redeem=True)
    assert told is not None and told.cancels
    none = of(ExitRequests(pending=5), 50, 0, 0)
    assert none is not None and not none.cancels, "the vault does not know how"


def test_of_a_request_nothing_says_when_it_ends() -> None:
    told = leaving(REQUESTS, USDC, ExitRequests(pending=5, until=NOW + 5), (50, 0, 0), NOW, 9)
    assert told is not None and told.until is None


# The calls.


def state(kind: ExitKind = ExitKind.COOLDOWN, shares: int = 1_000, **changes: Any) -> MarketState:
    made = market("door", ConstantCurve(0.05), held=100)
    at = replace(made.market, address=VAULT)
    return replace(made, market=at, shares=shares, exit=Exit(kind=kind, seconds=86_400), **changes)


def gone(asked_raw: int = 0, ready: int = 0, back: int = 0, **parts: Any) -> Leaving:
    return Leaving(requested=Amount(USDC, asked_raw), ready=Amount(USDC, ready), back=Amount(USDC, back), **parts)


WHOLE = usdc(100).raw


@pytest.mark.parametrize(
    ("amount", "shares", "said"),
    [
        (None, 1_000, "start the cooldown 24 h of all (100 USDC) in door for 0x0000…dEaD"),
        (usdc(100), 1_000, "all (100 USDC)"),
        (usdc(101), 1_000, "all (100 USDC)"),
        (usdc(50), 500, "start the cooldown 24 h of 50 USDC in door for"),
        (Amount(USDC, WHOLE - 1), 999, "of 99.999999 USDC"),
        (Amount(USDC, WHOLE // 1_000), 1, "of 0.1 USDC"),
    ],
)
def test_a_cooldown_is_started_of_the_shares_that_an_amount_is(amount: Amount | None, shares: int, said: str) -> None:
    (call,) = request(state(), amount, OWNER)
    assert (call.to, call.value) == (VAULT, 0) and call.data == abi("erc4626").encode("cooldownShares", shares)
    assert said in call.description


def test_a_request_is_asked_for_ourselves_of_what_is_still_inside() -> None:
    (call,) = request(state(ExitKind.REQUEST), usdc(50), OWNER)
    assert call.data == abi("erc4626").encode("requestRedeem", 500, OWNER, OWNER)
    assert call.description.startswith("ask for 50 USDC in door for ")
    (call,) = request(state(ExitKind.REQUEST, leaving=gone(usdc(50).raw)), usdc(25), OWNER)
    assert call.data == abi("erc4626").encode("requestRedeem", 500, OWNER, OWNER), "half of the 50 that are inside"
    assert request(state(shares=0), None, OWNER) == () == request(state(), Amount(USDC, 1), OWNER)
    empty = state(shares=7, held=usdc(0))
    assert request(empty, usdc(1), OWNER)[0].data == abi("erc4626").encode("cooldownShares", 7)


def test_what_is_ready_is_collected_by_its_shares_or_as_the_cooldown_ends() -> None:
    vault = abi("erc4626")
    assert collect(state(), OWNER) == () == collect(state(leaving=gone(5, 0, 5)), OWNER)
    (call,) = collect(state(leaving=gone(ready=5)), OWNER)
    assert (call.to, call.data, call.value) == (VAULT, vault.encode("unstake", OWNER), 0)
    (call,) = collect(state(leaving=gone(ready=5_000_000, ready_shares=6)), OWNER)
    assert call.data == vault.encode("redeem", 6, OWNER, OWNER)
    assert call.description.startswith("collect 5 USDC from door to 0x")


def test_what_was_called_back_is_taken_in_before_anything_is_called_back() -> None:
    vault = abi("erc4626")
    for nothing in (None, gone(5, 5), gone(5)):
        assert cancel(state(leaving=nothing), OWNER) == ()
    (call,) = cancel(state(leaving=gone(5_000_000, cancels=True)), OWNER)
    assert (call.to, call.data, call.value) == (VAULT, vault.encode("cancelRedeemRequest", 0, OWNER), 0)
    assert call.description.startswith("call 5 USDC back that were asked for in door for ")
    for there in (gone(5, back=6_000_000), gone(5, back=6_000_000, cancels=True)):
        (call,) = cancel(state(leaving=there), OWNER)
        assert (call.to, call.value) == (VAULT, 0)
        assert call.data == vault.encode("claimCancelRedeemRequest", 0, OWNER, OWNER)
        assert call.description.startswith("take 6 USDC that were called back into door again for ")
