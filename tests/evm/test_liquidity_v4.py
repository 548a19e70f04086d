"""Liquidity of real Uniswap v4 pools: what a position holds and has earned is what the real manager pays."""

from __future__ import annotations

import random
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode

from tests.kit.policies import loose
from tests.kit.pools import own_sandbox
from tests.kit.program import yieldbot
from tests.kit.v4 import ANY_HOOK, V4World, new_v4_pool, take_protocol_fee, v4_world
from yieldbot.allocator.liquidity_advice import appraise
from yieldbot.chains.evm.execution.build import with_allowances
from yieldbot.chains.evm.liquidity.position_ids import token_ids
from yieldbot.math.concentrated import MOST_TICK
from yieldbot.math.estimate import LOG_TICK, volatility
from yieldbot.math.liquidity_range import Range
from yieldbot.model.address import checksummed
from yieldbot.model.amounts import Amount, Apy
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool
from yieldbot.model.liquidity import LiquidityPool, PoolHistory, PoolPosition
from yieldbot.model.units import MAX_UINT256
from yieldbot.model.v4 import PoolKey
from yieldbot.protocols import exchanges
from yieldbot.protocols.evm.uniswap_v4_liquidity import LIQUIDITY, NUMBERS
from yieldbot.sandbox.evm.exchanges.uniswap_v4 import mint
from yieldbot.sandbox.evm.node import Sandbox

__all__ = ["own_sandbox", "v4_world"]  # fixtures

V4 = exchanges()["uniswap_v4"]
DECREASE, TAKE_PAIR = 0x01, 0x11
EVERY = 600
FEE, SPACING = 3000, 60


class Lp:
    """A pool of the world's two tokens, seen by the adapter; the first account's positions in it."""

    def __init__(self, world: V4World, key: PoolKey, pool: Pool) -> None:
        self.world, self.key, self.pool, self.d = world, key, pool, world.deployer
        given = world.deployment
        more = {"manager": world.v4.positions.address, "lookback_blocks": 0, "keys": [(FEE, SPACING)]}
        self.table = Deployment(given.protocol, given.chain, given.name, given.params | more, given.assets)

    async def state(self) -> LiquidityPool:
        (found,) = await self.world.node.run([LIQUIDITY.observe(self.pool, self.table)], await self.world.node.block())
        assert isinstance(found, LiquidityPool), found
        return found

    async def owned(self) -> tuple[list[PoolPosition], tuple[int, ...]]:
        node, block = self.world.node, await self.world.node.block()
        numbers, why = await token_ids(node, self.world.v4.positions.address, self.d.me, block)
        assert not why, why
        table = Deployment(*self.table_fields(), {**self.table.params, NUMBERS: numbers}, self.table.assets)
        states = {self.pool.id: await self.state()}
        (found,) = await node.run([LIQUIDITY.owned(states, table, self.d.me)], block)
        assert isinstance(found, tuple), found
        return found

    def table_fields(self) -> tuple[Any, ...]:
        return self.table.protocol, self.table.chain, self.table.name

    async def balances(self) -> tuple[int, int]:
        zero, one = [
            int.from_bytes(await self.d.read(token, "balanceOf", self.d.me), "big") for token in self.world.contracts
        ]
        return zero, one

    async def take_out(self, number: int, liquidity: int) -> tuple[int, int]:
        """What taking so much liquidity out brings, fees included."""
        before = await self.balances()
        parts = [
            encode(["uint256", "uint256", "uint128", "uint128", "bytes"], [number, liquidity, 0, 0, b""]),
            encode(["address", "address", "address"], [*self.key.fields[:2], self.d.me]),
        ]
        plan = encode(["bytes", "bytes[]"], [bytes([DECREASE, TAKE_PAIR]), parts])
        await self.d.send(self.world.v4.positions, "modifyLiquidities", plan, 2**40)
        after = await self.balances()
        return after[0] - before[0], after[1] - before[1]

    async def swap(self, zero: bool, raw: int) -> int:
        """The fee that the providers get of it, rounded up."""
        (listed,) = await self.world.listed([(FEE, SPACING)], router=self.world.v4.router.address)
        tokens = self.world.tokens if zero else self.world.tokens[::-1]
        now = (await self.world.node.block()).timestamp
        (call,) = V4.swap((listed,), Amount(tokens[0], raw), Amount(tokens[1], 0), self.d.me, now + 600)
        for one in with_allowances((call,), {}, {}):
            await self.d._send({"to": one.to, "data": "0x" + one.data.hex()}, one.description)
        return raw * FEE // 10**6


async def lp_of(world: V4World) -> Lp:
    """A pool at a price of about 1 with liquidity everywhere, two ranges of ours and one of somebody else's."""
    draw = random.Random(5)
    key = await new_v4_pool(world, draw, FEE, SPACING, tick=30)
    most = MOST_TICK // SPACING * SPACING
    for ticks, liquidity in ((Range(-most, most), 10**21), (Range(-600, 600), 10**22), (Range(120, 1200), 10**21)):
        await mint(world.deployer, world.v4, key.fields, ticks, liquidity)
    await mint(world.deployer, world.v4, key.fields, Range(-60, 120), 10**22, checksummed(world.deployer.accounts[5]))
    (pool,) = await world.listed([(FEE, SPACING)])
    return Lp(world, key, pool)


async def test_positions_are_what_the_manager_pays_to_the_unit(v4_world: V4World) -> None:
    lp, draw = await lp_of(v4_world), random.Random(6)
    await take_protocol_fee(v4_world, lp.key, 300, 700)  # the protocol's part is not the providers'
    for _ in range(12):
        await lp.swap(draw.random() < 0.5, int(10 ** draw.uniform(17, 19.5)))
    mine, others = await lp.owned()
    assert len(mine) >= 3 and others == () and any(any(p.fees) for p in mine)
    assert all(p.state.manager is None for p in mine), "nothing is moved here"
    for position in mine:
        assert position.token_id is not None
        collected = await lp.take_out(position.token_id, 0)
        assert collected == position.fees, "as collecting pays"
    mine, _ = await lp.owned()
    assert not any(any(p.fees) for p in mine)
    for position in mine:
        assert position.token_id is not None
        assert await lp.take_out(position.token_id, position.liquidity) == position.amounts
    assert (await lp.owned())[0] == [], "empty ones are left out"


async def test_positions_are_found_by_events_and_believed_by_their_owner(v4_world: V4World) -> None:
    lp, d = await lp_of(v4_world), v4_world.deployer
    mine, _ = await lp.owned()
    manager, node = v4_world.v4.positions, v4_world.node
    nobody = checksummed("0x" + "77" * 20)
    assert await token_ids(node, manager.address, nobody, await node.block()) == ((), "")
    await d.send(manager, "transferFrom", d.me, nobody, mine[0].token_id)
    left, _ = await lp.owned()
    assert [p.token_id for p in left] == [p.token_id for p in mine[1:]]
    assert (await token_ids(node, manager.address, nobody, await node.block()))[0] == (mine[0].token_id,)
    numbers, why = await token_ids(node, v4_world.v4.state_view.address, d.me, await node.block())
    assert numbers == () and "does not answer as a position manager" in why
    # A position in a pool with hooks is named by its number alone.
    hooks = checksummed("0x" + "00" * 18 + "1000")
    await node.request("anvil_setCode", [hooks, ANY_HOOK])
    fields = (*lp.key.fields[:4], hooks)
    await d.send(v4_world.v4.manager, "initialize", fields, 2**96)
    await mint(d, v4_world.v4, fields, Range(-60, 60), 10**18)
    again, others = await lp.owned()
    assert [p.token_id for p in again] == [p.token_id for p in left] and len(others) == 1


async def test_fees_and_prices_of_the_past_come_from_earlier_blocks(v4_world: V4World) -> None:
    lp, draw, d = await lp_of(v4_world), random.Random(7), v4_world.deployer
    start = (await v4_world.node.block()).height
    earned, prices = [0, 0], [(await lp.state()).tick]
    for _ in range(12):
        zero = draw.random() < 0.5
        earned[0 if zero else 1] += await lp.swap(zero, int(10 ** draw.uniform(18, 19)))
        await d.warp(EVERY)
        prices.append((await lp.state()).tick)
    head = (await v4_world.node.block()).height
    (record,) = await v4_world.node.run(
        [LIQUIDITY.history(await lp.state(), head - start)], await v4_world.node.block()
    )
    assert isinstance(record, PoolHistory) and record.missing == () and len(record.fees) == 12
    state = await lp.state()
    price = (state.sqrt_price_x96 / 2**96) ** 2
    # The whole time's fees for a unit of liquidity, against what the swaps paid on the average liquidity.
    assert sum(record.fees) * state.liquidity == pytest.approx(earned[0] * price + earned[1], rel=0.05)
    means = [(late - early) / record.tick_seconds for early, late in pairwise(record.ticks)]
    assert means == pytest.approx(prices, abs=1e-6), "the price at each of the blocks"
    sigma = volatility(record.ticks, record.tick_seconds, state.fee, 0.9)
    moves = [LOG_TICK * (late - early) for early, late in pairwise(prices)]
    seconds = sum(record.fee_seconds) / 12
    plain = (sum(m * m for m in moves) / 12 / seconds * 31_536_000) ** 0.5
    assert sigma.mean == pytest.approx(plain, rel=1e-6) and sigma.low < sigma.mean < sigma.high
    found = appraise(state, record, 1e21, 0.0, loose(horizon_days=30.0), [Apy(0.04)])
    assert found.estimate.fees.mean > 0
    (blind,) = await v4_world.node.run([LIQUIDITY.history(state, 0)], await v4_world.node.block())
    assert isinstance(blind, PoolHistory) and blind.fees == () and blind.missing
    assert blind.missing[0] in appraise(state, blind, 1e21, 0.0, loose(horizon_days=30.0), [Apy(0.04)]).vetoes


async def test_a_pools_holdings_are_its_positions_together(v4_world: V4World) -> None:
    lp = await lp_of(v4_world)
    state = await lp.state()
    manager = [
        int.from_bytes(await v4_world.deployer.read(token, "balanceOf", v4_world.v4.manager.address), "big")
        for token in v4_world.contracts
    ]
    for held, whole in zip(state.reserves, manager, strict=True):
        assert held == pytest.approx(whole, rel=1e-9), "the manager has this one pool"


def test_pools_and_positions_are_shown_and_not_moved(sandbox: Sandbox, tmp_path: Path) -> None:
    """With the position manager in the chain's file the sandbox's own pools are shown beside v3's."""
    plain = yieldbot("--config", sandbox.config, "--json", "markets", "--kind", "lp", cwd=tmp_path).document
    names = [row["pool"]["name"] for one in plain["jobs"] for row in one["pools"]]
    assert names and not any("v4" in name for name in names)
    file = sandbox.directory / "chains" / "sandbox.toml"
    more = f'manager = "{sandbox.addresses["v4_positions"]}"\nlookback_blocks = 36\nkeys ='
    file.write_text(re.sub("^keys =", more, file.read_text(), flags=re.MULTILINE))
    ended = yieldbot("--config", sandbox.config, "--json", "markets", "--kind", "lp", cwd=tmp_path)
    assert ended.code == 0, ended.err
    (one,) = ended.document["jobs"]
    shown = {row["pool"]["name"]: row for row in one["pools"]}
    assert {"Uniswap v4 0.30%", "Uniswap v4 0.10%/20"} <= shown.keys() and one["unread"] == []
    row = shown["Uniswap v4 0.30%"]
    assert row["pool"]["id"] != row["pool"]["address"] == sandbox.addresses["v4_manager"]
    assert row["tvl_usd"] == pytest.approx(600_000, rel=0.01)
    gives = ("--give", "USDC=300", "--give", "WETH=0.1")
    refused = yieldbot(
        "--config", sandbox.config, "lp", "add", row["pool"]["id"], *gives, "--anyway", "--yes", cwd=tmp_path
    )
    assert refused.code == 2 and "Uniswap v4's liquidity is shown, not moved" in refused.line, refused.err


async def test_a_wallets_positions_are_told_pool_by_pool(sandbox: Sandbox, tmp_path: Path) -> None:
    from yieldbot.sandbox.evm.artifacts import packaged
    from yieldbot.sandbox.evm.deployer import Contract, Deployer

    file = sandbox.directory / "chains" / "sandbox.toml"
    more = f'manager = "{sandbox.addresses["v4_positions"]}"\nlookback_blocks = 36\nkeys ='
    file.write_text(re.sub("^keys =", more, file.read_text(), flags=re.MULTILINE))
    erc20 = packaged("@uniswap/v2-periphery/build/ERC20.json").abi
    manager = packaged("@uniswap/v4-periphery/foundry-out/PositionManager.sol/PositionManager.json").abi
    async with sandbox.node() as node:
        d = Deployer(node, [checksummed(a) for a in await node.request("eth_accounts", [])])
        await d.send(Contract(sandbox.addresses["weth"], erc20), "approve", sandbox.addresses["permit2"], MAX_UINT256)
        for number in (1, 2):  # the sandbox's own, one in each pool, given to the wallet
            at = Contract(sandbox.addresses["v4_positions"], manager)
            await d.send(at, "transferFrom", d.me, sandbox.wallet, number)
    ended = yieldbot("--config", sandbox.config, "--json", "positions", cwd=tmp_path)
    assert ended.code == 0, ended.err
    (one,) = ended.document["liquidity"]
    assert one["unread"] == []
    told = {row["token_id"]: (row["pool"]["name"], row["in_range"]) for row in one["positions"]}
    assert told == {1: ("Uniswap v4 0.30%", True), 2: ("Uniswap v4 0.10%/20", True)}
    assert [row["value_usd"] for row in one["positions"]] == pytest.approx([600_000, 1_000_000], rel=0.1)
    shown = yieldbot("--config", sandbox.config, "positions", cwd=tmp_path)
    assert shown.code == 0 and "Uniswap v4 0.30%" in shown.out
    refused = yieldbot("--config", sandbox.config, "lp", "collect", "1", "--yes", cwd=tmp_path)
    assert refused.code == 2 and "Uniswap v4's liquidity is shown, not moved" in refused.line, refused.err
