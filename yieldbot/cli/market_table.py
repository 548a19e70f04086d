"""The table of markets, and the same as CSV. Imported only when one is shown."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from yieldbot.app.market_view import View, hours_of, rows_of
from yieldbot.cli.render import names_of
from yieldbot.cli.tables import TextTable
from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.market import Exit, ExitKind
from yieldbot.model.spelling import did_you_mean
from yieldbot.model.text import cell_text

if TYPE_CHECKING:
    from yieldbot.app.market_documents import JobMarkets, Market, YieldsDocument
    from yieldbot.app.markets import ListedMarkets

LEAST_COST_BPS = 0.005
"""A market's entry and exit fees are shown if they are at least this, in bp."""
GAP = 4
"""Characters between two columns and around them, at most."""
ROOMY = 150
"""Characters from which on a terminal has room for all columns."""


@dataclass(frozen=True, slots=True)
class Row:
    """What the columns are made of."""

    name: str
    """The market's name, unlike the others'."""
    where: str
    """Chain, and wallet and asset where they differ."""
    job: JobMarkets
    """Its job."""
    market: Market
    """The market."""
    risk_free: float | None
    """The rate without risk; None: there is none."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table."""

    title: str
    """Its head; > in front: figures, which stand at the right."""
    text: Callable[[Row], str]
    """A row's cell on the screen."""
    value: Callable[[Row], object]
    """A row's cell in CSV: amounts in whole tokens, rates as fractions; None: not known."""
    narrow: bool = True
    """Whether it is shown where there is little room."""


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value * 100:z.3f} %"


def _whole(text: str) -> str:
    return f"{float(text):z,.0f}"


def _forecast(row: Row) -> str:
    said = row.market.forecast
    return "-" if said is None else f"{said.apy * 100:z.2f} % ({said.low * 100:z.1f}-{said.high * 100:z.1f})"


def _over(row: Row) -> float | None:
    total = row.market.total_apy_after_deposit
    return None if total is None or row.risk_free is None else total - row.risk_free


def _exit(row: Row) -> str:
    out = row.market.exit
    kind = ExitKind(out.kind)
    return Exit(kind=kind, seconds=None if out.hours is None else round(out.hours * 3600)).words


def _flags(row: Row) -> str:
    one = row.market
    closed = () if one.status == "active" else (one.status,)
    cost = one.entry_cost_bps
    costs = (f"costs {cost:g} bp, in and out",) if cost is not None and cost >= LEAST_COST_BPS else ()
    tried = ("way out untried",) if one.untried else ()
    return ", ".join(dict.fromkeys((*closed, *costs, *tried, *one.flags, *one.vetoes)))


COLUMNS: Mapping[str, Column] = {
    "where": Column("Where", lambda r: r.where, lambda r: r.where),
    "apy": Column(
        ">APY after",
        lambda r: _percent(r.market.apy_after_deposit),
        lambda r: r.market.apy_after_deposit,
    ),
    "rewards": Column(
        ">+ Rewards",
        lambda r: _percent(r.market.reward_apy_after_deposit),
        lambda r: r.market.reward_apy_after_deposit,
    ),
    "growth": Column(">+ Own growth", lambda r: _percent(r.market.asset_growth), lambda r: r.market.asset_growth),
    "total": Column(
        ">= Total", lambda r: _percent(r.market.total_apy_after_deposit), lambda r: r.market.total_apy_after_deposit
    ),
    "deposit": Column(
        ">depositing",
        lambda r: f"{_whole(r.market.after_deposit_of.text)} {r.market.after_deposit_of.symbol}",
        lambda r: r.market.after_deposit_of.text,
    ),
    "over": Column(
        ">Over risk-free",
        lambda r: "-" if (over := _over(r)) is None else f"{over * 100:+z.2f} pp",
        _over,
    ),
    "forecast": Column(
        ">Forecast (80 %)", _forecast, lambda r: None if r.market.forecast is None else r.market.forecast.apy
    ),
    "quoted": Column(">Quoted APY", lambda r: _percent(r.market.quoted_apy), lambda r: r.market.quoted_apy),
    "safety": Column(
        ">Safety",
        lambda r: "-" if r.market.safety is None else f"{r.market.safety} {r.market.letter}",
        lambda r: r.market.safety,
    ),
    "exit": Column("Exit", _exit, lambda r: hours_of(r.market)),
    "held": Column(">We hold", lambda r: f"{float(r.market.held.text):z,.2f}", lambda r: r.market.held.text),
    "liquidity": Column(
        ">Liquidity",
        lambda r: "unknown" if r.market.exit.cash is None else _whole(r.market.exit.cash.text),
        lambda r: None if r.market.exit.cash is None else r.market.exit.cash.text,
    ),
    "supplied": Column(
        ">Supplied", lambda r: _whole(r.market.supplied.text), lambda r: r.market.supplied.text, narrow=False
    ),
    "used": Column(
        ">Used",
        lambda r: "-" if r.market.utilisation is None else f"{r.market.utilisation:z.1%}",
        lambda r: r.market.utilisation,
        narrow=False,
    ),
    "cap": Column(
        ">Cap left",
        lambda r: "-" if r.market.cap_headroom is None else _whole(r.market.cap_headroom.text),
        lambda r: None if r.market.cap_headroom is None else r.market.cap_headroom.text,
        narrow=False,
    ),
    "flags": Column("Flags", _flags, _flags),
}
"""By the name that ``--columns`` takes."""
INTERVAL: Sequence[tuple[str, Callable[[Row], object]]] = (
    ("forecast_low", lambda r: None if r.market.forecast is None else r.market.forecast.low),
    ("forecast_high", lambda r: None if r.market.forecast is None else r.market.forecast.high),
)
"""What CSV has beside the forecast: the ends of its 80 % interval."""


def chosen(text: str | None) -> tuple[str, ...] | None:
    """The columns in a list such as ``apy,safety``; None: the usual ones. Raises ConfigError for an unknown one."""
    if text is None:
        return None
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in COLUMNS:
            raise ConfigError(f"--columns {name}: {did_you_mean(name, COLUMNS)}")
    if not names:
        raise ConfigError(f"--columns: name one or more of {', '.join(COLUMNS)}")
    return names


def table(
    title: str, document: YieldsDocument, listed: Sequence[ListedMarkets], wheres: Sequence[str], shown: Shown
) -> TextTable:
    """A row for each market of all jobs, what we hold first. wheres: what each of ``listed`` is called."""
    rows = _rows(document, listed, wheres, shown.view)
    names = shown.columns or _usual(rows, len(set(wheres)) > 1, shown.width)
    made = TextTable(title, "Market", *(COLUMNS[name].title for name in names))
    for row in rows:
        made.add_row(row.name, *(COLUMNS[name].text(row) for name in names))
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How the table is shown."""

    view: View
    """Which markets, in which order."""
    columns: tuple[str, ...] | None
    """Names of columns; None: the usual ones for the width."""
    width: int
    """Characters of a line."""


def to_csv(document: YieldsDocument, listed: Sequence[ListedMarkets], wheres: Sequence[str], shown: Shown) -> str:
    """The same rows with all columns, or those that were asked for, without rounding: amounts in whole tokens, rates
    as fractions, hours until money is out."""
    names = shown.columns or tuple(name for name in COLUMNS if name != "where")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    values = {
        title: value
        for name in names
        for title, value in ((name, COLUMNS[name].value), *(INTERVAL if name == "forecast" else ()))
    }
    writer.writerow(("id", "market", "protocol", "kind", "chain", "wallet", "asset", *values))
    for row in _rows(document, listed, wheres, shown.view):
        one, job = row.market, row.job
        head = (one.id, one.name, one.protocol, one.kind, job.chain, job.wallet, job.asset)
        cells = (value(row) for value in values.values())
        writer.writerow([*map(cell_text, head), *(_written(cell) for cell in cells)])
    return text.getvalue()


def _written(cell: object) -> str:
    """A cell of CSV; a stranger's text is no formula."""
    return "" if cell is None else cell_text(cell) if isinstance(cell, str) and not _is_number(cell) else str(cell)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _usual(rows: Sequence[Row], several: bool, width: int) -> tuple[str, ...]:
    """The columns that have something to show, as many as the width has room for. several: the title names more than
    one place, so that each row says its own, also where filters leave rows of one."""
    some = {
        "where": several,
        "rewards": any(row.market.rewards for row in rows),
        "growth": any(row.market.asset_growth for row in rows),
        "total": any(row.market.rewards or row.market.asset_growth for row in rows),
        "over": any(row.risk_free is not None for row in rows),
        "forecast": any(row.market.forecast is not None for row in rows),
    }
    every = tuple(name for name in COLUMNS if some.get(name, True))
    few = tuple(name for name in every if COLUMNS[name].narrow)
    return every if width >= ROOMY and _least_width(rows, every) <= width else few


def _least_width(rows: Sequence[Row], names: Sequence[str]) -> int:
    """The least characters of a line that a table of these columns needs: figures whole, texts by their longest
    word."""
    total = max((len(word) for row in rows for word in row.name.split()), default=0) + GAP
    for name in names:
        column = COLUMNS[name]
        cells = [column.title.removeprefix(">"), *(column.text(row) for row in rows)]
        parts = cells if column.title.startswith(">") else [word for cell in cells for word in cell.split()]
        total += max(map(len, parts), default=0) + GAP
    return total


def _rows(document: YieldsDocument, listed: Sequence[ListedMarkets], wheres: Sequence[str], view: View) -> list[Row]:
    called: dict[tuple[str, str, str], str] = {}
    placed: dict[tuple[str, str, str], str] = {}
    for one, where in zip(listed, wheres, strict=True):
        for market_id, name in names_of(one.snapshot).items():
            key = (one.job.wallet.name, one.job.chain.name, str(market_id))
            called[key], placed[key] = name, where
    hurdle = document.risk_free.apy if document.risk_free else None
    found = []
    for job, market in rows_of(document.jobs, view):
        key = (job.wallet, job.chain, market.id)
        found.append(Row(called.get(key, market.name), placed.get(key, ""), job, market, hurdle))
    return found
