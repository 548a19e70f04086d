"""Curve's StableSwap: our integers against the double's, to the unit, and the adapter's reads and swaps in it.

The double (contracts/doubles/StableSwapDouble.sol of the sandbox) is our own writing of the published mathematics: no
package has Curve's contracts. What it is asked is asked in batches, a whole pool's questions in one call.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.kit.pools import own_sandbox
from tests.kit.stable_pools import CURVE, FLAVOURS, coins_of, compare, listed, made, read
from yieldbot.allocator.split import split, split_exact_out
from yieldbot.errors import MarketError, NodeRefused
from yieldbot.math.stableswap import Flavour, StablePool, StableVenue, invariant
from yieldbot.model.address import checksummed
from yieldbot.model.amounts import Amount
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import PoolState
from yieldbot.sandbox.evm.artifacts import own
from yieldbot.sandbox.evm.deployer import Contract, Deployer
from yieldbot.sandbox.evm.node import Sandbox

__all__ = ["own_sandbox"]  # a fixture: hundreds of blocks are mined

POOLS, QUESTIONS = 6, 100


@pytest.fixture
async def deployer(own_sandbox: Sandbox) -> AsyncIterator[Deployer]:
    async with own_sandbox.node() as node:
        yield Deployer(node, [checksummed(a) for a in await node.request("eth_accounts", [])])


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_thousands_of_swaps_are_the_doubles_to_the_unit(flavour: Flavour, deployer: Deployer) -> None:
    d, draw, same = deployer, random.Random(flavour), 0
    for _ in range(POOLS):
        pool, tokens = await made(d, draw, flavour, coins_of(draw, flavour))
        found = await listed(d, flavour, pool, tokens)
        assert len(found) == len(tokens) * (len(tokens) - 1) // 2
        same += (await compare(d, draw, await read(d, found[0]), pool, QUESTIONS))[0]
    assert same >= POOLS * QUESTIONS * 0.9


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_a_swap_gives_what_we_say_and_no_less(flavour: Flavour, deployer: Deployer) -> None:
    d, draw = deployer, random.Random(flavour)
    pool, tokens = await made(d, draw, flavour, 2 if flavour == "plain2" else 3)
    coins = [Contract(token.address, own()["TestToken"].abi) for token in tokens]
    found = next(p for p in await listed(d, flavour, pool, tokens) if {p.token0, p.token1} == set(tokens[:2]))
    for given, wanted in (tokens[:2], tokens[1::-1]):
        (state,) = await d.node.run([CURVE.observe(found)], await d.node.block())
        assert isinstance(state, PoolState), state
        venue = state.venue(given)
        assert isinstance(venue, StableVenue)
        raw = venue.pool.balances[venue.i] // draw.randint(3, 30)
        out = venue.quote_exact_in(raw)[0]
        assert (
            venue.quote_exact_out(out) <= raw
            and venue.quote_exact_in(venue.quote_exact_out(out))[0]
            >= out
            > venue.quote_exact_in(venue.quote_exact_out(out) - 1)[0]
        )
        (call,) = CURVE.swap((found,), Amount(given, raw), Amount(wanted, out), d.me, 0)
        (greedy,) = CURVE.swap((found,), Amount(given, raw), Amount(wanted, out + 1), d.me, 0)
        here, there = (coins[tokens.index(token)] for token in (given, wanted))
        await d.send(here, "mint", d.me, raw)
        await d.send(here, "approve", pool.address, raw)
        with pytest.raises(NodeRefused) as refusal:
            await d.node.request(
                "eth_call", [{"from": d.me, "to": greedy.to, "data": "0x" + greedy.data.hex()}, "latest"]
            )
        assert "less than the least" in str(CURVE.explain_revert(refusal.value.data))
        before = [int.from_bytes(await d.read(coin, "balanceOf", d.me), "big") for coin in (here, there)]
        await d._send({"to": call.to, "data": "0x" + call.data.hex()}, call.description)
        after = [int.from_bytes(await d.read(coin, "balanceOf", d.me), "big") for coin in (here, there)]
        assert [a - b for a, b in zip(after, before, strict=True)] == [-raw, out]
        assert int.from_bytes(await d.read(here, "allowance", d.me, pool.address), "big") == 0


async def test_a_pool_that_rounds_otherwise_is_not_believed(deployer: Deployer) -> None:
    """A fee that the flavour does not know shows when the pool is read, and so does an address that is no pool."""
    d = deployer
    pool, tokens = await made(d, random.Random(2), "ng", 3, (200, 4 * 10**6, 20))
    for flavour in ("3pool", "template"):
        found = await listed(d, flavour, pool, tokens)  # type: ignore[arg-type]
        (state,) = await d.node.run([CURVE.observe(found[0])], await d.node.block())
        assert isinstance(state, MarketError), flavour
    (none,) = await d.node.run(
        [
            CURVE.pools(
                Deployment(
                    "curve_stableswap", d.node.chain, "Curve", {"pools": [tokens[0].address], "flavour": "ng"}, ()
                ),
                [],
            )
        ],
        await d.node.block(),
    )
    assert isinstance(none, MarketError) and "no pool of Curve's" in str(none)


@pytest.mark.parametrize("seed", range(6))
def test_stable_pools_are_venues_with_a_bound(seed: int) -> None:
    """Marginal prices fall, amounts are split over pools of each flavour within 0.1 bp, exact outputs too."""
    draw = random.Random(seed)
    venues = []
    for flavour in draw.sample(FLAVOURS, 3):
        count = 2 if flavour == "plain2" else draw.randint(2, 5)
        balances = tuple(int(10 ** draw.uniform(23.5, 24.5)) for _ in range(count))
        state = StablePool(flavour, balances, (10**18,) * count, draw.choice([100, 500, 2000]) * 100, 4 * 10**6)
        state = replace(state, amp=state.amp // 100) if flavour == "3pool" else state
        venues.append(StableVenue(state, 0, 1, invariant(state)))
    for venue in venues:
        prices = [0.99995, 0.9995, 0.999, 0.99, 0.9, 0.5]
        takes = [venue.amount_until_price(price) for price in prices]
        assert takes == sorted(takes)
        for taken, price in zip(takes, prices, strict=True):
            if taken > 10**18:
                step = taken // 1000
                before, at, after = (venue.quote_exact_in(x)[0] for x in (taken - step, taken, taken + step))
                assert at - before >= price * step * (1 - 1e-6) - 3 and after - at <= price * step * (1 + 1e-6) + 3
        outs = [venue.quote_exact_in(10**18 * 4**k)[0] / 4**k for k in range(10)]
        assert all(b <= a for a, b in pairwise(outs))
    amount = int(10 ** draw.uniform(20, 24))
    found = split(venues, amount)
    assert sum(found.parts) == amount and found.gap_bps <= 0.1 and found.out <= found.bound
    bought = split_exact_out(venues, found.out)
    assert bought.gap_bps <= 0.1 and bought.taken <= amount * (1 + 1e-9)
    # NG's fee off the peg makes the output not quite concave: the bound stays one, and the gap says so.
    off = []
    for venue in venues:
        amp = venue.pool.amp * (100 if venue.pool.flavour == "3pool" else 1)
        state = replace(venue.pool, flavour="ng", amp=amp, offpeg=5 * 10**10)
        off.append(StableVenue(state, 0, 1, invariant(state)))
    found = split(off, amount)
    assert found.out <= found.bound
    for part in range(11):
        alone = sum(
            v.quote_exact_in(x)[0]
            for v, x in zip(off, (amount * part // 10, amount - amount * part // 10), strict=False)
            if x
        )
        assert alone <= found.bound
