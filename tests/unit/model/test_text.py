"""Words of others reach a person as one line of printable characters, through every interface."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldbot import errors
from yieldbot.app import telemetry
from yieldbot.books.beancount import _quoted
from yieldbot.chains.evm.execution.erc7730 import clean
from yieldbot.chains.evm.execution.reverts import ERROR, revert_words
from yieldbot.cli.screen import Screen
from yieldbot.cli.tables import Printable, TextTable
from yieldbot.config.messages import config_error
from yieldbot.errors import NodeRefused, SafetyError, SignerRefused, YieldbotError
from yieldbot.execution.halt import NAME, halt, halted
from yieldbot.model.text import as_fields, counted, escaped, one_line, printable, wrapped

NASTY = "gone\x1b]0;owned\x07\x1b[2J\x9b31m\r\nyieldbot: all is well\u202e\u2066evil\u200b\u2028more\x00\x85end"
"""A window title, a cleared screen, a C1 escape, a forged second line, bidi, zero width, other line ends."""
anything = st.text(max_size=80) | st.text("a \n\r\t\x1b[]\x07\x9b\u202e\u2066\u200b\u2028\x85\ud800", max_size=20)


def harmless(text: str) -> bool:
    return text.isprintable() and "\n" not in text


@given(anything)
def test_whatever_comes_is_one_printable_line(text: str) -> None:
    line = one_line(text)
    assert harmless(line) and one_line(line) == line and (line == text or text != one_line(text))
    assert all(harmless(part) for part in printable(text).split("\n")) and printable(text).count("\n") == text.count(
        "\n"
    )
    assert harmless(clean(text)) and harmless(str(config_error(Path("f"), "k", text))) and harmless(_quoted(text))
    document = escaped(json.dumps({"a": text}, ensure_ascii=False))
    assert harmless(document) and json.loads(document) == {"a": text}


@given(anything)
def test_every_error_of_ours_is_one_printable_line(text: str) -> None:
    made = [NodeRefused("eth_call", -32000, text), SafetyError("CODE", text), SignerRefused(text)]
    plain = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__init__ is YieldbotError.__init__
    ]
    assert len(plain) >= 5
    for error in (*made, *(kind(text) for kind in plain)):
        assert harmless(str(error)), error
    assert harmless(made[0].node_message) and harmless(made[1].message) and harmless(made[2].reason)  # type: ignore[attr-defined]


def test_a_revert_reason_is_one_printable_line() -> None:
    from eth_abi.abi import encode

    said = revert_words(ERROR + encode(["string"], [NASTY]), lambda data: None)
    assert harmless(said) and "gone" in said


def test_a_table_and_a_line_hold_text_alone() -> None:
    made = TextTable("A \x1b[2J table", "Name", ">Much")
    made.add_row(NASTY.replace("\n", " "), "1\u202e2")
    for width in (100, 20):
        file = io.StringIO()
        Printable(file=file, width=width, highlight=False, markup=False, emoji=False).print(made, "\x1b[31m")
        assert all(harmless(line) for line in file.getvalue().split("\n")), file.getvalue()


def test_a_log_line_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(telemetry, "_log", None)
    telemetry.listen(file)
    telemetry._log.info("failed", reason=NASTY)
    assert file.getvalue().endswith("\n") and harmless(file.getvalue()[:-1])
    Screen().complain(NASTY)
    Screen().say("first\nsecond \x1b[31m")
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3 and all(harmless(line) for line in said)


def test_a_halt_file_and_a_reason_are_one_printable_line(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(NASTY)
    assert harmless(halted(tmp_path) or "\n")
    (tmp_path / NAME).unlink()
    assert halt(tmp_path, NASTY, 0)[1] == ""
    assert len((tmp_path / NAME).read_text().splitlines()) == 1 and harmless(halted(tmp_path) or "\n")


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("--max-share 2: write 0 to 1", "max_share 2: write 0 to 1"),
        ("alert: give one of --above and --below", "alert: give one of above and below"),
        ("`yieldbot approve --signed` does it, not --signed", "`yieldbot approve --signed` does it, not signed"),
        ("a--b, -- and ---x", "a--b, -- and ---x"),
    ],
)
def test_callers_who_send_fields_read_no_flags(line: str, fields: str) -> None:
    assert as_fields(line) == fields


def test_one_of_a_kind_is_no_plural() -> None:
    assert [counted(count, "leg") for count in (0, 1, 2)] == ["0 legs", "1 leg", "2 legs"]
    assert counted(1200, "entry", "entries") == "1,200 entries" and counted(1, "entry", "entries") == "1 entry"


def test_lines_for_a_terminal_end_between_words_and_commands_stay_whole() -> None:
    text = "its key is not here: `yieldbot wallet import main`; looking works\n   [0.5] short \n" + "x" * 60
    lines = wrapped(text, 40).split("\n")
    assert lines[:2] == ["its key is not here:", "`yieldbot wallet import main`; looking"]
    assert lines[2:] == ["works", "   [0.5] short ", "x" * 60], "what is short, a question's last blank, a long word"
    assert wrapped("  a b c d", 6) == "  a b\n  c d" and wrapped("", 10) == ""
