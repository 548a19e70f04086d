"""The ledger of grades: one a market and day, whatever the disk does to it."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldbot.history.grades import GradedDay, append, files, read
from yieldbot.history.reading import Fault
from yieldbot.history.store import Store
from yieldbot.history.verify import verify

DAY = 86_400
START = 1_767_225_600
"""2026-01-01."""
ONE = GradedDay(
    chain="eip155:1", market="aave_v3/1/usdc", protocol="aave_v3", asset="USDC", time=START, safety=74, letter="B",
    loss_bps=31.5, loss_low_bps=12.0, loss_high_bps=70.0, short=61, long=58, signal="enter",
)  # fmt: skip


def test_what_was_appended_is_read_and_a_day_keeps_its_first_word(tmp_path: Path) -> None:
    other = replace(ONE, market="b")
    assert append(tmp_path, [ONE, other]).rows == 2
    again = append(tmp_path, [replace(ONE, time=START + 3600, safety=10), replace(ONE, time=START + DAY)])
    assert (again.rows, again.known, again.failure) == (1, 1, "")
    assert read(tmp_path) == (ONE, other, replace(ONE, time=START + DAY))
    assert read(tmp_path, start=START + 1) == (replace(ONE, time=START + DAY),)
    append(tmp_path, [replace(ONE, time=START + 31 * DAY)])
    assert [one.name for one in files(tmp_path)] == ["grades-2026-01.jsonl", "grades-2026-02.jsonl"]
    assert read(tmp_path / "nowhere") == ()


def test_a_damaged_line_costs_itself_and_verify_names_it(tmp_path: Path) -> None:
    append(tmp_path, [ONE])
    file = tmp_path / "grades-2026-01.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with file.open("ab") as out:  # a line that was cut off, then a day after it
        out.write(b"")
    assert append(tmp_path, [replace(ONE, time=START + DAY)]).rows == 1
    assert append(tmp_path, [ONE]).rows == 1, "the day that was cut off is written again"
    assert read(tmp_path) == (ONE, replace(ONE, time=START + DAY))
    found = verify(Store(tmp_path))
    assert not found.sound and found.rows == 0
    assert [(one.where, one.what) for one in found.faults] == [
        (f"{file} line 1", "is no grade and is left out: not JSON")
    ]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"safety": 101}, "from 0 to 100"),
        ({"safety": "74"}, "safety"),
        ({"safety": True}, "safety"),
        ({"loss_bps": float("nan")}, "loss_bps"),
        ({"signal": "run"}, "signal"),
        ({"day": "2026-01-02"}, "day"),
        ({"time": 1 << 60}, "time"),
        ({"market": None}, "market"),
    ],
)
def test_a_line_that_is_no_grade_is_named(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    append(tmp_path, [ONE])
    file = tmp_path / "grades-2026-01.jsonl"
    file.write_text(json.dumps(json.loads(file.read_text()) | change) + "\n")
    faults: list[Fault] = []
    assert read(tmp_path, faults=faults) == ()
    assert len(faults) == 1 and why in faults[0].what and "line 1" in faults[0].where


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_whatever_a_file_holds_is_read(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("grades")
    (folder / "grades-2026-01.jsonl").write_bytes(b"\n".join(lines))
    assert append(folder, [ONE]).rows == 1
    assert read(folder) == (ONE,)


def test_a_full_disk_is_one_line_and_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append(tmp_path, [ONE])
    before = (tmp_path / "grades-2026-01.jsonl").read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    said = append(tmp_path, [replace(ONE, time=START + DAY)])
    assert said.rows == 0 and "make room" in said.failure and "\n" not in said.failure
    assert (tmp_path / "grades-2026-01.jsonl").read_bytes() == before
