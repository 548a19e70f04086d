"""What is known of open transactions without a key: it is recorded, and nothing is signed or sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.chain_double import ChainDouble, account_of, open_journal, settings
from tests.kit.evm.submit import journalled
from tests.kit.wiring import EXPIRES
from tests.unit.chains.evm.execution.test_confirm import landed
from tests.unit.chains.evm.execution.test_nonces import GONE, signed_under
from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.settle import read_outcomes
from yieldbot.chains.evm.execution.submit import stored
from yieldbot.journal.store import Journal
from yieldbot.model.tx import Confirmed, Replaced


class NoKey:
    """The signer of a process without a key."""

    def sign(self, approved: Any) -> Any:
        raise AssertionError("nothing may be signed")


def keyless(account: Account, **changes: Any) -> Account:
    signer: Any = NoKey()
    return replace(account, signer=signer, **changes)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        yield opened


async def test_what_is_mined_is_recorded_even_while_a_halt_is_in_force(journal: Journal) -> None:
    chain = ChainDouble()
    account = account_of(chain, journal)
    tx = landed(account, chain)
    (outcome,), waits = await read_outcomes(keyless(account, halted=lambda: "stop"))
    assert isinstance(outcome, Confirmed) and stored(account, tx.signed.hash).outcome == outcome and waits == ()
    assert await read_outcomes(keyless(account)) == ((), ()) and chain.sent == []


@pytest.mark.parametrize(("now", "what"), [(EXPIRES - 1, "sends it again"), (EXPIRES, "cancels it")])
async def test_what_is_not_mined_waits_for_a_run_that_may_sign_or_send(journal: Journal, now: int, what: str) -> None:
    chain = ChainDouble()
    account = account_of(chain, journal)
    tx = journalled(account)
    found, (line,) = await read_outcomes(keyless(account, now=lambda: now))
    assert found == () and line.startswith(f"{tx.signed.hash} ({tx.signed.words}) is not mined: ") and what in line
    assert stored(account, tx.signed.hash).outcome is None and chain.sent == []


async def test_what_is_not_final_stays_open_and_a_foreign_nonce_is_believed_when_three_polls_say_it(
    journal: Journal,
) -> None:
    chain = ChainDouble()
    account = account_of(chain, journal, settings=settings(finality=5))
    landed(account, chain)
    found, (line,) = await read_outcomes(keyless(account))
    assert found == () and "mined but not final" in line
    chain.receipts.clear()
    chain.height, chain.block_names = 110, {105: []}
    chain.nonce_at = lambda tag: 8 if chain.at(tag) >= 105 else 7
    (outcome,), waits = await read_outcomes(keyless(account))
    assert isinstance(outcome, Replaced) and outcome.by is None and waits == () and chain.sent == []


async def test_what_was_given_up_and_can_be_mined_now_is_named(journal: Journal) -> None:
    chain = ChainDouble(nonce=9)
    account = account_of(chain, journal)
    gone = signed_under(account, 9, GONE)
    signed_under(account, 30, GONE)
    assert await read_outcomes(keyless(account)) == (
        (),
        (f"{gone.signed.hash} ({gone.signed.words}) can be mined now and must be cancelled: `yieldbot run` does that",),
    )
    assert chain.sent == []
