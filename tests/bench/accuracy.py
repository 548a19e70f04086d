"""Predicted against accrued: what the chain really pays over 30 days on a deposit of ours, for every market.

For each market and amount: observe, deposit, let 30 days pass, withdraw value; the predicted APY is taken from the state
BEFORE the deposit. The chain is put back by evm_revert after each draw.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from yieldbot.model.amounts import SECONDS_PER_YEAR, Apy, BlockRef
from yieldbot.model.ids import Address
from yieldbot.model.market import Market, MarketState, Status
from yieldbot.model.policy import Job
from yieldbot.protocols.base import YieldAdapter
from yieldbot.rpc.evm import EvmNode

DAYS_30 = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Draw:
    """One comparison; APYs as fractions."""

    market: str
    protocol: str
    amount: float
    utilisation_before: float
    predicted: float
    accrued: float

    @property
    def error_bp(self) -> float:
        return (self.predicted - self.accrued) * 1e4


class Accuracy:
    """Runs draws on a sandbox node for an owner whose account the node sends for without a signature."""

    def __init__(self, node: EvmNode, job: Job, adapters: Mapping[str, YieldAdapter]) -> None:
        self.node, self.job, self.adapters = node, job, adapters
        self.owner: Address = job.wallet.address

    async def markets(self) -> list[Market]:
        block = await self.node.block()
        found = await self.node.run([self.adapters[d.protocol].discover(d) for d in self.job.chain.deployments], block)
        return [m for markets in found if isinstance(markets, tuple) for m in markets if m.asset == self.job.asset]

    async def state(self, market: Market, block: BlockRef | None = None) -> MarketState:
        block = block or await self.node.block()
        (state,) = await self.node.run([self.adapters[market.protocol].observe(market, self.owner, block)], block)
        assert isinstance(state, MarketState), state
        return state

    async def send(self, to: str, data: bytes, sender: str | None = None) -> None:
        """One transaction, mined at once and checked."""
        tx = {"from": sender or self.owner, "to": to, "data": "0x" + data.hex(), "gas": hex(5_000_000)}
        name = await self.node.request("eth_sendTransaction", [tx])
        receipt = await self.node.request("eth_getTransactionReceipt", [name])
        while receipt is None:
            await asyncio.sleep(0.002)
            receipt = await self.node.request("eth_getTransactionReceipt", [name])
        assert receipt["status"] == "0x1", (to, data.hex())

    async def allow(self, token: str, spender: str, raw: int) -> None:
        data = bytes.fromhex("095ea7b3") + bytes(12) + bytes.fromhex(spender[2:]) + raw.to_bytes(32, "big")
        await self.send(token, data)

    async def draw(self, market: Market, amount_raw: int) -> Draw | None:
        """One deposit of ``amount_raw``; None where the market does not take it."""
        before = await self.state(market)
        room = before.capacity
        if before.status is not Status.ACTIVE or (room is not None and room.raw < amount_raw):
            return None
        amount = market.asset.amount(amount_raw)
        predicted = before.curve.apr(float(before.held) + float(amount), DAYS_30)
        for call in self.adapters[market.protocol].deposit(before, amount, self.owner):
            assert call.allowance is not None
            await self.allow(market.asset.address, call.allowance.spender, call.allowance.raw)
            await self.send(call.to, call.data)
        start = await self.state(market)
        await self.node.request("evm_increaseTime", [hex(DAYS_30)])
        await self.node.request("evm_mine", [])
        end = await self.state(market)
        elapsed = end.block.timestamp - start.block.timestamp
        growth = end.held.raw / start.held.raw - 1
        return Draw(
            market=market.name,
            protocol=market.protocol,
            amount=float(amount),
            utilisation_before=before.utilisation or 0.0,
            predicted=Apy.from_growth(predicted * DAYS_30 / SECONDS_PER_YEAR, DAYS_30).value,
            accrued=Apy.from_growth(growth, elapsed).value,
        )

    async def run(self, amounts_raw: Sequence[int]) -> list[Draw]:
        """Every market with every amount, the chain put back after each."""
        await self.node.request("anvil_impersonateAccount", [self.owner])
        draws = []
        for market in await self.markets():
            for amount_raw in amounts_raw:
                snapshot = await self.node.request("evm_snapshot", [])
                draw = await self.draw(market, amount_raw)
                await self.node.request("evm_revert", [snapshot])
                if draw is not None:
                    draws.append(draw)
        return draws


def rows(draws: Sequence[Draw]) -> list[dict[str, Any]]:
    """Table rows for scripts/bench accuracy."""
    return [
        {
            "market": d.market,
            "amount": d.amount,
            "predicted_apy_percent": round(d.predicted * 100, 6),
            "accrued_apy_percent": round(d.accrued * 100, 6),
            "error_bp": round(d.error_bp, 6),
        }
        for d in draws
    ]
