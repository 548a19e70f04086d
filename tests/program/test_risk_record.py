"""Remembered grades held against memory's readings, from the files to the table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.program import yieldbot
from yieldbot.app.context import Context
from yieldbot.app.risk_record import RecordRequest, calibration, signals
from yieldbot.errors import ConfigError
from yieldbot.history.grades import GradedDay, append
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.store import Store
from yieldbot.risk.calibration import stated
from yieldbot.risk.scales import scales

DAY = 86_400
START = 1_767_225_600
KEY = MarketKey(chain="eip155:1", market="lend/1/a", protocol="lend", asset="USDC")
GRADE = GradedDay(
    chain=KEY.chain, market=KEY.market, protocol="lend", asset="USDC", time=START, safety=70, letter="B",
    loss_bps=30.0, loss_low_bps=10.0, loss_high_bps=60.0, short=50, long=50, signal="hold",
)  # fmt: skip


def remembered(folder: Path, days: int, key: MarketKey = KEY, locked: range = range(0), falls: int = -1) -> None:
    """Readings each six hours, locked in some of them, and the share price 2 % lower from one on."""
    Store(folder).append(
        Reading(
            key=key,
            time=START + step * DAY // 4,
            supply_rate=0.04,
            utilisation=1.0 if step in locked else 0.8,
            supplied=1e6,
            cash=0.0 if step in locked else 2e5,
            index=1.0 if falls < 0 or step < falls else 0.98,
            price_usd=1.0,
        )
        for step in range(4 * days + 1)
    )


def test_a_lock_and_a_loss_of_memory_are_found(tmp_path: Path) -> None:
    other = replace(KEY, market="lend/1/b")
    remembered(tmp_path, 40, locked=range(8, 10))
    remembered(tmp_path, 40, key=other, falls=12)
    append(tmp_path, [GRADE, replace(GRADE, market=other.market), replace(GRADE, time=START + 20 * DAY)])
    found = calibration(RecordRequest(history=tmp_path), Context(tmp_path / "yieldbot.toml"))
    b, whole = found.rows
    assert (b.letter, b.days, b.locks, b.losses, b.depegs) == ("B", 2, 1, 1, 0) and found.unfinished == 1
    assert whole.letter == "all" and found.notes == ()
    assert b.years == pytest.approx((20 + 30) / 365)
    assert b.locked_hours_a_year == pytest.approx(12 / b.years), "two readings, each of which speaks for six hours"
    assert b.loss_bps_a_year == pytest.approx(200 / b.years)
    assert found.brier == pytest.approx((1 - stated(70, scales())) ** 2) and found.brier_constant == 0.0
    later = calibration(RecordRequest(history=tmp_path, since="2026-01-02"), Context(tmp_path / "yieldbot.toml"))
    assert later.graded == 1 and later.rows == ()


def test_too_little_history_is_one_line(tmp_path: Path) -> None:
    context = Context(tmp_path / "yieldbot.toml")
    nothing = calibration(RecordRequest(history=tmp_path), context)
    assert nothing.rows == () and len(nothing.notes) == 1 and "remembers no grades yet" in nothing.notes[0]
    append(tmp_path, [GRADE])
    remembered(tmp_path, 10)
    young = calibration(RecordRequest(history=tmp_path), context)
    assert young.rows == () and young.notes == (
        "nothing can be scored yet: the first window ends on 2026-01-31, and memory must reach it",
    )
    with pytest.raises(ConfigError, match="is no folder of memory"):
        calibration(RecordRequest(history=tmp_path / "nowhere"), context)
    with pytest.raises(ConfigError, match="--since yesterday"):
        calibration(RecordRequest(history=tmp_path, since="yesterday"), context)


def paying(folder: Path, days: int) -> list[MarketKey]:
    """Four markets of one coin that pay 1, 4, 4 and 9 %, read each day."""
    keys = [replace(KEY, market=f"lend/1/{name}") for name in "abcd"]
    Store(folder).append(
        Reading(key=key, time=START + day * DAY, supply_rate=rate, utilisation=0.8, supplied=1e6, cash=2e5)
        for key, rate in zip(keys, (0.01, 0.04, 0.04, 0.09), strict=True)
        for day in range(days)
    )
    return keys


def test_signals_of_the_ledger_and_made_anew(tmp_path: Path) -> None:
    keys, context = paying(tmp_path, 40), Context(tmp_path / "yieldbot.toml")
    nothing = signals(RecordRequest(history=tmp_path), context)
    assert nothing.rows == () and "remembers no grades yet" in nothing.notes[0]
    append(tmp_path, [replace(GRADE, market=keys[3].market, signal="enter", time=START + 5 * DAY),
                      replace(GRADE, market=keys[3].market, signal="leave", time=START + 6 * DAY)])  # fmt: skip
    told = signals(RecordRequest(history=tmp_path), context)
    assert told.source == "ledger" and (told.first, told.last) == (START + 5 * DAY, START + 6 * DAY)
    week = {row.signal: row for row in told.rows if row.horizon_days == 7}
    assert (week["enter"].hits, week["leave"].hits) == (1.0, 0.0)
    assert week["enter"].mean == pytest.approx(0.09) and week["enter"].median == pytest.approx(0.04)
    anew = signals(RecordRequest(history=tmp_path, replay=True, since="2026-01-20"), context)
    assert anew.source == "replay" and anew.first == START + 19 * DAY
    week = {row.signal: row for row in anew.rows if row.horizon_days == 7}
    assert week["enter"].markets == 1 and week["enter"].hits == 1.0 and week["leave"].hits == 1.0


def test_the_program_shows_signals(tmp_path: Path) -> None:
    paying(tmp_path, 40)
    shown = yieldbot("risk", "--signals", "--replay", "--history", tmp_path, cwd=tmp_path)
    assert shown.code == 0 and "What followed signals, made anew day by day" in shown.out and "enter" in shown.out
    document = yieldbot("--json", "risk", "--signals", "--replay", "--history", tmp_path, cwd=tmp_path).document
    assert document["schema"] == "yieldbot/risk-signals/v1" and document["rows"]
    both = yieldbot("risk", "--signals", "--calibration", cwd=tmp_path)
    assert both.code == 2 and "ask for one" in both.line


def test_the_program_shows_the_table(tmp_path: Path) -> None:
    remembered(tmp_path, 40, locked=range(8, 10))
    append(tmp_path, [GRADE])
    with (tmp_path / "grades-2026-01.jsonl").open("a") as out:
        out.write("torn")
    shown = yieldbot("risk", "--calibration", "--history", tmp_path, cwd=tmp_path)
    assert shown.code == 0, shown.err
    assert "Brier score" in shown.out and "100.0%" in shown.out and "line 2: is no grade" in shown.out
    told = yieldbot("--json", "risk", "--calibration", "--history", tmp_path, cwd=tmp_path)
    assert told.document["schema"] == "yieldbot/risk-calibration/v1" and told.document["rows"][0]["locks"] == 1
    wrong = yieldbot("risk", "--since", "2026-01-01", cwd=tmp_path)
    assert wrong.code == 2 and "--calibration" in wrong.line
