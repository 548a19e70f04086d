"""What may be sold: what our claims brought and no swap of ours gave away, by the journal."""

from __future__ import annotations

from pathlib import Path

from yieldbot.journal.journal_entries import JournalEntry, TxSettled, TxSigned
from yieldbot.journal.store import Journal
from yieldbot.journal.unsold_rewards import unsold
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.ids import Address, MarketId, evm_chain
from yieldbot.model.tx import Confirmed, Delta, Outcome, Reverted

CHAIN = evm_chain(8453)
OWNER, OTHER = Address("0x" + "11" * 20), Address("0x" + "22" * 20)
USDC = Token(CHAIN, Address("0x" + "33" * 20), "USDC", 6)
RWD = Token(CHAIN, Address("0x" + "44" * 20), "RWD", 18)
BLOCK = BlockRef(CHAIN, 7, "0x07", 1_700_000_000)
CLAIM, SWAP = MarketId("claim/aave_v3/8453/0x1/0x44"), MarketId("swap/8453/0x44/0x33")


def done(
    number: int, market_id: str, *deltas: Delta, owner: Address = OWNER, failed: bool = False
) -> list[JournalEntry]:
    """A transaction of a leg, signed and settled."""
    name = f"0x{number:02x}"
    signed = TxSigned(
        chain=CHAIN,
        owner=owner,
        plan_id="p1",
        leg=0,
        market_id=MarketId(market_id),
        hash=name,
        raw=b"\x02",
        nonce=number,
        gas=90_000,
        max_fee_wei=10**9,
        priority_fee_wei=1,
        words="it",
        expires_at=1_700_003_600,
        simulated_at=BLOCK,
        predicted=deltas,
    )
    outcome: Outcome = Confirmed(name, BLOCK, 80_000, 10**9, deltas)
    if failed:
        outcome = Reverted(name, BLOCK, 80_000, "no")
    return [signed, TxSettled(CHAIN, owner, outcome)]


def left(path: Path, *events: list[JournalEntry]) -> dict[Token, int]:
    with Journal.open(path / "journal.sqlite") as journal:
        journal.append(*(event for some in events for event in some))
        return unsold(journal.history(), CHAIN, OWNER)


def test_claims_less_swaps(tmp_path: Path) -> None:
    claimed = done(1, CLAIM, Delta(USDC, 0), Delta(RWD, 500))
    again = done(2, CLAIM, Delta(USDC, 0), Delta(RWD, 70))
    sold = done(3, SWAP, Delta(RWD, -200), Delta(USDC, 9))
    assert left(tmp_path, claimed, again, sold) == {RWD: 370}


def test_what_no_claim_brought_is_not_ours_to_sell(tmp_path: Path) -> None:
    withdrawn = done(1, "aave_v3/8453/0x1", Delta(RWD, 900))
    failed = done(2, CLAIM, Delta(USDC, 0), Delta(RWD, 500), failed=True)
    strangers = done(3, CLAIM, Delta(RWD, 500), owner=OTHER)
    bought = done(4, SWAP, Delta(USDC, -9), Delta(RWD, 300))
    assert left(tmp_path, withdrawn, failed, strangers, bought) == {}


def test_more_sold_than_claimed_leaves_nothing_and_owes_nothing(tmp_path: Path) -> None:
    claimed, sold = done(1, CLAIM, Delta(RWD, 5)), done(2, SWAP, Delta(RWD, -9), Delta(USDC, 1))
    assert left(tmp_path, claimed, sold, done(3, CLAIM, Delta(RWD, 4))) == {RWD: 4}


def test_an_open_transaction_counts_for_nothing_yet(tmp_path: Path) -> None:
    assert left(tmp_path, done(1, CLAIM, Delta(RWD, 5))[:1]) == {}
