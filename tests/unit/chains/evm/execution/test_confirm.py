"""What became of a transaction: reorganisations, late receipts, foreign nonces, receipts that cannot be, balances that
changed otherwise than simulated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.chain_double import (
    GWEI,
    SOON,
    ChainDouble,
    account_of,
    hash_at,
    open_journal,
    receipt,
    settings,
    transfer,
)
from tests.kit.evm.submit import TIP, approved, journalled, moving
from tests.kit.wiring import EXPIRES, NOW, OWNER, POOL, RAW, RULES, SHARES, STRANGER, USDC, simulated, supply_tx
from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.confirm import Inclusion, confirm, fetch_inclusion, finality_seconds, gas_used_of
from yieldbot.chains.evm.execution.judge import judge_cancellation
from yieldbot.chains.evm.execution.submit import stored
from yieldbot.chains.evm.rollups import fee_of_receipt
from yieldbot.errors import InvariantError, PendingError, TransientError
from yieldbot.journal.fold import StoredTx
from yieldbot.journal.store import Journal
from yieldbot.model.tx import ApprovedTx, Confirmed, Expired, Replaced, Reverted

HELD = {(USDC.address.lower(), OWNER.lower()): 20_000 * 10**6, (SHARES.address.lower(), OWNER.lower()): 0}
AFTER = {(USDC.address.lower(), OWNER.lower()): 8_000 * 10**6, (SHARES.address.lower(), OWNER.lower()): RAW}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        yield opened


def landed(account: Account, chain: ChainDouble, at: int = 101, **changes: Any) -> StoredTx:
    """A supply of 12,000 that block ``at`` holds, with the balances before and after it."""
    tx = journalled(account)
    chain.height, chain.nonce = max(at, chain.height), 8
    chain.receipts[tx.signed.hash] = receipt(tx.signed.hash, at, **changes)
    chain.was, chain.tokens = {hash_at(at - 1): HELD, hash_at(at): AFTER}, AFTER
    return tx


async def test_a_receipt_counts_only_while_its_block_is_the_chains_own(journal: Journal) -> None:
    chain = ChainDouble()
    account = account_of(chain, journal)
    tx = landed(account, chain)
    seen = await fetch_inclusion(account, (tx,))
    assert (seen.mined, seen.nonce_taken, seen.final) == (tx, True, True) and seen.block is not None
    assert (seen.block.height, seen.block.hash, seen.receipt) == (101, hash_at(101), chain.receipts[tx.signed.hash])
    chain.reorged[101] = hash_at(101, "another")
    chain.nonce = 7  # the other fork has not mined it
    assert await fetch_inclusion(account, (tx,)) == Inclusion()
    chain.nonce = 8
    assert await fetch_inclusion(account, (tx,)) == Inclusion(nonce_taken=True, final=True)


async def test_what_is_pending_or_has_no_block_yet_is_not_mined(journal: Journal) -> None:
    chain = ChainDouble()
    account = account_of(chain, journal)
    tx = journalled(account)
    assert await fetch_inclusion(account, (tx,)) == Inclusion()
    chain.receipts[tx.signed.hash] = receipt(tx.signed.hash, 101, blockNumber=None)
    assert await fetch_inclusion(account, (tx,)) == Inclusion()


@pytest.mark.parametrize(
    ("finality", "mined_at", "final"),
    [
        ("latest", 120, True),
        (10, 110, True),
        (10, 111, False),
        (200, 1, False),
        ("safe", 105, True),
        ("safe", 106, False),
    ],
)
async def test_finality_is_a_tag_or_a_depth(journal: Journal, finality: str | int, mined_at: int, final: bool) -> None:
    chain = ChainDouble(height=120, tags={"safe": 105})
    account = account_of(chain, journal, settings=settings(finality=finality))
    seen = await fetch_inclusion(account, (landed(account, chain, mined_at),))
    assert seen.mined is not None and seen.final is final


async def test_how_long_finality_takes_is_told_by_the_blocks(journal: Journal) -> None:
    chain = ChainDouble(height=120, tags={"safe": 105})
    for finality, seconds in (("latest", 0), (10, 20), ("safe", 30)):
        assert await finality_seconds(account_of(chain, journal, settings=settings(finality=finality))) == seconds


async def test_a_mined_transaction_is_settled_with_what_it_did(journal: Journal) -> None:
    chain = ChainDouble()
    account = account_of(chain, journal)
    tx = landed(account, chain, l1Fee=hex(77))
    (outcome,) = await confirm(account, (tx,))
    assert isinstance(outcome, Confirmed) and stored(account, tx.signed.hash).outcome == outcome
    assert (outcome.gas_used, outcome.gas_price_wei, outcome.fee_raw) == (50_000, GWEI, 50_000 * GWEI + 77)
    assert [(d.token, d.raw) for d in outcome.deltas] == [(USDC, -RAW), (SHARES, RAW)]
    assert not journal.stopped_accounts()


async def test_a_revert_is_settled_as_one_with_its_reason(journal: Journal) -> None:
    chain = ChainDouble()
    account = account_of(chain, journal)
    tx = landed(account, chain, status=0)
    (outcome,) = await confirm(account, (tx,))
    assert isinstance(outcome, Reverted) and "made again before that block" in outcome.reason
    assert outcome.fee_raw == 50_000 * GWEI and not journal.stopped_accounts()
    method, (call, at) = next(one for one in chain.asked if one[0] == "eth_call" and one[1][0]["to"] == POOL.lower())
    assert (method, at, call["from"], call["gas"]) == ("eth_call", hex(100), OWNER, hex(300_000))
    assert call["data"] == "0x" + supply_tx().data.hex()


async def test_balances_that_changed_otherwise_stop_the_account(journal: Journal) -> None:
    chain = ChainDouble()
    account = account_of(chain, journal)
    tx = landed(account, chain)
    chain.was[hash_at(101)] = AFTER | {(SHARES.address.lower(), OWNER.lower()): RAW // 2}
    with pytest.raises(InvariantError, match="is stopped: supply 12,000 USDC to Aave v3: \\+6,000 aUSDC, simulated"):
        await confirm(account, (tx,))
    assert isinstance(stored(account, tx.signed.hash).outcome, Confirmed)
    ((key, why),) = journal.stopped_accounts().items()
    assert key == (tx.signed.chain, OWNER) and why.startswith("supply 12,000 USDC")


async def test_more_given_away_than_in_the_simulation_stops_the_account(journal: Journal) -> None:
    chain = ChainDouble()
    account = account_of(chain, journal)
    good = approved()
    looked = replace(good, simulated=replace(good.simulated, given=frozenset()))
    tx = journalled(account, looked)
    other = landed(account, chain, logs=[transfer(STRANGER, OWNER, POOL)])
    assert other.signed.hash == tx.signed.hash
    with pytest.raises(InvariantError, match="events that the simulation did not have: transfer 0xabab"):
        await confirm(account, (stored(account, tx.signed.hash),))


async def test_events_that_cannot_be_read_are_not_passed_over(journal: Journal) -> None:
    """They may be what tells of a theft: the transaction stays open, and the line says why."""
    chain = ChainDouble()
    account = account_of(chain, journal, settings=SOON)
    tx = landed(account, chain, logs=[{"address": USDC.address}])
    with pytest.raises(PendingError, match=r"node\.example returns events that cannot be read; run again"):
        await confirm(account, (tx,))
    assert stored(account, tx.signed.hash).outcome is None and not journal.stopped_accounts()


@pytest.mark.parametrize("names", [[], None, ["0x" + "12" * 32]])
async def test_a_nonce_that_another_took_is_believed_when_three_polls_say_it(journal: Journal, names: Any) -> None:
    chain = ChainDouble(block_names={105: names})
    account = account_of(chain, journal)
    tx = journalled(account)
    chain.height, chain.nonce_at = 110, lambda tag: 8 if chain.at(tag) >= 105 else 7
    polls = len(chain.asked)
    assert await confirm(account, (tx,)) == (Replaced(tx.signed.hash, None),)
    assert stored(account, tx.signed.hash).outcome == Replaced(tx.signed.hash, None)
    asked = [one for one in chain.asked[polls:] if one[0] == "eth_getTransactionReceipt"]
    assert len(asked) == 3 * 2, "each poll asks twice: it may be mined between its two questions"


@pytest.mark.parametrize("at", [101, 102, 103, 104, 105, 108, 115, 116])
async def test_a_block_that_names_it_is_waited_for(journal: Journal, at: int) -> None:
    """The nonce was used by us; the node has only not indexed the receipt yet."""
    chain = ChainDouble()
    account = account_of(chain, journal, settings=SOON)
    tx = journalled(account)
    chain.height, chain.nonce_at = 116, lambda tag: 8 if chain.at(tag) >= at else 7
    chain.block_names[at] = [tx.signed.hash.upper().replace("X", "x")]
    with pytest.raises(PendingError, match=f"block {at} names it, but the node gives no receipt of it"):
        await confirm(account, (tx,))
    assert stored(account, tx.signed.hash).outcome is None


class SeenEnough(BaseException):
    """Ends a wait for what never comes once it was polled for often enough; no failure of a node."""


ENOUGH_POLLS = 10


async def test_what_is_mined_but_not_final_is_waited_for_and_a_reorganisation_noted(journal: Journal) -> None:
    chain = ChainDouble(height=101)
    account = account_of(chain, journal, settings=settings(finality=5, confirm_timeout_seconds=300.0))
    tx = landed(account, chain)
    with pytest.raises(PendingError, match=r"it is mined but not final \(5\)"):
        await confirm(replace(account, settings=settings(finality=5, confirm_timeout_seconds=0.15)), (tx,))
    assert not stored(account, tx.signed.hash).notes, "it stayed where it was"
    polls = 0
    serve = chain._eth_getTransactionReceipt

    def taken_back(name: str) -> Any:
        nonlocal polls
        polls += 1
        if polls == 3:
            chain.reorged[101], chain.nonce = hash_at(101, "another"), 7
        if polls == ENOUGH_POLLS:
            raise SeenEnough
        return serve(name)

    chain._eth_getTransactionReceipt = taken_back  # type: ignore[method-assign]
    with pytest.raises(SeenEnough):
        await confirm(account, (tx,))
    notes = stored(account, tx.signed.hash).notes
    assert len([note for note in notes if "taken back" in note]) == 1
    assert any(f"its block 101 {hash_at(101)} was taken back by a reorganisation" == note for note in notes), notes


async def test_polls_that_saw_it_mined_are_none_that_say_another_took_its_nonce(journal: Journal) -> None:
    """It was mined, a reorganisation took it back, and another took its nonce: three polls must say so from then on."""
    chain = ChainDouble(height=101)
    account = account_of(chain, journal, settings=settings(finality=5))
    tx = landed(account, chain)
    asked, serve = 0, chain._eth_getTransactionReceipt

    def taken(name: str) -> Any:
        nonlocal asked
        asked += 1
        if asked == 3:
            chain.receipts.clear()
            chain.height = 120
        return serve(name)

    chain._eth_getTransactionReceipt = taken  # type: ignore[method-assign]
    assert await confirm(account, (tx,)) == (Replaced(tx.signed.hash, None),)
    assert asked == 2 + 3 * 2


async def test_one_that_a_reorganisation_moves_to_another_block_is_noted(journal: Journal) -> None:
    chain = ChainDouble(height=102)
    account = account_of(chain, journal, settings=settings(finality=5, confirm_timeout_seconds=300.0))
    tx = landed(account, chain)
    polls, serve = 0, chain._eth_getTransactionReceipt

    def moved(name: str) -> Any:
        nonlocal polls
        polls += 1
        if polls == 3:
            chain.receipts[name] = receipt(name, 102)
        if polls == ENOUGH_POLLS:
            raise SeenEnough
        return serve(name)

    chain._eth_getTransactionReceipt = moved  # type: ignore[method-assign]
    with pytest.raises(SeenEnough):
        await confirm(account, (tx,))
    with pytest.raises(PendingError, match="mined but not final"):
        await confirm(replace(account, settings=settings(finality=5, confirm_timeout_seconds=0.15)), (tx,))
    assert stored(account, tx.signed.hash).notes == (
        f"its block 101 {hash_at(101)} was taken back by a reorganisation",
    )


@pytest.mark.parametrize(
    ("now", "halted", "in_pool", "sent"),
    [
        (EXPIRES - 1, None, False, True),
        (EXPIRES, None, False, False),
        (NOW, "stop", False, False),
        (NOW, None, True, False),
    ],
)
async def test_forgotten_bytes_are_sent_again_only_while_they_may_be(
    journal: Journal, now: int, halted: str | None, in_pool: bool, sent: bool
) -> None:
    chain = ChainDouble()
    tx = journalled(account_of(chain, journal))
    account = account_of(chain, journal, now=lambda: now, halted=lambda: halted, settings=SOON)
    if in_pool:
        chain.pool.add(tx.signed.hash)
    with pytest.raises(PendingError, match="it is not mined yet"):
        await confirm(account, (tx,))
    assert bool(chain.sent) is sent and set(chain.sent) <= {"0x" + tx.signed.raw.hex()}
    assert len(chain.sent) < 10, "with growing pauses, though it is asked at every poll"


async def test_why_a_node_does_not_take_it_is_said(journal: Journal) -> None:
    chain = ChainDouble(refuses={"eth_sendRawTransaction": "transaction underpriced"})
    account = account_of(chain, journal, settings=SOON)
    with pytest.raises(PendingError, match=r"it is not mined yet \(attempt \d+: .*transaction underpriced"):
        await confirm(account, (journalled(account),))


async def test_what_nobody_mines_is_replaced_and_the_winner_told(journal: Journal) -> None:
    chain = moving()
    account = account_of(chain, journal, settings=settings(replace_after_seconds=0.02, confirm_timeout_seconds=60.0))
    tx = journalled(account)
    chain.pool.add(tx.signed.hash)

    def take(raw: str) -> None:
        name = "0x" + journal.transactions()[-1].signed.hash[2:]
        assert name != tx.signed.hash
        chain.height, chain.nonce = 101, 8
        chain.receipts[name] = receipt(name, 101, effectiveGasPrice=hex(GWEI))
        chain.was, chain.tokens = {hash_at(100): HELD, hash_at(101): AFTER}, AFTER

    chain.on_send = take
    first, second = await confirm(account, (tx,))
    assert first == Replaced(tx.signed.hash, second.hash) and isinstance(second, Confirmed)
    assert [one.outcome for one in journal.transactions()] == [first, second]


async def test_one_that_a_cancellation_beat_has_expired(journal: Journal) -> None:
    chain = ChainDouble()
    account = account_of(chain, journal)
    tx = journalled(account)
    empty = supply_tx(to=OWNER, data=b"", gas=21_000, max_fee_wei=3 * GWEI, priority_fee_wei=2 * TIP)
    cancel = judge_cancellation(RULES, simulated(empty, asset_raw=0, shares_raw=0))
    assert isinstance(cancel, ApprovedTx)
    winner = journalled(account, cancel)
    chain.height, chain.nonce = 101, 8
    chain.receipts[winner.signed.hash] = receipt(winner.signed.hash, 101, gasUsed=hex(21_000))
    first, second = await confirm(account, (tx, winner))
    assert first == Expired(tx.signed.hash, f"its approval had ended; cancelled by {winner.signed.hash}")
    assert isinstance(second, Confirmed)


@pytest.mark.parametrize(
    ("changes", "ok"),
    [
        ({"gasUsed": hex(300_000)}, True),
        ({"gasUsed": hex(300_001)}, False),
        ({"effectiveGasPrice": hex(2 * GWEI)}, True),
        ({"effectiveGasPrice": hex(2 * GWEI + 1)}, False),
        ({"l1Fee": hex(10**20)}, True),
        ({"l1Fee": hex(10**20 + 1)}, False),
        ({"gasUsed": "many"}, False),
        ({"gasUsed": None}, False),
        ({"effectiveGasPrice": None}, True),
    ],
)
def test_a_receipt_says_no_more_than_the_bytes_allow(journal: Journal, changes: dict[str, Any], ok: bool) -> None:
    tx = journalled(account_of(ChainDouble(), journal)).signed
    told = receipt(tx.hash, 101, **changes)
    if ok:
        assert gas_used_of(tx, told, "host") == int(told["gasUsed"], 16)
        return
    with pytest.raises(TransientError, match=f"host gives a receipt of {tx.hash} that"):
        gas_used_of(tx, told, "host")


def test_a_fee_is_gas_times_price_and_the_l1_fee_or_not_known() -> None:
    assert fee_of_receipt({"gasUsed": "0x10", "effectiveGasPrice": "0x3", "l1Fee": "0x5"}) == 16 * 3 + 5
    assert fee_of_receipt({"gasUsed": "0x10", "effectiveGasPrice": "0x3"}) == 48
    assert fee_of_receipt({"gasUsed": "0x10"}) is None
