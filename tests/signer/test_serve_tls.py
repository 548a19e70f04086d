"""A server for other machines: TLS at a real socket, its certificate replaced while it runs, and an end in time."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import time
from pathlib import Path

import pytest

from tests.kit.api.served import Served
from tests.kit.notify.servers import certificate
from tests.unit.app.test_overview import Quiet, context
from yieldbot.api import running
from yieldbot.app.serve import ServeRequest
from yieldbot.app.workers import WorkerFailed

__all__ = ["context"]


async def shown(port: int, file: Path) -> tuple[bytes, bytes]:
    """(the certificate in use, the status line that a caller without a key gets). file: who is trusted."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=ssl.create_default_context(cafile=str(file)))
    writer.write(b"GET /v1/markets HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    line = await reader.readline()
    writer.close()
    return found, line


async def until(server: asyncio.Task[int], context: Quiet, words: str) -> str:
    """The first line with these words."""
    async with asyncio.timeout(60):
        while not (found := [line for line in context.lines if words in line]):
            assert not server.done(), (server, context.lines)
            await asyncio.sleep(0.01)
    return found[0]


async def test_the_certificate_is_read_again_when_its_files_change_and_the_end_is_in_time(
    context: Quiet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        certificate(tmp_path / name)
    files = tmp_path / "cert.pem", tmp_path / "cert.key"

    def put(name: str, *suffixes: str) -> None:
        for file, suffix in zip(files, (".pem", ".key"), strict=True):
            if suffix in suffixes:
                part = file.with_suffix(f"{file.suffix}.part")
                part.write_bytes((tmp_path / name / f"127.0.0.1{suffix}").read_bytes())
                part.replace(file)

    put("first", ".pem", ".key")
    monkeypatch.setattr(running, "RELOAD_SECONDS", 0.01)
    served = Served(context)
    served.answers = {"newest": WorkerFailed("no endpoint answers")}
    request = ServeRequest(host="0.0.0.0", port=0, certificate=files[0], certificate_key=files[1])
    server = asyncio.create_task(running.serve(served.service, request))
    port = int((await until(server, context, "listening at https://0.0.0.0:")).split(":")[2].partition("/")[0])
    trusted = {name: tmp_path / name / "127.0.0.1.pem" for name in ("first", "second")}
    first, refused = await shown(port, trusted["first"])
    assert b" 401 " in refused, "it asks for a key"
    put("second", ".pem")  # its key is not written yet
    await until(server, context, "the new TLS certificate cannot be used: SSLError: the one before stays in use")
    assert (await shown(port, trusted["first"]))[0] == first
    put("second", ".key")
    await until(server, context, "the TLS certificate is read again")
    second, _ = await shown(port, trusted["second"])
    assert second != first
    with pytest.raises(ssl.SSLCertVerificationError):
        await shown(port, trusted["first"])
    began = time.monotonic()
    os.kill(os.getpid(), signal.SIGTERM)
    assert await server == 0 and time.monotonic() - began < 10
    with pytest.raises(OSError):
        await shown(port, trusted["second"])
