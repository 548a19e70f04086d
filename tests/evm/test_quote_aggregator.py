"""``yieldbot quote --aggregator`` with a server of ours in LI.FI's place: its word beside ours, or one line why not.

No answer of the real service is in this suite; these are hand-made after its public API reference.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.kit.program import yieldbot
from yieldbot.errors import TransientError
from yieldbot.rpc.service import MOST_BYTES, get
from yieldbot.sandbox.evm.node import Sandbox

Answer = Callable[[dict[str, str]], tuple[int, bytes]]


@contextmanager
def server(answer: Answer) -> Iterator[str]:
    class Quoting(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = {key: value for key, (value,) in parse_qs(urlsplit(self.path).query).items()}
            status, body = answer(asked)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quoting)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_address[1]}/v1/quote"
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


def quoted(asked: dict[str, str]) -> tuple[int, bytes]:
    """A third of a USDC's thousandth for one, whatever the tokens are: only the form matters here."""
    out = int(asked["fromAmount"]) * 10**12 // 3000
    action = {
        "fromChainId": int(asked["fromChain"]),
        "toChainId": int(asked["toChain"]),
        "fromAmount": asked["fromAmount"],
        "fromToken": {"address": asked["fromToken"]},
        "toToken": {"address": asked["toToken"]},
        "toAddress": asked["toAddress"],
    }
    estimate = {"toAmount": str(out), "toAmountMin": str(out * 995 // 1000), "executionDuration": 30}
    return 200, json.dumps({"tool": "hand-made", "action": action, "estimate": estimate}).encode()


def test_the_aggregators_word_stands_beside_ours(sandbox: Sandbox, tmp_path: Path) -> None:
    command = ("--config", sandbox.config, "quote", "USDC", "WETH", "1000", "--aggregator")
    with server(quoted) as url:
        document = yieldbot(*command, url, "--json", cwd=tmp_path).document
        other = document["aggregator"]
        assert (other["name"], other["tool"], other["seconds"]) == ("LI.FI", "hand-made", 30)
        assert (
            int(other["given"]["raw"]) == 10**21 // 3000 and int(other["least"]["raw"]) == 10**21 // 3000 * 995 // 1000
        )
        assert len(document["prices"]) == 2 and "LI.FI" not in json.dumps(document["prices"])  # never a price
        told = yieldbot(*command, url, cwd=tmp_path)
        assert "LI.FI: " in told.out and "than ours. It is never signed" in " ".join(told.out.split())
        bridge = ("--config", sandbox.config, "quote", "USDC", "USDC", "1000", "--to-chain", "base")
        found = yieldbot(*bridge, "--aggregator", url, "--json", cwd=tmp_path)
        assert found.code == 0 and found.document["schema"] == "yieldbot/quote-bridge/v1"
        assert found.document["to_chain_id"] == "eip155:8453" and found.document["aggregator"]["tool"] == "hand-made"
    for said, why in (
        ("-1", "must be 0 or more"),
        ("10000", "name a number from 0 up to 10000"),
        ("nan", "is not a number here"),
    ):
        asked: list[dict[str, str]] = []
        with server(lambda query, asked=asked: (asked.append(query), quoted(query))[1]) as url:
            ended = yieldbot(*bridge, "--aggregator", url, f"--slippage-bps={said}", cwd=tmp_path)
        assert (ended.code, asked) == (2, []) and why in ended.line
    for words, said in (
        (bridge, "and --aggregator"),
        ((*bridge[:-1], "nowhere", "--aggregator", url), "known are: "),
        ((*bridge[:-1], "solana", "--aggregator", url), "it is no EVM chain"),
    ):
        ended = yieldbot(*words, cwd=tmp_path)
        assert ended.code == 2 and said in ended.line


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (429, b"", "too many requests"),
        (500, b"oops", "HTTP 500 oops"),
        (200, b"<html>", "not a JSON document"),
        (200, b"{}", "is not believed"),
    ],
)
def test_our_quote_stands_without_it(status: int, body: bytes, said: str, sandbox: Sandbox, tmp_path: Path) -> None:
    with server(lambda asked: (status, body)) as url:
        command = ("--config", sandbox.config, "quote", "USDC", "WETH", "1000", "--aggregator", url, "--json")
        ended = yieldbot(*command, cwd=tmp_path)
        assert ended.code == 0 and ended.document["declined"] is None and ended.document["parts"]
        assert said in ended.document["aggregator"]["error"] and "\n" not in ended.document["aggregator"]["error"]
        if status == 429:  # a bridge has no other quote
            bridge = ("--config", sandbox.config, "quote", "USDC", "USDC", "1", "--to-chain", "base")
            ended = yieldbot(*bridge, "--aggregator", url, cwd=tmp_path)
            assert ended.code == 1 and said in ended.line


def test_what_a_service_answers_is_bounded() -> None:
    for body, said in (
        (b"[" * 5000 + b"]" * 5000, "nested too deeply"),
        (b" " * (MOST_BYTES + 1), "more than 1 MiB"),
        (b"\xff\xfe", "not a JSON"),
    ):
        with server(lambda asked, body=body: (200, body)) as url, pytest.raises(TransientError, match=said):
            get(f"{url}?a=b")
    slow = threading.Event()

    def hangs(asked: dict[str, str]) -> tuple[int, bytes]:
        slow.wait(5)
        return 200, b"{}"

    with server(hangs) as url:
        with pytest.raises(TransientError, match="cannot be reached"):
            get(f"{url}?a=b", seconds=0.2)
        slow.set()
    with pytest.raises(TransientError, match=r"127.0.0.1 cannot be reached"):
        get(f"{url}?secret=b")
