"""Finds deposits that take more from our own holdings in the same pool than they earn, and leaves them out of a plan.
Pure.

The solver prices each market by itself; what one holding takes from another in the same pool (positions in a range
share its fees) is only counted in the plan's moves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from yieldbot.allocator.assess import net_income
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Allocation, Move
from yieldbot.model.policy import Policy
from yieldbot.model.units import BPS


def losing(snapshot: Snapshot, moves: Iterable[Move]) -> frozenset[MarketId]:
    """Markets that only idle money enters and whose moves together lose."""
    wallets = {state.market.id for state in snapshot.idle}
    gains, others = dict[MarketId, float](), set[MarketId]()
    for move in moves:
        if move.source in wallets and move.target not in wallets:
            gains[move.target] = gains.get(move.target, 0.0) + move.gain_per_year
        else:
            others.add(move.target)
    return frozenset(market_id for market_id, gain in gains.items() if gain < 0.0 and market_id not in others)


def without(snapshot: Snapshot, allocation: Allocation, markets: Iterable[MarketId], policy: Policy) -> Allocation:
    """The allocation with the deposits into these markets left in the wallet. Its certificate says so: the objective
    falls by what they were to earn, the bound stays."""
    targets, lost = dict(allocation.targets), 0.0
    wallets = {state.market.asset: state.market.id for state in snapshot.idle}
    for market_id in markets:
        state, target = snapshot.of(market_id), targets[market_id]
        more = target - state.held
        price = snapshot.price(state.market.asset)
        lost += (net_income(state, float(target), policy) - net_income(state, float(state.held), policy)) * price
        targets[market_id] = state.held
        wallet = wallets[state.market.asset]
        targets[wallet] = Amount(more.token, targets[wallet].raw + more.raw)
    proof = allocation.certificate
    wealth = sum(float(state.held) * snapshot.price(state.market.asset) for state in snapshot.states.values())
    objective = proof.objective - lost
    gap = (proof.upper_bound - objective) / wealth * BPS if wealth else proof.gap_bps
    certificate = replace(proof, objective=objective, gap_bps=gap)
    return replace(
        allocation, targets=targets, income_per_year=allocation.income_per_year - lost, certificate=certificate
    )
