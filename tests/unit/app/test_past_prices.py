"""Prices at the blocks of our own transactions are read once, and belong to one transaction and one feed."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from tests.kit.market_builder import BLOCK, CHAIN, USDC
from tests.kit.risk.protections import JOB
from tests.unit.books.samples import entry
from yieldbot.app.memory import FOLDER
from yieldbot.app.past_prices import FILE, SETTLED_SECONDS, PastPrices
from yieldbot.books.chain_record import ChainRecord
from yieldbot.books.entries import Entry, EntryKind
from yieldbot.books.ledger import PriceQuote
from yieldbot.chains.evm.account_history import quotes_at
from yieldbot.model.ids import Address

FEED = Address("0x00000000000000000000000000000000000000F1")
SETTINGS = replace(JOB.chain, feeds={USDC.address: FEED}, native_feed=FEED)
QUOTE = PriceQuote(Fraction("0.9998"), "feed at block 7")
OLD = replace(
    entry(EntryKind.DEPOSIT, 0, (USDC, -5), hash="0xaa"), at=BLOCK.timestamp - SETTLED_SECONDS, height=7, native=None
)
KEY = (CHAIN, 7, USDC.address)


def record(*entries: Entry) -> ChainRecord:
    quotes = {(CHAIN, one.height, USDC.address): QUOTE for one in entries}
    return ChainRecord(account=OLD.account, block=BLOCK, since=0, entries=entries, quotes=quotes, checks=())


def test_what_was_kept_is_known_again_for_that_transaction_and_feed(tmp_path: Path) -> None:
    young = replace(OLD, hash="0xbb", at=OLD.at + 1, height=8)
    PastPrices(tmp_path).keep(SETTINGS, record(OLD, young, replace(OLD, hash="")))
    found = PastPrices(tmp_path)
    assert found.of(SETTINGS, [OLD, young]) == {KEY: QUOTE}, "the young one's block may be replaced yet"
    assert found.of(SETTINGS, [replace(OLD, hash="0xcc")]) == {}
    other = replace(SETTINGS, feeds={USDC.address: Address("0x00000000000000000000000000000000000000F2")})
    assert found.of(other, [OLD]) == {} == found.of(replace(SETTINGS, feeds={}), [OLD])
    size = (tmp_path / FOLDER / FILE).stat().st_size
    found.keep(SETTINGS, record(OLD))
    assert (tmp_path / FOLDER / FILE).stat().st_size == size, "nothing is written twice"


def test_a_line_that_was_cut_off_costs_only_itself(tmp_path: Path) -> None:
    PastPrices(tmp_path).keep(SETTINGS, record(OLD))
    file = tmp_path / FOLDER / FILE
    file.write_bytes(file.read_bytes() + b'["eip155:1", "0xdd", "0x')
    more = replace(OLD, hash="0xee", height=9)
    PastPrices(tmp_path).keep(SETTINGS, record(OLD, more))
    assert len(PastPrices(tmp_path).of(SETTINGS, [OLD, more])) == 2
    file.unlink()
    file.mkdir()
    PastPrices(tmp_path).keep(SETTINGS, record(OLD))  # no disk takes it: read again the next time


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"4999/5000", b"-7"), (b"4999/5000", b"1/0"), (b"4999/5000", b"5"), (b"feed", b"\xff\xfe"), (b"[", b"[[")],
)
def test_a_line_that_was_edited_or_damaged_is_read_from_the_chain_again(tmp_path: Path, old: bytes, new: bytes) -> None:
    PastPrices(tmp_path).keep(SETTINGS, record(OLD))
    file = tmp_path / FOLDER / FILE
    assert old in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(old, new, 1))
    assert PastPrices(tmp_path).of(SETTINGS, [OLD]) == {}


async def test_a_known_price_is_not_asked_for() -> None:
    notes: list[str] = []
    known = {KEY: QUOTE}
    found = await quotes_at(None, SETTINGS, [OLD], (), notes, pytest.fail, known)  # type: ignore[arg-type]
    assert found == known and not notes
