"""The list of markets: its filters and orders, its table in any width, its CSV, and the rate without risk beside it."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from tests.kit.market_builder import BLOCK, CHAIN, OWNER, USDC, kinked, market, snapshot, usdc
from yieldbot.app.market_documents import JobMarkets, Market, YieldsDocument
from yieldbot.app.market_view import View, arranged, rows_of
from yieldbot.app.markets import ListedMarkets, job_markets
from yieldbot.app.risk_free import risk_free
from yieldbot.cli.listings import markets as markets_text
from yieldbot.cli.market_table import COLUMNS, Shown, chosen, table, to_csv
from yieldbot.cli.profit_table import wheres
from yieldbot.cli.tables import TextTable
from yieldbot.errors import ConfigError
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.store import Store
from yieldbot.model.amounts import Apr
from yieldbot.model.glance import Glance
from yieldbot.model.market import Exit, ExitKind, MarketState, RateForecast
from yieldbot.model.policy import Policy
from yieldbot.model.settings import Job

POLICY, DAY = Policy(), 86_400


def named(state: MarketState, name: str, supplied: float, protocol: str = "aave_v3") -> MarketState:
    sizes = {"supplied": usdc(supplied), "borrowed": usdc(state.curve.borrowed)}  # type: ignore[attr-defined]
    return replace(state, market=replace(state.market, name=name, protocol=protocol), **sizes)


SAID = RateForecast(mean=0.03, low=0.02, high=0.05, days=7, by="paid-3d")
STATES = (
    named(market("a", kinked(1e6, 8e5), held=10_000), "Held", 1e6),
    replace(named(market("b", kinked(1e6, 8.9e5)), "=Formula", 1e6), forecast=SAID),
    replace(
        named(market("c", kinked(5e6, 4e6)), "Queue", 5e6, "maple"), exit=Exit(kind=ExitKind.REQUEST, seconds=None)
    ),
    replace(named(market("d", kinked(2e6, 1e6)), "Cooldown", 2e6), exit=Exit(kind=ExitKind.COOLDOWN, seconds=7 * DAY)),
)
SEEN = snapshot(5_000, *STATES)


@pytest.fixture
def listed(a_job: Job) -> ListedMarkets:
    return ListedMarkets(a_job, SEEN, (), None, usdc(15_000))


@pytest.fixture
def a_job(tmp_path: Path) -> Job:
    from tests.kit.config.files import written
    from yieldbot.app.context import Context

    (job,) = Context(written(tmp_path, env="TESTNET_RPC_URL=http://127.0.0.1:9\n")).settings.jobs
    return replace(job, wallet=replace(job.wallet, address=OWNER), chain=replace(job.chain, chain=CHAIN), asset=USDC)


def document(listed: ListedMarkets, view: View | None = None) -> YieldsDocument:
    jobs = (job_markets(listed, 30.0 * DAY, POLICY),)
    return YieldsDocument(horizon_seconds=30.0 * DAY, risk_free=None, jobs=arranged(jobs, view or View()))


def names(listed: ListedMarkets, view: View) -> list[str]:
    return [one.name for _, one in rows_of(document(listed).jobs, view)]


def test_what_is_held_comes_first_then_the_figure_that_is_asked_for(listed: ListedMarkets) -> None:
    every = {one.name: one for _, one in rows_of(document(listed).jobs, View())}
    others = ["=Formula", "Cooldown", "Queue"]

    def falling(figure: str) -> list[str]:
        return ["Held", *sorted(others, key=lambda name: -float(getattr(every[name], figure)))]

    assert names(listed, View()) == falling("total_apy_after_deposit")
    assert names(listed, View(sort="used")) == falling("utilisation")
    assert names(listed, View(sort="supplied")) == ["Held", "Queue", "Cooldown", "=Formula"]
    assert names(listed, View(sort="supplied", reverse=True)) == ["Held", "=Formula", "Cooldown", "Queue"]
    assert names(listed, View(sort="exit")) == ["Held", "=Formula", "Cooldown", "Queue"], "the shortest way out first"
    assert names(listed, View(sort="name")) == ["Held", "=Formula", "Cooldown", "Queue"]
    assert names(listed, View(sort="name", reverse=True)) == ["Held", "Queue", "Cooldown", "=Formula"]
    assert names(listed, View(sort="forecast"))[:2] == ["Held", "=Formula"], "what is not known comes last"
    assert names(listed, View(sort="supplied", top=2)) == ["Held", "Queue"]
    assert [one.name for one in _markets(document(listed, View(top=1)))] == ["Held"]


def _markets(found: YieldsDocument) -> tuple[Market, ...]:
    return found.jobs[0].markets  # type: ignore[union-attr]


def test_filters_are_of_the_shown_figures(listed: ListedMarkets) -> None:
    assert names(listed, View(protocol="maple")) == ["Queue"] == names(listed, View(protocol="queu"))
    assert names(listed, View(min_supplied="2000000", sort="name")) == ["Cooldown", "Queue"]
    assert names(listed, View(exit_within_hours=0.0, sort="name")) == ["Held", "=Formula"]
    assert names(listed, View(exit_within_hours=168.0, sort="name")) == ["Held", "=Formula", "Cooldown"]


def test_filters_are_also_of_markets_that_were_not_read_in_full(listed: ListedMarkets) -> None:
    first, second = (
        Glance(
            market=one.market, block=BLOCK, held=one.held, supplied=one.supplied, borrowed=None, cash=None,
            capacity=None, quoted=one.quoted, ceiling=one.curve, open=True,
        )
        for one in STATES[1:3]
    )  # fmt: skip
    half = replace(listed, snapshot=replace(SEEN, glanced=(first, second)))

    def left(view: View) -> set[str]:
        (job,) = document(half, view).jobs
        assert isinstance(job, JobMarkets)
        text = Console(width=200, record=True, file=io.StringIO())
        text.print(markets_text([half], document(half, view), 30.0 * DAY, Shown(view=view, columns=None, width=200)))
        said = text.export_text()
        for one in (first, second):
            assert (f"APY in {one.market.name}," in said) == (one.market.name in {row.name for row in job.glanced})
        return {one.name for one in job.glanced}

    assert left(View()) == {"=Formula", "Queue"} and left(View(protocol="queue")) == {"Queue"}
    assert left(View(min_supplied="2000000")) == {"Queue"} and left(View(exit_within_hours=0.0)) == set()


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (View(sort="yield"), "--sort yield: known are: apy, quoted"),
        (View(top=0), "--top 0: write how many"),
        (View(min_supplied="1,000"), "--min-supplied 1,000: write whole tokens"),
        (View(min_supplied="nan"), "--min-supplied nan"),
        (View(exit_within_hours=-1.0), "--exit-within: write a number of hours"),
        (View(exit_within_hours=float("nan")), "--exit-within"),
    ],
)
def test_a_view_that_cannot_be_shown_is_refused_with_its_remedy(view: View, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        view.check()


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal_and_figures_stand_below_each_other(
    listed: ListedMarkets, width: int
) -> None:
    shown = Shown(view=View(), columns=None, width=width)
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table("Markets", document(listed), [listed], ["testnet"], shown))
    lines = console.export_text().splitlines()
    assert all(cell_len(line) <= width for line in lines)
    text = "\n".join(lines)
    assert all(state.market.name in text for state in STATES)
    assert ("Cap left" in text) == (width == 200) and "depositing" in text and "Forecast (80 %)" in text
    if width < 200:
        under = [lines[lines.index(state.market.name) + 1] for state in STATES]
        assert len({line.index(" %") for line in under}) == 1, "a figure of one column is at the same place in each row"


def test_columns_can_be_chosen(listed: ListedMarkets) -> None:
    shown = Shown(view=View(), columns=chosen("safety, apy,apy"), width=200)
    made = table("Markets", document(listed), [listed], ["testnet"], shown)
    assert [str(column.header) for column in made.columns] == ["Market", "Safety", "APY after"]
    with pytest.raises(ConfigError, match="--columns yield: known are: where, apy"):
        chosen("yield")
    with pytest.raises(ConfigError, match="--columns: name one"):
        chosen(" , ")


def test_two_wallets_on_two_chains_are_told_apart(a_job: Job) -> None:
    chains = [a_job.chain, replace(a_job.chain, name="there")]
    wallets = [a_job.wallet, replace(a_job.wallet, name="other")]
    jobs = [replace(a_job, chain=chain, wallet=wallet) for chain in chains for wallet in wallets]
    assert len(set(wheres(jobs))) == len(jobs) and wheres(jobs[:1]) == [a_job.chain.name]


def test_rows_say_where_they_are_if_the_list_is_of_several_places(listed: ListedMarkets, a_job: Job) -> None:
    away = ListedMarkets(replace(a_job, chain=replace(a_job.chain, name="away")), snapshot(1_000), (), None)
    jobs = tuple(job_markets(one, 30.0 * DAY, POLICY) for one in (listed, away))
    both = YieldsDocument(horizon_seconds=30.0 * DAY, risk_free=None, jobs=jobs)
    shown = Shown(view=View(top=1), columns=None, width=200)
    assert "Where" in [str(one.header) for one in table("", both, [listed, away], ["testnet", "away"], shown).columns]
    assert "Where" not in [str(one.header) for one in table("", both, [listed], ["testnet"], shown).columns]


def test_csv_has_every_figure_unrounded_and_no_formula(listed: ListedMarkets) -> None:
    shown = Shown(view=View(), columns=None, width=80)
    rows = list(csv.DictReader(io.StringIO(to_csv(document(listed), [listed], ["testnet"], shown))))
    by_id = {row["id"]: row for row in rows}
    assert len(rows) == 4 and set(COLUMNS) - {"where"} <= rows[0].keys()
    (formula,) = (row for row in rows if "Formula" in row["market"])
    assert formula["market"] == "'=Formula"
    one = next(one for one in _markets(document(listed)) if one.name == "=Formula")
    assert float(formula["apy"]) == one.apy_after_deposit and formula["supplied"] == one.supplied.text
    assert one.forecast is not None and float(formula["forecast"]) == one.forecast.apy
    assert one.forecast.low < 0.0202 and one.forecast.low > 0.02 < one.forecast.high
    assert [float(formula[f"forecast_{end}"]) for end in ("low", "high")] == [one.forecast.low, one.forecast.high]
    assert by_id[STATES[2].market.id]["exit"] == "" and by_id[STATES[3].market.id]["exit"] == "168.0"
    assert all(row["over"] == "" for row in rows)


def test_a_narrow_table_breaks_no_word_and_names_long_texts() -> None:
    made = TextTable("Title", "Name", ">Figure", "Note")
    made.add_row("one", "1.00", "several words that need more than half of it, unbreakablyverylongwords " * 2)
    made.add_row("two", "20.00", "")
    console = Console(width=30, record=True, file=io.StringIO())
    console.print(made)
    lines = [line.rstrip() for line in console.export_text().splitlines()]
    assert lines[:4] == ["Title", "  Figure", "one", "    1.00"] and lines[4].startswith("  Note: several words")
    assert lines[-2:] == ["two", "   20.00"]
    assert {word for line in lines[4:-2] for word in line.split()} == {"Note:", *made.columns[2]._cells[0].split()}  # type: ignore[union-attr]


@pytest.mark.parametrize("width", range(70, 190, 5))
def test_a_key_and_a_number_with_its_unit_are_whole_at_any_width(width: int) -> None:
    key = "0x" + "a" * 64
    made = TextTable("Found", "Market", ">Size", ">Rate", "Exit", "Key")
    made.add_row("USDC market of WETH", "1,000,000 USDC", "3.456 %", "it pays 3.46 % APY or " * 9, key)
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(made)
    text = console.export_text()
    assert key in text and text.count("3.46 %") == 9


def test_the_rate_without_risk_is_a_market_that_was_read_or_a_series_of_memory(tmp_path: Path) -> None:
    lines: list[str] = []
    state = STATES[0]
    found = risk_free(state.market.id, [SEEN], tmp_path, lines.append)
    assert found is not None and found.name == "Held" and found.apy == state.quoted.compounded().value
    assert risk_free(None, [SEEN], tmp_path, lines.append) is None and not lines
    assert risk_free("tbill", [SEEN], tmp_path, lines.append) is None
    said = "the risk-free rate is left out: policy.risk_free names tbill, which no job reads and memory lacks"
    assert lines == [said]
    store = Store(tmp_path / "history")
    at = BLOCK.timestamp
    store.append(
        Reading(key=MarketKey(chain=CHAIN, market="tbill"), time=time, supply_rate=rate, source="import:test")
        for time, rate in ((at - 2 * DAY, 0.040), (at - DAY, 0.042))
    )
    found = risk_free("tbill", [SEEN], tmp_path, lines.append)
    assert found is not None and (found.at, found.apy) == (at - DAY, pytest.approx(Apr(0.042).compounded().value))
    later = replace(SEEN, block=replace(BLOCK, timestamp=at + 20 * DAY))
    assert risk_free("tbill", [later], tmp_path, lines.append) is None, "a series that ended is not today's rate"
