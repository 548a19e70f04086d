"""Files of forecasts: taken before their horizon begins, bound to the ones before them, placed where they belong."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tests.unit.forecast import markets
from yieldbot.errors import ConfigError
from yieldbot.forecast.model import HORIZONS
from yieldbot.forecast.registered import SCHEMA, means, parse, read, register

PANEL = markets.panel(markets.rates(40, 3, 1))
ROW = [{"chain": "eip155:1", "market": "aave_v3/1/usdc", "horizon_days": 7, "mean": 0.05}]


def file(time: int, name: str = "alice", rows: Any = ROW, **more: Any) -> str:
    return json.dumps({"schema": SCHEMA, "forecaster": name, "time": time, "forecasts": rows} | more)


def test_before_its_horizon_begins_and_not_after() -> None:
    assert register(file(1000), 1000, [])
    with pytest.raises(ConfigError, match="before its horizon begins"):
        register(file(1000), 1001, [])
    with pytest.raises(ConfigError, match="more than 7 days"):
        register(file(10_000_000), 1, [])


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("{}", "schema"),
        (file(5, name="a\nb"), "forecaster"),
        (file(-5), "time"),
        (file(5, rows=[]), "forecasts"),
        (file(5, rows=[3]), "no object"),
        (file(5, rows=[ROW[0] | {"horizon_days": 2}]), "horizon_days"),
        (file(5, rows=[ROW[0] | {"mean": float("nan")}]), "mean"),
        (file(5, rows=[ROW[0] | {"mean": True}]), "mean"),
        (file(5, rows=[ROW[0] | {"market": ""}]), "chain and market"),
    ],
)
def test_what_is_none_is_named(text: str, wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        parse(text)


def ledger(*times: int) -> list[str]:
    lines: list[str] = []
    for time in times:
        lines.append(register(file(time), time, lines))
    return lines


def test_a_ledger_shows_what_was_changed() -> None:
    lines = ledger(10, 20, 30)
    assert len(read(lines)[0]) == 3 and not read(lines)[1]
    changed = [lines[0], lines[1].replace("0.05", "0.06"), lines[2]]
    assert len(read(changed)[0]) == 1 and "line 2" in read(changed)[1]
    assert "line 1" in read(lines[1:])[1] and "line 2" in read([lines[0], lines[2]])[1]
    assert "none of ours" in read(["nonsense"])[1]


def test_a_file_belongs_to_the_first_row_at_or_after_its_time() -> None:
    at = int(PANEL.times[10])
    found, _ = read(ledger(at - 3600, at, at + 1, int(PANEL.times[-1]) + 1))
    grid = means(found, PANEL)["alice"]
    rows, columns, places = np.nonzero(np.isfinite(grid))
    assert rows.tolist() == [10, 11] and columns.tolist() == [0, 0]
    assert {HORIZONS[i] for i in places.tolist()} == {7}
