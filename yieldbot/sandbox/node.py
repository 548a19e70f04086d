"""The EVM sandbox's node: starts, populates, finds and stops it."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from yieldbot.chains.evm.node.anvil import is_anvil, spawn, stop
from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import NodeRefused, TransientError
from yieldbot.model.ids import Address, evm_chain
from yieldbot.model.units import DAY_SECONDS
from yieldbot.sandbox.aave import USDC_ONE
from yieldbot.sandbox.chain_file import MULTICALL3, addresses_of, chain_toml
from yieldbot.sandbox.files import write_configuration, write_wallet
from yieldbot.sandbox.market import deploy_market

CHAIN_NUMBER = 31337
CHAIN = evm_chain(CHAIN_NUMBER)
IDLE_USDC = 100_000
NATIVE_ETH = 10
PAST_SECONDS = 90 * DAY_SECONDS
"""The chain starts this far in the past, so that warping does not overtake the wall clock."""
KEPT_STATES = 10_000
"""Blocks whose state stays readable, in memory (0.03 MB each): trailing rates look some back, forks start a little
behind the head, and blocks that are put back count among them."""
STATE = "sandbox.json"
MINT = "0x40c10f19"  # mint(address,uint256)


@dataclass(frozen=True, slots=True)
class Status:
    """The head of the sandbox's chain."""

    height: int
    """Block number."""
    timestamp: int
    """The block's time, in unix seconds."""
    seconds_to_wall_clock: int
    """How far the chain may be warped until its time is the wall clock's."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running EVM sandbox."""

    directory: Path
    """The folder that holds all of its files."""
    rpc_url: str
    """Where its node listens."""
    pid: int
    """The node's process id."""
    born: int
    """The genesis time in unix seconds; identifies the process on its command line."""
    wallet: Address
    """The account that has play money."""
    transactions: int
    """How many transactions deployed its market."""
    addresses: Mapping[str, str]
    """Contracts by a short name."""

    @property
    def config(self) -> Path:
        """Its yieldbot.toml."""
        return self.directory / "yieldbot.toml"

    @property
    def alive(self) -> bool:
        """Whether its node still runs, and its process id was not reused."""
        return is_anvil(self.pid, f"--timestamp {self.born}")

    def node(self, timeout_seconds: float = 60.0) -> Node:
        """A new connection to the sandbox's node."""
        return Node(CHAIN, self.rpc_url, multicall3=MULTICALL3, timeout_seconds=timeout_seconds)

    def rpc(self, method: str, *params: Any) -> Any:
        """Make one JSON-RPC request, blocking. Raises NodeRefused for an error, TransientError for no answer."""
        import urllib.request

        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).encode()
        request = urllib.request.Request(self.rpc_url, body, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                answer = json.load(response)
        except (OSError, ValueError):
            raise TransientError(f"the sandbox's node does not answer: see {self.directory / 'anvil.log'}") from None
        if error := answer.get("error"):
            data = error["data"] if isinstance(error.get("data"), str) else "0x"
            raise NodeRefused(method, error["code"], error["message"], bytes.fromhex(data.removeprefix("0x")))
        return answer["result"]

    def warp(self, days: float) -> None:
        """Let ``days`` pass, in one block."""
        self.rpc("evm_increaseTime", hex(round(days * DAY_SECONDS)))
        self.rpc("evm_mine")

    def status(self) -> Status:
        """The head of the chain."""
        head = self.rpc("eth_getBlockByNumber", "latest", False)
        timestamp = int(head["timestamp"], 16)
        return Status(int(head["number"], 16), timestamp, int(time.time()) - timestamp)

    def stop(self) -> None:
        """Stop the node if it runs; the folder stays."""
        if self.alive:
            stop(self.pid)
        (self.directory / STATE).unlink(missing_ok=True)


def current(directory: Path) -> Sandbox | None:
    """The sandbox that runs from a folder; None: none does."""
    try:
        state = json.loads((directory / STATE).read_text())
        sandbox = Sandbox(**(state | {"directory": directory}))
    except (OSError, ValueError, TypeError):
        return None
    return sandbox if sandbox.alive else None


async def start(
    directory: Path,
    say: Callable[[str], None] = lambda line: None,
    *,
    temporary: bool = False,
    protocols: Sequence[str] = (),
) -> Sandbox:
    """Start a node, deploy the market and write the folder; a sandbox that runs there is stopped, its journal removed.

    ``temporary``: the node dies with this process; otherwise it runs until it is stopped. ``protocols``: names of
    protocols in sandbox/evm/protocols to deploy beside its own market. Raises ConfigError, TransientError,
    InvariantError.
    """
    directory = directory.absolute()
    running = current(directory)
    if running is not None:
        running.stop()
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in directory.glob("journal.sqlite*"):
        old.unlink()  # the journal of a chain that no longer exists would only confuse
    born = int(time.time()) - PAST_SECONDS
    anvil = spawn(_options(born), log=directory / "anvil.log", temporary=temporary)
    try:
        async with Node(CHAIN, anvil.url, multicall3=MULTICALL3, timeout_seconds=60) as node:
            market = await deploy_market(node, say, protocols)
            wallet = write_wallet(directory)
            await _fund(node, market.tokens.usdc.address, wallet)
        write_configuration(directory, anvil.url, wallet, chain_toml(market))
        sandbox = Sandbox(directory, anvil.url, anvil.pid, born, wallet, market.transactions, addresses_of(market))
        _remember(sandbox)
        return sandbox
    except BaseException:
        anvil.stop()
        raise


@asynccontextmanager
async def sandboxed(
    directory: Path, say: Callable[[str], None] = lambda line: None, protocols: Sequence[str] = ()
) -> AsyncIterator[Sandbox]:
    """A sandbox that is stopped at the end of the block."""
    sandbox = await start(directory, say, temporary=True, protocols=protocols)
    try:
        yield sandbox
    finally:
        sandbox.stop()


@contextmanager
def running(
    directory: Path, say: Callable[[str], None] = lambda line: None, protocols: Sequence[str] = ()
) -> Iterator[Sandbox]:
    """The same for synchronous code."""
    sandbox = asyncio.run(start(directory, say, temporary=True, protocols=protocols))
    try:
        yield sandbox
    finally:
        sandbox.stop()


def _options(born: int) -> list[str]:
    options = ["--chain-id", str(CHAIN_NUMBER), "--timestamp", str(born), "--balance", "1000000"]
    return [*options, "--gas-limit", "1000000000", "--prune-history", str(KEPT_STATES)]


async def _fund(node: Node, usdc: Address, wallet: Address) -> None:
    """Mint the wallet's idle USDC and set its native balance."""
    sender = (await node.request("eth_accounts", []))[0]
    data = MINT + wallet[2:].lower().zfill(64) + f"{IDLE_USDC * USDC_ONE:064x}"
    await node.request("eth_sendTransaction", [{"from": sender, "to": usdc, "data": data, "gas": hex(200_000)}])
    await node.request("anvil_setBalance", [wallet, hex(NATIVE_ETH * 10**18)])
    await node.request("evm_mine", [])


def _remember(sandbox: Sandbox) -> None:
    part = sandbox.directory / (STATE + ".part")
    part.write_text(json.dumps(asdict(sandbox) | {"directory": str(sandbox.directory)}, indent=1))
    os.replace(part, sandbox.directory / STATE)
