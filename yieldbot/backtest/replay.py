"""The replay: at each row, decides with the same ``decide`` as live runs, then adds what the holdings earned."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from yieldbot.backtest.alarms import Watched
from yieldbot.backtest.ledger import SimulatedLedger
from yieldbot.backtest.world import World
from yieldbot.decision.decide import decide
from yieldbot.model.dataclass import dataclass
from yieldbot.model.market import RateForecast
from yieldbot.model.plan import Plan
from yieldbot.model.policy import Policy

Forecasts = Callable[[int], "Sequence[RateForecast | None]"]
"""For a row: the forecast of each market, from what was known then; None where only its quoted rate is known."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """One run through one window."""

    ledger: SimulatedLedger
    """The wallet at the end."""
    wealth: tuple[float, ...]
    """Dollars at each row, the first being the initial wealth."""
    held: tuple[tuple[int, ...], ...]
    """Base units in each market, after each row's decision."""
    failed: int
    """Number of plans that failed: their gas was paid, and nothing moved."""


def replay(
    world: World,
    policy: Policy,
    forecasts: Forecasts,
    dollars: float,
    first: int,
    last: int,
    *,
    failures: float = 0.0,
    seed: int = 0,
    begun: SimulatedLedger | None = None,
) -> Replayed:
    """Decide at each row from ``first`` to the one before ``last``, starting with all money as cash in the first coin,
    or with ``begun``.

    failures: fraction of plans that fail on the chain, drawn from ``seed`` and the window. Raises FutureRead if a
    decision asks for anything later than its row.
    """
    job, ledger, draw = (
        world.job(),
        begun or SimulatedLedger.with_cash(world, dollars),
        random.Random(f"{seed}/{first}/{dollars}"),
    )
    watched, failed = Watched(world, policy, first), 0
    for row in range(first, last):
        world.clock = row
        snapshot = watched.judged(row, world.snapshot(row, ledger.held, ledger.idle, forecasts(row), ledger.asked))
        plan = decide(snapshot, policy, job, snapshot.block.timestamp).outcome
        if isinstance(plan, Plan):
            if failures and draw.random() < failures:
                ledger.fail(row, plan)
                failed += 1
            else:
                ledger.carry_out(row, plan, snapshot)
        world.clock = None
        ledger.earn(row)
    return Replayed(ledger, tuple(ledger.worth), tuple(ledger.holdings), failed)
