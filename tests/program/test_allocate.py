"""``yieldbot allocate``: a document in, a document or a table out, and each mistake in one line."""

from __future__ import annotations

import json
from pathlib import Path

from tests.bench.problems import problem
from tests.kit.program import yieldbot


def test_it_needs_no_configuration_and_prints_the_proof(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(json.dumps(problem(1, 6)))
    shown = yieldbot("allocate", "p.json", cwd=tmp_path, environment={"COLUMNS": "160"})
    assert shown.code == 0 and shown.err == ""
    assert "market-5" in shown.out and "gap 0.00" in shown.out and "One more token would earn" in shown.out
    found = yieldbot("allocate", "p.json", "--json", cwd=tmp_path)
    assert found.code == 0 and found.document["schema"] == "yieldbot/allocation/v1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.json"]


def test_overlapping_groups_leave_nothing_else_on_stdout(tmp_path: Path) -> None:
    """They are solved by a library that could write there itself."""
    for seed in range(3):
        found = yieldbot("allocate", "-", "--json", cwd=tmp_path, given=json.dumps(problem(seed, 12, overlapping=True)))
        assert found.code == 0 and found.document["gap_bps"] <= 0.1


def test_a_mistake_is_one_line_that_names_file_and_field(tmp_path: Path) -> None:
    document = problem(1, 6)
    document["markets"][3]["rate"] = {"kind": "kinked", "points": [[0.5, 0.1], [0.4, 0.2]]}
    ended = yieldbot("allocate", "-", cwd=tmp_path, given=json.dumps(document))
    assert ended.code == 2 and "standard input: markets[3].rate.points: " in ended.line
    (tmp_path / "bad.json").write_text('{"schema": \n  nothing}')
    ended = yieldbot("allocate", "bad.json", cwd=tmp_path)
    assert ended.code == 2 and "bad.json: line 2, column 3: is not JSON" in ended.line
    (tmp_path / "bad.json").write_bytes(b"\xff\xfe\x00")
    assert yieldbot("allocate", "bad.json", cwd=tmp_path).code == 2
    assert "none.json: cannot be read" in yieldbot("allocate", "none.json", cwd=tmp_path).line
    assert yieldbot("allocate", tmp_path, cwd=tmp_path).code == 2
    ended = yieldbot("allocate", "none.json", "--json", cwd=tmp_path)
    assert ended.code == 2 and ended.document["schema"] == "yieldbot/error/v1"
