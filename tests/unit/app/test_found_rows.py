"""Found markets as rows for interfaces, from the store alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.unit.chains.evm.test_discover import Source, chain_of, event, key, read
from yieldbot.app.collections import NOTHING
from yieldbot.app.found_rows import found_rows
from yieldbot.history.found_store import FoundStore


def test_the_rows_are_what_the_last_discovery_stored(tmp_path: Path) -> None:
    settings: Any = SimpleNamespace(data_dir=tmp_path, chains={"test": chain_of(key(1))})
    assert found_rows(settings) is NOTHING and not list(tmp_path.iterdir()), "a look makes no file"
    source, store = Source([event(n, 100 + n) for n in (1, 2, 3)], markets=[1, 2, 3]), FoundStore(tmp_path)
    read(source, store, key(1), now=50)
    source.markets = {one: number for one, number in source.markets.items() if number != 3}
    read(source, store, key(1), now=60)
    found = found_rows(settings)
    rows = {row["market"]: row for row in found.rows}
    assert {market: row["state"] for market, row in rows.items()} == {key(1): "listed", key(2): "found", key(3): "gone"}
    assert (rows[key(2)]["supplied"], rows[key(2)]["asset"], rows[key(2)]["unfit"]) == (10.0, "USDC", None)
    assert found.as_of == 60 and len({row["key"] for row in found.rows}) == 3
    assert found_rows(settings).version == found.version
