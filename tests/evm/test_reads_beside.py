"""Slots, code and logs: one batch a round, what nodes and providers refuse is read otherwise, and every way of reading
gives the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from eth_utils.crypto import keccak

from tests.faults.control import proxies
from tests.faults.provider import Provider, served
from yieldbot.chains.evm.node import beside
from yieldbot.chains.evm.node.anvil import Anvil, spawn, stop
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.node.quorum import Quorum
from yieldbot.errors import MarketError, NodeRefused
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.reads import (
    MOST_AT_ONCE,
    CodeAtBlock,
    CodeHead,
    EthCall,
    EthCode,
    EthCodeAtBlock,
    EthLogs,
    EthSlot,
    Flow,
    LogSpan,
    Read,
)
from yieldbot.rpc.endpoint import Endpoint
from yieldbot.sandbox.evm.artifacts import multicall3_bytecode

CHAIN = ChainId("eip155:31337")
MULTICALL3 = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
RICH = Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
NOBODY = Address("0x" + "5e" * 20)
MINIMAL = Address("0x" + "1c" * 20)
MINIMAL_CODE = bytes.fromhex("363d3d373d3d3d363d73" + "ab" * 20 + "5af43d82803e903d91602b57fd5bf3")
STORED = Address("0x" + "2d" * 20)
LOUD = Address("0x" + "3e" * 20)
TOPIC = b"\x77" * 32
LOUD_CODE = bytes.fromhex("7f" + TOPIC.hex() + "6000526020600020" + "7f" + TOPIC.hex() + "60206000a100")
"""PUSH32 topic, MSTORE 0; then LOG1(0, 32, topic) with a stray hash below."""


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anvil]:
    anvil = spawn(["--chain-id", "31337"], log=tmp_path_factory.mktemp("anvil") / "log", temporary=True)
    yield anvil
    stop(anvil.pid)


def reading(reads: Sequence[Read]) -> Flow[Sequence[bytes]]:
    return (yield reads)


async def read(node: Node, *reads: Read) -> Sequence[bytes]:
    (answer,) = await node.run([reading(reads)], await node.block())
    assert not isinstance(answer, MarketError), answer
    return answer


async def staged(node: Node) -> None:
    """Code, storage and twelve logs in as many blocks."""
    code = "0x" + multicall3_bytecode().removeprefix("0x")
    receipt = await mined(node, {"from": RICH, "data": code, "gas": hex(5_000_000)})
    helper = await node.request("eth_getCode", [receipt["contractAddress"], "latest"])
    await node.request("anvil_setCode", [MULTICALL3, helper])
    for address, put in ((MINIMAL, MINIMAL_CODE), (STORED, b"\x00"), (LOUD, LOUD_CODE)):
        await node.request("anvil_setCode", [address, "0x" + put.hex()])
    await node.request("anvil_setStorageAt", [STORED, "0x7", "0x" + "00" * 31 + "2a"])
    for _ in range(12):
        await mined(node, {"from": RICH, "to": LOUD, "gas": "0x30000"})


async def mined(node: Node, transaction: dict[str, str]) -> Any:
    name = await node.request("eth_sendTransaction", [transaction])
    while (receipt := await node.request("eth_getTransactionReceipt", [name])) is None:
        await asyncio.sleep(0.005)
    return receipt


def connected(url: str) -> Node:
    return Node(CHAIN, url, multicall3=MULTICALL3, timeout_seconds=25.0)


async def expected(node: Node) -> None:
    """Every kind of read, beside a call, in one round."""
    block = await node.block()
    logs = EthLogs((LOUD,), (TOPIC,), max(0, block.height - 11), block.height)
    code, nobody, key, slot, empty, called, found = await read(
        node,
        EthCode(MINIMAL),
        EthCode(NOBODY),
        EthCode(RICH),
        EthSlot(STORED, 7),
        EthSlot(STORED, 8),
        EthCall(MULTICALL3, bytes.fromhex("42cbb15c")),
        logs,
    )
    head = CodeHead.of(code)
    assert (head.hash, head.size, head.head) == (keccak(MINIMAL_CODE), 45, MINIMAL_CODE)
    assert CodeHead.of(nobody).size == CodeHead.of(key).size == 0
    assert CodeHead.of(key).hash == keccak(b"")
    assert (int.from_bytes(slot, "big"), int.from_bytes(empty, "big")) == (42, 0)
    assert int.from_bytes(called, "big") == block.height
    span = LogSpan.decoded(found)
    assert len(span.logs) == 12 and span.cut == "" and span.since == logs.first
    assert [log.block for log in span.logs] == sorted(log.block for log in span.logs)
    assert all(log.topics == (TOPIC,) and log.address.lower() == LOUD.lower() for log in span.logs)


async def test_one_batch_beside_one_call_a_round(upstream: Anvil) -> None:
    async with connected(upstream.url) as node:
        await staged(node)
        await expected(node)
        before = node.round_trips
        await read(node, EthCode(MINIMAL), EthSlot(STORED, 7), EthCall(MULTICALL3, bytes.fromhex("42cbb15c")))
        assert node.round_trips - before == 3, "the block, the batch, the aggregate"


async def test_hundreds_of_codes_are_few_requests_and_the_hashes_of_the_code(upstream: Anvil) -> None:
    async with connected(upstream.url) as node:
        await staged(node)
        many = [Address(f"0x{n:040x}") for n in range(0x1000, 0x1000 + 400)] + [MINIMAL, MULTICALL3, LOUD]
        block = await node.block()
        before = node.round_trips
        answers = await read(node, *(EthCode(at) for at in many))
        assert node.round_trips - before == 2
        for at, answer in zip(many, answers, strict=True):
            code = await node.code(at, block) if at in (MINIMAL, MULTICALL3, LOUD) else b""
            head = CodeHead.of(answer)
            assert (head.size, head.head) == (len(code), code[:64])
            assert head.hash == keccak(code) if code else head.hash in (keccak(b""), b"\0" * 32)


async def test_a_provider_without_batches_creations_or_ranges_gives_the_same(upstream: Anvil) -> None:
    async with connected(upstream.url) as real:
        await staged(real)

        def refuse(method: str, params: list[Any]) -> tuple[int, int, str] | None:
            if method == "eth_call" and "to" not in params[0]:
                return 400, -32602, "a call needs a to"
            return None

        async def hand_on(method: str, params: list[Any]) -> Any:
            return await real.request(method, params)

        lacking = Provider(answer=hand_on, refuse=refuse, blocks=5)
        async with served(lacking) as provider, connected(provider.url) as node:
            await expected(node)
            await expected(node)
        assert provider.asked["eth_getCode"] == 6 and provider.asked["eth_getStorageAt"] == 4
        assert max(size for what, size, given in provider.sizes if what == "eth_getLogs" and given) <= 5


async def test_what_is_refused_is_lost_alone_and_a_node_that_refuses_all_is_named(upstream: Anvil) -> None:
    async with connected(upstream.url) as real:
        await staged(real)

        async def hand_on(method: str, params: list[Any]) -> Any:
            return await real.request(method, params)

        def one(method: str, params: list[Any]) -> tuple[int, int, str] | None:
            return (200, -32000, "no such slot") if method == "eth_getStorageAt" and params[1] == "0x9" else None

        async with served(Provider(answer=hand_on, refuse=one)) as provider, connected(provider.url) as node:
            found = await read(node, EthSlot(STORED, 7), EthSlot(STORED, 9, optional=True), EthCode(MINIMAL))
            assert int.from_bytes(found[0], "big") == 42 and found[1] == b"" and CodeHead.of(found[2]).size == 45
            (lost,) = await node.run([reading([EthSlot(STORED, 9)])], await node.block())
            assert isinstance(lost, MarketError) and "refuses this read" in str(lost)

        def every(method: str, params: list[Any]) -> tuple[int, int, str] | None:
            return (200, -32000, "archive") if method == "eth_getStorageAt" else None

        async with served(Provider(answer=hand_on, refuse=every)) as provider, connected(provider.url) as node:
            with pytest.raises(NodeRefused, match="archive"):
                await read(node, *(EthSlot(STORED, n, optional=True) for n in range(20)))


async def test_endpoints_vote_on_batches_and_a_liar_is_left_out(upstream: Anvil) -> None:
    async with connected(upstream.url) as node:
        await staged(node)
    with proxies(upstream.url, 3) as started:
        started.honest()
        endpoints = [Endpoint(url, timeout_seconds=25.0, setting="TEST_RPC_URL") for url in started.urls]
        async with Quorum(CHAIN, endpoints, multicall3=MULTICALL3, quorum=2) as quorum:
            await expected(quorum)
            assert quorum.left_out == ()
            started.set(0, kinds=["refuse_429"], methods=["eth_getStorageAt"])
            await expected(quorum)
            assert [host for host, _ in quorum.left_out] in ([], [endpoints[0].host])
            started.set(0)
            started.set(2, kinds=["wrong_state"], methods=["eth_getStorageAt"])
            await expected(quorum)
            ((host, why),) = quorum.left_out
            assert host == endpoints[2].host and "says otherwise than 2 others about batch" in why


@pytest.mark.parametrize("quorum", [1, 2])
async def test_a_past_that_is_refused_or_slow_leaves_the_others_answered(upstream: Anvil, quorum: int) -> None:
    async with connected(upstream.url) as node:
        await staged(node)
        block = await node.block()
        there, empty, late = await read(
            node,
            EthCodeAtBlock((MULTICALL3, NOBODY), block.height),
            EthCodeAtBlock((MULTICALL3,), 0),
            EthCodeAtBlock((LOUD,), 10**9),
        )
        assert CodeAtBlock.of(there, 2) == CodeAtBlock(block.timestamp, (True, False))
        assert CodeAtBlock.of(late, 1) is None and CodeAtBlock.of(empty, 2) is None
        logs = EthLogs((LOUD,), (TOPIC,), 0, block.height, optional=True, past_parts=2)
        assert len(LogSpan.decoded((await read(node, logs))[0]).logs) >= 12

        async def hand_on(method: str, params: list[Any]) -> Any:
            return await node.request(method, params)

        def old(method: str, params: list[Any]) -> tuple[int, int, str] | None:
            pruned = method == "eth_getLogs" or (method == "eth_call" and isinstance(params[1], str))
            return (200, -32000, "missing trie node") if pruned and "to" not in params[0] else None

        lacking = Provider(answer=hand_on, refuse=old)
        async with served(lacking) as provider:
            ends = [Endpoint(url, timeout_seconds=25.0, setting="X") for url in (provider.url, upstream.url)]
            node_ = Quorum(CHAIN, ends[:quorum], multicall3=MULTICALL3, quorum=quorum)
            async with node_:
                found = await read(
                    node_, EthSlot(STORED, 7), EthCodeAtBlock((LOUD,), block.height), logs, EthCode(MINIMAL)
                )
        assert int.from_bytes(found[0], "big") == 42 and CodeHead.of(found[3]).size == 45
        span = LogSpan.decoded(found[2])
        assert found[1] == b"" and (span.logs, span.since) == ((), block.height + 1) and span.cut


def test_the_creation_of_the_past_stays_within_what_chains_allowed_once() -> None:
    code = beside.creation_of_past([f"0x{n:040x}" for n in range(MOST_AT_ONCE)])
    assert len(code) < 24_576


def test_the_creation_stays_within_what_chains_allow() -> None:
    code = beside.creation([f"0x{n:040x}" for n in range(beside.CODES)])
    assert len(code) < 49_152 and 32 + 128 * beside.CODES < 24_576
