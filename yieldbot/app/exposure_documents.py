"""The assets and protocols that our money is finally exposed to: a part of several documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from yieldbot.app.document import Part
from yieldbot.risk.look_through import UNKNOWN, exposures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yieldbot.app.overview import Observation
    from yieldbot.model.market import Snapshot
    from yieldbot.model.settings import Job


class ExposureShare(Part):
    """One asset or protocol that part of our money is finally exposed to, seen through vaults."""

    backing: str = Field(
        description="the collateral, by symbol or address; else the pool, whose collaterals are not known one by one; "
        "`unknown`: what could not be read"
    )
    share: float = Field(description="fraction of our wealth on this chain, 0 to 1")
    through: tuple[str, ...] = Field(description="the markets through which our money depends on it")
    utilisation: float | None = Field(
        description="the highest utilisation of the markets below, and of its own market; null: none was read"
    )

    @classmethod
    def of(cls, snapshot: Snapshot, job: Job) -> tuple[ExposureShare, ...]:
        """What one job's holdings are exposed to, the largest share first."""
        tokens = {token.address.lower(): symbol for symbol, token in job.chain.tokens.items()}
        return tuple(
            cls(
                backing=tokens.get(found.backing.lower(), found.symbol or found.backing),
                share=found.share,
                through=found.through,
                utilisation=found.utilisation,
            )
            for found in exposures(snapshot)
        )


def over_all(observed: Sequence[Observation]) -> tuple[ExposureShare, ...]:
    """What the holdings of all jobs together are exposed to, as shares of all our money; tokens with the same symbol on
    several chains count as one.

    Jobs whose first asset has no dollar price are left out; empty where only one job is left.
    """
    rows: dict[str, ExposureShare] = {}
    wealth = 0.0
    counted = 0
    for job, snapshot in observed:
        worth = 0.0 if isinstance(snapshot, str) else _dollars(snapshot)
        if isinstance(snapshot, str) or worth <= 0.0:
            continue
        wealth, counted = wealth + worth, counted + 1
        for one in ExposureShare.of(snapshot, job):
            before = rows.get(one.backing)
            used = [u for u in (one.utilisation, before.utilisation if before else None) if u is not None]
            rows[one.backing] = ExposureShare(
                backing=one.backing,
                share=(before.share if before else 0.0) + one.share * worth,
                through=tuple(dict.fromkeys((*(before.through if before else ()), *one.through))),
                utilisation=max(used, default=None),
            )
    if counted < LEAST_JOBS:
        return ()
    found = (one.model_copy(update={"share": one.share / wealth}) for one in rows.values())
    return tuple(sorted(found, key=lambda one: (-one.share, one.backing)))


LEAST_JOBS = 2


def _dollars(snapshot: Snapshot) -> float:
    """All money of a job, in dollars; 0 where its first asset has no price."""
    if not snapshot.assets:
        return 0.0
    first = snapshot.assets[0]
    price = snapshot.pegs.get(first)
    usd = price.usd if price is not None else snapshot.asset_usd
    if usd is None:
        usd = 1.0 if first in snapshot.pegs else 0.0
    return float(snapshot.wealth(first)) * usd


def exposure_line(found: tuple[ExposureShare, ...], whose: str = "The money in these markets") -> str:
    """The exposures in one line, for tables; empty where there are none. whose: the subject of the sentence."""
    known = "; ".join(
        f"{'unknown' if one.backing == UNKNOWN else one.backing} {one.share:z.0%} ({', '.join(one.through)})"
        for one in found
    )
    return f"{whose} depends on: {known}" if known else ""
