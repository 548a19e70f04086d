"""The sums below ``positions``: exact amounts over several chains, weighted yields, and what is not known."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from tests.kit.market_builder import BLOCK, CHAIN, USDC, market, snapshot
from tests.kit.policies import loose
from tests.unit.risk.test_protections import JOB
from yieldbot.app.positions import HeldByJob
from yieldbot.app.profit import Accounting, Earned, earned
from yieldbot.app.totals import totals
from yieldbot.books.entries import Entry, EntryKind
from yieldbot.books.kept import KeptBooks
from yieldbot.books.pnl import Pnl
from yieldbot.cli.listings import _whole
from yieldbot.history.holdings import MeasuredPosition, UnreadHolding
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import Observed
from yieldbot.journal.observations import RecordedHolding
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.amounts import Amount, Apy, Token
from yieldbot.model.ids import Address, ChainId, MarketId
from yieldbot.model.tx import Delta

DAY = 86_400
ETHER = Token(CHAIN, Address("0x0000000000000000000000000000000000000000"), "ETH", 18)


def held(name: str, tokens: float, rate: float, days: float | None, earned: float | None = None) -> MeasuredPosition:
    state = market(name, ConstantCurve(rate), held=tokens)
    since = None if days is None else BLOCK.timestamp - int(days * DAY)
    known = days is not None
    return MeasuredPosition(
        state=state,
        since=since,
        predicted=Apy(rate) if known else None,
        realised=Apy(rate + 0.001) if known else None,
        earned=None if earned is None else Amount(USDC, round(earned * USDC.one)),
    )


def gained(name: str, tokens: float, dollars: Fraction | None, gas: Fraction | None) -> Earned:
    amount, nothing = Amount(USDC, round(tokens * USDC.one)), Amount(USDC, 0)
    found = Pnl(BLOCK.timestamp, amount, nothing, amount, Fraction(0), dollars, Amount(ETHER, 10**12), gas)
    return Earned(market_id=market(name, ConstantCurve(0.0)).market.id, name=name, found=found)


def by_job(*rows: MeasuredPosition, idle: float = 0.0, earned: tuple[Earned, ...] = ()) -> HeldByJob:
    seen = snapshot(idle, *(row.state for row in rows))
    return HeldByJob(job=JOB, snapshot=seen, positions=rows, earned=earned)


def test_amounts_add_up_and_yields_are_weighted_by_money_and_time() -> None:
    one, other = held("a", 3_000, 0.04, 30, 10.5), held("b", 1_000, 0.08, 10, 0.25)
    gains = (gained("a", 10.5, Fraction(21, 2), Fraction(1, 10)), gained("b", 0.25, Fraction(1, 4), Fraction(1, 5)))
    (found,) = totals([by_job(one, other, idle=500, earned=gains)], 30.0 * DAY, loose())
    assert [float(text or "nan") for text in (found.wealth, found.invested, found.idle)] == [4_500, 4_000, 500]
    assert (float(found.earned), found.unknown) == (10.75, 0)
    weight = (3_000 * 30, 1_000 * 10)
    mean = (weight[0] * 0.04 + weight[1] * 0.08) / sum(weight)
    assert found.apy_predicted == pytest.approx(mean) and found.apy_realised == pytest.approx(mean + 0.001)
    assert found.apy_now == pytest.approx((3 * 0.0407 + 0.0829) / 4, abs=1e-4), "compounded, by amount alone"
    assert (found.base, found.profit, found.gas, found.net) == ("USD", "10.75", "0.3", "10.45")


def test_what_is_not_known_is_said_and_not_counted_as_zero() -> None:
    unknown = held("b", 1_000, 0.08, None)
    gains = (gained("a", 10.5, None, Fraction(1, 10)),)
    (found,) = totals([by_job(held("a", 3_000, 0.04, 30, 10.5), unknown, earned=gains)], 30.0 * DAY, loose())
    assert (float(found.earned), found.unknown) == (10.5, 1)
    assert found.profit is None and found.net is None and found.gas == "0.1"
    assert found.apy_realised == pytest.approx(0.041), "of the position whose yield is known"
    seen = snapshot(0, unknown.state)
    without = replace(seen, states={key: one for key, one in seen.states.items() if not key.startswith("idle/")})
    (found,) = totals([HeldByJob(job=JOB, snapshot=without, positions=(unknown,))], 30.0 * DAY, loose())
    assert found.wealth is None and found.idle is None and found.apy_realised is None and found.base is None


def test_an_asset_of_several_chains_and_wallets_is_one_row_and_no_wallet_counts_twice() -> None:
    gains = (gained("a", 10.5, Fraction(21, 2), Fraction(1, 10)),)
    one = by_job(held("a", 3_000, 0.04, 30, 10.5), idle=500, earned=gains)
    there = ChainId("eip155:56")
    elsewhere = replace(one, job=replace(JOB, chain=replace(JOB.chain, chain=there)))
    (found,) = totals([one, one, elsewhere, HeldByJob(job=JOB, skipped="no node")], 30.0 * DAY, loose())
    assert found.idle is not None and float(found.idle) == 1_000, "two accounts, one of which two jobs use"
    assert found.unread_jobs == 1 and found.unread is None
    assert "10,000.00 USDC (NOT COUNTED: what 1 job on chains that could not be read may hold)" in _whole(
        found, rent=False
    )
    lost = UnreadHolding(MarketId("b"), "b", "gone", Amount(USDC, 2_000 * USDC.one))
    (found,) = totals([replace(one, unread=(lost,)), replace(one, unread=(lost,))], 30.0 * DAY, loose())
    said = _whole(found, rent=False)
    assert found.unread == "2000.000000" and "2,000.00 USDC last recorded in markets that could not be read" in said
    assert "USD (without what could not be read)" in said, "beside what was earned"
    assert totals([HeldByJob(job=JOB, skipped="no node")], 30.0 * DAY, loose()) == ()


@pytest.mark.parametrize("seen", [5_000, 0])
def test_a_market_that_is_no_longer_read_is_left_only_if_the_last_run_saw_nothing_there(seen: int) -> None:
    account, gone = (CHAIN, JOB.wallet.address), MarketId("gone")
    went_in = Entry(
        account=account,
        kind=EntryKind.DEPOSIT,
        at=BLOCK.timestamp - DAY,
        height=1,
        market_id=gone,
        asset=USDC,
        changes=(Delta(USDC, -5_000),),
    )
    row = RecordedHolding(held_raw=seen, apr=0.04, horizon_seconds=1.0, name="Gone")
    looked = Observed(CHAIN, JOB.wallet.address, BLOCK, asset=USDC.address, holdings={gone: row})
    books = KeptBooks(placed=(((BLOCK.timestamp - DAY, 1, 1), went_in),), looks=(Record(1, BLOCK.timestamp, looked),))
    accounting = Accounting(books, {})
    ((found,),) = earned(accounting, [(JOB, snapshot(0))])
    assert found.left is (not seen) and isinstance(found.found, str if seen else Pnl)
