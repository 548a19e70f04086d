"""How long a step takes is estimated from this run's work, and before that from the last run here; else nothing is
said."""

from __future__ import annotations

from pathlib import Path

import pytest

from yieldbot.app import step_times
from yieldbot.app.step_times import FILE, MOST_STEPS, last, step
from yieldbot.model.time_left import about, time_left


class Clock:
    """Stands in for the module ``time``."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_what_is_left_follows_from_what_was_done() -> None:
    assert time_left(2, 10, 20.0) == pytest.approx(80.0)
    assert time_left(0, 10, 20.0) is time_left(2, 10, 1.0) is time_left(10, 10, 20.0) is None
    words = {1: "some 5 s", 42: "some 40 s", 89: "some 90 s", 240: "some 4 min", 9000: "some 2.5 h"}
    assert {seconds: about(seconds) for seconds in words} == words


def test_a_step_says_how_long_it_took_here_the_last_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, said = Clock(), list[str]()
    monkeypatch.setattr(step_times, "time", clock)

    def one(name: str, seconds: float) -> str:
        with step(said.append, tmp_path, name, "working"):
            clock.now += seconds
        return said[-1]

    assert one("a", 42.0) == "working" and one("b", 1.0) == "working", "nothing is known yet"
    assert one("a", 90.0) == "working: some 40 s, as the last time here"
    assert one("a", 1.0) == "working: some 90 s, as the last time here"
    assert one("b", 1.0) == "working", "what is quick says nothing"
    with pytest.raises(KeyError), step(said.append, tmp_path, "a", "working"):
        clock.now += 500.0
        raise KeyError
    assert last(tmp_path, "a") == 1.0, "a step that failed says nothing of its duration"
    for number in range(MOST_STEPS):
        one(f"step {number}", 5.0)
    assert last(tmp_path, "a") is None and last(tmp_path, "step 0") == 5.0, "few are kept, the newest"


@pytest.mark.parametrize("text", ["", "[", "[1]", '{"a": "x"}', '{"a": null}', '{"a": 1e999}'])
def test_a_damaged_file_says_nothing_and_is_written_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with step(lambda line: None, tmp_path, "b", "working"):
        assert last(tmp_path, "a") is None
    assert last(tmp_path, "b") == 0.0
    with step(lambda line: None, tmp_path / "none", "b", "working"):
        pass  # a folder that is not there is not made
    assert not (tmp_path / "none").exists()
