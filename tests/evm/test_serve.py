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
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.kit import ROOT
from tests.kit.api.walk import every_example, remembered
from tests.kit.program import yieldbot
from yieldbot.sandbox.evm.node import Sandbox

END_SECONDS = 10.0


class Server:
    """A server and one key for it."""

    def __init__(self, process: subprocess.Popen[str], url: str, key: str) -> None:
        self.process, self.url, self.key = process, url, key

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
def serving(sandbox: Sandbox, *flags: str) -> Iterator[Server]:
    config = ("--config", sandbox.directory / "yieldbot.toml")
    made = yieldbot(*config, "--json", "key", "new", "all", "--scope", "read,plan,halt", cwd=ROOT).document
    words = [sys.executable, "-m", "yieldbot.cli.main", *map(str, config), "serve", "--port", "0", *flags]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ.copy())
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "listening at http://127.0.0.1:" in line, line
    try:
        yield Server(process, line.split()[2], made["key"])
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_what_it_answers_is_what_the_commands_answer(sandbox: Sandbox, tmp_path: Path) -> None:
    config = ("--config", sandbox.directory / "yieldbot.toml")
    wallet = yieldbot(*config, "--json", "positions", cwd=ROOT).document["jobs"][0]["wallet"]
    yieldbot(*config, "alert", "add", "wealth", wallet, "--above", "1", "--severity", "info", cwd=ROOT)
    market = remembered(sandbox)
    with serving(sandbox) as server:
        server.ready()
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

        done = yieldbot(*config, "--json", "approve", job["plan"]["id"], "--yes", cwd=ROOT)
        assert done.code == 0, done.err
        assert server.ask(f"/plans/{job['plan']['id']}")[1]["status"] == "executed"
        (later,) = server.ask("/alerts")[1]["items"]
        assert later["values"][0]["at"] > alert["values"][0]["at"], "measured by the command that ran too"
        sent = server.ask("/transactions")[1]["items"]
        assert sent and all(row["result"] == "confirmed" for row in sent)
        assert server.ask("/journal?limit=1")[1]["total"] > len(sent)
        ends_in_time(server)
    left = subprocess.run(["pgrep", "-f", "yieldbot.app.worker"], capture_output=True, text=True, check=False)
    assert [pid for pid in left.stdout.split() if parent(pid) == str(server.process.pid)] == []


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
