"""What a position earned since it was entered."""

from __future__ import annotations

from fractions import Fraction

from tests.unit.books.samples import AAVE, ACCOUNT, BORN, DAY, ETH, SHARES, USDC, entry, quotes
from yieldbot.books.entries import Entry, EntryKind
from yieldbot.books.ledger import PriceQuote, in_unit
from yieldbot.books.pnl import Pnl, pnl
from yieldbot.model.amounts import Amount

PRICES = quotes({USDC: {1: "1", 10: "0.9", 20: "1.1"}, ETH: "2000"})


def of(*entries: Entry, held: int, now: str | None = "1.2") -> Pnl | None:
    quote = None if now is None else PriceQuote(Fraction(now), "now")
    return pnl(entries, ACCOUNT, AAVE, Amount(USDC, held), quote, PRICES)


ALLOWED = entry(EntryKind.GAS, 1, fee_raw=10**15, market_id=AAVE)
FIRST = entry(EntryKind.DEPOSIT, 1, (USDC, -1_000_000), (SHARES, 1), fee_raw=10**15)
MORE = entry(EntryKind.DEPOSIT, 10, (USDC, -1_000_000), (SHARES, 1), fee_raw=10**15)
PART = entry(EntryKind.WITHDRAW, 20, (USDC, 1_500_000), (SHARES, -1), fee_raw=10**15)


def test_first_in_first_out_tells_realised_from_unrealised() -> None:
    found = of(ALLOWED, FIRST, MORE, PART, held=600_000)
    assert found is not None and found.since == BORN + DAY
    assert (found.put_in.raw, found.taken_out.raw, found.earned.raw) == (2_000_000, 1_500_000, 100_000)
    assert found.realised == Fraction("1.65") - (1 + Fraction("0.45")), "half of the second lot has left"
    assert found.unrealised == Fraction("0.72") - Fraction("0.45")
    assert found.base == Fraction("1.65") + Fraction("0.72") - Fraction("1.9")
    assert found.gas == Amount(ETH, 4 * 10**15) and found.gas_base == 8


def test_a_position_that_was_left_begins_anew() -> None:
    exit_ = entry(EntryKind.WITHDRAW, 10, (USDC, 1_000_001), (SHARES, -1), all=True, fee_raw=10**15)
    again = entry(EntryKind.DEPOSIT, 20, (USDC, -500), (SHARES, 1), fee_raw=5)
    found = of(FIRST, exit_, again, held=501)
    assert found is not None and (found.since, found.earned.raw) == (BORN + 20 * DAY, 1)
    assert found.gas == Amount(ETH, 5)
    closed = of(FIRST, exit_, held=0)
    assert closed is not None and closed.earned.raw == 1


def test_what_is_not_known_stays_so() -> None:
    assert of(entry(EntryKind.IN, 1, (USDC, 5)), held=5) is None, "no entry tells how it began"
    unpriced = of(FIRST, held=1_000_100, now=None)
    assert unpriced is not None and (unpriced.earned.raw, unpriced.unrealised, unpriced.base) == (100, None, None)
    later = of(entry(EntryKind.DEPOSIT, 2, (USDC, -5)), held=6)
    assert later is not None and later.earned.raw == 1 and later.base is None
    lost_fee = of(FIRST, entry(EntryKind.REVERTED, 10, market_id=AAVE, fee_raw=None), held=1_000_000)
    assert lost_fee is not None and (lost_fee.gas, lost_fee.gas_base) == (None, None)


def test_what_was_there_before_counts_at_its_worth_then() -> None:
    before = entry(EntryKind.OPENING, 1, (USDC, 1_000_000), market_id=AAVE, asset=USDC)
    found = of(before, MORE, held=2_100_000)
    assert found is not None and (found.put_in.raw, found.earned.raw) == (2_000_000, 100_000)


def test_in_another_unit_each_amount_counts_at_both_prices_of_its_time() -> None:
    dollars = quotes({USDC: {1: "1", 20: "1"}, ETH: {1: "2000", 20: "2500"}})
    part = entry(EntryKind.WITHDRAW, 20, (USDC, 1_000_000), (SHARES, -1), fee_raw=10**15)
    found = pnl(
        [FIRST, part], ACCOUNT, AAVE, Amount(USDC, 100), PriceQuote(Fraction(1, 2500), "now"), in_unit(dollars, ETH)
    )
    assert found is not None and found.realised == Fraction(1, 2500) - Fraction(1, 2000)
    assert found.gas_base == Fraction(2, 1000) and found.unrealised == Fraction(100, 10**6 * 2500)
    assert pnl([FIRST], ACCOUNT, AAVE, Amount(USDC, 1), None, in_unit(quotes({USDC: "1"}), ETH)).base is None  # type: ignore
