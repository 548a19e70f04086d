"""Memory on the disk: once, whole or not at all, and readable while it is written."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldbot.errors import ConfigError
from yieldbot.history import files, grid, query, store
from yieldbot.history.columns import AFTER, SCHEMA, schema, table
from yieldbot.history.reading import Fault, MarketKey, Reading
from yieldbot.history.store import DAMAGED, Store, read
from yieldbot.history.verify import verify

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


FULL = Reading(
    key=KEYS[0],
    time=T0,
    height=2**40,
    source="backfill",
    supply_rate=0.1 + 0.2,
    mean_rate=1e-17,
    mean_since=T0 - 600,
    index=1.0000000001,
    borrow_rate=5e-324,
    utilisation=0.8,
    supplied=1e30,
    borrowed=0.0,
    cash=3.3,
    capacity=0.0,
    reserve_factor=0.1,
    held=7.0,
    rates_after=(0.5, 0.25, 0.125, 0.0625, 0.0),
    status="frozen",
    price_usd=0.9998,
    rewards=({"token": "COMP", "rate": 0.01, "ends_at": None},),
    flags=('a "flag"', "another, ünïcode"),
    curve='{"schema":"yieldbot/curve/v1","curve":{"kind":"constant","rate":0.07}}',
)


def test_a_reading_comes_back_as_it_was(tmp_path: Path) -> None:
    bare = Reading(key=KEYS[1], time=T0)
    Store(tmp_path).append([FULL, bare])
    assert query.readings(Store(tmp_path)) == ordered([FULL, bare])


numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(numbers, numbers, numbers, st.text(max_size=9)), min_size=1, max_size=8))
def test_any_doubles_come_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple]) -> None:
    folder = tmp_path_factory.mktemp("s")
    want = [
        reading(n, supply_rate=a, supplied=b, index=c, flags=(text,) if text.isprintable() else ())
        for n, (a, b, c, text) in enumerate(rows)
    ]
    Store(folder).append(want)
    assert query.readings(Store(folder)) == want


def test_the_same_market_and_time_is_one_row(tmp_path: Path) -> None:
    memory = Store(tmp_path)
    assert memory.append(some(3)).rows == 18
    again = memory.append([*some(4), *some(4), replace(reading(0), supply_rate=9.0)])
    assert (again.rows, again.known) == (6, 43)
    assert query.readings(memory) == ordered(some(4))
    assert memory.append([]).rows == 0


def test_files_lie_by_chain_and_day(tmp_path: Path) -> None:
    Store(tmp_path).append(some(1))
    Store(tmp_path).append(some(1, start=DAY))
    names = sorted(str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*.parquet"))
    assert names == [
        "eip155-1/2026-01/2026-01-01.000001.parquet",
        "eip155-1/2026-01/2026-01-02.000002.parquet",
        "eip155-8453/2026-01/2026-01-01.000001.parquet",
        "eip155-8453/2026-01/2026-01-02.000002.parquet",
    ]


def parts(memory: Store, days: int, each: int = 6) -> list[Reading]:
    rows = []
    for day in range(days):
        for part in range(each):
            new = some(1, start=day * DAY + part * 3600)
            memory.append(new)
            rows += new
    return rows


def test_a_day_of_many_files_becomes_one_and_a_month_too(tmp_path: Path) -> None:
    memory = Store(tmp_path)
    rows = parts(memory, 2)
    assert memory.compact(now=T0 + 2 * DAY) == 2 * 2 * 6
    assert len(list(tmp_path.rglob("*.parquet"))) == 4
    rows += (late := some(1, start=DAY // 2))
    memory.append(late)
    assert query.readings(memory) == ordered(rows)
    assert memory.append(rows).rows == 0
    memory.compact(now=T0 + 40 * DAY, everything=True)
    assert sorted(one.name for one in tmp_path.rglob("*.parquet")) == ["2026-01.000016-all.parquet"] * 2
    assert query.readings(memory) == ordered(rows) and memory.append(rows).rows == 0
    assert memory.compact(now=T0 + 40 * DAY, everything=True) == 0


def test_what_becomes_many_files_is_made_few_by_itself(tmp_path: Path) -> None:
    memory = Store(tmp_path)
    for n in range(60):
        memory.append([reading(n * 600)])
        memory.compact_if_due("eip155:1", T0 + n * 600)
    assert len(list(tmp_path.rglob("*.parquet"))) < store.MANY
    assert len(query.readings(memory)) == 60


@pytest.mark.parametrize("point", ["before the rename", "before the first goes", "while they go"])
def test_a_compaction_that_is_killed_loses_and_doubles_nothing(
    tmp_path: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = Store(tmp_path)
    rows = parts(memory, 1)
    gone = 0
    unlink, rename = Path.unlink, os.replace

    class Killed(BaseException):
        pass

    def dies(*args: object, **options: object) -> None:
        nonlocal gone
        if str(args[0]).endswith(".parquet") and (point == "before the first goes" or gone == 3):
            raise Killed
        gone += 1
        unlink(*args, **options)  # type: ignore[arg-type]

    def never(*args: object) -> None:
        raise Killed

    if point == "before the rename":
        monkeypatch.setattr(os, "replace", never)
    else:
        monkeypatch.setattr(Path, "unlink", dies)
    with pytest.raises(Killed):
        memory.compact(now=T0 + 2 * DAY)
    monkeypatch.setattr(os, "replace", rename)
    monkeypatch.setattr(Path, "unlink", unlink)
    assert query.readings(memory) == ordered(rows)
    assert memory.append(rows).rows == 0
    memory.compact(now=T0 + 2 * DAY)
    assert query.readings(memory) == ordered(rows) and verify(memory).sound


def test_a_reader_sees_each_row_once_while_it_is_written_and_compacted(tmp_path: Path) -> None:
    memory = Store(tmp_path)
    memory.append([reading(0)])
    done, seen, wrong = threading.Event(), [0], list[str]()

    def look() -> None:
        while not done.is_set():
            rows = query.readings(memory)
            times = [one.time for one in rows]
            if len(set(times)) != len(times) or len(rows) < seen[-1]:
                wrong.append(f"{len(rows)} rows, {len(set(times))} times, {seen[-1]} before")
            seen.append(len(rows))

    reader = threading.Thread(target=look)
    reader.start()
    for n in range(1, 40):
        memory.append([reading(n * 600)])
        if n % 3 == 0:
            memory.compact(now=T0 + n * 600, everything=True)
    done.set()
    reader.join()
    assert not wrong and len(seen) > 2 and len(query.readings(memory)) == 40


def test_two_writers_do_not_lose_each_others_rows(tmp_path: Path) -> None:
    def write(offset: int) -> None:
        for n in range(12):
            assert not Store(tmp_path).append([reading(offset + n * 600)]).failure

    threads = [threading.Thread(target=write, args=(offset,)) for offset in (0, 0, 1, 2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(query.readings(Store(tmp_path))) == 36 and verify(Store(tmp_path)).sound


def damaged(memory: Store, how: str) -> Path:
    path = sorted(memory.folder.rglob("*.parquet"))[0]
    content = bytearray(path.read_bytes())
    if how == "cut":
        content = content[: len(content) // 2]
    elif how == "empty":
        content = bytearray()
    elif how == "noise":
        content = bytearray(os.urandom(2000))
    else:
        content[200] ^= 0x40  # within a page
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("how", ["cut", "empty", "noise", "one bit"])
def test_a_corrupt_file_costs_itself_and_is_named(tmp_path: Path, how: str) -> None:
    memory = Store(tmp_path)
    rows = parts(memory, 1, 4)
    path = damaged(memory, how)
    lost = [one for one in rows if one.key.chain == "eip155:1" and one.time == T0]
    rest = ordered([one for one in rows if one not in lost])
    faults: list[Fault] = []
    assert query.readings(memory, faults=faults) == rest
    assert [fault.where for fault in faults] == [str(path)] and "left out" in faults[0].what
    if how != "one bit":  # DuckDB compares no checksums
        faults = []
        assert len(query.sql(memory, "SELECT time FROM readings", faults=faults)) == len(rest)
        assert [fault.where for fault in faults] == [str(path)]
    verdict = verify(memory)
    assert not verdict.sound and verdict.rows == len(rest)
    assert any(fault.kind == "file" and fault.where == str(path) for fault in verdict.faults)
    memory.compact(now=T0 + 2 * DAY)
    assert query.readings(memory) == rest and path.with_name(path.name + DAMAGED).exists()
    assert [fault.where for fault in verify(memory).faults if fault.kind == "file"] == [str(path) + DAMAGED]


def test_verify_names_what_is_wrong_with_rows(tmp_path: Path) -> None:
    memory = Store(tmp_path)
    memory.append([*some(30), reading(30 * 600, supply_rate=3.5), reading(31 * 600, supply_rate=-0.1, height=1)])
    memory.append([reading(60 * 600)])
    memory.append([reading(4 * DAY, key) for key in KEYS[1:3]])
    folder = tmp_path / "eip155-1" / "2026-01"
    (folder / "2026-01-01.000009.parquet").write_bytes((folder / "2026-01-01.000001.parquet").read_bytes())
    (folder / "2026-01-02.000010.parquet").write_bytes((folder / "2026-01-01.000001.parquet").read_bytes())
    (folder / ".writing-1-1").write_bytes(b"x")
    said = {(fault.kind, fault.where.rsplit("/", 1)[-1]): fault.what for fault in verify(memory).faults}
    assert "there twice" in said["duplicate", "a"]
    assert "2 times a supply_rate" in said["rate", "2026-01-01.000001.parquet"]
    assert "runs back" in said["clock", "2026-01-01.000001.parquet"]
    assert "holds readings of 2026-01-01" in said["file", "2026-01-02.000010.parquet"]
    assert "gaps" in said["gap", "a"] and "readings end" in said["ended", "a"]
    assert "never finished" in said["note", ".writing-1-1"]


def test_verify_names_readings_from_after_this_machine_s_time(tmp_path: Path) -> None:
    """They end no other market, and nothing is lost."""
    memory = Store(tmp_path)
    memory.append([reading(0), reading(600), reading(90 * DAY), reading(600, key=KEYS[1])])
    verdict = verify(memory, now=T0 + 3600)
    assert verdict.sound and {fault.kind for fault in verdict.faults} == {"ahead"}
    (ahead,) = (fault for fault in verdict.faults if fault.kind == "ahead")
    assert ahead.taken and "1 readings are from after this machine's time, the last of 2026-" in ahead.what
    assert {fault.kind for fault in verify(memory, now=T0 + 91 * DAY).faults} == {"ended"}


def test_a_file_of_another_schema_is_left_out(tmp_path: Path) -> None:
    from pyarrow import parquet

    memory = Store(tmp_path)
    memory.append([reading(0)])
    parquet.write_table(table([reading(600)]), tmp_path / "eip155-1" / "2026-01" / "2026-01-01.000007.parquet")
    assert len(query.readings(memory)) == 1
    assert any("is of the schema ''" in fault.what for fault in verify(memory).faults)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from tests.unit.history.test_store import some
from yieldbot.history import query
from yieldbot.history.store import Store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
memory = Store(Path(sys.argv[1]))
memory.append(some(2))
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
kept = memory.append(some(50, start=7200))
assert kept.rows == 0 and "nothing is remembered" in kept.failure and "make room" in kept.failure, kept
assert "\\n" not in kept.failure
assert len(query.readings(memory)) == 12
assert not [one for one in Path(sys.argv[1]).rglob(".writing*")]
"""


def test_a_full_disk_ends_remembering_and_nothing_else(tmp_path: Path) -> None:
    """The operating system itself refuses to let a file grow."""
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kept = Store(tmp_path / "file" / "history").append([reading(0)])
    assert kept.rows == 0 and "nothing is remembered" in kept.failure


def test_a_writer_that_does_not_end_is_one_line(tmp_path: Path) -> None:
    from filelock import FileLock

    with FileLock(tmp_path / store.LOCK):
        assert "another process" in Store(tmp_path, 0.1).append([reading(0)]).failure


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


def test_what_is_kept_says_its_schema(tmp_path: Path) -> None:
    from pyarrow import parquet

    Store(tmp_path).append([reading(0)])
    (path,) = tmp_path.rglob("*.parquet")
    assert parquet.read_metadata(path).metadata[b"schema"] == SCHEMA.encode()
    assert read(path).schema.names == schema().names and AFTER == (
        "after_1e3",
        "after_1e4",
        "after_1e5",
        "after_1e6",
        "after_1e7",
    )


def test_spans() -> None:
    assert files.bounds("2026-01-31") == (T0 + 30 * DAY, T0 + 31 * DAY - 1)
    assert files.bounds("2026-12") == (1_796_083_200, 1_798_761_599)
    assert files.span_of_day(T0 - 1) == "2025-12-31"


def test_help_needs_no_heavy_library() -> None:
    code = (
        "import sys, yieldbot.history.store, yieldbot.history.query, yieldbot.history.grid, yieldbot.history.verify, "
        "yieldbot.history.importers.read; print([m for m in ('pandas','numpy','pyarrow','duckdb') if m in sys.modules])"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
    assert time.monotonic() - began < 30
