"""The report's charts, each with its key and the tooltips for each day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from yieldbot.cli.report.style import SERIES
from yieldbot.cli.report.svg import Line, band, bars, lines, stacked
from yieldbot.model.text import counted, one_line

if TYPE_CHECKING:
    from yieldbot.app.backtest import Foretold, Trace
    from yieldbot.app.backtest_documents import BacktestRow

STATIC = "static"
EARNED = "Earned since the first day, percent of the wealth"
MORE = "More than static has, percent of the wealth"
SHOWN = {"foresight": "ahead", STATIC: "s3", "equal": "s4"}
"""Rules that the equity chart shows in addition to the policies, with their CSS classes."""
POLICIES = ("s1", "s2", "s5", "s6")
MOST_FORECASTS = 8
"""Most markets whose forecasts are drawn."""


def gains(rows: Sequence[BacktestRow]) -> str:
    """The gain over static over all universes together, by wealth and policy."""
    together = [row for row in rows if row.universe == "all"] or list(rows)
    several = len({row.policy for row in together}) > 1
    drawn = [
        (
            one_line(f"${row.wealth:z,.0f}" + (f" {row.policy}" if several else ""), 40),
            row.gain_pp,
            row.gain_pp_low,
            row.gain_pp_high,
        )
        for row in together[:24]
    ]
    title = "Gain over holding the first day's best market, percentage points a year, with its 90 % interval"
    return f"<h3>{escape(title)}</h3>" + bars(drawn, lambda value: f"{value:+.3g} pp".replace("-", "−"), title)


def equity(one: Trace) -> str:
    """Earnings since the first day, and how much more than static: policies, equal weight and foresight."""
    drawn, base = [], one.lines[STATIC]
    for at, (name, values) in enumerate(one.lines.items()):
        style = POLICIES[at % len(POLICIES)] if name in one.runs else SHOWN.get(name)
        if style is not None:
            shown = "policy" if len(one.runs) == 1 and name in one.runs else one_line(name, 24)
            drawn.append(Line(shown, [(value / one.wealth - 1.0) * 100 for value in values], style))
    drawn.sort(key=lambda line: line.style in POLICIES)  # policies lie above the others
    static = [(value / one.wealth - 1.0) * 100 for value in base]
    more = [
        Line(line.name, [(value or 0.0) - b for value, b in zip(line.values, static, strict=True)], line.style)
        for line in drawn
        if line.style != SHOWN[STATIC]
    ]
    pictures = [
        lines(
            one.times, some, _percent, title, tips=[_earned(one, some, at) for at in range(len(one.times))], height=tall
        )
        for some, title, tall in ((drawn, EARNED, 280.0), (more, MORE, 200.0))
    ]
    return f"{pictures[0]}<h3>{MORE}</h3>{pictures[1]}"


def _earned(one: Trace, drawn: Sequence[Line], at: int) -> str:
    values = [(line.name, line.values[at] or 0.0) for line in drawn]
    return _tip(
        one.times[at], [(name, f"{value:+z.3f} %, ${one.wealth * value / 100:z,.2f}") for name, value in values]
    )


def _percent(value: float) -> str:
    return f"{value:.4g} %".replace("-", "−")


def colours(traces: Sequence[Trace]) -> dict[str, str]:
    """The CSS class of each market that gets a colour of its own: the markets with the largest holdings, over all
    wealths of a universe."""
    held: dict[str, float] = {}
    for one in traces:
        for run in one.runs.values():
            for day in run.shares:
                for market, share in zip(one.markets, day, strict=True):
                    held[market] = held.get(market, 0.0) + share
    order = sorted((market for market, total in held.items() if total > 0.0), key=lambda market: -held[market])
    return dict(zip(order, SERIES, strict=False))


def allocation(one: Trace, shares: Sequence[Sequence[float]], styles: Mapping[str, str]) -> str:
    """Fractions of the wealth by market over time: markets with a colour by name, all others as one area."""
    place = {market: column for column, market in enumerate(one.markets)}
    drawn = [Line(market, [day[place[market]] for day in shares], style) for market, style in styles.items()]
    rest = [
        column
        for column, market in enumerate(one.markets)
        if market not in styles and any(day[column] for day in shares)
    ]
    if rest:
        whole = [sum(day[column] for column in rest) for day in shares]
        drawn.append(Line(counted(len(rest), "other"), whole, "other"))
    idle = [max(0.0, 1.0 - sum(day)) for day in shares]
    drawn.append(Line("wallet", idle, "idle"))
    times = one.times[: len(shares)]
    tips = [
        _tip(time, [(line.name, f"{line.values[at]:z.1%}") for line in drawn if (line.values[at] or 0.0) > 0.0005])
        for at, time in enumerate(times)
    ]
    key = _key([(line.style, line.name) for line in drawn if max(value or 0.0 for value in line.values) > 0.0005])
    return key + stacked(times, drawn, "Shares of the wealth by market over time", tips=tips)


def forecasts(one: Trace) -> str:
    """For each market with large holdings: the forecast with its interval, and the rate that was then paid."""
    held = [0.0] * len(one.markets)
    for run in one.runs.values():
        for day in run.shares:
            held = [a + b for a, b in zip(held, day, strict=True)]
    order = sorted(range(len(one.markets)), key=lambda column: -held[column])
    shown = [one.forecasts[column] for column in order if one.forecasts[column].pairs][:MOST_FORECASTS]
    if not shown:
        return '<p class="soft small">No forecast of this range is over.</p>'
    key = _key([("s1", "forecast"), ("band", "its 80 % interval"), ("paid", "realised over the same days")])
    left = len(one.markets) - len(shown)
    note = (
        f'<p class="soft small">{left} markets that were held least, or have no forecast, are not drawn.</p>'
        if left
        else ""
    )
    return f'{key}<div class="pair">{"".join(_forecast(one.times, market) for market in shown)}</div>{note}'


def _forecast(times: Sequence[int], one: Foretold) -> str:
    days = times[: len(one.mean)]
    tips = []
    for at, time in enumerate(days):
        said = [
            ("forecast", one.mean[at]),
            ("low", one.low[at]),
            ("high", one.high[at]),
            ("realised", one.realised[at]),
        ]
        tips.append(_tip(time, [(name, f"{value:z.2%}") for name, value in said if value is not None]))
    drawn = [Line("realised", one.realised, "paid"), Line("forecast", one.mean, "s1")]
    picture = band(
        days,
        one.low,
        one.high,
        drawn,
        lambda value: f"{100 * value:.4g} %",
        f"Forecast and realised: {one.market}",
        tips=tips,
    )
    error, covered = one.error, one.coverage
    figures = "" if error is None or covered is None else f"mean error {error * 100:z.2f} pp, {covered:z.0%} inside"
    return f'<div><p class="small"><b>{escape(one.market)}</b> <span class="soft">{figures}</span></p>{picture}</div>'


def _key(listed: Sequence[tuple[str, str]]) -> str:
    entries = "".join(f'<li><i class="{style}"></i>{escape(name)}</li>' for style, name in listed)
    return f'<ul class="key">{entries}</ul>'


def _tip(time: int, values: Sequence[tuple[str, str]]) -> str:
    return "\n".join([f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d}", *(f"{name}: {words}" for name, words in values)])
