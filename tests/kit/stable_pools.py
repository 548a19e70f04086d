"""Pools of Curve's StableSwap double in random states, and the double's quotes for swaps in them.

The double (contracts/doubles/StableSwapDouble.sol of the sandbox) implements the published mathematics, since no
package has Curve's contracts. All quotes for a pool are read in one call.
"""

from __future__ import annotations

import random
from typing import Any

from yieldbot.math.concentrated import Unswappable
from yieldbot.math.stableswap import Flavour, StablePool, StableVenue, get_dy
from yieldbot.model.address import checksummed
from yieldbot.model.amounts import Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, PoolState
from yieldbot.protocols import exchanges
from yieldbot.protocols.evm.abi import abi
from yieldbot.sandbox.evm.artifacts import own
from yieldbot.sandbox.evm.deployer import Contract, Deployer

FLAVOURS: tuple[Flavour, ...] = ("3pool", "template", "plain2", "ng")
CURVE = exchanges()["curve_stableswap"]


async def made(
    d: Deployer, draw: random.Random, flavour: Flavour, count: int, terms: tuple[int, int, int] | None = None
) -> tuple[Contract, list[Token]]:
    """A pool of new coins with random balances, and ``terms`` (amplification, fee, multiplier of the fee) or random
    ones."""
    ours, tokens = own(), []
    depth = draw.uniform(1, 9)
    for k in range(count):
        places = draw.choice([6, 8, 18])
        coin = await d.deploy(ours["TestToken"], f"Coin {k}", f"C{k}", places)
        tokens.append(Token(d.node.chain, checksummed(coin.address), f"C{k}", places))
    drawn = draw.choice([1, 20, 200, 2000]), draw.choice([0, 4 * 10**6, 3 * 10**7]), draw.choice([0, 2, 20])
    amp, fee, offpeg = terms or drawn
    addresses = [token.address for token in tokens]
    number = FLAVOURS.index(flavour)
    pool = await d.deploy(ours["StableSwapDouble"], number, addresses, amp, fee, offpeg * 10**10)
    for token in tokens:
        raw = int(10 ** (depth + token.decimals + draw.uniform(-1, 1))) + 1
        await d.send(Contract(token.address, ours["TestToken"].abi), "mint", pool.address, raw)
    await d.send(pool, "sync")
    return pool, tokens


async def listed(d: Deployer, flavour: Flavour, pool: Contract, tokens: list[Token]) -> tuple[Pool, ...]:
    params = {"pools": [pool.address], "flavour": flavour}
    deployment = Deployment("curve_stableswap", d.node.chain, "Curve", params, tuple(tokens))
    pairs = [(a, b) for n, a in enumerate(tokens) for b in tokens[n + 1 :]]
    (found,) = await d.node.run([CURVE.pools(deployment, pairs)], await d.node.block())
    assert isinstance(found, tuple)
    return found


def coins_of(draw: random.Random, flavour: Flavour) -> int:
    """How many coins a random pool of the flavour has."""
    return 2 if flavour == "plain2" else draw.randint(2, 8)


async def read(d: Deployer, pool: Pool) -> StablePool:
    """The pool's state as the adapter reads it."""
    (state,) = await d.node.run([CURVE.observe(pool)], await d.node.block())
    assert isinstance(state, PoolState), state
    assert isinstance(state.zero, StableVenue)
    return state.zero.pool


def questions(draw: random.Random, ours: StablePool, count: int) -> list[tuple[int, int, int]]:
    """Random swaps as (coin in, coin out, amount), with amounts over ten orders of magnitude around a coin's
    balance."""
    found = []
    for _ in range(count):
        i, j = draw.sample(range(len(ours.balances)), 2)
        found.append((i, j, int(ours.balances[i] * 10 ** draw.uniform(-8, 2)) + 1))
    return found


async def compare(d: Deployer, draw: random.Random, ours: StablePool, pool: Contract, count: int) -> tuple[int, int]:
    """(number of quotes equal to the base unit, number of swaps that both refused). Raises AssertionError for a
    difference."""
    asked, same, refused = questions(draw, ours, count), 0, 0
    reads = [abi("curve_stableswap").read(pool.address, "get_dy", *one, optional=True) for one in asked]

    def flow() -> Any:
        answers = yield reads
        return answers

    (answers,) = await d.node.run([flow()], await d.node.block())
    for one, answer in zip(asked, answers, strict=True):
        try:
            expected = get_dy(ours, *one)
        except Unswappable:
            assert not answer, (ours, one)
            refused += 1
            continue
        assert int.from_bytes(answer, "big") == expected, (ours, one)
        same += 1
    return same, refused
