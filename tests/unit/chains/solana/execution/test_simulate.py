"""The bytes just before they are signed: what the fork and the nodes' own simulations must agree on. On labelled
doubles; with the real programs in tests/solana."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from solders.message import from_bytes_versioned
from solders.transaction import VersionedTransaction

from tests.kit.solana.effects import image
from tests.kit.solana.gate import CHAIN, LIMITS, NATIVE, OWNER, SOL, STRANGER, USDC, held, wallet
from tests.kit.solana.judge import OPEN, RAW, SHARES, mine, tx_of
from tests.kit.solana.rehearse import SLOT, WORK, Effect, ran
from tests.kit.solana.rehearse import journal as journal
from tests.kit.solana.wayout import account_of
from tests.kit.solana_fork_double import ClusterDouble, Images, SvmForkDouble
from yieldbot.chains.solana.execution import simulate
from yieldbot.chains.solana.execution.account import SYSTEM, Account, LegWork
from yieldbot.chains.solana.execution.simulate import (
    OPENED_LAMPORTS,
    simulate_tx,
    watched_of,
    with_least,
)
from yieldbot.chains.solana.node.answers import Simulated
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined
from yieldbot.model.solana_tx import SvmSimulated
from yieldbot.model.tx import Delta

TX = tx_of(WORK.calls[0])
NOW: Images = {OWNER: wallet(10**9), **OPEN, mine(USDC): held(OWNER, 9_000, 1, USDC.address)}
THEN: Images = NOW | {
    OWNER: wallet(10**9 - 5_000),
    mine(USDC): held(OWNER, 4_000, 1, USDC.address),
    mine(SHARES): held(OWNER, 4_900, 1, SHARES.address),
}


def says(then: Images = THEN, error: Any = None) -> Callable[[Sequence[Address]], Simulated]:
    return lambda addresses: Simulated(91, error, (), 1_000, tuple(then.get(address) for address in addresses))


async def looked_at(
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
    nodes: ClusterDouble,
    work: LegWork = WORK,
    effect: Effect | None = None,
    **changes: Any,
) -> tuple[SvmSimulated | Declined, SvmForkDouble]:
    def becomes(fork: SvmForkDouble, data: list[bytes]) -> None:
        fork.held |= THEN

    fork = SvmForkDouble(held=dict(NOW), effect=effect or becomes, units=1_234)
    monkeypatch.setattr(simulate, "Fork", lambda node: fork)
    return await simulate_tx(account_of(journal, nodes, **changes), TX, work, SLOT), fork


async def test_bytes_that_fork_and_nodes_agree_on_are_told_with_what_they_do(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = ClusterDouble(says=[says()])
    found, fork = await looked_at(journal, monkeypatch, nodes)
    deltas = (Delta(USDC, -RAW), Delta(SHARES, 4_900), Delta(NATIVE, -5_000))
    assert found == SvmSimulated(TX, SLOT, 1_234, deltas)
    assert fork.cloned == [OWNER, mine(USDC), mine(SHARES)] and bytes(fork.sent[0]) == bytes(
        from_bytes_versioned(TX.message)
    )
    ((raw, asked),) = nodes.asked
    assert bytes(VersionedTransaction.from_bytes(raw).message) == bytes(from_bytes_versioned(TX.message))
    assert set(asked) == {OWNER, mine(USDC), mine(SHARES)}, "ours, and nobody else's"


async def test_as_many_nodes_as_a_quorum_must_agree(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    other = says(THEN | {mine(USDC): held(OWNER, 100, 1, USDC.address)})
    for quorum, answers, agrees in (
        (1, [says(), other], True),
        (2, [says(), other], False),
        (2, [says(), other, says()], True),
        (1, [other], False),
        (1, [], False),
    ):
        found, _ = await looked_at(journal, monkeypatch, ClusterDouble(quorum=quorum, says=answers))
        assert isinstance(found, SvmSimulated) is agrees, (quorum, len(answers))
    found, _ = await looked_at(journal, monkeypatch, ClusterDouble(says=[other, says(error="Blockhash")]))
    assert isinstance(found, Declined) and found.code == "SIMULATION_DIFFERS"
    assert found.reason == (
        f"{TX.description}: the fork and the nodes do not agree (node0: our balance of {USDC.address} would be "
        "100 there, 4000 on the fork; node1: it would fail there: Blockhash)"
    )


async def differs(journal: Journal, monkeypatch: pytest.MonkeyPatch, then: Images, **changes: Any) -> bool:
    found, _ = await looked_at(journal, monkeypatch, ClusterDouble(says=[says(THEN | then)]), **changes)
    return isinstance(found, Declined)


async def test_balances_may_differ_by_the_tolerance_and_lamports_by_a_fee(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def usdc(raw: int) -> Images:
        return {mine(USDC): held(OWNER, raw, 1, USDC.address)}

    wide = {"tolerance_bps": 10.0}  # 5 of 5,000
    for raw, wrong in ((4_000, False), (4_005, False), (3_995, False), (4_006, True), (3_994, True)):
        assert await differs(journal, monkeypatch, usdc(raw), **wide) is wrong, raw
    fee = LIMITS.max_fee_lamports
    for lamports, wrong in ((0, False), (fee, False), (-fee, False), (fee + 1, True), (-fee - 1, True)):
        assert await differs(journal, monkeypatch, {OWNER: wallet(10**9 - 5_000 + lamports)}) is wrong, lamports
    assert await differs(journal, monkeypatch, {OWNER: None}), "a wallet that is gone"
    assert await differs(journal, monkeypatch, {mine(SHARES): None})


async def test_bytes_that_fail_or_harm_are_refused_before_any_node_is_asked(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = ClusterDouble(says=[says()])
    found, _ = await looked_at(journal, monkeypatch, nodes, effect=lambda fork, data: ("x", ("Error: no",)))
    assert (
        isinstance(found, Declined) and found.code == "WOULD_REVERT" and found.reason == f"{TX.description}: Error: no"
    )

    def hand_over(fork: SvmForkDouble, data: list[bytes]) -> None:
        fork.held[mine(USDC)] = held(STRANGER, 9_000, 1, USDC.address)

    found, _ = await looked_at(journal, monkeypatch, nodes, effect=hand_over)
    assert isinstance(found, Declined) and found.code == "OWNER_CHANGED" and not nodes.asked


def difference(
    account: Account, before: Images, after: Images, there: Images, least: Amount | None = None, exactly: Any = ()
) -> str | None:
    ours = list(before)
    said = Simulated(1, None, (), 1, tuple(there.get(address) for address in ours))
    return simulate._difference(account, ran(before, after), ours, said, exactly, least)


def test_what_a_swap_brings_need_only_be_its_least_on_both_sides(journal: Journal) -> None:
    account, least = account_of(journal), Amount(USDC, 100)
    was: Images = {OWNER: wallet(9), mine(USDC): held(OWNER, 50, 1, USDC.address)}

    def brought(here: int, there: int, of: Amount | None = least) -> bool:
        images = [was | {mine(USDC): held(OWNER, 50 + raw, 1, USDC.address)} for raw in (here, there)]
        return difference(account, was, images[0], images[1], of) is None

    assert brought(100, 900) and brought(900, 100) and brought(100, 100)
    assert not brought(99, 900) and not brought(900, 99) and not brought(100, 900, None)
    assert not brought(100, 900, Amount(SHARES, 100)), "of another token than the swap's"
    assert brought(90, 90)


def test_what_must_be_left_byte_for_byte(journal: Journal) -> None:
    account = account_of(journal)
    was: Images = {OWNER: wallet(9), STRANGER: image(b"old", SYSTEM)}
    now = was | {STRANGER: image(b"new", SYSTEM)}
    assert difference(account, was, now, now, exactly=(STRANGER,)) is None
    said = difference(account, was, now, was, exactly=(STRANGER,))
    assert said == f"{STRANGER} would be another there than on the fork"
    assert difference(account, was, now, was) is None


def test_sol_that_a_swap_brings_is_in_the_wallet_on_both_sides(journal: Journal) -> None:
    account, least = account_of(journal), Amount(SOL, 10**9)
    was: Images = {OWNER: wallet(5 * 10**9)}
    floor = 6 * 10**9 - LIMITS.max_fee_lamports - OPENED_LAMPORTS
    assert OPENED_LAMPORTS == 4_078_560

    def said(here: int, there: int | None, of: Amount = least) -> str | None:
        there_now = {OWNER: wallet(there) if there is not None else None}
        return difference(account, was, {OWNER: wallet(here)}, there_now, of)

    assert said(floor, floor) is None and said(7 * 10**9, floor) is None
    assert said(floor, floor - 1) == f"our SOL would be {floor - 1} lamports there, {floor} at least"
    assert said(floor - 1, floor + LIMITS.max_fee_lamports - 1) is None, "then they are compared as ever"
    assert said(floor - 1, floor + LIMITS.max_fee_lamports) is not None
    gone = said(7 * 10**9, None)
    assert gone == f"our SOL would be 0 lamports there, {7 * 10**9} on the fork"
    other = Amount(Token(CHAIN, STRANGER, "X", 9), 10**9)
    assert said(7 * 10**9, floor, other) is not None


def test_the_least_is_right_too_where_it_came() -> None:
    deltas = (Delta(USDC, 100), Delta(SHARES, -5))
    assert with_least(list(deltas), None) == deltas
    assert with_least(deltas, Amount(USDC, 100)) == (Delta(USDC, 100, least=100), Delta(SHARES, -5))
    assert with_least(deltas, Amount(USDC, 101)) == deltas == with_least(deltas, Amount(SHARES, 1))
    assert watched_of(WORK) == (USDC, SHARES)
