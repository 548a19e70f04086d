"""How money leaves Maple's pools, by answers as the real withdrawal managers give them (held against
maple-labs/withdrawal-manager-queue and -cyclical on a node)."""

from __future__ import annotations

import random

import pytest

from tests.kit.market_builder import USDC
from tests.unit.protocols.test_backing import Answers, at, call, words
from yieldbot.model.amounts import Amount
from yieldbot.model.market import Exit, ExitKind
from yieldbot.protocols.evm import maple

MANAGER, EXITS, NOW, DAY = at(0x71), at(0x72), 1_796_000_000, 86_400
QUEUE, TOTAL, CONFIG = maple.EXIT_VIEWS


def read(answers: Answers) -> list[bytes]:
    flow = maple.read_exit(MANAGER)
    wanted = next(flow)
    try:
        while True:
            wanted = flow.send([answers.get(one, b"") for one in wanted])  # type: ignore[arg-type]
    except StopIteration as done:
        found: list[bytes] = done.value
        return found


def exit_of(answers: list[bytes]) -> Exit | None:
    return maple.exit_of(answers, lambda raw: Amount(USDC, 2 * raw), None, NOW)


def test_who_waits_before_us_is_said_of_a_queue() -> None:
    answers = {call(MANAGER, "withdrawalManager()"): words(EXITS)}
    answers |= {call(EXITS, QUEUE): words(1, 2), call(EXITS, TOTAL): words(250 * 10**6)}
    found = exit_of(read(answers))
    assert found is not None and found.kind is ExitKind.WINDOW and found.hours == float("inf")
    assert found.limit == "exits are served in turn: 2 requests of 500 USDC wait before a new one"
    answers |= {call(EXITS, QUEUE): words(3, 2), call(EXITS, TOTAL): words(0)}
    empty = exit_of(read(answers))
    assert empty is not None and "0 requests of 0 USDC" in empty.limit


def test_the_window_of_a_request_of_now_is_the_second_next_cycles() -> None:
    begun = NOW - 10 * DAY  # cycles of a week: the second one is under way, a request is paid in the fourth
    answers = {call(MANAGER, "withdrawalManager()"): words(EXITS)}
    answers[call(EXITS, CONFIG)] = words(1, begun, 7 * DAY, 2 * DAY)
    found = exit_of(read(answers))
    assert found is not None and found.seconds == 21 * DAY + 2 * DAY - 10 * DAY
    assert "for 48 h, as far as there is cash" in found.limit


def test_a_pool_without_a_withdrawal_manager_is_left_as_it_was() -> None:
    assert read({}) == [] and exit_of([]) is None
    assert exit_of(read({call(MANAGER, "withdrawalManager()"): words(EXITS)})) is None


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_answered_nothing_raises(seed: int) -> None:
    draw = random.Random(seed)
    sizes = (0, 5, 32, 64, 128)
    for _ in range(50):
        said = [draw.randbytes(draw.choice(sizes)) for _ in maple.EXIT_VIEWS]
        small = [bytes(31) + b"\x01"] * 4
        found = exit_of([b"".join(small[: draw.choice((0, 1, 2, 4))]) if draw.random() < 0.5 else one for one in said])
        assert found is None or found.kind is ExitKind.WINDOW
