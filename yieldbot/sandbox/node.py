"""The sandbox as a user has it: a folder with configuration, a key, and a node that runs in the background."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from yieldbot.model.ids import Address, evm_chain
from yieldbot.rpc.anvil import Anvil, is_anvil, spawn, stop
from yieldbot.rpc.evm import EvmNode
from yieldbot.sandbox.aave import USDC_ONE
from yieldbot.sandbox.market import MULTICALL3, chain_toml, deploy_market

CHAIN_NUMBER = 31337
CHAIN = evm_chain(CHAIN_NUMBER)
IDLE_USDC = 100_000
NATIVE_ETH = 10
PAST_SECONDS = 90 * 86_400
"""The chain starts this far back, so that warping forward does not overtake the wall clock (anvil panics there)."""
STATE = "sandbox.json"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox. ``config``: its yieldbot.toml; everything of it lies in ``directory``."""

    directory: Path
    rpc_url: str
    pid: int
    wallet: Address
    transactions: int
    addresses: dict[str, str]

    @property
    def config(self) -> Path:
        return self.directory / "yieldbot.toml"

    def node(self, timeout_seconds: float = 60.0) -> EvmNode:
        """A fresh connection to the sandbox's node."""
        return EvmNode(CHAIN, self.rpc_url, multicall3=MULTICALL3, timeout_seconds=timeout_seconds)

    async def warp(self, days: float) -> None:
        """Let ``days`` pass in one block."""
        async with self.node() as node:
            await node.request("evm_increaseTime", [hex(int(days * 86_400))])
            await node.request("evm_mine", [])

    def stop(self) -> None:
        """End the node; the folder stays. Nothing happens when it has ended already."""
        stop(self.pid)
        (self.directory / STATE).unlink(missing_ok=True)


def current(directory: Path) -> Sandbox | None:
    """The sandbox that runs from a folder, or None."""
    try:
        state = json.loads((directory / STATE).read_text())
        sandbox = Sandbox(
            directory, state["rpc_url"], state["pid"], state["wallet"], state["transactions"], state["addresses"]
        )
    except (OSError, ValueError, KeyError):
        return None
    return sandbox if is_anvil(sandbox.pid) else None


async def start(directory: Path, say: Callable[[str], None] = lambda line: None, fresh: bool = True) -> Sandbox:
    """Start a node, deploy the market and write the folder. ``fresh``: end and replace one that runs there."""
    running = current(directory)
    if running is not None:
        if not fresh:
            return running
        running.stop()
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in directory.glob("journal.sqlite*"):
        old.unlink()  # the journal of a chain that no longer exists would only confuse
    anvil = _spawn(directory)
    try:
        async with EvmNode(CHAIN, anvil.url, multicall3=MULTICALL3, timeout_seconds=60) as node:
            market = await deploy_market(node, say)
            wallet = _wallet(directory)
            await _fund(node, market.tokens.usdc.address, wallet)
        _configure(directory, anvil.url, wallet, chain_toml(market))
        addresses = {
            "usdc": market.tokens.usdc.address,
            "weth": market.tokens.weth.address,
            "aave_pool": market.aave["Aave v3"].pool.address,
            "aave_data_provider": market.aave["Aave v3"].data_provider.address,
            "aave_configurator": market.aave["Aave v3"].configurator.address,
            "morpho": market.morpho.morpho.address,
            "irm": market.morpho.irm.address,
            "morpho_oracle": market.morpho.oracle.address,
            "metamorpho": market.morpho.vault.address,
            "stata": market.stata.address,
            "comet": market.comet.address,
            "drip": market.drip.address,
            "usdc_feed": market.tokens.usdc_feed.address,
            "weth_feed": market.tokens.weth_feed.address,
            "uniswap_factory": market.exchange.factory.address,
            "uniswap_router": market.exchange.router.address,
            "uniswap_quoter": market.exchange.quoter.address,
        }
        sandbox = Sandbox(directory, anvil.url, anvil.pid, wallet, market.transactions, addresses)
        (directory / STATE).write_text(
            json.dumps(
                {
                    "rpc_url": anvil.url,
                    "pid": anvil.pid,
                    "wallet": wallet,
                    "transactions": market.transactions,
                    "addresses": addresses,
                }
            )
        )
        return sandbox
    except BaseException:
        anvil.stop()
        raise


@asynccontextmanager
async def sandboxed(directory: Path) -> AsyncIterator[Sandbox]:
    """A sandbox that ends with the block."""
    sandbox = await start(directory)
    try:
        yield sandbox
    finally:
        sandbox.stop()


@contextmanager
def running_sandbox(directory: Path) -> Iterator[Sandbox]:
    """The same for code that is not asynchronous."""
    sandbox = asyncio.run(start(directory))
    try:
        yield sandbox
    finally:
        sandbox.stop()


def _spawn(directory: Path) -> Anvil:
    options = ["--chain-id", str(CHAIN_NUMBER), "--timestamp", str(int(time.time()) - PAST_SECONDS)]
    options += ["--balance", "1000000", "--gas-limit", "1000000000", "--prune-history", "300"]
    return spawn(options, log=directory / "anvil.log", temporary=False)


def _wallet(directory: Path) -> Address:
    """A new key, encrypted; the passphrase lies beside it, for this folder holds play money alone."""
    from eth_account import Account

    account = Account.create()
    passphrase = secrets.token_urlsafe(18)
    keys = directory / "keys"
    keys.mkdir(mode=0o700, exist_ok=True)
    _write(keys / "main.json", json.dumps(Account.encrypt(account.key, passphrase, kdf="scrypt", iterations=2**12)))
    _write(directory / "passphrase", passphrase + "\n")
    return Address(account.address)


async def _fund(node: EvmNode, usdc: Address, wallet: Address) -> None:
    """Mint the idle USDC (0x40c10f19 is mint(address,uint256)) and set the native balance."""
    sender = (await node.request("eth_accounts", []))[0]
    data = "0x40c10f19" + wallet[2:].lower().zfill(64) + f"{IDLE_USDC * USDC_ONE:064x}"
    await node.request("eth_sendTransaction", [{"from": sender, "to": usdc, "data": data, "gas": hex(200_000)}])
    await node.request("anvil_setBalance", [wallet, hex(NATIVE_ETH * 10**18)])
    await node.request("evm_mine", [])


def _configure(directory: Path, rpc_url: str, wallet: Address, chain: str) -> None:
    (directory / "chains").mkdir(exist_ok=True)
    (directory / "chains" / "sandbox.toml").write_text(chain)
    _write(directory / ".env", f"SANDBOX_RPC_URL={rpc_url}\n")
    (directory / "yieldbot.toml").write_text(
        f"""# A sandbox: real protocols on a local chain, play money, throw-away key.
schema = 1
data_dir = "."

[[wallets]]
name = "main"
address = "{wallet}"
keystore = "keys/main.json"
passphrase_file = "passphrase"

[[jobs]]
wallet = "main"
chain = "sandbox"
asset = "USDC"

[policy]
horizon_days = 30
idle_buffer = "500"
min_position = "1000"
min_move = "100"
max_share_market = 0.5
auto_max_move = "60000"
auto_max_total = "200000"

[policy.haircut_bps]
aave_v3 = 5
compound_v3 = 10
morpho_blue = 20
erc4626 = 15

[policy.max_share_protocol]
morpho_blue = 0.6
"""
    )


def _write(file: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as out:
        out.write(text)

