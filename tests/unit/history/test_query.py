"""Questions to memory: markets, frames, panels and SQL, with nothing fetched to answer them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.kit.stored import DAY, KEYS, T0, reading, some
from yieldbot.errors import ConfigError
from yieldbot.history import grid, query
from yieldbot.history.arrow import as_numpy
from yieldbot.history.store import Store
from yieldbot.history.verify import verify


def test_no_folder_is_no_memory(tmp_path: Path) -> None:
    memory = Store(tmp_path / "none")
    assert query.readings(memory) == [] and query.markets(memory) == () and verify(memory).sound
    assert query.sql(memory, "SELECT count(*) AS n FROM readings")["n"][0] == 0
    assert len(query.frame(memory, KEYS[0])) == 0
    with pytest.raises(ValueError, match="no reading"):
        query.panel(memory)


def test_markets_and_frames(tmp_path: Path) -> None:
    memory = Store(tmp_path)
    memory.append(some(300))
    spans = query.markets(memory)
    assert [one.key for one in spans] == KEYS and {one.rows for one in spans} == {300}
    assert (spans[0].first, spans[0].last) == (T0, T0 + 299 * 600)
    found = query.frame(memory, KEYS[3], T0 + DAY, T0 + DAY + 1200, ("time", "supply_rate"))
    assert list(found["time"]) == [T0 + DAY, T0 + DAY + 600, T0 + DAY + 1200]
    with pytest.raises(ConfigError, match="no column colour"):
        query.frame(memory, KEYS[3], wanted=("colour",))
    with pytest.raises(ConfigError, match="cannot be answered"):
        query.sql(memory, "SELECT colour FROM readings")
    by_chain = query.sql(memory, "SELECT chain, avg(after_1e3) AS a, count(*) AS n FROM readings GROUP BY 1 ORDER BY 1")
    assert list(by_chain["n"]) == [900, 900]


def test_the_panel_of_a_folder_is_the_panel_of_its_readings(tmp_path: Path) -> None:
    draw = random.Random(7)
    rows, index = [], dict.fromkeys(KEYS, 1.0)
    for key in KEYS:
        at = 0
        while at < 75 * DAY:
            at += draw.choice([600, 3600, 5 * 3600, 2 * DAY])
            index[key] *= 1 + draw.random() / 1e4
            more = {"index": index[key]} if key in KEYS[:3] else {}
            if draw.random() < 0.1:
                more |= {"mean_rate": 0.03, "mean_since": T0 + at - 600}
            status = draw.choice(["active", "active", "frozen"])
            rows.append(reading(at, key, supplied=draw.random() * 1e6, utilisation=0.5, status=status, **more))
    memory = Store(tmp_path)
    memory.append(rows)
    for options in ({}, {"step_seconds": 3600}, {"start": T0 + 40 * DAY, "end": T0 + 50 * DAY}, {"keys": KEYS[1:4]}):
        got = query.panel(memory, **options)  # type: ignore[arg-type]
        want = grid.panel(rows, **options)  # type: ignore[arg-type]
        assert got.keys == want.keys
        for name in ("times", "quoted", "realised", "utilisation", "supplied", "cash", "blocked"):
            np.testing.assert_allclose(getattr(got, name), getattr(want, name), rtol=1e-9, err_msg=name)


def test_duckdb_neither_fetches_nor_loads_an_extension(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    memory = Store(tmp_path / "history")
    memory.append(some(2))
    with query.database() as connection:
        for name in (*query.SETTINGS, "enable_progress_bar"):
            assert connection.execute(f"SELECT current_setting('{name}')").fetchone() == (False,)
        before = connection.execute("SELECT extension_name FROM duckdb_extensions() WHERE loaded").fetchall()
        paths = [str(one) for one in memory.folder.rglob("*.parquet")]
        connection.execute("SELECT count(*) FROM read_parquet(?)", [paths])
        after = connection.execute("SELECT extension_name FROM duckdb_extensions() WHERE loaded").fetchall()
        assert before == after
        with pytest.raises(Exception, match=r"(?i)extension|httpfs"):
            connection.execute("SELECT * FROM read_parquet('https://localhost:9/x.parquet')")
    assert not list(tmp_path.rglob("*.duckdb_extension*"))


def test_help_needs_no_heavy_library() -> None:
    code = (
        "import sys, yieldbot.history.store, yieldbot.history.query, yieldbot.history.grid, yieldbot.history.verify, "
        "yieldbot.history.importers.read; print([m for m in ('pandas','numpy','pyarrow','duckdb') if m in sys.modules])"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
    assert time.monotonic() - began < 30


def test_our_own_questions_are_answered_alike_again_and_in_a_fork(tmp_path: Path) -> None:
    memory = Store(tmp_path)
    memory.append(some(5))
    of_one = "SELECT market, count(*) AS n FROM readings WHERE chain = $chain GROUP BY 1 ORDER BY 1"
    asked = {"chain": "eip155:1"}
    once = query.rows(memory, of_one, asked)
    assert once == [{"market": f"1/{name}", "n": 5} for name in "abc"]
    assert once == query.sql(memory, of_one, asked).to_dict("records")
    memory.append(some(1, start=5 * 600))
    again = query.rows(memory, of_one, asked)
    assert [row["n"] for row in again] == [6, 6, 6] == [one.rows for one in query.markets(memory, "eip155:1")]
    child = os.fork()
    if child == 0:
        os._exit(0 if query.rows(memory, of_one, asked) == again else 1)
    assert os.waitpid(child, 0)[1] == 0
    with pytest.raises(ConfigError, match="cannot be answered"):
        query.rows(memory, "SELECT colour FROM readings")
    assert query.rows(Store(tmp_path / "none"), of_one, asked) == []


def test_a_view_of_one_question_is_not_there_for_another(tmp_path: Path) -> None:
    one, other = Store(tmp_path / "one"), Store(tmp_path / "other")
    one.append(some(2))
    other.append(some(3))
    with ThreadPoolExecutor(4) as several:
        asked = "SELECT market, count(*) AS n FROM readings GROUP BY 1"
        counts = list(several.map(lambda at: query.rows((one, other)[at % 2], asked)[0]["n"], range(24)))
    assert counts == [2, 3] * 12


def test_columns_are_numbers_as_pandas_would_have_them() -> None:
    import pyarrow as pa

    some_missing = pa.chunked_array([pa.array([1, None, 3]), pa.array([4])])
    for values in (some_missing, some_missing.cast(pa.float64()), pa.chunked_array([[2.5], [-1.0]]), pa.array([7, 8])):
        np.testing.assert_array_equal(as_numpy(values), values.to_numpy())
    assert as_numpy(pa.chunked_array([], pa.int64())).tolist() == []
    assert as_numpy(pa.array(["b", "a", "b"]).dictionary_encode().indices).tolist() == [0, 1, 0]
