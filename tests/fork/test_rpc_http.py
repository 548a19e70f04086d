"""Servers on this machine that misbehave as web servers do: no answer may cost more memory or time than stated."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.unit.cli.program import yieldbot
from tests.unit.config.test_config_load import written
from yieldbot.errors import HttpRefused, NodeRefused, TransientError
from yieldbot.model.ids import Address, ChainId
from yieldbot.rpc import evm
from yieldbot.rpc.evm import MAX_ANSWER_BYTES, EvmNode

CHAIN = ChainId("eip155:31337")
MULTICALL = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def served(answer: Answer, seconds: float = 10.0) -> AsyncIterator[tuple[EvmNode, list[int]]]:
    """A node whose every connection is answered by ``answer``, and a list that grows by one with each connection."""
    asked: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(1)
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}/v2/SECRETKEY"
    where = ".env: TEST_RPC_URL"
    async with EvmNode(CHAIN, url, multicall3=MULTICALL, timeout_seconds=seconds, setting=where) as node:
        yield node, asked
    server.close()


async def for_ever(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"\r\n")
    while True:
        writer.write(b"{" * 2**16)
        await writer.drain()


async def drips(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


def fails(status: int) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} Because\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())

    return answer


async def test_an_endless_answer_ends_at_its_limit() -> None:
    async with served(for_ever) as (node, asked):
        with pytest.raises(TransientError, match=r"more than 32 MiB: correct \.env: TEST_RPC_URL"):
            await node.request("eth_chainId", [])
    assert len(asked) == 1, "what is too long once is not asked for again"


async def test_an_endless_answer_ends_at_the_timeout_where_that_is_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evm, "MAX_ANSWER_BYTES", 2**40)
    async with served(for_ever, seconds=0.5) as (node, _):
        began = time.monotonic()
        with pytest.raises(TransientError, match=r"no whole answer to eth_sendRawTransaction in 0\.5 s"):
            await node.request("eth_sendRawTransaction", ["0x00"])
        assert time.monotonic() - began < 3


async def test_an_answer_near_the_limit_is_read() -> None:
    size = MAX_ANSWER_BYTES - 1000
    body = b'{"jsonrpc":"2.0","id":0,"result":"0x' + b"a" * size + b'"}'

    async def long(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async with served(long) as (node, _):
        assert len(await node.request("eth_getCode", [MULTICALL, "latest"])) == size + 2


async def test_an_answer_that_drips_costs_two_timeouts_at_most_and_the_line_says_so() -> None:
    async with served(drips, seconds=0.5) as (node, asked):
        began = time.monotonic()
        with pytest.raises(
            TransientError, match=r"no whole answer to eth_chainId in 0\.5 s \(2 tries in 1(\.\d+)? s\)"
        ):
            await node.request("eth_chainId", [])
        assert time.monotonic() - began < 3
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("status", "tries", "remedy"),
    [
        (401, 1, "correct the key in .env: TEST_RPC_URL"),
        (403, 1, "correct the key in .env: TEST_RPC_URL"),
        (404, 1, "correct .env: TEST_RPC_URL"),
        (429, 3, "the limit of the provider in .env: TEST_RPC_URL is reached: wait, or use another"),
        (500, 3, "the provider in .env: TEST_RPC_URL has a fault: try later, or use another"),
        (503, 3, "the provider in .env: TEST_RPC_URL has a fault: try later, or use another"),
    ],
)
async def test_an_http_error_is_told_with_its_status_and_remedy(status: int, tries: int, remedy: str) -> None:
    async with served(fails(status)) as (node, asked):
        with pytest.raises(HttpRefused) as caught:
            await node.request("eth_chainId", [])
    said = str(caught.value)
    assert f"answered eth_chainId with HTTP {status}" in said and said.endswith(f": {remedy}")
    assert caught.value.status == status and "SECRETKEY" not in said
    assert len(asked) == tries and ("(3 tries in " in said) == (tries == 3)


async def test_a_nodes_own_error_is_no_http_error() -> None:
    body = b'{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"header not found"}}'

    async def refuses(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async with served(refuses) as (node, asked):
        with pytest.raises(NodeRefused, match="header not found"):
            await node.request("eth_chainId", [])
    assert len(asked) == 1


async def test_check_says_which_variable_to_correct(tmp_path: Path) -> None:
    async with served(fails(401)) as (node, _):
        path = written(tmp_path, env=f"TESTNET_RPC_URL={node.url}\n")
        ended = await asyncio.to_thread(yieldbot, "--config", path, "--json", "check", cwd=tmp_path)
    (row,) = [row for row in ended.document["checks"] if row["what"] == "chain testnet"]
    assert row["said"] == "127.0.0.1 answered eth_chainId with HTTP 401"
    assert row["remedy"] == "correct the key in TESTNET_RPC_URL in .env" and "SECRETKEY" not in ended.out


async def test_requests_side_by_side_share_one_connection_that_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    body = b'{"jsonrpc":"2.0","id":0,"result":"0x7a69"}'

    async def answers(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async with served(answers) as (node, _):
        assert await asyncio.gather(*(node.request("eth_chainId", []) for _ in range(5))) == ["0x7a69"] * 5
    del node
    gc.collect()
    assert "Unclosed" not in caplog.text
