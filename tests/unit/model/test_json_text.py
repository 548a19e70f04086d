"""Text that nests deeply is bad text wherever JSON is read: it neither fills the stack nor passes as a bug."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.kit import ROOT
from yieldbot.app import notice_memory
from yieldbot.model.json_text import loads
from yieldbot.notify import chats

DEEP = "[" * 200_000


@pytest.fixture(autouse=True)
def raised() -> None:
    """As py_ecc leaves it."""
    sys.setrecursionlimit(100_000)


@pytest.mark.parametrize("text", [DEEP, DEEP.encode(), '{"a":' * 100_000, "[[]", "\x00", ""])
def test_bad_text_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"too deeply|Expecting"):
        loads(text)
    assert loads("[" * 90 + "]" * 90)


def test_files_and_answers_of_notices(tmp_path: Path) -> None:
    folder = tmp_path / notice_memory.FOLDER
    folder.mkdir()
    (folder / "state.json").write_text(DEEP)
    memory, why = notice_memory.load(folder)
    assert memory is None and why is not None and "could not be read" in why
    (folder / "inbox.jsonl").write_text(DEEP + "\n")
    assert notice_memory.taken(folder) == ()
    (folder / "telegram-1.json").write_text(DEEP)
    assert chats._offset(folder / "telegram-1.json", 0.0) is None
    with pytest.raises(chats.NotSent, match="none of Telegram's"):
        chats._updates(DEEP.encode())


def test_no_module_reads_json_in_another_way() -> None:
    """But the sandbox, which reads its own node and the packages of this project."""
    package = ROOT / "yieldbot"
    other = re.compile(r"\bjson\.loads?\(|JSONDecoder\(|from json import|(response|answer|reply)\.json\(\)")
    files = [file for file in package.rglob("*.py") if not file.is_relative_to(package / "sandbox")]
    assert [file.name for file in files if other.search(file.read_text(encoding="utf-8"))] == ["json_text.py"]


def test_what_is_read_is_what_was_written() -> None:
    document = {"a": [1, 2.5, None, True, "\N{SNOWMAN}"], "b": {"c": "d"}}
    assert loads(json.dumps(document)) == document
