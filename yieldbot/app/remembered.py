"""``history show``: what memory holds of its markets."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app.chain_words import chain_words, network_of
from yieldbot.app.days import moment
from yieldbot.app.memory import folder_of
from yieldbot.app.memory_documents import (
    HistoryShowDocument,
    MarketRemembered,
    MarketsRemembered,
    RememberedMarket,
    SeenThen,
)
from yieldbot.app.recordings import named
from yieldbot.errors import ConfigError
from yieldbot.history import grid, market_names, query
from yieldbot.history.importers.table import COLUMNS, MORE
from yieldbot.history.networks import NETWORKS
from yieldbot.history.reading import Fault
from yieldbot.history.store import Store
from yieldbot.model.dataclass import dataclass
from yieldbot.model.spelling import did_you_mean

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.history.market_spans import Span
    from yieldbot.history.panel import Panel
    from yieldbot.history.reading import MarketKey, Reading

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_DURATION = re.compile(r"^([0-9]{1,9})([smhdw])$")
_APART = re.compile(r"[^0-9a-z.]+")
LEAST_PART = 4
"""Least number of characters of a part of a name that is matched."""
MOST_NAMED = 8
"""Most markets that a message names if several match."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowRequest:
    """What to show of memory."""

    folder: Path | None = None
    """Memory's folder; None: the configuration's."""
    market: str | None = None
    """A market's id, or a part of its id, protocol, asset and chain that matches only one market; None: a summary of
    each market."""
    chain: str | None = None
    """Id, number or name of a chain; None: all."""
    start: str | None = None
    """The first time, as 2026-01-31 or in ISO 8601; None: from the first reading on."""
    end: str | None = None
    """The last time; for a day its end."""
    every: str | None = None
    """One row for each step of this length, as ``6h`` or ``1d``; None: one for each reading."""


def show(request: ShowRequest, context: Context) -> HistoryShowDocument:
    """MarketsRemembered, or MarketRemembered if a market is named. Raises ConfigError for an unknown market and a
    malformed time or step."""
    folder, faults = folder_of(context, request.folder), list[Fault]()
    store = Store(folder)
    start, end, step = moment(request.start), moment(request.end, end=True), duration(request.every)
    known, chains = market_names.names(folder), chain_words(context, request.folder is None)
    spans = query.markets(store, network_of(request.chain, chains) if request.chain else None, faults)
    called = market_names.called([one.key for one in spans], known)
    if request.market is None:
        rows = tuple(_market(one, called[one.key], chains) for one in spans)
        return MarketsRemembered(history=str(folder), markets=rows, faults=named(faults))
    span = meant(request.market, spans, folder, chains)
    seen = query.readings(store, span.key.chain, span.key.market, start, end, faults)
    return MarketRemembered(
        history=str(folder),
        market=_market(span, called[span.key], chains),
        every_seconds=step,
        rows=tuple(_rows(seen, step, start, end)),
        faults=named(faults),
    )


def lines(request: ShowRequest, context: Context) -> Iterator[str]:
    """The readings as lines of CSV in the schema that ``history import`` reads. Raises as ``show``."""
    store = Store(folder_of(context, request.folder))
    start, end, step = moment(request.start), moment(request.end, end=True), duration(request.every)
    chains = chain_words(context, request.folder is None)
    chain = network_of(request.chain, chains) if request.chain else None
    market = None
    if request.market is not None:
        key = meant(request.market, query.markets(store, chain), store.folder, chains).key
        chain, market = key.chain, key.market
    yield ",".join((*COLUMNS, *MORE))
    last: tuple[object, int] | None = None
    held: Reading | None = None
    for one in query.readings(store, chain, market, start, end):
        cell = (one.key, -(-one.time // step) if step else one.time)
        if held is not None and cell != last:
            yield _csv(held)
        held, last = one, cell
    if held is not None:
        yield _csv(held)


def duration(text: str | None) -> int | None:
    """Seconds of ``10m``, ``6h``, ``1d`` or ``1w``. Raises ConfigError."""
    if text is None:
        return None
    match = _DURATION.match(text.strip().lower())
    seconds = int(match[1]) * UNITS[match[2]] if match else 0
    if not 0 < seconds <= 366 * 86_400:
        raise ConfigError(f"{text!r} is no step: write 10m, 6h, 1d or 1w, a year at most")
    return seconds


def meant(text: str, spans: tuple[Span, ...], folder: Path, chains: Mapping[str, str]) -> Span:
    """The one market in memory that matches ``text``. Raises ConfigError if none or several match, and names those.
    chains: the chains' names by their ids."""
    names = market_names.called([one.key for one in spans], market_names.names(folder))
    exact = [one for one in spans if text in (one.key.market, f"{one.key.chain}/{one.key.market}")]
    exact = exact or [one for one in spans if text.strip().casefold() == names[one.key].casefold()]
    called = {one.key: _called(one, names[one.key], chains) for one in spans}
    words = text.lower().split()
    found = exact or [one for one in spans if all(_fits(word, called[one.key]) for word in words)]
    if len(found) == 1:
        return found[0]
    if not spans:
        raise ConfigError(f"{folder} is empty: `yieldbot observe` or `yieldbot history import` fills it")
    if not found:
        hint = did_you_mean(text, {word for one in spans for word in (names[one.key], one.key.protocol)})
        raise ConfigError(f"{text!r} is no market that {folder} remembers: {hint} (`yieldbot history show` lists them)")
    several = len({one.key.chain for one in found}) > 1
    said = ", ".join(_choices(found[:MOST_NAMED], names, called, chains, several))
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    raise ConfigError(
        f"{text!r} means {len(found)} markets ({said}{more}): name one{', or add --chain' if several else ''}"
    )


def _choices(
    found: Sequence[Span],
    names: Mapping[MarketKey, str],
    called: Mapping[MarketKey, str],
    chains: Mapping[str, str],
    with_chain: bool,
) -> list[str]:
    """What a person can type for each of these markets: its name, with protocol, asset or chain where only they tell it
    from another; else its id."""
    protocol_asset = {one.key: (one.key.protocol, one.key.asset) for one in found}
    for count in range(3):
        rows = [" ".join((names[one.key], *protocol_asset[one.key][:count])) for one in found]
        if with_chain:
            rows = [f"{row} {chains.get(one.key.chain, one.key.chain)}" for row, one in zip(rows, found, strict=True)]
        if all(sum(all(_fits(w, text) for w in row.lower().split()) for text in called.values()) == 1 for row in rows):
            return rows
    ids = [one.key.market for one in found]
    return ids if len(set(ids)) == len(ids) else [f"{one.key.chain}/{one.key.market}" for one in found]


def _fits(word: str, called: str) -> bool:
    """Whether ``word`` names a market: it is a whole word of the market's names, or a part of them of at least
    LEAST_PART characters."""
    return word in _APART.split(called) or (len(word) >= LEAST_PART and word in called)


def _called(one: Span, name: str, chains: Mapping[str, str]) -> str:
    key = one.key
    networks = [name for name, chain in NETWORKS.items() if chain == key.chain]
    words = (*networks, chains.get(key.chain, ""), key.chain, name, key.market, key.protocol, key.asset)
    return " ".join((*words, key.asset_address)).lower()


def _market(one: Span, name: str, chains: Mapping[str, str]) -> RememberedMarket:
    key = one.key
    return RememberedMarket(
        chain=key.chain,
        protocol=key.protocol,
        asset=key.asset,
        asset_address=key.asset_address,
        market=key.market,
        chain_name=chains.get(key.chain, key.chain),
        name=name,
        readings=one.rows,
        first=one.first,
        last=one.last,
    )


def _rows(seen: list[Reading], step: int | None, start: int | None, end: int | None) -> Iterator[SeenThen]:
    if not seen:
        return
    one = seen[-1].key  # if the asset's symbol was spelt in two ways, the newest
    rows = [replace(reading, key=one) for reading in seen]
    if step is not None:
        yield from _of_panel(grid.panel(rows, step_seconds=step, start=start, end=end))
        return
    for reading, paid in zip(rows, grid.paid_between(rows), strict=True):
        yield SeenThen(
            time=reading.time,
            supply_rate=reading.supply_rate,
            realised_rate=_known(paid),
            borrow_rate=reading.borrow_rate,
            utilisation=reading.utilisation,
            supplied=reading.supplied,
            cash=reading.cash,
            blocked=reading.status != "active",
        )


def _of_panel(panel: Panel) -> Iterator[SeenThen]:
    for at, time in enumerate(panel.times.tolist()):
        yield SeenThen(
            time=time,
            supply_rate=_known(panel.quoted[at, 0]),
            realised_rate=_known(panel.realised[at, 0]),
            borrow_rate=_known(panel.borrow_rate[at, 0]),
            utilisation=_known(panel.utilisation[at, 0]),
            supplied=_known(panel.supplied[at, 0]),
            cash=_known(panel.cash[at, 0]),
            blocked=bool(panel.blocked[at, 0]),
        )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _csv(one: Reading) -> str:
    """A reading as a line of CSV; text that holds a comma, a quote or a line end is quoted."""
    cells: dict[str, object] = {
        "timestamp": one.time,
        "chain": one.key.chain,
        "protocol": one.key.protocol,
        "market": one.key.market,
        "asset": one.key.asset,
        "asset_address": one.key.asset_address,
        "frozen": int(one.status == "frozen"),
        "paused": int(one.status == "paused"),
    }
    return ",".join(_cell(cells[name] if name in cells else getattr(one, name)) for name in (*COLUMNS, *MORE))


def _cell(value: object) -> str:
    text = "" if value is None else repr(value) if isinstance(value, float) else str(value)
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\r\n') else text
