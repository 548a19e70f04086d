"""How long ``yieldbot serve`` takes to answer while a run is in progress, against a bare FastAPI route with the same
JSON behind the same uvicorn settings; ``scripts/bench api``.

The server is the real program on a sandbox, and is asked for plans one after the other all the while, each rehearsed on
a fork by a worker process. Requests are sent from a process of their own at times that were fixed before, over
connections that stay open; a latency is counted from the planned time, so that a server that stalls is charged for all
who would have asked meanwhile. Sides take turns in one run, and share the machine with the same work.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.kit import ROOT
from tests.kit.program import yieldbot
from yieldbot.sandbox import running_sandbox

ROUTES = ("markets", "positions", "plans", "grades")
RATE, CONNECTIONS = 100, 16  # requests a second, of all routes together
ASKED_MS = 50.0  # the 95th percentile that must not be passed
MORE = 40_000 * 10**6
"""Base units of USDC that come to the wallet after its first deposits, so that each later plan moves money."""
SIDES = {
    "yieldbot": "yieldbot serve",
    "not_modified": "its 304 to If-None-Match",
    "bare": "a bare FastAPI route, its JSON made before",
}


def parser() -> argparse.ArgumentParser:
    """Flags of ``scripts/bench api``."""
    made = argparse.ArgumentParser(prog="scripts/bench api", description=__doc__)
    made.add_argument("--seconds", type=int, default=10, help="seconds of each side in a round")
    made.add_argument("--rounds", type=int, default=3, help="rounds; each has every side once")
    return made


async def load(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Send requests at their times: rows of (route, status, milliseconds since the planned time), and how late each
    request was begun. A connection that breaks ends it with an error."""
    host, port = asked["host"].split(":")
    idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        idle.put_nowait(await asyncio.open_connection(host, int(port)))
    tags: dict[str, str] = {}
    clock = asyncio.get_running_loop().time
    begin, late = clock() + 0.5, list[float]()

    async def one(at: float, route: str) -> tuple[str, int, float]:
        await asyncio.sleep(max(0.0, at - clock()))
        late.append((clock() - at) * 1000)
        reader, writer = connection = await idle.get()
        more = f"If-None-Match: {tags[route]}\r\n" if asked["validators"] and route in tags else ""
        head = f"GET /v1/{route} HTTP/1.1\r\nHost: {asked['host']}\r\nAuthorization: Bearer {asked['key']}\r\n"
        writer.write(f"{head}{more}\r\n".encode())
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        await reader.readexactly(int(headers.get("content-length", "0")))
        took = (clock() - at) * 1000
        tags[route] = headers.get("etag", "")
        idle.put_nowait(connection)
        return route, int(first.split()[1]), took

    routes = itertools.cycle(ROUTES)
    planned = [one(begin + n / RATE, next(routes)) for n in range(asked["seconds"] * RATE)]
    return {"rows": await asyncio.gather(*planned), "late": late}


def loaded(side: str, host: str, key: str, seconds: int) -> dict[str, Any]:
    """What the generator found of one side."""
    asked = {"host": host, "key": key, "seconds": seconds, "validators": side == "not_modified"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.api", "load"],
        input=json.dumps(asked), capture_output=True, text=True, cwd=ROOT, check=True,
    )  # fmt: skip
    return dict(json.loads(done.stdout))


async def bare(bodies: Mapping[str, str]) -> int:
    """A FastAPI application with nothing but routes for these bodies, run by the very code that runs ours."""
    from fastapi import FastAPI, Response

    from yieldbot.api import running
    from yieldbot.app.schedule import every
    from yieldbot.app.serve import ServeRequest
    from yieldbot.model.timing import Serving

    app = FastAPI()

    def add(route: str, raw: bytes) -> None:
        @app.get(f"/v1/{route}")
        async def answer() -> Response:
            return Response(raw, media_type="application/json")

    for route, body in bodies.items():
        add(route, body.encode())

    async def nothing() -> None:
        return None

    settings = SimpleNamespace(serving=Serving(jobs={}, jitter_seconds=None, heartbeat_env=None))
    context = SimpleNamespace(say=say, complain=say, settings=settings)
    service: Any = SimpleNamespace(  # what the code that runs a server needs of its service
        context=context, close=nothing, events=SimpleNamespace(most=100), read_at=1, signer=None,
        jobs=SimpleNamespace(work=lambda name: nothing), write_due_audit=nothing,
    )  # fmt: skip
    return await running._serve(service, ServeRequest(port=0), app, (every("nothing", 86_400, nothing),))


@contextmanager
def listening(log: Path, *words: str) -> Iterator[str]:
    """A server as a process of its own that listens at a free port: its host and port."""
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, "-m", *words], stderr=file, cwd=ROOT, env=os.environ.copy())
    try:
        until = time.monotonic() + 120
        while "listening at " not in (said := log.read_text()):
            assert process.poll() is None and time.monotonic() < until, said[-500:]
            time.sleep(0.1)
        yield said.split("listening at http://")[1].split("/")[0]
    finally:
        process.terminate()
        process.wait(timeout=60)


@contextmanager
def planning(host: str, key: str) -> Iterator[list[float]]:
    """Asks for one plan after the other meanwhile: how long each took. Each must be rehearsed."""
    took, failures, ended = list[float](), list[str](), threading.Event()

    def work() -> None:
        while not ended.is_set() and not failures:
            headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": secrets.token_hex(16)}
            began = time.monotonic()
            try:
                with urlopen(Request(f"http://{host}/v1/plans", method="POST", headers=headers), timeout=300) as answer:
                    (job,) = json.load(answer)["jobs"]
                assert (job["declined"] or {}).get("code") == "QUEUED", job["plan"]
                took.append(time.monotonic() - began)
            except (OSError, ValueError, AssertionError) as failure:
                failures.append(str(failure)[:300])

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield took
    finally:
        ended.set()
        thread.join()
    assert not failures, f"a plan was not rehearsed: {failures[0]}"


def got(host: str, path: str, key: str) -> str | None:
    """The body of an answer; None: it was refused."""
    asked = Request(f"http://{host}/v1/{path}", headers={"Authorization": f"Bearer {key}"})
    try:
        with urlopen(asked, timeout=60) as answer:
            return str(answer.read().decode())
    except HTTPError:
        return None


def figures(found: Sequence[Mapping[str, Any]], status: int, route: str = "") -> dict[str, Any]:
    """Milliseconds of the answers with this status, of all rounds together."""
    rows = [row for one in found for row in one["rows"] if route in row[0]]
    took = [ms for _, code, ms in rows if code == status]
    assert len(took) >= 50, f"only {len(took)} of {len(rows)} answers have status {status}: measure for longer"
    steps = statistics.quantiles(took, n=100, method="inclusive")
    late = statistics.quantiles((ms for one in found for ms in one["late"]), n=100)[94]
    return {
        "requests": len(rows), "answers": len(took), "failed": sum(code not in (200, 304) for _, code, _ in rows),
        "p50_ms": round(steps[49], 2), "p95_ms": round(steps[94], 2), "p99_ms": round(steps[98], 2),
        "most_ms": round(max(took), 2), "begun_late_p95_ms": round(late, 2),
    }  # fmt: skip


def say(line: str) -> None:
    """A line of progress."""
    print(line, file=sys.stderr, flush=True)


def compare(seconds: int = 10, rounds: int = 3) -> dict[str, Any]:
    """The table, printed on stderr, as a document."""
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="yieldbot-bench-")))
        sandbox = stack.enter_context(running_sandbox(folder / "sandbox", say))
        config = ("--config", str(sandbox.config))

        def answered(*words: str) -> Any:
            done = yieldbot(*config, "--json", *words, cwd=ROOT)
            assert done.code in (0, 3), f"{words[0]} ended with {done.code}: {done.err[-500:]}"
            return done.document

        waits = answered("run", "--approve", "queue")["jobs"][0]["plan"]["id"]
        answered("approve", waits, "--yes")  # so that there are positions
        mint = "0x40c10f19" + sandbox.wallet[2:].lower().rjust(64, "0") + f"{MORE:064x}"
        anybody = sandbox.rpc("eth_accounts")[0]
        sandbox.rpc("eth_sendTransaction", {"from": anybody, "to": sandbox.addresses["usdc"], "data": mint})
        reader, planner = (answered("key", "new", one, "--scope", one)["key"] for one in ("read", "plan"))
        serve = ("yieldbot.cli.main", *config, "serve", "--port", "0", "--observe-every", "1m")
        host = stack.enter_context(listening(folder / "serve.log", *serve))
        while got(host, "markets", reader) is None:  # its first reading
            time.sleep(0.5)
        plans = stack.enter_context(planning(host, planner))
        for turn in range(rounds):
            bodies = {route: got(host, route, reader) for route in ROUTES}
            (folder / "bodies.json").write_text(json.dumps(bodies))
            with listening(folder / "bare.log", "tests.bench.api", "bare", str(folder / "bodies.json")) as other:
                for side in sorted(SIDES, reverse=bool(turn % 2)):
                    found[side].append(loaded(side, other if side == "bare" else host, reader, seconds))
            say(f"round {turn + 1} of {rounds}: {len(plans)} plans so far")
    table = {side: figures(found[side], 304 if side == "not_modified" else 200) for side in SIDES}
    say(f"\n{RATE} requests a second, a run in progress         p50 ms  p95 ms  p99 ms  most ms  answers   failed")
    for side, row in table.items():
        shown = "".join(f"{row[one]:>8.1f}" for one in ("p50_ms", "p95_ms", "p99_ms", "most_ms"))
        say(f"{SIDES[side]:<45}{shown}{row['answers']:>10}{row['failed']:>9}")
    ours = table["yieldbot"]
    return {
        "requests_a_second": RATE, "connections": CONNECTIONS, "cores": os.cpu_count(), "plans": len(plans),
        "plan_seconds_median": round(statistics.median(plans), 2),
        "bytes": {route: len(body or "") for route, body in bodies.items()}, **table,
        "p95_ms_by_route": {route: figures(found["yieldbot"], 200, route)["p95_ms"] for route in ROUTES},
        "p95_to_bare": round(ours["p95_ms"] / table["bare"]["p95_ms"], 2),
        "p95_ms_by_round": [figures([one], 200)["p95_ms"] for one in found["yieldbot"]],
        "most_p95_ms": ASKED_MS, "within": ours["p95_ms"] < ASKED_MS and not ours["failed"],
    }  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1] == "load":
        print(json.dumps(asyncio.run(load(json.load(sys.stdin)))))
    else:
        sys.exit(asyncio.run(bare(json.loads(Path(sys.argv[2]).read_text()))))
