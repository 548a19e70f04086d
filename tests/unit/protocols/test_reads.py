"""The reads of one round: made in their order, each answer under its own handle."""

from __future__ import annotations

import pytest

from yieldbot.errors import ReadReverted
from yieldbot.model.ids import Address
from yieldbot.model.reads import EthCall, Flow
from yieldbot.protocols.reads import GroupHandle, ReadHandle, Reads


def call(number: int) -> EthCall:
    return EthCall(Address("0x01"), bytes([number]))


def test_answers_are_read_from_handles_whatever_was_added_between() -> None:
    reads = Reads()
    first, none, several = reads.add(call(1)), reads.group(()), reads.group(call(number) for number in (2, 3))
    last = reads.add(call(4))
    with pytest.raises(ValueError, match="before its round was made"):
        _ = first.data
    with pytest.raises(ValueError, match="before its round was made"):
        _ = several.data
    round_ = reads.made()
    requested = next(round_)
    assert list(requested) == [call(number) for number in (1, 2, 3, 4)]
    with pytest.raises(StopIteration):
        round_.send([b"one", b"two", b"three", b"four"])
    assert (first.data, several.data, last.data, none.data) == (b"one", [b"two", b"three"], b"four", [])


def test_a_read_that_reverts_ends_the_flow_that_made_it() -> None:
    def flow() -> Flow[tuple[ReadHandle, GroupHandle]]:
        reads = Reads()
        found = reads.add(call(1)), reads.group([call(2)])
        yield from reads.made()
        return found

    running = flow()
    next(running)
    with pytest.raises(ReadReverted):
        running.throw(ReadReverted("it reverts"))


@pytest.mark.parametrize("answers", [[], [b"one"], [b"one", b"two", b"three"]])
def test_as_many_answers_as_reads(answers: list[bytes]) -> None:
    reads = Reads()
    reads.group([call(1), call(2)])
    round_ = reads.made()
    next(round_)
    with pytest.raises(ValueError, match=r"zip\(\)"):
        round_.send(answers)
