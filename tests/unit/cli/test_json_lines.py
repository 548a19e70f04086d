"""What prints one document after another writes each on a line of its own."""

from __future__ import annotations

import json

import pytest

from yieldbot.cli.main import parser
from yieldbot.cli.screen import Screen


@pytest.mark.parametrize(("flags", "repeats"), [(("--watch", "5"), True), ((), False)])
def test_watched_documents_are_json_lines(
    flags: tuple[str, ...], repeats: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Screen()
    screen.take(parser(["markets"]).parse_args(["markets", "--json", *flags]))
    screen.show({"a": [1, 2]})
    screen.show({"a": [3]})
    lines = capsys.readouterr().out.splitlines()
    assert (len(lines) == 2) == repeats
    if repeats:
        assert [json.loads(line) for line in lines] == [{"a": [1, 2]}, {"a": [3]}]
