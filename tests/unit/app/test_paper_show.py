"""``paper show`` over a long time: the last days are compared, and what is left out is said."""

from __future__ import annotations

import time
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.kit.market_builder import BLOCK, CHAIN, OWNER, USDC
from tests.kit.policies import loose
from tests.unit.app.test_paper import DAY, at, stepped
from yieldbot.app.context import Context
from yieldbot.app.paper_show import LAST_DAYS, PaperShowRequest, show
from yieldbot.app.paper_state import FILE, PaperState, folder_of, written
from yieldbot.cli.paper import _compared
from yieldbot.errors import ConfigError
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.store import Store
from yieldbot.journal.journal_entries import Observed
from yieldbot.journal.store import Journal
from yieldbot.model.settings import Settings

STEPS = 395


def wallet(data_dir: Path, steps: int) -> None:
    """A paper wallet that made a step each day; memory has two markets of its chain over the same time."""
    state: PaperState | None = None
    rows, noted = list[Reading](), list[Observed]()
    for day in range(steps):
        seen = at(day)
        if state is None or day % 5 == 0:
            state, _ = stepped(state, seen)
        else:
            more = replace(state.totals, wealth=state.totals.wealth + state.value * DAY)
            state = replace(state, time=seen.block.timestamp, height=seen.block.height, totals=more)
        noted.append(Observed(CHAIN, OWNER, seen.block, asset=USDC.address, paper=written(state)))
        for name, rate in (("lend/1/one", 0.04), ("lend/1/two", 0.01)):
            key = MarketKey(chain=str(CHAIN), market=name, protocol="lend", asset="USDC", asset_address=USDC.address)
            rows.append(Reading(key=key, time=seen.block.timestamp, supply_rate=rate + day % 7 / 1e4, supplied=1e9))
    with Journal.open(folder_of(data_dir, "old") / FILE) as journal:
        journal.append(*noted)
    Store(data_dir / "history").append(rows)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    folder = tmp_path_factory.mktemp("paper")
    wallet(folder, STEPS)
    made = Context()
    made._settings = Settings(
        source=folder / "yieldbot.toml", data_dir=folder, wallets={}, chains={}, jobs=(), policy=loose()
    )
    return made


def asked(context: Context, since: str = "", until: str = "") -> PaperShowRequest:
    return PaperShowRequest(history=context.settings.data_dir / "history", since=since, until=until)


def test_the_last_days_of_a_longer_time_are_compared(context: Context) -> None:
    (found,) = show(asked(context), context).wallets
    assert (found.since, found.time) == (at(STEPS - 1 - LAST_DAYS).block.timestamp, at(STEPS - 1).block.timestamp)
    assert found.left_out == STEPS - 1 - LAST_DAYS and found.began == BLOCK.timestamp
    sides = {side.name: side for side in found.sides}
    assert sides["paper"].days == sides["backtest"].days == LAST_DAYS
    assert sides["paper"].costs == 0.0, "what entering cost was before"
    assert sides["backtest"].costs == 0.0 and sides["backtest"].moves == 0, "it begins with what the wallet held"
    assert sides["backtest"].wealth == pytest.approx(sides["paper"].wealth, rel=1e-3)
    screen = Console(file=StringIO(), width=200)
    screen.print(_compared(found))
    said = screen.file.getvalue()  # type: ignore[attr-defined]
    assert f"364 other steps are left out: `paper show --from {_day(0)}` compares all" in said


def test_days_that_are_asked_for_are_compared(context: Context) -> None:
    (found,) = show(asked(context, _day(0), _day(20)), context).wallets
    assert found.since == BLOCK.timestamp and found.time == at(20).block.timestamp
    assert found.left_out == STEPS - 21
    paper = next(side for side in found.sides if side.name == "paper")
    assert paper.costs > 0.0 and paper.days == 20, "with what entering cost"
    with pytest.raises(ConfigError, match="made no step in that time"):
        show(asked(context, "1999-01-01", "1999-02-01"), context)


def _day(number: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at(number).block.timestamp))
