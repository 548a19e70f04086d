"""Many hostile connections at once: python -m tests.kit.api.flood HOW_MANY SECONDS, by `scripts/soak flood`.

It fails where the server ends, grows, no longer answers a caller that was let in, lets its jobs wait, or shuts others
out once the flood is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.kit import ROOT
from tests.kit.config.files import written
from yieldbot.access.caller import Scope
from yieldbot.access.ring import KeyRing

MOST_GROWTH_KB = 150_000
EVERY_SECONDS = 15
HEAD = b"POST /v1/quotes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
WRONG = b"Authorization: Bearer yb_00000000_" + b"x" * 43 + b"\r\n"
KINDS: dict[str, tuple[bytes, ...]] = {
    "silent": (),
    "dripping": (b"G", b"E", b"T", b" ", b"/"),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01" + b"\xff" * 300,),
    "huge head": (b"GET / HTTP/1.1\r\nX: " + b"x" * 60_000,),
    "wrong key": (b"GET /v1/markets HTTP/1.1\r\nHost: x\r\n" + WRONG + b"\r\n",),
    "deep JSON": (HEAD + WRONG + b"Content-Length: 60000\r\n\r\n" + b"[" * 60_000,),
    "no body": (HEAD + b"Content-Length: 60000\r\n\r\n",),
    "bad chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",),
}
"""What a connection sends, by its kind, part by part."""


async def flood(port: int, count: int, hold_seconds: float) -> Counter[str]:
    """Opens this many connections at the same time, of each kind in turn, and holds them: how often each ending came,
    as ``401``, ``closed`` (without an answer), ``open`` (still, after ``hold_seconds``) or ``refused``."""
    until = time.monotonic() + hold_seconds

    async def one(kind: str) -> str:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return "refused"
        try:
            for part in KINDS[kind]:
                writer.write(part)
                await asyncio.sleep(0.05 if len(KINDS[kind]) > 1 else 0.0)
            async with asyncio.timeout(max(0.1, until - time.monotonic())):
                answer = await reader.read(64)
            return answer.split()[1].decode() if answer.startswith(b"HTTP/1.1 ") else "closed"
        except TimeoutError:
            return "open"
        except OSError:
            return "closed"
        finally:
            writer.close()

    kinds = list(KINDS)
    return Counter(await asyncio.gather(*(one(kinds[number % len(kinds)]) for number in range(count))))


class Caller:
    """A caller over one connection that stays open."""

    def __init__(self, port: int, headers: str) -> None:
        self._port, self._headers = port, headers
        self._ways: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, path: str) -> tuple[int, bytes]:
        """(status, body) of a GET."""
        if self._ways is None:
            self._ways = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._ways
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{self._headers}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        return int(head.split()[1]), await reader.readexactly(int(length[1]) if length else 0)


def resident_kb(pid: int) -> int:
    """Memory of a process."""
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0])


async def against(port: int, pid: int, headers: str, count: int, seconds: float) -> dict[str, Any]:
    """Floods a server round after round; what was found, with ``faults``."""
    caller, faults, ends = Caller(port, headers), list[str](), Counter[str]()
    took, over = list[float](), asyncio.Event()

    async def runs() -> int:
        status, body = await caller.ask("/v1/metrics")
        assert status == 200
        return round(sum(float(one) for one in re.findall(rb'runs_total\{job="observe".*\} ([0-9.]+)', body)))

    async def ask() -> None:
        while not over.is_set():
            began = time.monotonic()
            status, _ = await caller.ask("/v1/halt")
            took.append(time.monotonic() - began)
            if status != 200:
                faults.append(f"a caller that was let in got {status}")
            await asyncio.sleep(0.5)

    before, done, began = resident_kb(pid), await runs(), time.monotonic()
    asking = asyncio.create_task(ask())
    while time.monotonic() - began < seconds and not asking.done():
        ends += await flood(port, count, min(25.0, max(5.0, seconds - (time.monotonic() - began))))
    over.set()
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await asking
    if asking.exception() is not None:
        faults.append(f"a caller that was let in is not answered: {asking.exception()!r}")
    else:
        due = int((time.monotonic() - began) / EVERY_SECONDS) - 1
        if (ran := await runs() - done) < due:
            faults.append(f"{ran} readings of at least {due}")
    grown = resident_kb(pid) - before
    if grown > MOST_GROWTH_KB:
        faults.append(f"it has grown by {grown} kB")
    until = time.monotonic() + 60
    while True:  # idle connections are closed after 20 s at most
        try:
            await Caller(port, headers).ask("/v1/halt")
            break
        except (OSError, asyncio.IncompleteReadError):
            if time.monotonic() > until:
                faults.append("a new caller is not let in after the flood")
                break
            await asyncio.sleep(0.5)
    return {
        "connections": sum(ends.values()), "ends": dict(ends), "asked": len(took), "worst_seconds": round(max(took), 2),
        "grown_kb": grown, "faults": faults,
    }  # fmt: skip


def main(count: int, seconds: float) -> int:
    """0: no fault."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if count > hard - 100:
        print(f"this process may open {hard} files: {hard - 100} connections at once", file=sys.stderr)
        count = hard - 100
    folder = Path(tempfile.mkdtemp(prefix="yb"))
    config = written(folder, env="TESTNET_RPC_URL=http://127.0.0.1:9\n")
    key, _ = KeyRing.of(folder / "data").new("flood", frozenset((Scope.READ,)), int(time.time()))
    words = ["--config", str(config), "serve", "--port", "0", "--observe-every", f"{EVERY_SECONDS}s"]
    log = folder / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "yieldbot.cli.main", *words], env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=file
        )
    try:
        until = time.monotonic() + 120
        while (found := re.search(r"listening at http://127.0.0.1:(\d+)", log.read_text())) is None:
            assert process.poll() is None and time.monotonic() < until, log.read_text()[-500:]
            time.sleep(0.1)
        headers = f"Authorization: Bearer {key}\r\n"
        result = asyncio.run(against(int(found[1]), process.pid, headers, count, seconds))
        if process.poll() is not None:
            result["faults"].append(f"the server ended: {log.read_text()[-300:]}")
    finally:
        process.terminate()
        process.wait(timeout=60)
    print(json.dumps(result))
    return 1 if result["faults"] else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2])))
