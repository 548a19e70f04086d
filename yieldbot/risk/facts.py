"""Facts that a grade is computed from, in addition to the market's own state. Each may be unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from yieldbot.model.controls import Controls
from yieldbot.model.dataclass import dataclass
from yieldbot.model.look_through import Priced
from yieldbot.model.money_flows import Holders
from yieldbot.risk.audits import Audit


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketStatistics:
    """Statistics of one market's readings over the last 90 days. Rates are simple annual fractions; None: too few
    readings."""

    days: float
    """Days from its first reading in memory to the block."""
    worst_day: float | None = None
    """Lowest ratio of a day's last cash to the day before's, 0 to 1."""
    week_mean: float | None = None
    """Mean quoted supply rate over 7 days."""
    month_mean: float | None = None
    """Mean quoted supply rate over 30 days."""
    month_deviation: float | None = None
    """Standard deviation of daily means over 30 days."""
    long_mean: float | None = None
    """Mean quoted supply rate over all 90 days."""
    long_deviation: float | None = None
    """Standard deviation of the weekly means over 90 days."""
    weeks: int = 0
    """Number of weeks that ``long_deviation`` is computed from."""
    most_utilisation: float | None = None
    """Highest utilisation of the last 30 days, 0 to 1."""
    supply_growth: float | None = None
    """Growth of the asset's total supply over the last 30 days, as a fraction; None: not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """Facts about one market from other markets and from prices."""

    size: float
    """Our holding there or all our money, whichever is more, in whole tokens of its asset."""
    peers_rate: float | None = None
    """Median quoted rate of the other markets of its asset; None: there is none."""
    usd: float | None = None
    """Dollars for one whole token of its asset; None: no feed has it."""
    traded_usd: float | None = None
    """The same by its price in pools, the second source; None: none was read."""
    pegged: bool = False
    """Whether its asset is pegged to the dollar."""
    used: tuple[tuple[str, float], ...] = ()
    """(pool key, utilisation) of every observed market."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that one market's grade is computed from, in addition to its state."""

    around: Around
    """Other markets and prices."""
    statistics: MarketStatistics | None = None
    """Statistics of its readings; None: memory has none."""
    controls: Controls | None = None
    """Who can change the contracts that the market depends on; None: not read."""
    holders: Holders | None = None
    """Its largest depositors; None: not read."""
    audits: tuple[Audit, ...] = ()
    """The user's own audit reports."""
    growth: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """By the address of a collateral or reward token, (growth of its supply as a fraction, days over which it was
    measured)."""
    reward_ends: tuple[tuple[str, int | None], ...] = ()
    """(token, unix seconds of the end; None: not known) of reward programmes that are not part of the yield."""
    priced: tuple[Priced, ...] = ()
    """The prices of its collaterals that it lends by; () if no look has read them."""
    lost: float = 0.0
    """Bad debt that events reported since looks began, in whole tokens of its asset."""
