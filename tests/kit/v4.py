"""Real Uniswap v4 on a node: two tokens, pools without hooks in random states, and V4Quoter's quotes for swaps in
them."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_utils.abi import function_signature_to_4byte_selector as selector

from tests.kit.pools import MINE, ask
from yieldbot.chains.evm.node.client import Node
from yieldbot.math.concentrated import MOST_TICK, Unswappable, V3Pool, sqrt_at
from yieldbot.math.liquidity_range import Range
from yieldbot.math.venues import V3Venue
from yieldbot.model.address import checksummed
from yieldbot.model.amounts import Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import Address
from yieldbot.model.reads import EthCall
from yieldbot.model.v4 import PoolKey
from yieldbot.protocols import exchanges
from yieldbot.sandbox.evm.artifacts import packaged
from yieldbot.sandbox.evm.deployer import ZERO, Contract, Deployer
from yieldbot.sandbox.evm.exchanges.uniswap_v4 import ExchangeV4, allow, deploy_v4, mint
from yieldbot.sandbox.evm.node import Sandbox

ANY_HOOK = "0x5f355f5260205ff3"
"""Code of a contract that answers any call with its calldata's first 32 bytes, and so with the selector, as hooks
must."""

SINGLE = "((address,address,uint24,int24,address),bool,uint128,bytes)"


@dataclass
class V4World:
    """The deployed exchange. tokens and contracts: in the pools' order."""

    deployer: Deployer
    node: Node
    contracts: list[Contract]
    tokens: list[Token]
    v4: ExchangeV4

    @property
    def deployment(self) -> Deployment:
        params = {"pool_manager": self.v4.manager.address, "state_view": self.v4.state_view.address}
        return Deployment("uniswap_v4", self.node.chain, "v4", params, tuple(self.tokens))

    async def listed(self, keys: list[tuple[int, int]], *others: tuple[Token, Token], **more: Any) -> tuple[Pool, ...]:
        """The adapter's pools of the two tokens (or of ``others``) with these fees and spacings."""
        given = self.deployment
        table = Deployment(given.protocol, given.chain, given.name, {**given.params, "keys": keys} | more, given.assets)
        pairs = others or ((self.tokens[0], self.tokens[1]),)
        (found,) = await self.node.run([exchanges()["uniswap_v4"].pools(table, pairs)], await self.node.block())
        assert isinstance(found, tuple), found
        return found


@pytest.fixture
async def v4_world(own_sandbox: Sandbox) -> AsyncIterator[V4World]:
    async with own_sandbox.node() as node:
        snapshot = await node.request("evm_snapshot", [])
        d = Deployer(node, [checksummed(a) for a in await node.request("eth_accounts", [])])
        yield await v4_of(d)
        await node.request("evm_revert", [snapshot])


async def v4_of(d: Deployer, count: int = 2) -> V4World:
    """Deploy the exchange with ``count`` new tokens, sorted by address."""
    made = [await d.deploy(packaged("@uniswap/v2-periphery/build/ERC20.json"), MINE) for _ in range(count)]
    made.sort(key=lambda token: int(token.address, 16))
    v4 = await deploy_v4(d, made[0].address, ZERO, ZERO)
    for token in made:
        await allow(d, v4, token)
    tokens = [Token(d.node.chain, checksummed(c.address), f"T{i}", 18) for i, c in enumerate(made)]
    return V4World(d, d.node, made, tokens, v4)


async def new_v4_pool(world: V4World, draw: random.Random, fee: int, spacing: int, tick: int | None = None) -> PoolKey:
    """A pool of the first two tokens at a random price with random positions."""
    tick = draw.randint(-200_000, 200_000) if tick is None else tick
    key = PoolKey(world.tokens[0].address, world.tokens[1].address, fee, spacing)
    sqrt = sqrt_at(tick) + draw.randint(0, sqrt_at(tick + 1) - sqrt_at(tick) - 1)
    await world.deployer.send(world.v4.manager, "initialize", key.fields, sqrt)
    most = MOST_TICK // spacing * spacing
    for _ in range(draw.randint(1, 6)):
        width = draw.choice([1, 2, 10, 100, 1000]) * spacing
        low = max(-most, min((tick + draw.randint(-2 * width, width)) // spacing * spacing, most - spacing))
        ticks = Range(low, min(most, low + width * draw.randint(1, 3)))
        await _mint(world, key, ticks, sqrt, 10 ** draw.randint(6, 24))
    if draw.random() < 0.7:
        await _mint(world, key, Range(-most, most), sqrt, 10 ** draw.randint(12, 22))
    return key


async def _mint(world: V4World, key: PoolKey, ticks: Range, sqrt: int, amount: int) -> None:
    if liquidity := ticks.liquidity(sqrt, amount, amount):
        await mint(world.deployer, world.v4, key.fields, ticks, liquidity)


async def take_protocol_fee(world: V4World, key: PoolKey, zero: int, one: int) -> None:
    """Set the pool's protocol fees as the manager's owner: ``zero`` and ``one`` in hundredths of a bp, by the token
    that goes in."""
    d = world.deployer
    await d.send(world.v4.manager, "setProtocolFeeController", d.me)
    await d.send(world.v4.manager, "setProtocolFee", key.fields, one << 12 | zero)


def quoting(quoter: Address, key: PoolKey, zero_for_one: bool, amount: int) -> EthCall:
    """The read of V4Quoter's quote for a swap; it reverts if the pool does, or if only a part can be swapped."""
    name = f"quoteExact{'Input' if amount > 0 else 'Output'}Single({SINGLE})"
    data = selector(name) + encode([SINGLE], [(key.fields, zero_for_one, abs(amount), b"")])
    return EthCall(quoter, bytes(data), optional=True)


async def compare(
    world: V4World, key: PoolKey, venues: tuple[V3Venue, V3Venue], draw: random.Random, count: int
) -> tuple[int, int]:
    """(number of equal quotes, number of swaps that both refused). Raises AssertionError for a difference."""
    asked = [(draw.random() < 0.5, draw.choice([1, -1]) * int(10 ** draw.uniform(0, 25))) for _ in range(count)]
    calls = [quoting(world.v4.quoter.address, key, zero, amount) for zero, amount in asked]
    (answers,) = await world.node.run([ask(calls)], await world.node.block())
    same = refused = 0
    for (zero, amount), answer in zip(asked, answers, strict=True):
        venue = venues[0] if zero else venues[1]
        assert isinstance(venue.pool, V3Pool)
        try:
            ours = venue.quote_exact_in(amount)[0] if amount > 0 else venue.quote_exact_out(-amount)
        except Unswappable:
            assert not answer, (zero, amount)
            refused += 1
            continue
        assert answer and decode(["uint256", "uint256"], answer)[0] == ours, (zero, amount, ours)
        same += 1
    return same, refused
