"""What runs ask memory is answered without DuckDB, and as SQL over the same files answers it."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.kit.market_builder import BLOCK, CHAIN, kinked, market, snapshot
from yieldbot.history import columns, query
from yieldbot.history.contradicted import LOOK_BACK_SECONDS, remembered
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.store import Store

NOW, DAY = BLOCK.timestamp, 86_400
SPANS = (
    f"SELECT chain, market, {', '.join(f'arg_max({name}, time) AS {name}' for name in columns.KEY[2:])}, "
    "count(*) AS rows, min(time) AS first, max(time) AS last FROM readings GROUP BY chain, market"
)
LAST = """
SELECT market, asset_address, max(time) AS newest,
  arg_max("index", time) FILTER (WHERE "index" IS NOT NULL AND time < $moment) AS index,
  max(time) FILTER (WHERE "index" IS NOT NULL AND time < $moment) AS index_at,
  arg_max(supply_rate, time) FILTER (WHERE time = $moment AND (height IS NULL OR height = $height)) AS rate
FROM readings WHERE chain = $chain AND time >= $since GROUP BY market, asset_address
"""


def drawn(draw: random.Random, folder: Path) -> Store:
    """A memory of up to three files a month: markets that change their name and address, rows that lack what others
    have, readings at the moment of the block and after it."""
    store, keys = Store(folder), [MarketKey(chain=CHAIN, market=name, protocol="lend", asset="USDC") for name in "abc"]
    keys.append(replace(keys[0], chain="eip155:10"))
    for _ in range(draw.randrange(1, 4)):
        rows = dict[tuple[MarketKey, int], Reading]()
        for _ in range(draw.randrange(1, 40)):
            key = replace(draw.choice(keys), asset_address=draw.choice(["", "0xa", "0xb"]), asset=draw.choice("UV"))
            time = draw.choice([NOW, NOW, NOW - draw.randrange(45 * DAY), NOW + draw.randrange(DAY)])
            rows[key, time] = Reading(
                key=key,
                time=time,
                height=draw.choice([None, BLOCK.height, BLOCK.height + 1]),
                supply_rate=draw.choice([None, draw.random()]),
                index=draw.choice([None, 1 + draw.random()]),
            )
        assert not store.append(rows.values()).failure
    return store


def without_none(rows: list[dict[str, Any]]) -> list[list[tuple[str, Any]]]:
    return sorted(sorted((name, value) for name, value in row.items() if value is not None) for row in rows)


def test_markets_and_last_readings_are_those_of_sql(tmp_path: Path) -> None:
    draw, seen = random.Random(3), snapshot(0, market("a", kinked(1e6, 8e5)))
    rated = 0
    for at in range(12):
        store = drawn(draw, tmp_path / str(at))
        spans = [
            {name: getattr(one.key, name) for name in columns.KEY}
            | {"rows": one.rows, "first": one.first, "last": one.last}
            for one in query.markets(store)
        ]
        assert without_none(spans) == without_none(query.rows(store, SPANS))
        assert query.markets(store, CHAIN) == tuple(one for one in query.markets(store) if one.key.chain == CHAIN)
        asked = {"moment": NOW, "height": BLOCK.height, "chain": CHAIN, "since": NOW - LOOK_BACK_SECONDS}
        found = [{name: getattr(one, name) for name in one.__slots__} for one in remembered(store, seen)]
        assert without_none(found) == without_none(query.rows(store, LAST, asked))
        rated += sum(one["rate"] is not None for one in found)
    assert rated > 5
