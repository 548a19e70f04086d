"""``yieldbot ask`` and ``yieldbot chat`` as a person runs them: the program in a process of its own, and the double of
the Messages API behind its real address. No node is there: what is asked needs none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit import ROOT
from tests.kit.assistant.messages_double import KEY, OVERLOADED, Double, say
from tests.kit.config.files import SETTINGS, written
from tests.kit.program import Ended, yieldbot


class Asking:
    """A configuration whose assistant is the double."""

    def __init__(self, folder: Path, double: Double) -> None:
        self.folder, self.double = folder, double
        self.config = written(folder, env=f"ANTHROPIC_API_KEY={KEY}\n")
        (folder / ".env").chmod(0o600)
        self.configure()

    def configure(self, text: str = "", api: str = "") -> None:
        self.config.write_text(f'{SETTINGS}\n[assistant]\napi = "{api or self.double.url}"\n{text}')

    def __call__(self, *words: str, given: str = "") -> Ended:
        return yieldbot("--config", self.config, *words, cwd=self.folder, given=given, seconds=300)

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """The program as from a shell, with pipes; it takes Ctrl-C whoever started the tests."""
        code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        code += f"from yieldbot.cli.start import main; sys.argv[1:] = {['--config', str(self.config), *words]!r}\n"
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, "-c", code + "sys.exit(main())"],
            cwd=self.folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )  # fmt: skip


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    with Double() as double:
        yield Asking(tmp_path, double)


def test_ask_answers_and_ends_in_one_line_whatever_the_service_does(asking: Asking) -> None:
    double = asking.double
    double.steps[:] = [say("So be it. As you like.")]
    ended = asking("ask", "What do we hold?")
    assert (ended.code, ended.err) == (0, "") and ended.out == "| So be it. As you like.\n"
    for line, steps, code in (
        ("the model refuses to answer this", [say("", stop="refusal")], 1),
        ("the service is overloaded: ask again later", [OVERLOADED] * 2, 1),
        ("not shown: nothing of it has a source", [say("It pays 42 %."), say("It is 43 %.")], 4),
    ):
        double.steps[:] = steps
        ended = asking("ask", "Is all well?")
        assert ended.code == code and ended.line.startswith(f"yieldbot: {line}"), ended
        assert not double.steps and not [one for one in ended.out.splitlines() if "4" in one]
    double.steps[:] = [say("So be it.")]
    document = asking("--json", "ask", "Is all well?").document
    assert document["schema"] == "yieldbot/answer/v1" and document["answer"] == "So be it."
    double.lacks = frozenset(("claude-sonnet-5-5",))
    assert "assistant.models.answer" in asking("ask", "What do we hold?").line
    usage = asking("--json", "ask", "--usage").document
    assert sum(sum(one["failures"].values()) for one in usage["prompts"]) == 2 and KEY not in str(usage)


def test_ask_without_a_key_a_budget_or_the_service_sends_nothing(asking: Asking) -> None:
    asking.configure("daily_usd = 0.0")
    ended = asking("ask", "What do we hold?")
    assert ended.code == 4 and "raise assistant.daily_usd" in ended.line
    asking.configure('models = { answer = "claude-sonet-5-5" }')
    ended = asking("ask", "What do we hold?")
    assert ended.code == 2 and "did you mean claude-sonnet-5-5?" in ended.line
    asking.configure(api="http://127.0.0.1:9")  # nobody listens there
    ended = asking("ask", "What do we hold?")
    assert ended.code == 1 and "the service cannot be reached" in ended.line
    asking.configure()
    request = asking("ask", "--show-request", "What do we hold?")
    assert request.code == 0 and "What do we hold?" in request.out and KEY not in request.out
    (asking.folder / ".env").unlink()
    ended = asking("ask", "What do we hold?")
    assert ended.code == 2 and "ANTHROPIC_API_KEY" in ended.line
    assert asking.double.counted == 0


def test_chat_goes_on_after_a_failure_and_ends_at_an_empty_line(asking: Asking) -> None:
    asking.double.steps[:] = [say("So be it."), OVERLOADED, OVERLOADED, say("As you like.")]
    ended = asking("chat", given="What do we hold?\nAre you there?\nAnd now?\n\n")
    assert ended.code == 0 and ended.line == "yieldbot: the service is overloaded: ask again later"
    assert ended.out == "> | So be it.\n> > | As you like.\n> "
    sent = str(asking.double.asked[-1]["messages"])
    assert "What do we hold?" in sent and "So be it." in sent and "Are you there?" not in sent


def test_ctrl_c_ends_an_answer_and_a_conversation_in_one_line(asking: Asking) -> None:
    asking.double.steps[:] = [say("So be it. As you like, then.", wait=threading.Event())]
    with asking.begin("ask", "What do we hold?") as process, asking.begin("chat") as other:
        for one, begun in ((process, "| So be it. "), (other, "> ")):
            assert one.stdout is not None and one.stdout.read(len(begun)) == begun
            one.send_signal(signal.SIGINT)
            assert one.wait(60) == 130
            assert one.stderr is not None and one.stderr.read() == "yieldbot: interrupted\n"
    (row,) = asking("--json", "ask", "--usage").document["prompts"]
    assert row["failures"] == {"left": 1} and row["nanodollars"] > 0, "what may have cost money stays counted"
