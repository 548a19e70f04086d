"""Swaps in Uniswap v4's pools as they are sent: the real Universal Router gives what we say, to the unit."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from tests.kit.contracts import call as ask_contract
from tests.kit.pools import own_sandbox
from tests.kit.v4 import V4World, take_protocol_fee, v4_of, v4_world
from yieldbot.chains.evm.execution.build import with_allowances
from yieldbot.chains.evm.execution.permit2 import fetch_permitted
from yieldbot.config.load import load
from yieldbot.errors import NodeRefused
from yieldbot.math.concentrated import MOST_TICK, Unswappable, sqrt_at
from yieldbot.math.liquidity_range import Range
from yieldbot.math.venues import VenuePath
from yieldbot.model.address import checksummed
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.exchange import Pool, PoolState
from yieldbot.model.tx import EvmCall
from yieldbot.model.v4 import PoolKey
from yieldbot.protocols import exchanges
from yieldbot.sandbox.evm.deployer import Deployer
from yieldbot.sandbox.evm.exchanges.uniswap_v4 import mint
from yieldbot.sandbox.evm.node import Sandbox

__all__ = ["own_sandbox", "v4_world"]  # fixtures

V4 = exchanges()["uniswap_v4"]
KEYS = [(500, 10), (3000, 60)]


class Ways:
    """Three tokens in a row and a pool between each two; swaps of ours are made by the first account."""

    def __init__(self, world: V4World, pools: tuple[Pool, ...]) -> None:
        self.world, self.pools, self.d = world, pools, world.deployer

    async def states(self) -> list[PoolState]:
        block = await self.world.node.block()
        return await self.world.node.run([V4.observe(pool) for pool in self.pools], block)  # type: ignore

    async def balance(self, token: Token) -> int:
        data = bytes.fromhex("70a08231") + bytes(12) + bytes.fromhex(self.d.me[2:])
        return int.from_bytes(await self.world.node.call(token.address, data), "big")

    async def send(self, call: EvmCall) -> int:
        """What our program puts before the call, then the call; the gas of all."""
        gas = 0
        for one in with_allowances((call,), {}, {}):
            receipt = await self.d._send({"to": one.to, "data": "0x" + one.data.hex()}, one.description)
            gas += int(receipt["gasUsed"], 16)
        return gas

    async def reverts(self, call: EvmCall) -> str:
        fields = {"from": self.d.me, "to": call.to, "data": "0x" + call.data.hex()}
        with pytest.raises(NodeRefused) as refusal:
            await self.world.node.request("eth_call", [fields, "latest"])
        return V4.explain_revert(refusal.value.data) or ""

    async def allowed(self, call: EvmCall) -> tuple[int, int]:
        """The token's allowance to Permit2, and Permit2's to the router."""
        need = call.allowance
        assert need is not None
        parties = b"".join(bytes(12) + bytes.fromhex(a[2:]) for a in (self.d.me, need.spender))
        data = await self.world.node.call(need.token.address, bytes.fromhex("dd62ed3e") + parties)
        return int.from_bytes(data, "big"), await fetch_permitted(self.world.node, self.d.me, need)


async def ways(d: Deployer, draw: random.Random) -> Ways:
    world = await v4_of(d, 3)
    for (fee, spacing), (zero, one) in zip(KEYS, pairwise(world.tokens), strict=True):
        key, tick = PoolKey(zero.address, one.address, fee, spacing), draw.randint(-40_000, 40_000)
        await d.send(world.v4.manager, "initialize", key.fields, sqrt_at(tick))
        most = MOST_TICK // spacing * spacing
        await mint(d, world.v4, key.fields, Range(-most, most), 10**24)
        for width in (2, 20, 200):
            low = (tick + draw.randint(-width, 0) * spacing) // spacing * spacing
            await mint(d, world.v4, key.fields, Range(low, low + width * spacing), 10 ** draw.randint(20, 24))
        await take_protocol_fee(world, key, draw.randint(0, 1000), draw.randint(0, 1000))
    pairs = list(pairwise(world.tokens))
    pools = await world.listed(KEYS, *pairs, router=world.v4.router.address)
    assert [pool.params["fee"] for pool in pools] == [500, 3000]
    for contract in world.contracts:  # the position manager's away: ours are exact
        await d.send(contract, "approve", world.v4.permit2.address, 0)
    return Ways(world, pools)


async def test_the_router_gives_what_we_say_to_the_unit(own_sandbox: Sandbox) -> None:
    draw = random.Random(4)
    async with own_sandbox.node() as node:
        snapshot = await node.request("evm_snapshot", [])
        made = await ways(Deployer(node, [checksummed(a) for a in await node.request("eth_accounts", [])]), draw)
        now = (await node.block()).timestamp
        row = made.world.tokens
        for there in (row[:2], row[1::-1], row, row[::-1]):
            states = await made.states()
            along = [next(s for s in states if {s.pool.token0, s.pool.token1} == set(p)) for p in pairwise(there)]
            venues = [state.venue(token) for state, token in zip(along, there, strict=False)]
            given = Amount(there[0], int(10 ** draw.uniform(15, 21)))
            out = (venues[0] if len(venues) == 1 else VenuePath(*venues)).quote_exact_in(given.raw)[0]
            least = Amount(there[-1], out)
            (call,) = V4.swap(tuple(s.pool for s in along), given, least, made.d.me, now + 600)
            before = [await made.balance(token) for token in (there[0], there[-1])]
            await made.send(call)
            after = [await made.balance(token) for token in (there[0], there[-1])]
            assert out and [a - b for a, b in zip(after, before, strict=True)] == [-given.raw, out]
            assert await made.allowed(call) == (0, 0)
        await node.request("evm_revert", [snapshot])


async def test_what_the_router_refuses_is_told(own_sandbox: Sandbox) -> None:
    async with own_sandbox.node() as node:
        snapshot = await node.request("evm_snapshot", [])
        made = await ways(
            Deployer(node, [checksummed(a) for a in await node.request("eth_accounts", [])]), random.Random(5)
        )
        now = (await node.block()).timestamp
        (pool, _), (zero, one, _), raw = made.pools, made.world.tokens, 10**16
        out = (await made.states())[0].zero.quote_exact_in(raw)[0]
        given = Amount(zero, raw)

        def swap(least: int = out, amount: Amount = given, deadline: int = now + 600) -> EvmCall:
            (call,) = V4.swap((pool,), amount, Amount(one, least), made.d.me, deadline)
            return call

        assert "deadline is over" in await made.reverts(swap(deadline=now - 1))
        # Permit2 refuses until it is told for whom, then until it may take the token itself.
        assert "what Permit2 was allowed to let the router take is over" in await made.reverts(swap())
        token_allowance, permit, call = with_allowances((swap(),), {}, {})
        assert call == swap() and permit.to == made.world.v4.permit2.address
        await made.d._send({"to": permit.to, "data": "0x" + permit.data.hex()}, permit.description)
        assert "did not move from our account" in await made.reverts(swap())
        await made.d._send({"to": token_allowance.to, "data": "0x" + token_allowance.data.hex()}, "allow")
        assert "less than the least" in await made.reverts(swap(least=out + 1))
        assert "not allowed to let the router take so much" in await made.reverts(swap(0, Amount(zero, raw + 1)))
        assert await made.allowed(call) == (raw, raw)
        # A price at the end of all ticks takes a part alone: paid is all or nothing.
        whole = Amount(zero, 10**37)
        with pytest.raises(Unswappable):
            (await made.states())[0].zero.quote_exact_in(whole.raw)
        greedy = swap(0, whole)
        for one_call in with_allowances((greedy,), {}, {})[:2]:
            await made.d._send({"to": one_call.to, "data": "0x" + one_call.data.hex()}, one_call.description)
        assert await made.reverts(greedy)
        await node.request("evm_revert", [snapshot])


def test_the_sandboxs_own_exchange_names_its_router(own_sandbox: Sandbox) -> None:
    (job,) = load(own_sandbox.config).jobs
    (exchange,) = [e for e in job.chain.exchanges if e.protocol == "uniswap_v4"]
    router = exchange.params["router"]
    assert (
        router == own_sandbox.addresses["v4_router"] and exchange.params["permit2"] == own_sandbox.addresses["permit2"]
    )
    manager = exchange.params["pool_manager"][2:].lower()
    assert ask_contract(own_sandbox, router, "poolManager()")[12:].hex() == manager
