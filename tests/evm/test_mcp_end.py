"""`yieldbot mcp` that is asked to end in the middle of a request leaves no process behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.kit import ROOT
from tests.kit.config.files import written


def children(of: int) -> list[int]:
    """The processes that a process has started and that have not ended."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if parent == str(of) and state != "Z":
                found.append(int(entry.name))
    return found


def alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_sigterm_in_the_middle_of_a_request_ends_the_worker_too(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and answers nothing
        config = written(tmp_path, env=f"TESTNET_RPC_URL=http://127.0.0.1:{silent.getsockname()[1]}\n")
        words = [sys.executable, "-m", "yieldbot.cli.main", "--config", str(config), "mcp"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(words, cwd=ROOT, text=True, **pipes)  # type: ignore[call-overload]
        try:
            hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
            call = {"name": "list_markets", "arguments": {}}
            for message in (
                {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
                {"jsonrpc": "2.0", "method": "notifications/initialized"},
                {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call},
            ):
                process.stdin.write(json.dumps(message) + "\n")
                process.stdin.flush()
            silent.settimeout(90)
            silent.accept()  # the worker asks the node
            (worker,) = children(process.pid)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 130
            until = time.monotonic() + 60
            while alive(worker) and time.monotonic() < until:
                time.sleep(0.02)
            assert not alive(worker)
        finally:
            if process.poll() is None:
                for pid in (*children(process.pid), process.pid):
                    os.kill(pid, signal.SIGKILL)
                process.wait()
