"""Windows, rows and intervals; universes; the command in an empty folder."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.kit.policies import loose
from tests.unit.backtest.recorded import panel, world
from yieldbot.app.backtest_documents import BacktestRow
from yieldbot.app.formatting import share_words
from yieldbot.backtest.costs_file import gas_prices
from yieldbot.backtest.study import Window, interval, rows_of, starts, window_of
from yieldbot.backtest.universe import ends, recorded, universes
from yieldbot.errors import ConfigError


def window(first: int, apy: float = 0.05, static: float = 0.04, **more: object) -> Window:
    made = Window(
        universe="u", wealth=1e4, policy="default", first=first, days=60.0, apy=apy, static_apy=static,
        foresight_apy=0.06, bound_apy=0.065, rules={"static": static, "greedy": 0.01}, plans=3, cost=1.5,
        drawdown=0.0, locked_days=0.0, used_share=0.0,
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def test_a_row_is_the_mean_of_its_windows() -> None:
    (row,) = rows_of([window(0), window(15, apy=0.0385), window(30, apy=0.0395)], block=2)
    assert row.windows == 3 and row.windows_lost_over_10bp == 1
    assert row.gain_pp == pytest.approx((1.0 - 0.15 - 0.05) / 3) and row.worst_pp == pytest.approx(-0.15)
    assert row.share_of_foresight == pytest.approx(0.8 / 6.0) and row.share_of_bound == pytest.approx(0.8 / 7.5)
    assert row.foresight_gain_pp == pytest.approx(2.0) and row.bound_gain_pp == pytest.approx(2.5)
    assert row.moves_per_year == pytest.approx(2 / 60 * 365) and row.rules_pp["greedy"] == pytest.approx(-3.0)
    assert row.gain_pp_low <= row.gain_pp <= row.gain_pp_high


def test_all_universes_together_are_a_row_of_their_own() -> None:
    rows = rows_of([window(0), window(0, universe="v", apy=0.06)], block=1)
    assert [row.universe for row in rows] == ["u", "v", "all"] and rows[2].gain_pp == pytest.approx(1.5)
    (alone,) = rows_of([window(0, foresight_apy=0.04)], block=1)
    assert alone.share_of_foresight is None and alone.share_of_bound is not None


def test_the_interval_is_wider_where_windows_of_a_date_say_the_same() -> None:
    gains = [1.0, -1.0, 2.0, 0.5, -0.5, 1.5] * 4
    apart = [window(day) for day in range(24)]
    together = [window(day // 6) for day in range(24)]
    narrow, wide = interval(apart, sorted(gains), 1, 7), interval(together, sorted(gains), 1, 7)
    assert wide[1] - wide[0] > narrow[1] - narrow[0] > 0.0
    assert interval(apart, gains, 4, 7) == interval(apart, gains, 4, 7)


def test_windows_fit_and_every_policy_runs_in_each() -> None:
    assert starts(100, 30, 20, 10) == [10, 30, 50] and starts(20, 30, 5, 0) == []
    seen = world({"USDC": [0.05] * 40, "USDC/two": [0.03] * 40})
    policies = {"default": loose(), "slow": loose(enter_horizon_days=365.0)}
    made = window_of(seen, dict.fromkeys(policies, lambda row: [None, None]), "u", 10_000.0, policies, 2, 30)
    assert [one.policy for one in made] == ["default", "slow"] and made[0].days == 30.0
    assert made[0].apy == pytest.approx(made[0].static_apy, abs=1e-4) and made[0].foresight_apy >= made[0].static_apy
    assert made[0].bound_apy >= made[0].foresight_apy
    assert set(made[0].rules) == {"static", "largest", "equal", "greedy", "zyfai-like"}


def test_universes_are_dollars_of_one_protocol_and_one_coin_over_several() -> None:
    made = panel({"USDC": [0.1] * 2, "USDT": [0.1] * 2, "USDC/two": [0.1] * 2, "WETH": [0.1] * 2, "sUSDe": [0.1] * 2})
    assert universes(made) == {"lend on eip155:8453": [0, 1], "USDC on eip155:8453": [0, 2]}
    assert universes(made, ("two",)) == {} and universes(made, ("usdc",)) == {"USDC on eip155:8453": [0, 2]}
    fixed = replace(made, keys=tuple(replace(key, protocol="pendle") for key in made.keys))
    assert universes(fixed) == {}, "what leaving them early costs is not recorded"
    odd = panel({name: [0.1] * 2 for name in ("USD₮0", "DAI.e", "AUSD", "EURC", "PT-USDe")})
    assert universes(odd) == {"lend on eip155:8453": [0, 1, 2]}


def test_windows_lie_where_a_universe_is_recorded() -> None:
    gap = math.nan
    early, late = [0.1] * 30 + [gap] * 70, [gap] * 60 + [0.1] * 40
    made = panel({"USDC": early, "USDT": early, "USDC/two": late, "DAI/two": late, "USDT/two": [gap] * 100})
    grid = starts(100, 15, 5, 5)
    assert recorded(made, [0, 1], grid, 15, 5) == [5, 10] and ends(made, [0, 1]) == 29
    assert recorded(made, [2, 3], grid, 15, 5) == [65, 70, 75, 80] and ends(made, [2, 3]) == 99
    assert recorded(made, [0, 2], grid, 15, 5) == [] and recorded(made, [4, 4], grid, 15, 5) == []
    assert ends(made, [4]) == -1


@pytest.mark.parametrize(
    ("found", "bound", "words"),
    [
        (0.66, 0.63, "63% to 66%"),
        (0.5, 0.499, "50%"),
        (None, None, "-"),
        (None, 0.4, "40%"),
        (-0.08, -0.07, "-8% to -7%"),
        (-5940.0, -0.2, "< -999%"),
        (50.0, 0.3, "> 999%"),
    ],
)
def test_a_share_of_foresight_is_said_with_its_gap(found: float | None, bound: float | None, words: str) -> None:
    row = rows_of([window(0)], block=1)[0]
    document = BacktestRow(**(asdict(row) | {"share_of_foresight": found, "share_of_bound": bound}))
    assert share_words(document) == words


@pytest.mark.parametrize("row", ["2025-01-01", "2025-01-01,abc,2", '"2025-01-01,5,3', "never,1,2", "2025-01-01,nan,2"])
def test_a_gas_price_that_is_none_is_named_with_its_line(tmp_path: Path, row: str) -> None:
    file = tmp_path / "gas.csv"
    file.write_text(f"date,avg_gas_price_wei,eth_usd\n2024-12-31,1e9,3000\n{row}\n")
    with pytest.raises(ConfigError, match=r"gas\.csv, line 3: "):
        gas_prices(file)


def test_each_date_counts_alike_in_the_interval() -> None:
    """Runs that could not go round would draw the first and the last date least: a gain there would be lost."""
    dates = [window(day) for day in range(8)]
    ends = interval(dates, [4.0, 0, 0, 0, 0, 0, 0, 4.0], 4, 1)
    middle = interval(dates, [0, 0, 0, 4.0, 4.0, 0, 0, 0], 4, 1)
    assert ends == pytest.approx(middle, abs=0.26) and ends[0] < 1.0 < ends[1]
