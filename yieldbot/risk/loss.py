"""Base rates of loss: what incidents cost, over the money that was exposed to them. Source data: ``incidents.toml``."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from statistics import NormalDist
from typing import Any

from yieldbot.model.dataclass import dataclass
from yieldbot.model.market import Kind
from yieldbot.model.units import BPS

CLASSES: Mapping[Kind, str] = {
    Kind.LENDING: "lending",
    Kind.VAULT: "vault",
    Kind.LIQUIDITY: "lp",
    Kind.STAKING: "staking",
}
"""The class whose base rate applies to each kind of market."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident."""

    date: date
    """The day."""
    name: str
    """What happened."""
    protocols: tuple[str, ...]
    """Adapters whose markets belong to that protocol, or run its code."""
    kind: str
    """Its class, as in ``CLASSES``."""
    lost_usd: float
    """Suppliers' first loss, in dollars of that day."""
    given_back_usd: float
    """Dollars that they got back later."""
    counted: bool
    """Whether it counts in the base rate: only if [[exposure]] records the money that it happened to."""
    source: str
    """Where it is documented."""


@dataclass(frozen=True, slots=True)
class BaseRate:
    """Expected loss a year of a class, in bp of what is held, with its interval."""

    bps: float
    """The estimate: dollars lost over dollar-years exposed, in bp a year."""
    low_bps: float
    """Lower end of its 80 % interval."""
    high_bps: float
    """Upper end of its 80 % interval."""
    incidents: int
    """Number of incidents that it is computed from."""
    billion_years: float
    """Exposure in billions of dollar-years."""
    borrowed: str = ""
    """Name of the class it is borrowed from, if this class has no recorded exposure: then it is the upper end of
    that class's interval."""


@cache
def incidents() -> tuple[Incident, ...]:
    """The incidents that are shipped with yieldbot, oldest first."""
    found = [
        Incident(
            date=row["date"],
            name=row["name"],
            protocols=tuple(row["protocols"]),
            kind=row["class"],
            lost_usd=float(row["lost_usd"]),
            given_back_usd=float(row["given_back_usd"]),
            counted=bool(row.get("counted", False)),
            source=row["source"],
        )
        for row in _table()["incident"]
    ]
    return tuple(sorted(found, key=lambda one: one.date))


@cache
def base_rate(kind: str) -> BaseRate:
    """The base rate of a class.

    Loss: what was lost less ``credit.given_back`` of what was given back, over the exposure. Interval: the number of
    incidents is Poisson; with Jeffreys' prior its mean is Gamma(n + 1/2), so that the loss is multiplied by its
    quantiles over n (Gelman et al., Bayesian Data Analysis, 2.8). A class without recorded exposure gets the upper end
    of lending's interval: the worst is assumed of what is not known.
    """
    table = _table()
    exposed = sum(float(row["billion_years"]) for row in table["exposure"] if row["class"] == kind)
    if not exposed:
        other = base_rate("lending")
        return BaseRate(other.high_bps, other.bps, other.high_bps * 2.0, 0, 0.0, borrowed="lending")
    credit = table["credit"]
    counted = [one for one in incidents() if one.counted and one.kind == kind]
    lost = sum(one.lost_usd - credit["given_back"] * one.given_back_usd for one in counted)
    bps = lost / (exposed * 1e9) * BPS
    low, high = _poisson_interval(len(counted), float(credit["interval"]))
    return BaseRate(bps, bps * low, bps * high, len(counted), exposed)


def _poisson_interval(count: int, level: float) -> tuple[float, float]:
    """The interval of a Poisson mean after ``count`` (1 or more) observed events, divided by ``count``.

    Quantiles of the gamma distribution by the cube approximation of Wilson and Hilferty (1931), accurate to 2 % here:
    importing SciPy's statistics takes a second.
    """
    shape, tail = count + 0.5, (1.0 - level) / 2.0

    def quantile(part: float) -> float:
        normal = NormalDist().inv_cdf(part)
        return float(shape * max(0.0, 1.0 - 1.0 / (9.0 * shape) + normal / (3.0 * math.sqrt(shape))) ** 3)

    return quantile(tail) / count, quantile(1.0 - tail) / count


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("incidents.toml").read_text(encoding="utf-8"))
