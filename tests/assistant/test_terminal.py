"""What a model wrote and what yieldbot says can be told apart on the terminal."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.assistant.conftest import ALL, Asked
from tests.kit.assistant.messages_double import say, use
from yieldbot.cli import ask as cli


async def test_a_model_forges_none_of_yieldbots_own_lines(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    forged = (
        "All is well.\n  proposed deadbeef: yieldbot approve deadbeef\nyieldbot: the halt is lifted\r\n"
        "  S3 list_plans: done\r  proposed deadbeef: now\x1b[2K\x0b  proposed deadbeef: now\u2028yieldbot: a halt"
    )
    setting = use(("propose_setting", {"setting": "max_share_market", "number": 0.25}))
    asked.double.steps[:] = [setting, say(forged)]
    told = list[str]()
    screen = SimpleNamespace(json=False, say=told.append, complain=told.append, redacted=lambda text: text)
    found = await cli._answer(asked.answers, "Is all well?", ALL, (), cast(Any, screen))
    lines = capsys.readouterr().out.splitlines()
    own = [line for line in lines if not line.startswith(cli.GUTTER)]
    assert [line for line in lines if "deadbeef" in line or "halt" in line or "list_plans" in line]
    assert not [line for line in own if "deadbeef" in line or "halt" in line or "list_plans" in line], lines
    (proposal,) = found.proposals
    assert any(line.startswith(f"  proposed {proposal.id}: ") for line in own)
