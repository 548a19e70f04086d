"""With a person at a terminal: five questions answered, a passphrase that is not shown, Ctrl-C at a prompt."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
from pathlib import Path

from tests.kit.program import ROOT
from yieldbot.chains.keystores import keystore_address
from yieldbot.cli.main import INTERRUPTED
from yieldbot.config.load import load

PASSPHRASE = "correct horse battery staple"
SECONDS = 60


class Terminal:
    """The program on a terminal of its own."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.seen = ""
        self.pid, self.file = pty.fork()
        if self.pid == 0:  # the child: nothing may return into the test
            try:
                os.chdir(folder)
                environment = dict(os.environ, PYTHONPATH=str(ROOT), COLUMNS="200")
                os.execve(sys.executable, [sys.executable, "-m", "yieldbot.cli.main", *words], environment)
            finally:
                os._exit(97)

    def wait_for(self, text: str) -> None:
        """Read until ``text`` is on the screen; what came before it is done with."""
        deadline = time.monotonic() + SECONDS
        while text not in self.seen:
            assert time.monotonic() < deadline and self._read(), f"{text!r} is not in {self.seen!r}"
        self.seen = self.seen.partition(text)[2]

    def type(self, line: str) -> None:
        os.write(self.file, f"{line}\n".encode())

    def end(self) -> tuple[int, str]:
        """The exit code, and what was on the screen since the last wait."""
        while self._read():
            pass
        _, status = os.waitpid(self.pid, 0)
        os.close(self.file)
        return os.waitstatus_to_exitcode(status), self.seen

    def _read(self) -> bool:
        ready, _, _ = select.select([self.file], [], [], SECONDS)
        try:
            part = os.read(self.file, 4096) if ready else b""
        except OSError:  # Linux says so when the other end is closed
            part = b""
        self.seen += part.decode(errors="replace").replace("\r\n", "\n")
        return bool(part)


def test_six_questions(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "init")
    for question, answer in (
        ("1. ", "base"),
        ("2. ", "https://node.example/v2/SECRETKEY"),
        ("3. ", ""),
        ("4. ", "usdc"),
        ("5. ", "Safe"),
        ("6. ", "0.3"),
    ):
        terminal.wait_for(question)
        terminal.wait_for("] ")
        terminal.type(answer)
    for prompt, typed in (
        ("New passphrase (at least 8 characters, not shown): ", "short"),
        ("fewer than 8 characters", None),
        ("New passphrase (at least 8 characters, not shown): ", PASSPHRASE),
        ("The same again: ", PASSPHRASE + "x"),
        ("passphrases differ", None),
        ("New passphrase (at least 8 characters, not shown): ", PASSPHRASE),
        ("The same again: ", PASSPHRASE),
    ):
        terminal.wait_for(prompt)
        if typed is not None:
            terminal.type(typed)
    code, screen = terminal.end()
    assert code == 0 and PASSPHRASE not in screen and "check" in screen
    settings = load(tmp_path / "yieldbot.toml")
    assert settings.policy.max_share_market == 0.3 and settings.policy.min_safety == 65
    assert settings.jobs[0].chain.rpc_urls == ("https://node.example/v2/SECRETKEY",)
    assert keystore_address(settings.wallets["main"].keystore) == settings.wallets["main"].address


def test_a_wrong_answer_is_told_and_asked_for_again(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "init")
    owner = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
    for question, wrong, told, right in (
        ("1. ", "bass", "bass: no file of chains/ describes it: did you mean base?", "base"),
        ("2. ", "node.example/SECRETKEY", "is neither an http(s) URL", "https://node.example"),
        ("3. ", "0x12", "write new, import or an address", owner),
        ("4. ", "DOGE", "DOGE: not in chains/base.toml: known are: ", "USDC"),
        ("5. ", "bold", "bold: known are: safe, balanced, high", "balanced"),
        ("6. ", "50", "50: write a fraction above 0", "0.5"),
    ):
        terminal.wait_for(question)
        terminal.wait_for("] ")
        terminal.type(wrong)
        terminal.wait_for(told)
        terminal.wait_for(question)
        terminal.wait_for("] ")
        terminal.type(right)
    code, _ = terminal.end()
    assert code == 0 and load(tmp_path / "yieldbot.toml").policy.max_share_market == 0.5


def test_two_different_passphrases_write_nothing(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "wallet", "new", "main")
    for prompt, typed in (("New passphrase (", PASSPHRASE), ("The same again: ", PASSPHRASE + "x")) * 3:
        terminal.wait_for(prompt)
        terminal.type(typed)
    code, screen = terminal.end()
    assert code == 2 and "differ" in screen and PASSPHRASE not in screen
    assert not list(tmp_path.iterdir())


def test_ctrl_c_at_a_question(tmp_path: Path) -> None:
    for words, prompt in ((("init",), "1. "), (("wallet", "new", "main"), "New passphrase (")):
        terminal = Terminal(tmp_path, *words)
        terminal.wait_for(prompt)
        os.kill(terminal.pid, signal.SIGINT)
        code, screen = terminal.end()
        assert code == INTERRUPTED and "yieldbot: interrupted" in screen and "Traceback" not in screen
    assert not list(tmp_path.iterdir())
