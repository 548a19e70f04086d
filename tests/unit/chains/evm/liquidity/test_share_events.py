"""What was put into a pair and came out of it, told by its events: by hand, and what events cannot tell."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit.evm.liquidity_events import HEAD, STATE
from yieldbot.chains.evm.liquidity.pair_events import (
    BURN,
    MINT,
    TRANSFER,
    ShareChange,
    past_from,
    past_of_shares,
    steps_of,
)
from yieldbot.chains.evm.liquidity.position_events import PositionHistory
from yieldbot.chains.evm.logs import UNBOUNDED
from yieldbot.errors import NodeRefused
from yieldbot.model.ids import Address
from yieldbot.model.liquidity import PoolPosition
from yieldbot.rpc.sizes import Size

PAIR, OWNER, OTHER = STATE.pool.address, Address("0x" + "77" * 20), Address("0x" + "88" * 20)
ZERO = "0x" + "00" * 20


def topic(address: str) -> str:
    return "0x" + address[2:].lower().rjust(64, "0")


def logs(*events: tuple[str, tuple[str, ...], tuple[int, ...]], block: int = 900_000, at: str = PAIR) -> list[Any]:
    return [
        {
            "address": at,
            "topics": [kind, *map(topic, parties)],
            "data": "0x" + b"".join(word.to_bytes(32, "big") for word in words).hex(),
            "blockNumber": hex(block),
            "logIndex": hex(place),
            "transactionHash": f"0x{block:064x}",
        }
        for place, (kind, parties, words) in enumerate(events)
    ]


def minted(to: str, shares: int, *amounts: int) -> list[tuple[str, tuple[str, ...], tuple[int, ...]]]:
    return [(TRANSFER, (ZERO, to), (shares,)), (MINT, (OTHER,), amounts)]


def burnt(of: str, shares: int, *amounts: int) -> list[tuple[str, tuple[str, ...], tuple[int, ...]]]:
    gone = [(TRANSFER, (of, PAIR), (shares,)), (TRANSFER, (PAIR, ZERO), (shares,))]
    return [*gone, (BURN, (OTHER, of), amounts)]


def position(shares: int, *amounts: int) -> PoolPosition:
    sides = (amounts[0], amounts[1])
    return PoolPosition(
        state=STATE, token_id=None, ticks=None, liquidity=1, amounts=sides, fees=(0, 0), out_for=None, shares=shares
    )


def steps(*events: Any, at: str = PAIR) -> list[ShareChange | str]:
    return list(steps_of(logs(*events, at=at), PAIR, topic(OWNER)))


def test_our_mints_and_burns_are_told_and_nobody_elses() -> None:
    fee = (TRANSFER, (ZERO, OTHER), (3,))  # the protocol's own shares come before ours
    assert steps(fee, *minted(OWNER, 10, 100, 400)) == [ShareChange(900_000, 10, (100, 400))]
    assert steps(*minted(OTHER, 7, 70, 280), *burnt(OTHER, 2, 20, 80)) == []
    assert steps(*burnt(OWNER, 5, 60, 240)) == [ShareChange(900_000, -5, (60, 240))]
    assert steps(*minted(OWNER, 10, 1, 4), *burnt(OWNER, 5, 6, 24)) == [
        ShareChange(900_000, 10, (1, 4)),
        ShareChange(900_000, -5, (6, 24)),
    ]
    assert steps(*minted(OWNER, 10, 100, 400), at=OTHER) == [], "another pair's events"


@pytest.mark.parametrize(
    "events",
    [
        [(TRANSFER, (OTHER, OWNER), (5,))],
        [(TRANSFER, (OWNER, OTHER), (5,))],
        [(TRANSFER, (OWNER, PAIR), (5,))],
        [(TRANSFER, (ZERO, OWNER), (5,))],
        [(TRANSFER, (OWNER, PAIR), (5,)), *burnt(OTHER, 2, 20, 80)],
    ],
)
def test_shares_without_amounts_have_no_past(events: list[Any]) -> None:
    assert isinstance(steps(*events)[-1], str)


def test_fees_are_what_a_share_has_beyond_what_was_put_in() -> None:
    """100 and 400 put in, a root of 200. Half of the shares, grown to a root of 120 each half, paid 60 and 240: a sixth
    of it is fees, and of what is left too."""
    past = past_from([ShareChange(5, 10, (100, 400)), ShareChange(9, -5, (60, 240))], position(5, 60, 240))
    assert past == PositionHistory((100, 400), (50, 200), (60, 240), 5, (10, 40))
    assert past.earned((0, 0)) == (20, 80) and past.impermanent_loss((60, 240), 4.0) == pytest.approx(0.0)
    # The price went to 1: 120 and 120 are the same root, and of it 20 each are fees.
    moved = past_from([ShareChange(5, 10, (100, 400)), ShareChange(9, -5, (60, 240))], position(5, 120, 120))
    assert moved.grown == (20, 20)
    loss = moved.impermanent_loss((120, 120), 1.0)
    assert loss == pytest.approx((100 + 100 + 50 + 200) / 500 - 1)


class Node:
    """A node double with the logs and receipts of a few transactions."""

    host = "double"

    def __init__(self, *transactions: list[Any], first: int = 0) -> None:
        self.logs = {logs[0]["transactionHash"]: logs for logs in transactions}
        self.first, self.ranges = first, list[tuple[int, int]]()
        self.found_out = Size(UNBOUNDED)

    def size(self, what: str, most: int) -> Size:
        return self.found_out

    async def request(self, method: str, params: list[Any]) -> Any:
        if method == "eth_getTransactionReceipt":
            return {"logs": self.logs[params[0]]}
        start, end = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
        if end - start >= 40_000 or start < self.first:
            raise NodeRefused(method, -32005, "query exceeds the limit")
        self.ranges.append((start, end))
        wanted, every = params[0]["topics"], [log for logs in self.logs.values() for log in logs]
        return [
            log
            for log in every
            if start <= int(log["blockNumber"], 16) <= end
            and all(t is None or t == of for t, of in zip(wanted, log["topics"], strict=False))
        ]


async def test_it_goes_back_to_where_nothing_was_held_and_no_further() -> None:
    older = logs(*minted(OWNER, 4, 40, 160), *burnt(OWNER, 4, 40, 160), block=600_000)
    node: Any = Node(older, logs(*minted(OWNER, 10, 100, 400)), logs(*burnt(OWNER, 5, 60, 240), block=950_000))
    found = await past_of_shares(node, position(5, 60, 240), OWNER, HEAD)
    assert found == PositionHistory((100, 400), (50, 200), (60, 240), 900_000, (10, 40))
    assert 800_000 < node.ranges[-1][0] <= 900_000
    assert "do not add up" in str(await past_of_shares(node, position(6, 60, 240), OWNER, HEAD))
    given: Any = Node(logs((TRANSFER, (OTHER, OWNER), (5,))))
    assert "came from another account" in str(await past_of_shares(given, position(5, 60, 240), OWNER, HEAD))
    young: Any = Node(logs(*minted(OWNER, 10, 100, 400)), first=930_000)
    assert "double serves no events" in str(await past_of_shares(young, position(10, 100, 400), OWNER, HEAD))
    odd: Any = Node([{**logs(*minted(OWNER, 10, 1, 4))[0], "data": "0x"}])
    assert "cannot be read" in str(await past_of_shares(odd, position(10, 100, 400), OWNER, HEAD))
