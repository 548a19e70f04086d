"""What was forecast is written down before it can come true, and nobody can prettify it later."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.market_builder import BLOCK, USDC, kinked, market, snapshot, usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB
from yieldbot.decision.decide import decide
from yieldbot.errors import InvariantError
from yieldbot.history.predictions import Prediction, before_plan, predictions
from yieldbot.history.recorded import mean_held, record
from yieldbot.journal.codec import block_to_doc
from yieldbot.journal.entry_codec import RowKeys, decode
from yieldbot.journal.journal_entries import Observed
from yieldbot.journal.observations import NO_PRICES
from yieldbot.journal.rows import row_digest
from yieldbot.journal.store import Journal
from yieldbot.model.market import MarketState, RateForecast, Snapshot
from yieldbot.model.plan import Plan

SAID = RateForecast(mean=0.04, low=0.03, high=0.06, days=7.0, by="paid-3d", reason="spike")
HELD = replace(market("held", kinked(1e6, 8e5), held=700, borrowed=8e5), forecast=SAID)
OTHER = replace(market("other", kinked(1e6, 8e5, low=0.09), borrowed=8e5), forecast=replace(SAID, mean=0.08, high=0.1))
PLAIN = market("plain", kinked(1e6, 7e5), held=50, borrowed=7e5)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.sqlite") as opened:
        yield opened


def view(*states: MarketState, idle: float = 0.0, time: int = BLOCK.timestamp) -> Snapshot:
    return replace(snapshot(idle, *states), block=replace(BLOCK, timestamp=time))


def test_what_is_held_is_recorded_with_what_was_forecast(journal: Journal) -> None:
    record(journal, view(HELD, PLAIN), loose(), USDC)
    (one,) = predictions(journal.history())
    assert one == Prediction(
        chain=BLOCK.chain,
        owner=snapshot(0).owner,
        market_id=HELD.market.id,
        block=BLOCK,
        mean=0.04,
        low=0.03,
        high=0.06,
        days=7.0,
        quoted=HELD.quoted.value,
        expected=one.expected,
        plan="",
        by="paid-3d",
    )
    assert one.expected == pytest.approx(0.04, rel=1e-6), "what is decided on, not what is quoted"
    recorded = journal.history()[-1].entry
    assert isinstance(recorded, Observed)
    assert recorded.holdings is not None and recorded.holdings[HELD.market.id].apr == one.expected
    assert recorded.holdings[PLAIN.market.id].forecast is None, "decided without one"


def test_a_plan_s_forecasts_are_written_with_its_id_for_what_it_leaves_and_enters() -> None:
    seen = view(HELD, OTHER, PLAIN, idle=50_000)
    plan = decide(seen, loose(), JOB, BLOCK.timestamp).outcome
    assert isinstance(plan, Plan)
    entry = before_plan(plan, seen, loose())
    assert entry is not None and entry.block == BLOCK and entry.predicted is not None
    assert (entry.plan_id, entry.holdings, entry.prices, entry.asset) == (plan.id, None, NO_PRICES, None)
    assert set(entry.predicted) == {HELD.market.id, OTHER.market.id}
    said = entry.predicted[OTHER.market.id]
    assert (said.mean, said.low, said.high, said.days) == (0.08, 0.03, 0.1, 7.0)
    assert said.expected < 0.08, "our own money lowers what it pays"
    bare = view(*(replace(one, forecast=None) for one in (HELD, OTHER)), idle=50_000)
    decided = decide(bare, loose(), JOB, BLOCK.timestamp).outcome
    assert isinstance(decided, Plan) and before_plan(decided, bare, loose()) is None


def test_what_could_not_be_read_is_not_forecast_again(journal: Journal) -> None:
    record(journal, view(HELD), loose(), USDC)
    record(journal, view(time=BLOCK.timestamp + 60), loose(), USDC)
    second = journal.history()[-1].entry
    assert isinstance(second, Observed) and second.holdings is not None
    assert second.holdings[HELD.market.id].held_raw == 700_000_000
    assert len(predictions(journal.history())) == 1


def test_a_plan_s_forecasts_are_no_holdings(journal: Journal) -> None:
    """Rows that other readers of the journal take for what is held stay those of before."""
    record(journal, view(HELD), loose(), USDC)
    seen = view(HELD, OTHER, idle=50_000)
    plan = decide(seen, loose(), JOB, BLOCK.timestamp).outcome
    assert isinstance(plan, Plan)
    entry = before_plan(plan, seen, loose())
    assert entry is not None and entry.predicted is not None
    before = mean_held(journal.history(), seen, USDC, 7.0)
    journal.append(entry)
    assert mean_held(journal.history(), seen, USDC, 7.0) == before == {HELD.market.id: 700.0}
    assert len(predictions(journal.history())) == 1 + len(entry.predicted)


def test_journals_of_before_have_none_and_are_read(journal: Journal) -> None:
    """As rows were written before forecasts were recorded: with an asset, and without."""
    old: dict[str, Any] = {"name": "held", "held_raw": "5", "apr": 0.03, "horizon_seconds": 604800.0}
    for facts in (
        {"asset": USDC.address, "forecasts": {HELD.market.id: old}},
        {"forecasts": {HELD.market.id: old}},
        {},
    ):
        keys = RowKeys("observed", BLOCK.chain, snapshot(0).owner)
        journal.append(decode(keys, {"block": block_to_doc(BLOCK), "facts": facts}))
    assert predictions(journal.history()) == ()
    record(journal, view(HELD), loose(), USDC)
    assert len(predictions(journal.history())) == 1 and journal.verify() == 4


@pytest.mark.parametrize("repaired", [False, True])
def test_a_prettified_forecast_is_found(tmp_path: Path, repaired: bool) -> None:
    """Somebody makes the forecast what came. repaired: with a right hash for the row itself."""
    path = tmp_path / "journal.sqlite"
    with Journal.open(path) as journal:
        for day in range(3):
            record(journal, view(HELD, time=BLOCK.timestamp + day * 86_400), loose(), USDC)
        journal.append(Observed(BLOCK.chain, snapshot(0).owner, BLOCK, asset=USDC.address, holdings={}))
        assert journal.verify() == 4 and len(predictions(journal.history())) == 3
    with sqlite3.connect(path) as database:
        database.execute("DROP TRIGGER events_keep")
        row = list(database.execute("SELECT * FROM events WHERE seq = 2").fetchone())
        body = json.loads(row[7])
        body["facts"]["forecasts"][HELD.market.id]["forecast"]["mean"] = 0.055
        row[7] = json.dumps(body, sort_keys=True, separators=(",", ":"))
        own = row_digest(row[:9]) if repaired else row[9]
        database.execute("UPDATE events SET body = ?, hash = ? WHERE seq = 2", (row[7], own))
        database.execute(
            "CREATE TRIGGER events_keep BEFORE UPDATE ON events "
            "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
        )
    for opened in (Journal.open, Journal.read):
        with pytest.raises(InvariantError, match=f"row {3 if repaired else 2} was changed or is missing"):
            opened(path)


def test_the_holding_may_be_nothing_but_its_forecast_stays(journal: Journal) -> None:
    record(journal, view(HELD), loose(), USDC)
    record(journal, view(replace(HELD, held=usdc(0)), time=BLOCK.timestamp + 60), loose(), USDC)
    assert len(predictions(journal.history())) == 1
