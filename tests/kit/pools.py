"""Real Uniswap v3 on a node: two tokens, pools in random states, and QuoterV2's quotes for swaps in them.

It needs a sandbox of its own: hundreds of blocks are mined and reverted on it, and anvil keeps only the newest few
hundred states, so other tests would lack history.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_utils.abi import function_signature_to_4byte_selector as selector

from yieldbot.chains.evm.node.client import Node
from yieldbot.math.concentrated import MOST_TICK, Unswappable, V3Pool, sqrt_at, tick_at
from yieldbot.model.address import checksummed
from yieldbot.model.ids import Address
from yieldbot.model.reads import EthCall
from yieldbot.model.units import MAX_UINT256
from yieldbot.sandbox import running_sandbox
from yieldbot.sandbox.evm.artifacts import packaged
from yieldbot.sandbox.evm.deployer import Contract, Deployer
from yieldbot.sandbox.evm.node import Sandbox

V3 = "@uniswap/v3-periphery/artifacts/contracts/"
FEES = {500: 10, 3000: 60, 10_000: 200}
FAR = 2**40
MINE = 10**30


@pytest.fixture(scope="module")
def own_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("pools")) as sandbox:
        yield sandbox


@pytest.fixture
async def world(own_sandbox: Sandbox) -> AsyncIterator[World]:
    async with own_sandbox.node() as node:
        snapshot = await node.request("evm_snapshot", [])
        yield await uniswap(node)
        await node.request("evm_revert", [snapshot])


@dataclass
class World:
    """The deployed exchange. tokens: in the pools' order."""

    deployer: Deployer
    node: Node
    tokens: tuple[Contract, Contract]
    factory: Contract
    positions: Contract
    router: Contract
    quoter: Contract


async def uniswap(node: Node) -> World:
    """Deploy the exchange with two new tokens."""
    d = Deployer(node, [checksummed(a) for a in await node.request("eth_accounts", [])])
    made = [await d.deploy(packaged("@uniswap/v2-periphery/build/ERC20.json"), MINE) for _ in range(2)]
    made.sort(key=lambda token: int(token.address, 16))
    nobody = made[0].address  # placeholders for WETH and for the descriptor of positions' pictures; neither is called
    factory = await d.deploy(
        packaged("@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json")
    )
    manager = packaged(V3 + "NonfungiblePositionManager.sol/NonfungiblePositionManager.json")
    positions = await d.deploy(manager, factory.address, nobody, nobody)
    router = await d.deploy(packaged(V3 + "SwapRouter.sol/SwapRouter.json"), factory.address, nobody)
    quoter = await d.deploy(packaged(V3 + "lens/QuoterV2.sol/QuoterV2.json"), factory.address, nobody)
    for token in made:
        for spender in (positions, router):
            await d.send(token, "approve", spender.address, MAX_UINT256)
    return World(d, node, (made[0], made[1]), factory, positions, router, quoter)


async def new_pool(world: World, draw: random.Random, fee: int) -> Address:
    """A pool at a random price with random positions."""
    spacing = FEES[fee]
    tick = draw.randint(-200_000, 200_000)
    pair = [token.address for token in world.tokens]
    sqrt = sqrt_at(tick) + draw.randint(0, sqrt_at(tick + 1) - sqrt_at(tick) - 1)
    await world.deployer.send(world.positions, "createAndInitializePoolIfNecessary", *pair, fee, sqrt)
    for _ in range(draw.randint(1, 6)):
        width = draw.choice([1, 2, 10, 100, 1000]) * spacing
        low = (tick + draw.randint(-2 * width, width)) // spacing * spacing
        await mint(world, pair, fee, low, low + width * draw.randint(1, 3), 10 ** draw.randint(6, 24))
    full = MOST_TICK // spacing * spacing
    if draw.random() < 0.7:
        await mint(world, pair, fee, -full, full, 10 ** draw.randint(12, 22))
    return checksummed(await world.deployer.read_address(world.factory, "getPool", *pair, fee))


async def mint(world: World, pair: list[Any], fee: int, low: int, high: int, amount: int) -> None:
    low, high = max(low, -MOST_TICK // FEES[fee] * FEES[fee] + FEES[fee]), min(high, MOST_TICK // FEES[fee] * FEES[fee])
    terms = (*pair, fee, low, high, amount, amount, 0, 0, world.deployer.me, FAR)
    await world.deployer.send(world.positions, "mint", terms)


def quoting(world: World, zero_for_one: bool, amount: int, fee: int, limit: int) -> EthCall:
    """The read of QuoterV2's quote for a swap; it reverts if the pool does."""
    pair = [token.address for token in world.tokens]
    given, taken = pair if zero_for_one else pair[::-1]
    name = f"quoteExact{'Input' if amount > 0 else 'Output'}Single((address,address,uint256,uint24,uint160))"
    data = selector(name) + encode(
        ["(address,address,uint256,uint24,uint160)"], [(given, taken, abs(amount), fee, limit)]
    )
    return EthCall(world.quoter.address, bytes(data), optional=True)


def ask(reads: list[EthCall]) -> Any:
    answers = yield reads
    return answers


async def compare(world: World, pool: V3Pool, draw: random.Random, fee: int, count: int) -> tuple[int, int]:
    """(number of equal quotes, number of swaps that both refused). Raises AssertionError for a difference."""
    asked = []
    for _ in range(count):
        zero_for_one = draw.random() < 0.5
        amount = draw.choice([1, -1]) * int(10 ** draw.uniform(0, 25))
        limit = 0
        if draw.random() < 0.2:
            away = draw.randint(1, 20_000)
            limit = sqrt_at(max(-MOST_TICK + 1, min(MOST_TICK - 1, pool.tick + (-away if zero_for_one else away))))
        asked.append((zero_for_one, amount, limit))
    block = await world.node.block()
    (answers,) = await world.node.run([ask([quoting(world, z, a, fee, limit) for z, a, limit in asked])], block)
    same = refused = 0
    for (zero_for_one, amount, limit), answer in zip(asked, answers, strict=True):
        try:
            ours = pool.swap(amount, zero_for_one, limit or None)
        except Unswappable:
            assert not answer, (zero_for_one, amount, limit)
            refused += 1
            continue
        into, out = (ours.amount0, ours.amount1) if zero_for_one else (ours.amount1, ours.amount0)
        if not answer:
            # QuoterV2 alone refuses an exact output that the pool could only give in part, and a swap of nothing where
            # the price only runs through empty ticks.
            part = amount < 0 and not limit and -out < -amount
            assert part or into == out == 0, (zero_for_one, amount, ours)
            refused += 1
            continue
        quoted, sqrt_after, crossed, _ = decode(["uint256", "uint160", "uint32", "uint256"], answer)
        assert quoted == (-out if amount > 0 else into), (zero_for_one, amount, limit)
        assert sqrt_after == ours.sqrt_price_x96
        assert ours.tick == tick_at(sqrt_after) or ours.tick == tick_at(sqrt_after) - 1
        del crossed  # QuoterV2 counts the tick that it stands on in another way
        same += 1
    return same, refused


def without_exchange(sandbox: Sandbox, protocol: str) -> None:
    """Remove an exchange's tables from the sandbox's chain file, so that a test concerns the other exchanges alone.

    The sandbox must have a folder of the test's own.
    """
    file = sandbox.directory / "chains" / "sandbox.toml"
    head, *tables = file.read_text().split("[[exchanges]]\n")
    kept = [table for table in tables if f'protocol = "{protocol}"' not in table]
    assert len(kept) == len(tables) - 1
    file.write_text("[[exchanges]]\n".join([head, *kept]))
