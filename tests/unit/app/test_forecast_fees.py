"""Fees of entry and exit are lost money in every number that ``positions`` shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.market_builder import USDC, market, snapshot, usdc
from tests.kit.risk.protections import NOW, moved
from yieldbot.app.profit import Earned, agreed
from yieldbot.books.pnl import Pnl
from yieldbot.history.holdings import MeasuredPosition, _position, forecasts_since_change
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import Observed
from yieldbot.journal.observations import RecordedHolding
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.amounts import Amount

STATE = market("vault", ConstantCurve(0.4), held=99_300)
SEEN = snapshot(0, STATE)
VAULT = STATE.market.id
MONTH = 30 * 86_400
PUT, THERE = usdc(100_000).raw, usdc(99_300).raw
"""20 basis points went at the entry, 50 would go at the exit, which what it is worth counts already."""


def observed(seq: int, *held: float) -> Record:
    rows = [RecordedHolding(held_raw=usdc(one).raw, apr=0.4, horizon_seconds=float(MONTH)) for one in held]
    holdings = {VAULT: rows[0]} if rows else {}
    entry = Observed(SEEN.block.chain, SEEN.owner, SEEN.block, asset=USDC.address, holdings=holdings)
    return Record(seq, NOW, entry)


def numbers(*records: list[Record]) -> MeasuredPosition:
    rows = [replace(row, seq=n) for n, row in enumerate(row for part in records for row in part)]
    return _position(STATE, forecasts_since_change(rows, SEEN.block.chain, SEEN.owner).get(VAULT))


def test_what_an_entry_cost_is_not_earned_and_not_predicted() -> None:
    entered = numbers([observed(0)], moved(1, VAULT, 100_000, 1), [observed(2, 99_300)])
    assert entered.earned == Amount(USDC, THERE - PUT)
    assert entered.predicted is not None
    simple = (1 - 0.007) * (1 + 0.4 * 30 / 365) - 1  # what is left of it grows
    assert entered.predicted.value == pytest.approx((1 + simple) ** (365 / 30) - 1, rel=1e-3)
    without = numbers([observed(0, 99_300)])
    assert without.earned == Amount(USDC, 0) and without.predicted is not None
    assert entered.predicted.value < without.predicted.value - 0.08


def test_more_put_in_costs_its_own_fee_and_what_was_left_counts_no_more() -> None:
    more = numbers([observed(0, 49_650)], moved(1, VAULT, 50_000, 1), [observed(2, 99_300)])
    assert more.earned == Amount(USDC, -usdc(350).raw)
    left = numbers([observed(0, 500)], moved(1, VAULT, -500, 2), [observed(2)])
    again = numbers([observed(0, 500)], moved(1, VAULT, -500, 2), [observed(2)], moved(3, VAULT, 100_000, 1),
                    [observed(4, 99_300)])  # fmt: skip
    assert left.earned is None and again.earned == Amount(USDC, THERE - PUT)
    assert numbers([observed(0)], moved(1, VAULT, 99_300.000002, 1), [observed(2, 99_300)]).earned == Amount(USDC, 0), (
        "the protocol's rounding is no fee"
    )


def test_positions_and_profit_and_loss_say_the_same() -> None:
    row = MeasuredPosition(STATE, NOW, None, None, Amount(USDC, 0))
    books = Pnl(NOW, Amount(USDC, PUT), Amount(USDC, 0), Amount(USDC, THERE - PUT), None, None, None, None)
    assert [one.earned for one in agreed([row], [Earned(VAULT, "vault", books)])] == [books.earned]
    assert agreed([row], [Earned(VAULT, "vault", "not known")]) == (row,) == agreed([row], [])
