"""Incidents as hourly scenes: what each market showed, hour by hour, and what its money was worth.

The shapes are those of the public accounts (docs/risk.md has the sources); sizes are rounded. A scene knows nothing of
thresholds, and no threshold was set by it: those come from other recordings.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from yieldbot.model.risk import Act
from yieldbot.risk.triggers import Found

HOURS_A_YEAR = 8_766.0
CALM = 14 * 24
"""Quiet hours before anything happens: so much of the past is remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """One market in one hour."""

    used: float = 0.8
    """Utilisation."""
    supplied: float = 1e8
    """Whole tokens supplied by others."""
    rate: float | None = None
    """Supply rate where it is not the pool's own line; None: by the line."""
    growth: float = 0.0
    """Growth of the share price in this hour beside its interest: -0.5 is half of the money lost."""
    usd: float = 1.0
    """Dollars for one token of the asset."""
    minted: float = 1.0
    """Tokens of its collateral that exist, by how many there were before."""
    active: bool = True
    """Whether it takes money."""
    told: tuple[Found, ...] = ()
    """Signs that the watch of its contracts has seen by this hour."""
    no_way_out: str = ""
    """What the rehearsal of a deposit's exit says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One market of a scene."""

    name: str
    """Its name."""
    at: Callable[[int], Hour]
    """What it shows, by hours since the incident begins; below 0: before."""
    protocol: str = "aave_v3"
    """The adapter's name."""
    asset: str = "USDC"
    """The symbol of its asset; money goes into those of the job's asset alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One incident."""

    name: str
    """What happened."""
    source: str
    """When, and where the shape comes from."""
    places: tuple[Place, ...]
    """Its markets, the one that fails first."""
    hours: int
    """How long it lasts."""
    begins_in: str | None = None
    """The market that the money is in when it begins; None: in the wallet for a day before: does it enter?"""


def _line(start: float, end: float, hours: float) -> Callable[[int], float]:
    """From one value to another within so many hours."""
    return lambda hour: start if hour <= 0 else end if hour >= hours else start + (end - start) * hour / hours


def calm(used: float = 0.8, supplied: float = 1e8) -> Callable[[int], Hour]:
    """A quiet market, whose utilisation goes up and down by a hundredth in a day."""
    return lambda hour: Hour(used=used + 0.01 * math.sin(hour * 2 * math.pi / 24), supplied=supplied)


def _full(hour: int) -> Hour:
    """The asset's own market: from 0.85 to all lent out in six hours, four days so, then slowly free again."""
    if hour < 0:
        return calm(0.85)(hour)
    if hour <= 6:
        return Hour(used=_line(0.85, 1.0, 6)(hour))
    return Hour(used=1.0 if hour < 102 else _line(1.0, 0.88, 48)(hour - 102))


def _dollar(hour: int) -> Hour:
    """USDC on 10 and 11 March 2023: 0.97 after six hours, 0.87 at the trough, back within two days."""
    points = ((0, 1.0), (1, 0.996), (3, 0.985), (6, 0.97), (10, 0.91), (12, 0.87), (18, 0.92), (36, 0.96), (54, 0.999))
    usd = 1.0
    for (h0, u0), (h1, u1) in pairwise(points):
        if h0 <= hour:
            usd = u0 + (u1 - u0) * min(1.0, (hour - h0) / (h1 - h0))
    return Hour(used=min(0.97, 0.8 + max(0, hour) * 0.004), usd=usd if hour >= 0 else 1.0)


def _curator(hour: int) -> Hour:
    """A vault that lends against a coin whose oracle always says a dollar: a high rate for weeks; then depositors leave
    (full after ten hours), and ten days later the bad debt is written off."""
    if hour < 0:
        return Hour(used=0.88, supplied=2e7, rate=0.16 if hour > -7 * 24 else 0.05)
    if hour == 240:
        return Hour(used=1.0, supplied=2e6, rate=0.6, growth=-0.9)
    return Hour(used=_line(0.88, 1.0, 10)(hour), supplied=2e7 if hour < 240 else 2e6, rate=0.3 if hour > 10 else 0.18)


def _minted(hour: int) -> Hour:
    """A vault against a coin of which 80 million are minted out of nothing (78 % more): full at once, written off in a
    day."""
    if hour < 0:
        return Hour(used=0.9, supplied=2.5e7, rate=0.07)
    return Hour(used=1.0, supplied=2.5e7, rate=0.5, minted=1.78, growth=-0.8 if hour == 24 else 0.0)


def _fed(hour: int) -> Hour:
    """The same where allocators go on feeding it: what goes in is borrowed, and its cash is gone after six hours."""
    if hour < 0:
        return Hour(used=0.88, supplied=2.5e7, rate=0.07)
    used = _line(0.88, 1.0, 6)(hour)
    return Hour(used=used, supplied=2.5e7, rate=0.09 if hour < 6 else 0.5, minted=1.78, growth=-0.8 * (hour == 24))


def _donated(hour: int) -> Hour:
    """A vault whose share price somebody triples by a donation, borrows against and drains within three hours."""
    if hour == 0:
        return Hour(used=0.5, supplied=6e7, rate=0.06, growth=2.0)
    if hour == 3:
        return Hour(used=1.0, supplied=6e7, rate=0.06, growth=-0.9)
    return Hour(used=0.8 if hour < 3 else 1.0, supplied=2e7, rate=0.06)


def _capped(hour: int) -> Hour:
    """A pool (Compound v2's form) whose collateral's exchange rate is moved past its cap by a donation: what was lent
    against it is bad debt within minutes."""
    if hour == 0:
        return Hour(used=1.0, supplied=2e7, growth=-0.1)
    return Hour(used=0.75 if hour < 0 else 1.0, supplied=2e7)


def _frozen(hour: int) -> Hour:
    """A reserve that its guardian freezes while rates are high: deposits are refused, money may leave."""
    return Hour(used=0.85 if hour < 0 else 0.93, active=hour < 0, rate=None if hour < 0 else 0.09)


def _weakened(hour: int) -> Hour:
    """A protocol whose multisig is exchanged for keys of strangers and whose timelock is set to nothing, five days
    before it is drained within a quarter of an hour."""
    told: tuple[Found, ...] = ()
    if hour >= 0:
        told = (Found(code="CONTROL_WEAKER", act=Act.LEAVE, saw="timelock 2 days -> none; 4 of 5 signers are new"),)
    if hour == 125:
        return Hour(used=1.0, supplied=1e6, growth=-0.95, told=told)
    return Hour(used=0.8, supplied=8e7 if hour < 125 else 1e6, rate=0.11, told=told)


def _ended(hour: int) -> Hour:
    """A market whose incentives end: 9 % becomes 3 %, and nothing is lost but time."""
    return Hour(used=0.7, rate=0.09 if hour < 0 else 0.03)


def _phantom(hour: int) -> Hour:
    """A dead vault whose interest grows on paper alone: 40 % a year, and no exit that pays."""
    return Hour(used=1.0, supplied=5e6, rate=0.4, no_way_out="withdraw reverts on the fork")


QUIET = Place(name="quiet", at=calm())
SCENES = (
    Scene(
        name="USDC falls to 0.87", source="10-13 March 2023", hours=72, begins_in="pool",
        places=(Place(name="pool", at=_dollar), Place(name="quiet", at=_dollar, protocol="compound_v3")),
    ),
    Scene(
        name="a market is full for four days, its collateral's first", source="class of April 2026", hours=160,
        begins_in="pool",
        places=(
            Place(name="pool", at=lambda h: _full(h - 12)),
            Place(name="weth", at=_full, asset="WETH"),
            Place(name="quiet", at=calm(0.75), protocol="compound_v3"),
        ),
    ),
    Scene(
        name="a curator's vault with a hard-coded oracle: inside", source="class of November 2025", hours=260,
        begins_in="vault", places=(Place(name="vault", at=_curator, protocol="metamorpho"), QUIET),
    ),
    Scene(
        name="the same: would we enter?", source="class of November 2025", hours=260,
        places=(Place(name="vault", at=_curator, protocol="metamorpho"), QUIET),
    ),
    Scene(
        name="collateral minted out of nothing", source="class of March 2026", hours=48, begins_in="vault",
        places=(Place(name="vault", at=_minted, protocol="metamorpho"), QUIET),
    ),
    Scene(
        name="the same, and allocators feed it for six hours", source="class of March 2026", hours=48,
        begins_in="vault", places=(Place(name="vault", at=_fed, protocol="metamorpho"), QUIET),
    ),
    Scene(
        name="a donation triples a vault's share price", source="donation attacks, 2022-26", hours=24,
        begins_in="vault", places=(Place(name="vault", at=_donated, protocol="erc4626"), QUIET),
    ),
    Scene(
        name="an exchange rate is moved past a cap", source="class of March 2026", hours=24, begins_in="pool",
        places=(Place(name="pool", at=_capped, protocol="compound_v2"), QUIET),
    ),
    Scene(
        name="a reserve is frozen at a high rate", source="guardians, often", hours=72,
        places=(Place(name="pool", at=_frozen), Place(name="quiet", at=calm(), protocol="compound_v3")),
    ),
    Scene(
        name="owner and timelock weakened, then drained", source="class of April 2026", hours=140, begins_in="pool",
        places=(Place(name="pool", at=_weakened), Place(name="quiet", at=calm(), protocol="compound_v3")),
    ),
    Scene(
        name="a reward programme ends", source="often", hours=14 * 24, begins_in="pool",
        places=(Place(name="pool", at=_ended), Place(name="quiet", at=calm(), protocol="compound_v3")),
    ),
    Scene(
        name="a dead vault with phantom interest", source="dead vaults of 2024-25", hours=14 * 24,
        places=(Place(name="vault", at=_phantom, protocol="erc4626"), QUIET),
    ),
    Scene(
        name="nothing happens", source="calm", hours=60 * 24, begins_in="pool",
        places=(Place(name="pool", at=calm(0.82)), Place(name="quiet", at=calm(0.78), protocol="compound_v3")),
    ),
)  # fmt: skip
