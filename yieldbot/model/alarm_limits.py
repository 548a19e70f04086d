"""What counts as a sign of danger, and what an alarm asks for then: the thresholds and switches of [policy.alarms]."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
    "LOW_GRADE",
)
"""Every sign that an alarm may be raised for."""
AT_ONCE = frozenset({"SPIKE", "MISSING"})
"""Vetoes on new money that go with their sign: a quote that is normal again, a fact that is there again."""
ABOUT_CASH = frozenset(("UTILISATION", "CASH_FALLING", "CASH_THIN", "COLLATERAL_LOCKED"))
"""Signs that money may be locked for a while: of 47 recorded locks four lasted more than a day."""
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
"""Default of ``AlarmLimits.collaterals``: what most of the stablecoins of a shared pool are borrowed against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmLimits:
    """Thresholds, with the sources of their defaults in docs/risk.md. Fractions are of 1."""

    off: tuple[str, ...] = ()
    """Codes of alarms that are never raised."""
    stop_only: tuple[str, ...] = ()
    """Codes of alarms that stop new money, and take none back."""
    off_for: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Codes that are off, by names of markets (model/names.py), the narrowest name winning: for a market that stands
    above a threshold by design."""
    cooldown_hours: float = 24.0
    """An alarm stands for so long at least after its sign was last seen."""
    collateral_cooldown_hours: float = 48.0
    """The same of COLLATERAL_LOCKED, where that is longer: so long other markets are in greater danger."""
    clear_readings: int = 3
    """And until so many readings in a row do not show the sign."""
    utilisation: float = 0.95
    """UTILISATION: money leaves from this on."""
    falling_utilisation: float = 0.90
    """CASH_FALLING: counts from this utilisation on."""
    cash_fall: float = 0.5
    """CASH_FALLING: the part of a market's cash that is gone within 24 hours."""
    cash_exit_bps: float = 5.0
    """Where signs of too little cash alone ask for it (UTILISATION, CASH_FALLING, CASH_THIN, COLLATERAL_LOCKED), money
    leaves if the gas of going out and in again is at most so many bp of it: they cost time more often than money."""
    cash_multiple: float = 1.0
    """CASH_THIN: money leaves where the market's cash is below so many times our holding."""
    collateral_utilisation: float = 0.99
    """COLLATERAL_LOCKED: the utilisation from which a collateral's own market counts as locked."""
    collaterals: tuple[str, ...] = COLLATERALS
    """COLLATERAL_LOCKED: symbols, in capitals, of the assets that count as collateral in pools that share it."""
    peg_stop_bps: float = 50.0
    """PEG: no new money where any source has a pegged asset so far off its dollar."""
    peg_leave_bps: float = 100.0
    """PEG: money leaves where it was so far below its dollar for ``peg_hours``."""
    peg_hours: float = 1.0
    """PEG: how long."""
    peg_sources: int = 2
    """PEG: how many sources must say so before money leaves."""
    share_price_fall_bps: float = 10.0
    """SHARE_PRICE_DOWN: money leaves where a market's index fell by so much; any fall beyond rounding stops."""
    share_price_rise_bps: float = 100.0
    """SHARE_PRICE_UP: money leaves where an index rose by so much more than its rate explains; a fifth of it stops."""
    supply_jump: float = 0.5
    """SUPPLY_JUMP: growth of a token's whole supply between two readings."""
    tvl_fall: float = 0.5
    """TVL_FALL: the part of what is supplied that is gone within 24 hours."""
    bad_debt_bps: float = 100.0
    """BAD_DEBT: money leaves where so much of what is supplied is not there any more; a quarter of it stops."""
    spike_of_mean: float = 1.5
    """SPIKE: a quote above so many times its own mean of 7 days stops new money."""
    spike_of_peers: float = 3.0
    """SPIKE: or above so many times the median of the other markets of its asset (five of them at least)."""
    spike_least: float = 0.05
    """SPIKE: and above it by so much a year: 0.05 is five percentage points."""

    def hours(self, code: str) -> float:
        """How long an alarm stands after its sign was last seen; a veto alone (``AT_ONCE``) goes with it."""
        if code in AT_ONCE:
            return 0.0
        return max(self.cooldown_hours, self.collateral_cooldown_hours if code == "COLLATERAL_LOCKED" else 0.0)
