"""What a grade is made from, beside the market's own state. All of it may be unknown."""

from __future__ import annotations

from dataclasses import dataclass

from yieldbot.model.controls import Controls
from yieldbot.model.money_flows import Holders


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What memory says of one market, over 90 days at most. Rates are simple annual fractions."""

    days: float
    """Days from its first reading in memory to the block."""
    worst_day: float | None = None
    """The least that a day left of the cash of the day before, a fraction; None: too few days."""
    week_mean: float | None = None
    """Mean quoted supply rate over 7 days."""
    month_mean: float | None = None
    """Mean quoted supply rate over 30 days."""
    month_deviation: float | None = None
    """Standard deviation of daily means over 30 days."""
    long_mean: float | None = None
    """Mean quoted supply rate over all of it."""
    long_deviation: float | None = None
    """Standard deviation of its weekly means."""
    weeks: int = 0
    """Number of those weeks."""
    most_utilisation: float | None = None
    """The highest utilisation of 30 days."""
    supply_growth: float | None = None
    """By which part the asset's whole supply grew over the last 30 days, as far as it was read; None: not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What other markets and prices say of one market."""

    size: float
    """What we hold there, or all that we have if that is more, in whole tokens of its asset."""
    peers_rate: float | None = None
    """Median quoted rate of the other markets of its asset; None: there is none."""
    usd: float | None = None
    """Dollars for a whole token of its asset; None: no feed says."""
    pegged: bool = False
    """Whether its asset is pegged to the dollar."""
    used: tuple[tuple[str, float], ...] = ()
    """Utilisation by pool key, of every market that is observed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What one market's grade is made from, beside its state."""

    around: Around
    """Other markets and prices."""
    past: Past | None = None
    """What memory says; None: nothing yet."""
    controls: Controls | None = None
    """Who can change what the market stands on; None: not read."""
    holders: Holders | None = None
    """Whose the money in it is; None: not read."""
    lost: float = 0.0
    """Bad debt that events have realised in it since looks began, in whole tokens of its asset."""
