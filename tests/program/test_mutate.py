"""What scripts/mutate changes: one small thing at a time, told by its place, and nothing that is words alone; and when
a change's time is up."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest

from tests.mutate import runner
from tests.mutate.changes import changes_of

SOURCE = '''
"""Words."""
LIMIT = 5


class Gate:
    most: int = 7

    def beyond(self, raw: int, held: int = 3) -> str | None:
        """More words."""
        if raw > self.most and not held:
            return f"{raw + 1} is too much"
        self.seen(raw, held)
        return min(str(raw), "x" + str(held))
'''


def test_every_change_is_one_that_compiles_and_says_where_it_is() -> None:
    found = changes_of(SOURCE)
    assert len({change.name for change in found}) == len(found)
    plain = ast.unparse(ast.parse(SOURCE))
    assert all(compile(change.source, "x", "exec") and change.source.strip() != plain for change in found)
    assert [change.name for change in found] == [
        "Gate: constant: 7 => 8",
        "Gate.beyond: constant: 3 => 4",
        "Gate.beyond: guard turned round: if raw > self.most and (not held) => if not (raw > self.most and (not held))",
        "Gate.beyond: guard dropped: if raw > self.most and (not held) => pass",
        "Gate.beyond: and for or: raw > self.most and (not held) => raw > self.most or not held",
        "Gate.beyond: part dropped: raw > self.most and (not held) => not held",
        "Gate.beyond: part dropped: raw > self.most and (not held) => raw > self.most",
        "Gate.beyond: comparison: raw > self.most => raw >= self.most",
        "Gate.beyond: comparison: raw > self.most => raw <= self.most",
        "Gate.beyond: sign dropped: not held => held",
        "Gate.beyond: returns nothing: return f'{raw + 1} is too much' => return None",
        "Gate.beyond: call dropped: self.seen(raw, held) => pass",
        "Gate.beyond: arguments swapped: self.seen(raw, held) => self.seen(held, raw)",
        "Gate.beyond: returns nothing: return min(str(raw), 'x' + str(held)) => return None",
        "Gate.beyond: opposite: min(str(raw), 'x' + str(held)) => max(str(raw), 'x' + str(held))",
    ]


def for_ever() -> int:
    while True:
        pass


def slept(seconds: float, code: int = 0) -> int:
    time.sleep(seconds)
    return code


def test_time_is_up_by_the_processor_and_not_by_the_clock_of_a_busy_machine(tmp_path: Path) -> None:
    began = time.monotonic()
    code, seconds = runner.forked(tmp_path / "log", 1, for_ever)
    assert code is None and runner.outcome_of(code) == "timeout" and 0.5 < seconds < 5
    assert time.monotonic() - began < 60  # by the processor, long before the clock's
    code, seconds = runner.forked(tmp_path / "log", 0.05, lambda: slept(1.2))
    assert code == 0 and seconds < 0.5  # the clock went on for longer than that, and nothing ended it
    assert runner.forked(tmp_path / "log", 1, lambda: slept(0, 3))[0] == 3


def test_what_waits_for_ever_is_ended_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "AND", 0.2)
    began = time.monotonic()
    code, seconds = runner.forked(tmp_path / "log", 0.01, lambda: slept(600))
    assert code is None and seconds < 0.3 and 0.2 < time.monotonic() - began < 60
