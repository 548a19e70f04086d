"""Rates that tremble: what costs and horizon keep still, and what moves when a rate really changes."""

from __future__ import annotations

import math
import random
from typing import Any

from yieldbot.allocator.answer import pose, solve
from yieldbot.allocator.document import read

Doc = dict[str, Any]
ROUNDS = 120


def market(name: str, supplied: float, used: float, low: float, cost: float) -> Doc:
    return {
        "id": name,
        "held": "0",
        "supplied": f"{supplied:.6f}",
        "borrowed": f"{supplied * used:.6f}",
        "reserve_factor": 0.1,
        "rate": {"kind": "kinked", "points": [[0, 0.0], [0.9, low], [1.0, low + 0.6]]},
        "fixed_cost": f"{cost}",
    }


def replayed(cost: float, noise: float, shift_at: int | None = None) -> tuple[int, list[dict[str, float]]]:
    """How many markets were changed after the first allocation, and the holdings of each round.

    Utilisations follow a random walk back to their mean, of relative size ``noise`` a round; at ``shift_at`` one
    market's falls for good. What is held stays in the pools, as on a chain.
    """
    draw = random.Random(f"{cost} {noise}")
    sizes = {f"m{i}": (3e6 * (1 + i), 0.78 + 0.02 * i, 0.05 - 0.003 * i) for i in range(6)}
    error = dict.fromkeys(sizes, 0.0)
    held = dict.fromkeys(sizes, 0.0)
    changes, history = 0, []
    for turn in range(ROUNDS):
        rows = []
        for name, (supplied, used, low) in sizes.items():
            error[name] = 0.8 * error[name] + draw.gauss(0.0, noise)
            drop = 0.5 if shift_at is not None and turn >= shift_at and held[name] == max(held.values()) else 1.0
            row = market(name, supplied, min(0.97, used * math.exp(error[name]) * drop), low, cost)
            row["held"] = f"{held[name]:.6f}"
            row["supplied"] = f"{supplied + held[name]:.6f}"
            rows.append(row)
        document = {"schema": "yieldbot/problem/v1", "wealth": "200000", "horizon_days": 30, "markets": rows}
        targets = {name: float(amount) for name, amount in solve(pose(read(document)))["targets"].items()}
        if turn:
            changes += sum(targets[name] != held[name] for name in held)
        held = targets
        history.append(held)
    return changes, history


def test_trembling_rates_move_nothing_once_their_gain_is_below_the_cost() -> None:
    free, _ = replayed(cost=0.0, noise=0.01)
    dear, _ = replayed(cost=12.5, noise=0.01)
    still, _ = replayed(cost=12.5, noise=0.0)
    assert still == 0
    assert free > 3 * ROUNDS  # without costs nearly every market is touched at every turn
    assert dear <= free / 20


def test_a_rate_that_really_falls_moves_the_money() -> None:
    _, history = replayed(cost=12.5, noise=0.0, shift_at=40)
    assert history[39] == history[1]
    assert history[40] != history[39]


def test_tiny_changes_of_a_rate_never_flip_a_position() -> None:
    """From the answer to a problem, every rate a hundredth of a bp higher or lower: the answer is to hold."""
    for seed in range(30):
        draw = random.Random(seed)
        rows = [market(f"m{i}", 10 ** draw.uniform(5, 8), draw.uniform(0.5, 0.97), 0.05, 5) for i in range(8)]
        document = {"schema": "yieldbot/problem/v1", "wealth": "100000", "horizon_days": 30, "markets": rows}
        targets = solve(pose(read(document)))["targets"]
        for row in rows:
            row["supplied"] = f"{float(row['supplied']) + float(targets[row['id']]):.6f}"
            row["held"] = targets[row["id"]]
            low, high = (0.05 + draw.choice([-1e-6, 1e-6]), 0.65)
            row["rate"]["points"] = [[0, 0.0], [0.9, low], [1.0, high]]
        assert solve(pose(read(document)))["hold"], seed
