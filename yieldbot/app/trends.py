"""What each market paid lately, for the small lines beside its name: memory's readings on one grid of times."""

from __future__ import annotations

import math
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part
from yieldbot.history import query
from yieldbot.history.store import Store
from yieldbot.model.dataclass import dataclass

DAY, HOUR = 86_400, 3600
MOST_STEPS = 30
"""Most rates of one market."""


class MarketTrend(Part):
    """What one market paid."""

    chain_id: str = Field(description="the chain's identifier")
    id: str = Field(description="the market's identifier")
    rates: tuple[float | None, ...] = Field(
        description="the mean rate paid in each step, the oldest first, simple annual fractions; null: not known"
    )


class TrendsDocument(Document):
    """What each market paid over the last days, in equal steps."""

    SCHEMA: ClassVar[str] = "trends"

    until: int = Field(description="the end of the last step, in unix seconds; 0: there is no history")
    step_seconds: int = Field(description="seconds of a step: a day, or less while history is short")
    markets: tuple[MarketTrend, ...] = Field(description="every market of memory that was read in that time")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendsRequest:
    """Which history."""

    folder: Path
    """Memory's folder."""
    days: int = 30
    """Days before the last reading that count."""


def trends(request: TrendsRequest) -> TrendsDocument:
    """The rates of every market; none where there is no history. Raises ConfigError for history that cannot be read."""
    nothing = TrendsDocument(until=0, step_seconds=DAY, markets=())
    store = Store(request.folder)
    known = query.markets(store) if request.folder.is_dir() else ()
    if not known:
        return nothing
    last = max(one.last for one in known)
    since = last - request.days * DAY
    spans = [one for one in known if one.last >= since]
    first = max(since, min(one.first for one in spans))
    step = min(DAY, HOUR * max(1, math.ceil((last - first) / MOST_STEPS / HOUR)))
    keys = [one.key for one in spans]
    made = query.panel(
        store, step_seconds=step, start=last - MOST_STEPS * step, end=last, keys=keys, phase_seconds=last
    )
    rates = made.realised[-MOST_STEPS:]
    markets = tuple(
        MarketTrend(
            chain_id=key.chain,
            id=key.market,
            rates=tuple(None if math.isnan(value) else round(float(value), 8) for value in rates[:, column]),
        )
        for column, key in enumerate(made.keys)
    )
    return TrendsDocument(until=int(made.times[-1]), step_seconds=step, markets=markets)
