"""LightGBM that is not there, or does not load, is one line with the remedy; everything else goes on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from yieldbot.forecast.boosting import REMEDY, Boosted, installed, missing
from yieldbot.forecast.entrants import with_extras


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that comes first on the way to LightGBM, which nothing has imported yet."""
    kept = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "lightgbm"}
    for name in kept:
        del sys.modules[name]
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [one for one in sys.modules if one.partition(".")[0] == "lightgbm"]:
        del sys.modules[name]
    sys.modules.update(kept)


@pytest.mark.parametrize(
    "fault, said",
    [
        (
            'OSError("libgomp.so.1: cannot open shared object file:\\n No such file or directory")',
            "the forecaster `boosted` takes no part: LightGBM is there but does not load (libgomp.so.1: cannot open "
            "shared object file: No such file or directory); its library OpenMP is missing: `apt install libgomp1`, or "
            "your system's name for it",
        ),
        (
            "ImportError(\"No module named 'scipy'\")",
            "the forecaster `boosted` takes no part: LightGBM is there but does not load (No module named 'scipy')",
        ),
    ],
)  # fmt: skip
def test_a_package_that_does_not_load_counts_as_absent(elsewhere: Path, fault: str, said: str) -> None:
    package = elsewhere / "lightgbm"
    package.mkdir()
    (package / "__init__.py").write_text(f"raise {fault}\n")
    assert missing() == said and not installed()
    assert Boosted().name not in [one.name for one in with_extras()]


def test_a_folder_without_code_is_no_package(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "lightgbm").mkdir()
    monkeypatch.setattr(sys, "path", [str(elsewhere)])
    assert missing() == REMEDY and not installed()
