"""Connections at a real socket: one that waits without an end is closed, and none keeps others out."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import resource
import signal
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request

from tests.bench import api as bench
from tests.kit.api.flood import Caller, flood, resident_kb
from tests.kit.api.served import Served
from tests.kit.notify.servers import certificate
from tests.unit.app.test_overview import Quiet, context
from yieldbot.api import connections, server, tls
from yieldbot.api.connections import Connection, room
from yieldbot.api.problems import Problem
from yieldbot.api.tls import behind_tls
from yieldbot.app.schedule import Schedule, every

__all__ = ["context"]


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
ONCE = ASKED.replace(b"Host", b"Connection: close\r\nHost")


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
        assert (await said(port, b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000)).startswith(b"HTTP/1.1 400"), "a long head"
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


async def test_a_new_caller_takes_the_place_of_an_idle_connection_of_whoever_has_the_most() -> None:
    async with listening(app, most=6) as port:
        friend = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
        friend[1].write(ASKED)
        assert (await friend[0].readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        idle = [await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.3", 0)) for _ in range(5)]
        await asyncio.sleep(0.1)
        assert (await said(port, ONCE)).startswith(b"HTTP/1.1 200"), "it is let in at once"
        assert await _ended(idle[0][0]), "in place of the oldest of five idle ones"
        more = [await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.3", 0)) for _ in range(20)]
        assert all(await asyncio.gather(*(_ended(reader) for reader, _ in (*idle[1:], *more[:14]))))
        friend[1].write(ASKED)
        assert (await friend[0].readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200"), "who has one keeps it"
        for _, writer in (*idle, *more, friend):
            writer.close()


async def test_where_every_connection_is_being_answered_one_more_is_closed() -> None:
    going = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await going.wait()
        await app(scope, receive, send)

    async with listening(slow, most=3) as port:
        asked = [asyncio.create_task(said(port, ONCE)) for _ in range(3)]
        await asyncio.sleep(0.2)
        assert await said(port, ONCE) == b"", "none of the three gives way"
        going.set()
        for one in asked:
            assert (await one).startswith(b"HTTP/1.1 200")


async def test_a_flood_of_hostile_connections_keeps_no_job_waiting(
    context: Quiet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sample; `scripts/soak flood` opens 10,000 against the real program."""
    monkeypatch.setattr(connections, "IDLE_SECONDS", 3.0)
    monkeypatch.setattr(server, "BODY_SECONDS", 1.0)
    served = Served(context)
    headers = "".join(f"{name}: {value}\r\n" for name, value in served.key("read").items())
    begun = list[float]()

    async def work() -> None:
        begun.append(time.monotonic())

    async with listening(served.app, most=60) as port:
        caller = Caller(port, headers)
        assert (await caller.ask("/v1/halt"))[0] == 200
        before = resident_kb(os.getpid())
        jobs = asyncio.create_task(Schedule(context.complain).run((every("tick", 0.2, work),)))
        flooding = asyncio.create_task(flood(port, 400, 5.0))
        answers = list[int]()
        while not flooding.done():
            answers.append((await caller.ask("/v1/halt"))[0])
            await asyncio.sleep(0.2)
        ends = await flooding
        jobs.cancel()
        assert set(answers) == {200} and len(answers) > 1, "who was let in is answered all along"
        assert ends.total() == 400 and not ends["open"] and ends["closed"] > 300, ends
        assert ends["400"] and set(ends) <= {"closed", "400", "401", "408", "413", "429", "431"}, ends
        gaps = [after - one for one, after in itertools.pairwise(begun)]
        assert len(begun) > 3 and max(gaps) < 5.0, gaps
        assert resident_kb(os.getpid()) - before < 50_000
        assert (await Caller(port, headers).ask("/v1/halt"))[0] == 200, "and there is room afterwards"
    assert not [line for line in context.lines if "bug" in line]


async def test_the_bench_compares_with_a_server_that_answers(capsys: pytest.CaptureFixture[str]) -> None:
    """`scripts/bench api`: its bare side is run by the code that runs ours."""
    running = asyncio.create_task(bench.bare({"markets": '{"items":[]}'}))
    said_so = ""
    async with asyncio.timeout(60):
        while "listening at http://127.0.0.1:" not in said_so:
            assert not running.done(), running
            await asyncio.sleep(0.02)
            said_so += capsys.readouterr().err
        port = int(said_so.split("127.0.0.1:")[1].split("/")[0])
        asking = asyncio.create_task(Caller(port, "").ask("/v1/markets"))
        await asyncio.wait({running, asking}, return_when=asyncio.FIRST_COMPLETED)
        assert asking.done() and asking.result() == (200, b'{"items":[]}'), running
        os.kill(os.getpid(), signal.SIGTERM)
        assert await running == 0


def test_half_of_the_files_are_left_for_work(monkeypatch: pytest.MonkeyPatch) -> None:
    for limits, most in (((1024, 1024), 512), ((120, 120), 60), ((10, 10), 8), ((-1, -1), connections.MOST)):
        monkeypatch.setattr(resource, "getrlimit", lambda kind, limits=limits: limits)
        assert room() == most
    asked = list[Any]()
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1024, 100_000))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: asked.append(limits))
    assert room() == connections.MOST and asked == [(connections.FILES, 100_000)]
