"""How much of ours was in a market while its rates were seen, by what runs wrote down; and what a forecast makes of
it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.market_builder import BLOCK, USDC, kinked, market, snapshot
from tests.kit.policies import loose
from tests.unit.risk.test_protections import moved
from yieldbot.allocator.market_curve import curve_of
from yieldbot.history.recorded import mean_held, moved_beside
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import Observed, TxSettled, TxSigned
from yieldbot.journal.observations import RecordedHolding
from yieldbot.math.curves import ConstantCurve, DilutedCurve, LookThroughCurve, VaultSlot
from yieldbot.model.curve import YieldCurve
from yieldbot.model.ids import MarketId
from yieldbot.model.market import RateForecast
from yieldbot.model.tx import Confirmed

DAY = 86_400
A = market("a", kinked(1e6, 8e5), held=700)
SEEN = snapshot(0, A)
KEY = A.market.id


def note(days_ago: float, **held: float) -> Record:
    """What a run wrote down so long ago, in whole tokens by the market's last name."""
    block = replace(BLOCK, timestamp=BLOCK.timestamp - int(days_ago * DAY))
    rows = {
        MarketId(f"lend/1/{name}"): RecordedHolding(held_raw=round(t * USDC.one), apr=0.05, horizon_seconds=DAY)
        for name, t in held.items()
    }
    entry = Observed(SEEN.block.chain, SEEN.owner, block, asset=USDC.address, holdings=rows)
    return Record(round(1_000 - 10 * days_ago), 0, entry)


def mean(*records: Record, days: float = 7.0) -> dict[str, float] | None:
    found = mean_held(records, SEEN, USDC, days)
    return None if found is None else {key.rpartition("/")[2]: value for key, value in found.items()}


def test_what_was_held_counts_for_as_long_as_it_was_there() -> None:
    assert mean() is None, "nothing was written down"
    assert mean(note(30, a=700)) == {"a": pytest.approx(700)}
    assert mean(note(30), note(1, a=700)) == {"a": pytest.approx(100)}, "one day of seven"
    assert mean(note(30, a=700), note(6)) == {"a": pytest.approx(100)}, "it left after the first of seven"
    assert mean(note(30, b=70), note(3.5, a=700)) == {"a": pytest.approx(350), "b": pytest.approx(35)}
    assert mean(note(3.5, a=700)) == {"a": pytest.approx(700)}, "how it was before is not known"
    assert mean(note(30, a=700), days=0.0) is None


def test_money_that_came_by_our_first_transaction_was_not_there_before() -> None:
    first = moved(1, MarketId(KEY), 700, 3.5 * 24)
    assert mean(*first, note(3.5, a=700)) == {"a": pytest.approx(350)}


def test_money_that_came_in_the_run_that_has_recorded_nothing_yet_was_not_there_before() -> None:
    """Else the prediction of an account's very first deposits counts them as part of what was observed."""
    first = moved(1, MarketId(KEY), 700, 0.0)
    assert mean(*first) == {}, "none of the 700 was there"
    assert mean(*moved(1, MarketId("lend/1/b"), 5, 0.0)) == {"a": pytest.approx(700)}, "a was not touched"
    others = tuple(
        replace(one, entry=replace(one.entry, owner="0x1")) if isinstance(one.entry, TxSigned) else one for one in first
    )
    assert mean(*others) is None, "another account's transaction"


def test_notes_of_other_accounts_and_assets_do_not_count() -> None:
    other = note(3, a=5)
    assert isinstance(other.entry, Observed)
    for change in (
        {"owner": "0x1"},
        {"chain": "eip155:5"},
        {"asset": "0x2", "holdings": {}},
        {"asset": None, "holdings": None},
    ):
        assert mean(replace(other, entry=replace(other.entry, **change))) is None


@pytest.mark.parametrize(("ours", "expected"), [(None, 0.05), (100_000.0, 0.05), (0.0, 0.0336)])
def test_our_own_money_lowers_what_is_forecast_without_it(ours: float | None, expected: float) -> None:
    """5 % was forecast of rates that our 100,000 of 1,100,000 had not lowered yet: it is paid where utilisation is
    90.19 % (0.9 * u * (0.05 + 6.5 * (u - 0.9)) ...), and ours takes that to 81.99 %."""
    said = RateForecast(mean=0.05, low=0.04, high=0.06, days=7.0, ours=ours)
    state = replace(market("a", kinked(1e6, 8e5), held=100_000), forecast=said)
    found, h = curve_of(state, loose()), loose().horizon_seconds
    assert found.apr(100_000, h) == pytest.approx(expected, rel=0.01)
    if ours == 0.0:  # what our own leaving takes beyond the kink does not count
        assert found.apr(0.0, h) == pytest.approx(0.9 * 0.9 * 0.05)
        found = curve_of(state, loose(), ignore_withdrawals=True)
        assert found.apr(100_000, h) == pytest.approx(expected, rel=0.01)
    else:
        assert found.apr(100_000 if ours is None else ours, h) == pytest.approx(0.05)


def beside(whole: float, days_ago: float, *, owner: str = "0x1", outcome: str = "confirmed") -> list[Record]:
    """A transaction of another account of ours that moved so much into the market; negative: out of it."""
    found = []
    for one in moved(1, MarketId(KEY), whole, days_ago * 24, outcome):
        entry = replace(one.entry, owner=owner)  # type: ignore[call-arg]
        if isinstance(entry, TxSettled) and isinstance(entry.outcome, Confirmed):
            then = replace(BLOCK, timestamp=BLOCK.timestamp - int(days_ago * DAY))
            entry = replace(entry, outcome=replace(entry.outcome, block=then))
        found.append(replace(one, entry=entry))
    return found


def test_what_our_other_wallets_brought_counts_for_as_long_as_it_was_not_there() -> None:
    def more(*records: Record) -> dict[MarketId, float]:
        return dict(moved_beside(records, SEEN, USDC, 7.0))

    assert more(*beside(700, 0.0)) == {KEY: pytest.approx(700)}
    assert more(*beside(700, 3.5)) == {KEY: pytest.approx(350)} and more(*beside(700, 8.0)) == {KEY: 0.0}
    assert more(*beside(-700, 0.0)) == {KEY: pytest.approx(-700)}
    assert more(*beside(700, 0.0, owner=SEEN.owner)) == {} == more(*beside(700, 0.0, outcome="reverted"))
    elsewhere = replace(SEEN, block=replace(BLOCK, chain="eip155:10"))
    assert moved_beside(beside(700, 0.0), elsewhere, USDC, 7.0) == {}


BUSY = kinked(1e6, 8e5)
VAULT = LookThroughCurve(1e6, 0.0, 0.0, (VaultSlot(BUSY, 0.9e6, 2e6, 2e6),), (0,))


@pytest.mark.parametrize(
    ("curve", "paid"),
    [(DilutedCurve(2e6, 1e5), 0.05), (BUSY, None), (ConstantCurve(0.05), 0.10), (VAULT, None)],
)
def test_a_forecast_falls_by_what_our_other_wallets_brought_since(curve: YieldCurve, paid: float | None) -> None:
    """10 % was forecast of a market of 1,000,000; another wallet of ours put in as much since."""
    said = RateForecast(mean=0.10, low=0.04, high=0.16, days=7.0, ours=0.0)
    state = replace(market("a", curve), forecast=said)
    h, policy = loose().horizon_seconds, loose()
    before = curve_of(state, policy).apr(1_000.0, h)
    for more in (1e5, 1e6, 1e9):
        after = curve_of(replace(state, forecast=replace(said, beside=more)), policy).apr(1_000.0, h)
        assert after <= before and after >= 0.0
        if more == 1e6 and paid is not None:
            assert after == pytest.approx(paid, rel=0.002)
    less = curve_of(replace(state, forecast=replace(said, beside=-1e5)), policy).apr(1_000.0, h)
    assert less >= before * (1 - 1e-9)
