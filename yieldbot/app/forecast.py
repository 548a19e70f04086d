"""``forecast``: what each market is expected to pay, by which forecaster, and how good its forecasts were."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.app.account_entries import booked
from yieldbot.app.chain_words import chain_words
from yieldbot.app.days import day
from yieldbot.app.expected import panel_of
from yieldbot.app.forecast_documents import (
    ForecastDocument,
    ForecasterSkill,
    ForecasterStanding,
    HorizonForecast,
    MarketForecast,
    RegisteredDocument,
    SkillDocument,
)
from yieldbot.app.forecast_ledger import LEDGER, Entered, append, enter
from yieldbot.app.formatting import number
from yieldbot.app.learned import accounts_of, ever_held
from yieldbot.app.memory import folder_of
from yieldbot.app.step_times import step
from yieldbot.books.entries import of_accounts
from yieldbot.errors import ConfigError
from yieldbot.forecast.boosting import missing
from yieldbot.forecast.entrants import reserved, with_extras
from yieldbot.forecast.model import DAY, DOLLAR, HORIZONS, OTHER, Walk
from yieldbot.forecast.outlook import QUOTE, of_series
from yieldbot.forecast.registered import FiledForecast, parse
from yieldbot.forecast.rules import PERSISTENCE
from yieldbot.forecast.tournament import COMBINED, Standing, Tournament
from yieldbot.forecast.words import why
from yieldbot.history import market_names
from yieldbot.history.market_names import Names
from yieldbot.history.panel import Panel
from yieldbot.history.reading import Fault
from yieldbot.model.dataclass import dataclass
from yieldbot.model.policy import FORECASTER
from yieldbot.model.spelling import did_you_mean
from yieldbot.model.text import counted, one_line

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.app.learned_documents import EverHeld
    from yieldbot.forecast.score import Score

WARM_DAYS = 30
"""Without ``since``, skill is measured from this many days after the start of the history."""
SHOWN_HORIZON = 7
MOST_BYTES = 16 * 2**20
MOST_NAMED = 5
"""Most markets that a note names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastRequest:
    """What to forecast, or to score."""

    market: str = ""
    """A market's id or a part of it, or an asset's symbol; empty: all markets."""
    history: Path | None = None
    """A folder of memory, or a file that `history import` accepts; None: the configured memory."""
    skill: bool = False
    """Show the forecasters' skill instead of forecasts."""
    since: str = ""
    """With ``skill``: the first day (YYYY-MM-DD) whose forecasts are scored."""
    register: Path | None = None
    """Register this file of forecasts instead of forecasting or scoring."""
    extras: bool = True
    """Use LightGBM if it is installed."""
    third_parties: bool = True
    """Include third-party forecasters, of the entry point group and of the ledger."""
    now: int = field(default_factory=lambda: int(time.time()))
    """Unix seconds."""


def forecast(request: ForecastRequest, context: Context) -> ForecastDocument | SkillDocument | RegisteredDocument:
    """The forecasts, the skill, or the registration, as requested. Raises ConfigError if there is no history, or no
    market of that name in it."""
    source = folder_of(context, request.history)
    known = market_names.names(source)
    if request.register is not None:
        return _register(request, source)
    faults: list[Fault] = []
    panel = panel_of(source, request.skill, faults)
    ours = with_extras(request.extras)
    entered = Entered({}, {}, ())
    if request.third_parties:
        entered = enter(source, panel, request.now, reserved())
    notes = [*entered.notes, *(market_names.with_names(line, known) for line in _notes(panel, faults, request))]
    what = f"forecasting {counted(len(panel.keys), 'market')} from {counted(len(panel.times), 'day')}"
    name = f"forecast {'skill ' if request.skill else ''}{len(panel.keys)} {len(panel.times) // 10}0 days"
    decides = context.settings.policy.forecaster if request.history is None else FORECASTER
    with step(context.say, context.data_dir, name, what):
        run = Tournament(panel, ours, entered.means)
        asked = _Asked(request, source, run, known, decides, (_decided(decides), *notes))
        if request.skill:
            return _skill(asked, _ever_held(asked, context))
        says = {one.name: one.says for one in ours} | dict(entered.says)
        return _forecasts(asked, says, chain_words(context, request.history is None))


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request with what answers it."""

    request: ForecastRequest
    """The request."""
    source: Path
    """Memory's folder, or a file."""
    run: Tournament
    """The forecasters on its history."""
    known: Names
    """The names of markets."""
    decides: str
    """The forecaster that plans are made on."""
    notes: tuple[str, ...]
    """Lines to show."""

    @property
    def columns(self) -> list[int]:
        """The panel's columns of the requested markets. Raises ConfigError if there are none."""
        return _chosen(self.run.series.panel, self.request.market, self.known)


def _decided(decides: str) -> str:
    """Which of the forecasts plans are made on."""
    if decides == QUOTE:
        return "plans are made on quoted rates (policy.forecaster)"
    whose = "the combined forecast" if decides == COMBINED else f"{decides}'s forecast"
    return f"plans are made on {whose} (policy.forecaster), and on quoted rates until memory spans three days"


def _notes(panel: Panel, faults: Sequence[Fault], request: ForecastRequest) -> list[str]:
    notes = [f"{one.where}: {one.what}" for one in faults[:20]]
    if request.extras and (why := missing()):
        notes.append(why)
    if int(panel.times[-1]) > request.now + DAY:
        notes.append(
            "readings are from after this machine's time, as in a sandbox whose days passed; elsewhere set its clock "
            "(`yieldbot history verify` names them)"
        )
    if len(panel.times) < WARM_DAYS:
        notes.append(
            f"{counted(len(panel.times), 'day')} of history: forecasters are weighed by their skill on recorded "
            "history, since this one is too short"
        )
    return notes


def _chosen(panel: Panel, wanted: str, known: Names) -> list[int]:
    """The columns that a name matches: a market's id or name or a part of one, or an asset. Raises ConfigError if there
    are none."""
    if not wanted:
        return list(range(len(panel.keys)))
    low = wanted.lower()
    names = [known.get((key.chain, key.market), "").lower() for key in panel.keys]
    exact = [
        i for i, key in enumerate(panel.keys) if wanted in (key.market, key.asset_address) or (low and low == names[i])
    ]
    found = exact or [
        i
        for i, key in enumerate(panel.keys)
        if low == key.asset.lower() or low in key.market.lower() or low in names[i]
    ]
    if not found:
        hint = did_you_mean(wanted, sorted({known.get((key.chain, key.market), key.market) for key in panel.keys}))
        raise ConfigError(f"history has no market {wanted!r}: {hint}")
    return found


def _forecasts(asked: _Asked, says: Mapping[str, str], chains: Mapping[str, str]) -> ForecastDocument:
    run = asked.run
    series, row = run.series, len(run.series.panel.times) - 1
    made = run.at(row)
    decided = of_series(series, asked.decides).walk.at(row) if asked.decides not in (COMBINED, QUOTE) else None
    called = market_names.called(series.panel.keys, asked.known)
    shown = HORIZONS.index(SHOWN_HORIZON)
    markets = []
    for column in asked.columns:
        key = series.panel.keys[column]
        quoted = number(series.quote[row, column])
        mean = float(made.mean[column, shown])
        markets.append(
            MarketForecast(
                chain=key.chain,
                chain_name=chains.get(key.chain, key.chain),
                market=key.market,
                name=called[key],
                protocol=key.protocol,
                asset=key.asset,
                market_class=series.classes[column],
                quoted=quoted,
                days=float(series.readings[row, column]),
                why=why(series, row, column, mean, SHOWN_HORIZON, int(run.bias[row, column, shown])),
                horizons=tuple(_horizons(made, column)),
                decided_on=tuple(_horizons(decided, column)) if decided is not None else (),
            )
        )
    classes = {one.market_class for one in markets}
    standings = [
        ForecasterStanding(
            forecaster=one.name,
            says=says.get(one.name, "a third party's"),
            market_class=one.market_class,
            horizon_days=one.horizon,
            weight=one.weight,
            skill=one.skill,
            days=one.days,
            why=_reason(one),
        )
        for one in run.standings(row)
        if one.market_class in classes
    ]
    return ForecastDocument(
        at=made.time,
        history=str(asked.source),
        since=int(series.panel.times[0]),
        decides=asked.decides,
        markets=tuple(markets),
        standings=tuple(standings),
        notes=asked.notes,
    )


def _horizons(made: Any, column: int) -> list[HorizonForecast]:
    return [
        HorizonForecast(
            horizon_days=horizon,
            mean=float(made.mean[column, place]),
            low=float(made.low[column, place]),
            high=float(made.high[column, place]),
        )
        for place, horizon in enumerate(HORIZONS)
        if math.isfinite(made.mean[column, place])
    ]


def _reason(one: Standing) -> str:
    scored = f"over {counted(round(one.days), 'scored day')}" if one.days else "by recorded history"
    if one.name == PERSISTENCE:
        return "what all are measured by" + ("" if one.weight else "; others have more skill")
    if one.copy_of:
        return f"forecasts what {one.copy_of} forecasts"
    if one.skill <= 0.0:
        return f"no skill {scored}"
    return f"{100 * one.skill:z.1f} % less loss than persistence {scored}"


def _ever_held(asked: _Asked, context: Context) -> tuple[EverHeld, ...]:
    """Every position ever held in the requested markets, from the configured journal and memory."""
    request = asked.request
    if request.history is not None:
        return ()
    books = booked(context)
    entries = of_accounts(books.entries)
    own = {account: entries.get(account, []) for account in accounts_of(books.looks)}
    keys = asked.run.series.panel.keys
    chosen = {(keys[i].chain, keys[i].market) for i in asked.columns}
    rows = ever_held(books.looks, own, asked.source)
    return tuple(one for one in rows if not request.market or (one.chain_id, one.id) in chosen)


def _skill(asked: _Asked, held: tuple[EverHeld, ...]) -> SkillDocument:
    import numpy as np

    from yieldbot.forecast.score import score

    run, series = asked.run, asked.run.series
    times = series.panel.times
    since = day(asked.request.since, "--since")
    first = int(times[min(WARM_DAYS, len(times) - 1)]) if since is None else since
    columns = np.zeros(len(series.panel.keys), dtype=bool)
    columns[asked.columns] = True
    usual = run.of(PERSISTENCE)
    bare = Walk(keys=usual.keys, times=usual.times, mean=usual.mean, low=usual.mean, high=usual.mean)
    walks = {COMBINED: run.walk, **{one: run.of(one) for one in run.names}}
    if asked.decides not in (*walks, QUOTE):
        walks[asked.decides] = of_series(series, asked.decides).walk
    rows: list[ForecasterSkill] = []
    for market_class in (DOLLAR, OTHER):
        chosen = columns & np.array([one == market_class for one in series.classes])
        if not chosen.any():
            continue
        cells = (times >= first)[:, None] & chosen[None, :]
        for name, walk in walks.items():
            scores = score(walk, usual, series.futures, cells, step_seconds=series.panel.step_seconds)
            bares = score(walk, bare, series.futures, cells, draws=2)
            rows += [_row(name, market_class, *pair) for pair in zip(scores, bares, strict=True)]
    return SkillDocument(
        history=str(asked.source),
        since=first,
        until=int(times[-1]),
        markets=int(columns.sum()),
        rows=tuple(rows),
        positions=held,
        notes=asked.notes,
    )


def _row(name: str, market_class: str, own: Score, bare: Score) -> ForecasterSkill:
    return ForecasterSkill(
        forecaster=name,
        market_class=market_class,
        horizon_days=own.horizon,
        forecasts=own.forecasts,
        mae=number(own.mae),
        persistence_mae=number(own.persistence_mae),
        skill=number(own.skill),
        skill_low=number(own.skill_low),
        skill_high=number(own.skill_high),
        pinball=number(own.pinball),
        persistence_pinball=number(own.persistence_pinball),
        bare_pinball=number(bare.persistence_pinball),
        crps=number(own.crps),
        coverage=number(own.coverage),
    )


def _register(request: ForecastRequest, source: Path) -> RegisteredDocument:
    assert request.register is not None
    try:
        with request.register.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        text = raw.decode()
    except OSError as failure:
        raise ConfigError(f"{request.register}: cannot be read: {failure.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{request.register}: is no JSON text: write it as UTF-8") from None
    if len(raw) > MOST_BYTES:
        raise ConfigError(f"{request.register}: is larger than {MOST_BYTES // 2**20} MiB")
    if source.is_file():
        raise ConfigError(f"{source} is a file: forecasts are registered in a folder of memory (--history FOLDER)")
    name, begins, said = parse(text)
    if name.lower() in reserved():
        raise ConfigError(f"forecaster: {name} is a name of yieldbot's own (docs/forecast.md): choose another")
    added = append(source, text, request.now)
    return RegisteredDocument(
        forecaster=name,
        time=begins,
        forecasts=len(said),
        ledger=str(source / LEDGER),
        added=added,
        notes=tuple(_unknown(said, source)),
    )


def _unknown(said: Sequence[FiledForecast], source: Path) -> Iterator[str]:
    """A line that names markets in a file which memory does not know."""
    from yieldbot.history.market_spans import markets
    from yieldbot.history.store import Store

    known = {(one.key.chain, one.key.market) for one in markets(Store(source))}
    strange = [one for one in dict.fromkeys((one.chain, one.market) for one in said) if one not in known]
    if strange:
        some = ", ".join(one_line(f"{chain} {market}", 80) for chain, market in strange[:MOST_NAMED])
        more = f" and {len(strange) - MOST_NAMED} more" if len(strange) > MOST_NAMED else ""
        yield f"memory has no reading of {some}{more}: nothing forecast there counts until it has"
