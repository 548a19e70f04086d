"""Predicted against realised: a run records what it decided with, and ``positions`` and ``forecast --skill`` show what
came of every position ever held."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.kit.app.cycle import SessionDouble, wired
from tests.kit.app.watched import printed, watched
from tests.kit.config.files import written
from tests.kit.market_builder import BLOCK, CHAIN, OWNER, USDC, kinked, market, snapshot, usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB
from yieldbot.app import cycle, liquidity, overview, positions
from yieldbot.app.context import Context
from yieldbot.app.forecast import ForecastRequest, forecast
from yieldbot.app.forecast_documents import SkillDocument
from yieldbot.app.learned import ever_held
from yieldbot.app.memory import FOLDER
from yieldbot.app.wiring import JOURNAL
from yieldbot.cli import learned_table, view
from yieldbot.errors import InvariantError
from yieldbot.execution.approvals import Approval
from yieldbot.execution.results import LegResult
from yieldbot.history.predictions import predictions
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.recorded import record
from yieldbot.history.store import Store
from yieldbot.journal.store import Journal
from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.market import RateForecast, Snapshot
from yieldbot.model.plan import Plan
from yieldbot.model.settings import Settings

DAY = 86_400
T0 = BLOCK.timestamp
GOOD = market("good", kinked(1e6, 8e5, low=0.09), borrowed=8e5)
POOR = market("poor", kinked(1e6, 8e5, low=0.02), borrowed=8e5)


def keyed(market_id: str) -> MarketKey:
    return MarketKey(chain=CHAIN, market=market_id, protocol="lend", asset="USDC", asset_address=USDC.address.lower())


def remember(folder: Path, market_id: str, first: int, last: int, rate: float) -> None:
    """A reading each day, from ``first`` to ``last`` days after the block; the index grows by ``rate``, each quote is
    three times as high as what is paid."""
    rows = [
        Reading(
            key=keyed(market_id),
            time=T0 + day * DAY,
            supply_rate=3 * rate,
            index=math.exp(rate * day / 365),
            mean_rate=rate,
            mean_since=T0 + (day - 1) * DAY,
        )
        for day in range(first, last + 1)
    ]
    assert not Store(folder / FOLDER).append(rows).failure


def at(seen: Snapshot, day: float) -> Snapshot:
    return replace(seen, block=replace(BLOCK, height=int(day * 7200) + 1, timestamp=T0 + int(day * DAY)))


class Live(SessionDouble):
    """Carries out what is approved, and looks into the journal before it does."""

    journal: Journal

    async def execute(self, approval: Approval, index: int, seen: Snapshot) -> LegResult:
        self.did.append(("journalled", [one.plan for one in predictions(self.journal.history())]))
        return await super().execute(approval, index, seen)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / JOURNAL, clock=lambda: T0) as opened:
        yield opened


async def test_a_run_records_what_it_decides_with_before_anything_is_sent(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for market_id in (GOOD.market.id, POOR.market.id):
        remember(tmp_path, market_id, -40, -1, 0.05 if market_id == GOOD.market.id else 0.01)
    before, after = snapshot(50_000, GOOD, POOR), snapshot(0, replace(GOOD, held=usdc(50_000)), POOR)
    live = Live([before, before, at(after, 0.001)])
    live.journal = journal
    world = wired(monkeypatch, journal, live)
    world.settings = replace(
        world.settings, data_dir=tmp_path, policy=loose(idle_buffer="0", alarms=AlarmLimits(off=("MISSING",)))
    )
    monkeypatch.setattr(type(world), "now", lambda self: T0)
    done = await cycle.run_job(world, JOB)
    assert done.outcomes and done.decision is not None and isinstance(done.decision.outcome, Plan)
    told = [step for step in live.did if isinstance(step, tuple) and step[0] == "journalled"]
    assert told and all(plans == [done.decision.outcome.id] for _, plans in told), "written before the first leg"
    first, *later = predictions(journal.history())
    assert first.market_id == GOOD.market.id and first.block == before.block and first.days == 7.0
    assert first.low <= first.mean <= first.high and first.quoted == GOOD.quoted.value
    assert first.expected < first.mean, "our own money lowers what it pays"
    assert [one.plan for one in later] == [""] and later[0].block.timestamp == T0 + 86, "and what is held then"
    live.views = [at(after, 1)]
    held = await cycle.run_job(world, JOB)
    assert held.outcomes == () and len(predictions(journal.history())) == 3
    assert journal.verify() == len(journal.history())


async def test_a_young_memory_decides_nothing_and_nothing_is_predicted(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = SessionDouble([snapshot(50_000, GOOD)])
    world = wired(monkeypatch, journal, live)
    world.settings = replace(world.settings, data_dir=tmp_path)
    done = await cycle.run_job(world, JOB)
    assert done.outcomes and predictions(journal.history()) == ()


SAID = RateForecast(mean=0.05, low=0.045, high=0.06, days=7.0, by="paid-3d")


def story(journal: Journal, until: int) -> None:
    """10,000 tokens lie in GOOD for twenty days at 4 %, and are left; then 5,000 in POOR, at 1.5 % of 2 %."""
    for day in range(21):
        held = usdc(10_000 * math.exp(0.04 * day / 365))
        record(journal, at(snapshot(0, replace(GOOD, held=held, forecast=SAID)), day), loose(), USDC)
    for day in range(21, until + 1):
        held = usdc(5_000 * math.exp(0.015 * (day - 21) / 365))
        low = replace(SAID, mean=0.02, low=0.01, high=0.03)
        record(journal, at(snapshot(0, GOOD, replace(POOR, held=held, forecast=low)), day), loose(), USDC)


def test_every_position_ever_held_is_told_with_what_came(tmp_path: Path, journal: Journal) -> None:
    story(journal, 35)
    remember(tmp_path, GOOD.market.id, 0, 40, 0.04)
    remember(tmp_path, POOR.market.id, 0, 40, 0.015)
    left, held = ever_held(journal.history(), {(CHAIN, OWNER): ()}, tmp_path / FOLDER)
    assert (left.id, left.since, left.until) == (GOOD.market.id, T0, T0 + 21 * DAY)
    assert left.realised is None and left.earned_raw is None, "it went by no transaction that is known"
    assert left.forecast is not None and left.forecast.inside is False
    assert left.forecast.paid == pytest.approx(0.04) and left.predicted == pytest.approx(0.05)
    assert (left.forecasts, left.forecasts_over, left.forecasts_inside) == (21, 21, 0.0)
    assert left.forecasts_off == pytest.approx(-0.01)
    assert held.until is None and held.realised == pytest.approx(0.015, rel=1e-3)
    assert held.predicted == pytest.approx(0.02) and held.forecast is not None and held.forecast.inside is True
    assert held.forecast.paid == pytest.approx(0.015), "the index, not the quote of 4.5 %"
    assert (held.forecasts, held.forecasts_over, held.forecasts_inside) == (15, 13, 1.0)
    console = Console(width=250, file=None, force_terminal=False)
    with console.capture() as taken:
        console.print(learned_table.table([left, held], 30.0, held.since + 30 * 86_400))
    lines = taken.get().splitlines()
    (row,) = (line for line in lines if "held" in line and "poor" in line)
    assert (
        "1.511 %" in row and "2.020 % (1.0-3.0) over 7 d by paid-3d" in row and "13 of 15" in row and "-50.0 bp" in row
    )


def test_without_memory_the_money_s_own_result_is_told(tmp_path: Path, journal: Journal) -> None:
    story(journal, 35)
    _, held = ever_held(journal.history(), {(CHAIN, OWNER): ()}, tmp_path / FOLDER)
    assert held.realised == pytest.approx(0.015, rel=1e-3) and held.forecast is not None
    assert held.forecast.paid is None and held.forecast.inside is None and held.forecasts_over == 0
    assert held.forecasts_off is None and held.forecasts_inside is None


class Quiet(Context):
    def say(self, line: str) -> None:
        pass


@pytest.fixture
def context(tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> Quiet:
    """A configuration whose journal and memory tell the story; its one job's chain shows POOR now."""
    story(journal, 35)
    remember(tmp_path, GOOD.market.id, -40, 40, 0.04)
    remember(tmp_path, POOR.market.id, -40, 40, 0.015)
    made = Quiet(written(tmp_path, env="TESTNET_RPC_URL=http://127.0.0.1:9\n"))
    (job,) = made.settings.jobs
    served = replace(job, wallet=replace(job.wallet, address=OWNER), chain=replace(job.chain, chain=CHAIN), asset=USDC)
    made._settings = Settings(
        source=made.settings.source,
        data_dir=tmp_path,
        wallets=made.settings.wallets,
        chains=made.settings.chains,
        jobs=(served,),
        policy=made.settings.policy,
    )
    now = at(snapshot(0, GOOD, replace(POOR, held=usdc(5_000 * math.exp(0.015 * 19 / 365)))), 40)

    watched(monkeypatch, now)
    for module in (overview, liquidity):
        monkeypatch.setattr(module, "jobs_of", lambda wanted, context: (served,))
    return made


def test_positions_shows_them(context: Quiet, monkeypatch: pytest.MonkeyPatch) -> None:
    text, found = printed(context, monkeypatch, view.positions)
    assert "Predicted at entry against realised APY, every position ever held" in text and "15 of 15" not in text
    document = json.loads(json.dumps(found))
    left, held = document["ever_held"]
    assert left["until"] == T0 + 21 * DAY and left["forecast"]["paid"] == pytest.approx(0.04)
    assert held["until"] is None and held["realised"] == pytest.approx(0.015, rel=1e-3), (
        "up to the chain's own word now"
    )
    assert held["earned_raw"] == str(usdc(5_000 * math.exp(0.015 * 19 / 365)).raw - usdc(5_000).raw)
    assert held["forecasts_over"] == 13


def test_skill_shows_them(context: Quiet) -> None:
    found = forecast(ForecastRequest(skill=True, extras=False, third_parties=False, now=T0 + 40 * DAY), context)
    assert isinstance(found, SkillDocument)
    assert [(one.id, one.until is None) for one in found.positions] == [(GOOD.market.id, False), (POOR.market.id, True)]
    assert found.positions[0].forecasts_off == pytest.approx(-0.01)
    request = ForecastRequest(skill=True, extras=False, third_parties=False, market="poor", now=T0 + 40 * DAY)
    one = forecast(request, context)
    assert isinstance(one, SkillDocument) and [row.id for row in one.positions] == [POOR.market.id]
    other = replace(request, history=context.settings.data_dir / FOLDER)
    apart = forecast(other, context)
    assert isinstance(apart, SkillDocument) and apart.positions == (), "another history says nothing of this journal"


def test_a_prettified_ledger_is_refused_by_whoever_shows_it(context: Quiet, journal: Journal) -> None:
    journal.close()
    with sqlite3.connect(context.settings.data_dir / JOURNAL) as database:
        (keep,) = database.execute("SELECT sql FROM sqlite_master WHERE name = 'events_keep'").fetchone()
        database.execute("DROP TRIGGER events_keep")
        database.execute("UPDATE events SET body = replace(body, '\"mean\":0.05', '\"mean\":0.04') WHERE seq = 3")
        database.execute(keep)
    for show in (
        lambda: positions.positions(positions.PositionsRequest(), context),
        lambda: forecast(ForecastRequest(skill=True, extras=False, third_parties=False, now=T0 + 40 * DAY), context),
    ):
        with pytest.raises(InvariantError, match="row 3 was changed"):
            show()
