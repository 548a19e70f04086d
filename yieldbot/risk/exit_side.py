"""Component of a grade: whether money gets out. It combines cash against our size, the worst day of that cash, the
departure of a large depositor, and the kind of exit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from yieldbot.model.market import ExitKind, MarketState
from yieldbot.model.risk import Component, Evidence
from yieldbot.risk.facts import Facts
from yieldbot.risk.scales import Scales, score

NAME = "exit_liquidity"


def exit_liquidity(state: MarketState, facts: Facts, scales: Scales) -> Component:
    """score = min(mean(s(cash / size), s(worst / size), s(left / size)), exit, utilisation), where s is the scale of
    each.

    size: our holding, or all our money if that is more. worst: cash times the fraction that its worst day left, from
    history or, without it, from the recorded default. left: cash after the largest depositor has withdrawn what it has
    supplied.
    """
    of, missing, seen = scales.sections[NAME], list[str](), list[Evidence]()
    at, size = state.block.height, max(facts.around.size, 1e-9)
    cash = state.cash

    def say(what: str, value: str, source: str = "the market's own contracts") -> None:
        block = at if source.startswith("the market") else None
        seen.append(Evidence(what=what, value=value, source=source, block=block))

    limit = _way_out(state, of)
    say("way out", state.exit.words)
    if cash is None:
        missing.append("cash")
        return Component(name=NAME, score=0.0, weight=scales.sides[NAME].weight, evidence=tuple(seen),
                         missing=tuple(missing))  # fmt: skip
    free, symbol = float(cash), state.market.asset.symbol
    worst = _worst_day(facts, float(of["worst_day"]), missing)
    theirs = max(0.0, float(state.supplied) - float(state.held))
    assumed, holders = float(of["top_share"]), facts.holders
    top = assumed if holders is None else holders.largest(assumed)
    whale = top * theirs
    left = max(0.0, free - whale)
    if holders is None or not holders.top or top > holders.top[0][1]:
        missing.append("largest depositor")
    if holders is not None and holders.top:
        who, part = holders.top[0]
        ten = sum(share for _, share in holders.top[:10])
        since = f"{holders.by} since block {holders.since:,}, balances"
        seen.append(Evidence(what="largest depositor seen", value=f"{part:z.1%}, {who}; top ten {ten:z.1%}",
                             source=since, block=holders.block))  # fmt: skip
    if holders is not None and holders.pledged > 0.0:
        seen.append(Evidence(what="pledged in the market itself", value=f"{holders.pledged:z.1%}", source=holders.by,
                             block=holders.block))  # fmt: skip
    say("cash", f"{free:z,.0f} {symbol}, {free / size:z,.1f} times {size:z,.0f}")
    say("worst day", f"{worst:z.0%} of the day before", "history" if facts.statistics else "the list of scales")
    by = "the list of scales" if "largest depositor" in missing else "the market's events and balances"
    say("after the largest depositor leaves", f"{left:z,.0f} {symbol}, if {top:z.0%} is one's", by)
    parts = [score(of["cover"], value / size) for value in (free, free * worst, left)]
    found = min(sum(parts) / len(parts), limit)
    if (used := state.utilisation) is not None:
        say("utilisation", f"{used:z.1%}")
        found = min(found, score(of["utilisation"], used))
        if left > 0.0 and (rate := _rate_after(state, whale)) is not None:
            say("rate after it", f"{rate:z.2%} a year", "the market's own rate curve")
    return Component(name=NAME, score=found, weight=scales.sides[NAME].weight, evidence=tuple(seen),
                     missing=tuple(missing))  # fmt: skip


def _way_out(state: MarketState, of: Mapping[str, Any]) -> float:
    if state.exit.kind is ExitKind.INSTANT:
        return 100.0
    return float(of["unbounded"]) if math.isinf(state.exit.hours) else score(of["hours"], state.exit.hours)


def _worst_day(facts: Facts, recorded: float, missing: list[str]) -> float:
    """Fraction of its cash that a bad day may leave: the lower of what was observed here and the recorded default."""
    seen = None if facts.statistics is None else facts.statistics.worst_day
    if seen is None:
        missing.append("worst day of its cash")
        return recorded
    return min(recorded, seen)


def _rate_after(state: MarketState, whale: float) -> float | None:
    """Rate that would be quoted after others withdraw ``whale`` tokens, by the market's rate curve (evaluated at a
    negative holding of ours); None: it has no such curve."""
    others = getattr(state.curve, "others", None)
    if others is None or whale >= others:
        return None
    try:
        return state.curve.apr(float(state.held) - whale, 86_400.0)
    except (ArithmeticError, ValueError):
        return None
