"""``yieldbot backtest sweep`` in an empty folder: its table, its document, wrong usage."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.kit.program import yieldbot
from tests.kit.recording import recording
from yieldbot.app.saved_backtests import saved
from yieldbot.web.rendering import templates

SHAPE = ("--wealth", "50000", "--window", "20", "--every", "10")


def test_the_answer_is_the_same_for_any_number_of_workers_and_the_second_time(tmp_path: Path) -> None:
    file = recording(tmp_path)
    words = ("backtest", "sweep", "--history", file, *SHAPE, "--grid", "forecaster=paid-3d,quote")
    one = yieldbot("--json", *words, "--processes", "1", "--results", "one", cwd=tmp_path)
    two = yieldbot("--json", *words, "--processes", "2", "--results", "two", cwd=tmp_path)
    assert one.code == 0 and one.out == two.out, one.err
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "one").rglob("*.json")}
    assert {path.name for path in (tmp_path / "two").rglob("*.json")} == kept.keys()
    shown = yieldbot(*words, "--results", "one", cwd=tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "one").rglob("*.json")} == kept
    document = one.document
    assert document["schema"] == "yieldbot/backtest-sweep/v1" and document["tried"] == 2
    assert [row["policy"] for row in document["results"]] == ["default", "forecaster=quote"]
    windows = document["results"][0]["windows"]
    assert len(kept) == windows * 3
    (forward,) = document["walk_forward"]
    assert forward["windows"] == len(forward["choices"]) == windows - 3
    assert forward["hindsight_gain_pp"] >= max(forward["gain_pp"], forward["unchanged_gain_pp"])
    assert forward["gain_pp"] - forward["unchanged_gain_pp"] == pytest.approx(forward["over_unchanged_pp"])
    assert [one["over"] for one in document["deflated"]] == ["static", "default"]
    for found in document["deflated"]:
        assert found["gain_pp"] - found["luck_pp"] == pytest.approx(found["deflated_gain_pp"])
        assert found["deflated_gain_pp_low"] <= found["deflated_gain_pp"] <= found["deflated_gain_pp_high"]
    assert "--results" not in document["manifest"]["command"] and "forecaster=paid-3d is default" in shown.out
    for text in ("2 variants tried", "Chosen on the past, judged on the next windows", "White's reality check"):
        assert text in shown.out
    (tmp_path / "backtests").mkdir()
    (tmp_path / "backtests" / "grid.json").write_text(one.out)
    (tmp_path / "backtests" / "odd.json").write_text('{"schema": "yieldbot/plan/v1"}')
    found = saved(SimpleNamespace(settings=SimpleNamespace(data_dir=tmp_path)))  # type: ignore[arg-type]
    assert {(each.name, each.kind) for each in found} == {("grid", "backtest-sweep"), ("odd", "")}
    names = {"asset": str, "session": None, "token": "", "halted": None, "title": "Backtests"}
    page = templates().get_template("backtests.html").render(names, found=found, paper=(), why=None, whole=True)
    for text in ("2 variants were tried", "Best in hindsight", "What remains", "schema is none"):
        assert text in page


def test_a_plain_backtest_and_the_unchanged_variant_say_the_same(tmp_path: Path) -> None:
    file = recording(tmp_path)
    shape = ("--history", file, *SHAPE, "--failures", "0.2", "--seed", "5", "--processes", "1")
    swept = yieldbot("--json", "backtest", *shape, "sweep", "--grid", "policy.min_move=100", cwd=tmp_path)
    plain = yieldbot("--json", "backtest", *shape, cwd=tmp_path)
    assert swept.code == plain.code == 0, swept.err
    assert swept.document["results"][:1] == plain.document["results"]
    assert swept.document["manifest"]["data"] == plain.document["manifest"]["data"]


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ([], "name what to vary"),
        (["--grid", "policy.nothing=1"], "cannot be varied"),
        (["--grid", "policy.min_move=1", "--learn", "-1"], "--learn is 0 to 3650"),
        (["--grid", "policy.min_move=1", "--window", "400"], "write a shorter --window"),
        (["--grid", "policy.min_move=1", "--results", "recorded.csv.gz"], "keeps no results"),
    ],
)
def test_wrong_usage_gets_one_line(tmp_path: Path, flags: list[str], line: str) -> None:
    file = recording(tmp_path, 70)
    made = yieldbot("backtest", "sweep", "--history", file, *SHAPE, "--processes", "1", *flags, cwd=tmp_path)
    assert made.code == 2 and line in made.line


def test_words_that_would_be_taken_for_markets_or_for_nothing_are_refused(tmp_path: Path) -> None:
    file = recording(tmp_path, 70)
    words = ("backtest", "--history", file)
    taken = yieldbot(*words, "--markets", "lend", "sweep", cwd=tmp_path)
    assert taken.code == 2 and "write `yieldbot backtest sweep` first" in taken.line
    report = yieldbot(*words, "--report", "a.html", "sweep", "--grid", "policy.min_move=1", cwd=tmp_path)
    assert report.code == 2 and "--report is for one policy" in report.line
