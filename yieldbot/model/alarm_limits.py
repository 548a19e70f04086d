"""The thresholds and switches of [policy.alarms]: from which readings an alarm is raised, and whether it stops new
money or takes money out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from yieldbot.model.dataclass import dataclass

CODES = (
    "UTILISATION",
    "CASH_FALLING",
    "CASH_THIN",
    "COLLATERAL_LOCKED",
    "PEG",
    "SHARE_PRICE_DOWN",
    "SHARE_PRICE_UP",
    "SUPPLY_JUMP",
    "TVL_FALL",
    "BAD_DEBT",
    "SPIKE",
    "BLACKLIST",
    "MISSING",
    "CONTROL_WEAKER",
    "PENDING_CHANGE",
    "ORACLE",
    "UNSERVED",
)
"""The codes of all signs of danger for which an alarm may be raised (docs/risk.md)."""
AT_ONCE = frozenset({"SPIKE", "MISSING", "BLACKLIST", "UNSERVED"})
"""Codes of signs whose alarm is lifted as soon as the sign is gone, without a cooldown: the quote is normal again, the
missing fact is there again, the user has taken a name off the blacklist, the request is served."""
ABOUT_CASH = frozenset(("UTILISATION", "CASH_FALLING", "CASH_THIN", "COLLATERAL_LOCKED"))
"""Signs that money may be locked for a while. They are usually brief: of 47 recorded locks four lasted more than a
day."""
COLLATERALS = (
    "WETH",
    "ETH",
    "WBTC",
    "CBBTC",
    "BTCB",
    "TBTC",
    "WBNB",
    "BNB",
    "WAVAX",
    "AVAX",
    "WPOL",
    "WMATIC",
    "SOL",
    "WSOL",
)
"""Default of ``AlarmLimits.collaterals``: the assets that back most of the stablecoin loans of a shared pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmLimits:
    """Thresholds; docs/risk.md has the sources of their defaults. Fractions are from 0 to 1 (0.95 is 95 %)."""

    off: tuple[str, ...] = ()
    """Codes of alarms that are never raised."""
    stop_only: tuple[str, ...] = ()
    """Codes of alarms that stop new money but take nothing out."""
    off_for: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Codes that are off for some markets, by the markets' names (model/names.py), the narrowest name winning: for a
    market that is above a threshold by design."""
    cooldown_hours: float = 24.0
    """Least time that an alarm stands after its sign was last observed, in hours."""
    collateral_cooldown_hours: float = 48.0
    """The same least time for COLLATERAL_LOCKED, in hours, if it is longer than ``cooldown_hours``: for this long after
    one collateral was locked, other markets are in greater danger."""
    clear_readings: int = 3
    """An alarm also stands until this many readings in a row do not show its sign."""
    utilisation: float = 0.95
    """UTILISATION: money leaves at this utilisation and above."""
    falling_utilisation: float = 0.90
    """CASH_FALLING: applies from this utilisation on."""
    cash_fall: float = 0.5
    """CASH_FALLING: the fraction of a market's cash that is gone within 24 hours."""
    cash_exit_bps: float = 5.0
    """If the only signs are about low cash (UTILISATION, CASH_FALLING, CASH_THIN, COLLATERAL_LOCKED), money leaves only
    if the gas of leaving and entering again is at most this many bp of it: such locks cost time more often than
    money."""
    cash_multiple: float = 1.0
    """CASH_THIN: money leaves if the market's cash is below this multiple of our holding."""
    collateral_utilisation: float = 0.99
    """COLLATERAL_LOCKED: the utilisation from which a collateral asset's own market counts as locked."""
    collaterals: tuple[str, ...] = COLLATERALS
    """COLLATERAL_LOCKED: symbols, in capitals, of the assets that count as collateral in pools that share it."""
    peg_stop_bps: float = 50.0
    """PEG: no new money if any source shows a pegged asset this far from one dollar, in bp."""
    peg_leave_bps: float = 100.0
    """PEG: money leaves if a pegged asset was this far below one dollar, in bp, for ``peg_hours``."""
    peg_hours: float = 1.0
    """PEG: hours for which the price must have been that far below a dollar before money leaves."""
    peg_sources: int = 2
    """PEG: how many sources must agree before money leaves."""
    share_price_fall_bps: float = 10.0
    """SHARE_PRICE_DOWN: money leaves if a market's index fell by this, in bp; any fall beyond rounding stops new
    money."""
    share_price_rise_bps: float = 100.0
    """SHARE_PRICE_UP: money leaves if an index rose by this much more than its rate explains, in bp; a fifth of it
    stops new money."""
    supply_jump: float = 0.5
    """SUPPLY_JUMP: growth of a token's whole supply between two readings, as a fraction."""
    tvl_fall: float = 0.5
    """TVL_FALL: the fraction of a market's supply that is gone within 24 hours."""
    bad_debt_bps: float = 100.0
    """BAD_DEBT: money leaves if this part of what is supplied no longer exists, in bp; a quarter of it stops new
    money."""
    oracle_off: float = 0.05
    """ORACLE: no new money goes in if the price that a market lends by differs by this fraction from other sources."""
    unserved_days: float = 14.0
    """UNSERVED: days that a request without a known end (a deposit or an exit that somebody else serves) may wait."""
    spike_of_mean: float = 1.5
    """SPIKE: a quote above this multiple of its own 7-day mean stops new money."""
    spike_of_peers: float = 3.0
    """SPIKE: or above this multiple of the median of the other markets of its asset (if there are at least five)."""
    spike_least: float = 0.05
    """SPIKE: and by at least this much above either, as an annual fraction: 0.05 is five percentage points."""

    def hours(self, code: str) -> float:
        """Hours for which an alarm stands after its sign was last observed; 0 for those that end with their sign
        (``AT_ONCE``)."""
        if code in AT_ONCE:
            return 0.0
        return max(self.cooldown_hours, self.collateral_cooldown_hours if code == "COLLATERAL_LOCKED" else 0.0)
