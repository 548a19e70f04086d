"""`yieldbot serve` as a process beside a sandbox: what it answers is what the commands answer, and it ends in time."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.faults.control import Proxies, proxies
from tests.kit import ROOT
from tests.kit.api.walk import every_example, remembered
from tests.kit.notify.servers import http_service
from tests.kit.program import yieldbot
from yieldbot.sandbox.evm.node import Sandbox

END_SECONDS = 10.0


class Server:
    """A server and one key for it."""

    def __init__(self, process: subprocess.Popen[str], url: str, key: str) -> None:
        self.process, self.url, self.key = process, url, key
        self.lines: list[dict[str, Any]] = []
        """What it wrote to stderr, once it has ended: JSON objects."""

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, Any, dict[str, str]]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        asked = Request(self.url + path, method=method, headers={"Authorization": f"Bearer {self.key}"} | named)
        try:
            with urlopen(asked, timeout=120) as answer:
                body, status, shown = answer.read(), answer.status, dict(answer.headers)
        except HTTPError as refused:
            body, status, shown = refused.read(), refused.code, dict(refused.headers)
        return status, json.loads(body) if body else None, shown

    def ready(self) -> None:
        until = time.monotonic() + 120
        while self.ask("/ready")[0] != 204:
            assert time.monotonic() < until and self.process.poll() is None
            time.sleep(0.2)


@contextmanager
def failing_endpoint(sandbox: Sandbox) -> Iterator[Proxies]:
    """The configuration's endpoint from now on, which answers nothing as yet."""
    file = sandbox.directory / ".env"
    with proxies(sandbox.rpc_url, 1) as found:
        found.set(0, kinds=["error_500"])
        file.write_text(file.read_text().replace(sandbox.rpc_url, found.urls[0]))
        yield found


def begins_without_its_endpoint(sandbox: Sandbox, server: Server, endpoint: Proxies) -> None:
    """It lives, says that it reads nothing, and reads once the endpoint answers."""
    config, until = sandbox.directory / "yieldbot.toml", time.monotonic() + 120
    while not server.ask("/health")[1]["failing"]:
        assert time.monotonic() < until and server.process.poll() is None
        time.sleep(0.1)
    assert server.ask("/ready")[0] == 503 and server.ask("/plans")[0] == 200
    assert endpoint.set(0)["error_500"] > 0
    config.write_text(config.read_text() + '\n[serve]\nobserve = "1h"\n')
    server.process.send_signal(signal.SIGHUP)  # a job with another interval begins at once
    server.ready()


@contextmanager
def serving(sandbox: Sandbox, *flags: str, collector: str) -> Iterator[Server]:
    config = ("--config", sandbox.directory / "yieldbot.toml")
    made = yieldbot(*config, "--json", "key", "new", "all", "--scope", "read,plan,halt", cwd=ROOT).document
    words = [sys.executable, "-m", "yieldbot.cli.main", *map(str, config), "--log-format", "json"]
    environment = os.environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector}
    process = subprocess.Popen(
        [*words, "serve", "--port", "0", *flags], stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )
    assert process.stderr is not None
    first = json.loads(process.stderr.readline())
    assert "listening at http://127.0.0.1:" in first["message"], first
    server = Server(process, first["message"].split()[2], made["key"])
    taken = list[str]()
    reader = Thread(target=taken.extend, args=(process.stderr,))
    reader.start()
    try:
        yield server
    finally:
        process.terminate()
        process.wait(timeout=60)
        reader.join()
        server.lines = [json.loads(line) for line in taken]


def test_what_it_answers_is_what_the_commands_answer(sandbox: Sandbox, tmp_path: Path) -> None:
    config = ("--config", sandbox.directory / "yieldbot.toml")
    wallet = yieldbot(*config, "--json", "positions", cwd=ROOT).document["jobs"][0]["wallet"]
    yieldbot(*config, "alert", "add", "wealth", wallet, "--above", "1", "--severity", "info", cwd=ROOT)
    market = remembered(sandbox)
    with (
        failing_endpoint(sandbox) as endpoint,
        http_service() as collector,
        serving(sandbox, collector=collector.url) as server,
    ):
        begins_without_its_endpoint(sandbox, server, endpoint)
        (alert,) = server.ask("/alerts")[1]["items"]
        assert alert["stands"] and alert["values"][0]["value"] > 1
        told = yieldbot(*config, "--json", "markets", cwd=ROOT).document["jobs"][0]["markets"]
        status, page, _ = server.ask("/markets?limit=500")
        assert status == 200 and [row["id"] for row in page["items"]] == [row["id"] for row in told]
        for row, one in zip(page["items"], told, strict=True):
            assert {name: row[name] for name in ("supplied", "quoted_apy", "safety", "flags")} == {
                name: one[name] for name in ("supplied", "quoted_apy", "safety", "flags")
            }

        made = every_example(sandbox, server.url, market, tmp_path)
        (job,) = made["jobs"]
        assert job["declined"]["code"] == "QUEUED"
        status, plans, _ = server.ask("/plans?status=queued")
        assert [plan["id"] for plan in plans["items"]] == [job["plan"]["id"]]
        assert server.ask("/transactions")[1]["items"] == [], "it signs nothing"

        flags = ("--json", "--log-format", "json")
        done = yieldbot(*config, *flags, "approve", job["plan"]["id"], "--yes", cwd=ROOT)
        assert done.code == 0, done.err
        assert server.ask(f"/plans/{job['plan']['id']}")[1]["status"] == "executed"
        (later,) = server.ask("/alerts")[1]["items"]
        assert later["values"][0]["at"] > alert["values"][0]["at"], "measured by the command that ran too"
        sent = server.ask("/transactions")[1]["items"]
        assert sent and all(row["result"] == "confirmed" for row in sent)
        assert server.ask("/journal?limit=1")[1]["total"] > len(sent)
        runs = server.ask("/runs?limit=500")[1]["items"]
        (id,) = (
            run["id"] for run in runs if run["command"] == "run" and run["jobs"][0]["plan_id"] == job["plan"]["id"]
        )
        ends_in_time(server)
    one_id_leads_from_the_request_to_the_transactions(id, server.lines, done.err)
    one_trace_has_every_stage(id, collector.requests)
    left = subprocess.run(["pgrep", "-f", "yieldbot.app.worker"], capture_output=True, text=True, check=False)
    assert [pid for pid in left.stdout.split() if parent(pid) == str(server.process.pid)] == []


def one_id_leads_from_the_request_to_the_transactions(id: str, lines: list[dict[str, Any]], approved: str) -> None:
    """The server's and its worker's lines have the request's id; those of the command that approves name it as the
    origin."""
    events = {line["event"] for line in lines if line.get("id") == id}
    assert {"answered", "observed", "planned", "rehearsed", "declined"} <= events, events
    own = [json.loads(line) for line in approved.splitlines()]
    sent = [line for line in own if line["event"] == "ended"]
    assert sent and all(line["origin"] == id and line["hash"].startswith("0x") for line in sent)
    assert len({line["id"] for line in own}) == 1 and own[0]["id"] != id


def one_trace_has_every_stage(id: str, taken: list[tuple[str, dict[str, str], bytes]]) -> None:
    """What a collector of OpenTelemetry got, parsed by the classes that the protocol's own package makes."""
    spans, services = list[Any](), set[str]()
    for path, _, body in taken:
        assert path == "/v1/traces"
        for found in ExportTraceServiceRequest.FromString(body).resource_spans:
            services |= {one.value.string_value for one in found.resource.attributes if one.key == "service.name"}
            spans += [span for scope in found.scope_spans for span in scope.spans]
    assert services == {"yieldbot-serve", "yieldbot-worker"}
    (request,) = (one for one in spans if one.name == "POST /v1/plans" and id in str(one.attributes))
    trace = {one.name: one for one in spans if one.trace_id == request.trace_id}
    assert {"worker queue", "queue", "cycle", "observe", "rehearse"} <= trace.keys()
    ids = {one.span_id: one for one in trace.values()}
    assert ids[ids[ids[trace["rehearse"].parent_span_id].parent_span_id].parent_span_id].name == "worker queue"


def ends_in_time(server: Server) -> None:
    """It is told to end while it makes a plan."""
    host, port = server.url.removeprefix("http://").removesuffix("/v1").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = (
            "POST /v1/plans HTTP/1.1",
            "Host: x",
            f"Authorization: Bearer {server.key}",
            "Idempotency-Key: a-wish-1",
        )
        connection.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
        time.sleep(0.7)
        assert server.ask("/health")[0] == 200, "it answers others meanwhile"
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=60) == 0 and time.monotonic() - began < END_SECONDS


def parent(pid: str) -> str | None:
    """The parent of a process; None: it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    except OSError:
        return None
