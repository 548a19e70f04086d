"""`yieldbot forecast` as a program, in an empty folder."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.kit.app.forecasts import DAY, memory, written
from tests.kit.program import yieldbot
from yieldbot.app import forecast_ledger


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return memory(tmp_path_factory.mktemp("memory") / "history")


def test_the_command_in_an_empty_folder(folder: Path, tmp_path: Path) -> None:
    done = yieldbot("forecast", "--history", folder, "--no-extras", "--no-third-party", cwd=tmp_path)
    assert done.code == 0 and "Who is weighed how" in done.out and "USDC" in done.out
    done = yieldbot("forecast", "--skill", "--history", folder, "--no-extras", "--json", cwd=tmp_path)
    assert done.code == 0 and done.document["schema"] == "yieldbot/forecast-skill/v1"
    done = yieldbot("forecast", "--history", tmp_path / "none", cwd=tmp_path)
    assert done.code == 2 and "history import FILE" in done.line


def test_the_command_says_that_a_file_is_there_and_which_market_is_not(folder: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "a.json", "mine", int(time.time()) + DAY, market="aave_v3/1/nosuch")
    words = ("forecast", "--register", file, "--history", folder)
    once, twice = yieldbot(*words, cwd=tmp_path), yieldbot(*words, cwd=tmp_path)
    lines = (folder / forecast_ledger.LEDGER).read_text().splitlines()
    (folder / forecast_ledger.LEDGER).unlink()
    assert once.code == twice.code == 0 and len(lines) == 1
    assert "are registered" in once.out and "there already" in twice.out
    assert "memory has no reading of eip155:1 aave_v3/1/nosuch" in once.out.replace("\n", " ")


def test_the_trees_are_listed_only_where_lightgbm_is(folder: Path, tmp_path: Path) -> None:
    """An environment without the extra, and with the empty folder that taking it away can leave."""
    (tmp_path / "lightgbm" / "__pycache__").mkdir(parents=True)
    code = (
        "import sys; sys.path[:0] = sys.argv[1:2]\n"
        "from importlib.machinery import PathFinder\n"
        "find = PathFinder.find_spec\n"
        "PathFinder.find_spec = classmethod(lambda c, name, path=None, target=None: "
        "find(name, sys.argv[1:2] if name == 'lightgbm' else path, target))\n"
        "from yieldbot.forecast.entrants import with_extras\n"
        "print([one.name for one in with_extras()])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "persistence" in done.stdout and "boosted" not in done.stdout
