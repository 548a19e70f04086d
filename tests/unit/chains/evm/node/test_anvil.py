"""Which program is taken for anvil."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.kit.program import ROOT
from yieldbot.chains.evm.node.anvil import find_anvil
from yieldbot.errors import ConfigError


def script(path: Path, says: str, code: int = 0) -> Path:
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    path.chmod(0o755)
    return path


def test_a_program_that_is_no_anvil_is_told_from_a_node_that_does_not_answer(tmp_path: Path) -> None:
    assert find_anvil(script(tmp_path / "good", "anvil Version: 1.7.1")) == tmp_path / "good"
    for number, wrong in enumerate([("false", 1), ("ls (GNU coreutils) 9.1", 0), ("anvil", 3)]):
        with pytest.raises(ConfigError, match="another program than Foundry's anvil: correct it"):
            find_anvil(script(tmp_path / f"wrong{number}", *wrong))
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ConfigError, match="is not a program"):
            find_anvil(path)


def test_another_anvil_on_path_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "anvil", "a drop forge")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="the anvil on PATH, is not Foundry's"):
        find_anvil()


def test_the_checkouts_own_program_is_looked_for_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Path] = []
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: bool(looked.append(path)))
    with pytest.raises(ConfigError, match="anvil is not found: run `npm ci` in the checkout"):
        find_anvil()
    assert [path.parents[4] for path in looked] == [ROOT, tmp_path]
