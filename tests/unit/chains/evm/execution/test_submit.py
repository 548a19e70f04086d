"""Signing and replacing at the edges: the second of an expiry, the wei of a cost, a halt that comes meanwhile."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from eth_account import Account as Keys
from eth_utils.crypto import keccak

from tests.kit.chain_double import GWEI, ChainDouble, KeySigner, account_of, open_journal
from tests.kit.evm.submit import GAS, TIP, approved, attempt, journalled, moving
from tests.kit.wiring import (
    BLOCK,
    EXPIRES,
    NOW,
    OWNER,
    RULES,
    SHARES,
    simulated,
    supply_tx,
)
from yieldbot.chains.evm.execution.judge import judge_cancellation
from yieldbot.chains.evm.execution.replace import replaced
from yieldbot.chains.evm.execution.submit import in_pool, record, sign, stored, submit
from yieldbot.chains.evm.signing.sign import fields, unsigned_of
from yieldbot.errors import ConfigError, DiskFull, SignerRefused
from yieldbot.journal.access_entries import AccessNoted
from yieldbot.journal.connections import Written
from yieldbot.journal.store import Journal
from yieldbot.model.plan import Declined
from yieldbot.model.tx import ApprovedTx, SignedTx


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(("now", "code"), [(EXPIRES - 1, None), (EXPIRES, "EXPIRED"), (EXPIRES + 1, "EXPIRED")])
def test_an_approval_that_ends_while_a_device_is_asked_signs_nothing(
    journal: Journal, now: int, code: str | None
) -> None:
    signed = sign(account_of(ChainDouble(), journal, now=lambda: now), approved())
    assert (signed.code if isinstance(signed, Declined) else None) == code
    assert code or (isinstance(signed, SignedTx) and signed.approved == approved())


def test_a_halt_that_comes_while_a_device_is_asked_drops_the_signature(journal: Journal) -> None:
    signed = sign(account_of(ChainDouble(), journal, halted=lambda: "stop"), approved())
    assert isinstance(signed, Declined) and signed.code == "HALTED" and "(stop)" in signed.reason


def test_a_person_who_says_no_is_named(journal: Journal) -> None:
    class Refuses(KeySigner):
        def sign(self, _: ApprovedTx) -> SignedTx:
            raise SignerRefused("you said no at the device")

    signed = sign(account_of(ChainDouble(), journal, signer=Refuses()), approved())
    assert signed == Declined("HUMAN_REJECTED", "supply 12,000 USDC to Aave v3: you said no at the device")


def test_what_is_recorded_is_what_was_signed(journal: Journal) -> None:
    tx = journalled(account_of(ChainDouble(), journal)).signed
    wanted = supply_tx()
    assert (tx.nonce, tx.gas, tx.max_fee_wei, tx.priority_fee_wei) == (7, GAS, 2 * GWEI, TIP)
    assert (tx.owner, tx.plan_id, tx.leg, tx.market_id) == (OWNER, "p1", 0, wanted.market_id)
    assert (tx.expires_at, tx.simulated_at, tx.replaces) == (EXPIRES, BLOCK, None)
    assert unsigned_of(tx, 2 * GWEI, TIP) == wanted
    assert tx.given is None


async def test_on_a_full_disk_nothing_is_sent_that_is_not_recorded(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite itself refuses: the file may have no page more."""
    chain, full = ChainDouble(), [True]
    account = account_of(chain, journal)
    earlier = journalled(account)

    connected = Written.connected

    def cramped(way: Written) -> sqlite3.Connection:
        connection = connected(way)
        if full[0]:
            connection.execute("PRAGMA max_page_count = 1")
        return connection

    monkeypatch.setattr(Written, "connected", cramped)
    with pytest.raises(DiskFull, match="free space there"):
        while True:
            journal.append(AccessNoted(by="x" * 200, where="", what="y", outcome="z", times=1))
    rows = journal.head()
    with pytest.raises(DiskFull, match="nothing was written"):
        record(account, cast(SignedTx, sign(account, approved())))
    with pytest.raises(DiskFull):
        await submit(account, earlier)
    assert chain.sent == [] and journal.head() == rows
    full[0] = False
    await submit(account, earlier)
    assert chain.sent == ["0x" + earlier.signed.raw.hex()] and stored(account, earlier.signed.hash).attempts == 1


async def test_sending_counts_its_attempts_and_keeps_the_nodes_words(journal: Journal) -> None:
    chain = ChainDouble()
    account = account_of(chain, journal)
    tx = journalled(account)
    await submit(account, tx)
    assert chain.sent == ["0x" + tx.signed.raw.hex()] and stored(account, tx.signed.hash).attempts == 1
    chain.refuses = {"eth_sendRawTransaction": "already known"}
    await submit(account, tx)
    found = stored(account, tx.signed.hash)
    assert found.attempts == 2 and len(found.notes) == 1
    assert "attempt 2: " in found.notes[0] and "already known" in found.notes[0]
    assert not await in_pool(account, tx.signed.hash)
    chain.pool.add(tx.signed.hash)
    assert await in_pool(account, tx.signed.hash)


async def test_a_reply_that_is_lost_is_noted_too(journal: Journal) -> None:
    chain = ChainDouble()

    def lost(_: str) -> None:
        raise ConnectionResetError

    chain.on_send = lost
    account = account_of(chain, journal)
    tx = journalled(account)
    await submit(account, tx)
    (note,) = stored(account, tx.signed.hash).notes
    assert note.startswith("attempt 1: node.example")


DEAR = GAS * (GWEI + 2 * TIP)
"""What the replacement costs at a base fee of 1 gwei: its tip is at least an eighth above the first one's."""


async def test_a_replacement_is_the_same_call_at_higher_fees(journal: Journal) -> None:
    chain = moving()
    account = account_of(chain, journal)
    tx = journalled(account)
    first, second = await replaced(account, (tx,))
    old, new = first.signed, second.signed
    assert new.max_fee_wei > old.max_fee_wei * 1.125 and new.priority_fee_wei > old.priority_fee_wei * 1.125
    assert unsigned_of(new, 0, 0) == unsigned_of(old, 0, 0)
    assert (new.nonce, new.expires_at) == (7, EXPIRES) and chain.sent == ["0x" + new.raw.hex()]


@pytest.mark.parametrize(
    ("base", "most", "tip"), [(GWEI, 2 * GWEI * 9 // 8 + 1, None), (4 * GWEI, 8 * GWEI + TIP, TIP)]
)
async def test_a_replacement_pays_todays_price_and_an_eighth_more_than_before_at_least(
    journal: Journal, base: int, most: int, tip: int | None
) -> None:
    chain = moving()
    chain.base_fee_wei = base
    account = account_of(chain, journal)
    _, second = await replaced(account, (journalled(account),))
    assert second.signed.max_fee_wei == most and second.signed.priority_fee_wei == TIP + TIP // 8 + 1
    assert tip is None or second.signed.max_fee_wei == 2 * base + tip


async def test_its_cost_is_bounded_to_the_wei_by_base_fee_and_tip_together(journal: Journal) -> None:
    tip = TIP + TIP // 8 + 1
    most = GAS * (GWEI + tip)
    for bound, said in ((most, None), (most - 1, "not replaced: COST_ABOVE_GAIN")):
        account = account_of(moving(), journal, max_cost_wei=bound)
        found = await attempt(account, journalled(account, approved(nonce=bound % 1000)))
        assert (found is None) if said is None else (found is not None and found.startswith(said)), found
    account = account_of(moving(), journal, max_cost_wei=None)
    assert await attempt(account, journalled(account, approved(nonce=8))) is None


async def test_a_cancellation_is_replaced_whatever_it_costs(journal: Journal) -> None:
    account = account_of(moving(), journal, max_cost_wei=0)
    empty = supply_tx(to=OWNER, data=b"", gas=21_000)
    cancel = judge_cancellation(RULES, simulated(empty, asset_raw=0, shares_raw=0))
    assert isinstance(cancel, ApprovedTx)
    assert await attempt(account, journalled(account, cancel)) is None
    supply = journalled(account, approved(nonce=8))
    assert (await attempt(account, supply) or "").startswith("not replaced: COST_ABOVE_GAIN")


@pytest.mark.parametrize(("now", "said"), [(EXPIRES - 1, None), (EXPIRES, "not replaced: EXPIRED")])
async def test_it_is_replaced_only_while_its_approval_lives(journal: Journal, now: int, said: str | None) -> None:
    clock, signer = {"now": NOW}, KeySigner()
    account = account_of(moving(), journal, now=lambda: clock["now"], signer=signer)
    tx = journalled(account)
    clock["now"], signer.asked = now, 0
    found = await attempt(account, tx)
    assert (found is None) if said is None else (found is not None and found.startswith(said)), found
    assert signer.asked == (said is None), "nobody is asked for what has ended"


async def test_fees_above_the_ceiling_halts_and_locked_keys_leave_it_as_it_is(journal: Journal) -> None:
    chain = moving()
    account = account_of(chain, journal)
    tx = journalled(account)
    chain.base_fee_wei = 11 * GWEI
    assert "FEE_ABOVE_CEILING" in (await attempt(account, tx) or "")
    chain.base_fee_wei = GWEI
    assert "HALTED: stop" in (await attempt(replace(account, halted=lambda: "stop"), tx) or "")

    class Locked(KeySigner):
        def sign(self, _: ApprovedTx) -> SignedTx:
            raise ConfigError("no passphrase here")

    assert "no passphrase here" in (await attempt(replace(account, signer=Locked()), tx) or "")
    notes = stored(account, tx.signed.hash).notes
    await replaced(replace(account, signer=Locked()), (stored(account, tx.signed.hash),))
    assert stored(account, tx.signed.hash).notes == notes, "the same is said once"
    assert not chain.sent


async def test_what_would_do_something_else_now_is_not_replaced(journal: Journal) -> None:
    chain = moving()
    account = account_of(chain, journal)
    tx = journalled(account)
    shares = (SHARES.address.lower(), OWNER.lower())
    effect = chain.effect

    def less(fork: ChainDouble, fields: dict[str, Any]) -> list[dict[str, Any]] | None:
        logs = effect(fork, fields)
        fork.tokens[shares] //= 2
        return logs

    chain.effect = less
    assert "DELTA_NOT_PLANNED" in (await attempt(account, tx) or "")
    assert not chain.sent


async def test_what_would_revert_now_is_not_replaced(journal: Journal) -> None:
    chain = moving()
    account = account_of(chain, journal)
    tx = journalled(account)
    chain.effect = lambda fork, fields: None
    assert (await attempt(account, tx) or "").startswith("not replaced: WOULD_REVERT")
    assert not chain.sent


async def test_a_row_that_somebody_wrote_into_the_journal_is_signed_for_nobody(journal: Journal) -> None:
    """The row's hashes hold, the call would do what the row foresees: but our key never signed it."""
    signer = KeySigner()
    account = account_of(moving(), journal, signer=signer)
    ours = journalled(account).signed
    read = fields(unsigned_of(ours, ours.max_fee_wei, ours.priority_fee_wei))
    raw = bytes(Keys.from_key("22" * 32).sign_transaction(read).raw_transaction)
    forged = replace(ours, raw=raw, hash="0x" + keccak(raw).hex())
    journal.append(forged)
    signer.asked = 0
    found = await attempt(account, stored(account, forged.hash))
    assert found is not None and found.startswith("not replaced: WRONG_KEY")
    other = replace(ours, hash="0x" + "ab" * 32)
    journal.append(other)
    found = await attempt(account, stored(account, other.hash))
    assert found is not None and found.startswith("not replaced: WRONG_KEY") and signer.asked == 0
