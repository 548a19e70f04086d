"""The Solana signer's policy: changed bytes of a good transaction are refused unless their meaning is unchanged."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.solana.world import world
from yieldbot.app import cycle
from yieldbot.chains.solana.execution import leg
from yieldbot.chains.solana.execution.judge import judge
from yieldbot.model.plan import Declined
from yieldbot.model.solana_tx import SvmApproved
from yieldbot.sandbox.solana.node import running

MUTANTS = 10_000


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """What the policy was asked for a real deposit, and let pass."""
    import asyncio

    asked: list[tuple[Any, ...]] = []

    def capture(*args: Any) -> Any:
        asked.append(args)
        return judge(*args)

    folder: Path = tmp_path_factory.mktemp("judge")
    with pytest.MonkeyPatch.context() as patch, running(folder) as sandbox, world(sandbox) as w:
        patch.setattr(leg, "judge", capture)
        report = asyncio.run(cycle.run_job(w, w.settings.jobs[0]))
        assert report.declined is None
    return asked[0]


def meaning(message: bytes, blockhash: bytes) -> bytes:
    return message.replace(blockhash, bytes(32), 1)


def test_no_mutant_is_let_pass_unless_it_means_the_same(judged: tuple[Any, ...]) -> None:
    from solders.message import from_bytes_versioned

    rules, approval, work, simulated, now, tables = judged
    good = simulated.tx.message
    parsed: Any = from_bytes_versioned(good)
    at = good.index(bytes(parsed.recent_blockhash))
    assert isinstance(judge(*judged), SvmApproved)
    draw, codes = random.Random(1), Counter[str]()
    for number in range(MUTANTS):
        mutant = bytearray(good)
        place = number % len(good)
        match draw.randrange(4):
            case 0:
                mutant[place] ^= 1 << draw.randrange(8)
            case 1:
                mutant[place] = draw.randrange(256)
            case 2:
                del mutant[place : place + draw.randint(1, 8)]
            case _:
                mutant[place:place] = draw.randbytes(draw.randint(1, 8))
        if bytes(mutant) == good:
            continue
        changed = replace(simulated, tx=replace(simulated.tx, message=bytes(mutant)))
        said = judge(rules, approval, work, changed, now, tables)
        if isinstance(said, Declined):
            codes[said.code] += 1
        else:
            assert bytes(mutant)[:at] + bytes(mutant)[at + 32 :] == good[:at] + good[at + 32 :], "only the blockhash"
    assert {"MESSAGE_MALFORMED", "SIGNER_NOT_SELF", "PROGRAM_NOT_ALLOWED", "NOT_THE_CALL"} <= codes.keys(), codes


def test_a_good_transaction_of_another_plan_owner_or_hour_is_refused(judged: tuple[Any, ...]) -> None:
    rules, approval, work, simulated, now, tables = judged

    def code(**changed: Any) -> str:
        given = {"rules": rules, "approval": approval, "work": work, "simulated": simulated, "now": now} | changed
        said = judge(given["rules"], given["approval"], given["work"], given["simulated"], given["now"], tables)
        assert isinstance(said, Declined)
        return said.code

    assert code(now=approval.expires_at) == "EXPIRED"
    assert code(rules=replace(rules, owner=work.market.address)) == "SIGNER_NOT_SELF"
    assert code(simulated=replace(simulated, tx=replace(simulated.tx, plan_id="another"))) == "NOT_IN_PLAN"
    assert code(work=replace(work, tags={})) == "PROGRAM_NOT_ALLOWED"
    assert code(work=replace(work, calls=(replace(work.calls[0], data=work.calls[0].data + b"\0"),))) == "NOT_THE_CALL"
    tight = replace(rules, limits=replace(rules.limits, max_fee_lamports=1))
    assert code(rules=tight) == "FEE_ABOVE_CEILING"
    half = replace(work.leg, amount=replace(work.leg.amount, raw=work.leg.amount.raw // 2))
    assert code(work=replace(work, leg=half)) == "AMOUNT_ABOVE_PLAN"
    asset = work.leg.amount.token
    more = tuple(replace(d, raw=d.raw - 1) if d.token == asset else d for d in simulated.deltas)
    assert code(simulated=replace(simulated, deltas=more)) == "DELTA_NOT_PLANNED"
