"""What runs wrote of holdings, prices and forecasts is read as values, whichever version wrote it. The bytes on disk
stay as they were."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.journal.store import BLOCK, CHAIN, MARKET, OWNER, USDC
from tests.kit.journal.store import path as path
from yieldbot.errors import InvariantError
from yieldbot.journal.codec import block_to_doc
from yieldbot.journal.entry_codec import RowKeys, decode, encode
from yieldbot.journal.journal_entries import Observed
from yieldbot.journal.observations import NO_PRICES, RecordedForecast, RecordedHolding, RecordedPrices
from yieldbot.journal.rows import GENESIS, row_digest
from yieldbot.journal.store import Journal
from yieldbot.model.ids import Address, MarketId

KEYS = RowKeys("observed", CHAIN, OWNER)
SAID = {"mean": 0.04, "low": 0.03, "high": 0.06, "days": 7.0, "quoted": 0.05, "expected": 0.039}
FIRST = {"held_raw": "5", "apr": 0.03, "horizon_seconds": 604800.0}
NAMED = FIRST | {"name": "Aave"}
LATER = NAMED | {"deployment": "aave", "flavour": ""}
LAST = LATER | {"forecast": SAID | {"by": "paid-3d"}}
USD = {"asset": "0.9997", "native": "2999.5"}
FORMS: list[dict[str, Any]] = [
    {},
    {"forecasts": {}},
    {"forecasts": {MARKET: FIRST}},
    {"forecasts": {MARKET: NAMED}},
    {"asset": USDC.address, "forecasts": {MARKET: NAMED}, "usd": USD},
    {"asset": USDC.address, "forecasts": {MARKET: LATER | {"forecast": SAID}}, "usd": {"native": "2999.5"}},
    {"asset": USDC.address, "forecasts": {MARKET: LAST}, "usd": USD},
    {"plan": "p1", "predicted": {MARKET: SAID | {"by": "paid-3d"}}},
    {"paper": {"schema": 1, "wealth": 5}},
]
"""The facts of a row, as each version so far has written them, from the first on."""

holding = RecordedHolding(held_raw=5, apr=0.03, horizon_seconds=604_800.0)
finite = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(max_size=9)
forecasts = st.builds(
    RecordedForecast,
    **dict.fromkeys(("mean", "low", "high", "days", "quoted", "expected"), finite),
    by=words,
)
holdings = st.builds(
    RecordedHolding,
    held_raw=st.integers(-(2**256), 2**256),
    apr=finite,
    horizon_seconds=finite,
    name=words,
    deployment=words,
    flavour=words,
    forecast=st.none() | forecasts,
)
markets = words.map(MarketId)
entries = st.builds(
    Observed,
    st.just(CHAIN),
    st.just(OWNER),
    st.just(BLOCK),
    asset=st.none() | words.map(Address),
    holdings=st.none() | st.dictionaries(markets, holdings, max_size=3),
    prices=st.builds(RecordedPrices, asset=st.none() | finite, native=st.none() | finite),
    paper=st.none() | st.dictionaries(words, st.integers() | words, max_size=3),
)
before_plans = st.builds(
    Observed,
    st.just(CHAIN),
    st.just(OWNER),
    st.just(BLOCK),
    plan_id=words,
    predicted=st.dictionaries(markets, forecasts, max_size=3),
)


def row(facts: dict[str, Any]) -> dict[str, Any]:
    return {"block": block_to_doc(BLOCK), "facts": facts}


def read(facts: dict[str, Any]) -> Observed:
    entry = decode(KEYS, row(facts))
    assert isinstance(entry, Observed)
    return entry


@given(entries | before_plans)
def test_an_entry_comes_back_as_it_was(entry: Observed) -> None:
    keys, doc = encode(entry)
    assert decode(keys, json.loads(json.dumps(doc))) == entry


def test_rows_of_every_version_are_read_and_what_they_lack_has_a_default() -> None:
    none, empty, first, named, priced, earlier, last, plan, paper = (read(facts) for facts in FORMS)
    assert none == Observed(CHAIN, OWNER, BLOCK) and none.holdings is None
    assert empty.holdings == {}, "none is held, which is not the same as not told"
    assert first.holdings == {MARKET: holding} and first.asset is None and first.prices == NO_PRICES
    assert named.holdings is not None and named.holdings[MARKET].name == "Aave"
    assert (priced.asset, priced.prices) == (USDC.address, RecordedPrices(asset=0.9997, native=2999.5))
    assert earlier.prices == RecordedPrices(native=2999.5) and earlier.holdings is not None
    was = earlier.holdings[MARKET].forecast
    assert was is not None and (was.mean, was.expected, was.by) == (0.04, 0.039, "")
    assert last.holdings is not None and last.holdings[MARKET].deployment == "aave"
    assert (said := last.holdings[MARKET].forecast) is not None and said.by == "paid-3d"
    assert (plan.plan_id, plan.predicted) == ("p1", {MARKET: said}) and plan.holdings is None
    assert paper.paper == {"schema": 1, "wealth": 5} and paper.holdings is None


def test_what_is_written_now_has_the_bytes_of_the_version_before() -> None:
    for facts in (FORMS[0], FORMS[1], *FORMS[6:]):
        keys, doc = encode(read(facts))
        assert (keys, json.dumps(doc, sort_keys=True)) == (KEYS, json.dumps(row(facts), sort_keys=True))


def test_a_journal_of_older_rows_keeps_its_chain(path: Path) -> None:
    """Rows written byte for byte as older versions wrote them: they are read and verified, and new ones go behind."""
    with Journal.open(path) as journal:
        journal.append(*(Observed(CHAIN, OWNER, BLOCK) for _ in FORMS))
    with sqlite3.connect(path) as base:
        base.execute("DROP TRIGGER events_keep")
        before = GENESIS
        for found, facts in zip(list(base.execute("SELECT * FROM events ORDER BY seq")), FORMS, strict=True):
            body = json.dumps(row(facts), sort_keys=True, separators=(",", ":"))
            own = row_digest([*found[:7], body, before])
            values = (body, before, own, found[0])
            base.execute("UPDATE events SET body = ?, prev = ?, hash = ? WHERE seq = ?", values)
            before = own
        base.execute(
            "CREATE TRIGGER events_keep BEFORE UPDATE ON events "
            "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
        )
    with Journal.open(path) as journal:
        assert journal.verify() == len(FORMS) and journal.head() == (len(FORMS), before)
        assert [one.entry for one in journal.history()] == [read(facts) for facts in FORMS]
        assert all(one.entry.idle_raw is None for one in journal.history() if isinstance(one.entry, Observed))
        journal.append(Observed(CHAIN, OWNER, BLOCK, holdings={MARKET: holding}, idle_raw=2**80))
        assert journal.verify() == len(FORMS) + 1
        newest = journal.history()[-1].entry
        assert isinstance(newest, Observed) and newest.idle_raw == 2**80, "older rows lack it, new ones keep it"


@pytest.mark.parametrize(
    ("facts", "lacks"),
    [
        ({"forecasts": []}, "'forecasts' is of another type"),
        ({"forecasts": {MARKET: {"apr": 0.1, "horizon_seconds": 1.0}}}, "lacks 'held_raw'"),
        ({"forecasts": {MARKET: FIRST | {"held_raw": "many"}}}, "invalid literal"),
        ({"forecasts": {MARKET: FIRST | {"apr": "high"}}}, "'apr' is of another type"),
        ({"forecasts": {MARKET: FIRST | {"name": 5}}}, "'name' is of another type"),
        ({"forecasts": {MARKET: FIRST | {"forecast": {"mean": 0.1}}}}, "lacks 'low'"),
        ({"forecasts": {MARKET: 5}}, "lacks 'held_raw'"),
        ({"predicted": {MARKET: None}}, "lacks 'mean'"),
        ({"asset": 5}, "'asset' is of another type"),
        ({"paper": []}, "'paper' is of another type"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(path: Path, facts: dict[str, Any], lacks: str) -> None:
    with pytest.raises(ValueError, match=lacks):
        read(facts)
    with Journal.open(path) as journal:
        journal.append(Observed(CHAIN, OWNER, BLOCK))
    with sqlite3.connect(path) as base:
        base.execute("DROP TRIGGER events_keep")
        found = list(base.execute("SELECT * FROM events").fetchone())
        found[7] = json.dumps(row(facts), sort_keys=True, separators=(",", ":"))
        base.execute("UPDATE events SET body = ?, hash = ?", (found[7], row_digest(found[:9])))
        base.execute(
            "CREATE TRIGGER events_keep BEFORE UPDATE ON events "
            "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
        )
    with Journal.open(path) as journal, pytest.raises(InvariantError, match=f"row 1 cannot be read: .*{lacks}"):
        journal.history()


@pytest.mark.parametrize("usd", [None, 5, ["1"], {"asset": "no"}, {"asset": None, "native": "nan"}, {"native": "inf"}])
def test_what_is_no_price_is_left_out(usd: Any) -> None:
    assert read({"usd": usd}).prices == NO_PRICES
