"""Checks of a chain that go on after a fault."""

from __future__ import annotations

import asyncio

from yieldbot.chains.findings import FAILED, Finding, Steps
from yieldbot.errors import HttpRefused, TransientError


async def _found(answer: Finding | Exception) -> Finding:
    if isinstance(answer, Exception):
        raise answer
    return answer


def _taken(answers: dict[str, Finding | Exception], alive: Exception | None = None) -> list[Finding]:
    async def node() -> None:
        if alive is not None:
            raise alive

    async def all_taken() -> list[Finding]:
        steps = Steps("base", "BASE_RPC_URL", node)
        for what, answer in answers.items():
            await steps.take(what, _found(answer))
        return steps.found

    return asyncio.run(all_taken())


def test_what_cannot_be_checked_does_not_hide_the_rest_and_one_reason_is_one_line() -> None:
    sound = Finding("base token USDC", "6 decimals")
    lost = TransientError("n: no Multicall3 at 0x1, or its answer cannot be read")
    found = _taken({"base fee_kind": lost, sound.what: sound, "base feed of USDC": lost})
    remedy = "check the connection and BASE_RPC_URL in .env; another provider may help"
    assert found == [sound, Finding("base fee_kind, base feed of USDC", str(lost), remedy, FAILED)]


def test_a_node_that_no_longer_answers_is_asked_nothing_more() -> None:
    sound = Finding("base token USDC", "6 decimals")
    refused = HttpRefused(401, "n answers 401", "correct the key in BASE_RPC_URL")
    found = _taken({"base fee_kind": refused, sound.what: sound}, alive=refused)
    said = Finding("chain base", f"the rest was not checked: {refused.what}", refused.remedy, FAILED)
    assert found == [said, Finding("base fee_kind", refused.what, refused.remedy, FAILED)]
