"""The demo before it starts anything, and how long its stages are said to take."""

from __future__ import annotations

from pathlib import Path

import pytest

from yieldbot.app.context import Context
from yieldbot.app.demo import DemoRequest, Stages, demo
from yieldbot.errors import ConfigError


def test_it_starts_nothing_where_it_must_not(tmp_path: Path) -> None:
    context = Context(tmp_path / "yieldbot.toml")
    for days in (0.0, 3651.0):
        with pytest.raises(ConfigError, match="above 0, up to 3650"):
            demo(DemoRequest(days=days, directory=tmp_path), context)
    (tmp_path / ".env").touch()
    with pytest.raises(ConfigError, match="is not a sandbox's"):
        demo(DemoRequest(directory=tmp_path), context)
    assert [file.name for file in tmp_path.iterdir()] == [".env"]


def test_every_second_belongs_to_a_stage() -> None:
    lines: list[str] = []
    stages = Stages(lines.append)
    for line in ("deploying", "observing base", "rehearsing 2 legs", "leg 1 of 2", "letting 30 days pass"):
        stages.say(line)
    stages.end()
    *parts, total = stages.seconds.values()
    assert list(stages.seconds)[:2] == ["sandbox", "observe and plan"] and sum(parts) == pytest.approx(total)
    assert lines[0].endswith("deploying") and "; total " in lines[-1]
