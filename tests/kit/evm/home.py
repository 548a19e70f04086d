"""The program run from a sandbox's folder, as a person would run it."""

from __future__ import annotations

from typing import Any

from tests.kit.program import Ended, yieldbot
from yieldbot.sandbox.evm.node import Sandbox


class Home:
    """Runs the program in a sandbox's folder, and keeps everything that it printed."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.said = ""

    def run(self, *words: object, **options: Any) -> Ended:
        ended = yieldbot(*words, cwd=self.sandbox.directory, **options)
        self.said += ended.out + ended.err
        return ended

    def json(self, *words: object, code: int = 0) -> Any:
        ended = self.run("--json", *words)
        assert ended.code == code, ended.err
        command = str(words[0])
        assert ended.document["schema"] == f"yieldbot/{command}/v1"
        return ended.document


def number_after(words: str, text: str) -> float:
    """The amount that follows ``words`` in a text. It earns interest, so its last digits depend on the time."""
    return float(text.split(words, 1)[1].split()[0].rstrip(".,;").replace(",", ""))
