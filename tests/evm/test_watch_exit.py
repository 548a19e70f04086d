"""``yieldbot watch --every``: a market at 100 % is left in parts, as cash appears, by a process that nobody attends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.evm.test_exit import auto_exit
from tests.kit import ROOT
from tests.kit.contracts import call
from tests.kit.evm.cash import NAME, leave_cash, put_in
from tests.kit.evm.home import Home, number_after
from tests.kit.evm.world import transactions
from yieldbot.sandbox.evm.node import Sandbox

USDC = 10**6


@pytest.fixture
def home(sandbox: Sandbox) -> Home:
    put_in(sandbox, 40_000)
    leave_cash(sandbox, 0.000001)
    return Home(sandbox)


def in_wallet(sandbox: Sandbox) -> int:
    return int.from_bytes(call(sandbox, sandbox.addresses["usdc"], "balanceOf(address)", sandbox.wallet))


def wait(until: Callable[[], bool], running: subprocess.Popen[str]) -> None:
    ends = time.monotonic() + 120
    while not until():
        assert running.poll() is None and time.monotonic() < ends
        time.sleep(0.05)


def test_cash_is_taken_as_it_appears(home: Home, tmp_path: Path) -> None:
    sandbox = home.sandbox
    auto_exit(sandbox)
    first = home.run("watch")
    assert first.code == 0 and "pays now" not in first.out, "it pays nothing yet"
    words = [sys.executable, "-m", "yieldbot.cli.main", "watch", "--held", "--every", "1s"]
    out = (tmp_path / "out").open("w")
    running = subprocess.Popen(
        words,
        cwd=sandbox.directory,
        env=dict(os.environ) | {"PYTHONPATH": str(ROOT)},
        text=True,
        stdout=out,
        stderr=out,
    )
    try:
        before = in_wallet(sandbox)
        leave_cash(sandbox, 10_000)
        wait(lambda: in_wallet(sandbox) >= before + 9_999 * USDC, running)
        count = transactions(sandbox)
        leave_cash(sandbox, 25_000)
        wait(lambda: in_wallet(sandbox) >= before + 34_999 * USDC, running)
        assert transactions(sandbox) == count + 1
        leave_cash(sandbox, 2_000_000)
        wait(lambda: in_wallet(sandbox) >= before + 40_000 * USDC - 2, running)
    finally:
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 130
        out.close()
    said = (tmp_path / "out").read_text()
    assert said.count("OUT: ") >= 2 and "UTILISATION" in said, said
    assert number_after("STILL IN: ", said) == pytest.approx(30_000, abs=20)
    assert said.splitlines()[-1] == "yieldbot: interrupted; if anything was sent, the next run settles it"
    assert "Traceback" not in said


def test_without_auto_exit_it_says_so_and_signs_nothing(home: Home) -> None:
    sandbox, before = home.sandbox, transactions(home.sandbox)
    leave_cash(sandbox, 10_000)
    said = home.run("watch")
    assert said.code == 0 and f"sandbox: to be left, and pays now: {NAME} (`yieldbot exit` takes it out)" in said.out
    assert home.json("watch")["jobs"][0]["due"] == [NAME] and transactions(sandbox) == before
