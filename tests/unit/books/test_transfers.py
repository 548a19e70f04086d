"""Transfers that are not ours, and prices written down."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.draws import draws
from tests.unit.books.samples import AAVE, ACCOUNT, BORN, CHAIN, ETH, OWNER, SHARES, USDC, WETH, entry
from yieldbot.books.chain_record import WalletCheck, reconciled, wallet_sums
from yieldbot.books.entries import EVM_NATIVE, Entry, EntryKind
from yieldbot.books.recorded_prices import nearest, recorded_prices
from yieldbot.books.transfers import NOBODY, TransferContext, transfers_in, with_outside
from yieldbot.journal.codec import block_to_doc
from yieldbot.journal.entry_codec import RowKeys, decode
from yieldbot.journal.fold import Record
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.known import TRANSFER_TOPIC
from yieldbot.model.tx import Delta

OTHER = "0x" + "0b" * 20
COMET = "0x" + "0c" * 20
COMPOUND = MarketId("compound_v3/31337/" + COMET)
MORPHO = "0x" + "0e" * 20
BLUE = (MarketId("morpho_blue/31337/0x1"), MarketId("morpho_blue/31337/0x2"))
TAKERS = {COMET: (COMPOUND,), SHARES.address.lower(): (AAVE,), MORPHO: BLUE}
KNOWN = TransferContext({SHARES: AAVE}, TAKERS, dict.fromkeys((AAVE, COMPOUND, *BLUE), USDC), ((BLUE[1], -40),))


def topic(address: str) -> str:
    return "0x" + "00" * 12 + address[2:].lower()


def log(token: Token, sender: str, taker: str, raw: int, height: int = 7, tx_hash: str = "0xf", index: int = 0) -> Any:
    return {
        "address": token.address,
        "topics": [TRANSFER_TOPIC, topic(sender), topic(taker)],
        "data": f"0x{raw:064x}",
        "blockNumber": hex(height),
        "transactionHash": tx_hash,
        "logIndex": hex(index),
    }


def told(*logs: Any, entries: tuple[Entry, ...] = (), ours: frozenset[str] = frozenset()) -> tuple[Entry, ...]:
    found = transfers_in(logs, OWNER, [USDC, WETH, SHARES])
    times = {one.height: BORN + one.height for one in found}
    return with_outside(entries, found, ACCOUNT, KNOWN, ours, times, {"0xf": 11}, ETH)


def test_each_transaction_of_a_stranger_is_one_entry() -> None:
    (came,) = told(log(USDC, OTHER, OWNER, 5), log(USDC, OTHER, OWNER, 5))
    assert (came.kind, came.change(USDC), came.description, came.fee_raw) == (EntryKind.IN, 5, f"from {OTHER}", 11)
    (left,) = told(log(USDC, OWNER, OTHER, 5), log(WETH, OWNER, OTHER, 6, index=1))
    assert left.kind is EntryKind.OUT and (left.change(USDC), left.change(WETH)) == (-5, -6)
    (swap,) = told(log(USDC, OWNER, OTHER, 5), log(WETH, OTHER, OWNER, 6, index=1))
    assert swap.kind is EntryKind.SWAP
    assert told(log(USDC, OWNER, OWNER, 5)) == (), "to ourselves"


def test_a_deposit_by_hand_is_a_deposit() -> None:
    (into,) = told(log(USDC, OWNER, OTHER, 5), log(SHARES, NOBODY, OWNER, 5, index=1))
    assert (into.kind, into.market_id, into.asset, into.shares) == (EntryKind.DEPOSIT, AAVE, USDC, {SHARES})
    (out,) = told(log(USDC, OTHER, OWNER, 5), log(SHARES, NOBODY, OWNER, 1, index=1))
    assert out.kind is EntryKind.WITHDRAW, "a receipt that grew by more than was burnt is minted"
    (plain,) = told(log(USDC, OWNER, COMET, 5))
    assert (plain.kind, plain.market_id) == (EntryKind.DEPOSIT, COMPOUND)
    (given_,) = told(log(SHARES, OTHER, OWNER, 5))
    assert given_.kind is EntryKind.IN and not given_.shares, "receipts from another are no deposit of ours"
    (unclear,) = told(log(USDC, OWNER, MORPHO, 39))
    assert unclear.kind is EntryKind.OUT and unclear.description == f"to {MORPHO}"


def test_shares_of_a_pair_that_another_hand_minted_are_no_deposit_of_one_asset() -> None:
    pair = Token(CHAIN, Address("0x" + "0d" * 20), "pair", 18)
    known = replace(KNOWN, shares={**KNOWN.shares, pair: MarketId("uniswap_v2_lp/31337/0x")})
    legs = (log(USDC, OWNER, pair.address, 5), log(WETH, OWNER, pair.address, 6, index=1), log(pair, NOBODY, OWNER, 7))
    moves = [log_ | {"logIndex": hex(index)} for index, log_ in enumerate(legs)]
    found = transfers_in(moves, OWNER, [USDC, WETH, pair])
    (plain,) = with_outside((), found, ACCOUNT, known, frozenset(), {7: BORN}, {}, ETH)
    assert (plain.kind, plain.market_id) == (EntryKind.OTHER, None)
    assert [plain.change(token) for token in (USDC, WETH, pair)] == [-5, -6, 7]


def test_a_batch_into_several_markets_is_an_entry_for_each() -> None:
    pool = SHARES.address
    into = (
        log(USDC, OWNER, pool, 10, index=1),
        log(SHARES, NOBODY, OWNER, 10, index=2),
        log(USDC, OWNER, COMET, 20, index=3),
        log(USDC, OWNER, MORPHO, 40, index=4),
        log(USDC, OWNER, OTHER, 1, index=5),
    )
    found = told(*into)
    assert [(e.kind, e.market_id, e.change(USDC), e.fee_raw) for e in found] == [
        (EntryKind.DEPOSIT, AAVE, -10, 11),
        (EntryKind.DEPOSIT, COMPOUND, -20, 0),
        (EntryKind.DEPOSIT, BLUE[1], -40, 0),
        (EntryKind.OUT, None, -1, 0),
    ]
    moved = told(
        log(USDC, COMET, OWNER, 20), log(USDC, OWNER, pool, 20, index=1), log(SHARES, NOBODY, OWNER, 20, index=2)
    )
    assert [(e.kind, e.market_id) for e in moved] == [(EntryKind.WITHDRAW, COMPOUND), (EntryKind.DEPOSIT, AAVE)]


def test_what_others_moved_in_a_block_of_ours_is_taken_out() -> None:
    ours = entry(EntryKind.DEPOSIT, 0, (USDC, -95), (SHARES, 100), height=7, hash="0xA")
    logs = (log(USDC, OWNER, OTHER, 100, tx_hash="0xa"), log(USDC, OTHER, OWNER, 5, index=1))
    found = {e.kind: e for e in told(*logs, entries=(ours,), ours=frozenset({"0xa"}))}
    assert found[EntryKind.DEPOSIT].change(USDC) == -100 and found[EntryKind.IN].change(USDC) == 5
    by_logs = replace(ours, changes=(Delta(USDC, -100),))
    again = {e.kind: e for e in told(*logs, entries=(by_logs,), ours=frozenset({"0xa"}))}
    assert again[EntryKind.DEPOSIT].change(USDC) == -100, "it was so already"


JUNK = st.recursive(st.none() | st.text(max_size=5) | st.integers() | st.booleans(), lambda x: st.lists(x, max_size=3))


@settings(max_examples=draws(30, 80))
@given(st.lists(st.dictionaries(st.sampled_from([*log(USDC, OTHER, OWNER, 5)]), JUNK, max_size=6) | JUNK, max_size=4))
def test_events_of_any_shape_are_passed_over(junk: list[Any]) -> None:
    good = log(USDC, OTHER, OWNER, 5)
    mixed = [one if not isinstance(one, dict) else good | one for one in junk]
    found = transfers_in([*mixed, good], OWNER, [USDC])
    assert found[-1].raw == 5
    nft = good | {"topics": [*good["topics"], topic(OTHER)]}
    gone = good | {"removed": True}
    foreign = good | {"address": "0x" + "0d" * 20}
    assert transfers_in([nft, gone, foreign], OWNER, [USDC]) == ()


def test_a_difference_is_an_entry_of_its_own() -> None:
    block = BlockRef(CHAIN, 99, "0x", BORN + 99)
    mine = (entry(EntryKind.IN, 0, (USDC, 10), fee_raw=3, rent_raw=1),)
    assert wallet_sums(mine) == {USDC: 10, ETH: -4}
    checks = (WalletCheck(USDC, 10, 12), WalletCheck(ETH, -4, 50, known=False), WalletCheck(SHARES, 5, 6, grows=True))
    first, _, last = reconciled(mine, checks, ACCOUNT, block, frozenset({SHARES}))
    assert (first.kind, first.changes) == (EntryKind.OPENING, (Delta(ETH, 54),))
    assert (last.kind, last.changes, last.height) == (EntryKind.UNEXPLAINED, (Delta(USDC, 2),), 99)
    assert [check.explained for check in checks] == [False, False, True]
    assert not WalletCheck(SHARES, 6, 5, grows=True).explained, "nothing grows downwards"


def test_a_written_price_counts_near_its_time_alone() -> None:
    block = BlockRef(CHAIN, 7, "0x", BORN)
    odd: list[Any] = [{"asset": "no"}, {"asset": "0", "native": "-1"}, {"native": "inf"}, ["a"], None]
    keys, on_disk = RowKeys("observed", CHAIN, OWNER), {"block": block_to_doc(block)}
    events = [
        decode(keys, on_disk | {"facts": {"asset": USDC.address, "usd": usd}})
        for usd in ({"asset": "0.9997", "native": "3e3"}, *odd)
    ]
    found = recorded_prices(Record(seq, BORN, event) for seq, event in enumerate(events))
    assert len(found) == 2
    told_ = nearest(found, CHAIN, USDC.address, BORN - 60)
    assert told_ is not None and (told_.price, told_.source) == (Fraction("0.9997"), "written down 60 s later")
    native = nearest(found, CHAIN, Address(EVM_NATIVE), BORN)
    assert native is not None and native.price == 3000
    assert nearest(found, CHAIN, USDC.address, BORN + 3601) is None
    assert nearest(found, CHAIN, WETH.address, BORN) is None
