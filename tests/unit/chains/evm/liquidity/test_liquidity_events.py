"""A position's past is asked for in parts that a node serves, and only as far back as it reaches."""

from __future__ import annotations

from typing import Any

from tests.kit.evm.liquidity_events import HEAD, STATE
from yieldbot.books.liquidity_pnl import PositionEvent
from yieldbot.chains.evm.liquidity.account_history import moves_of
from yieldbot.chains.evm.liquidity.position_events import COLLECT, DECREASE, INCREASE, PositionHistory, past_of
from yieldbot.chains.evm.logs import UNBOUNDED
from yieldbot.errors import NodeRefused
from yieldbot.model.ids import Address
from yieldbot.model.liquidity import PoolPosition
from yieldbot.rpc.sizes import Size

TOPIC = f"0x{7:064x}"


def position(liquidity: int, token_id: int | None = 7) -> PoolPosition:
    fields: dict[str, Any] = {"ticks": (-60, 60), "amounts": (0, 0), "fees": (0, 0)}
    return PoolPosition(state=STATE, token_id=token_id, liquidity=liquidity, **fields)


def event(kind: str, block: int, *words: int) -> dict[str, Any]:
    data = "0x" + b"".join(word.to_bytes(32, "big") for word in words).hex()
    place = {"blockNumber": hex(block), "logIndex": "0x1", "transactionHash": f"0xAB{block}"}
    return {"topics": [kind, TOPIC], "data": data} | place


LOGS = [
    event(INCREASE, 700_000, 50, 5, 6),
    event(INCREASE, 930_000, 100, 10, 20),
    event(DECREASE, 960_000, 40, 3, 9),
    event(COLLECT, 960_001, 0, 4, 9),
]


class Limited:
    """A node double that serves at most so many blocks of events at once, from ``first`` on."""

    host = "limited"

    def __init__(self, logs: list[dict[str, Any]], most: int, first: int = 0) -> None:
        self.logs, self.most, self.first, self.ranges = logs, most, first, list[tuple[int, int]]()
        self.found_out = Size(UNBOUNDED)

    def size(self, what: str, most: int) -> Size:
        return self.found_out

    async def request(self, method: str, params: list[Any]) -> Any:
        start, end = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
        assert params[0]["topics"] == [[INCREASE, DECREASE, COLLECT], TOPIC] and params[0]["address"] == STATE.manager
        if end - start >= self.most or start < self.first:
            raise NodeRefused(method, -32005, "query exceeds the limit")
        self.ranges.append((start, end))
        return [log for log in self.logs if start <= int(log["blockNumber"], 16) <= end]


async def test_it_goes_back_only_to_where_the_position_began() -> None:
    node: Any = Limited(LOGS, 40_000)
    assert await past_of(node, position(110), HEAD) == PositionHistory((15, 26), (3, 9), (4, 9), 700_000)
    assert node.ranges[0][1] == HEAD.height and 650_000 < node.ranges[-1][0] <= 700_000
    later: Any = Limited(LOGS[1:], 40_000)
    assert await past_of(later, position(60), HEAD) == PositionHistory((10, 20), (3, 9), (4, 9), 930_000)
    assert later.ranges[-1][0] > 880_000, "the rest is not asked for"


async def test_what_is_not_known_is_told() -> None:
    short: Any = Limited(LOGS, 40_000, first=950_000)
    assert "limited serves no events" in str(await past_of(short, position(110), HEAD))
    missing: Any = Limited(LOGS[:2], 10**7)
    assert "do not add up" in str(await past_of(missing, position(777), HEAD))
    wrong: Any = Limited([event(INCREASE, 10, 10**30, 1, 1)], 10**7)
    assert "cannot be read" in str(await past_of(wrong, position(5), HEAD))
    tiny: Any = Limited(LOGS, 100)
    assert "were read" in str(await past_of(tiny, position(110), HEAD)), "not for ever"
    assert "no position of a manager" in str(await past_of(short, position(5, None), HEAD))


async def test_a_transactions_events_are_the_managers_alone() -> None:
    manager = Address("0x" + "44" * 20)
    own = [log | {"address": manager.upper().replace("X", "x")} for log in LOGS[1:]]
    other = [LOGS[0] | {"address": "0x" + "55" * 20}, {"address": manager, "topics": ["0x01"], "data": "0x"}]
    bare = {"address": manager, "topics": [], "data": "0x"}
    short = own[0] | {"data": "0x00"}
    receipts: dict[str, Any] = {
        "0xa": {"logs": [*other, *own]},
        "0xb": {"logs": []},
        "0xc": {"logs": [short]},
        "0xd": None,
        "0xe": {"logs": [bare]},
    }

    class Node:
        """A node double that has these receipts."""

        async def request(self, method: str, params: list[Any]) -> Any:
            assert method == "eth_getTransactionReceipt"
            return receipts[params[0]]

    node: Any = Node()
    told = (PositionEvent(7, 100, (10, 20)), PositionEvent(7, -40, (3, 9)), PositionEvent(7, 0, (4, 9)))
    assert await moves_of(node, [*receipts, "0xa"], frozenset({manager})) == {"0xa": told, "0xb": (), "0xe": ()}
