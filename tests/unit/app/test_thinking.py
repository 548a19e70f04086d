"""A person who thinks: other runs may have the lock, what they write meanwhile ends the plan, and no answer is no."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.kit.market_builder import CHAIN, OWNER
from yieldbot.app.thinking import consent
from yieldbot.errors import RunInProgress
from yieldbot.execution.lock import Held, holder, run_lock
from yieldbot.journal.access_entries import AccessNoted
from yieldbot.journal.journal_entries import AccountStopped
from yieldbot.journal.store import Journal
from yieldbot.model.plan import Declined

FILE = "journal.sqlite"
NOTED = AccessNoted(by="key k", where="", what="GET /v1/markets", outcome="200")


def answered(folder: Path, meanwhile: Any, answer: bool | None = True) -> tuple[bool | Declined, Held]:
    """What a question under the lock brings, if this happens while the person thinks."""

    def ask() -> bool | None:
        meanwhile()
        return answer

    with run_lock(folder, "run") as held, Journal.open(folder / FILE) as journal:
        return consent(journal, held, ask), held


def another(folder: Path, *entries: Any) -> None:
    """Another command, which takes the lock and writes."""
    with run_lock(folder, "other"), Journal.open(folder / FILE) as journal:
        journal.append(*entries)


def test_other_runs_have_the_lock_and_the_answer_counts_if_they_changed_nothing(tmp_path: Path) -> None:
    ran = list[str]()

    def meanwhile() -> None:
        another(tmp_path, NOTED)
        ran.append(holder(tmp_path))

    for answer in (True, False):
        assert answered(tmp_path, meanwhile, answer)[0] is answer
    assert ran == ["", ""], "nobody is named as the holder while a person thinks"
    another(tmp_path, NOTED)  # the lock is free again at the end


@pytest.mark.parametrize("answer", [True, False])
def test_what_another_command_changed_ends_the_plan_whatever_the_answer(tmp_path: Path, answer: bool) -> None:
    found, _ = answered(tmp_path, lambda: another(tmp_path, AccountStopped(CHAIN, OWNER, "a loss")), answer)
    assert isinstance(found, Declined) and found.code == "RUN_MEANWHILE" and "while you were thinking" in found.reason


def test_no_answer_signs_nothing(tmp_path: Path) -> None:
    found, _ = answered(tmp_path, lambda: None, None)
    assert isinstance(found, Declined) and found.code == "NO_ANSWER"
    with Journal.open(tmp_path / FILE) as journal:
        assert consent(journal, None, lambda: True) is True, "a command without the lock asks as well"


def test_a_run_that_goes_on_when_they_answer_is_named_and_keeps_its_lock(tmp_path: Path) -> None:
    other = run_lock(tmp_path, "other")

    with pytest.raises(RunInProgress, match="`other` of"):
        answered(tmp_path, other.__enter__)
    assert "`other`" in holder(tmp_path), "its description is not removed by whoever gave up"
    with pytest.raises(RunInProgress), run_lock(tmp_path, "third"):
        pass
    other.__exit__(None, None, None)
    with run_lock(tmp_path, "third"):
        pass


def test_ctrl_c_while_thinking_leaves_no_lock(tmp_path: Path) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answered(tmp_path, interrupted)
    another(tmp_path, NOTED)
