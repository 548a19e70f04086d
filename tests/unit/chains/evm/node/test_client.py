"""The driver of flows: one aggregate3 a round, each failure kept to its own flow. The node's wire is a labelled double:
it speaks JSON-RPC's shapes from memory, so that wrong answers can be served on purpose."""

import asyncio
from typing import Any

import pytest
from eth_abi import decode, encode

from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import ConfigError, MarketError, NodeRefused, ReadReverted, TransientError
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.reads import EthCall, Flow

CHAIN = ChainId("eip155:31337")
MULTICALL = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
BLOCK = BlockRef(CHAIN, 100, "0x" + "ab" * 32, 1_700_000_000)
TARGET = Address("0x" + "11" * 20)


class WireDouble:
    """Answers aggregate3 by echoing call data; data 'dead' reverts, 'none' gives nothing."""

    def __init__(self, limit: int = 10**9) -> None:
        self.batches: list[tuple[Any, int]] = []
        self.limit = limit
        self.reply: Any = None

    async def make_request(self, method: str, params: list[Any]) -> Any:
        if self.reply is not None:
            if isinstance(self.reply, Exception):
                raise self.reply
            return self.reply
        assert method == "eth_call" and params[0]["to"] == MULTICALL
        (calls,) = decode(["(address,bool,bytes)[]"], bytes.fromhex(params[0]["data"][10:]))
        self.batches.append((params[1], len(calls)))
        if len(calls) > self.limit:
            return {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "out of gas"}}
        rows = [
            (data != b"dead", b"" if data == b"none" else b"why" if data == b"dead" else data) for _, _, data in calls
        ]
        return {"jsonrpc": "2.0", "id": 1, "result": "0x" + encode(["(bool,bytes)[]"], [rows]).hex()}

    async def disconnect(self) -> None: ...


def node(wire: WireDouble, timeout_seconds: float = 0.2) -> Node:
    made = Node(CHAIN, "http://user:secretkey@node.example/key", multicall3=MULTICALL, timeout_seconds=timeout_seconds)
    made.endpoint._provider = wire
    return made


def echo(*rounds: list[bytes], optional: bool = False, lag: int = 0) -> Flow[list[bytes]]:
    seen: list[bytes] = []
    for data in rounds:
        seen += yield [EthCall(TARGET, item, optional=optional, lag_blocks=lag) for item in data]
    return seen


async def test_flows_share_one_batch_a_round_at_one_block_hash() -> None:
    wire = WireDouble()
    got = await node(wire).run([echo([b"a", b"b"], [b"c"]), echo([b"d"]), echo([b"e"], [b"f"], [b"g"])], BLOCK)
    assert got == [[b"a", b"b", b"c"], [b"d"], [b"e", b"f", b"g"]]
    at = {"blockHash": BLOCK.hash, "requireCanonical": True}
    assert wire.batches == [(at, 4), (at, 2), (at, 1)]


async def test_a_revert_ends_its_own_flow_alone() -> None:
    bad, empty, soft, good = await node(WireDouble()).run(
        [echo([b"dead"]), echo([b"none"]), echo([b"dead"], [b"x"], optional=True), echo([b"a"])], BLOCK
    )
    assert isinstance(bad, ReadReverted) and bad.data == b"why"
    assert isinstance(empty, ReadReverted) and "no contract" in str(empty)
    assert soft == [b"", b"x"] and good == [b"a"]


async def test_a_flow_that_chokes_on_an_answer_is_a_market_error() -> None:
    def chokes() -> Flow[int]:
        (data,) = yield [EthCall(TARGET, b"a")]
        return data[7]

    first, second = await node(WireDouble()).run([chokes(), echo([b"b"])], BLOCK)
    assert isinstance(first, MarketError) and "IndexError" in str(first)
    assert second == [b"b"]


async def test_lagged_reads_go_to_an_earlier_height_in_the_same_round() -> None:
    wire = WireDouble()
    await node(wire).run([echo([b"a"], lag=30), echo([b"b"])], BLOCK)
    assert sorted(str(at) for at, _ in wire.batches) == sorted(
        ["0x46", str({"blockHash": BLOCK.hash, "requireCanonical": True})]
    )


async def test_a_node_without_the_state_of_long_ago_ends_the_flows_that_ask_for_it() -> None:
    class Pruned(WireDouble):
        async def make_request(self, method: str, params: list[Any]) -> Any:
            if params[1] == "0x46":
                return {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "missing trie node"}}
            return await super().make_request(method, params)

    flows = [echo([b"a", b"b"], lag=30), echo([b"c"], lag=30, optional=True), echo([b"d"], lag=20), echo([b"e"])]
    gone, soft, kept, now = await node(Pruned()).run(flows, BLOCK)
    assert isinstance(gone, ReadReverted) and "the state of 30 blocks before: eth_call: missing trie node" in str(gone)
    assert (soft, kept, now) == ([b""], [b"d"], [b"e"])


async def test_a_batch_over_the_nodes_limit_is_halved() -> None:
    wire = WireDouble(limit=3)
    got = await node(wire).run([echo([bytes([65 + i]) for i in range(10)])], BLOCK)
    assert got == [[bytes([65 + i]) for i in range(10)]]
    assert max(size for _, size in wire.batches[1:] if size <= 3) <= 3


@pytest.mark.parametrize(
    "reply",
    [
        [],
        {"jsonrpc": "2.0"},
        {"result": 7},
        {"result": "0xzz"},
        {"result": "0x00"},
        RuntimeError("http://u:secretkey@h"),
    ],
)
async def test_nonsense_is_a_transient_error_that_never_shows_the_url(reply: Any) -> None:
    wire = WireDouble()
    wire.reply = reply
    with pytest.raises(TransientError) as caught:
        await node(wire).run([echo([b"a"])], BLOCK)
    assert "secretkey" not in str(caught.value) and "secretkey" not in repr(node(wire))


async def test_a_silent_node_times_out() -> None:
    class Silent(WireDouble):
        async def make_request(self, method: str, params: list[Any]) -> Any:
            await asyncio.sleep(5)

    with pytest.raises(TransientError, match="no whole answer"):
        await node(Silent()).block()


async def test_an_error_answer_keeps_code_and_revert_data() -> None:
    wire = WireDouble()
    wire.reply = {"error": {"code": 3, "message": "execution reverted", "data": "0x1234"}}
    with pytest.raises(NodeRefused) as caught:
        await node(wire).call(TARGET, b"")
    assert (caught.value.code, caught.value.data) == (3, b"\x12\x34")


async def test_a_node_of_another_chain_is_refused() -> None:
    wire = WireDouble()
    wire.reply = {"result": "0x1"}
    with pytest.raises(ConfigError, match="serves chain 1, not 31337"):
        await node(wire).verify_chain()


async def test_a_read_is_asked_again_but_a_send_never() -> None:
    class Flaky(WireDouble):
        asked = 0

        async def make_request(self, method: str, params: list[Any]) -> Any:
            self.asked += 1
            if self.asked < 3:
                raise ConnectionError
            return {"result": "0x7a69"}

    wire = Flaky()
    assert await node(wire, 30.0).request("eth_chainId", []) == "0x7a69"  # longer than any pause, on any machine
    assert wire.asked == 3
    wire = Flaky()
    with pytest.raises(TransientError):
        await node(wire).request("eth_sendRawTransaction", ["0x00"])
    assert wire.asked == 1
