"""One policy over two chains: they are observed at the same time, and one that fails leaves the other working."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.kit.program import yieldbot
from yieldbot.sandbox.solana.node import SvmSandbox, running

PATIENCE_SECONDS = 60


@contextmanager
def meeting(upstream: str, name: str, came: set[str], met: threading.Event) -> Iterator[str]:
    """A proxy that answers nothing before both have been asked: who asks one chain after the other never gets an
    answer, and who asks them at the same time does, however slow the machine is."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words: object) -> None: ...

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            came.add(name)
            if len(came) == 2:
                met.set()
            status, answer = 500, b"{}"
            if met.wait(PATIENCE_SECONDS):
                request = urllib.request.Request(upstream, body, {"content-type": "application/json"})
                with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
                    status, answer = 200, response.read()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SvmSandbox, SvmSandbox]]:
    """Two clusters in one configuration: the second's chain and wallet beside the first's."""
    with (
        running(tmp_path_factory.mktemp("first")) as first,
        running(tmp_path_factory.mktemp("second")) as second,
    ):
        chain = (second.directory / "chains" / "solana-sandbox.toml").read_text()
        chain = chain.replace('name = "solana-sandbox"', 'name = "second"', 1)
        chain = chain.replace("SOLANA_SANDBOX_RPC_URL", "SECOND_RPC_URL")
        (first.directory / "chains" / "second.toml").write_text(chain)
        more = (
            f'[[wallets]]\nname = "other"\naddress = "{second.wallet}"\n'
            f'keystore = "{second.directory}/keys/solana.json"\n'
            f'passphrase_file = "{second.directory}/solana-passphrase"\n'
            '[[jobs]]\nwallet = "other"\nchain = "second"\nasset = "USDC"\n\n'
        )
        first.config.write_text(first.config.read_text().replace("[policy]", more + "[policy]", 1))
        yield first, second


@pytest.mark.parametrize("command", ["markets", "positions", "plan", "dry-run"])
def test_chains_are_observed_at_the_same_time(
    command: str, both: tuple[SvmSandbox, SvmSandbox], tmp_path: Path
) -> None:
    came, met = set[str](), threading.Event()
    with ExitStack() as stack:
        named = {
            name: stack.enter_context(meeting(sandbox.rpc_url, name, came, met))
            for name, sandbox in zip(("SOLANA_SANDBOX_RPC_URL", "SECOND_RPC_URL"), both, strict=True)
        }
        ended = yieldbot("--config", both[0].config, command, "--json", cwd=tmp_path, environment=named)
    assert ended.code == 0 and met.is_set(), ended.err
    assert [(job["wallet"], job["skipped"]) for job in ended.document["jobs"]] == [("solana", None), ("other", None)]


@pytest.mark.parametrize("command", [("markets",), ("positions",), ("plan",), ("run", "--approve", "auto")])
def test_a_chain_that_fails_leaves_the_other_working(
    command: tuple[str, ...], both: tuple[SvmSandbox, SvmSandbox], tmp_path: Path
) -> None:
    named = {"SOLANA_SANDBOX_RPC_URL": both[0].rpc_url, "SECOND_RPC_URL": "http://127.0.0.1:9"}
    ended = yieldbot("--config", both[0].config, *command, "--json", cwd=tmp_path, environment=named)
    jobs = {job["wallet"]: job for job in ended.document["jobs"]}
    assert ended.code == 1 and "127.0.0.1:9" in jobs["other"]["skipped"] and jobs["solana"]["skipped"] is None
    if command[0] == "run":
        assert [tx["result"] for tx in jobs["solana"]["transactions"]] == ["confirmed"] * 3
        assert jobs["other"]["transactions"] == []
