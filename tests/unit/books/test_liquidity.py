"""What liquidity earned since it was entered, by made-up entries and events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from tests.unit.books.samples import AAVE, ACCOUNT, BORN, CHAIN, DAY, ETH, USDC, WETH, entry, quotes
from yieldbot.books.entries import Entry, EntryKind
from yieldbot.books.ledger import PriceQuote, QuoteOf, in_unit
from yieldbot.books.liquidity_pnl import LiquidityPnl, PoolHoldings, PositionEvent, liquidity_pnl
from yieldbot.books.pnl import pnl
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address, MarketId

POOL = MarketId("uniswap_v3_lp/31337/0x" + "06" * 20)
PAIR = MarketId("uniswap_v2_lp/31337/0x" + "08" * 20)
NFT = Token(CHAIN, Address("0x" + "07" * 20), "position", 0)
SHARE = Token(CHAIN, Address("0x" + "08" * 20), "pair", 18)
PRICES = quotes({USDC: "1", WETH: {1: "2000", 10: "3000", 20: "2500", 30: "4000"}, ETH: "2000"})
NOW = {USDC: PriceQuote(Fraction(1), "now"), WETH: PriceQuote(Fraction(5000), "now")}
D, E = 10**6, 10**18
NOTHING = PoolHoldings()


class Book:
    """Entries of a pool with their events; each is paid for with 1/1000 ETH."""

    def __init__(self, market: MarketId = POOL, **fields: Any) -> None:
        self.market, self.fields = market, fields
        self.entries: list[Entry] = []
        self.moves: dict[str, tuple[PositionEvent, ...]] = {}

    def tx(
        self,
        kind: EntryKind,
        day: int,
        *changes: tuple[Token, int],
        moved: tuple[PositionEvent, ...] = (),
        plan: str = "",
    ) -> Book:
        name = f"0x{len(self.entries)}"
        shares = frozenset(token for token, _ in changes if token in (NFT, SHARE))
        terms = {
            "hash": name,
            "market_id": self.market,
            "shares": shares,
            "fee_raw": 10**15,
            "plan": plan,
        } | self.fields
        self.entries.append(entry(kind, day, *changes, **terms))
        self.moves[name] = moved
        return self

    def put(self, day: int, usdc: int, weth: int, units: int, position: int = 5, plan: str = "") -> Book:
        moved = (PositionEvent(position, units, (usdc, weth)),)
        changes = [(token, -raw) for token, raw in ((USDC, usdc), (WETH, weth)) if raw]
        return self.tx(EntryKind.LIQUIDITY, day, *changes, (NFT, 1), moved=moved, plan=plan)

    def out(self, day: int, units: int, position: int = 5, plan: str = "") -> Book:
        """The manager's first call of two: nothing reaches the wallet."""
        return self.tx(EntryKind.GAS, day, moved=(PositionEvent(position, -units, (1, 1)),), plan=plan)

    def paid(self, day: int, usdc: int, weth: int, position: int = 5, plan: str = "") -> Book:
        changes = [(token, raw) for token, raw in ((USDC, usdc), (WETH, weth)) if raw]
        kind = EntryKind.LIQUIDITY if changes else EntryKind.GAS
        return self.tx(kind, day, *changes, moved=(PositionEvent(position, 0, (usdc, weth)),), plan=plan)

    def of(
        self,
        held: PoolHoldings | None = NOTHING,
        prices: QuoteOf = PRICES,
        now: Mapping[Token, PriceQuote] = NOW,
    ) -> LiquidityPnl | str | None:
        return liquidity_pnl(self.entries, ACCOUNT, self.market, self.moves, held, now, prices)

    def known(self, held: PoolHoldings = NOTHING, **more: Any) -> LiquidityPnl:
        found = self.of(held, **more)
        assert isinstance(found, LiquidityPnl), found
        return found


def test_a_part_is_taken_out_by_first_in_first_out_and_fees_cost_nothing() -> None:
    book = Book().put(1, 2000 * D, E, 100).put(10, 3000 * D, E, 60)  # 4,000 dollars, then 6,000
    book.paid(20, 10 * D, E // 100)  # fees: 10 and 25 dollars
    book.out(30, 130).paid(30, 5000 * D, E)  # all of the first lot and half of the second: 7,000 dollars for 9,000
    held = PoolHoldings({5: 30}, {USDC: 1000 * D, WETH: E // 2}, {5: (5010 * D, E + E // 100)})
    found = book.known(held)
    assert (found.since, found.lacks) == (BORN + DAY, None)
    assert found.put_in == (Amount(USDC, 5000 * D), Amount(WETH, 2 * E))
    assert found.taken_out == (Amount(USDC, 5010 * D), Amount(WETH, E + E // 100))
    assert found.realised == 35 + 9000 - 7000
    assert found.unrealised == 1000 + 2500 - 3000
    assert found.base == (1000 + 2500) + (35 + 9000) - (4000 + 6000) and found.swaps == 0
    assert found.gas == Amount(ETH, 5 * 10**15) and found.gas_base == 10


def test_what_was_taken_out_and_not_yet_paid_is_not_realised() -> None:
    book = Book().put(1, 2000 * D, E, 100).out(10, 40)
    found = book.known(PoolHoldings({5: 60}, {USDC: 2000 * D, WETH: E}, {5: (0, 0)}))
    assert (found.realised, found.unrealised) == (0, 7000 - 4000)
    book.paid(20, 800 * D, E * 4 // 10)
    found = book.known(PoolHoldings({5: 60}, {USDC: 1200 * D, WETH: E * 6 // 10}))
    assert (found.realised, found.unrealised) == (1800 - 1600, 4200 - 2400)
    nothing = Book().put(1, 200 * D, 0, 100).out(10, 1).paid(10, 0, 0)  # so little that it pays nothing
    assert nothing.known(PoolHoldings({5: 99}, {USDC: 198 * D})).realised == -2


def test_a_stay_that_ended_is_shown_until_the_next_begins() -> None:
    book = Book().put(1, 2000 * D, E, 100, plan="a").out(10, 100, plan="b").paid(10, 2000 * D, E, plan="b")
    left = book.known()
    assert (left.since, left.realised, left.unrealised, left.base) == (BORN + DAY, 1000, 0, 1000)
    book.tx(EntryKind.GAS, 20, plan="c")  # an allowance for what then does not happen
    assert book.known() == left
    book.put(20, 2500 * D, E, 70, 6, plan="d")
    again = book.known(PoolHoldings({6: 70}, {USDC: 2500 * D, WETH: E}))
    assert (again.since, again.realised, again.unrealised) == (BORN + 20 * DAY, 0, 2500)
    assert again.put_in == (Amount(USDC, 2500 * D), Amount(WETH, E)) and again.gas == Amount(ETH, 2 * 10**15)


def test_a_range_laid_anew_is_one_stay_and_its_swap_belongs_to_it() -> None:
    book = Book().put(1, 2000 * D, E, 100, plan="a")
    book.out(10, 100, plan="b").paid(10, 1000 * D, E, plan="b")
    book.tx(EntryKind.SWAP, 10, (WETH, -E // 2), (USDC, 1490 * D), plan="b")
    book.put(10, 2490 * D, E // 2, 200, 6, plan="b")
    found = book.known(PoolHoldings({6: 200}, {USDC: 2490 * D, WETH: E // 2}))
    assert (found.since, found.swaps) == (BORN + DAY, -10)
    assert found.realised == (4000 - 4000) - 10 and found.unrealised == 4990 - 3990
    assert found.base == 4990 + 4000 - 4000 - 3990 - 10
    assert sum(Fraction(a.raw, a.token.one) for a in found.put_in if a.token == USDC) == 4490


def test_each_position_has_its_own_lots_and_begins_anew_when_it_was_empty() -> None:
    book = Book().put(1, 2000 * D, E, 100).put(10, 3000 * D, E, 100, 6)
    book.out(20, 100, 6).paid(20, 3000 * D, E, 6)  # of the dearer one, though it is the younger
    assert book.known(PoolHoldings({5: 100}, {USDC: 2000 * D, WETH: E})).realised == 5500 - 6000
    book.put(30, 1000 * D, 0, 7, 6)
    held = PoolHoldings({5: 100, 6: 7}, {USDC: 3000 * D, WETH: E}, {6: (0, 0)})
    found = book.known(held)
    assert (found.since, found.realised) == (BORN + DAY, -500) and found.unrealised == 8000 - 5000


def test_shares_of_a_pair_are_their_own_lots() -> None:
    book = Book(PAIR).tx(EntryKind.GAS, 1)
    book.tx(EntryKind.LIQUIDITY, 1, (USDC, -2000 * D), (WETH, -E), (SHARE, 100))
    book.tx(EntryKind.LIQUIDITY, 10, (USDC, 1200 * D), (WETH, E * 4 // 10), (SHARE, -50))
    found = book.known(PoolHoldings({0: 50}, {USDC: 1200 * D, WETH: E // 2}))
    assert (found.realised, found.unrealised) == (2400 - 2000, 3700 - 2000)
    given = book.of(PoolHoldings({0: 40}, {USDC: 1200 * D, WETH: E // 2}))
    assert given == "not known: shares of the pair moved by a transaction that is not ours"
    book.tx(EntryKind.LIQUIDITY, 20, (USDC, 1200 * D), (WETH, E * 4 // 10), (SHARE, -50))
    assert book.known().realised == 400 + 2200 - 2000


def test_a_missing_price_is_named_and_nothing_is_guessed() -> None:
    book = Book().put(2, 2000 * D, E, 100)
    held = PoolHoldings({5: 100}, {USDC: 2000 * D, WETH: E})
    found = book.known(held)
    assert found.lacks == "no price of WETH at block 102 is known" and found.put_in[1] == Amount(WETH, E)
    assert (found.realised, found.unrealised, found.base) == (0, None, None)
    paid = book.out(10, 50).paid(10, 1000 * D, E).known(PoolHoldings({5: 50}))
    assert (paid.realised, paid.unrealised) == (None, None), "what it cost is not known"
    now = Book().put(1, 2000 * D, E, 100).known(held, now={USDC: NOW[USDC]})
    assert (now.lacks, now.realised, now.unrealised) == ("no price of WETH now is known", 0, None)
    swap = Book().tx(EntryKind.SWAP, 2, (USDC, -2000 * D), (WETH, E)).put(10, 1000 * D, E, 100).known(held)
    assert (swap.swaps, swap.realised, swap.base) == (None, None, None) and swap.unrealised == 7000 - 4000


def test_an_entry_that_is_missing_is_told() -> None:
    book = Book().put(1, 2000 * D, E, 100)
    there = {USDC: 2000 * D, WETH: E}
    for held, said in (
        (PoolHoldings({5: 101}, there), "liquidity of position 5 moved by a transaction that is not ours"),
        (PoolHoldings({5: 100, 9: 1}, there), "liquidity of position 9 moved by"),
        (PoolHoldings({}, {}), "liquidity of position 5 moved by"),
        (PoolHoldings({5: 100}, there, {5: (7, 0)}), "position 5 paid out by a transaction that is not ours"),
        (None, "the pool could not be read"),
    ):
        found = book.of(held)
        assert isinstance(found, str) and found.startswith("not known: ") and said in found
    assert book.known(PoolHoldings({5: 100}, there, {5: (0, 0)})).base == 3000
    assert (
        Book().of(PoolHoldings({9: 1}, there))
        == "not known: liquidity of position 9 moved by a transaction that is not ours"
    )
    assert Book().of() is None

    more = Book().put(1, 2000 * D, E, 100).out(10, 101).paid(10, 2000 * D, E)
    assert more.of() == "not known: 0x1 took out more than our transactions put in"
    assert more.put(20, 1, 1, 8, 6).known(PoolHoldings({6: 8}, {USDC: 1, WETH: 1})).since == BORN + 20 * DAY, (
        "begun anew"
    )
    del book.moves["0x0"]
    assert book.of() == "not known: what 0x0 did to the position cannot be read"
    other = Book().put(1, 2000 * D, E, 100)
    other.moves["0x0"] = (PositionEvent(5, 100, (2000 * D, E + 11)),)
    assert "what 0x0 moved is not what its events tell" in str(other.of(PoolHoldings({5: 100}, there)))
    other.moves["0x0"] = (PositionEvent(5, 100, (2000 * D, E + 10)),)
    assert other.known(PoolHoldings({5: 100}, there)), "the manager's own roundings"
    lost = Book(fee_raw=None).put(1, 2000 * D, E, 100).known(PoolHoldings({5: 100}, there))
    assert (lost.gas, lost.gas_base, lost.base) == (None, None, 3000)


def test_what_one_pool_earned_is_in_no_other_market_and_counts_in_the_jobs_unit() -> None:
    book = Book().tx(EntryKind.SWAP, 1, (USDC, -2000 * D), (WETH, E)).put(1, 2000 * D, E, 100)
    lent = entry(EntryKind.DEPOSIT, 1, (USDC, -100))
    every = [*book.entries, lent, *(replace(one, market_id=PAIR) for one in book.entries)]
    held = PoolHoldings({5: 100}, {USDC: 2000 * D, WETH: E})
    alone = liquidity_pnl(book.entries, ACCOUNT, POOL, book.moves, held, NOW, PRICES)
    assert liquidity_pnl(every, ACCOUNT, POOL, book.moves, held, NOW, PRICES) == alone
    aave = pnl(every, ACCOUNT, AAVE, Amount(USDC, 100), NOW[USDC], PRICES)
    assert aave == pnl([lent], ACCOUNT, AAVE, Amount(USDC, 100), NOW[USDC], PRICES)
    ether = {USDC: PriceQuote(Fraction(1, 5000), "now"), WETH: PriceQuote(Fraction(1), "now")}
    found = book.known(held, prices=in_unit(PRICES, ETH), now=ether)
    assert found.unrealised == Fraction(7, 5) - 2 and found.gas_base == Fraction(2, 1000)
