"""Forecasts of others as files: taken only if they were here before their horizon began.

A file says from when its horizons count. It is stamped with our own clock when it is registered, and refused if that is
later; what it says of its own age is not asked. Registered files are lines of one ledger, each bound to the one before
it by a hash, so that none can be changed, put between or taken out afterwards without it showing.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from yieldbot.errors import ConfigError
from yieldbot.forecast.model import DAY, HORIZONS
from yieldbot.forecast.third_party import MOST_RATE, NAME
from yieldbot.history.panel import Panel
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Cube = NDArray[np.float64]

SCHEMA = "yieldbot/forecasts/v1"
EARLIEST_DAYS = 7
"""A horizon begins at most so many days after it is registered."""
MOST_FORECASTS = 20_000
FIRST = "0" * 64
"""What the first line of a ledger is bound to."""


@dataclass(frozen=True, slots=True)
class Said:
    """One forecast of a file."""

    chain: str
    """CAIP-2 id."""
    market: str
    """The market's id."""
    horizon: int
    """Days."""
    mean: float
    """Simple annual fraction."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A file of forecasts that was here before its horizons began."""

    forecaster: str
    """Whose."""
    time: int
    """Unix seconds from which its horizons count."""
    registered_at: int
    """Unix seconds of our clock when it came."""
    said: tuple[Said, ...]
    """What it forecasts."""


def parse(text: str) -> tuple[str, int, tuple[Said, ...]]:
    """A file's forecaster, time and forecasts. Raises ConfigError, which names what is wrong."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError(
            f"the file of forecasts is no JSON: write one of schema {SCHEMA} (docs/forecast.md)"
        ) from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ConfigError(f'the file of forecasts has no "schema": "{SCHEMA}" (docs/forecast.md)')
    name, time, rows = document.get("forecaster"), document.get("time"), document.get("forecasts")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ConfigError("forecaster: its name must be 1 to 40 letters, digits, blanks, - and _")
    if type(time) is not int or not 0 < time < 2**40:
        raise ConfigError("time: unix seconds from which the horizons count, a whole number")
    if not isinstance(rows, list) or not 0 < len(rows) <= MOST_FORECASTS:
        raise ConfigError(f"forecasts: a list of 1 to {MOST_FORECASTS:,} forecasts")
    return name, time, tuple(_said(row, place) for place, row in enumerate(rows))


def _said(row: Any, place: int) -> Said:
    where = f"forecasts[{place}]"
    if not isinstance(row, Mapping):
        raise ConfigError(f"{where} is no object")
    chain, market, horizon, mean = (row.get(one) for one in ("chain", "market", "horizon_days", "mean"))
    if not isinstance(chain, str) or not isinstance(market, str) or not chain or not market:
        raise ConfigError(f"{where}: chain and market name a market, as `yieldbot history show` does")
    if type(horizon) is not int or horizon not in HORIZONS:
        raise ConfigError(f"{where}: horizon_days is one of {', '.join(map(str, HORIZONS))}")
    if isinstance(mean, bool) or not isinstance(mean, int | float) or not abs(mean) <= MOST_RATE:
        raise ConfigError(f"{where}: mean is a simple annual fraction, as 0.04 for 4 %")
    return Said(chain, market, horizon, float(mean))


def register(text: str, now: int, ledger: Sequence[str]) -> str:
    """The ledger's next line for a file that came at ``now``. Raises ConfigError for a file that is none, that came
    after its horizons began, or long before."""
    name, time, _ = parse(text)
    if now > time:
        raise ConfigError(
            f"the forecasts of {name} count from {time}, which has passed (it is {now}): "
            "only what is registered before its horizon begins is scored"
        )
    if time > now + EARLIEST_DAYS * DAY:
        raise ConfigError(f"the forecasts of {name} count from {time}, more than {EARLIEST_DAYS} days from now ({now})")
    previous = json.loads(ledger[-1])["hash"] if ledger else FIRST
    body = {"registered_at": now, "previous": previous, "document": json.loads(text)}
    return json.dumps(body | {"hash": _hash(body)}, sort_keys=True, separators=(",", ":"))


def is_known(text: str, ledger: Sequence[str]) -> bool:
    """Whether a sound ledger holds this very file, and nothing of the same forecaster for that day has come since."""
    document = json.loads(text)
    for line in reversed(ledger):
        other = json.loads(line)["document"]
        if other == document:
            return True
        if other["forecaster"] == document["forecaster"] and abs(other["time"] - document["time"]) < DAY:
            return False
    return False


def read(ledger: Iterable[str]) -> tuple[tuple[Registered, ...], str]:
    """What a ledger holds up to the first line that does not fit the one before it, and what is wrong there."""
    found: list[Registered] = []
    previous, last = FIRST, 0
    for number, line in enumerate(ledger, start=1):
        try:
            body = json.loads(line)
            own = body.pop("hash")
            at = body["registered_at"]
            if body["previous"] != previous or _hash(body) != own or type(at) is not int or at < last:
                return tuple(found), f"line {number} was changed, or one before it: nothing from it on counts"
            name, time, said = parse(json.dumps(body["document"]))
        except (ValueError, KeyError, TypeError, AttributeError, ConfigError) as failure:
            return tuple(found), one_line(f"line {number} is none of ours ({failure}): nothing from it on counts")
        previous, last = own, at
        if at <= time:
            found.append(Registered(name, time, at, said))
    return tuple(found), ""


def means(registered: Sequence[Registered], panel: Panel) -> dict[str, Cube]:
    """By forecaster, what was registered for each row of the panel, (times, markets, horizons). A file belongs to the
    first row at or after its time, so that it was made before that row's horizon began; of several for one row the last
    that came counts."""
    import numpy as np

    place = {(key.chain, key.market): i for i, key in enumerate(panel.keys)}
    columns = {horizon: i for i, horizon in enumerate(HORIZONS)}
    found: dict[str, Cube] = {}
    for one in registered:
        row = int(np.searchsorted(panel.times, one.time))
        if row >= len(panel.times) or panel.times[row] - one.time >= panel.step_seconds:
            continue
        grid = found.setdefault(one.forecaster, np.full((len(panel.times), len(panel.keys), len(HORIZONS)), np.nan))
        for said in one.said:
            market = place.get((said.chain, said.market))
            if market is not None and math.isfinite(said.mean):
                grid[row, market, columns[said.horizon]] = said.mean
    return found


def _hash(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
