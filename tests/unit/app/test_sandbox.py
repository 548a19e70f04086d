"""The sandbox's documents, of chains that do not run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from yieldbot.app import sandbox
from yieldbot.app.context import Context
from yieldbot.app.sandbox import SandboxRequest, SandboxUpRequest, SandboxWarpRequest
from yieldbot.cli.main import parser
from yieldbot.cli.screen import Screen
from yieldbot.errors import ConfigError
from yieldbot.sandbox.local import Local

EVM: Any = SimpleNamespace(
    rpc_url="http://a",
    wallet="0x1",
    transactions=3,
    addresses={"usdc": "0x2"},
    status=lambda: SimpleNamespace(height=7, timestamp=9),
)
SOLANA: Any = SimpleNamespace(rpc_url="http://b", wallet="So1", addresses={}, rpc=lambda method, *given: 11)


@pytest.mark.parametrize(("evm", "solana"), [(EVM, None), (EVM, SOLANA), (None, SOLANA)])
def test_the_fields_are_those_of_the_chains_that_run(evm: Any, solana: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Local, "load", lambda directory: Local(directory, evm, solana))
    found = sandbox.status(SandboxRequest(directory=Path("/s"))).as_json()
    beside = {"rpc_url": "http://b", "wallet": "So1", "height": 11, "timestamp": 11, "addresses": {}}
    own = {"transactions": 3, "height": 7, "timestamp": 9, "addresses": {"usdc": "0x2"}}
    outer = {"rpc_url": "http://a", "wallet": "0x1", **own} if evm else beside
    head = {"schema": "yieldbot/sandbox-status/v1", "directory": "/s", "config": "/s/yieldbot.toml"}
    wanted = {**head, **outer, "solana": beside if solana else None}
    assert list(found.items()) == list(wanted.items())


def test_the_folder_is_the_given_one_else_that_of_the_named_configuration_else_the_present_sandbox_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = Context(tmp_path / "yieldbot.toml")
    assert sandbox.place(Path("x"), context) == Path("x") and sandbox.place(None, context) == tmp_path
    monkeypatch.chdir(tmp_path)
    assert sandbox.place(None, Context()) == sandbox.DIRECTORY
    (tmp_path / "chains").mkdir()
    (tmp_path / "chains" / "solana-sandbox.toml").touch()
    assert sandbox.place(None, Context()) == tmp_path


def test_down_says_what_it_stopped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    both = Local(Path("/s"), EVM, SOLANA)
    monkeypatch.setattr(Local, "load", lambda directory: both)
    monkeypatch.setattr(Local, "stop", lambda sandbox: None)
    args = parser(["sandbox"]).parse_args(["sandbox", "down", "--config", "/s/yieldbot.toml"])
    screen = Screen()
    screen.take(args)
    assert args.handler(args, screen) == 0
    assert capsys.readouterr().out == (
        "stopped the sandbox of /s: EVM node at http://a and Solana node at http://b; its files stay there\n"
    )


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    nowhere = SandboxRequest(directory=tmp_path)
    assert not sandbox.down(nowhere).stopped
    with pytest.raises(ConfigError, match="no sandbox runs from"):
        sandbox.status(nowhere)
    with pytest.raises(ConfigError, match="up to 3650"):
        sandbox.warp(SandboxWarpRequest(directory=tmp_path, days=0))
    (tmp_path / "yieldbot.toml").touch()
    with pytest.raises(ConfigError, match="is not a sandbox's"):
        sandbox.no_real_folder(SandboxUpRequest(directory=tmp_path).directory)
