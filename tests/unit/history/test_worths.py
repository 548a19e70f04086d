"""What staked tokens are worth, remembered: growth where only memory knows what they were worth before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.allocator.several import DAI, LOW, seen
from yieldbot.app.memory import FOLDER
from yieldbot.app.own_growth import with_growth
from yieldbot.history import worths
from yieldbot.model.market import Snapshot
from yieldbot.model.units import SECONDS_PER_YEAR

DAY = 86_400
RATE = 0.06


def looked(day: float, rate: float = RATE) -> Snapshot:
    """A look on a day, at a token that grows in steps of two days."""
    view = seen(100_000, 0, LOW)
    worth = 1.2 * (1 + rate * 2 * DAY / SECONDS_PER_YEAR) ** (day // 2)
    return replace(view, block=replace(view.block, timestamp=1_000_000_000 + round(day * DAY)), worths={DAI: worth})


def test_growth_comes_from_memory_once_it_spans_six_days(tmp_path: Path) -> None:
    said: list[str] = []
    for hour in range(0, 30 * 24, 12):
        day = hour / 24
        worths.remember(tmp_path / FOLDER, looked(day))
        grown = with_growth(looked(day), tmp_path, said.append).growth
        assert bool(grown) == (day >= 6)
        if day >= 14:
            assert grown[DAI] == pytest.approx(RATE, rel=0.16), "a step of two days more or less, in fourteen"
    ((_, rows),) = worths.remembered(tmp_path / FOLDER)[looked(0).block.chain].items()
    assert len(rows) <= 21 * 2 + 1 and rows[-1][0] - rows[0][0] <= worths.KEPT_SECONDS and rows == sorted(rows)
    worths.remember(tmp_path / FOLDER, looked(29.6))  # within six hours of another
    worths.remember(tmp_path / FOLDER, looked(9))  # a backfill's late reading changes nothing that is newer
    assert worths.remembered(tmp_path / FOLDER)[looked(0).block.chain][DAI.address][-1] == rows[-1]
    assert not said


def test_the_chains_own_growth_goes_first_and_an_impossible_one_is_left_out(tmp_path: Path) -> None:
    said: list[str] = []
    worths.remember(tmp_path / FOLDER, looked(0))
    own = replace(looked(8), growth={DAI: 0.03})
    assert with_growth(own, tmp_path, said.append) is own
    doubled = replace(looked(8), worths={DAI: 2.4})
    assert with_growth(doubled, tmp_path, said.append).growth == {} and "is not believed" in said[-1]
    assert with_growth(replace(looked(8), worths={}), tmp_path, said.append).growth == {}, "its contract cannot be read"
    (tmp_path / FOLDER / worths.FILE).write_text('{"eip155:1": 7}')
    assert with_growth(looked(8), tmp_path, said.append).growth == {} and "is damaged" in said[-1]
