"""Nothing that a run leaves behind is part of the project."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.kit import ROOT

TOP = {
    ".ci", ".containerignore", ".gitignore", ".npmrc", "CHANGELOG.md", "CONTRIBUTING.md", "Containerfile",
    "LICENSE", "README.md", "abis", "chains", "docs",
    "package-lock.json", "package.json", "pyproject.toml", "requirements.lock", "scripts", "tests", "yieldbot",
    "zensical.toml",
}  # fmt: skip
LEFT = (".parquet", ".jsonl", ".sqlite", ".lock", ".part", ".log", ".pyc")
"""How the names of what runs write end; ``scripts/`` and the top have lock files of packages."""


def test_every_tracked_file_belongs_to_the_project() -> None:
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=False)
    if listed.returncode:
        pytest.skip("no git checkout")
    names = listed.stdout.splitlines()
    assert {name.split("/")[0] for name in names} == TOP
    left = [name for name in names if name.endswith(LEFT) and name != "requirements.lock"]
    written = ("scripts/", "tests/assistant/injections/")
    assert [name for name in left if not name.startswith(written)] == []


def test_no_wait_loses_a_cancellation() -> None:
    """``asyncio.wait_for`` swallows one that comes in the same moment as the result (Python 3.11): a Ctrl-C would be
    lost. ``async with asyncio.timeout`` does not."""
    used = [str(file) for file in sorted((ROOT / "yieldbot").rglob("*.py")) if "wait_for(" in file.read_text()]
    assert used == []


def test_names_are_suggested_in_one_place() -> None:
    """A list of what is known, or a search for what is similar, of its own would again find no `usdc`."""
    own = re.compile(r"get_close_matches|SequenceMatcher|known are|no job has it: known")
    found = [
        file.relative_to(ROOT).as_posix()
        for file in sorted((ROOT / "yieldbot").rglob("*.py"))
        if own.search(file.read_text()) and not file.is_relative_to(ROOT / "yieldbot" / "api")
    ]
    assert found == ["yieldbot/model/spelling.py"]


def test_dataclasses_are_made_by_our_own_decorator() -> None:
    """The standard library's takes four times as long for each of the hundreds that a command loads."""
    own = re.compile(r"^\s*from dataclasses import.*\bdataclass\b|dataclasses\.dataclass\b", re.M)
    found = [
        file.relative_to(ROOT).as_posix()
        for file in sorted((ROOT / "yieldbot").rglob("*.py"))
        if own.search(file.read_text())
    ]
    assert found == ["yieldbot/model/dataclass.py"]


def test_no_test_takes_the_time_of_its_loading_for_the_present() -> None:
    """On a slow machine a file runs ten minutes after it was loaded, when its messages and quotes are old."""
    own = re.compile(r"^[A-Z_]+\b.*= (int\()?time\.time\(\)\)?$", re.M)
    found = [file.name for file in sorted((ROOT / "tests").rglob("*.py")) if own.search(file.read_text())]
    assert found == []


def test_amounts_of_documents_are_shown_with_separators() -> None:
    """``Money.text`` is for programs: people are shown ``Money.shown``."""
    bare = re.compile(r"\.text\} \{[\w.]*symbol\}")
    files = [path for room in ("cli", "app", "web", "notify") for path in (ROOT / "yieldbot" / room).rglob("*.py")]
    assert [str(path.relative_to(ROOT)) for path in files if bare.search(path.read_text())] == []
