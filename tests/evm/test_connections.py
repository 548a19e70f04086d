"""Connections at a real socket: one that waits without an end is closed, and none keeps others out."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request

from tests.kit.notify.servers import certificate
from yieldbot.api import connections, server, tls
from yieldbot.api.connections import Connection, room
from yieldbot.api.problems import Problem
from yieldbot.api.tls import behind_tls


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers 200 once the body was checked."""
    try:
        await server._check_body(Request(scope, receive))
    except Problem as problem:
        await problem.response()(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


ASKED = b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n"


@contextlib.asynccontextmanager
async def listening(application: Any, most: int = 100, secret: tuple[Path, Path] | None = None) -> AsyncIterator[int]:
    """secret: files of a certificate and its key, for TLS."""
    made = type("Few", (Connection,), {"most": most})
    file, key = secret or (None, None)
    config = uvicorn.Config(
        application, port=0, http=made, lifespan="off", log_config=None, ssl_certfile=file, ssl_keyfile=key
    )
    config.load()
    behind_tls(config, most)
    one = uvicorn.Server(config)
    task = asyncio.create_task(one.serve())
    while not one.started:
        await asyncio.sleep(0.01)
    try:
        yield one.servers[0].sockets[0].getsockname()[1]
    finally:
        one.should_exit = one.force_exit = True
        await task


async def said(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """What comes back until the server ends the connection, for parts that are sent with pauses."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(ConnectionError):
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
    found = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(5.0):
            found = await reader.read(-1)
    writer.close()
    return found


@pytest.fixture
def secret(tmp_path: Path) -> tuple[Path, Path]:
    file, _ = certificate(tmp_path)
    return file, tmp_path / "127.0.0.1.key"


async def over_tls(port: int, file: Path, *parts: bytes, most: ssl.TLSVersion | None = None) -> bytes:
    """As ``said``, over TLS. most: the newest version that the caller speaks."""
    context = ssl.create_default_context(cafile=str(file))
    if most is not None:
        context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, most
        context.set_ciphers("ALL:@SECLEVEL=0")
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    for part in parts:
        writer.write(part)
        await writer.drain()
    found = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return found


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_answers_come_over_tls_at_once_and_in_pieces(secret: tuple[Path, Path], version: ssl.TLSVersion) -> None:
    async with listening(app, secret=secret) as port:
        assert (await over_tls(port, secret[0], ASKED, most=version)).startswith(b"HTTP/1.1 200")
        pieces = [bytes([one]) for one in ASKED]
        assert (await over_tls(port, secret[0], *pieces, most=version)).startswith(b"HTTP/1.1 200")
        every = await asyncio.gather(*(over_tls(port, secret[0], ASKED, most=version) for _ in range(30)))
        assert all(one.startswith(b"HTTP/1.1 200") for one in every)


async def test_old_versions_plain_text_and_callers_who_leave_are_refused(secret: tuple[Path, Path]) -> None:
    async with listening(app, secret=secret) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await over_tls(port, secret[0], ASKED, most=ssl.TLSVersion.TLSv1_1)
        assert b"HTTP" not in await said(port, ASKED)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.transport.abort()
        assert (await over_tls(port, secret[0], ASKED)).startswith(b"HTTP/1.1 200")


async def test_handshakes_that_never_end_are_counted_and_ended(
    secret: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "HANDSHAKE_SECONDS", 1.0)
    async with listening(app, most=20, secret=secret) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(60)]
        closed = await asyncio.gather(*(_ended(reader) for reader, _ in silent))
        assert all(closed), "those beyond the limit at once, the others when their time is over"
        assert (await over_tls(port, secret[0], ASKED)).startswith(b"HTTP/1.1 200")
        for _, writer in silent:
            writer.close()


async def test_real_callers_get_in_while_handshakes_that_never_end_flood(
    secret: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "MOST_HANDSHAKES", 5)
    async with listening(app, secret=secret) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(30)]
        assert (await over_tls(port, secret[0], ASKED)).startswith(b"HTTP/1.1 200")
        assert all(await asyncio.gather(*(_ended(reader) for reader, _ in silent[:20]))), "the oldest make room"
        for _, writer in silent:
            writer.close()


async def _ended(reader: asyncio.StreamReader) -> bool:
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(30.0):
            return await reader.read(1) == b""
    return True


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.3)
    monkeypatch.setattr(server, "BODY_SECONDS", 0.3)


@pytest.mark.usefixtures("soon")
async def test_a_connection_that_sends_no_whole_request_is_closed() -> None:
    async with listening(app) as port:
        assert await said(port) == b""
        assert await said(port, *(bytes([one]) for one in ASKED), pause=0.05) == b""
        assert (await said(port, ASKED)).startswith(b"HTTP/1.1 200"), "and an answered one that asks no more"
        assert (await said(port, ASKED, b"GET", pause=0.1)).count(b"HTTP/1.1 ") == 1


@pytest.mark.usefixtures("soon")
async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    head = b"PUT /v1/halt HTTP/1.1\r\nHost: x\r\n"
    async with listening(app) as port:
        for more in (b"Content-Length: 50\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"):
            answer = await said(port, head + more)
            assert answer.startswith(b"HTTP/1.1 408") and b"TOO_SLOW" in answer


@pytest.mark.usefixtures("soon")
async def test_a_caller_that_takes_no_answer_is_left() -> None:
    ended = asyncio.Event()

    async def large(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(200):
            await send({"type": "http.response.body", "body": b"x" * 200_000, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        ended.set()

    async with listening(large) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
        writer.write(ASKED)
        async with asyncio.timeout(5.0):
            await ended.wait()
        assert ended.is_set() and not writer.is_closing(), "the server gave up, and not the caller"
        writer.close()


async def test_idle_connections_keep_nobody_out_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 1.0)
    async with listening(app, most=5) as port:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        await asyncio.sleep(0.1)
        assert await said(port, ASKED) == b"", "there is no room"
        await asyncio.sleep(1.2)
        assert (await said(port, ASKED)).startswith(b"HTTP/1.1 200")
        for _, writer in idle:
            writer.close()


def test_half_of_the_files_are_left_for_work(monkeypatch: pytest.MonkeyPatch) -> None:
    for limits, most in (((1024, 1024), 512), ((120, 120), 60), ((10, 10), 8), ((-1, -1), connections.MOST)):
        monkeypatch.setattr(resource, "getrlimit", lambda kind, limits=limits: limits)
        assert room() == most
    asked = list[Any]()
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1024, 100_000))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: asked.append(limits))
    assert room() == connections.MOST and asked == [(connections.FILES, 100_000)]
