"""Which nonce is signed: what chain and journal say together; what becomes of bytes under one that was never next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.chain_double import GWEI, ChainDouble, account_of, hash_at, open_journal, receipt, settings
from tests.kit.evm.nonces import BLOCK, DONE, GONE, TAKEN, cancelling, signed_under
from tests.kit.evm.submit import TIP, moving
from tests.kit.wiring import CHAIN, OWNER
from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.nonces import cancelled, cancels, clear_leftovers, given_up, leftovers, next_nonce
from yieldbot.chains.evm.execution.submit import stored
from yieldbot.errors import PendingError, TransientError
from yieldbot.journal.journal_entries import TxSettled
from yieldbot.journal.store import Journal
from yieldbot.model.plan import Declined
from yieldbot.model.tx import Confirmed, Expired, Replaced, Reverted


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        yield opened


def nonces(at_block: int, latest: int, pending: int) -> Callable[[Any], int]:
    return lambda tag: {"latest": latest, "pending": pending}.get(tag, at_block) if isinstance(tag, str) else at_block


async def test_the_next_nonce_is_the_chains_when_all_its_answers_agree(journal: Journal) -> None:
    chain = ChainDouble(nonce=7)
    assert await next_nonce(account_of(chain, journal)) == 7
    asked = [params for name, params in chain.asked if name == "eth_getTransactionCount"]
    assert {str(one[0]) for one in asked} == {OWNER} and len(asked) == 3
    tags = [tag for _, tag in asked]
    assert {"blockHash": hash_at(100), "requireCanonical": True} in tags and {"latest", "pending"} <= {
        tag for tag in tags if isinstance(tag, str)
    }


@pytest.mark.parametrize(
    ("at", "latest", "pending"), [(8, 7, 7), (8, 7, 8), (7, 8, 7), (7, 8, 8), (7, 9, 9), (7, 8, 9)]
)
async def test_answers_that_contradict_each_other_are_signed_for_nobody(
    journal: Journal, at: int, latest: int, pending: int
) -> None:
    chain = ChainDouble(nonce_at=nonces(at, latest, pending))
    said = f"{at} at block 100, {latest} as the latest, {pending} with what is pending; nothing is signed"
    with pytest.raises(TransientError, match=said):
        await next_nonce(account_of(chain, journal))


async def test_a_block_that_came_between_the_questions_explains_a_higher_nonce(journal: Journal) -> None:
    chain = ChainDouble()

    def moves(tag: Any) -> int:
        if tag == "latest":
            chain.height = 101
        return 7 if isinstance(tag, dict) else 8

    chain.nonce_at = moves
    assert await next_nonce(account_of(chain, journal)) == 8


async def test_no_new_block_explains_a_nonce_that_falls(journal: Journal) -> None:
    chain = ChainDouble()

    def falls(tag: Any) -> int:
        if tag == "latest":
            chain.height = 101
        return 8 if isinstance(tag, dict) else 7

    chain.nonce_at = falls
    with pytest.raises(TransientError, match="contradicts itself"):
        await next_nonce(account_of(chain, journal))


async def test_anothers_transaction_in_the_pool_is_waited_for(journal: Journal) -> None:
    found = await next_nonce(account_of(ChainDouble(nonce_at=nonces(7, 7, 8)), journal))
    assert found == Declined("NONCE_BUSY", f"another transaction of {OWNER} waits in the node's pool")


async def test_a_node_behind_the_journal_is_not_believed(journal: Journal) -> None:
    chain = ChainDouble(nonce=7)
    account = account_of(chain, journal)
    signed_under(account, 6, DONE)
    assert await next_nonce(account) == 7
    signed_under(account, 7, DONE)
    with pytest.raises(TransientError, match=rf"knows 7 transactions of {OWNER}, the journal has settled 8: the node"):
        await next_nonce(account)
    chain.nonce = 8
    assert await next_nonce(account) == 8
    signed_under(account, 30, GONE)
    assert await next_nonce(account) == 8, "what was given up has taken no nonce"


def test_what_was_given_up_is_left_over_until_something_takes_its_nonce(journal: Journal) -> None:
    account = account_of(ChainDouble(), journal)
    for taken in (DONE, Reverted("", BLOCK, 1, "why"), TAKEN, None):
        number = 10 + len(journal.transactions())
        gone = signed_under(account, number, GONE)
        assert gone in leftovers(journal.transactions())
        cancelling(account, number, taken)
        assert gone not in leftovers(journal.transactions())
    both = signed_under(account, 50, GONE), cancelling(account, 50, GONE)
    assert leftovers(journal.transactions()) == both and [cancels(tx) for tx in both] == [False, True]


def test_a_cancellation_goes_to_ourselves_with_nothing_in_it(journal: Journal) -> None:
    account = account_of(ChainDouble(), journal)
    tx = cancelling(account, 3)
    assert cancels(tx)
    assert not cancels(signed_under(account, 4))


def gap(journal: Journal, nonce: int = 9, **changes: Any) -> tuple[ChainDouble, Account]:
    """A chain at nonce 7, a block after the one that ours were simulated at."""
    chain = moving()
    chain.height, chain.nonce, chain.nonce_at = 101, 7, None
    return chain, account_of(chain, journal, **changes)


async def test_bytes_beyond_the_chains_nonce_are_outbid_and_given_up(journal: Journal) -> None:
    chain, account = gap(journal)
    tx = signed_under(account, 9)
    found = await given_up(account, [tx])
    assert found is not None and [one.hash for one in found] == [one.signed.hash for one in journal.transactions()]
    first, cancel = journal.transactions()
    assert cancels(cancel) and (cancel.signed.nonce, cancel.signed.replaces) == (9, first.signed.hash)
    assert cancel.signed.max_fee_wei > first.signed.max_fee_wei and chain.sent == ["0x" + cancel.signed.raw.hex()]
    reason = "its nonce 9 was never the account's next, which is 7: no longer waited for; it cannot be mined before 2"
    assert isinstance(first.outcome, Expired) and first.outcome.reason.startswith(
        f"{reason} other transactions are sent"
    )
    assert isinstance(cancel.outcome, Expired) and leftovers(journal.transactions()) == (first, cancel)
    assert len([1 for name, _ in chain.asked if name == "eth_getTransactionCount"]) == 9, "three polls of three answers"


async def test_the_chain_has_time_to_change_between_two_looks(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, account = gap(journal, settings=settings(poll_seconds=0.0123))
    tx, waited, sleep = signed_under(account, 9), list[float](), asyncio.sleep

    async def slept(seconds: float) -> None:
        waited.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", slept)
    assert await given_up(account, [tx]) is not None
    assert waited.count(0.0123) == 2, "three looks"


async def test_one_transaction_that_lacks_is_one(journal: Journal) -> None:
    _, account = gap(journal)
    (first, _) = await given_up(account, [signed_under(account, 8)]) or ()
    assert isinstance(first, Expired) and "before 1 other transaction is sent" in first.reason


async def test_a_gap_must_be_certain(journal: Journal) -> None:
    chain, account = gap(journal)
    tx = signed_under(account, 9)
    chain.height = 100
    assert await given_up(account, [tx]) is None, "no later block than the one that it was simulated at"
    chain.height = 101
    for at_block, latest, pending in ((7, 7, 8), (9, 9, 9), (7, 7, 9), (10, 10, 10)):
        chain.nonce_at = nonces(at_block, latest, pending)
        assert await given_up(account, [tx]) is None, (latest, pending)
    polls = 0

    def last_poll_differs(tag: Any) -> int:
        nonlocal polls
        polls += 1
        return 9 if polls > 6 else 7

    chain.nonce_at = last_poll_differs
    assert await given_up(account, [tx]) is None
    assert not chain.sent and stored(account, tx.signed.hash).outcome is None


async def test_a_node_that_is_behind_shows_no_gap(journal: Journal) -> None:
    """The journal holds something mined under a nonce in between."""
    _, account = gap(journal)
    tx = signed_under(account, 9)
    signed_under(account, 6, DONE)
    signed_under(account, 8, GONE)
    assert await given_up(account, [tx]) is not None
    other = signed_under(account, 12)
    signed_under(account, 7, DONE)
    assert await given_up(account, [other]) is None


async def test_what_cannot_be_outbid_is_given_up_with_a_note(journal: Journal) -> None:
    chain, account = gap(journal)
    chain.base_fee_wei = 11 * GWEI
    tx = signed_under(account, 9)
    assert len(await given_up(account, [tx]) or ()) == 1
    (note,) = stored(account, tx.signed.hash).notes
    assert note.startswith("not outbid by a cancellation: ") and "must be cancelled, but" in note
    chain, account = gap(journal)
    own = cancelling(account, 20)
    assert len(await given_up(account, [own]) or ()) == 1 and not chain.sent, "it is a cancellation itself"


async def test_leftovers_are_cleared_when_the_chain_comes_to_their_nonce(journal: Journal) -> None:
    chain, account = gap(journal, settings=settings(confirm_timeout_seconds=60.0))
    assert await clear_leftovers(account) == ()
    tx = signed_under(account, 9, GONE)
    for nonce in (7, 8):
        chain.nonce = nonce
        assert await clear_leftovers(account) == () and not chain.sent

    def mine(raw: str) -> None:
        chain.height, chain.nonce = chain.height + 1, 10
        name = journal.transactions()[-1].signed.hash
        chain.receipts[name] = receipt(name, chain.height, gasUsed=hex(21_000))

    chain.nonce, chain.on_send = 9, mine
    first, second = await clear_leftovers(account)
    cancel = journal.transactions()[-1]
    assert isinstance(second, Confirmed) and second.hash == cancel.signed.hash and cancels(cancel)
    assert first.hash == tx.signed.hash and not isinstance(first, Confirmed)
    assert len(chain.sent) == 1 and leftovers(journal.transactions()) == ()


async def test_a_cancellation_that_was_made_is_sent_again_unless_the_pool_has_it(journal: Journal) -> None:
    for in_pool in (False, True):
        chain, account = gap(journal, settings=settings(confirm_timeout_seconds=0.05))
        number = 20 + in_pool
        signed_under(account, number, GONE)
        cancel = cancelling(account, number, GONE)
        chain.nonce = number
        if in_pool:
            chain.pool.add(cancel.signed.hash)
        with pytest.raises(PendingError):
            await clear_leftovers(account)
        assert bool(chain.sent) is not in_pool and set(chain.sent) <= {"0x" + cancel.signed.raw.hex()}
        journal.append(TxSettled(CHAIN, OWNER, replace(DONE, hash=cancel.signed.hash)))


async def test_leftovers_that_the_chain_has_passed_are_settled_without_a_word_to_it(journal: Journal) -> None:
    chain, account = gap(journal)
    tx = signed_under(account, 9, GONE)
    chain.nonce, chain.height = 12, 110
    (outcome,) = await clear_leftovers(account)
    assert outcome == Replaced(tx.signed.hash, None) and not chain.sent


async def test_a_cancellation_is_simulated_judged_and_above_what_it_outbids(journal: Journal) -> None:
    chain, account = gap(journal)
    tx = signed_under(account, 9)
    cancel = await cancelled(account, tx)
    made = cancel.signed
    assert cancels(cancel) and made.nonce == 9 and made.gas == chain.gas * 125 // 100
    assert made.max_fee_wei > 2 * GWEI * 1.125 and made.priority_fee_wei > TIP * 1.125
    assert (made.plan_id, made.leg, made.market_id) == (tx.signed.plan_id, tx.signed.leg, tx.signed.market_id)
    estimate = next(params for name, params in chain.asked if name == "eth_estimateGas")
    assert estimate == [{"from": OWNER, "to": OWNER, "value": "0x0"}]
    chain.native_wei = 0
    with pytest.raises(PendingError, match=r"must be cancelled, but gas may cost up to"):
        await cancelled(account, tx)
