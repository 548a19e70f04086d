"""What a market really paid between two moments: by the growth of its index, never by one block's word."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from yieldbot.history.paid import paid
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.store import Store

DAY = 86_400
YEAR = 365 * DAY
T0 = 1_767_225_600
KEY = MarketKey(chain="eip155:1", market="aave/usdc", protocol="aave_v3", asset="USDC")


def kept(folder: Path, *readings: Reading) -> Store:
    store = Store(folder)
    assert not store.append(readings).failure
    return store


def seen(day: float, index: float | None = None, quote: float | None = 0.9) -> Reading:
    return Reading(key=KEY, time=T0 + int(day * DAY), supply_rate=quote, index=index)


def test_the_index_counts_and_not_what_was_quoted(tmp_path: Path) -> None:
    """4 % for ten days, then 8 %; each block that is looked at says 90 %."""
    growth = [math.exp(0.04 * min(day, 10) / 365 + 0.08 * max(0, day - 10) / 365) for day in range(21)]
    store = kept(tmp_path, *(seen(day, growth[day]) for day in range(21)))
    known = paid(store, KEY.chain, KEY.market, T0, T0 + 20 * DAY)
    assert known.over(T0, T0 + 7 * DAY) == pytest.approx(0.04)
    assert known.over(T0 + 10 * DAY, T0 + 20 * DAY) == pytest.approx(0.08)
    assert known.over(T0 + 6.5 * DAY, T0 + 13.5 * DAY) == pytest.approx(0.06), "between readings too"
    assert known.until == T0 + 20 * DAY


def test_a_horizon_that_is_not_over_has_no_answer(tmp_path: Path) -> None:
    store = kept(tmp_path, seen(0, 1.0), seen(3, 1.001))
    known = paid(store, KEY.chain, KEY.market, T0, T0 + 7 * DAY)
    assert known.over(T0, T0 + 7 * DAY) is None and known.over(T0, T0 + 3 * DAY) == pytest.approx(0.1216, rel=1e-3)
    assert known.over(T0 + DAY, T0 + DAY) is None


def test_nor_has_one_of_which_too_little_was_seen(tmp_path: Path) -> None:
    """Quotes alone, with a gap of eleven days: a mean of two quotes tells nothing of so long a time."""
    store = kept(tmp_path, seen(0, quote=0.04), seen(1, quote=0.04), seen(12, quote=0.04), seen(13, quote=0.04))
    known = paid(store, KEY.chain, KEY.market, T0, T0 + 13 * DAY)
    assert known.over(T0, T0 + 13 * DAY) is None and known.over(T0, T0 + DAY) == pytest.approx(0.04)
    with_index = kept(tmp_path / "b", seen(0, 1.0), seen(12, 1.01))
    assert paid(with_index, KEY.chain, KEY.market, T0, T0 + 12 * DAY).over(T0, T0 + 12 * DAY) is not None


def test_a_market_that_was_never_read(tmp_path: Path) -> None:
    store = kept(tmp_path, seen(0, 1.0))
    assert paid(store, KEY.chain, "other", T0, T0 + DAY).over(T0, T0 + DAY) is None
    assert paid(store, KEY.chain, KEY.market, T0, T0 + DAY).over(T0, T0 + DAY) is None
    assert paid(Store(tmp_path / "none"), KEY.chain, KEY.market, T0, T0 + DAY).until == 0


def test_a_corrupt_file_costs_itself_and_is_named(tmp_path: Path) -> None:
    store = kept(tmp_path, *(seen(day, 1.0 + day / 1e4) for day in range(10)))
    kept(tmp_path, seen(40, 1.005))
    (broken,) = (one for one in tmp_path.rglob("*.parquet") if "2026-02" in str(one.parent))
    broken.write_bytes(b"PAR1 nothing")
    faults: list = []
    assert paid(store, KEY.chain, KEY.market, T0, T0 + 50 * DAY, faults).until == T0 + 9 * DAY
    assert len(faults) == 1 and str(broken) in faults[0].where
