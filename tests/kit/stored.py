"""Readings of six markets on two chains, and memory that holds them in many files."""

from __future__ import annotations

from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.store import Store

T0 = 1_767_225_600
"""2026-01-01."""
DAY = 86_400
KEYS = [
    MarketKey(chain=chain, market=f"{chain[-1]}/{name}", protocol="p", asset="USDC", asset_address="0x1")
    for chain in ("eip155:1", "eip155:8453")
    for name in "abc"
]


def reading(seconds: int, key: MarketKey = KEYS[0], **more: object) -> Reading:
    known = {"height": seconds // 12, "supply_rate": 0.01 + seconds % 977 / 1e5}
    return Reading(key=key, time=T0 + seconds, **(known | more))  # type: ignore[arg-type]


def some(count: int, step: int = 600, start: int = 0) -> list[Reading]:
    return [reading(start + n * step, key) for n in range(count) for key in KEYS]


def ordered(readings: list[Reading]) -> list[Reading]:
    return sorted(readings, key=lambda one: (one.key.chain, one.key.market, one.time))


def parts(memory: Store, days: int, each: int = 6) -> list[Reading]:
    rows = []
    for day in range(days):
        for part in range(each):
            new = some(1, start=day * DAY + part * 3600)
            memory.append(new)
            rows += new
    return rows
