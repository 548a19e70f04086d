"""Corrupt files of memory and rows that cannot be: what is named, and what is read all the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.kit.stored import DAY, KEYS, T0, ordered, parts, reading, some
from yieldbot.history import query
from yieldbot.history.columns import table
from yieldbot.history.reading import Fault
from yieldbot.history.store import DAMAGED, Store
from yieldbot.history.verify import verify


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
    assert "gap" in said["gap", "a"] and "readings end" in said["ended", "a"]
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
