"""The recordings that documentation and benchmarks are made of, as they are."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from yieldbot.errors import ConfigError
from yieldbot.history.grid import panel
from yieldbot.history.importers.read import Given, markets, read_file

FOLDER = Path(os.environ.get("YIELDBOT_DATA", "/nowhere"))
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="YIELDBOT_DATA names no folder of recordings")


def test_the_daily_panel_of_aave_v3() -> None:
    found = read_file(FOLDER / "aave_v3_daily_panel.csv.gz")
    assert len(found.readings) == 27_094 and len(markets(found.readings)) == 144
    assert {fault.kind for fault in found.faults} == {"gap", "still", "note"} and all(one.taken for one in found.faults)
    grid = panel(found.readings)
    assert grid.quoted.shape == (194, 144) and grid.times[0] % 86_400 == 3600
    known = ~np.isnan(grid.realised)
    assert np.nanmedian(np.abs(grid.realised - grid.quoted)[known]) < 0.001
    base = read_file(FOLDER / "aave_v3_daily_panel.csv.gz", Given(chain="base"))
    assert {one.chain for one in markets(base.readings)} == {"eip155:8453"}
    assert Counter(fault.kind for fault in base.faults)["chain"] == 10


def test_its_first_edition_has_the_same_rates_and_no_supply() -> None:
    found = read_file(FOLDER / "aave_v3_daily.csv.gz")
    assert len(found.readings) == 39_558 and all(one.supplied is None for one in found.readings)
    assert any("cap columns are wrong" in fault.what and fault.taken for fault in found.faults)
    rates = {(one.key.market, one.time // 86_400): one.supply_rate for one in found.readings}
    cleaned = read_file(FOLDER / "aave_v3_daily_panel.csv.gz").readings
    same = [rates.get((one.key.market, one.time // 86_400)) == one.supply_rate for one in cleaned]
    assert np.mean(same) > 0.99


def test_gas_prices_hold_no_market() -> None:
    with pytest.raises(ConfigError, match="give it to `yieldbot backtest` by --gas"):
        read_file(FOLDER / "ethereum_gas_and_price_daily.csv")


def test_compound_v2() -> None:
    found = read_file(FOLDER / "compound_v2_daily.csv.gz")
    assert len(found.readings) == 6802 and {one.asset for one in markets(found.readings)} >= {"USDC", "DAI", "SAI"}
    dai = [one for one in found.readings if one.key.market == "compound_v2/1/dai_1"]
    assert dai[0].supply_rate == pytest.approx(0.038197, abs=1e-6) and dai[0].supplied is not None
    assert all(one.supplied is None for one in found.readings if one.key.asset == "ETH")
    assert Counter(fault.kind for fault in found.faults)["ended"] == 2


def test_events_of_aave_v2_hold_the_lock_of_usdt() -> None:
    found = read_file(FOLDER / "aave_v2_reserve_events_2022.csv.gz")
    usdt = [one for one in found.readings if one.key.asset == "USDT"]
    assert max(one.utilisation or 0.0 for one in usdt) > 0.999
    hourly = panel(usdt, step_seconds=3600, phase_seconds=0)
    assert np.nanmax(hourly.utilisation) > 0.999


def test_totals_of_protocols_have_no_rates() -> None:
    found = read_file(FOLDER / "protocol_totals_daily.csv.gz")
    assert len(found.readings) == 4261 and all(one.supply_rate is None for one in found.readings)
    assert any(fault.kind == "ended" and "euler_v1" in fault.where for fault in found.faults)
