"""A Safe on the sandbox, with its owners and a double of its transaction service."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account as Keys
from eth_utils.address import to_checksum_address

from tests.kit.contracts import call, calldata, send
from tests.kit.evm.home import Home
from yieldbot.chains.evm.signing.safe_tx import EXEC, FIELDS
from yieldbot.model.ids import Address
from yieldbot.sandbox.evm.artifacts import packaged
from yieldbot.sandbox.evm.node import Sandbox

BUILT = "@safe-global/safe-contracts/build/artifacts/contracts"
FUNDS_RAW = 80_000 * 10**6
OTHERS = [Keys.from_key(bytes([n] * 32)) for n in (7, 8)]


def deployed(sandbox: Sandbox, artifact: str) -> str:
    code = bytes.fromhex(packaged(f"{BUILT}/{artifact}").bytecode)
    made = send(sandbox, None, code)["contractAddress"]
    return str(to_checksum_address(made))


class Safe(Home):
    """The program with a Safe of three owners, two of whom must sign; ours is the sandbox's wallet."""

    def __init__(self, sandbox: Sandbox, service_url: str | None = None) -> None:
        super().__init__(sandbox)
        singleton = deployed(sandbox, "SafeL2.sol/SafeL2.json")
        factory = deployed(sandbox, "proxies/SafeProxyFactory.sol/SafeProxyFactory.json")
        self.multi_send = deployed(sandbox, "libraries/MultiSendCallOnly.sol/MultiSendCallOnly.json")
        self.owners = [sandbox.wallet, *(other.address for other in OTHERS)]
        nobody = "0x" + "00" * 20
        setup = calldata(
            "setup(address[],uint256,address,bytes,address,address,uint256,address)",
            *(self.owners, 2, nobody, b"", nobody, nobody, 0, nobody),
        )
        make = calldata("createProxyWithNonce(address,bytes,uint256)", singleton, setup, 1)
        logs = send(sandbox, factory, make)["logs"]
        created = next(log for log in logs if log["address"].lower() == factory.lower())
        self.address = Address(str(to_checksum_address("0x" + created["topics"][1][-40:])))
        send(sandbox, sandbox.addresses["usdc"], calldata("mint(address,uint256)", self.address, FUNDS_RAW))
        service = f'service_url = "{service_url}"\n' if service_url else ""
        config = sandbox.config.read_text().replace('wallet = "main"', 'wallet = "treasury"')
        config += (
            f'\n[[wallets]]\nname = "treasury"\nkind = "safe"\naddress = "{self.address}"\nowner = "main"\n{service}'
        )
        sandbox.config.write_text(config)
        chain = sandbox.directory / "chains" / "sandbox.toml"
        chain.write_text(f'safe_multisend = "{self.multi_send}"\n' + chain.read_text())

    def execute(self, document: dict[str, Any]) -> None:
        """Act as another owner's wallet: sign the same hash, then execute with both signatures."""
        digest = bytes.fromhex(document["contractTransactionHash"][2:])
        mine = (document["sender"], bytes.fromhex(document["signature"][2:]))
        theirs = (OTHERS[0].address, bytes(OTHERS[0].unsafe_sign_hash(digest).signature))
        both = b"".join(signature for _, signature in sorted((mine, theirs), key=lambda pair: int(pair[0], 16)))
        values = [document[name] for name, _ in FIELDS[:-1]]
        values = [int(v) if k.startswith("uint") else v for v, (_, k) in zip(values, FIELDS[:-1], strict=True)]
        values[2] = bytes.fromhex(document["data"][2:])
        send(self.sandbox, self.address, calldata(EXEC, *values, both))

    def balance(self) -> int:
        return int.from_bytes(call(self.sandbox, self.sandbox.addresses["usdc"], "balanceOf(address)", self.address))


@pytest.fixture
def service() -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """A double of Safe's transaction service (https://docs.safe.global), which records what is posted; yields (URL,
    records)."""
    got: list[tuple[str, Any]] = []

    class Taking(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            got.append((self.path, body))
            self.send_response(201 if len(got) == 1 else 422)
            self.end_headers()
            self.wfile.write(b"" if len(got) == 1 else b'{"nonFieldErrors": ["no"]}')

        def log_message(self, *words: Any) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Taking)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    server.server_close()
