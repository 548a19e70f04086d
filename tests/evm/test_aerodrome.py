"""Aerodrome's real basic pools, compiled from their sources: our integers are theirs, and swaps by the real router."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from tests.kit.exchange_world import ExchangeWorld
from tests.kit.pools import ask, own_sandbox
from yieldbot.allocator.split import split, split_exact_out
from yieldbot.errors import MarketError
from yieldbot.math.concentrated import Unswappable
from yieldbot.math.solidly import SolidlyPool, SolidlyVenue
from yieldbot.math.venues import VenuePath
from yieldbot.model.address import checksummed
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.exchange import Pool
from yieldbot.model.reads import EthCall
from yieldbot.model.tx import EvmCall
from yieldbot.protocols import exchanges
from yieldbot.sandbox.evm.artifacts import compiled, own
from yieldbot.sandbox.evm.deployer import Contract, Deployer
from yieldbot.sandbox.evm.exchanges.aerodrome import deploy_contracts
from yieldbot.sandbox.evm.node import Sandbox

__all__ = ["own_sandbox"]  # a fixture: hundreds of blocks are mined

AERODROME = exchanges()["aerodrome"]
QUESTIONS = 250
"""Of each of six pools of both kinds, as they are made and after a swap: 6,000 in all."""
CUSTOM_ZERO = 420
"""How the factory is told of a fee of nothing."""


@dataclass(kw_only=True)
class World(ExchangeWorld):
    """The factory, its router, and what else of the package's contracts they need."""

    protocol = "aerodrome"
    factory: Contract
    router: Contract
    pool_abi: list[dict[str, Any]]

    @property
    def params(self) -> dict[str, Any]:
        return {"factory": self.factory.address, "router": self.router.address}

    async def token(self, decimals: int, number: int) -> Token:
        made = await self.d.deploy(own()["TestToken"], f"T{number}", f"T{number}", decimals)
        return Token(self.d.node.chain, checksummed(made.address), f"T{number}", decimals)

    async def pool(self, one: Token, other: Token, stable: bool, reserves: dict[Token, int]) -> str:
        """A pool with these reserves: what is sent to it counts once it is told to look."""
        await self.d.send(self.factory, "createPool(address,address,bool)", one.address, other.address, stable)
        signature = "getPool(address,address,bool)"
        at = checksummed(await self.d.read_address(self.factory, signature, one.address, other.address, stable))
        pool = Contract(at, self.pool_abi)
        # A stable pool's first deposit is even: what is more counts once the pool is told to look.
        even = min((raw // token.one for token, raw in reserves.items()), default=0)
        first = {token: even * token.one if stable else raw for token, raw in reserves.items()}
        for token, raw in first.items():
            await self.d.send(self.contract(token), "mint", at, raw)
        if reserves:
            await self.d.send(pool, "mint", self.d.me)
        for token, raw in reserves.items():
            await self.d.send(self.contract(token), "mint", at, raw - first[token])
        await self.d.send(pool, "sync")
        return at


@pytest.fixture
async def world(own_sandbox: Sandbox) -> AsyncIterator[World]:
    made, ours = compiled(units=("aerodrome",))["aerodrome"], own()
    async with own_sandbox.node() as node:
        snapshot = await node.request("evm_snapshot", [])
        d = Deployer(node, [checksummed(a) for a in await node.request("eth_accounts", [])])
        factory, router = await deploy_contracts(d)
        yield World(d=d, token_abi=ours["TestToken"].abi, factory=factory, router=router, pool_abi=made["Pool"].abi)
        await node.request("evm_revert", [snapshot])


def questions(draw: random.Random, pool: SolidlyPool, count: int) -> list[tuple[bool, int]]:
    sides = [draw.random() < 0.5 for _ in range(count)]
    return [(zero, int(pool.reserves[0 if zero else 1] * 10 ** draw.uniform(-12, 3)) + 1) for zero in sides]


async def compare(w: World, pool: Pool, ours: SolidlyPool, draw: random.Random) -> tuple[int, int]:
    """(how many answers were the same, how many were refused by both)."""
    asked, contract = questions(draw, ours, QUESTIONS), Contract(pool.address, w.pool_abi)
    tokens = pool.token0.address, pool.token1.address
    calls = [
        EthCall(pool.address, bytes.fromhex(contract.data("getAmountOut", raw, tokens[0 if zero else 1])[2:]), True)
        for zero, raw in asked
    ]
    (answers,) = await w.d.node.run([ask(calls)], await w.d.node.block())
    same = refused = 0
    for (zero, raw), answer in zip(asked, answers, strict=True):
        try:
            expected = ours.out(raw, zero)
        except Unswappable:
            assert not answer, (ours, zero, raw)
            refused += 1
            continue
        assert answer and int.from_bytes(answer, "big") == expected, (ours, zero, raw)
        same += 1
    return same, refused


@pytest.mark.parametrize("stable", [False, True], ids=["volatile", "stable"])
async def test_thousands_of_answers_are_the_pools_to_the_unit(stable: bool, world: World) -> None:
    draw, number = random.Random(f"{stable}"), 0
    for _ in range(6):
        pair = [await world.token(draw.choice([6, 8, 18]), number + k) for k in range(2)]
        number += 2
        whole = draw.uniform(1, 9)  # tokens, as a power of ten
        lean = draw.uniform(-1, 1) if stable else draw.uniform(-4, 4)
        reserves = {t: int(10 ** (whole + t.decimals + lean * k)) + 1 for k, t in enumerate(pair)}
        at = await world.pool(*pair, stable, reserves)
        fee = draw.choice([0, 1, 30, 300])
        if fee or draw.random() < 0.5:
            await world.d.send(world.factory, "setCustomFee", at, fee or CUSTOM_ZERO)
        (pool,) = await world.listed([(pair[0], pair[1])])
        assert pool.name == f"Aerodrome {'stable' if stable else 'volatile'}"
        for _ in range(2):
            state = await world.state(pool)
            assert isinstance(state.zero, SolidlyVenue)
            same, refused = await compare(world, pool, state.zero.pool, draw)
            assert same + refused == QUESTIONS and same >= QUESTIONS // 2, (state.zero.pool, same)
            given = pool.token0 if draw.random() < 0.5 else pool.token1
            wanted = pool.token1 if given == pool.token0 else pool.token0
            raw = reserves[given] // draw.randint(5, 50) + 1
            out = state.venue(given).quote_exact_in(raw)[0]
            await world.d.send(world.contract(given), "mint", world.d.me, raw)
            (call,) = AERODROME.swap((pool,), Amount(given, raw), Amount(wanted, out), world.d.me, 2**40)
            before = await world.balance(wanted)
            await world.send(call)
            assert out and await world.balance(wanted) - before == out
            assert state.venue(given).quote_exact_out(out) <= raw


async def test_the_router_gives_what_we_say_through_two_pools_and_no_less(world: World) -> None:
    draw = random.Random(3)
    tokens = [await world.token(places, k) for k, places in enumerate((6, 18, 8))]
    for stable, pair in ((True, tokens[:2]), (False, tokens[1:])):
        await world.pool(*pair, stable, {t: int(10 ** (6 + t.decimals) * draw.uniform(0.5, 2)) for t in pair})
    pools = await world.listed(list(pairwise(tokens)))
    assert [pool.params["stable"] for pool in pools] == [True, False]
    now = (await world.d.node.block()).timestamp
    for row, way in ((tokens, pools), (tokens[::-1], pools[::-1])):
        states = [await world.state(pool) for pool in way]
        venues = [state.venue(token) for state, token in zip(states, row, strict=False)]
        given = Amount(row[0], 12_345 * row[0].one + 7)
        out = VenuePath(*venues).quote_exact_in(given.raw)[0]
        await world.d.send(world.contract(row[0]), "mint", world.d.me, given.raw)

        def swap(least: int, deadline: int = now + 600, way: Any = way, given: Any = given, row: Any = row) -> EvmCall:
            (call,) = AERODROME.swap(way, given, Amount(row[-1], least), world.d.me, deadline)
            return call

        assert "deadline is over" in await world.reverts(swap(out, now - 1))
        assert "less than the least" in await world.reverts(swap(out + 1))
        before = [await world.balance(token) for token in (row[0], row[-1])]
        await world.send(swap(out))
        after = [await world.balance(token) for token in (row[0], row[-1])]
        assert [a - b for a, b in zip(after, before, strict=True)] == [-given.raw, out]
        left = await world.d.read(world.contract(row[0]), "allowance", world.d.me, world.router.address)
        assert not any(left)


async def test_a_paused_exchange_and_an_empty_pool_are_not_swapped_in(world: World) -> None:
    pair = [await world.token(18, k) for k in range(2)]
    await world.pool(*pair, False, {})
    (pool,) = await world.listed([(pair[0], pair[1])])
    (empty,) = await world.d.node.run([AERODROME.observe(pool)], await world.d.node.block())
    assert isinstance(empty, MarketError) and "is empty" in str(empty)
    await world.d.send(world.factory, "setPauseState", True)
    (paused,) = await world.d.node.run([AERODROME.observe(pool)], await world.d.node.block())
    assert isinstance(paused, MarketError) and "paused all swaps" in str(paused)


@pytest.mark.parametrize("seed", range(12))
def test_pools_are_venues_with_a_bound(seed: int) -> None:
    """Marginal prices fall, and amounts are split over pools within 0.1 bp, exact outputs too."""
    draw = random.Random(seed)
    ones = draw.choice([(10**6, 10**18), (10**18, 10**6), (10**6, 10**6), (10**18, 10**18)])
    venues = []
    for number in range(3):
        whole = 10 ** draw.uniform(4, 7)
        sides = tuple(int(whole * draw.uniform(0.7, 1.3) * one) for one in ones)
        pool = SolidlyPool(number < 2, (sides[0], sides[1]), ones, draw.choice([1, 5, 30]))
        venues.append(SolidlyVenue(pool, True))
    for venue in venues:
        rate = ones[1] / ones[0]
        prices = [rate * p for p in (0.999, 0.99, 0.9, 0.7, 0.5, 0.2)]
        takes = [venue.amount_until_price(price) for price in prices]
        assert takes == sorted(takes) and takes[-1] > 0
        for taken, price in zip(takes, prices, strict=True):
            if taken > 10**4 * ones[0] // 10**6:
                step = taken // 100
                before, at, after = (venue.quote_exact_in(x)[0] for x in (taken - step, taken, taken + step))
                slack = 1e-6 * price * step + 4 + 4 * rate
                assert at - before >= price * step - slack and after - at <= price * step + slack
    amount = int(10 ** draw.uniform(2, 5) * ones[0])
    found = split(venues, amount)
    assert sum(found.parts) == amount and found.gap_bps <= 0.1 and found.out <= found.bound
    bought = split_exact_out(venues, found.out)
    assert bought.gap_bps <= 0.1 and bought.taken <= amount * (1 + 1e-9) + 2
    for part in range(11):
        parts = (amount * part // 10, amount - amount * part // 10)
        assert sum(v.quote_exact_in(x)[0] for v, x in zip(venues, parts, strict=False) if x) <= found.bound
