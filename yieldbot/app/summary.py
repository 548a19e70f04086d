"""What all accounts have and earned of each asset, and together: sums of the rows of ``wealth``. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from yieldbot.app.document import Part

Row = Mapping[str, Any]


class AssetPoint(Part):
    """What all accounts had of an asset at one time, in whole tokens."""

    at: int = Field(description="in unix seconds")
    total: float = Field(description="in markets and wallets")


class AssetSummary(Part):
    """What all accounts have of one asset, in whole tokens."""

    symbol: str = Field(description="its symbol")
    total: float = Field(description="in markets and wallets, as far as they could be read")
    usd: float | None = Field(description="that in US dollars; null: the price is not known")
    invested: float = Field(description="in markets")
    idle: float | None = Field(description="in wallets; null: one could not be read")
    apy_now: float | None = Field(
        description="what the money in markets earns from now on, an effective annual fraction; null: there is none"
    )
    days: int = Field(description="over how many days the next figures were measured")
    earned: float | None = Field(
        description="growth of holdings without our own deposits and withdrawals; null: nothing was measured"
    )
    realised_apr: float | None = Field(description="that as a simple annual fraction; null: nothing was measured")
    predicted_apr: float | None = Field(description="what was predicted for the same money and time")
    points: tuple[AssetPoint, ...] = Field(description="by time, from when all of these accounts are recorded")


def of_assets(wealth: Sequence[Row]) -> tuple[AssetSummary, ...]:
    """A summary of each asset, what is worth most first. wealth: rows of ``wealth``."""
    by_symbol: dict[str, list[Row]] = {}
    for row in wealth:
        by_symbol.setdefault(row["asset"], []).append(row)
    found = [_asset(symbol, rows) for symbol, rows in by_symbol.items()]
    return tuple(sorted(found, key=lambda one: (-(one.usd or 0.0), one.symbol)))


def in_dollars(assets: Sequence[AssetSummary]) -> float | None:
    """The worth of all assets together; None: there is none, or a price is not known."""
    known = [one.usd for one in assets if one.usd is not None]
    return sum(known) if known and len(known) == len(assets) else None


def _usd(rows: Sequence[Row]) -> float | None:
    found = [_total(row) * row["usd"] if row["usd"] is not None else None for row in rows]
    known = [one for one in found if one is not None]
    return sum(known) if len(known) == len(found) else None


def _total(row: Row) -> float:
    return float(row["invested"]["text"]) + (float(row["idle"]["text"]) if row["idle"] else 0.0)


def _asset(symbol: str, rows: Sequence[Row]) -> AssetSummary:
    idle = [None if row["idle"] is None else float(row["idle"]["text"]) for row in rows]
    earning = [(float(row["invested"]["text"]), row["apy_now"]) for row in rows if row["apy_now"] is not None]
    return AssetSummary(
        symbol=symbol,
        total=sum(_total(row) for row in rows),
        usd=_usd(rows),
        invested=sum(float(row["invested"]["text"]) for row in rows),
        idle=sum(one for one in idle if one is not None) if None not in idle else None,
        apy_now=_mean(earning),
        days=rows[0]["days"],
        earned=_sum([row["earned"] for row in rows]),
        realised_apr=_rate(rows, "earned", "realised_apr"),
        predicted_apr=_rate(rows, "predicted", "predicted_apr"),
        points=_series(rows),
    )


def _mean(parts: Sequence[tuple[float, float]]) -> float | None:
    whole = sum(weight for weight, _ in parts)
    return sum(weight * value for weight, value in parts) / whole if whole else None


def _sum(values: Sequence[float | None]) -> float | None:
    """The sum of what is known; None: nothing is."""
    known = [one for one in values if one is not None]
    return sum(known) if known else None


def _rate(rows: Sequence[Row], amount: str, rate: str) -> float | None:
    """The rate of all accounts together: their amounts over the money and time that each rate is of."""
    known = [(row[amount], row[rate]) for row in rows if row[rate]]
    money = sum(brought / paid for brought, paid in known)
    if not money:  # what earned nothing at all was measured too
        return 0.0 if any(row[rate] is not None for row in rows) else None
    return float(sum(brought for brought, _ in known) / money)


def _series(rows: Sequence[Row]) -> tuple[AssetPoint, ...]:
    """The wealth whenever an account was recorded: each account counts with its last record, and only records that have
    the wallet's balance too are used."""
    events = sorted(
        (point["at"], index, point["invested"] + point["idle"])
        for index, row in enumerate(rows)
        for point in row["points"]
        if point["idle"] is not None
    )
    last: dict[int, float] = {}
    found: dict[int, float] = {}
    for at, index, total in events:
        last[index] = total
        if len(last) == len(rows):
            found[at] = sum(last.values())
    return tuple(AssetPoint(at=at, total=total) for at, total in found.items())
