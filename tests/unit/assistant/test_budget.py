"""The budget: counted before, corrected after, kept over restarts and shared by threads."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from yieldbot.assistant.budget import DAY, Budget, OverBudget, dollars
from yieldbot.assistant.messages_api import Tokens
from yieldbot.errors import InvariantError
from yieldbot.model.assistance import PRICES, Assistance

SETTINGS = Assistance(daily_nanodollars=100, daily_tokens=1000)
PRICE = PRICES["claude-haiku-4-5"]


def test_a_request_is_counted_before_it_is_sent_and_refused_beyond_the_budget(tmp_path: Path) -> None:
    now = [10 * DAY + 5.0]
    budget = Budget(tmp_path, lambda: now[0])
    budget.take(SETTINGS, "answer-1", "m", 10, 60)
    with pytest.raises(OverBudget, match="daily_usd"):
        budget.take(SETTINGS, "answer-1", "m", 10, 41)
    again = Budget(tmp_path, lambda: now[0])
    with pytest.raises(OverBudget, match="daily_usd"):
        again.take(SETTINGS, "answer-1", "m", 10, 41)
    again.take(SETTINGS, "answer-1", "m", 990, 40)
    with pytest.raises(OverBudget, match="daily_tokens"):
        again.take(SETTINGS, "answer-1", "m", 1, 0)
    now[0] += DAY
    again.take(SETTINGS, "answer-1", "m", 1000, 100)
    assert [row.outcome for row in again.rows()] == ["open"] * 3


def test_afterwards_what_it_took_is_counted(tmp_path: Path) -> None:
    budget = Budget(tmp_path)
    big = Assistance()
    one, two, three = (budget.take(big, "answer-1", "m", 500, 10**6) for _ in range(3))
    assert budget.settle(one, Tokens(10, 20, 5, 100), PRICE, "done", 1.5) == 10_000 + 100_000 + 6250 + 10_000
    budget.failed(two, "cut", 0.1, taken=True)
    budget.failed(three, "away", 0.1, taken=False)
    rows = budget.rows()
    assert [(row.outcome, row.nanodollars) for row in rows] == [("done", 126_250), ("cut", 10**6), ("away", 0)]
    assert (rows[0].tokens, rows[0].cached, rows[0].milliseconds) == (135, 100, 1500)
    assert dollars(rows[1].nanodollars) == "0.001 USD"
    assert (tmp_path / "assistant" / "usage.db").stat().st_mode & 0o077 == 0


def test_many_at_once_never_pass_the_budget(tmp_path: Path) -> None:
    taken, refused = list[int](), list[str]()

    def ask() -> None:
        try:
            taken.append(Budget(tmp_path).take(SETTINGS, "answer-1", "m", 1, 30))
        except OverBudget as failure:
            refused.append(str(failure))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (len(taken), len(refused)) == (3, 5)


def test_a_file_that_cannot_be_used_sends_nothing(tmp_path: Path) -> None:
    (tmp_path / "assistant").mkdir()
    (tmp_path / "assistant" / "usage.db").write_text("no database" * 50)
    with pytest.raises(InvariantError, match="move it away"):
        Budget(tmp_path).take(SETTINGS, "answer-1", "m", 1, 1)
