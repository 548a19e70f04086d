"""The first configuration without a terminal: what is answered beforehand, and what a person is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from yieldbot.app.context import Context
from yieldbot.app.init import InitRequest, init
from yieldbot.config.load import load
from yieldbot.errors import ConfigError

ADDRESS = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"


def test_a_person_is_asked_for_what_is_not_answered_beforehand(tmp_path: Path) -> None:
    answers = iter(["", "OWN_URL", "0x12", ADDRESS, "USDC", "0.4"])
    asked: list[str] = []

    def ask(question: str, default: str) -> str:
        asked.append(question)
        return next(answers) or default

    context = Context(tmp_path / "yieldbot.toml")
    found = init(InitRequest(ask=ask, piped=str), context)
    assert [question.split(".")[0] for question in asked] == ["1", "2", "3", "3", "4", "5"]
    document = found.document
    assert (document.chain, document.asset, document.rpc_env, document.address) == ("base", "USDC", "OWN_URL", ADDRESS)
    assert found.needs_rpc and load(tmp_path / "yieldbot.toml").wallets["main"].address == ADDRESS
    assert document.written[1] == str(tmp_path / "chains" / "base.toml")
    with pytest.raises(ConfigError, match="exists already"):
        init(InitRequest(ask=ask, piped=str), context)


def test_without_a_person_every_answer_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--rpc is missing, and there is no terminal"):
        init(InitRequest(chain="base", piped=str), Context(tmp_path / "yieldbot.toml"))
    assert not list(tmp_path.iterdir())
