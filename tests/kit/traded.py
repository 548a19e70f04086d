"""The sandbox's real pool with a history of trades, half an hour apart, and positions of the wallet."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from yieldbot.chains.evm.node.client import Node
from yieldbot.model.address import checksummed
from yieldbot.model.units import MAX_UINT256
from yieldbot.sandbox import running_sandbox
from yieldbot.sandbox.evm.artifacts import packaged
from yieldbot.sandbox.evm.deployer import Contract, Deployer
from yieldbot.sandbox.evm.node import Sandbox

PERIPHERY = "@uniswap/v3-periphery/artifacts/contracts/"
FAR = 2**40
FEE = 500
TRADES = 40
EVERY = 1800


class Traded:
    """The sandbox's contracts by name, called by its first account."""

    def __init__(self, sandbox: Sandbox, node: Node, accounts: list[str]) -> None:
        at = sandbox.addresses
        self.sandbox, self.node = sandbox, node
        self.d = Deployer(node, [checksummed(account) for account in accounts])
        self.manager = self._packaged("uniswap_positions", "NonfungiblePositionManager")
        self.router = self._packaged("uniswap_router", "SwapRouter")
        core = packaged("@uniswap/v3-core/artifacts/contracts/UniswapV3Pool.sol/UniswapV3Pool.json")
        self.pool = Contract(at["uniswap_pool"], core.abi)
        erc20 = packaged("@uniswap/v2-periphery/build/ERC20.json").abi
        self.pair = sorted((at["usdc"], at["weth"]), key=lambda token: int(token, 16))
        self.tokens = [Contract(token, erc20) for token in self.pair]
        self.fees = [0, 0]  # fees of all swaps, in base units of token0 and token1

    def _packaged(self, name: str, contract: str) -> Contract:
        found = packaged(f"{PERIPHERY}{contract}.sol/{contract}.json")
        return Contract(self.sandbox.addresses[name], found.abi)

    async def ready(self) -> None:
        for token in self.tokens:
            await self.d.send(token, "approve", self.router.address, MAX_UINT256)
        await self.d.send(self.pool, "increaseObservationCardinalityNext", 120)

    async def swap(self, zero: bool, usd: float) -> None:
        """Swap an amount worth ``usd`` dollars, and add its fee (rounded up by the pool) to the sum. zero: token0 goes
        in."""
        given = self.pair if zero else self.pair[::-1]
        is_usdc = given[0] == self.sandbox.addresses["usdc"]
        raw = int(usd * 1e6) if is_usdc else int(usd / 3000 * 1e18)
        await self.d.send(self.router, "exactInputSingle", (*given, FEE, self.d.me, FAR, raw, 0, 0))
        self.fees[0 if zero else 1] += -(-raw * FEE // 1_000_000)

    async def trade(self, draw: random.Random, count: int = TRADES, seconds: int = EVERY) -> None:
        for _ in range(count):
            await self.swap(draw.random() < 0.5, draw.uniform(1_000, 8_000))
            await self.d.warp(seconds)


async def traded(sandbox: Sandbox, node: Node) -> Traded:
    made = Traded(sandbox, node, await node.request("eth_accounts", []))
    await made.ready()
    return made


@pytest.fixture(scope="module")
def pool_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox for one test module, since hundreds of blocks are mined on it."""
    with running_sandbox(tmp_path_factory.mktemp("liquidity")) as sandbox:
        yield sandbox
