"""The signer's process on the sandbox: what two persons signed at the server moves money once, and whatever else the
server's user does with the socket moves none and shows no key.

Where the tests run as root, and so can become others, the signer runs as a user of its own and the hostile caller as
another; else both as the same."""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from tests.kit import ROOT
from tests.kit.evm.home import Home
from tests.kit.signer_process import SERVER, SIGNER, another_user
from yieldbot.app.context import Context
from yieldbot.app.run import RunRequest, queued
from yieldbot.app.signer_client import ask as ask_signer
from yieldbot.app.signer_link import request_of
from yieldbot.chains.evm.node.anvil import find_anvil
from yieldbot.execution.halt import NAME
from yieldbot.sandbox.evm.node import Sandbox

ANNA, BEN, EVE = (Account.from_key(bytes([number]) * 32) for number in (7, 8, 9))
ROOT_USER = os.geteuid() == 0


@pytest.fixture
def place() -> Iterator[Path]:
    """The socket's folder, which the server's user can reach."""
    made = Path(tempfile.mkdtemp(dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def server(sandbox: Sandbox, tmp_path: Path) -> Path:
    """The server's folder, without keys; two persons must sign, there and at the signer."""
    text = sandbox.config.read_text()
    sandbox.config.write_text(text.replace("[policy]", "[policy]\napprovals_needed = 2"))
    made = tmp_path / "server"
    shutil.copytree(sandbox.directory, made)
    shutil.rmtree(made / "keys")
    (made / "passphrase").unlink()
    return made


def test_what_persons_signed_moves_money_once_and_a_hostile_server_moves_none(
    sandbox: Sandbox, server: Path, place: Path
) -> None:
    at_signer, at_server = Home(sandbox), Home(sandbox)
    at_server.sandbox = replace(sandbox, directory=server)
    for home in (at_signer, at_server):
        for name, key in (("anna", ANNA), ("ben", BEN)):
            assert home.run("approver", "add", name, "--wallet", key.address).code == 0
    context, at = Context(server / "yieldbot.toml"), place / "signer.sock"
    assert queued(RunRequest(), context, settles=False).document.exit_code == 3
    (plan,) = at_server.run("--json", "history", "--waiting").document["plans"]
    unsigned = request_of(context, plan["id"])
    typed = at_server.run("--json", "approver", "show", plan["id"]).document["typed"]
    scopes = ("key", "new", "desk", "--scope", "read,approve,halt")
    key = at_server.run("--json", *scopes).document["key"]
    with started(sandbox, server, at) as process:
        secret = (sandbox.directory / "passphrase").read_text().strip()
        keys = [Account.decrypt(one.read_text(), secret).hex() for one in (sandbox.directory / "keys").iterdir()]
        files = [*(sandbox.directory / "keys").iterdir(), sandbox.directory / "passphrase"]
        said = as_another_user(at, [str(one) for one in files], unsigned, typed)
        assert said["codes"] <= {"APPROVALS_MISSING", "MALFORMED", "OTHER_LINES", "NOT_OURS", "TOO_LARGE"}, said[
            "codes"
        ]
        assert {"APPROVALS_MISSING", "MALFORMED", "OTHER_LINES"} <= said["codes"] and said["answered"] > 40
        assert not ROOT_USER or said["read"] == []
        assert not [one for one in (secret, *keys) if one in said["text"]]
        assert nonce(sandbox) == 0
        assert process.poll() is None
        good = sandbox.config.read_text()
        sandbox.config.write_text(good + "\n[polic")
        process.send_signal(signal.SIGHUP)  # what follows is carried out with the configuration from before
        appears(sandbox, process, "the configuration in use stays")
        with serving(server, at, key) as ask:
            url = f"/plans/{plan['id']}"
            for name, person in (("anna", ANNA), ("ben", BEN)):
                shown = ask(f"{url}/approval")["typed"]
                made = "0x" + bytes(person.sign_message(encode_typed_data(full_message=shown)).signature).hex()
                ask(f"{url}/approval", "PUT", {"approver": name, "signature": made})
            appears(sandbox, process, "rehearsing")
            assert not ROOT_USER or any("yieldbot.app.signer_work" in one for one in working_in(sandbox.directory))
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0 and time.monotonic() - began < 10 and not at.exists()
            assert not ROOT_USER or working_in(sandbox.directory) == [], "what it started has ended too"
            assert nonce(sandbox) == 0, "nothing is signed after SIGTERM"
            sandbox.config.write_text(good)
            with started(sandbox, server, at) as process:
                sandbox.config.write_text(good + "\n[polic")  # what counts is how it was at the start
                until = time.monotonic() + 400
                while (row := ask(url))["status"] in ("queued", "approved") and time.monotonic() < until:
                    time.sleep(0.5)
                assert (row["status"], row["by"], row["signed_by"]) == ("executed", "execution", ["anna", "ben"])
                moved = nonce(sandbox)
                sent = ask("/transactions")["items"]
                assert moved == len(sent) > 0 and all(one["result"] == "confirmed" for one in sent)
                again = asyncio.run(ask_signer(at, request_of(context, plan["id"])))
                assert again["status"] == "executed" and nonce(sandbox) == moved, "the result is kept"
                kinds = [event["kind"] for event in ask("/journal?limit=500")["items"]]
                assert kinds.count("tx.signed") == kinds.count("tx.settled") == moved and "signer.copied" in kinds
                assert ask("/halt", "PUT", {"reason": "enough"})["halted"]
                assert [*sandbox.directory.rglob(NAME)], "the signer is halted too"
                sandbox.config.write_text(good)
                second = subprocess.run(command(at), cwd=sandbox.directory, capture_output=True, text=True, check=False)
                assert second.returncode == 1 and "another signer runs" in second.stderr
                process.send_signal(signal.SIGTERM)
                assert process.wait(60) == 0 and not at.exists()


class serving:
    """The server in its own folder; asks it over HTTP with a key."""

    def __init__(self, server: Path, at: Path, key: str) -> None:
        if ROOT_USER:
            for one in (server, *server.rglob("*")):
                os.chown(one, SERVER, SERVER)
        words = [*another_user(SERVER)] if ROOT_USER else []
        words += [sys.executable, "-m", "yieldbot.cli.main", "serve", "--port", "0", "--signer", str(at)]
        words += ["--observe-every", "0 0 1 1 *"]  # it need not have read a chain to pass on what persons sign
        env = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(server)}
        self.log, self.key = (server.parent / "server.log").open("w+"), key
        self.process = subprocess.Popen(words, cwd=server, env=env, stderr=self.log)
        until = time.monotonic() + 120
        while "listening at " not in (said := Path(self.log.name).read_text()):
            assert self.process.poll() is None and time.monotonic() < until, said
            time.sleep(0.05)
        self.url = said.partition("listening at ")[2].split()[0]

    def __enter__(self) -> serving:
        return self

    def __exit__(self, *failure: object) -> None:
        self.process.terminate()
        self.process.wait(60)
        self.log.seek(0)
        print(self.log.read())
        self.log.close()

    def __call__(self, path: str, method: str = "GET", body: Any = None) -> Any:
        head = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self.url + path, data=data, method=method, headers=head), timeout=120) as answer:
            return json.loads(answer.read())


def command(at: Path) -> list[str]:
    user, group = (another_user(), ["--group", str(SERVER)]) if ROOT_USER else ((), [])
    return [*user, sys.executable, "-m", "yieldbot.cli.main", "signer", "--socket", str(at), "--every", "5", *group]


def with_anvil(folder: Path) -> None:
    """anvil where the signer's user can start it, also if the checkout is in a folder of root's."""
    if (folder / "anvil").exists():
        return
    try:
        os.link(find_anvil(), folder / "anvil")
    except OSError:  # another file system
        shutil.copy(find_anvil(), folder / "anvil")


def appears(sandbox: Sandbox, process: subprocess.Popen[bytes], words: str) -> None:
    """Wait until the signer's log has these words."""
    log, until = sandbox.directory.parent / "signer.log", time.monotonic() + 120
    while words not in log.read_text():
        assert process.poll() is None and time.monotonic() < until, log.read_text()
        time.sleep(0.05)


def working_in(folder: Path) -> list[str]:
    """The signer's user's processes that have not ended and whose working directory is this folder."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            status = (one / "status").read_text()
            if f"\nUid:\t{SIGNER}\t" in status and (one / "cwd").resolve() == folder.resolve():
                found.append((one / "cmdline").read_text())
    return found


class started:
    """The signer in its own folder."""

    def __init__(self, sandbox: Sandbox, server: Path, at: Path) -> None:
        env = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(sandbox.directory)}
        if ROOT_USER:
            with_anvil(at.parent)
            env["PATH"] = f"{at.parent}:{env['PATH']}"
            for one in (sandbox.directory, *sandbox.directory.rglob("*"), at.parent):
                if one != server and server not in one.parents:
                    os.chown(one, SIGNER, SIGNER)
        self.log = (sandbox.directory.parent / "signer.log").open("w+")
        self.process = subprocess.Popen(command(at), cwd=sandbox.directory, env=env, stderr=self.log)
        until = time.monotonic() + 120
        while not at.exists() and self.process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        assert at.exists(), Path(self.log.name).read_text()

    def __enter__(self) -> subprocess.Popen[bytes]:
        return self.process

    def __exit__(self, *failure: object) -> None:
        self.process.kill()
        self.process.wait()
        self.log.seek(0)
        print(self.log.read())  # shown where the test fails
        self.log.close()


def nonce(sandbox: Sandbox) -> int:
    return int(sandbox.rpc("eth_getTransactionCount", sandbox.wallet, "latest"), 16)


def as_another_user(at: Path, files: list[str], unsigned: Any, typed: Any) -> dict[str, Any]:
    """What the worst that the server's user can do came to."""
    forged = "0x" + bytes(EVE.sign_message(encode_typed_data(full_message=typed)).signature).hex()
    hers = "0x" + bytes(ANNA.sign_message(encode_typed_data(full_message=typed)).signature).hex()
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe()
    process = fork.Process(target=hostile, args=(there, str(at), files, unsigned, forged, hers))
    process.start()
    there.close()
    try:
        assert here.poll(200), "the hostile caller hangs"
        found: dict[str, Any] = here.recv()
    finally:
        process.kill()
        process.join()
    return found


def hostile(out: Any, at: str, files: list[str], unsigned: Any, forged: str, hers: str) -> None:
    """Runs as the server's user; uses nothing that is not loaded yet."""
    if ROOT_USER:
        os.setgroups([])
        os.setgid(SERVER)
        os.setuid(SERVER)
    read = []
    for name in files:
        try:
            with open(name, "rb") as file:
                read.append(file.read())
        except OSError:
            pass

    def send(body: bytes, length: int | None = None) -> bytes:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(30)
            for _ in range(300):
                try:
                    line.connect(at)
                    break
                except BlockingIOError:  # as many wait as may
                    time.sleep(0.1)
            try:
                line.sendall(struct.pack(">I", len(body) if length is None else length) + body)
                line.shutdown(socket.SHUT_WR)
                found = b""
                while part := line.recv(65_536):
                    found += part
            except OSError:
                return b""
            return found[4:]

    anna, ben = ({"approver": name, "signature": hers} for name in ("anna", "ben"))
    eve = {"approver": "eve", "signature": forged}
    as_ben = {"approver": "ben", "signature": forged}
    bodies = [json.dumps(unsigned | {"approvals": some}).encode() for some in (
        [], [anna], [anna, anna], [anna, ben], [anna, eve], [anna, as_ben], [ben, as_ben],
        [anna, {"approver": "ben", "signature": ""}], [anna, {"approver": "ben", "signature": "[" * 30_000}],
    )]  # fmt: skip
    text = json.dumps(unsigned | {"approvals": [anna, as_ben]})
    raw = unsigned["plan"]["legs"][0]["amount"]["raw"]
    for old, new in ((f'"{raw}"', f'"{raw}0"'), (unsigned["plan"]["owner"], "0x" + "99" * 20), ("deposit", "withdraw")):
        bodies.append(text.replace(old, new).encode())
    bodies.append(json.dumps(unsigned | {"lines": ["1. claim rewards"], "approvals": [anna, as_ben]}).encode())
    bodies += [
        b"[" * 200_000,
        b"\xff" * 1000,
        b'{"request":"sign"}',
        b'{"request":"status"}',
        b'{"request":"since","seq":0}',
    ]
    bodies += [text.encode()[:cut] for cut in range(1, len(text), len(text) // 20)]
    answers = [send(body) for body in bodies] + [send(b"{}", 2**31), send(b"{}", 9)]
    idle = []
    for _ in range(100):  # a flood of callers that say nothing
        line = socket.socket(socket.AF_UNIX)
        line.setblocking(False)
        if line.connect_ex(at) == 0:
            idle.append(line)
    for line in idle:
        line.close()
    answers.append(send(b'{"request":"status"}'))
    docs = [json.loads(one) for one in answers if one]
    out.send(
        {
            "codes": {doc["problem"]["code"] for doc in docs if "problem" in doc},
            "answered": len(docs),
            "read": read,
            "text": b"".join(answers).decode(),
        }
    )
