"""Gaps, duplicates, clocks that run back, rates of 300 % or below zero, markets that die, another chain, a full disk:
each is named, none crashes, none is silently taken. By the real program, and by what a chain shows."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit import ROOT
from tests.kit.market_builder import BLOCK, kinked, market, snapshot
from tests.kit.policies import loose
from tests.kit.program import Ended, yieldbot
from tests.kit.risk.protections import JOB
from yieldbot.app.foretell import with_forecasts
from yieldbot.app.memory import FOLDER, keep
from yieldbot.decision.decide import decide
from yieldbot.history import query
from yieldbot.history.store import Store
from yieldbot.history.verify import verify
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.amounts import Apr
from yieldbot.model.market import MarketState, Snapshot

T0, DAY = 1_735_689_600, 86_400
DAYS = 130
HEAD = "timestamp,chain,protocol,market,asset,supply_rate,utilisation,supplied,borrowed,cash"
MARKETS = ("good", "gappy", "doubled", "backwards", "wild", "dying")
NAMED = {
    "chain": "1 rows of eip155:10 are left out: eip155:8453 was asked for",
    "clock": "its clock runs back, 2025-03-07 00:00 after 2025-03-12 00:00, in backwards",
    "contradiction": "doubled at 2025-01-31 00:00 is there twice: it contradicts line",
    "duplicate": "doubled at 2025-02-01 00:00 is there twice: it is the same as line",
    "high": "a supply rate of 350.0000% a year of wild is not taken",
    "low": "a supply rate of -2.0000% a year of wild is not taken",
    "row": "supply_rate",
}


def rows(market_name: str, day: int, rate: float) -> list[str]:
    """What the file has of a market and day: one line as it should be, or what is wrong."""

    def line(time: int, shown: object, chain: str = "8453", name: str = market_name) -> str:
        return f"{time},{chain},aave_v3,{name},USDC,{shown},0.8,1000000,800000,200000"

    at, usual = T0 + day * DAY, f"{rate:.6f}"
    match market_name, day:
        case "gappy", one if 60 <= one < 75:
            return []
        case "dying", one if one >= 90:
            return []
        case "wild", 40 | 41:
            return [line(at, 3.5)]
        case "wild", 50:
            return [line(at, -0.02)]
        case "doubled", 30:
            return [line(at, usual), line(at, f"{rate + 0.01:.6f}")]
        case "doubled", 31:
            return [line(at, usual), line(at, usual)]
        case "backwards", 70:
            return [line(at, usual), line(at - 5 * DAY, usual)]
        case "good", 5:
            return [line(at, "much")]
        case "good", 1:
            return [line(at, usual), line(at, usual, "10", "other")]
    return [line(at, usual)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the file, which is imported there into ``h``."""
    drawn, lines = random.Random(5), [HEAD]
    for day in range(DAYS):
        for at, name in enumerate(MARKETS):
            lines += rows(name, day, 0.04 + 0.01 * math.sin(day / 9 + at) + drawn.random() * 0.004)
    where = tmp_path_factory.mktemp("bad")
    (where / "bad.csv").write_text("\n".join(lines) + "\n")
    return where


@pytest.fixture(scope="module")
def imported(place: Path) -> Ended:
    return yieldbot("history", "import", "bad.csv", "--chain", "base", "--history", "h", "--json", cwd=place)


def test_the_import_names_each_and_takes_none_of_it_silently(imported: Ended) -> None:
    assert imported.code == 0 and "Traceback" not in imported.err
    (found,) = imported.document["files"]
    told = {fault["kind"]: [] for fault in found["faults"]}
    for fault in found["faults"]:
        told[fault["kind"]].append(fault)
    words = [fault["what"] for fault in found["faults"]]
    for kind, expected in NAMED.items():
        assert any(expected in one for one in words), kind
    taken = {kind: {fault["taken"] for fault in faults} for kind, faults in told.items()}
    assert taken.pop("gap") == taken.pop("ended") == {True}, "what is around a gap counts"
    assert set(taken) == {"row", "rate", "clock", "duplicate", "chain"} and all(
        one == {False} for one in taken.values()
    )
    assert any("gappy" in fault["where"] for fault in told["gap"]) and "dying" in told["ended"][0]["where"]
    whole = DAYS * len(MARKETS)
    assert found["readings"] == whole - 15 - (DAYS - 90) - 3 - 1, "the gap, the dead days, three rates and one cell"


def test_memory_has_none_of_it(place: Path, imported: Ended) -> None:
    readings = query.readings(Store(place / "h"))
    assert {one.key.market for one in readings} == set(MARKETS)
    assert all(one.supply_rate is not None and 0.0 <= one.supply_rate < 0.1 for one in readings)
    assert len({(one.key.market, one.time) for one in readings}) == len(readings)


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (("history", "verify", "--history", "h"), ("gappy", "dying", "readings end at 2025-03-31")),
        (("history", "show", "--history", "h"), ("dying", f'"last": {T0 + 89 * DAY}')),
        (
            ("forecast", "--history", "h", "--no-extras"),
            ("not read since 2025-03-31", "gappy (1, the longest of 16 days)"),
        ),
        (("forecast", "--history", "bad.csv", "--no-extras"), (*NAMED.values(), "dying at 2025-03-31", "gappy (1")),
        (("forecast", "--skill", "--history", "bad.csv", "--no-extras"), (*NAMED.values(), "dying at 2025-03-31")),
        (("backtest", "--history", "h", "--wealth", "10000", "--processes", "1"), ("dying at 2025-03-31", "gappy (1")),
        (
            ("backtest", "--history", "bad.csv", "--wealth", "10000", "--processes", "1"),
            (*NAMED.values(), "dying at 2025-03-31", "gappy (1"),
        ),
    ],
)
def test_whoever_reads_it_names_what_it_read(
    place: Path, imported: Ended, words: tuple[str, ...], lines: tuple[str, ...]
) -> None:
    done = yieldbot(*words, "--json", cwd=place)
    assert done.code == 0 and "Traceback" not in done.err and done.document
    for one in lines:
        if one != NAMED["chain"]:  # --chain was told to the import alone
            assert one in done.out, one


def test_a_file_of_another_chain_is_one_line(place: Path) -> None:
    done = yieldbot("history", "import", "bad.csv", "--chain", "solana", "--history", "other", cwd=place)
    assert done.code == 2 and "holds nothing of solana" in done.line and not (place / "other").exists()


NOW = BLOCK.timestamp
A, B = market("a", kinked(1e6, 8e5, low=0.06), borrowed=8e5), market("b", kinked(1e6, 8e5, low=0.05), borrowed=8e5)
C = market("c", kinked(1e6, 8e5, low=0.05), borrowed=8e5)


def on(day: float, *states: MarketState) -> Snapshot:
    block = replace(BLOCK, height=int(1e6 + day * 7200), timestamp=NOW + int(day * DAY))
    return replace(snapshot(50_000, *(replace(one, block=block) for one in states)), block=block)


def steady(day: float) -> tuple[MarketState, ...]:
    return tuple(replace(one, index=2.0 + day / 1e4) for one in (A, B, C))


def high(day: float) -> tuple[MarketState, ...]:
    """A is quoted at 350 %, B at -2 %, on two days."""
    a, b, c = steady(day)
    return (replace(a, quoted=Apr(3.5)), replace(b, quoted=Apr(-0.02)), c) if day in (-5, -4) else (a, b, c)


def wild(day: float) -> tuple[MarketState, ...]:
    """An index and a rate that are no numbers, for a day."""
    a, b, c = steady(day)
    nothing = replace(a, index=math.nan, quoted=Apr(math.inf), curve=ConstantCurve(math.nan))
    return (nothing, replace(b, index=-1.0), c) if day == -5 else (a, b, c)


def dying(day: float) -> tuple[MarketState, ...]:
    """B is gone from the tenth day before the last on."""
    a, b, c = steady(day)
    return (a, b, c) if day < -10 else (a, c)


@pytest.mark.parametrize("shown", [steady, high, wild, dying])
@pytest.mark.parametrize(
    "days", [range(-20, 1), [*range(-20, -12), *range(-2, 1)], [*range(-20, 1), 0, 0], [*range(-20, 0), -7.5, -3.25, 0]]
)  # all, a gap, twice the same block, clocks that run back
def test_whatever_a_chain_shows_is_kept_named_and_decided_on(
    tmp_path: Path, shown: Callable[[float], tuple[MarketState, ...]], days: list[float]
) -> None:
    lines: list[str] = []
    for day in days:
        kept = keep(tmp_path / FOLDER, [on(day, *shown(day))], lines.append)
        assert not kept.failure and kept.rows + kept.known == len(shown(day))
    verdict = verify(Store(tmp_path / FOLDER), now=NOW)
    assert verdict.sound and verdict.rows == sum(len(shown(day)) for day in set(days))
    kinds = {fault.kind for fault in verdict.faults}
    last = on(0, *shown(0))
    told = with_forecasts(last, tmp_path, loose(), lines.append)
    assert told.contradicted == ()
    if shown in (steady, dying) or -5 not in days:
        assert lines == []
    else:
        said = {high: "a rate of 350.00% a year was read", wild: "a rate of inf% a year was read"}[shown]
        assert f"{A.market.id}: {said}: kept, and flagged" in lines
    for state in told.markets:
        said = state.forecast
        assert said is None or (math.isfinite(said.mean) and said.low <= said.mean <= said.high)
    decided = decide(told, loose(), JOB, NOW)
    assert decided.allocation.targets and all(amount.raw >= 0 for amount in decided.allocation.targets.values())
    if shown is high and -5 in days:
        assert "rate" in kinds
        flags = [flag for one in query.readings(Store(tmp_path / FOLDER)) for flag in one.flags]
        assert any("a rate of 350.00% a year was read" in flag for flag in flags)
        assert any("a rate of -2.00% a year was read" in flag for flag in flags)
    if shown is dying:
        assert "ended" in kinds and B.market.id not in {state.market.id for state in told.markets}
    if len(days) == 11:
        assert "gap" in kinds


FULL_DISK = """
import asyncio, dataclasses, random, resource, signal, sys
from pathlib import Path
import pytest
from tests.kit.app.cycle import SessionDouble, wired
from tests.kit.market_builder import kinked, market, snapshot
from tests.kit.risk.protections import JOB
from yieldbot.app import cycle
from yieldbot.app.memory import FOLDER
from yieldbot.journal.store import Journal
from yieldbot.model.market import Status
from yieldbot.model.plan import Hold
from yieldbot.model.policy import Policy

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
place, drawn = Path(sys.argv[1]), random.Random(1)
held = market("held", kinked(1e6, 8e5), held=50_000, borrowed=8e5)
many = [
    market(f"m{n}", kinked(drawn.uniform(1e5, 1e7), drawn.uniform(1e3, 9e4), low=drawn.random() / 9),
           liquidity=drawn.uniform(1, 1e6), borrowed=drawn.uniform(1e3, 9e4), status=Status.FROZEN)
    for n in range(500)
]
with Journal.open(place / "journal.sqlite") as journal, pytest.MonkeyPatch.context() as patch:
    world = wired(patch, journal, SessionDouble([snapshot(0, held, *many)]))
    world.settings = dataclasses.replace(world.settings, data_dir=place, policy=Policy(idle_buffer="0"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
    done = asyncio.run(cycle.run_job(world, JOB))
    assert isinstance(done.decision.outcome, Hold) and done.skipped is None and done.declined is None, done
    (line,) = [one for one in world.lines if "nothing is remembered" in one]
    assert "make room" in line and "\\n" not in line, line
    assert journal.verify() == 1 and not list((place / FOLDER).rglob("*.parquet"))
"""


def test_a_disk_that_is_full_ends_remembering_and_not_the_run(tmp_path: Path) -> None:
    """The operating system refuses to let memory's file grow; the journal's is small enough."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, cwd=ROOT, timeout=300
    )
    assert done.returncode == 0, done.stderr
