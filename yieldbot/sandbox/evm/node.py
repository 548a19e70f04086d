"""The EVM sandbox's node: starts, populates, finds and stops it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from yieldbot.chains.evm.node.anvil import is_anvil, spawn, stop
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.signing.keystore import create
from yieldbot.errors import NodeRefused
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, evm_chain
from yieldbot.model.keccak import keccak
from yieldbot.model.known import MULTICALL3
from yieldbot.model.units import DAY_SECONDS
from yieldbot.sandbox.evm.chain_file import addresses_of, chain_toml
from yieldbot.sandbox.evm.market import deploy_market
from yieldbot.sandbox.evm.tokens import USDC_ONE
from yieldbot.sandbox.files import write_configuration, write_wallet
from yieldbot.sandbox.local_node import LocalNode

CHAIN_NUMBER = 31337
CHAIN = evm_chain(CHAIN_NUMBER)
IDLE_USDC = 100_000
NATIVE_ETH = 10
PAST_SECONDS = 90 * DAY_SECONDS
"""The chain starts this far in the past, so that warping does not overtake the wall clock."""
KEPT_STATES = 10_000
"""Number of blocks whose state stays readable, in memory (0.03 MB each): trailing rates look back, forks start a little
behind the head, and blocks that were reverted count too."""
MINT = "0x40c10f19"  # mint(address,uint256)

FEEDS = ("usdc_feed", "dai_feed", "weth_feed")


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The head of the sandbox's chain."""

    height: int
    """Block number."""
    timestamp: int
    """The block's time, in unix seconds."""
    seconds_to_wall_clock: int
    """Seconds that the chain may still be warped until its time is the wall clock's."""


@dataclass(frozen=True, slots=True)
class Sandbox(LocalNode):
    """A running EVM sandbox."""

    STATE: ClassVar[str] = "sandbox.json"
    """The file that records process, addresses and wallet, in the folder."""
    LOG: ClassVar[str] = "anvil.log"
    """The node's log file, in the folder."""

    born: int
    """The genesis time in unix seconds; identifies the process on its command line."""
    wallet: Address
    """The account that has play money."""
    transactions: int
    """Number of transactions that deployed its market."""
    addresses: Mapping[str, str]
    """Contracts by a short name."""

    @property
    def alive(self) -> bool:
        """Whether its node still runs, and its process id was not reused by another process."""
        return is_anvil(self.pid, f"--timestamp {self.born}")

    def node(self, timeout_seconds: float = 60.0) -> Node:
        """A new connection to the sandbox's node."""
        return Node(CHAIN, self.rpc_url, multicall3=MULTICALL3, timeout_seconds=timeout_seconds)

    def refused(self, method: str, error: dict[str, Any]) -> NodeRefused:
        data = error["data"] if isinstance(error.get("data"), str) else "0x"
        return NodeRefused(method, error["code"], error["message"], bytes.fromhex(data.removeprefix("0x")))

    def warp(self, days: float) -> None:
        """Let ``days`` pass, in one block."""
        self.rpc("evm_increaseTime", hex(round(days * DAY_SECONDS)))
        self.rpc("evm_mine")

    def publish(self) -> None:
        """Raise each price by one in its last digit of eight: one that never moves for weeks is an alarm (ORACLE)."""
        for name in FEEDS:
            answer = self._view(name, "latestRoundData()")
            if answer[3] == self.status().timestamp:  # it was not told to stop
                self._tell(name, "set(int256)", answer[1] + 1)
        if "morpho_oracle" in self.addresses:
            (price,) = self._view("morpho_oracle", "price()")
            self._tell("morpho_oracle", "setPrice(uint256)", price + 10 ** (36 + 6 - 18 - 8))

    def _view(self, name: str, signature: str) -> list[int]:
        call = {"to": self.addresses[name], "data": "0x" + keccak(signature.encode())[:4].hex()}
        answer = bytes.fromhex(self.rpc("eth_call", call, "latest")[2:])
        return [int.from_bytes(answer[at : at + 32], "big") for at in range(0, len(answer), 32)]

    def _tell(self, name: str, signature: str, value: int) -> None:
        data = "0x" + keccak(signature.encode())[:4].hex() + f"{value:064x}"
        sender = self.rpc("eth_accounts")[0]
        call = {"from": sender, "to": self.addresses[name], "data": data, "gas": hex(200_000)}
        sent = self.rpc("eth_sendTransaction", call)
        while self.rpc("eth_getTransactionReceipt", sent) is None:  # mined on arrival, but indexed a moment later
            pass

    def status(self) -> ChainHead:
        """The head of the chain."""
        head = self.rpc("eth_getBlockByNumber", "latest", False)
        timestamp = int(head["timestamp"], 16)
        return ChainHead(int(head["number"], 16), timestamp, int(time.time()) - timestamp)

    def end(self) -> None:
        stop(self.pid)


def current(directory: Path) -> Sandbox | None:
    """The sandbox that runs from a folder, or None."""
    return Sandbox.current(directory)


async def start(
    directory: Path,
    say: Callable[[str], None] = lambda line: None,
    *,
    temporary: bool = False,
    protocols: Sequence[str] = (),
    exchanges: Sequence[str] = (),
) -> Sandbox:
    """Start a node, deploy the market and write the folder; a sandbox that runs there is stopped, its journal removed.

    ``temporary``: the node dies with this process; otherwise it runs until it is stopped. ``protocols``, ``exchanges``:
    names of modules in sandbox/evm/protocols and sandbox/evm/exchanges to deploy in addition to its own market. Raises
    ConfigError, TransientError, InvariantError.
    """
    directory = directory.absolute()
    if (running := current(directory)) is not None:
        running.stop()
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in directory.glob("journal.sqlite*"):
        old.unlink()  # the journal of a chain that no longer exists would only confuse
    born = int(time.time()) - PAST_SECONDS
    anvil = spawn(_options(born), log=directory / "anvil.log", temporary=temporary)
    try:
        async with Node(CHAIN, anvil.url, multicall3=MULTICALL3, timeout_seconds=60) as node:
            market = await deploy_market(node, say, protocols, exchanges)
            wallet = write_wallet(directory, create)
            await _fund(node, market.tokens.usdc.address, wallet)
        write_configuration(directory, anvil.url, wallet, chain_toml(market))
        sandbox = Sandbox(directory, anvil.url, anvil.pid, born, wallet, market.transactions, addresses_of(market))
        sandbox.remember()
        return sandbox
    except BaseException:
        anvil.stop()
        raise


@asynccontextmanager
async def sandboxed(
    directory: Path,
    say: Callable[[str], None] = lambda line: None,
    protocols: Sequence[str] = (),
    exchanges: Sequence[str] = (),
) -> AsyncIterator[Sandbox]:
    """A sandbox that is stopped at the end of the block."""
    sandbox = await start(directory, say, temporary=True, protocols=protocols, exchanges=exchanges)
    try:
        yield sandbox
    finally:
        sandbox.stop()


@contextmanager
def running(
    directory: Path,
    say: Callable[[str], None] = lambda line: None,
    protocols: Sequence[str] = (),
    exchanges: Sequence[str] = (),
) -> Iterator[Sandbox]:
    """As ``sandboxed``, for synchronous code."""
    sandbox = asyncio.run(start(directory, say, temporary=True, protocols=protocols, exchanges=exchanges))
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
