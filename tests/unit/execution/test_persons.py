"""Where several persons must sign, nobody at a terminal approves alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.config.files import written
from tests.kit.policies import loose
from tests.unit.app.test_overview import Quiet
from yieldbot.app.move_liquidity import LiquidityRequest, move_liquidity
from yieldbot.app.run import Consent
from yieldbot.errors import ConfigError, InvariantError, SafetyError
from yieldbot.execution.persons import alone, missing
from yieldbot.execution.register import REGISTER, read_register
from yieldbot.journal.store import Journal


def test_alone() -> None:
    alone(loose())
    with pytest.raises(SafetyError, match=r"APPROVALS_NEEDED: policy\.approvals_needed = 2"):
        alone(replace(loose(), approvals_needed=2))


@pytest.fixture
def context(tmp_path: Path) -> Quiet:
    made = Quiet(written(tmp_path, env="TESTNET_RPC_URL=http://127.0.0.1:9\n"))
    settings = made.settings
    made._settings = replace(settings, policy=replace(settings.policy, approvals_needed=2))
    return made


def test_asking_at_the_terminal_is_refused_and_the_queue_is_not(context: Quiet, tmp_path: Path) -> None:
    with Journal.open(tmp_path / "j.sqlite") as journal:
        for how in ("queue", "auto"):
            Consent(how, context, lambda proposal: None, lambda: True).approver(journal)  # type: ignore[arg-type]
        with pytest.raises(SafetyError, match="APPROVALS_NEEDED"):
            Consent("ask", context, lambda proposal: None, lambda: True).approver(journal)


def test_liquidity_is_moved_by_nobody_alone(context: Quiet) -> None:
    with pytest.raises(SafetyError, match="APPROVALS_NEEDED"):
        move_liquidity(LiquidityRequest(action="collect"), context, show=lambda order: None, ask=lambda: True)


def test_the_register_is_read_while_only_we_can_change_it(tmp_path: Path) -> None:
    assert read_register(tmp_path) == {}
    file = tmp_path / REGISTER
    file.write_text("{}")
    with pytest.raises(InvariantError, match="damaged"):
        read_register(tmp_path)
    file.chmod(0o666)
    with pytest.raises(ConfigError, match=r"others|other users|chmod"):
        read_register(tmp_path)


def test_what_lacks_is_said() -> None:
    assert missing((), 2).startswith("0 of 2 persons have signed it:")
    assert missing(("anna",), 2).startswith("1 of 2 persons have signed it (anna):")
