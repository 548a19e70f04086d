"""Reads beside a snapshot: transactions as nodes tell them, and nodes that tell nonsense or nothing."""

from __future__ import annotations

import base64
import random
from typing import Any

import pytest
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from tests.kit.solana.flow_chain import key
from yieldbot.chains.solana.node.beside import MOST_PAGES, answers_beside, landing_of
from yieldbot.errors import NodeRefused, TransientError
from yieldbot.model.landed import Landing, Signatures, largest_of
from yieldbot.model.reads import SvmImage, SvmLargest, SvmSignatures, SvmTransaction

ME = Keypair.from_seed(bytes([3] * 32))
TO = Pubkey.from_string(key(9))
PAY = transfer(TransferParams(from_pubkey=ME.pubkey(), to_pubkey=TO, lamports=7))
TX = VersionedTransaction(MessageV0.try_compile(ME.pubkey(), [PAY], [], Hash.default()), [ME])
NAME = str(TX.signatures[0])


class Stub:
    """A node whose answers are given."""

    commitment = "confirmed"

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), 0

    async def request(self, method: str, params: list[Any]) -> Any:
        self.asked += 1
        answer = self.answers[min(self.asked, len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def transaction(self, signature: str, commitment: str) -> Any:
        return await self.request("getTransaction", [signature])


def told(**meta: Any) -> dict[str, Any]:
    whole = {"err": None, "preBalances": [9, 1, 1], "postBalances": [2, 8, 1], "innerInstructions": None} | meta
    return {"slot": 5, "meta": whole, "transaction": [base64.b64encode(bytes(TX)).decode(), "base64"]}


def balance(place: int, amount: str, owner: str | None = None) -> dict[str, Any]:
    return {"accountIndex": place, "mint": key(4), "owner": owner, "uiTokenAmount": {"amount": amount}}


def test_a_transaction_is_read_with_what_was_opened_closed_and_called() -> None:
    inner = [
        {"index": 0, "instructions": [{"programIdIndex": 2, "accounts": [1, 0], "data": "1Ldp", "stackHeight": 2}]}
    ]
    answer = told(
        preTokenBalances=[balance(0, "5", key(6))],
        postTokenBalances=[balance(1, "11")],
        innerInstructions=inner,
    )
    found = landing_of(NAME, answer)
    assert found.payer == str(ME.pubkey()) and found.writable == (str(ME.pubkey()), str(TO))
    assert [(one.account, one.owner, one.before, one.after) for one in found.tokens] == [
        (str(ME.pubkey()), key(6), 5, 0),
        (str(TO), "", 0, 11),
    ]
    assert [(one.depth, len(one.accounts)) for one in found.calls] == [(1, 2), (2, 2)]
    assert found.calls[1].data == b"\0" + (19 * 58**2 + 36 * 58 + 47).to_bytes(3, "big").lstrip(b"\0")
    assert Landing.decoded(found.encoded()) == found


@pytest.mark.parametrize(
    "answer",
    [
        told(err={"InstructionError": [0, "x"]}),
        told(preTokenBalances=[balance(99, "5")]),
        told(preTokenBalances=[balance(0, "-5")]),
        told(preTokenBalances=[balance(0, str(2**64))]),
        told(preTokenBalances="nonsense"),
        told(innerInstructions=[{"index": 0, "instructions": [{"programIdIndex": 900, "accounts": [], "data": "1"}]}]),
        told(innerInstructions=[{"index": 0, "instructions": [{"programIdIndex": 1, "accounts": [], "data": "0OIl"}]}]),
        told() | {"transaction": ["AAAA", "base64"]},
        told() | {"slot": "high"},
        told() | {"transaction": [base64.b64encode(bytes(TX)[:90]).decode(), "base64"]},
        told(postBalances=[2, 8, -1]),
        told(loadedAddresses=5),
        NodeRefused("getTransaction", -1, "no"),
        TransientError("gone"),
        None,
    ],
)
async def test_a_transaction_that_cannot_be_read_is_no_answer(answer: Any) -> None:
    assert await answers_beside(Stub(answer), [SvmTransaction(NAME)]) == [b""]  # type: ignore[arg-type]
    if isinstance(answer, dict):
        assert await answers_beside(Stub(told()), [SvmTransaction("other")]) == [b""]  # type: ignore[arg-type]


def row(name: str, slot: Any, err: Any = None) -> dict[str, Any]:
    return {"signature": name, "slot": slot, "err": err}


async def listed(*pages: Any, most: int = 3000) -> Signatures | None:
    (found,) = await answers_beside(Stub(*pages), [SvmSignatures(key(1), "", 10, 90, most)])  # type: ignore[arg-type]
    assert isinstance(found, bytes)
    return Signatures.decoded(found) if found else None


async def test_lists_are_of_the_slots_asked_for_without_what_failed_and_bounded() -> None:
    rows = [row("late", 91), row("c", 80), row("failed", 70, "x"), row("b", 40), row("a", 10), row("old", 9)]
    assert await listed(rows) == Signatures((("a", 10), ("b", 40), ("c", 80)), more=False)
    assert await listed(rows[:3], rows[3:], most=2) == Signatures((("b", 40), ("c", 80)), more=True)
    stub = Stub([row("x", 50)] * 1000)
    (endless,) = await answers_beside(stub, [SvmSignatures(key(1), "", 10, 90, 10**6)])  # type: ignore[arg-type]
    assert stub.asked == MOST_PAGES and Signatures.decoded(endless).more  # type: ignore[arg-type]
    for junk in (None, 5, "rows", [5], [row("x", "y")], [row("x", True)], [{"signature": 5, "slot": 50, "err": None}]):
        assert await listed(junk) is None


async def test_largest_accounts_and_whatever_a_node_says_instead() -> None:
    answer = {"value": [{"address": key(2), "amount": "3"}, {"address": key(1), "amount": "9"}]}
    (found,) = await answers_beside(Stub(answer), [SvmLargest(key(4))])  # type: ignore[arg-type]
    assert isinstance(found, bytes) and largest_of(found) == ((key(1), 9), (key(2), 3))
    draw = random.Random(1)
    junk: list[Any] = [None, 5, {}, {"value": 5}, {"value": [{"address": 1, "amount": 0.5}]}, {"value": [None]}]
    for _ in range(20):
        (found,) = await answers_beside(Stub(draw.choice(junk)), [SvmLargest(key(4))])  # type: ignore[arg-type]
        assert found == b""
    assert SvmImage(key(1)) != SvmLargest(key(1))
