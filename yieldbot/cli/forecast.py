"""``yieldbot forecast``: what each market is expected to pay, by which forecaster, and how good its forecasts were."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from yieldbot.app import forecast as use
from yieldbot.app.forecast_documents import ForecastDocument, RegisteredDocument, SkillDocument
from yieldbot.app.formatting import when
from yieldbot.cli import learned_table
from yieldbot.cli.tables import TextTable
from yieldbot.model.amounts import Apr
from yieldbot.model.text import counted
from yieldbot.model.units import DAY_SECONDS

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.forecast_documents import ForecasterSkill, HorizonForecast
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen

LEAST_WEIGHT = 0.005
DECIDED_DAYS = 7
"""The horizon over which the forecast that plans are made on is shown."""


def register(listed: CommandList) -> None:
    parser = listed.add_parser("forecast")
    parser.add_argument(
        "market",
        nargs="?",
        default="",
        metavar="MARKET",
        help="a market's name or id, or a part of one, or an asset's symbol",
    )
    parser.add_argument("--history", type=Path, metavar="FOLDER", help="a folder of memory, or a file to import")
    parser.add_argument(
        "--skill", action="store_true", help="show how much better or worse than persistence each forecaster was"
    )
    parser.add_argument(
        "--since", default="", metavar="DAY", help="with --skill: score only forecasts made from this day on"
    )
    parser.add_argument("--register", type=Path, metavar="FILE", help="register a file of forecasts (docs/forecast.md)")
    parser.add_argument("--no-extras", action="store_true", help="do not use LightGBM, even if it is installed")
    parser.add_argument("--no-third-party", action="store_true", help="do not use third-party forecasters")
    parser.set_defaults(command="forecast", handler=forecast)


def forecast(args: argparse.Namespace, context: Screen) -> int:
    request = use.ForecastRequest(
        market=args.market,
        history=args.history,
        skill=args.skill,
        since=args.since,
        register=args.register,
        extras=not args.no_extras,
        third_parties=not args.no_third_party,
    )
    found = use.forecast(request, context)
    context.show(found.as_json(), lambda: _shown(found, context))
    return 0


def _shown(found: ForecastDocument | SkillDocument | RegisteredDocument, context: Screen) -> Any:
    match found:
        case ForecastDocument():
            return _forecasts(found)
        case SkillDocument():
            return _skill(found, context)
        case RegisteredDocument():
            state = "are registered" if found.added else "are there already, and not added again,"
            line = f"{counted(found.forecasts, 'forecast')} of {found.forecaster} {state} in {found.ledger}; "
            return Group(*(Text(one) for one in (f"{line}their horizons begin at {when(found.time)}", *found.notes)))


def _forecasts(found: ForecastDocument) -> Group:
    days = [one.horizon_days for one in max((m.horizons for m in found.markets), key=len, default=())]
    heads = [f">{day} d" for day in days]
    single = any(market.decided_on for market in found.markets)
    sheet = TextTable(
        f"Expected APY from {when(found.at)} on", "Market", "Where", "Asset", ">Quoted APY", *heads,
        *([f">{found.decides}, {DECIDED_DAYS} d"] if single else []), ">Days", "Why",
    )  # fmt: skip
    for market in found.markets:
        by_day = {one.horizon_days: one for one in market.horizons}
        cells = [_rates(by_day.get(day)) for day in days]
        if single:
            decided = next((one for one in market.decided_on if one.horizon_days == DECIDED_DAYS), None)
            cells.append("none" if decided is None else _percent(decided.mean, DECIDED_DAYS))
        quoted = _percent(market.quoted) if market.quoted is not None else "none"
        sheet.add_row(market.name, market.chain_name, market.asset, quoted, *cells, f"{market.days:z.0f}", market.why)
    parts: list[Any] = [sheet, Text("In brackets what eight in ten end within; APY in %, before a deposit of ours.")]
    for market_class in dict.fromkeys(one.market_class for one in found.standings):
        who = TextTable(
            f"Who is weighed how: {market_class} markets", "Forecaster", *(f">{d} d" for d in days), "Why (7 d)"
        )
        rows = [one for one in found.standings if one.market_class == market_class]
        for name in dict.fromkeys(one.forecaster for one in rows):
            own = {one.horizon_days: one for one in rows if one.forecaster == name}
            weights = [f"{100 * own[day].weight:z.0f} %" if own[day].weight >= LEAST_WEIGHT else "-" for day in days]
            who.add_row(name, *weights, own[7].why)
        parts.append(who)
    return Group(*parts, *(Text(line) for line in found.notes))


def _rates(one: HorizonForecast | None) -> str:
    """A forecast with its interval."""
    if one is None:
        return "none"
    return "{} ({}-{})".format(*(_percent(rate, one.horizon_days) for rate in (one.mean, one.low, one.high)))


def _skill(found: SkillDocument, context: Screen) -> Group:
    title = f"Skill against persistence, {when(found.since)} to {when(found.until)}, {counted(found.markets, 'market')}"
    columns = (">Days", ">Scored", ">MAE less", ">90 % of draws", ">80 % covers", ">Pinball less", ">(bare)", ">CRPS")
    sheet = TextTable(title, "Class", "Forecaster", *columns)
    for row in found.rows:
        sheet.add_row(row.market_class, row.forecaster, str(row.horizon_days), str(row.forecasts), *_cells(row))
    lines = (
        "MAE less: how much smaller the mean absolute error is than that of `what is quoted now lasts`. Pinball less: "
        "than persistence's with an interval made the same way; (bare): than that of its number alone.",
        *found.notes,
    )
    held = []
    if found.positions:
        horizon_days = context.settings.policy.horizon_seconds / DAY_SECONDS
        held = [learned_table.table(found.positions, horizon_days, found.until)]
    return Group(sheet, *(Text(line) for line in lines), *held)


def _cells(row: ForecasterSkill) -> tuple[str, ...]:
    if row.skill is None or row.pinball is None or row.coverage is None or row.crps is None:
        return ("none",) * 6
    draws = (
        ""
        if row.skill_low is None or row.skill_high is None
        else f"{_share(row.skill_low)} .. {_share(row.skill_high)}"
    )
    less = [
        _share(1.0 - row.pinball / other) if other else "none" for other in (row.persistence_pinball, row.bare_pinball)
    ]
    return _share(row.skill), draws, f"{100 * row.coverage:z.0f} %", *less, f"{1e4 * row.crps:z.1f} bp"


def _share(value: float) -> str:
    return f"{100 * value:z.1f} %"


def _percent(rate: float, days: float | None = None) -> str:
    """A simple rate as APY in percent, reinvested each so many days (None: at once)."""
    return f"{100 * Apr(rate).compounded(1.0 if days is None else days * DAY_SECONDS).value:z.2f}"
