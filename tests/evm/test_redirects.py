"""An endpoint that sends us elsewhere: what we sign goes to the hosts that the settings name, and to no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from yieldbot.chains.evm.node.quorum import Quorum
from yieldbot.chains.evm.node.submission import Submission
from yieldbot.chains.solana.node.client import Node
from yieldbot.errors import HttpRefused, TransientError
from yieldbot.model.ids import Address, ChainId, svm_chain
from yieldbot.rpc.endpoint import Endpoint
from yieldbot.rpc.service import get, post

SIGNED = "0x02abcdef"
MULTICALL = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
CHAIN = ChainId("eip155:31337")


class Server(ThreadingHTTPServer):
    """Answers every request with ``status``; ``got``: what came, its body included."""

    def __init__(self, status: int, location: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.location, self.got = status, location, list[str]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/s3cr3t"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.got.append(f"{self.command} {body.decode()}")
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def running(status: int, location: str = "") -> Iterator[Server]:
    server = Server(status, location)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


REDIRECTS = (301, 302, 303, 307, 308)


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("public", [False, True])
async def test_signed_bytes_go_to_the_endpoint_that_is_named_alone(status: int, public: bool) -> None:
    with running(200) as elsewhere, running(status, elsewhere.url) as private, running(503) as node:
        named, own = Endpoint(private.url, setting=".env: PRIVATE_URL"), Endpoint(node.url)
        submission = Submission((named,), public=public)
        async with Quorum(CHAIN, (own,), multicall3=MULTICALL, submission=submission) as chain:
            with pytest.raises(TransientError) as caught:
                await chain.request("eth_sendRawTransaction", [SIGNED])
        assert elsewhere.got == [] and len(private.got) == 1 and SIGNED in private.got[0]
        assert len(node.got) == public, "only where the policy says so"
    if not public:
        said = str(caught.value)
        assert f"HTTP {status}: it sends us elsewhere" in said and said.endswith(".env: PRIVATE_URL"), said
        assert "s3cr3t" not in said


@pytest.mark.parametrize("status", REDIRECTS)
async def test_no_question_follows_a_redirect(status: int) -> None:
    with running(200) as elsewhere, running(status, elsewhere.url) as server:
        endpoint = Endpoint(server.url)
        with pytest.raises(HttpRefused, match=f"HTTP {status}"):
            await endpoint.request("eth_chainId", [])
        await endpoint.aclose()
        assert elsewhere.got == [] and len(server.got) == 1, "and it is not asked again"


@pytest.mark.parametrize("status", REDIRECTS)
async def test_nor_does_a_transaction_of_solana(status: int) -> None:
    with running(200) as elsewhere, running(status, elsewhere.url) as server:
        async with Node(svm_chain("1" * 32), server.url, timeout_seconds=5) as node:
            with pytest.raises(HttpRefused, match=f"HTTP {status}: it sends us elsewhere"):
                await node.request("sendTransaction", ["AQ=="])
        assert elsewhere.got == [] and len(server.got) == 1


@pytest.mark.parametrize("status", REDIRECTS)
def test_a_proposal_is_not_posted_elsewhere(status: int) -> None:
    with running(200) as elsewhere, running(status, elsewhere.url) as server:
        with pytest.raises(TransientError, match=f"refused it with HTTP {status}"):
            post(server.url, {"safe": "0x00"})
        assert elsewhere.got == [] and len(server.got) == 1


@pytest.mark.parametrize("status", REDIRECTS)
def test_nor_is_a_service_asked_elsewhere(status: int) -> None:
    with running(200) as elsewhere, running(status, elsewhere.url) as service:
        with pytest.raises(TransientError, match=f"HTTP {status}"):
            get(f"{service.url}?fromAddress=0xabc")
        assert elsewhere.got == [] and len(service.got) == 1
