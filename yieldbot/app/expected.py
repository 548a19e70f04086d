"""Forecasts of what markets will pay, from memory. Also imported by the signing path, so no forecaster needs an
extra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from yieldbot.app.forecast_ledger import LEDGER, enter
from yieldbot.errors import ConfigError
from yieldbot.forecast.levels import rate_forecasts
from yieldbot.forecast.model import DAY
from yieldbot.forecast.outlook import QUOTE, outlook
from yieldbot.forecast.series import STALE_DAYS
from yieldbot.forecast.tournament import COMBINED, builtin
from yieldbot.history.contradicted import AHEAD_SECONDS
from yieldbot.history.market_spans import Span, markets
from yieldbot.history.once import file_state, files_state, once
from yieldbot.history.panel import Panel
from yieldbot.history.reading import Fault
from yieldbot.history.store import Store
from yieldbot.model.market import RateForecast

LOOK_BACK_DAYS = 760
"""Days of history that a forecast uses: the regression's training window plus a horizon."""


def expected(source: Path, days: float, now: int, forecaster: str = COMBINED) -> Mapping[tuple[str, str], RateForecast]:
    """Forecast by (chain, market): what one forecaster (``outlook.names``) expects each market to pay over ``days``,
    from memory; empty if there is no memory or only an old one. The combined forecast also weighs forecasts that third
    parties registered; none of their code is loaded."""
    if not source.is_dir() or forecaster == QUOTE:
        return {}
    state = files_state(source)
    spans = once("spans", (source, state), lambda: markets(Store(source)))
    newest = max((one.last for one in spans), default=0)
    if now - newest > (STALE_DAYS + 1) * DAY:
        return {}
    ahead = now if newest > now + AHEAD_SECONDS else None  # else the time makes no difference: see ``panel_of``
    question = source, state, file_state(source / LEDGER), days, forecaster, ahead
    made, end = once("expected", question, lambda: _expected(source, days, ahead, forecaster, spans))
    return {} if now - end > STALE_DAYS * DAY else made


def _expected(
    source: Path, days: float, now: int | None, forecaster: str, spans: Sequence[Span]
) -> tuple[Mapping[tuple[str, str], RateForecast], int]:
    """(forecasts by chain and market, the panel's last time)."""
    panel = panel_of(source, False, [], now, spans)
    rows = len(panel.times)
    if not rows:
        return {}, 0
    others = None
    if forecaster == COMBINED:
        used = [one.name for one in builtin()]
        others = enter(source, panel, int(panel.times[-1]), used, installed=False).means
    made = rate_forecasts(outlook(panel, forecaster, others=others), rows - 1, days)
    found = {(key.chain, key.market): one for key, one in zip(panel.keys, made, strict=True) if one is not None}
    return MappingProxyType(found), int(panel.times[-1])


def panel_of(
    source: Path,
    everything: bool,
    faults: list[Fault],
    now: int | None = None,
    known: Sequence[Span] | None = None,
) -> Panel:
    """A daily grid of a folder of memory, or of a file. faults: collects what is wrong with readings, and what the grid
    lacks. now: readings later than an hour after this time (unix seconds) are ignored; None: all are used. known:
    a folder's markets, if the caller has them. Raises ConfigError if there is nothing to read."""
    from yieldbot.history.grid import panel
    from yieldbot.history.holes import holes
    from yieldbot.history.importers.read import read_file
    from yieldbot.history.market_spans import markets
    from yieldbot.history.store import Store
    from yieldbot.history.stored_panel import panel as stored

    if source.is_file():
        found = read_file(source)
        faults += [one for one in found.faults if not one.taken]
        whole = panel(found.readings)
        faults += holes(whole)
        rows = len(whole.times)
        return whole if everything else whole.between(max(0, rows - LOOK_BACK_DAYS), rows - 1)
    store = Store(source)
    spans = known if known is not None else markets(store, faults=faults) if source.is_dir() else ()
    if not spans:
        raise ConfigError(
            f"{source} holds no readings: `yieldbot observe` makes some, `yieldbot history import FILE` imports others"
        )
    first, last = min(one.first for one in spans), max(one.last for one in spans)
    ahead = now is not None and last > now + AHEAD_SECONDS  # a clock was wrong: it must not hide what is known now
    end = now + DAY - 1 if now is not None and ahead else None
    start = None if everything else max(first, (now if now is not None and ahead else last) - LOOK_BACK_DAYS * DAY)
    made = stored(store, start=start, end=end, faults=faults, spans=spans)
    faults += holes(made)
    return made
