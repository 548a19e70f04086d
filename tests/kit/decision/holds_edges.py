"""Plans of single legs, and the snapshot that they are held against."""

from __future__ import annotations

from tests.kit.allocator.several import NOW
from tests.kit.market_builder import market, snapshot, usdc
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.market import MarketState
from yieldbot.model.plan import Allocation, Certificate, Exchanged, Leg, LegKind, Plan

A = market("a", ConstantCurve(0.10), capacity=60_000)
B = market("b", ConstantCurve(0.02), held=5_000)
SEEN = snapshot(95_000, A, B)


def put(whole: float, into: MarketState = A) -> Leg:
    return Leg(LegKind.DEPOSIT, into.market.id, usdc(whole))


def take(whole: float, out_of: MarketState = B, *, everything: bool = False) -> Leg:
    return Leg(LegKind.WITHDRAW, out_of.market.id, usdc(whole), all=everything)


def plan_of(*legs: Leg, gain: float = 0.0, cost: float = 0.0, swaps: tuple[Exchanged, ...] = ()) -> Plan:
    allocation = Allocation({}, 0.0, 0.0, Certificate(0.0, 0.0, 0.0), 0.0, (), swaps)
    return Plan("p", SEEN.block, SEEN.owner, (), legs, allocation, gain, cost, 1, NOW + 3600)
