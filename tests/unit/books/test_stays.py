"""Every stay of our money in a market: when, what it earned, at what rate; those that ended too."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.books.samples import SHARES, USDC, entry
from yieldbot.books.entries import Entry, EntryKind
from yieldbot.books.stays import Noted, Stay, looks_of, stays
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import Observed
from yieldbot.journal.observations import RecordedHolding
from yieldbot.model.amounts import BlockRef

DAY = 86_400
YEAR = 365 * DAY
FIRST = entry(EntryKind.DEPOSIT, 0, (USDC, -1), (SHARES, 1))
ACCOUNT, MARKET, T0 = FIRST.account, FIRST.market_id, FIRST.at
assert MARKET is not None


def put(day: float, raw: int, plan: str = "") -> Entry:
    moved = entry(EntryKind.DEPOSIT, 0, (USDC, -raw), (SHARES, raw))
    return replace(moved, at=T0 + int(day * DAY), plan=plan)


def out(day: float, raw: int, *, everything: bool = False) -> Entry:
    moved = entry(EntryKind.WITHDRAW, 0, (USDC, raw), (SHARES, -raw))
    return replace(moved, at=T0 + int(day * DAY), all=everything)


def note(day: float, raw: int | None, apr: float = 0.05) -> Record:
    block = BlockRef(ACCOUNT[0], 1, "0x00", T0 + int(day * DAY))
    holdings = {} if raw is None else {MARKET: RecordedHolding(name="Aave", held_raw=raw, apr=apr, horizon_seconds=1.0)}
    return Record(1, 0, Observed(*ACCOUNT, block, asset=USDC.address, holdings=holdings))


def found(records: list[Record], *entries: Entry, now: Noted | None = None) -> tuple[Stay, ...]:
    assert MARKET is not None
    return stays(looks_of(records).get(ACCOUNT, ()), entries, ACCOUNT, None if now is None else {MARKET: now})


def test_a_stay_that_ended_is_what_came_out_less_what_went_in() -> None:
    (one,) = found([note(0, 1_000_000), note(40, None)], put(0, 1_000_000, "p"), out(36.5, 1_010_000, everything=True))
    assert (one.since, one.until, one.put_in, one.earned) == (T0, T0 + int(36.5 * DAY), 1_000_000, 10_000)
    assert one.realised == pytest.approx(0.1) and one.expected == 0.05 and one.plans == {"p"} and one.name == "Aave"


def test_a_stay_that_goes_on_is_measured_to_when_it_was_last_seen() -> None:
    (one,) = found([note(0, 1_000_000), note(10, 1_002_000)], put(0, 1_000_000))
    assert one.until is None and one.earned == 2_000 and one.seen == T0 + 10 * DAY
    assert one.realised == pytest.approx(0.002 * 36.5)
    (later,) = found([note(0, 1_000_000)], put(0, 1_000_000), now=Noted(T0 + 20 * DAY, 1_003_000, "Aave"))
    assert later.earned == 3_000 and later.realised == pytest.approx(0.003 * YEAR / (20 * DAY))


def test_money_counts_for_as_long_as_it_was_there() -> None:
    """A million for ten days, two for ten more: 30 million token days."""
    (one,) = found([note(20, 2_003_000)], put(0, 1_000_000), put(10, 1_000_000))
    assert one.realised == pytest.approx(3_000 / (30e6 * DAY) * YEAR)
    (less,) = found([note(20, 503_000)], put(0, 1_000_000), out(10, 500_000))
    assert less.earned == 3_000 and less.realised == pytest.approx(3_000 / (15e6 * DAY) * YEAR)


def test_each_return_is_a_stay_of_its_own() -> None:
    first, second = found(
        [note(0, 100), note(5, None), note(9, 200, 0.07)],
        put(0, 1_000_000),
        out(4, 1_000_500, everything=True),
        put(8.9, 2_000_000),
    )
    assert first.until == T0 + 4 * DAY and first.earned == 500 and first.expected == 0.05
    assert second.until is None and second.since == T0 + int(8.9 * DAY) and second.expected == 0.07


def test_what_was_there_before_the_journal_begins_with_its_first_note() -> None:
    (one,) = found([note(0, 1_000_000), note(73, 1_010_000)])
    assert one.put_in == 1_000_000 and one.earned == 10_000 and one.realised == pytest.approx(0.05)


def test_what_went_by_no_transaction_of_ours_has_no_result() -> None:
    """Its owner took it out by another wallet: nobody here knows what was paid."""
    (one,) = found([note(0, 1_000_000), note(5, 1_000_100), note(6, None)], put(0, 1_000_000))
    assert one.until == T0 + 6 * DAY and one.earned is None and one.realised is None
    (part,) = found([note(0, 1_000_000), note(5, 1_000_100), note(7, None)], put(0, 1_000_000), out(6, 400_000))
    assert part.until is not None and part.earned is None


def test_all_of_it_taken_in_parts_ends_with_the_note_that_nothing_is_there() -> None:
    (one,) = found([note(0, 1_000_000), note(9, 500_700), note(11, None)], put(0, 1_000_000), out(8, 500_000),
                   out(10, 500_700))  # fmt: skip
    assert one.until == T0 + 11 * DAY and one.earned == 700


def test_nobody_has_looked_since() -> None:
    (one,) = found([], put(0, 1_000_000))
    assert one.earned is None and one.realised is None and one.expected is None and one.until is None
    (moved,) = found([note(1, 1_000_000)], put(0, 1_000_000), put(2, 5_000))
    assert moved.earned is None, "the note is older than the money"


def test_the_first_hour_has_no_rate() -> None:
    (one,) = found([note(0.04, 1_000_001)], put(0, 1_000_000))
    assert one.earned == 1 and one.realised is None


def test_pools_are_other_positions() -> None:
    pool = replace(put(0, 5), market_id="uniswap_v3_lp/1/0xabc")
    assert found([], pool) == ()


@given(
    st.lists(
        st.one_of(
            st.builds(put, st.floats(0, 50), st.integers(1, 10**9)),
            st.builds(out, st.floats(0, 50), st.integers(1, 10**9), everything=st.booleans()),
            st.builds(note, st.floats(0, 50), st.one_of(st.none(), st.integers(0, 10**9))),
        ),
        max_size=12,
    )
)
def test_whatever_happened_stays_do_not_overlap(told: list[Entry | Record]) -> None:
    records = sorted((one for one in told if isinstance(one, Record)), key=lambda one: one.entry.block.timestamp)  # type: ignore[union-attr]
    entries = sorted((one for one in told if isinstance(one, Entry)), key=lambda one: one.at)
    rows = stays(looks_of(records).get(ACCOUNT, ()), entries, ACCOUNT)
    for one in rows:
        assert one.since <= one.seen and (one.until is None or one.until == one.seen)
    for before, after in pairwise(rows):
        assert before.until is not None and before.until <= after.since
