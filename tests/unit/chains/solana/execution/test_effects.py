"""What Solana's accounts say before and after, what must not happen to ours, waiting until it landed. No cluster."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.chain_double import open_journal, settings
from tests.kit.solana.effects import image, key
from tests.kit.solana.gate import (
    ACCOUNT,
    CHAIN,
    MINT,
    NATIVE,
    OTHER,
    OWNER,
    RAW,
    SOL,
    STRANGER,
    TOKEN_PROGRAM,
    USDC,
    account_with,
    held,
    told,
    wallet,
)
from yieldbot.chains.solana.execution.account import SYSTEM, Account
from yieldbot.chains.solana.execution.balances import TokenAccount, changes, of_ours, token_account, trespass
from yieldbot.chains.solana.execution.confirm import _why, confirm, finality
from yieldbot.chains.solana.execution.settle import settle
from yieldbot.chains.solana.execution.submit import record, submit
from yieldbot.chains.solana.node.answers import AccountImage, Landed
from yieldbot.errors import NodeRefused, PendingError, SafetyError, TransientError
from yieldbot.journal.fold import StoredTx
from yieldbot.journal.journal_entries import TxNoted
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.plan import Declined
from yieldbot.model.solana_tx import SvmApproved, SvmSigned, SvmSimulated, SvmUnsigned
from yieldbot.model.tx import Confirmed, Delta, Expired

TOKEN_2022 = Address("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")


def account_bytes(
    owner: Address = OWNER,
    amount: int = 5,
    mint: Address = MINT,
    delegate: Address | None = None,
    delegated: int = 0,
    closes: Address | None = None,
) -> bytes:
    """spl-token state.rs, field by field."""
    option = b"\x01\0\0\0" + key(delegate) if delegate else bytes(36)
    close = b"\x01\0\0\0" + key(closes) if closes else bytes(36)
    return b"".join(
        (
            key(mint),
            key(owner),
            struct.pack("<Q", amount),
            option,
            b"\x01",
            bytes(12),
            struct.pack("<Q", delegated),
            close,
        )
    )


def ours(**fields: Any) -> AccountImage:
    return image(account_bytes(**fields))


def test_a_token_account_is_read_by_its_layout() -> None:
    whole = account_bytes(STRANGER, 7, MINT, ACCOUNT, 3, OTHER)
    assert len(whole) == 165
    assert token_account(image(whole)) == TokenAccount(MINT, STRANGER, 7, ACCOUNT, 3, OTHER)
    assert token_account(image(account_bytes())) == TokenAccount(MINT, OWNER, 5, None, 0, None)
    longer = image(whole + b"\x02" + bytes(9), TOKEN_2022)
    assert token_account(longer) == token_account(image(whole))
    for none in (
        None,
        image(whole, SYSTEM),
        image(whole[:-1]),
        image(whole + b"\x01", TOKEN_2022),  # a mint's extensions
        image(b""),
    ):
        assert token_account(none) is None


def test_balances_of_ours_add_up_by_mint() -> None:
    before = {ACCOUNT: ours(amount=5), OTHER: ours(amount=7), STRANGER: ours(owner=STRANGER, amount=90), SYSTEM: None}
    after = {ACCOUNT: ours(amount=1), OTHER: ours(amount=20), STRANGER: ours(owner=STRANGER, amount=1)}
    assert of_ours(before, after, OWNER) == {MINT: (12, 21)}
    assert of_ours({ACCOUNT: ours(amount=5)}, {}, OWNER) == {MINT: (5, 0)}
    assert of_ours({ACCOUNT: None}, {ACCOUNT: ours(amount=5)}, OWNER) == {MINT: (0, 5)}
    assert of_ours({ACCOUNT: ours(owner=STRANGER)}, {ACCOUNT: ours(amount=5)}, OWNER) == {MINT: (0, 5)}


def test_changes_are_the_watched_tokens_and_last_the_wallets_own_lamports() -> None:
    before = {OWNER: wallet(1_000), ACCOUNT: ours(amount=5), OTHER: held(OWNER, 4, 40)}
    after = {OWNER: wallet(700), ACCOUNT: ours(amount=9), OTHER: held(OWNER, 4, 240)}
    found = changes(before, after, OWNER, (SOL, USDC), NATIVE, 50)
    assert found == (Delta(SOL, -300 + 200 + 50), Delta(USDC, 4), Delta(NATIVE, -300))
    assert changes({}, {OWNER: wallet(7)}, OWNER, (USDC,), NATIVE, 0) == (Delta(USDC, 0), Delta(NATIVE, 7))
    assert changes({OWNER: wallet(7)}, {}, OWNER, (), NATIVE, 0) == (Delta(NATIVE, -7),)


def harmed(before: Any, after: Any, *watched: Any) -> str | None:
    found = trespass({OWNER: wallet(9)} | before, {OWNER: wallet(9)} | after, OWNER, watched)
    return found.code if found else None


def test_a_token_that_the_leg_does_not_name_may_not_leave() -> None:
    less, same, more = ({ACCOUNT: ours(amount=raw)} for raw in (4, 5, 6))
    assert harmed(same, less) == "UNKNOWN_TOKEN_MOVED" and harmed(same, less, USDC) is None
    assert harmed(same, less, SOL) == "UNKNOWN_TOKEN_MOVED"
    assert harmed(same, same) is harmed(same, more) is None
    found = trespass(same, less, OWNER, ())
    assert found is not None and found.reason == f"1 units of {MINT}, which the plan does not name, leave"


def test_an_account_of_ours_may_not_be_handed_over_or_assigned() -> None:
    mine, his = {ACCOUNT: ours()}, {ACCOUNT: ours(owner=STRANGER)}
    assert harmed(mine, his, USDC) == "OWNER_CHANGED"
    assert harmed(his, his, USDC) is harmed(his, mine, USDC) is None
    assert harmed(mine, {ACCOUNT: None}, USDC) is None, "closed"
    assert harmed({}, {OWNER: AccountImage(9, TOKEN_PROGRAM, b"")}) == "OWNER_CHANGED"
    assert harmed({}, {OWNER: AccountImage(9, SYSTEM, b"\0")}) == "OWNER_CHANGED"
    assert harmed({}, {OWNER: None}) is None


def test_nobody_else_may_be_left_to_take_from_or_close_an_account_of_ours() -> None:
    before = {ACCOUNT: ours()}
    for name in ("delegate", "closes"):
        assert harmed(before, {ACCOUNT: ours(**{name: STRANGER})}, USDC) == "ALLOWANCE_LEFT"
        assert harmed(before, {ACCOUNT: ours(**{name: OWNER})}, USDC) is None
        assert harmed(before, {ACCOUNT: ours(owner=STRANGER, **{name: STRANGER})}) == "UNKNOWN_TOKEN_MOVED"
        assert harmed({ACCOUNT: None}, {ACCOUNT: ours(owner=STRANGER, **{name: STRANGER})}) is None
    found = trespass(before, {ACCOUNT: ours(closes=STRANGER)}, OWNER, (USDC,))
    assert isinstance(found, Declined) and f"{STRANGER} stays close authority of our token account {ACCOUNT}" in (
        found.reason
    )


# Sending and waiting.


@dataclass
class Cluster:
    """A labelled double of the cluster: where one signature stands at each poll; the last answer is repeated."""

    stands: list[Landed | None] = field(default_factory=list)
    told: dict[str, Any] | None = None
    heights: dict[str, int] = field(default_factory=lambda: {"finalized": 0})
    is_unknown: bool = True
    fails: Exception | None = None
    asked: list[tuple[str, bool]] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    on_poll: Callable[[int], None] = lambda number: None

    async def landed(self, signature: str, history: bool = False) -> Landed | None:
        self.asked.append((signature, history))
        self.on_poll(len(self.asked))
        return self.stands.pop(0) if len(self.stands) > 1 else self.stands[0] if self.stands else None

    async def height(self, commitment: str) -> int:
        return self.heights[commitment]

    async def unknown(self, signature: str) -> bool:
        assert signature == "signature"
        return self.is_unknown

    async def transaction(self, signature: str, commitment: str) -> dict[str, Any] | None:
        assert (signature, commitment) == ("signature", "finalized")
        return self.told

    async def send(self, raw: bytes) -> None:
        self.sent.append(raw)
        if self.fails is not None:
            raise self.fails


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as opened:
        yield opened


def quick(**changes: Any) -> Any:
    fields = {"chain": CHAIN, "native_symbol": "SOL", "finality": "finalized", "confirm_timeout_seconds": 60.0}
    return settings(**fields | changes)


def waiting(journal: Journal, cluster: Cluster, **changes: Any) -> tuple[Account, StoredTx]:
    return account_with(journal, cluster, **{"settings": quick(), "now": lambda: 0} | changes)  # type: ignore[arg-type]


SOON = quick(confirm_timeout_seconds=0.1)
FINAL, SEEN = Landed(55, None, "finalized"), Landed(55, None, "confirmed")


def notes(journal: Journal) -> list[str]:
    return [row.entry.note for row in journal.history() if isinstance(row.entry, TxNoted)]


async def test_only_what_is_final_is_settled(journal: Journal) -> None:
    cluster = Cluster([None, SEEN, SEEN, FINAL], told())
    account, tx = waiting(journal, cluster)
    assert isinstance(await confirm(account, tx), Confirmed) and len(cluster.asked) == 4 and not notes(journal)
    assert cluster.asked == [("signature", False)] * 4
    account, tx = waiting(journal, Cluster([SEEN], told()), settings=quick(finality="confirmed"))
    assert finality(account) == "confirmed" and finality(waiting(journal, cluster)[0]) == "finalized"
    odd = replace(account, settings=quick(finality="latest"))
    assert finality(odd) == finality(replace(account, settings=quick(finality=5))) == "finalized"


async def test_what_is_not_final_in_time_stays_open_and_says_how_far_it_is(journal: Journal) -> None:
    account, tx = waiting(journal, Cluster([SEEN]), settings=SOON)
    with pytest.raises(PendingError, match=r"signature \(deposit 5\): it landed but is only confirmed \(finalized\)"):
        await confirm(account, tx)
    account, tx = waiting(journal, Cluster(), settings=SOON)
    with pytest.raises(PendingError, match="it has not landed yet; run again to settle it"):
        await confirm(account, tx)


async def test_a_slot_that_was_taken_back_is_noted_once(journal: Journal) -> None:
    cluster = Cluster([SEEN, None, replace(SEEN, slot=57), replace(FINAL, slot=57)], told())
    account, tx = waiting(journal, cluster)
    await confirm(account, tx)
    assert notes(journal) == ["its slot 55 was taken back: the cluster went on with another fork"]
    other = Cluster([SEEN, replace(FINAL, slot=58)], told())
    account, tx = waiting(journal, other)
    await confirm(account, tx)
    assert len(notes(journal)) == 2


@pytest.mark.parametrize(("height", "unknown", "ends"), [(1, True, False), (2, True, True), (2, False, False)])
async def test_it_has_expired_when_its_blockhash_is_too_old_and_nobody_knows_it(
    journal: Journal, height: int, unknown: bool, ends: bool
) -> None:
    """Its last valid height is 1: a final block beyond it, and a quorum that finds no trace."""
    account, tx = waiting(journal, Cluster(heights={"finalized": height}, is_unknown=unknown), settings=SOON)
    if not ends:
        with pytest.raises(PendingError):
            await confirm(account, tx)
        return
    expired = Expired("signature", "it did not land before its blockhash was too old")
    assert await confirm(account, tx) == expired
    stored = journal.transaction("signature")
    assert stored is not None and stored.outcome == expired


async def test_what_the_nodes_cannot_tell_now_is_asked_again(journal: Journal) -> None:
    cluster = Cluster([FINAL], told())

    def fails_first(number: int) -> None:
        if number == 1:
            raise TransientError("no answer")

    cluster.on_poll = fails_first
    account, tx = waiting(journal, cluster)
    assert isinstance(await confirm(account, tx), Confirmed)
    cluster.on_poll = lambda number: fails_first(1)
    account, tx = waiting(journal, cluster, settings=SOON)
    with pytest.raises(PendingError, match="no answer; run again"):
        await confirm(account, tx)


@pytest.mark.parametrize(
    ("now", "halted", "again"), [(0, None, True), (1, None, False), (2, None, False), (0, "stop", False)]
)
async def test_the_same_bytes_are_sent_again_only_while_they_may_be(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, now: int, halted: str | None, again: bool
) -> None:
    """Its approval ends at second 1."""
    monkeypatch.setattr("yieldbot.chains.solana.execution.confirm.AGAIN_SECONDS", 0.02)
    cluster = Cluster()
    account, tx = waiting(journal, cluster, now=lambda: now, halted=lambda: halted, settings=SOON)
    with pytest.raises(PendingError):
        await confirm(account, tx)
    assert bool(cluster.sent) is again and set(cluster.sent) <= {RAW} and len(cluster.sent) <= 5


async def test_sending_is_counted_and_what_the_nodes_say_noted(journal: Journal) -> None:
    cluster = Cluster()
    account, tx = waiting(journal, cluster)
    await submit(account, tx)
    for failure in (NodeRefused("host", "send", "blockhash not found"), TransientError("no answer")):
        cluster.fails = failure
        await submit(account, tx)
    stored = journal.transaction("signature")
    assert stored is not None and stored.attempts == 3 and cluster.sent == [RAW] * 3
    first, second = stored.notes
    assert first.startswith("attempt 2: ") and "blockhash not found" in first
    assert second == "attempt 3: no answer"


async def test_what_was_sent_twice_is_looked_for_in_the_whole_history(journal: Journal) -> None:
    for attempts, history in ((0, False), (1, False), (2, True)):
        cluster = Cluster([SEEN, FINAL], told())
        account, tx = waiting(journal, cluster)
        await confirm(account, replace(tx, attempts=attempts))
        assert cluster.asked == [("signature", history), ("signature", False)]


@pytest.mark.parametrize(("now", "sent"), [(0, [RAW]), (1, [])])
async def test_start_up_settles_what_is_open_and_sends_it_again_where_it_may(
    journal: Journal, now: int, sent: list[bytes]
) -> None:
    cluster = Cluster([None, FINAL], told())
    account, _ = waiting(journal, cluster, now=lambda: now)
    (outcome,) = await settle(account)
    assert isinstance(outcome, Confirmed) and cluster.sent == sent
    assert cluster.asked == [("signature", True), ("signature", False)]
    assert await settle(account) == ()


async def test_start_up_sends_nothing_that_has_landed_and_nothing_while_halted(journal: Journal) -> None:
    cluster = Cluster([FINAL], told())
    account, _ = waiting(journal, cluster)
    with pytest.raises(SafetyError, match="halted"):
        await settle(replace(account, halted=lambda: "stop"))
    assert len(await settle(account)) == 1 and not cluster.sent


async def test_what_is_recorded_is_what_was_signed(journal: Journal) -> None:
    account, _ = waiting(journal, Cluster())
    tx = SvmUnsigned(CHAIN, OWNER, b"m", 77, (), b"\x0f", 6_000, "deposit 9", "p2", 3, MarketId("m/1/y"))
    made = SvmSimulated(tx, BlockRef(CHAIN, 9, "", 0), 1, (Delta(USDC, -9), Delta(NATIVE, -6_000)))
    approved = SvmApproved(made, b"d", "you", 44)
    stored = record(account, SvmSigned(approved, b"raw", "other"), "signature", units=250_000)
    found = stored.signed
    assert (found.hash, found.raw, found.owner, found.plan_id, found.leg) == ("other", b"raw", OWNER, "p2", 3)
    assert (found.nonce, found.gas, found.max_fee_wei, found.priority_fee_wei) == (0, 250_000, 0, 0)
    assert (found.words, found.expires_at, found.simulated_at) == ("deposit 9", 44, made.slot)
    assert (found.predicted, found.replaces, found.market_id) == (made.deltas, "signature", tx.market_id)
    assert found.svm is not None
    assert (found.svm.last_valid_height, found.svm.meaning, found.svm.fee_lamports) == (77, "0f", 6_000)


def test_why_it_failed_is_the_last_programs_word(journal: Journal) -> None:
    words: dict[Any, str] = {(ACCOUNT, 0x10): "the innermost"}
    account, _ = waiting(journal, Cluster(), explain=lambda program, code: words.get((program, code)))
    failed = [f"Program {at} failed: custom program error: {code}" for at, code in ((ACCOUNT, "0x10"), (OTHER, "0x2"))]
    assert _why(account, {"logMessages": failed}) == failed[1], "an outer one, which nobody explains"
    assert _why(account, {"logMessages": failed[:1]}) == "the innermost"
    assert _why(account, {"logMessages": ["Error: a", "Program x failed", "done"]}) == "Program x failed"
    assert _why(account, {"logMessages": ["Error: a", "done"]}) == "Error: a"
    assert _why(account, {"logMessages": None, "err": {"x": 1}}) == "{'x': 1}"
