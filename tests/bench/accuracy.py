"""Predicted against accrued: what the chain really pays over 30 days on a deposit of ours, for every market.

For each draw: observe, deposit, let 30 days pass, compare; the predicted APY comes from the state BEFORE the deposit. A
random draw first moves the market: others deposit or withdraw until its utilisation is some value on either side of its
kink, we may hold something already, and the pool may lie untouched for days. The chain is put back after each draw.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from yieldbot.chains.evm.node.client import Node
from yieldbot.model.amounts import Apy, BlockRef
from yieldbot.model.ids import Address
from yieldbot.model.market import ExitKind, Kind, Market, MarketState, Status
from yieldbot.model.settings import Job
from yieldbot.model.tx import EvmCall
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.protocols.evm.base import YieldAdapter

DAY = 86_400
DAYS_30 = 30 * DAY
MINT, ALLOW = bytes.fromhex("40c10f19"), bytes.fromhex("095ea7b3")  # mint and approve(address,uint256)
TERMS, ACCRUE = bytes.fromhex("2c3c9157"), bytes.fromhex("151c1ade")  # idToMarketParams and accrueInterest of Morpho
CROWD = Address("0x00000000000000000000000000000000C0FFEe01")
"""Whoever deposits beside us."""
HOURS = itertools.count(3600)


@dataclass(frozen=True, slots=True)
class Draw:
    """One comparison; APYs as fractions. ``kind``: the protocol, or a vault's flavour; ``pools``: where money ends."""

    market: str
    protocol: str
    kind: str
    pools: int
    amount: float
    utilisation_before: float
    utilisation_after: float
    predicted: float
    accrued: float

    @property
    def error_bp(self) -> float:
        return (self.predicted - self.accrued) * 1e4


def kind_of(market: Market) -> str:
    return str(market.params.get("flavour", market.protocol))


class Accuracy:
    """Runs draws on a sandbox node, which sends for any account without a signature."""

    def __init__(self, node: Node, job: Job, adapters: Mapping[str, YieldAdapter]) -> None:
        self.node, self.job, self.adapters = node, job, adapters
        self.owner: Address = job.wallet.address

    async def markets(self) -> list[Market]:
        block = await self.node.block()
        found = await self.node.run([self.adapters[d.protocol].discover(d) for d in self.job.chain.deployments], block)
        return [m for markets in found if isinstance(markets, tuple) for m in markets if m.asset == self.job.asset]

    async def state(self, market: Market, block: BlockRef | None = None, owner: Address | None = None) -> MarketState:
        block, who = block or await self.node.block(), owner or self.owner
        (state,) = await self.node.run([self.adapters[market.protocol].observe(market, who, block)], block)
        assert isinstance(state, MarketState), state
        return state

    async def try_send(self, to: str, data: bytes, sender: str) -> bool:
        """One transaction from an account that the node sends for, mined at once; whether it succeeded."""
        await self.node.request("anvil_impersonateAccount", [sender])
        tx = {"from": sender, "to": to, "data": "0x" + data.hex(), "gas": hex(5_000_000)}
        name = await self.node.request("eth_sendTransaction", [tx])
        receipt = await self.node.request("eth_getTransactionReceipt", [name])
        while receipt is None:
            await asyncio.sleep(0.002)
            receipt = await self.node.request("eth_getTransactionReceipt", [name])
        return bool(receipt["status"] == "0x1")

    async def send(self, to: str, data: bytes, sender: str | None = None) -> None:
        assert await self.try_send(to, data, sender or self.owner), (to, data.hex())

    async def do(self, calls: Sequence[EvmCall], sender: Address) -> None:
        """An adapter's calls, each after exactly the allowance that it names."""
        for call in calls:
            await self.allow(call, sender)
            await self.send(call.to, call.data, sender)

    async def allow(self, call: EvmCall, sender: Address) -> None:
        if call.allowance is not None:
            spender = bytes(12) + bytes.fromhex(call.allowance.spender[2:])
            data = ALLOW + spender + call.allowance.raw.to_bytes(32, "big")
            await self.send(call.allowance.token.address, data, sender)

    async def fund(self, who: Address, raw: int) -> None:
        """``raw`` more of the asset (the sandbox's token lets anybody mint) and ether for gas."""
        await self.node.request("anvil_setBalance", [who, hex(10**20)])
        data = MINT + bytes(12) + bytes.fromhex(who[2:]) + raw.to_bytes(32, "big")
        await self.send(self.job.asset.address, data, who)

    async def deposit(self, market: Market, raw: int, who: Address) -> None:
        await self.fund(who, raw)
        state = await self.state(market, owner=who)
        await self.do(self.adapters[market.protocol].deposit(state, market.asset.amount(raw), who), who)

    async def wait(self, seconds: int) -> None:
        await self.node.request("evm_increaseTime", [hex(seconds)])
        await self.node.request("evm_mine", [])

    async def history(self) -> None:
        """Blocks an hour apart for trailing rates to look back on.

        anvil keeps few states, and forgets one too early when a block is mined again that equals one put back: no two
        calls mine equal blocks.
        """
        deployments = [
            d.params
            for d in self.job.chain.deployments
            if d.params.get("flavour") == "generic" or d.protocol == "yearn_v3"
        ]
        back = max((params["lookback_blocks"] for params in deployments), default=0)
        await self.node.request("anvil_mine", [hex(back + 2), hex(next(HOURS))])

    async def press(self, market: Market, utilisation: float) -> None:
        """Move a lending market towards ``utilisation``: others deposit, or its first lender withdraws."""
        lender = Address(_checksum((await self.node.request("eth_accounts", []))[0]))
        state = await self.state(market, owner=lender)
        if state.borrowed is None or state.status is not Status.ACTIVE:
            return
        change_raw = int(state.borrowed.raw / utilisation) - state.supplied.raw
        if change_raw > 0:
            if raw := _within(change_raw, state):
                await self.deposit(market, raw, CROWD)
        else:
            most = min(state.held.raw, state.liquidity.raw * 999 // 1000)
            amount = market.asset.amount(min(-change_raw, most))
            await self.do(self.adapters[market.protocol].withdraw(state, amount, lender), lender)

    async def draw(self, market: Market, amount_raw: int) -> Draw | None:
        """One deposit of ``amount_raw``; None where the market does not take it, or takes it once somebody serves a
        request: the price of that time is nobody's prediction."""
        before = await self.state(market)
        if before.enters_by_request or _within(amount_raw, before) < amount_raw:
            return None
        adapter, amount = self.adapters[market.protocol], market.asset.amount(amount_raw)
        (call,) = adapter.deposit(before, amount, self.owner)
        await self.allow(call, self.owner)
        await self.touch(market)
        # The deposit is mined one second after the state that predicts it: rates that adapt do so in seconds, too.
        before = await self.state(market)
        horizon, whole = DAYS_30, float(before.held) + float(amount)
        if before.exit.kind is ExitKind.MATURITY:  # what is fixed is paid at its end
            horizon = (before.exit.seconds or 0) + 1
        predicted = before.curve.apr(whole, horizon)
        (call,) = adapter.deposit(before, amount, self.owner)
        await self.node.request("evm_setNextBlockTimestamp", [hex(before.block.timestamp + 1)])
        await self.send(call.to, call.data)
        start = await self.state(market)
        await self.wait(horizon)
        end = await self.state(market)
        elapsed = end.block.timestamp - start.block.timestamp
        paid = start.held.raw if horizon == DAYS_30 else whole * market.asset.one
        growth = end.held.raw / paid - 1
        return Draw(
            market=market.name,
            protocol=market.protocol,
            kind=kind_of(market),
            pools=len(before.pools),
            amount=float(amount),
            utilisation_before=before.utilisation or 0.0,
            utilisation_after=start.utilisation or 0.0,
            predicted=Apy.from_growth(predicted * horizon / SECONDS_PER_YEAR, horizon).value,
            accrued=Apy.from_growth(growth, elapsed).value,
        )

    async def touch(self, market: Market) -> None:
        """Let interest accrue in the Morpho markets of a Vault V2, as every user of theirs does: a deposit into the
        vault touches one of them only, and adaptive rates depend on when they were last used."""
        for market_id in market.params.get("markets", ()):
            terms = await self.node.call(market.params["morpho"], TERMS + bytes.fromhex(market_id))
            await self.send(market.params["morpho"], ACCRUE + terms)

    async def random_draw(self, market: Market, seed: int) -> Draw | None:
        """A deposit of random size into a market at a random utilisation; None where it does not take it.

        Even seeds start below the usual kinks (80 to 92 %) and leave the pool alone for up to twenty days. Odd ones
        start above and leave it for up to three: there an adaptive rate doubles in days, to what no market would bear.
        """
        dice = random.Random(f"{market.id}/{seed}")
        below = {m.id: m for m in await self.markets() if m.kind is Kind.LENDING}
        pools = (await self.state(market)).pools
        for pool in sorted(pools):
            if pool in below:
                await self.press(
                    below[type(market.id)(pool)], dice.uniform(*((0.93, 0.995) if seed % 2 else (0.4, 0.88)))
                )
        amount_raw = int(10 ** dice.uniform(9, 12))  # 1,000 to 1,000,000 USDC
        if dice.random() < 0.5 and (raw := _within(10**9, await self.state(market))):
            await self.deposit(market, raw, self.owner)
        await self.wait(int(dice.uniform(0, (3 if seed % 2 else 20) * DAY)))
        await self.fund(self.owner, amount_raw)
        raw = _within(amount_raw, await self.state(market))
        return await self.draw(market, raw) if raw else None

    async def run(self, amounts_raw: Sequence[int], random_draws: int = 0, seed: int = 0) -> list[Draw]:
        """Every market with every amount, then with so many random draws, the chain put back after each."""
        draws = []
        for market in await self.markets():
            attempts = [(False, raw) for raw in amounts_raw] + [(True, seed + i) for i in range(random_draws)]
            for is_random, value in attempts:
                snapshot = await self.node.request("evm_snapshot", [])
                await self.history()
                draw = await (self.random_draw(market, value) if is_random else self.draw(market, value))
                await self.node.request("evm_revert", [snapshot])
                if draw is not None:
                    draws.append(draw)
        return draws


def _within(raw: int, state: MarketState) -> int:
    """As much of ``raw`` as the market takes."""
    if state.status is not Status.ACTIVE:
        return 0
    return raw if state.capacity is None else min(raw, state.capacity.raw)


def _checksum(address: str) -> str:
    from eth_utils.address import to_checksum_address

    return to_checksum_address(address)


def rows(draws: Sequence[Draw]) -> list[dict[str, Any]]:
    """Table rows for scripts/bench accuracy."""
    return [
        {
            "market": d.market,
            "amount": round(d.amount, 2),
            "utilisation_before": round(d.utilisation_before, 4),
            "utilisation_after": round(d.utilisation_after, 4),
            "predicted_apy_percent": round(d.predicted * 100, 6),
            "accrued_apy_percent": round(d.accrued * 100, 6),
            "error_bp": round(d.error_bp, 6),
        }
        for d in draws
    ]


def main(rpc_url: str, settings: Any, adapters: Mapping[str, YieldAdapter]) -> dict[str, Any]:
    """Entry of ``scripts/bench accuracy``: an amount and a random draw a market, the worst error a kind."""
    (job,) = settings.jobs

    async def measured() -> list[Draw]:
        async with Node(job.chain.chain, rpc_url, multicall3=job.chain.multicall3, timeout_seconds=60) as node:
            return await Accuracy(node, job, adapters).run([10**9], random_draws=1)

    draws = asyncio.run(measured())
    kinds = sorted({draw.kind for draw in draws})
    worst = {kind: round(max(abs(d.error_bp) for d in draws if d.kind == kind), 6) for kind in kinds}
    return {"worst_error_bp": worst, "rows": rows(draws)}
