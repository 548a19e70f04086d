"""Tokens from nowhere among the collaterals that look-through names: judged from look to look."""

from __future__ import annotations

import random

import pytest

from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.ids import MarketId
from yieldbot.model.look_through import Backer, Backing
from yieldbot.model.risk import Act
from yieldbot.risk.sight_window import DAY, KEPT
from yieldbot.risk.supplies import APART_SECONDS, Supplies, jumps, remembered

WETH, USR, NOW = "0xE", "0xR", 1_700_000_000
POOL = MarketId("pool")


def after(*looks: tuple[float, float | None], token: str = USR) -> tuple[Supplies, int]:
    """What is remembered after looks of (hours, supply; None: not read), and the time of the last."""
    kept: Supplies = {}
    for hours, raw in looks:
        kept = remembered(kept, {} if raw is None else {token: raw}, NOW + round(hours * 3600))
    return kept, NOW + round(looks[-1][0] * 3600)


def signs(share: float, *looks: tuple[float, float | None], limits: AlarmLimits | None = None) -> list[tuple[str, Act]]:
    kept, now = after(*looks)
    parts = (
        Backer(backing=WETH, symbol="WETH", share=1.0 - share),
        Backer(backing=USR, symbol="USR", share=share),
    )
    backing = {POOL: Backing(market=POOL, parts=parts, time=now, block=7)}
    found = jumps(backing, kept, limits or AlarmLimits()).get(POOL, ())
    assert all(one.about == USR for one in found if one.code == "SUPPLY_JUMP")
    return [(one.code, one.act) for one in found]


@pytest.mark.parametrize(
    ("share", "looks", "found"),
    [
        (0.4, [(0, 100.0)], []),  # a first look knows no growth
        (0.4, [(0, 100.0), (1, 149.9)], []),
        (0.4, [(0, 100.0), (1, 150.0)], [("SUPPLY_JUMP", Act.LEAVE)]),
        (0.01, [(0, 100.0), (1, 150.0)], [("SUPPLY_JUMP", Act.LEAVE)]),
        (0.005, [(0, 100.0), (1, 150.0)], [("SUPPLY_JUMP", Act.STOP)]),  # little of it: nothing goes in
        (0.0009, [(0, 100.0), (1, 150.0)], []),  # anybody can put so much of it there
        (0.4, [(0, 100.0), (6, 120.0), (12, 140.0), (18, 151.0)], [("SUPPLY_JUMP", Act.LEAVE)]),  # small mints of a day
        (0.4, [(0, 100.0), (20, 130.0), (40, 160.0)], []),  # 60 % in 40 hours: no day has half of it
        (0.4, [(0, 100.0), (100, 151.0)], [("SUPPLY_JUMP", Act.LEAVE)]),  # the look before, however old
        (0.4, [(0, 100.0), (24 * 7.5, 151.0)], []),  # but for a week
        (0.4, [(0, 100.0), (1, 150.0), (1.004, 150.0)], [("SUPPLY_JUMP", Act.LEAVE)]),  # the sign stays for a day
        (0.4, [(0, 100.0), (1, 150.0), (12, 150.0), (26.5, 150.0)], []),
        (0.4, [(0, 150.0), (1, 100.0)], []),  # burnt
        (0.4, [(0, 0.0), (1, 100.0)], []),  # new
        (0.4, [(0, 100.0), (1, None)], [("MISSING", Act.STOP)]),
        (0.4, [(0, 100.0), (49, None)], []),  # what nobody has read for two days is missed no more
    ],
)
def test_a_jump_is_seen_by_the_look_that_reads_it(
    share: float, looks: list[tuple[float, float | None]], found: list[tuple[str, Act]]
) -> None:
    assert signs(share, *looks) == found


def test_the_policys_threshold_counts() -> None:
    looks = ((0, 100.0), (1, 130.0))
    assert signs(0.4, *looks) == [] and signs(0.4, *looks, limits=AlarmLimits(supply_jump=0.3))


@pytest.mark.parametrize("seed", range(20))
def test_what_is_remembered_is_bounded_and_hides_no_jump_of_a_day(seed: int) -> None:
    """Against all readings: what grew by half from the look before, or from a look of the last day, is seen, but for
    what lies within ``APART_SECONDS`` of a reading that is remembered."""
    draw = random.Random(seed)
    rows, time, raw = list[tuple[int, float]](), NOW, 100.0
    kept: Supplies = {}
    for _ in range(200):
        time += draw.choice([15, 900, 3600, 20_000])
        raw *= draw.uniform(0.97, 1.06)
        rows.append((time, raw))
        kept = remembered(kept, {USR: raw}, time)
        assert len(kept[USR]) <= DAY // APART_SECONDS + 4
        one = Backing(market=POOL, parts=(Backer(backing=USR, share=1.0),), time=time)
        seen = bool(jumps({POOL: one}, kept, AlarmLimits()))
        day = [old for at, old in rows[:-1] if time - DAY <= at]
        within = rows[-2:-1] and time - rows[-2][0] <= KEPT and raw / rows[-2][1] >= 1.5
        if within or (day and raw / day[0] >= 1.5 * 1.13):  # two looks within half an hour differ by less
            assert seen, (seed, time)
