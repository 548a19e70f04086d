"""The risk-free rate that yields are compared with: what ``policy.risk_free`` names, a market that was just read or a
series of memory. It is shown beside yields, and no decision uses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import Field

from yieldbot.app.document import Part
from yieldbot.app.memory import FOLDER
from yieldbot.model.amounts import Apr
from yieldbot.model.market import Snapshot
from yieldbot.model.text import one_line

LATEST_SECONDS = 14 * 86_400
"""A series that ended longer ago is not shown."""


class RiskFree(Part):
    """What money earns without the risk that these markets have."""

    market: str = Field(description="the market's or series' id, by `policy.risk_free`")
    apy: float = Field(description="what it pays, an effective annual fraction")
    name: str = Field(description="its name; of a series its id")
    at: int = Field(description="when it was read, in unix seconds")


def risk_free(
    wanted: str | None, snapshots: Sequence[Snapshot], data_dir: Path, say: Callable[[str], None]
) -> RiskFree | None:
    """The rate; None: none is named, or it cannot be had (one line by ``say``)."""
    if wanted is None:
        return None
    for snapshot in snapshots:
        state = next((s for s in snapshot.states.values() if s.market.id == wanted), None)
        if state is not None:
            at = snapshot.block.timestamp
            return RiskFree(market=wanted, apy=state.quoted.compounded().value, name=state.market.name, at=at)
    newest = max((snapshot.block.timestamp for snapshot in snapshots), default=0)
    try:
        found = _series(wanted, data_dir / FOLDER, newest)
    except Exception as failure:  # a fault of memory must not stop a list
        say(f"the risk-free rate is left out: memory cannot be read ({one_line(str(failure), 200)})")
        return None
    if found is None:
        say(f"the risk-free rate is left out: policy.risk_free names {wanted}, which no job reads and memory lacks")
    return found


def _series(wanted: str, folder: Path, newest: int) -> RiskFree | None:
    from yieldbot.history.store import Store

    if not folder.is_dir():
        return None
    known = ("time", "supply_rate")
    tables = Store(folder).tables(start=newest - LATEST_SECONDS + 1, wanted=known, market=wanted)
    rows = (row for content, _ in tables for row in zip(*(content[name].to_pylist() for name in known), strict=True))
    at, rate = max((row for row in rows if row[1] is not None), default=(0, None))
    return None if rate is None else RiskFree(market=wanted, apy=Apr(rate).compounded().value, name=wanted, at=at)
