"""Servers on this machine that misbehave as web servers do: no answer may cost more memory or time than stated."""

import asyncio
import gc
import json
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.kit.config.files import written
from tests.kit.program import yieldbot
from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import HttpRefused, NodeRefused, TransientError
from yieldbot.model.ids import Address, ChainId
from yieldbot.rpc import provider
from yieldbot.rpc.provider import MAX_ANSWER_BYTES

CHAIN = ChainId("eip155:31337")
MULTICALL = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"

Answer = Callable[[asyncio.StreamWriter, int], Awaitable[None]]


@asynccontextmanager
async def served(answer: Answer, seconds: float = 10.0) -> AsyncIterator[tuple[Node, list[int]]]:
    """A node whose every connection is answered by ``answer``, and a list that grows by one with each connection."""
    asked: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(1)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head.lower())
            asked_id = json.loads(await reader.readexactly(int(length[1]) if length else 0))["id"]
            await answer(writer, asked_id)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}/v2/SECRETKEY"
    where = ".env: TEST_RPC_URL"
    async with Node(CHAIN, url, multicall3=MULTICALL, timeout_seconds=seconds, setting=where) as node:
        yield node, asked
    server.close()


async def for_ever(writer: asyncio.StreamWriter, asked_id: int) -> None:
    writer.write(HEAD + b"\r\n")
    while True:
        writer.write(b"{" * 2**16)
        await writer.drain()


async def drips(writer: asyncio.StreamWriter, asked_id: int) -> None:
    writer.write(HEAD + b"Content-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


def fails(status: int) -> Answer:
    async def answer(writer: asyncio.StreamWriter, asked_id: int) -> None:
        writer.write(f"HTTP/1.1 {status} Because\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())

    return answer


async def test_an_endless_answer_ends_at_its_limit() -> None:
    async with served(for_ever) as (node, asked):
        with pytest.raises(TransientError, match=r"more than 32 MiB: correct \.env: TEST_RPC_URL"):
            await node.request("eth_chainId", [])
    assert len(asked) == 1, "what is too long once is not asked for again"


async def test_an_endless_answer_ends_at_the_timeout_where_that_is_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "MAX_ANSWER_BYTES", 2**40)
    async with served(for_ever, seconds=0.5) as (node, _):
        began = time.monotonic()
        with pytest.raises(TransientError, match=r"no whole answer to eth_sendRawTransaction in 0\.5 s"):
            await node.request("eth_sendRawTransaction", ["0x00"])
        assert time.monotonic() - began < 3


DEEP = """
import asyncio, http.server, threading
from eth_account import Account
from yieldbot.errors import TransientError
from yieldbot.rpc.endpoint import Endpoint

class Deep(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        body = b"[" * 200_000
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass

async def ask(port):
    endpoint = Endpoint(f"http://127.0.0.1:{port}")
    try:
        await endpoint.request("eth_chainId", [])
    except TransientError as told:
        print(told)
    await endpoint.aclose()

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Deep)
threading.Thread(target=server.serve_forever, daemon=True).start()
asyncio.run(ask(server.server_address[1]))
"""


def test_an_answer_that_nests_without_end_kills_nobody() -> None:
    """In a process of its own, which a decoder that overflows its stack takes with it."""
    ended = subprocess.run([sys.executable, "-c", DEEP], capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr[-300:]
    assert "cannot be used for eth_chainId: its answer cannot be read (3 tries" in ended.stdout


async def test_an_answer_near_the_limit_is_read() -> None:
    size = MAX_ANSWER_BYTES - 1000
    body = b'{"jsonrpc":"2.0","id":0,"result":"0x' + b"a" * size + b'"}'

    async def long(writer: asyncio.StreamWriter, asked_id: int) -> None:
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

    async def refuses(writer: asyncio.StreamWriter, asked_id: int) -> None:
        writer.write(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async with served(refuses) as (node, asked):
        with pytest.raises(NodeRefused, match="header not found"):
            await node.request("eth_chainId", [])
    assert len(asked) == 1


async def test_check_says_which_variable_to_correct(tmp_path: Path) -> None:
    async with served(fails(401)) as (node, _):
        path = written(tmp_path, env=f"TESTNET_RPC_URL={node.endpoint.url}\n")
        ended = await asyncio.to_thread(yieldbot, "--config", path, "--json", "check", cwd=tmp_path)
    (row,) = [row for row in ended.document["checks"] if row["what"] == "chain testnet"]
    assert row["said"] == f"{node.host} answered eth_chainId with HTTP 401"
    assert row["remedy"] == "correct the key in .env: TESTNET_RPC_URL" and "SECRETKEY" not in ended.out


async def test_requests_side_by_side_share_one_connection_that_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    async def answers(writer: asyncio.StreamWriter, asked_id: int) -> None:
        body = b'{"jsonrpc":"2.0","id":%d,"result":"0x7a69"}' % asked_id
        writer.write(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async with served(answers) as (node, _):
        assert await asyncio.gather(*(node.request("eth_chainId", []) for _ in range(5))) == ["0x7a69"] * 5
    del node
    gc.collect()
    assert "Unclosed" not in caplog.text


async def test_an_answer_to_another_question_is_no_answer() -> None:
    async def stale(writer: asyncio.StreamWriter, asked_id: int) -> None:
        body = b'{"jsonrpc":"2.0","id":%d,"result":"0x1"}' % (asked_id - 1)
        writer.write(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async with served(stale) as (node, asked):
        with pytest.raises(TransientError, match=r"answered eth_chainId with another question's answer \(3 tries"):
            await node.request("eth_chainId", [])
    assert len(asked) == 3


def limited(retry_after: str) -> Answer:
    async def answer(writer: asyncio.StreamWriter, asked_id: int) -> None:
        wait = f"Retry-After: {retry_after}\r\n"
        writer.write(f"HTTP/1.1 429 Many\r\n{wait}Content-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())

    return answer


async def test_retry_after_is_waited_for_where_there_is_time() -> None:
    async with served(limited("1")) as (node, asked):
        began = time.monotonic()
        with pytest.raises(HttpRefused, match="HTTP 429"):
            await node.request("eth_chainId", [])
    assert len(asked) == 3 and time.monotonic() - began > 1.9


@pytest.mark.parametrize("retry_after", ["300", "Fri, 01 Jan 2100 00:00:00 GMT"])
async def test_a_long_retry_after_ends_the_tries_at_once_and_for_the_next_questions_too(retry_after: str) -> None:
    async with served(limited(retry_after)) as (node, asked):
        for expected in ("HTTP 429", "asked to be left alone for"):
            with pytest.raises(HttpRefused, match=expected):
                await node.request("eth_chainId", [])
    assert len(asked) == 1


async def test_an_unreadable_retry_after_is_as_none() -> None:
    async with served(limited("soon")) as (node, asked):
        with pytest.raises(HttpRefused, match="HTTP 429"):
            await node.request("eth_chainId", [])
    assert len(asked) == 3
