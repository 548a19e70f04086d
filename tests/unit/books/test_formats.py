"""The exports as the programs read them that they are for."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from beancount import loader
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.kit.books.ledger import USD, stories
from tests.unit.books.samples import AAVE, ACCOUNT, BORN, CHAIN, DAY, ETH, OWNER, SHARES, USDC, WETH, entry, quotes
from yieldbot.books import tables
from yieldbot.books.beancount import to_beancount
from yieldbot.books.entries import Entry, EntryKind
from yieldbot.books.export_text import DisplayNames, decimal
from yieldbot.books.ledger import Ledger, post
from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address, evm_chain

NAMES = DisplayNames({CHAIN: "local"}, {ACCOUNT: "main"}, {AAVE: "Aave v3"})
CLAIM = entry(EntryKind.CLAIM, 3, (WETH, 5 * 10**17), description="claim 0.5 WETH")
SWAP = entry(EntryKind.SWAP, 2, (USDC, -3_000_000), (WETH, 10**15), description="swap 3 USDC for WETH", fee_raw=7)
STORY = [entry(EntryKind.IN, 0, (USDC, 10_000_000)), entry(EntryKind.IN, 0, (ETH, 10**18)), SWAP, CLAIM]


def loaded(text: str) -> Any:
    entries, errors, _ = loader.load_string(text)
    assert errors == [], (errors, text)
    return entries


def closing(books: Ledger) -> dict[Any, tuple[int, int]]:
    return {pool: (raw, BORN + 999 * DAY) for pool, raw in books.wallet.items()}


def cells(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_a_csv_line_says_what_a_swap_and_a_claim_did() -> None:
    books = post(STORY, USD)
    text = "".join(tables.to_csv(books.rows, NAMES))
    given_, got, fee, claim = cells(text)[2:]
    assert (given_["kind"], given_["amount"], given_["value_usd"], given_["gain_usd"]) == ("swap", "-3", "-3", "0")
    assert (got["amount"], got["cost_usd"], got["income_usd"]) == ("0.001", "3", "")
    assert (fee["kind"], fee["amount"], fee["token_address"]) == ("fee", "-0.000000000000000007", ETH.address)
    assert (claim["value_usd"], claim["income_usd"], claim["time"]) == ("1500", "1500", "2023-11-17T22:13:20Z")
    assert text.count("\r\n") == text.count("\n") == 7 and text == "".join(tables.to_csv(post(STORY, USD).rows, NAMES))


HOSTILE = ('=HYPERLINK("http://x")', "+1", "-2+3", "@SUM(A1)", "\t=1", '=1\r\n"quoted", line', "  =1")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_spreadsheet_takes_a_name_for_a_formula(text: str) -> None:
    token = Token(CHAIN, Address("0x" + "0f" * 20), text, 6)
    rows = post([entry(EntryKind.IN, 0, (token, -5), description=text)], quotes({})).rows
    (line,) = cells("".join(tables.to_csv(rows, DisplayNames({CHAIN: text}, {ACCOUNT: text}, {}))))
    for column in ("chain", "wallet", "token", "description"):
        assert line[column].startswith("'") and "\n" not in line[column]
    assert line["amount"] == "-0.000005", "a number stays one"
    (event,) = cells("".join(tables.to_rotki(rows, NAMES)))
    assert event["Description"].startswith("other: ") and event["Type"] == "Withdrawal"


def test_rotki_takes_swaps_in_another_file_and_knows_tokens_by_caip_19() -> None:
    rows = post(STORY, USD).rows
    text, left_out = "".join(tables.to_rotki(rows, NAMES)), sum(map(tables.is_trade, rows))
    assert (
        left_out == 1 and text.splitlines()[0] == "Type,Location,Currency,Amount,Fee,Fee Currency,Description,Timestamp"
    )
    assert [(e["Type"], e["Amount"]) for e in cells(text)] == [
        ("Deposit", "10"),
        ("Deposit", "1"),
        ("Spend", "0.000000000000000007"),
        ("Income", "0.5"),
    ]
    assert cells(text)[3]["Currency"] == f"eip155:31337/erc20:{WETH.address}" and cells(text)[2]["Currency"] == "ETH"
    (trade,) = cells("".join(tables.to_rotki_trades(rows, NAMES)))
    assert (trade["Spend Amount"], trade["Receive Amount"]) == ("3", "0.001")
    assert trade["Timestamp"] == str((BORN + 2 * DAY) * 1000)


def test_beancount_reads_it_and_its_balances_hold() -> None:
    deposit = entry(
        EntryKind.DEPOSIT, 4, (USDC, -7_000_000), (SHARES, 7_000_000), description='put "7" in \\ Aave', fee_raw=5
    )
    exit_ = entry(EntryKind.WITHDRAW, 9, (USDC, 6_999_999), (SHARES, -7_000_000), all=True, rent_raw=3)
    lost = entry(EntryKind.REVERTED, 10, fee_raw=None, description="a revert of an old row")
    books = post([*STORY, deposit, exit_, lost], USD)
    entries = loaded(to_beancount(books.rows, NAMES, closing=closing(books)))
    kinds = [type(one).__name__ for one in entries]
    assert kinds.count("Transaction") == 6 and kinds.count("Balance") == 4 and kinds.count("Note") == 1
    posted = {p.account: p.units for one in entries if type(one).__name__ == "Transaction" for p in one.postings}
    assert posted["Expenses:Losses"].number == Decimal("0.000001")
    assert any(one.narration == 'put "7" in \\ Aave' for one in entries if type(one).__name__ == "Transaction")


def test_tokens_of_one_symbol_and_symbols_that_are_no_names_keep_apart() -> None:
    other = evm_chain(10)
    odd = [
        Token(CHAIN, Address(f"0x{i:040x}"), symbol, 6)
        for i, symbol in enumerate(("USD", "", "1INCH", "a.", "é", "USDC"))
    ]
    far = Token(other, USDC.address, "USDC", 6)
    told = [entry(EntryKind.IN, 0, (token, 5_000_000)) for token in (USDC, *odd)]
    told.append(entry(EntryKind.IN, 0, (far, 7_000_000), account=(other, OWNER)))
    books = post(told, USD)
    assert len(loaded(to_beancount(books.rows, NAMES, closing=closing(books)))) > 3 * len(told)


symbols = st.text(max_size=20) | st.text("ABTRUEFLSN019'._-/ ;\"#!*&?%$\u00c9", max_size=8)


@settings(max_examples=40, deadline=None)
@given(st.lists(symbols, min_size=1, max_size=12))
@example(["TRUE", "FALSE", "NULL", "true", "TRUE.", "T", "P", "USD", "TRUE-TOKEN", "open", "*", "!", "2024-01-01"])
def test_whatever_a_token_is_called_beancount_counts_it(called: list[str]) -> None:
    """TRUE, FALSE and NULL were read as values: the whole file was refused."""
    tokens = [Token(CHAIN, Address(f"0x{i:040x}"), symbol, 6) for i, symbol in enumerate(called)]
    books = post([entry(EntryKind.IN, 0, (token, 5_000_000), description=token.symbol) for token in tokens], USD)
    names = DisplayNames({CHAIN: called[0]}, {ACCOUNT: called[-1]}, {AAVE: called[0]})
    entries = loaded(to_beancount(books.rows, names, closing=closing(books)))
    assert sum(type(one).__name__ == "Balance" for one in entries) == len(tokens)
    assert len({one.currency for one in entries if type(one).__name__ == "Commodity"}) == len(tokens)


def test_what_was_before_the_first_day_is_a_balance() -> None:
    rows = post([*STORY, entry(EntryKind.OUT, 9, (USDC, -1_000_000))], USD).rows
    text = to_beancount(rows[-1:], NAMES, rows[:-1])
    whole = [p for one in loaded(text) if type(one).__name__ == "Transaction" for p in one.postings]
    assert sum(p.units.number for p in whole if p.units.currency == "USDC" and "Wallet" in p.account) == 6
    assert to_beancount((), NAMES).startswith('option "title"') and loaded(to_beancount((), NAMES)) == []


@settings(max_examples=25)
@given(stories(), st.booleans())
def test_whatever_happened_beancount_agrees_with_the_books(told: list[Entry], priced: bool) -> None:
    books = post(told, USD if priced else quotes({}))
    loaded(to_beancount(books.rows, NAMES, closing=closing(books)))
    assert len(cells("".join(tables.to_csv(books.rows, NAMES)))) == len(books.rows)


@settings(max_examples=60)
@given(st.fractions(-(10**12), 10**12))
def test_money_is_rounded_at_its_tenth_decimal(value: Fraction) -> None:
    assert abs(Fraction(decimal(value)) - value) <= Fraction(1, 2 * 10**10)
    assert decimal(Fraction(-1, 10**12)) == "0" and decimal(None) == ""


TRADES = st.lists(st.tuples(st.booleans(), st.integers(1, 50), st.integers(1, 9)), min_size=1, max_size=10)


@settings(max_examples=40)
@given(TRADES)
def test_gains_are_those_of_beancounts_own_first_in_first_out(drawn: list[tuple[bool, int, int]]) -> None:
    """The same purchases and sales booked by Beancount, which picks the lots and works the gains out by itself."""
    held, story, lines, prices = 0, list[Entry](), list[str](), dict[int, str]()
    for day, (buys, units, price) in enumerate(drawn, 1):
        units = units if buys else min(units, held)
        if not units:
            continue
        held += units if buys else -units
        raw, prices[day] = units * 10**6, str(price)
        story.append(entry(EntryKind.IN if buys else EntryKind.OTHER, day, (USDC, raw if buys else -raw)))
        date = f"{2000 + day}-01-01"
        cash = -units * price if buys else units * price
        cost = f"{{{price} USD}}" if buys else f"{{}} @ {price} USD"
        lines.append(
            f'{date} * "trade"\n  Assets:Lots  {units if buys else -units} USDC {cost}\n  Assets:Cash  {cash} USD'
        )
        lines[-1] += "" if buys else "\n  Income:Gains"
    accounts = [
        '1999-01-01 open Assets:Lots USDC "FIFO"',
        *(f"1999-01-01 open {a}" for a in ("Assets:Cash", "Income:Gains")),
    ]
    told = [one for one in loaded("\n".join([*accounts, *lines]) + "\n") if type(one).__name__ == "Transaction"]
    theirs = [-sum(p.units.number for p in one.postings if p.account == "Income:Gains") for one in told]
    sold = [one.gain for one in post(story, quotes({USDC: prices})).rows]
    assert [Fraction(gain) for gain in theirs] == [gain or 0 for gain in sold]
