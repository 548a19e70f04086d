"""Memory on the disk: once, whole or not at all, and readable while it is written."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.stored import DAY, KEYS, T0, ordered, parts, reading, some
from yieldbot.history import columns, files, query, store
from yieldbot.history.columns import AFTER, LATER, SCHEMA, schema
from yieldbot.history.reading import Reading
from yieldbot.history.recent import recent
from yieldbot.history.store import Store, read
from yieldbot.history.verify import verify

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
    traded_usd=0.9991,
    token_supply=1e11 + 0.5,
    backing=(("0x00000000000000000000000000000000000000AA", 1.5e27), ("mint", 0.0)),
    rewards=({"token": "COMP", "rate": 0.01, "ends_at": None},),
    flags=('a "flag"', "another, ünïcode"),
    curve='{"schema":"yieldbot/curve/v1","curve":{"kind":"constant","rate":0.07}}',
)


def test_a_reading_comes_back_as_it_was(tmp_path: Path) -> None:
    bare = Reading(key=KEYS[1], time=T0)
    Store(tmp_path).append([FULL, bare])
    assert query.readings(Store(tmp_path)) == ordered([FULL, bare])


def test_files_from_before_a_column_are_read_with_nothing_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of an older release, and one that a newer release goes on with, in every way in which memory is read."""
    whole = schema()
    older = whole
    for name in sorted(LATER):
        older = older.remove(older.get_field_index(name))
    with monkeypatch.context() as before:
        before.setattr(columns, "schema", lambda: older)
        before.setattr(columns, "LATER", frozenset())
        before.setattr(columns, "NUMBERS", tuple(name for name in columns.NUMBERS if name not in LATER))
        Store(tmp_path).append(some(3))
    memory, last = Store(tmp_path), replace(FULL, time=T0 + DAY)
    (path, *_) = tmp_path.rglob("*.parquet")
    from pyarrow import parquet

    assert not set(LATER) & set(parquet.ParquetFile(path).schema_arrow.names)
    assert query.readings(memory) == ordered(some(3))
    count = "SELECT count(*) AS rows, count(token_supply) AS known, max(token_supply) AS most FROM readings"
    assert query.rows(memory, count) == [{"rows": 18, "known": 0, "most": None}]
    memory.append([last])
    assert query.readings(memory) == ordered([*some(3), last])
    assert query.rows(memory, count) == [{"rows": 19, "known": 1, "most": last.token_supply}]
    seen = recent(memory, KEYS[0].chain, T0 + 2 * DAY, 3 * DAY, [KEYS[0].market])
    assert [one.token_supply for one in seen[KEYS[0].market]][-1] == last.token_supply
    assert [one.backing for one in seen[KEYS[0].market]][-2:] == [(), last.backing]
    assert verify(memory, now=T0 + 2 * DAY).sound
    memory.compact(now=T0 + 60 * DAY, everything=True)
    assert query.readings(memory) == ordered([*some(3), last]), "old and new are made one file"


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


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from tests.kit.stored import some
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


def test_what_was_kept_before_the_disk_refused_is_told(tmp_path: Path) -> None:
    """A file where the second month's folder must be: the first month is kept, and the line says so."""
    month = tmp_path / "eip155-1" / "2026-02"
    month.parent.mkdir(parents=True)
    month.write_text("")
    kept = Store(tmp_path).append([reading(0), reading(31 * 86_400)])
    assert kept.rows == 1 and "only 1 new reading is remembered" in kept.failure
    assert "nothing" not in kept.failure


def test_a_damaged_file_is_named_once_whatever_is_asked(tmp_path: Path) -> None:
    from yieldbot.history.reading import Fault

    memory = Store(tmp_path)
    memory.append([reading(0)])
    memory.append([reading(86_400)])
    damaged = max(tmp_path.rglob("*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:500])
    faults: list[Fault] = []
    query.markets(memory, faults=faults)
    query.readings(memory, faults=faults)
    query.panel(memory, faults=faults)
    assert [one.where for one in faults] == [str(damaged)]


def test_only_months_that_are_wanted_are_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And each once: what a run reads and stores takes no longer the more years memory has."""
    memory, month = Store(tmp_path), 31 * DAY
    assert memory.append([reading(number * month) for number in range(24)]).rows == 24
    looked, plain = list[str](), files.in_folder

    def in_folder(folder: Path) -> list[files.Stored]:
        looked.append(folder.name)
        return plain(folder)

    monkeypatch.setattr(files, "in_folder", in_folder)
    ((found, _),) = memory.tables(KEYS[0].chain, T0 + 20 * month, T0 + 20 * month + DAY)
    assert found.num_rows == 1 and len(looked) == 1
    looked.clear()
    assert memory.append([reading(22 * month + 60)]).rows == 1 and len(set(looked)) == 1
