"""Describes deposits, withdrawals and large depositors that a look found, relative to each market's size and grade."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app.graded import facts_of
from yieldbot.risk.grade import grade
from yieldbot.risk.money_flows import Measure, concentration, large_flows, movements
from yieldbot.risk.scales import scales

if TYPE_CHECKING:
    from yieldbot.model.controls import Look
    from yieldbot.model.ids import MarketId
    from yieldbot.model.market import Snapshot
    from yieldbot.risk.watching import WatchMemory

Lines = dict["MarketId", tuple[str, ...]]


def flow_lines(
    look: Look, before: WatchMemory | None, snapshot: Snapshot, data_dir: Path, follow: Collection[str]
) -> tuple[Lines, dict[MarketId, float]]:
    """(lines by market, the reported fraction of each market's largest depositor). follow: addresses all of whose flows
    are reported, however small. At the first look the lines describe the time before it."""
    table, lines = scales(), Lines()
    last = dict(before.concentration) if before else {}
    assumed = float(table.of("exit_liquidity", "top_share"))
    moved = [m for m, flows in look.flows.items() if m in snapshot.states and (before is None or not flows.first)]
    # Without memory the grade is lower, and so is the size from which a flow is reported.
    facts = facts_of(snapshot, data_dir, lambda line: None, look.controls) if moved else {}
    followed = frozenset(one.lower() for one in follow)
    for market in moved:
        state = snapshot.states[market]
        measure = Measure(
            supplied=max(0.0, float(state.supplied) - float(state.held)),
            symbol=state.market.asset.symbol,
            usd=snapshot.dollars(state.market.asset),
            safety=grade(state, facts[market], 0.0, table).safety if market in facts else None,
        )
        lines[market] = large_flows(look.flows[market], measure, followed)
    for market, moves in look.moves.items():
        lines[market] = (*lines.get(market, ()), *movements(moves))
    for market, holders in look.holders.items():
        if holders.block != look.block:
            continue
        line, part = concentration(holders, last.get(market), assumed)
        if line and part is not None:
            last[market] = part
            lines[market] = (*lines.get(market, ()), line)
    return lines, last
