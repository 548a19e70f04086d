"""The replay: at each row what a run would have decided, by the very ``decide`` of live runs, then what it earned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from yieldbot.backtest.ledger import Ledger
from yieldbot.backtest.world import World
from yieldbot.decision.decide import decide
from yieldbot.model.plan import Plan
from yieldbot.model.policy import Policy

Levels = Callable[[int], Sequence[float]]
"""At a row: the rate that each market is expected to pay, of what was known then."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """One run through one window."""

    ledger: Ledger
    """The wallet at the end."""
    wealth: tuple[float, ...]
    """Dollars at each row, the first being what it began with."""


def replay(world: World, policy: Policy, levels: Levels, dollars: float, first: int, last: int) -> Replayed:
    """Decide at each row from ``first`` to the one before ``last``; all begins as cash in the first coin."""
    job, ledger = world.job(), Ledger.with_cash(world, dollars)
    wealth = [ledger.wealth]
    for row in range(first, last):
        snapshot = world.snapshot(row, ledger.held, ledger.idle, levels(row))
        found = decide(snapshot, policy, job, snapshot.block.timestamp)
        if isinstance(found.outcome, Plan):
            ledger.carry_out(row, found.outcome)
        ledger.earn(row)
        wealth.append(ledger.wealth)
    return Replayed(ledger, tuple(wealth))
