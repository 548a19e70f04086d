"""The report's page: figures, charts, moves, and how to reproduce it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from yieldbot.app.formatting import share_words
from yieldbot.cli.report.charts import allocation, colours, equity, forecasts, gains
from yieldbot.cli.report.style import COLOURS, CSS
from yieldbot.model.durations import days_long
from yieldbot.model.text import counted, one_line

if TYPE_CHECKING:
    from yieldbot.app.backtest import SimulatedMove, Trace
    from yieldbot.app.backtest_documents import BacktestDocument, BacktestRow

NO_NETWORK = "default-src 'none'; style-src 'unsafe-inline'"
"""Content security policy: a browser loads nothing for this page, whatever a name in it says."""
MOST_STEPS = 400
"""Most moves that one table lists."""


def page(found: BacktestDocument, traces: Sequence[Trace]) -> str:
    """The whole file. Every name that comes from data is escaped."""
    manifest = found.manifest
    universes = list(dict.fromkeys(one.universe for one in traces))
    span = f"{_day(manifest.first)} to {_day(manifest.last)}"
    several = counted(len(universes), "universe")
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(NO_NETWORK)}">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>Backtest, {span}</title><style>{CSS}{COLOURS}</style></head><body><main>",
        f"<h1>Backtest, {span}</h1>",
        '<p class="soft">What the policy would have earned on recorded history, by the decisions of live runs: '
        f"{several}, windows of {manifest.window_days} days, a new one each {manifest.every_days} days. All figures "
        "are net of gas, swaps and our own deposit's effect on rates.</p>",
        _tiles(found),
        "<h2>Results</h2>",
        _results(found),
        "<h2>Day by day</h2>",
        '<p class="soft">One run through the whole range for each universe and wealth: the windows of the table begin '
        "anew each time, so its figures are not this run's.</p>",
    ]
    for at, universe in enumerate(universes):
        own = [one for one in traces if one.universe == universe]
        parts.append(_universe(universe, own, opened=at == 0))
    parts += ["<h2>How to make it again</h2>", _manifest(found), "</main></body></html>"]
    return "\n".join(parts)


def _tiles(found: BacktestDocument) -> str:
    """Tiles with the shipped policy's gain by wealth, over every universe."""
    last = {(row.wealth, row.policy): row for row in found.results}  # the row of all universes is the last
    tiles = []
    for (wealth, policy), row in last.items():
        if policy != found.results[0].policy:
            continue
        share = "" if row.share_of_foresight is None else f", {share_words(row)} of foresight's gain"
        side = "good" if row.gain_pp_low > 0 else "bad" if row.gain_pp_high < 0 else ""
        tiles.append(
            f'<div class="tile"><span>{_dollars(wealth)}</span><b class="{side}">{_pp(row.gain_pp)}</b>'
            f"<span>over holding the first day's best market; 90 %: {_between(row)}{share}</span></div>"
        )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _results(found: BacktestDocument) -> str:
    heads = (
        "universe", "wealth", "policy", "APY", "static's APY", "gain", "90 % interval", "foresight's gain", "share",
        "lost > 10 bp", "moves a year", "cost a year", "locked",
    )  # fmt: skip
    rows = [_result(row) for row in found.results]
    return f'<div class="card">{gains(found.results)}</div><div class="card">{_table(heads, rows, left=(0, 2))}</div>'


def _result(row: BacktestRow) -> tuple[str, ...]:
    side = "good" if row.gain_pp > 0.005 else "bad" if row.gain_pp < -0.005 else ""
    return (
        _name(row.universe), _dollars(row.wealth), _name(row.policy), f"{row.apy:z.2%}", f"{row.static_apy:z.2%}",
        f'<span class="{side}">{_pp(row.gain_pp)}</span>', _between(row),
        _foresight(row), share_words(row), f"{row.windows_lost_over_10bp} of {row.windows}",
        f"{row.moves_per_year:z.1f}", _dollars(row.cost), f"{row.locked_days:g} d",
    )  # fmt: skip


def _foresight(row: BacktestRow) -> str:
    """Foresight's gain, as a range up to the bound if that is visibly higher."""
    found, most = f"{row.foresight_gain_pp:+z.2f}", f"{row.bound_gain_pp:+z.2f}"
    return _pp(row.foresight_gain_pp) if found == most else f"{found} to {most} pp".replace("-", "−")


def _universe(name: str, traces: Sequence[Trace], opened: bool) -> str:
    markets, styles = len(traces[0].markets), colours(traces)
    parts = [
        f'<details class="part"{" open" if opened else ""}>'
        f"<summary>{_name(name)} <span>{markets} markets</span></summary>"
    ]
    for one in traces:
        parts.append(f'<div class="card"><h3>{_dollars(one.wealth)}: earned since the first day</h3>{equity(one)}')
        for policy, run in one.runs.items():
            named = f", {_name(policy)}" if len(one.runs) > 1 else ""
            parts.append(f"<h3>Where the money was{named}</h3>{allocation(one, run.shares, styles)}")
            parts.append(_steps(run.steps, named))
        parts.append("</div>")
    parts.append(
        f'<div class="card"><h3>Forecast and realised, mean of {traces[0].forecast_days:g} days</h3>'
        f"{forecasts(traces[0])}</div></details>"
    )
    return "".join(parts)


def _steps(steps: Sequence[SimulatedMove], named: str) -> str:
    if not steps:
        return f'<p class="soft small">No moves{named}.</p>'
    heads = ("day", "from", "to", "amount", "expected gain", "expected cost", "pays after", "plan paid", "why")
    rows = []
    last = -1
    for step in steps[:MOST_STEPS]:
        paid = "″" if step.time == last else _cents(step.paid)
        days = "–" if step.break_even_days is None else days_long(step.break_even_days)
        why = (
            f'<span class="bad">made to fail.</span> {_name(step.reason, 400)}'
            if step.failed
            else _name(step.reason, 400)
        )
        rows.append(
            (
                _day(step.time), _name(step.source), _name(step.target), _dollars(step.dollars),
                f"{_cents(step.gain_per_year)}/y", _cents(step.cost), days, paid,
                why,
            )
        )  # fmt: skip
        last = step.time
    more = f'<p class="soft small">The first {MOST_STEPS} of {len(steps)}.</p>' if len(steps) > MOST_STEPS else ""
    count = counted(len(steps), "move")
    table = _table(heads, rows, left=(0, 1, 2), why=8)
    return f"<details><summary>{count}{named} <span>with reasons and costs</span></summary>{table}{more}</details>"


def _manifest(found: BacktestDocument) -> str:
    manifest = found.manifest
    policies = {name: changed for name, changed in manifest.policies.items() if changed}
    listed = {
        "version": manifest.version,
        "code that decides": f"SHA-256 {manifest.code}",
        "readings": f"SHA-256 {manifest.data}",
        "gas prices": f"SHA-256 {manifest.gas}" if manifest.gas else "a constant price, see the notes",
        "forecasters": ", ".join(manifest.forecasters),
        "seed, share of plans that fail": f"{manifest.seed}, {manifest.failures:g}",
        "first and last day, days before them": f"{_day(manifest.first)}, {_day(manifest.last)}, {manifest.warm_days}",
    } | {f"policy {name} sets": _set(changed) for name, changed in policies.items()}
    terms = "".join(f"<dt>{_name(term, 80)}</dt><dd>{_name(words, 4000)}</dd>" for term, words in listed.items())
    notes = "".join(f"<p class='soft small'>{_name(note, 1000)}</p>" for note in found.notes)
    command = escape(f"{manifest.command} --report FILE.html")
    head = f"<p>The same command gives the same figures.</p><pre>{command}</pre>"
    return f'<div class="card">{head}<dl>{terms}</dl>{notes}</div>'


def _set(changed: Mapping[str, object]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in changed.items())


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[int] = (), why: int = -1) -> str:
    """An HTML table; the cells are HTML already."""
    head = "".join(f"<th{' class=l' if at in (*left, why) else ''}>{text}</th>" for at, text in enumerate(heads))
    body = []
    for row in rows:
        cells = [
            f"<td{' class=why' if at == why else ' class=l' if at in left else ''}>{cell}</td>"
            for at, cell in enumerate(row)
        ]
        body.append(f"<tr{' class=all' if row[0] == 'all' else ''}>{''.join(cells)}</tr>")
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def _name(text: str, longest: int = 80) -> str:
    """Foreign text, escaped for HTML."""
    return escape(one_line(text, longest))


def _dollars(value: float) -> str:
    return f"${value:z,.0f}"


def _cents(value: float) -> str:
    return f"{'−' if value < 0 else ''}${abs(value):z,.2f}"


def _pp(value: float) -> str:
    return f"{value:+z.2f} pp".replace("-", "−")


def _between(row: BacktestRow) -> str:
    return f"{row.gain_pp_low:+z.2f} to {row.gain_pp_high:+z.2f}".replace("-", "−")


def _day(time: int) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d}"
