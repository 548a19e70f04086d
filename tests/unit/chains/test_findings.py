"""Checks of a chain that go on after a fault."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.kit.config.files import written
from yieldbot.chains.findings import FAILED, Finding, Steps, funds
from yieldbot.config.load import load
from yieldbot.errors import HttpRefused, TransientError
from yieldbot.model.amounts import Amount
from yieldbot.model.native import native_token


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


def test_a_wallet_without_the_asset_or_fees_is_a_warning_and_no_failure(tmp_path: Path) -> None:
    job = load(written(tmp_path)).jobs[0]
    fees, held, payer = Amount(native_token(job.chain), 10**16), Amount(job.asset, 10**9), job.wallet.address
    sound = funds(job, [held], fees, payer)
    assert not sound.warns and sound.code == 0 and str(held) in sound.result
    empty = funds(job, [Amount(job.asset, 0)], Amount(fees.token, 0), payer)
    assert empty.warns and empty.code == 0
    assert f"the wallet has no {job.asset.symbol}, and {payer} has no {fees.token.symbol} for fees" == empty.result
    assert f"send {job.asset.symbol} to {payer} on {job.chain.name}" in empty.remedy
    plan = Amount(fees.token, 2 * 10**16)
    poor = funds(job, [held], fees, payer, plan)
    assert poor.warns and f"{payer} has 0.01 ETH for fees" in poor.result
    assert poor.remedy == "send it about 0.2 ETH (for 10 plans, at today's fees)"
    dear = funds(job, [held], Amount(fees.token, 10**18), payer, plan, 5e4)
    most = f"{job.chain.max_fee_gwei:g}"
    assert (
        dear.warns
        and dear.result == f"gas is at 50,000 gwei, above the ceiling of {most} (max_fee_gwei): nothing is signed"
    )
    assert dear.remedy.startswith("wait until gas is cheaper") and "send" not in dear.remedy
    assert "(for 10 plans, at the ceiling); wait" in funds(job, [held], fees, payer, plan, 5e4).remedy
    rich = funds(job, [held], Amount(fees.token, 10**18), payer, plan)
    assert not rich.warns and rich.result.endswith("1 ETH for fees; a plan of two moves costs about 0.02 ETH now")
