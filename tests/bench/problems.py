"""Random allocation problems, as `yieldbot/problem/v1` documents: one seed, one problem, on every machine."""

from __future__ import annotations

import math
import random
from typing import Any

Doc = dict[str, Any]


def problem(seed: int, markets: int, wealth: float | None = None, overlapping: bool = False) -> Doc:
    """A problem with kinks, caps, groups, fixed and proportional costs, haircuts and existing positions.

    wealth: whole tokens, else log-uniform from 1e4 to 1e8. overlapping: two partitions of the markets are capped (as
    protocols and curators are), so that each market is in two groups; else one.
    """
    draw = random.Random(f"{seed} {markets} {overlapping}")
    total = wealth or _log(draw, 1e4, 1e8)
    rows = [_market(draw, index, total / markets) for index in range(markets)]
    held = sum(float(row["held"]) for row in rows)
    if held > total:  # what is held is part of the wealth
        for row in rows:
            row["held"] = _text(float(row["held"]) * total / held * 0.95)
    groups = _groups(draw, rows, "protocol", max(1, markets // 4))
    if overlapping:
        groups += _groups(draw, rows, "curator", max(1, markets // 3))
    return {
        "schema": "yieldbot/problem/v1",
        "wealth": _text(total),
        "horizon_days": draw.choice([7, 30, 30, 90]),
        "idle_rate": draw.choice([0.0, 0.0, 0.01]),
        "min_position": draw.choice(["0", "0", _text(total / 200)]),
        "markets": rows,
        "groups": groups,
    }


def _market(draw: random.Random, index: int, part: float) -> Doc:
    """A pool of 1e5 to 1e9 with any of the rate models. part: our wealth by the number of markets."""
    supplied = _log(draw, 1e5, 1e9)
    used = draw.uniform(0.3, 0.98)
    held = min(supplied * 0.3, part * draw.uniform(0.1, 2.0)) if draw.random() < 0.3 else 0.0
    row: Doc = {
        "id": f"market-{index}",
        "held": _text(held),
        "supplied": _text(supplied),
        "borrowed": _text(supplied * used),
        "reserve_factor": draw.choice([0.0, 0.1, 0.1, 0.2]),
        "rate": _rate(draw),
        "fixed_cost": draw.choice(["0", "0.05", "2.5", "12.5"]),
        "proportional_cost_bps": draw.choice([0, 0, 0, 2]),
        "haircut_bps": draw.choice([0, 0, 10, 50]),
        "max_share": draw.choice([1.0, 1.0, 0.5, 0.25]),
    }
    if draw.random() < 0.3:
        row["max_deposit"] = _text(_log(draw, 1e2, 1e7))
    if held and draw.random() < 0.3:
        row["max_withdraw"] = _text(held * draw.choice([0.0, 0.5]))
    return row


def _rate(draw: random.Random) -> Doc:
    kind = draw.choice(["kinked", "kinked", "kinked", "many", "adaptive", "adaptive", "constant"])
    if kind == "constant":
        return {"kind": "constant", "apr": draw.uniform(0.0, 0.06)}
    if kind == "adaptive":
        return {"kind": "adaptive", "rate_at_target": _log(draw, 0.01, 0.12)}
    low = draw.uniform(0.03, 0.09)
    if kind == "many":  # eleven points, as Kamino's curves have
        high, power = draw.uniform(0.3, 2.0), draw.uniform(3.0, 8.0)
        return {
            "kind": "kinked",
            "points": [[u / 10, round(low * u / 10 + high * (u / 10) ** power, 6)] for u in range(11)],
        }
    kink = draw.choice([0.8, 0.9, 0.92])
    return {"kind": "kinked", "points": [[0.0, 0.0], [kink, low], [1.0, low + draw.uniform(0.4, 3.0)]]}


def _groups(draw: random.Random, rows: list[Doc], name: str, number: int) -> list[Doc]:
    members: list[list[str]] = [[] for _ in range(number)]
    for row in rows:
        draw.choice(members).append(row["id"])
    return [
        {"name": f"{name}-{index}", "members": ids, "max_share": draw.choice([0.2, 0.4, 0.6])}
        for index, ids in enumerate(members)
        if ids
    ]


def _log(draw: random.Random, low: float, high: float) -> float:
    return math.exp(draw.uniform(math.log(low), math.log(high)))


def _text(amount: float) -> str:
    return f"{amount:.6f}"
