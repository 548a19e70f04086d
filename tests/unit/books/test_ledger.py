"""What is posted for each kind of entry, and what the books keep whatever happens."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.books.ledger import RAW, USD, stories
from tests.kit.draws import draws
from tests.unit.books.samples import AAVE, ACCOUNT, ETH, SHARES, USDC, WETH, entry, quotes
from yieldbot.books.entries import Entry, EntryKind
from yieldbot.books.ledger import LedgerRow, RowKind, post, totals
from yieldbot.books.lots import Lot, cost, put, take, total


def rows(*entries: Entry, prices: object = USD) -> list[tuple[str, str, int | None]]:
    return [(row.what.value, row.token.symbol, row.raw) for row in post(entries, prices).rows]  # type: ignore[arg-type]


def only(found: list[LedgerRow], what: RowKind) -> LedgerRow:
    (row,) = [row for row in found if row.what is what]
    return row


def test_interest_is_what_comes_beyond_the_principal() -> None:
    books = post(
        [
            entry(EntryKind.IN, 0, (USDC, 1000)),
            entry(EntryKind.DEPOSIT, 1, (USDC, -1000), (SHARES, 1000)),
            entry(EntryKind.WITHDRAW, 31, (USDC, 600), (SHARES, -600)),
            entry(EntryKind.WITHDRAW, 61, (USDC, 411), (SHARES, -411), all=True),
        ],
        quotes({USDC: {0: "1", 1: "0.99", 31: "1.01", 61: "0.98"}}),
    )
    kinds = [(row.what, row.raw) for row in books.rows if row.what is not RowKind.SHARES]
    assert kinds == [
        (RowKind.IN, 1000),
        (RowKind.DEPOSIT, -1000),
        (RowKind.WITHDRAW, 600),
        (RowKind.WITHDRAW, 400),
        (RowKind.INTEREST, 11),
    ]
    interest = only(books.rows, RowKind.INTEREST)
    assert interest.value == interest.cost == Fraction("0.98") * 11 / 10**6
    assert books.wallet[ACCOUNT, USDC] == total(books.lots[ACCOUNT, USDC]) == 1011
    assert books.principal[ACCOUNT, AAVE, USDC] == 0 and books.wallet[ACCOUNT, SHARES] == -11  # it grew by itself


def test_what_an_exit_leaves_behind_is_a_loss() -> None:
    exit_ = entry(EntryKind.WITHDRAW, 2, (USDC, 99), (SHARES, -100), all=True)
    books = post(
        [entry(EntryKind.IN, 0, (USDC, 100)), entry(EntryKind.DEPOSIT, 1, (USDC, -100), (SHARES, 100)), exit_], USD
    )
    loss = only(books.rows, RowKind.LOSS)
    assert (loss.raw, loss.gain, loss.value) == (-1, Fraction(-1, 10**6), 0)
    assert total(books.lots[ACCOUNT, USDC]) == books.wallet[ACCOUNT, USDC] == 99
    partial = post(
        [entry(EntryKind.IN, 0, (USDC, 100)), entry(EntryKind.DEPOSIT, 1, (USDC, -100)), replace(exit_, all=False)], USD
    )
    assert RowKind.LOSS not in {row.what for row in partial.rows}


def test_a_swap_disposes_of_what_is_given_for_what_is_received() -> None:
    swap = entry(EntryKind.SWAP, 1, (USDC, -3_000_000), (WETH, 10**15))
    bought = entry(EntryKind.IN, 0, (USDC, 3_000_000))
    books = post([bought, swap], quotes({USDC: {0: "0.9", 1: "1"}, WETH: {1: "2900"}}))
    given, got = books.rows[1:]
    assert (given.value, given.cost, given.gain) == (Fraction("-2.9"), Fraction("2.7"), Fraction("0.2"))
    assert (got.value, got.cost) == (Fraction("2.9"), Fraction("2.9"))
    unpriced = post([bought, swap], quotes({USDC: {0: "0.9", 1: "1"}}))
    assert unpriced.rows[1].gain == Fraction("0.3") and unpriced.rows[2].cost == 3, (
        "then what was given tells the worth"
    )


def test_totals_are_of_what_is_known() -> None:
    story = [
        entry(EntryKind.IN, 0, (USDC, 9_000_000)),
        entry(EntryKind.SWAP, 1, (USDC, -3_000_000), (WETH, 10**15), fee_raw=10**15),
        entry(EntryKind.CLAIM, 2, (WETH, 10**18)),
        entry(EntryKind.SWAP, 3, (WETH, -(10**15)), (USDC, 4_000_000)),
    ]
    prices = {USDC: "1", WETH: {1: "3000", 2: "2500", 3: "4000"}, ETH: "3000"}
    found = totals(post(story, quotes(prices)).rows)
    assert (found.income, found.gains, found.fees) == (2500, 1, 3)
    assert found.unknown == 1, "what the fee's ETH had cost"
    assert totals(post(story, quotes({})).rows).unknown == 5 and totals([]).income == 0


def test_without_a_price_nothing_is_guessed() -> None:
    swap = entry(EntryKind.SWAP, 1, (USDC, -5), (WETH, 5))
    for row in post([entry(EntryKind.IN, 0, (USDC, 5)), swap, entry(EntryKind.OUT, 2, (WETH, -5))], quotes({})).rows:
        assert (row.quote, row.value, row.cost, row.gain) == (None, None, None, None)


def test_fees_and_rent_are_the_native_tokens() -> None:
    reverted = entry(EntryKind.REVERTED, 1, fee_raw=10**15, market_id=AAVE)
    first = entry(EntryKind.IN, 0, (ETH, 10**18))
    books = post(
        [first, reverted, entry(EntryKind.GAS, 2, fee_raw=7, rent_raw=5), entry(EntryKind.REVERTED, 3, fee_raw=None)],
        USD,
    )
    assert [(row.what, row.raw) for row in books.rows[1:]] == [
        (RowKind.FEE, -(10**15)),
        (RowKind.FEE, -7),
        (RowKind.RENT, -5),
        (RowKind.FEE, None),
    ]
    assert books.rows[1].value == -3 and books.rows[1].gain == 0
    assert books.wallet[ACCOUNT, ETH] == 10**18 - 10**15 - 12
    assert total(books.lots[ACCOUNT, ETH]) == 10**18 - 10**15 - 7, "rent is still ours"


def test_what_leaves_to_outside_takes_its_cost_along() -> None:
    entries = [
        entry(EntryKind.IN, 0, (USDC, 10)),
        entry(EntryKind.IN, 1, (USDC, 10)),
        entry(EntryKind.OUT, 2, (USDC, -15)),
    ]
    out = post(entries, quotes({USDC: {0: "1", 1: "2", 2: "9"}})).rows[-1]
    assert out.gain is None and out.cost == Fraction(10 + 5 * 2, 10**6)


def test_what_a_market_held_before_is_no_interest() -> None:
    opening = entry(EntryKind.OPENING, 0, (USDC, 900), market_id=AAVE, asset=USDC)
    exit_ = entry(EntryKind.WITHDRAW, 5, (USDC, 1010), (SHARES, -1010), all=True)
    found = rows(opening, entry(EntryKind.OPENING, 0, (USDC, 100)), entry(EntryKind.DEPOSIT, 1, (USDC, -100)), exit_)
    assert ("interest", "USDC", 10) in found and ("withdraw", "USDC", 1000) in found
    known = rows(
        entry(EntryKind.IN, 0, (USDC, 900)),
        entry(EntryKind.DEPOSIT, 0, (USDC, -900)),
        replace(opening, at=opening.at + 1),
    )
    assert not any(what == "opening" for what, _, _ in known), "how it came there is known: nothing twice"


PRICES = st.none() | st.fractions(Fraction(1, 100), Fraction(10_000), max_denominator=10**8)


@settings(max_examples=draws(50, 150))
@given(st.lists(st.tuples(RAW, PRICES), max_size=8), RAW)
def test_lots_leave_first_in_first_out_and_nothing_is_lost(bought: list[tuple[int, Fraction | None]], raw: int) -> None:
    lots: tuple[Lot, ...] = ()
    for day, (units, price) in enumerate(bought):
        lots = put(lots, Lot(units, None if price is None else price * units, day))
    taken, left, missing = take(lots, raw)
    assert total(taken) + missing == raw and total(taken) + total(left) == total(lots)
    assert not missing or not left
    assert [lot.at for lot in (*taken, *left)] == sorted(lot.at for lot in (*taken, *left))
    assert not taken or not left or taken[-1].at <= left[0].at
    if all(price is not None for _, price in bought):
        whole, parts = cost(lots), (cost(taken), cost(left))
        assert None not in parts and whole == sum(part for part in parts if part is not None), "to the last digit"
    for lot in (*taken, *left):
        price = bought[lot.at][1]
        assert lot.cost == (None if price is None else price * lot.raw), "each unit keeps its price"


@settings(max_examples=draws(40, 120))
@given(stories(), st.booleans())
def test_quantities_and_costs_are_conserved(told: list[Entry], priced: bool) -> None:
    books = post(told, USD if priced else quotes({}))
    for token in (USDC, WETH, ETH):
        pool = (ACCOUNT, token)
        moved = sum(e.change(token) - (e.fee_raw or 0) * (token == ETH) for e in told)
        assert books.wallet.get(pool, 0) == moved, "the wallet holds what the entries moved"
        inside = sum(raw for (_, _, its), raw in books.principal.items() if its == token)
        assert total(books.lots.get(pool, ())) == moved + inside, "and each unit that is ours has its cost"
        if priced:
            came = sum(r.cost for r in books.rows if r.token == token and (r.raw or 0) > 0 and r.cost is not None)
            left = sum(r.cost for r in books.rows if r.token == token and (r.raw or 0) < 0 and r.cost is not None)
            assert came - left == cost(books.lots.get(pool, ())), "what came cost what is left and what went"
    if priced:  # at prices that never move nothing is gained but by swaps, and nothing lost but what exits leave
        assert all(
            row.gain == 0 for row in books.rows if row.what in (RowKind.FEE, RowKind.OTHER) and row.gain is not None
        )


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError):
        put((), Lot(0, None, 0))
    with pytest.raises(ValueError):
        take((), -1)
    with pytest.raises(ValueError):
        Lot(5, None, 0).split(5)
