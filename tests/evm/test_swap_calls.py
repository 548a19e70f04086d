"""Swaps as they are sent: real Uniswap v2 and v3 routers give what our arithmetic says of our calls, to the unit."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.kit.contracts import call as ask_contract
from tests.kit.evm.router02 import ROUTER02
from tests.kit.pools import FEES, World, mint, own_sandbox, world
from yieldbot.config.load import load
from yieldbot.errors import NodeRefused
from yieldbot.math.concentrated import MOST_TICK, sqrt_at
from yieldbot.math.venues import VenuePath
from yieldbot.model.address import checksummed
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, PoolState
from yieldbot.model.ids import Address
from yieldbot.model.tx import EvmCall
from yieldbot.model.units import MAX_UINT256
from yieldbot.protocols import exchanges
from yieldbot.protocols.evm.base import SwapAdapter
from yieldbot.sandbox.evm.artifacts import packaged
from yieldbot.sandbox.evm.deployer import Contract
from yieldbot.sandbox.evm.node import Sandbox

__all__ = ["own_sandbox", "world"]  # fixtures

V2_BUILD = "@uniswap/v2-{}/build/{}.json"
MINE = 10**30


class Ways:
    """Three tokens in a row and pools between them, in one exchange; swaps of ours are made by the first account."""

    def __init__(self, world: World, adapter: SwapAdapter, tokens: list[Token], pools: tuple[Pool, ...]) -> None:
        self.world, self.adapter, self.tokens, self.pools = world, adapter, tokens, pools

    @property
    def me(self) -> Address:
        return self.world.deployer.me

    async def states(self) -> list[PoolState]:
        block = await self.world.node.block()
        return await self.world.node.run([self.adapter.observe(pool) for pool in self.pools], block)  # type: ignore

    async def balance(self, token: Token) -> int:
        data = bytes.fromhex("70a08231") + bytes(12) + bytes.fromhex(self.me[2:])
        return int.from_bytes(await self.world.node.call(token.address, data), "big")

    async def allowance(self, call: EvmCall) -> int:
        assert call.allowance is not None
        parties = b"".join(bytes(12) + bytes.fromhex(a[2:]) for a in (self.me, call.allowance.spender))
        data = bytes.fromhex("dd62ed3e") + parties
        return int.from_bytes(await self.world.node.call(call.allowance.token.address, data), "big")

    async def send(self, call: EvmCall) -> None:
        """The exact allowance, then the call."""
        assert call.allowance is not None
        spender = bytes(12) + bytes.fromhex(call.allowance.spender[2:])
        approve = bytes.fromhex("095ea7b3") + spender + call.allowance.raw.to_bytes(32, "big")
        for to, data in ((call.allowance.token.address, approve), (call.to, call.data)):
            await self.world.deployer._send({"to": to, "data": "0x" + data.hex()}, call.description)

    async def reverts(self, call: EvmCall) -> str:
        """What the router says to the call; the allowance stands already."""
        fields = {"from": self.me, "to": call.to, "data": "0x" + call.data.hex()}
        with pytest.raises(NodeRefused) as refusal:
            await self.world.node.request("eth_call", [fields, "latest"])
        return self.adapter.explain_revert(refusal.value.data) or ""


async def deep_pool(world: World, pair: list[Address], draw: random.Random, fee: int) -> None:
    """A pool at a random price: liquidity over all ticks, and more in three ranges around the price."""
    tick, spacing = draw.randint(-40_000, 40_000), FEES[fee]
    await world.deployer.send(world.positions, "createAndInitializePoolIfNecessary", *pair, fee, sqrt_at(tick))
    full = MOST_TICK // spacing * spacing - spacing
    await mint(world, pair, fee, -full, full, 10**24)
    for width in (2, 20, 200):
        low = (tick + draw.randint(-width, 0) * spacing) // spacing * spacing
        await mint(world, pair, fee, low, low + width * spacing, 10 ** draw.randint(18, 22))


async def ways(world: World, protocol: str, draw: random.Random, *, router02: bool = False) -> Ways:
    d, adapter = world.deployer, exchanges()[protocol]
    third = await d.deploy(packaged("@uniswap/v2-periphery/build/ERC20.json"), MINE)
    for spender in (world.positions, world.router):
        await d.send(third, "approve", spender.address, MAX_UINT256)
    contracts = [*world.tokens, third]
    pairs = [(contracts[0], contracts[1]), (contracts[1], contracts[2])]
    if protocol == "uniswap_v3":
        params: dict[str, Any] = {"factory": world.factory.address, "router": world.router.address, "fees": [500, 3000]}
        for fee, pair in zip((500, 3000), pairs, strict=True):
            ordered = sorted(pair, key=lambda token: int(token.address, 16))
            await deep_pool(world, [token.address for token in ordered], draw, fee)
        if router02:
            nobody = world.tokens[0].address  # what stands for v2's factory and for WETH: neither is asked
            made = await d.deploy(packaged(ROUTER02), nobody, world.factory.address, world.positions.address, nobody)
            params = {"factory": world.factory.address, "router02": made.address, "fees": [500, 3000]}
    else:
        factory = await d.deploy(packaged(V2_BUILD.format("core", "UniswapV2Factory")), d.me)
        router_file = packaged(V2_BUILD.format("periphery", "UniswapV2Router02"))
        router = await d.deploy(router_file, factory.address, world.tokens[0].address)
        params = {"factory": factory.address, "router": router.address, "fee_bps": 30}
        for pair in pairs:
            await d.send(factory, "createPair", pair[0].address, pair[1].address)
            at = checksummed(await d.read_address(factory, "getPair", pair[0].address, pair[1].address))
            for token in pair:
                await d.send(token, "transfer", at, int(10 ** draw.uniform(15, 24)))
            await d.send(Contract(at, packaged(V2_BUILD.format("core", "UniswapV2Pair")).abi), "mint", d.me)
    chain = world.node.chain
    tokens = [Token(chain, checksummed(c.address), f"T{i}", 18) for i, c in enumerate(contracts)]
    deployment = Deployment(protocol, chain, protocol, params, tuple(tokens))
    asked = adapter.pools(deployment, [(tokens[0], tokens[1]), (tokens[1], tokens[2])])
    (found,) = await world.node.run([asked], await world.node.block())
    assert isinstance(found, tuple) and len(found) == 2
    # Allowances of the sandbox's own making away: ours are exact.
    for token in contracts:
        await d.send(token, "approve", params.get("router", params.get("router02")), 0)
    return Ways(world, adapter, tokens, found)


@pytest.mark.parametrize(("protocol", "router02"), [("uniswap_v2", False), ("uniswap_v3", False), ("uniswap_v3", True)])
async def test_routers_give_what_we_say_to_the_unit(protocol: str, router02: bool, world: World) -> None:
    draw = random.Random(protocol)
    made = await ways(world, protocol, draw, router02=router02)
    now = (await world.node.block()).timestamp
    there, across = made.tokens[:2], made.tokens
    for row in (there, there[::-1], across, across[::-1]):
        states = await made.states()
        along = [
            next(s for s in states if {s.pool.token0, s.pool.token1} == set(row[i : i + 2]))
            for i in range(len(row) - 1)
        ]
        pools = tuple(state.pool for state in along)
        venues = [state.venue(token) for state, token in zip(along, row, strict=False)]
        given = Amount(row[0], int(10 ** draw.uniform(12, 20)))
        out = (venues[0] if len(venues) == 1 else VenuePath(*venues)).quote_exact_in(given.raw)[0]
        (call,) = made.adapter.swap(pools, given, Amount(row[-1], out), made.me, now + 600)
        before = [await made.balance(token) for token in (row[0], row[-1])]
        await made.send(call)
        after = [await made.balance(token) for token in (row[0], row[-1])]
        assert out and [a - b for a, b in zip(after, before, strict=True)] == [-given.raw, out]
        assert await made.allowance(call) == 0

    pool, (given_token, wanted), raw = made.pools[0], there, 10**16
    out = (await made.states())[0].venue(given_token).quote_exact_in(raw)[0]
    terms = ((pool,), Amount(given_token, raw))
    (late,) = made.adapter.swap(*terms, Amount(wanted, out), made.me, now - 1)
    (greedy,) = made.adapter.swap(*terms, Amount(wanted, out + 1), made.me, now + 600)
    assert "deadline is over" in await made.reverts(late)
    if protocol == "uniswap_v3":  # v2 looks at its least first
        assert "did not move from our account" in await made.reverts(greedy)  # nothing is allowed to it yet
    await world.deployer.send(world.tokens[0], "approve", greedy.to, raw)
    assert "less than the least" in await made.reverts(greedy)


def test_the_sandboxs_own_exchange_names_its_router(own_sandbox: Sandbox) -> None:
    (job,) = load(own_sandbox.config).jobs
    (exchange,) = [e for e in job.chain.exchanges if e.protocol == "uniswap_v3"]
    router = exchange.params["router"]
    assert router == own_sandbox.addresses["uniswap_router"]
    assert ask_contract(own_sandbox, router, "factory()")[12:].hex() == exchange.params["factory"][2:].lower()
