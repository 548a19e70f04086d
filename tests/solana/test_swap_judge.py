"""The Solana signer's policy on a swap: its own terms alone, to our own accounts, in the pool that was approved."""

from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.solana.several_assets import BASE
from tests.kit.solana.world import world
from yieldbot.app import cycle
from yieldbot.chains.solana.execution import leg
from yieldbot.chains.solana.execution.build import (
    NO_BLOCKHASH,
    LookupTable,
    associated,
    compiled,
    meaning_of,
    message_bytes,
)
from yieldbot.chains.solana.execution.judge import judge
from yieldbot.chains.solana.execution.swaps import swap_fault
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined, LegKind
from yieldbot.model.solana_tx import SvmApproved
from yieldbot.model.tx import SvmInstruction, SvmMeta
from yieldbot.sandbox.solana.images import named
from yieldbot.sandbox.solana.node import running

MUTANTS = 4_000


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """What the policy was asked for a real swap, and let pass."""
    import asyncio

    asked: list[tuple[Any, ...]] = []

    def capture(*args: Any) -> Any:
        asked.append(args)
        return judge(*args)

    folder: Path = tmp_path_factory.mktemp("judge")
    with pytest.MonkeyPatch.context() as patch, running(folder) as sandbox:
        sandbox.config.write_text(sandbox.config.read_text().replace('asset = "USDC"', 'base = "USD"') + BASE)
        with world(sandbox) as w:
            patch.setattr(leg, "judge", capture)
            report = asyncio.run(cycle.run_job(w, w.settings.jobs[0]))
            assert report.declined is None
    (found,) = [args for args in asked if args[2].leg.kind is LegKind.SWAP]
    return found


def test_no_mutant_of_a_swap_is_let_pass_unless_it_means_the_same(judged: tuple[Any, ...]) -> None:
    from solders.message import from_bytes_versioned

    rules, approval, work, simulated, now, tables = judged
    good = simulated.tx.message
    parsed: Any = from_bytes_versioned(good)
    at = good.index(bytes(parsed.recent_blockhash))
    passed = judge(*judged)
    assert isinstance(passed, SvmApproved) and now < passed.expires_at <= now + 600, "the base's own deadline"
    late = judge(rules, approval, work, simulated, passed.expires_at, tables)
    assert isinstance(late, Declined) and late.code == "EXPIRED" and passed.expires_at < approval.expires_at
    draw, codes = random.Random(1), Counter[str]()
    for number in range(MUTANTS):
        mutant = bytearray(good)
        place = number % len(good)
        mutant[place] = draw.randrange(256)
        if bytes(mutant) == good:
            continue
        changed = replace(simulated, tx=replace(simulated.tx, message=bytes(mutant)))
        said = judge(rules, approval, work, changed, now, tables)
        if isinstance(said, Declined):
            codes[said.code] += 1
        else:
            assert bytes(mutant)[:at] + bytes(mutant)[at + 32 :] == good[:at] + good[at + 32 :], "only the blockhash"
    assert {"PROGRAM_NOT_ALLOWED", "NOT_THE_CALL"} <= codes.keys(), codes


def changed(call: SvmInstruction, at: int, kind: str, value: Any) -> SvmInstruction:
    raw = struct.pack("<" + kind, value)
    return replace(call, data=call.data[:at] + raw + call.data[at + len(raw) :])


def named_instead(at: int, address: Address) -> Callable[[SvmInstruction], SvmInstruction]:
    return lambda call: replace(
        call, accounts=(*call.accounts[:at], SvmMeta(address, at == 1, True), *call.accounts[at + 1 :])
    )


THEIRS = named("somebody else's account")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda call: changed(call, 8, "Q", 10**12), "AMOUNT_ABOVE_PLAN"),
        (lambda call: changed(call, 8, "Q", 1), "AMOUNT_NOT_EXACT"),
        (lambda call: changed(call, 16, "Q", 1), "LEAST_BELOW_PLAN"),
        (lambda call: changed(call, 24, "Q", 1), "ARGUMENT_NOT_KNOWN"),
        (lambda call: changed(call, 40, "B", 0), "ARGUMENT_NOT_KNOWN"),
        (lambda call: changed(call, 41, "B", 2), "ARGUMENT_NOT_KNOWN"),
        (lambda call: changed(call, 41, "B", 1 - call.data[41]), "PATH_NOT_PLANNED"),
        (lambda call: replace(call, data=call.data + b"\0"), "SWAP_NOT_BOUND"),
        (lambda call: changed(call, 0, "Q", 1), "SWAP_NOT_BOUND"),
        (named_instead(0, THEIRS), "RECIPIENT_NOT_SELF"),
        (named_instead(1, THEIRS), "RECIPIENT_NOT_SELF"),
        (named_instead(2, THEIRS), "PATH_NOT_PLANNED"),
        (named_instead(3, THEIRS), "RECIPIENT_NOT_SELF"),
        (named_instead(5, THEIRS), "RECIPIENT_NOT_SELF"),
    ],
)
def test_a_swap_that_was_rehearsed_but_is_not_the_terms_is_refused(
    change: Callable[[SvmInstruction], SvmInstruction], code: str, judged: tuple[Any, ...]
) -> None:
    """Even if an adapter built it so: the instruction is read by itself, whatever was rehearsed."""
    rules, approval, work, simulated, now, tables = judged
    (call,) = work.calls
    bad = change(call)
    assert bad != call
    refused = swap_fault(rules.owner, work, [bad])
    assert refused is not None and refused.code == code
    rest = [bad if i.program == call.program else i for i in simulated.tx.instructions]
    message = message_bytes(compiled(rest, rules.owner, NO_BLOCKHASH))
    tx = replace(simulated.tx, message=message, meaning=meaning_of(message, NO_BLOCKHASH))
    built = replace(work, calls=(bad,))
    said = judge(rules, approval, built, replace(simulated, tx=tx), now, tables)
    assert isinstance(said, Declined) and said.code in (code, "SIGNER_NOT_SELF", "TAG_NOT_ALLOWED"), said


def test_terms_that_are_not_the_legs_are_refused(judged: tuple[Any, ...]) -> None:
    rules, approval, work, simulated, now, tables = judged

    def code(**other: Any) -> str:
        said = judge(rules, approval, replace(work, **other), simulated, now, tables)
        assert isinstance(said, Declined)
        return said.code

    (terms,) = work.swaps
    lower = replace(terms, least=replace(terms.least, raw=terms.least.raw - 1))
    assert code(swaps=(lower,)) == "SWAP_NOT_PLANNED"
    assert code(swaps=()) == "SWAP_NOT_PLANNED"
    assert code(swaps=(terms, terms)) == "SWAP_NOT_PLANNED"
    planned = approval.plan.legs[work.index]
    worse = replace(work.leg, gets=replace(planned.gets, raw=planned.gets.raw - 1))
    assert code(leg=worse) == "BELOW_LEAST"
    other = replace(terms.least, token=work.asset)
    assert code(leg=replace(work.leg, gets=other)) == "NOT_IN_PLAN"
    deltas = tuple(
        replace(d, raw=work.leg.gets.raw - 1) if d.token == work.leg.gets.token else d for d in simulated.deltas
    )
    said = judge(rules, approval, work, replace(simulated, deltas=deltas), now, tables)
    assert isinstance(said, Declined) and said.code == "BELOW_LEAST"


def test_our_accounts_and_the_pool_are_never_a_lookup_tables_word(judged: tuple[Any, ...]) -> None:
    """A node can say that a table holds our account where the chain's has a stranger's: what comes out would be his."""
    from yieldbot.model.known import TOKEN_PROGRAM

    rules, approval, work, simulated, now, _ = judged
    own = [associated(rules.owner, token.address, TOKEN_PROGRAM) for token in (work.asset, work.wanted)]
    for address in (*own, work.swaps[0].pools[0].address):
        lie = LookupTable(named("a table"), (address,))
        message = message_bytes(compiled(simulated.tx.instructions, rules.owner, NO_BLOCKHASH, [lie]))
        tx = replace(simulated.tx, message=message, meaning=meaning_of(message, NO_BLOCKHASH))
        said = judge(rules, approval, work, replace(simulated, tx=tx), now, [lie])
        assert isinstance(said, Declined), f"{address} by a table"
    honest = LookupTable(named("a table"), (TOKEN_PROGRAM, work.calls[0].accounts[10].address))
    message = message_bytes(compiled(simulated.tx.instructions, rules.owner, NO_BLOCKHASH, [honest]))
    tx = replace(simulated.tx, message=message, meaning=meaning_of(message, NO_BLOCKHASH))
    assert isinstance(judge(rules, approval, work, replace(simulated, tx=tx), now, [honest]), SvmApproved)
