"""Providers as they are: errors inside HTTP errors, limits of plans, archive state that is not sold. Real HTTP on the
loopback; the provider is a labelled double (tests/faults/provider.py)."""

from __future__ import annotations

import asyncio
import base64
import gc
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from eth_abi import decode, encode

from tests.faults.provider import KEY, Provider, Refusal, served
from tests.kit.config.files import written
from tests.kit.program import yieldbot
from yieldbot.chains.evm.logs import read_logs
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.node.quorum import Quorum
from yieldbot.chains.solana.node.client import Node as SvmNode
from yieldbot.errors import HttpRefused, NodeRefused, ReadReverted, TransientError
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.reads import EthCall, Flow, SvmAccount
from yieldbot.rpc import endpoint as endpoint_module
from yieldbot.rpc.endpoint import Endpoint

CHAIN, SVM = ChainId("eip155:31337"), ChainId("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp")
MULTICALL = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
TARGET = Address("0x" + "11" * 20)
BLOCK = BlockRef(CHAIN, 100, "0x" + "ab" * 32, 1_700_000_000)
SETTING = ".env: TEST_RPC_URL"
PROGRAM = Address("1" * 32)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_module, "PAUSE_SECONDS", 0.01)


def echoes(method: str, params: list[Any]) -> Any:
    """A node double: aggregate3 echoes its calls' data, logs are one a block, accounts hold their own address."""
    if method == "eth_call":
        (calls,) = decode(["(address,bool,bytes)[]"], bytes.fromhex(params[0]["data"][10:]))
        return "0x" + encode(["(bool,bytes)[]"], [[(True, data) for _, _, data in calls]]).hex()
    if method == "eth_getLogs":
        first, last = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
        return [{"blockNumber": hex(height)} for height in range(first, last + 1)]
    if method == "getMultipleAccounts":
        images = [
            {"lamports": 1, "owner": PROGRAM, "data": [base64.b64encode(a.encode()).decode()], "executable": False}
            for a in params[0]
        ]
        return {"context": {"slot": 7}, "value": images}
    return "0x7a69"


def evm(provider: Provider, seconds: float = 10.0) -> Node:
    return Node(CHAIN, provider.url, multicall3=MULTICALL, timeout_seconds=seconds, setting=SETTING)


def svm(provider: Provider) -> SvmNode:
    return SvmNode(SVM, provider.url, setting=SETTING)


def asks(*data: bytes, lag: int = 0, optional: bool = False) -> Flow[list[bytes]]:
    found = yield [EthCall(TARGET, one, optional=optional, lag_blocks=lag) for one in data]
    return list(found)


def holds(*addresses: Address) -> Flow[list[bytes]]:
    found = yield [SvmAccount(one, PROGRAM) for one in addresses]
    return list(found)


def address(number: int) -> Address:
    from solders.pubkey import Pubkey

    return Address(str(Pubkey.from_bytes(number.to_bytes(32, "big"))))


def always(refusal: Refusal) -> Callable[[str, list[Any]], Refusal | None]:
    return lambda method, params: refusal


CASES = [
    (400, -32602, "range 1000000 exceeds limit of 10000", 1),
    (403, -32002, "archive state is not in your plan", 1),
    (413, -32614, "eth_getLogs is limited to a 5 range", 1),
    (429, -32005, "query returned more than 10000 results", 1),
    (500, -32000, "missing trie node", 3),
    (503, -32603, "state histories have not been generated yet", 3),
    (500, 3, "execution reverted: no", 1),
]


@pytest.mark.parametrize(("status", "code", "words", "tries"), CASES)
@pytest.mark.parametrize("family", [evm, svm])
async def test_the_body_of_an_http_error_says_what_is_refused(
    family: Any, status: int, code: int, words: str, tries: int
) -> None:
    provider = Provider(echoes, refuse=always((status, code, f"{words} ({KEY})")))
    async with served(provider), family(provider) as node:
        with pytest.raises(NodeRefused) as caught:
            await node.request("eth_call" if family is evm else "getSlot", [])
    refusal, said = caught.value, str(caught.value)
    assert (refusal.code, refusal.status) == (code, status) and words in said and KEY not in said
    assert f"HTTP {status}" in said and (code == 3 or SETTING in said), "the remedy beside the node's words"
    assert sum(provider.asked.values()) == tries


BUSY = [
    (429, -32005, "project ID request rate exceeded"),
    (429, 429, "Your app has exceeded its compute units per second capacity"),
    (429, -32007, "50/second request limit reached - reduce calls per second"),
    (429, 429, "Too many requests for a specific RPC call"),
    (200, -32005, "exceeded project rate limit"),
    (200, -32016, "over rate limit"),
    (429, -32000, "no"),
]


@pytest.mark.parametrize("busy", BUSY)
@pytest.mark.parametrize("family", [evm, svm])
async def test_who_is_asked_too_often_is_asked_again_later_and_nothing_is_made_smaller(
    family: Any, busy: Refusal
) -> None:
    provider = Provider(echoes, refuse=always(busy))
    async with served(provider), family(provider) as node:
        with pytest.raises(HttpRefused) as caught:
            await node.request("eth_call" if family is evm else "getSlot", [])
        assert caught.value.status == 429 and busy[2] in str(caught.value)
        assert f"the limit of the provider in {SETTING} is reached" in str(caught.value)
        assert sum(provider.asked.values()) == 3
        if family is evm:
            with pytest.raises(HttpRefused):
                await node.run([asks(*(bytes([n]) for n in range(40)))], BLOCK)
            assert sum(provider.asked.values()) == 6


@pytest.mark.parametrize("family", [evm, svm])
async def test_words_that_are_no_json_rpc_reach_the_user_too(family: Any) -> None:
    from aiohttp import web

    async def refuses(_: web.Request) -> web.Response:
        return web.json_response({"message": f"API key {KEY} is not allowed here"}, status=403)

    provider = Provider(echoes)
    provider.serve = refuses  # type: ignore[method-assign]
    async with served(provider), family(provider) as node:
        with pytest.raises(HttpRefused) as caught:
            await node.request("eth_chainId" if family is evm else "getSlot", [])
    assert "HTTP 403 (API key … is not allowed here): correct the key" in str(caught.value)


@pytest.mark.parametrize("most", [5, 10, 500, 2_000, 10_000])
@pytest.mark.parametrize("status", [400, 413, 200])
async def test_blocks_of_events_are_asked_for_in_parts_that_are_served_and_the_size_is_remembered(
    most: int, status: int
) -> None:
    provider = Provider(echoes, status=status, blocks=most)
    last = 20 * most
    async with served(provider), evm(provider) as node:
        read = await read_logs(node, [{"topics": []}], 1, last)
        heights = sorted(int(log["blockNumber"], 16) for log in read.logs[0])
        assert heights == list(range(1, last + 1)) and read.cut is None, "none is lost, none is twice"
        given = [size for _, size, ok in provider.sizes if ok]
        assert max(given) >= most * 7 // 8, "near to what it takes"
        assert len(provider.sizes) <= 45, "and soon found"
        provider.sizes.clear()
        async with evm(provider) as again:  # the next job's node, in the same run
            await read_logs(again, [{"topics": []}], 1, last)
        assert not [size for _, size, ok in provider.sizes if not ok and size > most * 5 // 4]
        assert len(provider.sizes) <= 26


async def test_a_node_that_forgets_old_events_is_no_node_of_small_sizes() -> None:
    def old(method: str, params: list[Any]) -> Refusal | None:
        return (403, -32000, "history is pruned") if int(params[0]["fromBlock"], 16) < 5_000 else None

    provider = Provider(echoes, refuse=old)
    async with served(provider), evm(provider) as node:
        read = await read_logs(node, [{"topics": []}], 0, 20_000)
        assert read.since == 5_000 and read.cut is not None and "history is pruned" in read.cut
        provider.asked.clear()
        assert (await read_logs(node, [{"topics": []}], 6_000, 20_000)).since == 6_000
        assert provider.asked["eth_getLogs"] <= 8


async def test_a_provider_of_five_blocks_is_not_asked_for_a_whole_chain() -> None:
    provider = Provider(lambda method, params: [], blocks=5)
    async with served(provider), evm(provider) as node:
        read = await read_logs(node, [{"topics": []}], 0, 20_000_000, most_parts=100)
        assert read.cut is not None and "serves few blocks at a time" in read.cut
        assert provider.asked["eth_getLogs"] <= 100


@pytest.mark.parametrize("most", [5, 100])
@pytest.mark.parametrize("status", [413, 400, 200])
async def test_accounts_are_asked_for_in_parts_that_are_served(most: int, status: int) -> None:
    provider = Provider(echoes, status=status, accounts=most)
    wanted = [address(n) for n in range(233)]
    async with served(provider), svm(provider) as node:
        slot, found = await node.accounts_at(wanted)
        assert slot == 7 and [one.data.decode() if one else "" for one in found] == wanted
        refused = [size for _, size, ok in provider.sizes if not ok]
        assert len(refused) <= 8
        provider.sizes.clear()
        (again,) = await node.run([holds(*wanted)], BLOCK.__class__(SVM, 7, "x", 1))
        assert isinstance(again, list) and len(again) == 233
        sizes = [size for _, size, ok in provider.sizes]
        assert all(ok for _, _, ok in provider.sizes) and max(sizes) == most, "remembered"


async def test_an_account_that_is_refused_by_itself_costs_its_market() -> None:
    bad = address(3)

    def refuse(method: str, params: list[Any]) -> Refusal | None:
        return (403, -32010, "this account is not indexed") if bad in params[0] else None

    provider = Provider(echoes, refuse=refuse)
    async with served(provider), svm(provider) as node:
        flows = [holds(address(1), address(2)), holds(bad), holds(*(address(n) for n in range(10, 40)))]
        first, second, third = await node.run(flows, BlockRef(SVM, 7, "x", 1))
    assert isinstance(first, list) and isinstance(third, list) and len(third) == 30
    assert isinstance(second, ReadReverted) and "this account is not indexed" in str(second)


@pytest.mark.parametrize("most", [1, 7, 100])
async def test_an_aggregate_is_made_as_small_as_it_is_served_and_the_size_remembered(most: int) -> None:
    provider = Provider(echoes, reads=most)
    data = [n.to_bytes(2, "big") for n in range(1, 300)]
    async with served(provider), evm(provider) as node:
        assert await node.run([asks(*data)], BLOCK) == [data]
        provider.sizes.clear()
        assert await node.run([asks(*data)], BLOCK) == [data]
        assert all(size <= 2 * most for _, size, _ in provider.sizes), "not asked for all of it again"
        assert len([1 for _, _, ok in provider.sizes if not ok]) <= 4


async def test_a_call_that_is_refused_by_itself_costs_its_market_and_not_the_chain() -> None:
    def refuse(method: str, params: list[Any]) -> Refusal | None:
        poison = b"poison".hex() in params[0]["data"]
        return (403, -32000, "this contract is not served by your plan") if poison else None

    provider = Provider(echoes, refuse=refuse)
    async with served(provider), evm(provider) as node:
        good = [n.to_bytes(2, "big") for n in range(1, 60)]
        first, bad, last = await node.run([asks(*good), asks(b"poison"), asks(b"z")], BLOCK)
    assert first == good and last == [b"z"]
    assert isinstance(bad, ReadReverted) and "not served by your plan" in str(bad)


@pytest.mark.parametrize("plain", [False, True])
async def test_archive_state_that_the_plan_lacks_costs_what_asks_for_it(plain: bool) -> None:
    from aiohttp import web

    def refuse(method: str, params: list[Any]) -> Refusal | None:
        return (403, -32002, "archive requests need a paid plan") if params[1] == "0x46" else None

    provider = Provider(echoes, refuse=refuse)
    if plain:  # a web server's 403, in no words of a node
        provider._error = lambda number, refusal: web.Response(status=403, text=refusal[2])  # type: ignore[method-assign]
    async with served(provider), evm(provider) as node:
        flows = [asks(b"a", b"b", lag=30), asks(b"c", lag=30, optional=True), asks(b"d", lag=20), asks(b"e")]
        gone, soft, kept, now = await node.run(flows, BLOCK)
    assert isinstance(gone, ReadReverted) and "archive requests need a paid plan" in str(gone)
    assert (soft, kept, now) == ([b""], [b"d"], [b"e"])
    assert provider.asked["eth_call"] <= 4


async def test_a_node_that_refuses_all_is_left_soon() -> None:
    provider = Provider(echoes, refuse=always((400, -32000, "not today")))
    async with served(provider), evm(provider) as node:
        with pytest.raises(NodeRefused, match="not today"):
            await node.run([asks(*(n.to_bytes(2, "big") for n in range(3000)))], BLOCK)
    assert provider.asked["eth_call"] <= 30, "not each of 3,000 reads by itself"


async def test_a_quorum_of_different_plans_reads_in_parts_that_all_serve() -> None:
    small, large = Provider(echoes, reads=10, blocks=5), Provider(echoes)
    async with served(small), served(large):
        endpoints = [Endpoint(one.url, setting=SETTING) for one in (small, large)]
        node = Quorum(CHAIN, endpoints, multicall3=MULTICALL, quorum=2)
        async with node:
            data = [n.to_bytes(2, "big") for n in range(1, 60)]
            assert await node.run([asks(*data)], BLOCK) == [data]
            read = await read_logs(node, [{"topics": []}], 1, 60)
            assert len(read.logs[0]) == 60 and node.left_out == ()


async def test_nothing_stays_open_when_one_of_many_requests_fails(caplog: pytest.LogCaptureFixture) -> None:
    """The others would end after the node was closed, and open its connection again."""

    async def slowly(method: str, params: list[Any]) -> Any:
        if provider.asked["eth_call"] > 1:
            await asyncio.sleep(0.2)
        return "nonsense"

    def others_fail(method: str, params: list[Any]) -> Refusal | None:
        return (503, -32000, "no backend") if provider.asked["eth_call"] > 4 else None

    provider = Provider(slowly, refuse=others_fail)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        async with served(provider):
            node = evm(provider)
            with pytest.raises(TransientError):
                async with node:
                    await node.run([asks(b"a"), *(asks(b"b", lag=5 + n) for n in range(8))], BLOCK)
            await asyncio.sleep(0.5)
            assert node.endpoint._provider is None, "no request outlived the run"
            assert [t for t in asyncio.all_tasks() if t is not asyncio.current_task() and "yieldbot" in repr(t)] == []
        del node
        gc.collect()
    assert "Unclosed" not in caplog.text and not [one for one in warned if "nclosed" in str(one.message)]


@contextmanager
def silent() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def take() -> None:
            try:
                while True:
                    kept.append(server.accept()[0])
            except OSError:
                return

        threading.Thread(target=take, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        for one in kept:
            one.close()
        server.shutdown(socket.SHUT_RDWR)


def test_a_run_whose_node_hangs_ends_and_the_next_one_can_begin(tmp_path: Path) -> None:
    with silent() as url:
        path = written(tmp_path, env=f"TESTNET_RPC_URL={url}\n")
        text = path.read_text()
        path.write_text(
            text.replace("[policy]", "[policy]\nrun_timeout_seconds = 1")
            if "[policy]" in text
            else text + "\n[policy]\nrun_timeout_seconds = 1\n"
        )
        for _ in range(2):
            began = time.monotonic()
            ended = yieldbot("--config", path, "dry-run", cwd=tmp_path)
            assert ended.code == 1 and "1 s (policy.run_timeout_seconds) have passed; it was at: " in ended.err
            assert "another run" not in ended.err and "nclosed" not in ended.err
            assert time.monotonic() - began < 100


async def test_check_tells_the_nodes_own_words_beside_the_remedy(tmp_path: Path) -> None:
    provider = Provider(echoes, refuse=always((403, -32052, "this network is not enabled for your app")))
    async with served(provider):
        path = written(tmp_path, env=f"TESTNET_RPC_URL={provider.url}\n")
        (tmp_path / ".env").chmod(0o600)
        ended = await asyncio.to_thread(yieldbot, "--config", path, "--json", "check", cwd=tmp_path)
    (row,) = [row for row in ended.document["checks"] if row["what"].startswith("chain testnet")]
    assert "this network is not enabled for your app (code -32052, HTTP 403)" in row["said"]
    assert "TESTNET_RPC_URL" in row["remedy"] and KEY not in ended.out + ended.err


async def test_what_a_provider_refuses_is_not_taken_for_a_contracts_word() -> None:
    """A position whose owner cannot be asked for is not burnt."""
    from yieldbot.chains.evm.liquidity.position_ids import _is_ours

    for status, code, burnt in ((403, -32002, False), (200, 3, True), (500, 3, True)):
        provider = Provider(echoes, refuse=always((status, code, "no")))
        async with served(provider), evm(provider) as node:
            if burnt:
                assert await _is_ours(node, TARGET, 7, TARGET, BLOCK) is False
            else:
                with pytest.raises(NodeRefused, match="no"):
                    await _is_ours(node, TARGET, 7, TARGET, BLOCK)
