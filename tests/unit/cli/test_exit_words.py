"""What ``exit`` says last, where several jobs ran and only one of them had something to leave."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from yieldbot.cli import exit as module


@pytest.mark.parametrize(
    ("ordered", "several", "said"),
    [
        (("Aave",), False, "Nothing is left in the markets that are to be left; nothing goes in until"),
        (("Aave",), True, "main on base: nothing is left in the markets"),
        ((), False, "Nothing is left in the markets that are to be left."),
        ((), True, ""),
    ],
)
def test_a_job_without_markets_to_leave_does_not_say_that_all_is_out(
    ordered: tuple[str, ...], several: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.render, "report", lambda report, still: [])
    monkeypatch.setattr(module.render, "still_in", lambda report: [])
    row: Any = SimpleNamespace(skipped=None, came_out=(), still_in=(), ordered=ordered, wallet="main", chain="base")
    report: Any = object()
    console = Console(width=200)
    with console.capture() as shown:
        console.print(module._group([report], row, several))
    assert said in shown.get() and ("othing is left" in shown.get()) is bool(said)
