"""Flows that run together: each handle has its own flow's answer, in as many rounds as the longest flow takes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar

import pytest

from yieldbot.errors import InvariantError, MarketError, ReadReverted, TransientError
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address, evm_chain
from yieldbot.model.reads import EthCall, Flow, Read
from yieldbot.rpc import lockstep
from yieldbot.rpc.flows import Flows

T = TypeVar("T")
BLOCK = BlockRef(evm_chain(1), 1, "0x" + "11" * 32, 1)


class Echo:
    """Answers each call with its own calldata; calldata of zeros reverts."""

    def __init__(self) -> None:
        self.rounds: list[list[bytes]] = []

    async def run(self, flows: Sequence[Flow[T]], block: BlockRef) -> list[T | MarketError]:
        async def answer(reads: Sequence[Read]) -> list[lockstep.Answer]:
            calls = [read.data for read in reads if isinstance(read, EthCall)]
            self.rounds.append(calls)
            return [data if any(data) else ReadReverted("reverted") for data in calls]

        return await lockstep.run(flows, answer)


class Silent:
    async def run(self, flows: Sequence[Flow[T]], block: BlockRef) -> list[T | MarketError]:
        raise TransientError("no answer")


def number(*rounds: int) -> Flow[int]:
    """The sum of what each round answers."""
    total = 0
    for one in rounds:
        (data,) = yield [EthCall(Address("0x01"), one.to_bytes(32, "big"))]
        total += int.from_bytes(data, "big")
    return total


def text(one: str) -> Flow[str]:
    (data,) = yield [EthCall(Address("0x01"), one.encode())]
    return data.decode()


def nothing() -> Flow[tuple[()]]:
    return ()
    yield ()


def test_each_handle_has_its_own_answer_whatever_was_added_before_or_between() -> None:
    node, flows = Echo(), Flows()
    first = flows.add(number(3, 4, 5))
    words = {word: flows.add(text(word)) for word in ("one", "other")}
    fails, empty, last = flows.add(number(1, 0)), flows.add(nothing()), flows.add(number(9))
    asyncio.run(flows.run(node, BLOCK))
    assert first.answer == 12 and last.answer == 9 and empty.answer == ()
    assert {word: handle.answer for word, handle in words.items()} == {"one": "one", "other": "other"}
    assert isinstance(fails.answer, MarketError)
    assert [len(calls) for calls in node.rounds] == [5, 2, 1], "reads of one round go together"


def test_no_handle_has_an_answer_before_the_flows_ran_or_after_the_node_failed() -> None:
    flows = Flows()
    handle = flows.add(number(1))
    with pytest.raises(InvariantError):
        _ = handle.answer
    with pytest.raises(TransientError):
        asyncio.run(flows.run(Silent(), BLOCK))
    with pytest.raises(InvariantError):
        _ = handle.answer
