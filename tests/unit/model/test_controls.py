"""Controllers: what a chain of them means for how many keys act, how fast, and in which words."""

from __future__ import annotations

import pytest

from yieldbot.model.controls import NO_ONE, NOBODY, VOTERS, Controller, ControllerKind, span
from yieldbot.model.ids import Address

A, B, C = (Address(f"0x{n:040x}") for n in (1, 2, 3))
KEY = Controller(kind=ControllerKind.EOA, address=A)
SAFE = Controller(kind=ControllerKind.SAFE, address=B, threshold=4, owners=(A, B, C, A, B, C, A))
LATE = Controller(kind=ControllerKind.TIMELOCK, address=C, delay_seconds=172_800, behind=SAFE)


@pytest.mark.parametrize(
    ("controller", "signatures", "warning"),
    [
        (KEY, 1, 0),
        (SAFE, 4, 0),
        (LATE, 4, 172_800),
        (NO_ONE, NOBODY, 0),
        (Controller(kind=ControllerKind.GOVERNOR, address=A), VOTERS, 0),
        (Controller(kind=ControllerKind.UNKNOWN), 0, 0),
        (Controller(kind=ControllerKind.CONTRACT, address=A), 0, 0),
        (Controller(kind=ControllerKind.CONTRACT, address=A, behind=LATE), 4, 172_800),
        (Controller(kind=ControllerKind.TIMELOCK, address=A, delay_seconds=60, behind=LATE), 4, 172_800),
    ],
)
def test_the_last_in_the_chain_signs_and_the_longest_delay_warns(
    controller: Controller, signatures: int, warning: int
) -> None:
    assert (controller.signatures, controller.warning_seconds) == (signatures, warning)


def test_a_chain_is_told_from_the_nearest_on() -> None:
    assert LATE.words == "timelock 2 days 0x0000…0003, behind it multisig 4 of 7 0x0000…0002"
    assert NO_ONE.words == "nobody"
    assert Controller(kind=ControllerKind.UNKNOWN, why="no answer").words == "unknown (no answer)"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (90, "1.5 min"), (3600, "1 h"), (86_400, "1 day"), (172_800, "2 days")],
)
def test_spans(seconds: int, words: str) -> None:
    assert span(seconds) == words
