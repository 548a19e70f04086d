"""Third parties' forecasts as files, accepted only if they are registered before their horizon begins.

A file names the time from which its horizons count. When it is registered it is stamped with our own clock, and refused
if that time has passed; the file's own claims about its age are ignored. Registered files are lines of one ledger. Each
line contains the hash of the line before it, so that no line can be changed, inserted or removed unnoticed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from yieldbot.errors import ConfigError
from yieldbot.forecast.model import DAY, HORIZONS
from yieldbot.forecast.third_party import MOST_RATE, NAME
from yieldbot.history.panel import Panel
from yieldbot.model.dataclass import dataclass
from yieldbot.model.json_text import loads
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Cube = NDArray[np.float64]

SCHEMA = "yieldbot/forecasts/v1"
EARLIEST_DAYS = 7
"""Most days from the registration to the beginning of a horizon."""
MOST_FORECASTS = 20_000
FIRST = "0" * 64
"""Previous hash of the ledger's first line."""


@dataclass(frozen=True, slots=True)
class FiledForecast:
    """One forecast of a file."""

    chain: str
    """CAIP-2 id."""
    market: str
    """The market's id."""
    horizon: int
    """Horizon of the forecast, in days."""
    mean: float
    """Simple annual fraction."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A file of forecasts that was registered before its horizons began."""

    forecaster: str
    """The forecaster's name."""
    time: int
    """Unix seconds at which the file's horizons begin."""
    registered_at: int
    """Unix seconds of our clock at the registration."""
    said: tuple[FiledForecast, ...]
    """The file's forecasts."""


def parse(text: str) -> tuple[str, int, tuple[FiledForecast, ...]]:
    """Parse a file: (forecaster, time, forecasts). Raises ConfigError that names what is wrong."""
    try:
        document = loads(text)
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


def _said(row: Any, place: int) -> FiledForecast:
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
    return FiledForecast(chain, market, horizon, float(mean))


def register(text: str, now: int, ledger: Sequence[str]) -> str:
    """The ledger's next line for a file that arrived at ``now``. Raises ConfigError for a malformed file, or one
    that arrived after its horizons began or too long before."""
    name, time, _ = parse(text)
    if now > time:
        raise ConfigError(
            f"the forecasts of {name} count from {time}, which has passed (it is {now}): "
            "only what is registered before its horizon begins is scored"
        )
    if time > now + EARLIEST_DAYS * DAY:
        raise ConfigError(f"the forecasts of {name} count from {time}, more than {EARLIEST_DAYS} days from now ({now})")
    previous = loads(ledger[-1])["hash"] if ledger else FIRST
    body = {"registered_at": now, "previous": previous, "document": loads(text)}
    return json.dumps(body | {"hash": _hash(body)}, sort_keys=True, separators=(",", ":"))


def is_known(text: str, ledger: Sequence[str]) -> bool:
    """Whether an intact ledger already has this very file, with no later file of the same forecaster for that day."""
    document = loads(text)
    for line in reversed(ledger):
        other = loads(line)["document"]
        if other == document:
            return True
        if other["forecaster"] == document["forecaster"] and abs(other["time"] - document["time"]) < DAY:
            return False
    return False


def read(ledger: Iterable[str]) -> tuple[tuple[Registered, ...], str]:
    """(entries up to the first line that does not continue the hash chain, what is wrong there)."""
    found: list[Registered] = []
    previous, last = FIRST, 0
    for number, line in enumerate(ledger, start=1):
        try:
            body = loads(line)
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
    """By forecaster, the registered means for each row of the panel, (times, markets, horizons).

    A file belongs to the first row at or after its time, so that it was made before that row's horizon began. Of
    several files for one row the last one registered counts.
    """
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
