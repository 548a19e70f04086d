"""Safe's queue by its transaction service, of which a double on the loopback says anything: shown as a claim, a pending
change once it could be sent, and never in the way of the watch."""

from __future__ import annotations

import http.server
import json
import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evm.test_controls import KEY, OTHER, THIRD, safe_of
from tests.evm.test_watch import alarms, looked, of
from tests.kit.contracts import calldata, send
from tests.kit.evm.home import Home
from yieldbot.chains.evm.safe_queue import prepared
from yieldbot.config.load import load
from yieldbot.model.ids import Address
from yieldbot.sandbox.evm.node import Sandbox


class Service:
    """What the double answers, and what it was asked."""

    def __init__(self) -> None:
        self.status, self.body, self.asked, self.url = 200, b'{"results": []}', list[str](), ""

    def says(self, *rows: dict[str, Any]) -> None:
        self.status, self.body = 200, json.dumps({"count": len(rows), "results": rows}).encode()


@pytest.fixture
def service() -> Iterator[Service]:
    double = Service()

    class Answering(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            double.asked.append(self.path)
            self.send_response(double.status)
            self.end_headers()
            self.wfile.write(double.body)

        def log_message(self, *words: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    double.url = f"http://127.0.0.1:{server.server_port}"
    yield double
    server.shutdown()
    server.server_close()


@pytest.fixture
def home(sandbox: Sandbox, service: Service) -> Home:
    chain = load(sandbox.config).jobs[0].chain
    file = next(sandbox.directory.rglob(f"{chain.name}.toml"))
    file.write_text(f'safe_service_url = "{service.url}"\n' + file.read_text())
    return Home(sandbox)


def row(safe: Address, to: str, data: bytes, signers: list[str], **more: Any) -> dict[str, Any]:
    base = {
        "safe": safe,
        "to": to,
        "value": "0",
        "data": "0x" + data.hex(),
        "operation": 0,
        "nonce": 0,
        "safeTxHash": "0x" + "ab" * 32,
        "isExecuted": False,
        "confirmations": [{"owner": one} for one in signers],
    }
    return base | more


def test_a_transaction_is_a_claim_and_pending_once_it_could_be_sent(home: Home, service: Service) -> None:
    sandbox = home.sandbox
    vault = Address(sandbox.addresses["metamorpho"])
    safe = safe_of(sandbox, [KEY, OTHER, THIRD], 2)
    send(sandbox, vault, calldata("transferOwnership(address)", safe))
    send(sandbox, vault, calldata("acceptOwnership()"), sender=safe)
    first = looked(home)
    assert first["notes"] == [] and service.asked and f"/api/v1/safes/{safe}/" in service.asked[0]
    assert "executed=false&nonce__gte=0" in service.asked[0]
    call = calldata("submitTimelock(uint256)", 0)
    service.says(row(safe, vault, call, [KEY]), row(safe, vault, call, [], nonce="x"), row(vault, vault, call, [KEY]))
    one = looked(home)
    (line,) = [line for line in of(one, vault)["lines"] if "service claims" in line]
    assert "1 of 2 signatures" in line and vault in line and "(block" not in line and alarms(one, vault) == []
    assert looked(home)["messages"] == [], "said once"
    service.says(row(safe, vault, call, [KEY, OTHER]))
    two = looked(home)
    assert alarms(two, vault) == [("PENDING_CHANGE", "stop")]
    assert "Safe's service claims" in next(a["saw"] for a in two["alarms"])
    for status, body in ((500, b"no"), (200, b"[]"), (200, b"{"), (200, b'{"results": 7}'), (302, b"")):
        service.status, service.body = status, body
        failing = looked(home)
        assert len(failing["notes"]) == 1 and "Safe's service" in failing["notes"][0]
        assert alarms(failing, vault) == [("PENDING_CHANGE", "stop")], "what it said stands until it says otherwise"
    service.says()
    sandbox.rpc("evm_mine")
    over = looked(home)
    assert alarms(over, vault) == [] and over["notes"] == []
    sandbox.rpc("evm_mine")
    service.says(row(safe, vault, call, [KEY, "0x" + "77" * 20, vault]))
    assert alarms(looked(home), vault) == [], "strangers sign nothing"
    service.says(row(safe, vault, call, [KEY, OTHER]))
    assert alarms(looked(home), vault) == [("PENDING_CHANGE", "stop")], "and again"


@settings(max_examples=200, deadline=None)
@given(st.integers())
def test_no_row_raises_and_nonsense_is_left_out(seed: int) -> None:
    draw = random.Random(seed)
    any_ = (None, 7, -1, "7", "", [], {}, "0x", "0x" + "ab" * 32, KEY, 2**300, True, [{"owner": KEY}], [7], "x\n" * 500)
    fields = row(KEY, OTHER, b"\x01", [KEY])
    for name in draw.sample(sorted(fields), draw.randrange(4)):
        fields[name] = draw.choice(any_)
    found = prepared(KEY, 0, draw.choice((fields, fields, fields, draw.choice(any_))))
    assert found is None or (found.nonce >= 0 and len(found.hash) == 64)
