"""A file of any known kind, as readings."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from yieldbot.errors import ConfigError
from yieldbot.history.importers import defillama, recordings, table
from yieldbot.history.importers.rows import ImportRow, document, first_bytes, sheet
from yieldbot.history.networks import network
from yieldbot.history.reading import Fault, MarketKey, Reading, Taken
from yieldbot.history.series import Numbered, in_order, since_before
from yieldbot.model.dataclass import dataclass

KINDS = (
    (recordings.PANEL, recordings.aave_panel),
    (recordings.FIRST_EDITION, recordings.aave_daily),
    (recordings.COMPOUND, recordings.compound_v2),
    (recordings.EVENTS, recordings.aave_events),
    (recordings.TOTALS, recordings.totals),
    (frozenset(table.NEEDED), table.reading),
)
"""The kinds of tables, each by the columns that identify it."""
FRACTIONS = "rates are fractions, 0.05 is 5 %"
IN_PERCENT = 1.0
"""Median supply rate (1.0 is 100 % a year) above which a file's rates are probably in percent."""
KNOWN = (
    f"a table with the columns of {table.SCHEMA} (docs/history.md), a chart of DefiLlama, or one of the recordings "
    "that docs/history.md names"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the user states about a file to be imported."""

    chain: str = ""
    """Id, number or name of a chain: readings of others are left out and named; a chart needs it."""
    protocol: str = ""
    """A chart's protocol."""
    market: str = ""
    """A chart's market; the file's name where empty."""
    asset: str = ""
    """The symbol of what a chart's pool takes."""


def read_file(path: Path, given: Given = Given(), now: int | None = None) -> Taken:  # noqa: B008 - frozen
    """All readings of a file, ascending by market and time, and what is wrong with it.

    now: unix seconds, beyond which (and a day) no time is believed; the clock's where None. Raises ConfigError for a
    file that cannot be read, is of no known kind, or holds nothing of the chain that was asked for.
    """
    now = int(time.time()) if now is None else now
    asked = network(given.chain) if given.chain else ""
    faults: list[Fault] = []
    first = first_bytes(path, 2)
    if first[:1] in (b"{", b"["):
        found = _chart(path, given, asked, now, faults)
        events = False
    else:
        found, events = _table(path, now, faults)
    readings, odd = in_order(path.name, _of_chain(path, found, asked, faults), last_of_block=events)
    readings = list(since_before(readings))
    if not readings:
        left_out = [one for one in (*faults, *odd) if not one.taken]
        why = f" ({left_out[0].where}: {left_out[0].what})" if left_out else ""
        if any(one.kind == "rate" for one in left_out):
            why += f": {FRACTIONS}"
        raise ConfigError(f"{path} holds no reading that can be taken{why}")
    rates = [one.supply_rate for one in readings if one.supply_rate is not None]
    if rates and (usual := statistics.median(rates)) > IN_PERCENT:
        odd.append(
            Fault(path.name, f"half of the supply rates are above {usual:z.0%} a year: {FRACTIONS}", True, "note")
        )
    guessed = sum(any("is a guess" in flag for flag in one.flags) for one in readings)
    if guessed:
        words = f"the supply of {guessed} readings is a guess, as their flags say"
        odd.append(Fault(path.name, words, True, "note"))
    return Taken(tuple(readings), tuple(faults + odd))


def _chart(path: Path, given: Given, asked: str, now: int, faults: list[Fault]) -> Iterator[Numbered]:
    if not asked:
        raise ConfigError(f"{path} is a chart, which names no chain: say it by --chain (and --protocol, --asset)")
    stem = path.name.removesuffix(".gz").removesuffix(".json")
    key = MarketKey(chain=asked, market=given.market or stem, protocol=given.protocol, asset=given.asset)
    rows = defillama.points(path, document(path))
    return table.converted(path.name, rows, defillama.chart(key), now, faults)


def _table(path: Path, now: int, faults: list[Fault]) -> tuple[Iterator[Numbered], bool]:
    content = sheet(path)
    columns = frozenset(content.columns)
    if columns >= recordings.GAS:
        raise ConfigError(f"{path} {recordings.WHY_NOT_GAS}")
    convert = next((convert for known, convert in KINDS if columns >= known), None)
    if convert is None:
        lacking = ", ".join(name for name in table.NEEDED if name not in columns)
        if len(columns) == 1 and any(mark in next(iter(columns)) for mark in (";", "\t")):
            lacking += "; are its cells apart by semicolons or tabs? commas are wanted"
        raise ConfigError(f"{path} is of no known kind (it has no column {lacking}): it must be {KNOWN}")
    if convert is recordings.aave_daily:
        faults.append(Fault(path.name, recordings.WRONG_CAPS, True, "note"))
    if convert is table.reading:
        unknown = sorted(columns - {*table.COLUMNS, *table.MORE})
        if unknown:
            faults.append(Fault(path.name, f"columns that are not read: {', '.join(unknown)}", True, "note"))

    def rows() -> Iterator[ImportRow]:
        yield from content.rows
        faults.extend(Fault(f"{path.name} line {at}", why, kind="row") for at, why in content.broken)

    return table.converted(path.name, rows(), convert, now, faults), convert is recordings.aave_events


def _of_chain(path: Path, found: Iterator[Numbered], asked: str, faults: list[Fault]) -> Iterator[Numbered]:
    others: Counter[str] = Counter()
    taken = False
    for at, reading in found:
        if asked and reading.key.chain != asked:
            others[reading.key.chain] += 1
            continue
        taken = True
        yield at, reading
    if asked and others and not taken:
        raise ConfigError(f"{path} is of {', '.join(sorted(others))} and holds nothing of {asked}, as was asked")
    for chain, count in sorted(others.items()):
        faults.append(Fault(path.name, f"{count} rows of {chain} are left out: {asked} was asked for", kind="chain"))


def markets(readings: tuple[Reading, ...]) -> tuple[MarketKey, ...]:
    """The markets of readings, in their order."""
    return tuple(dict.fromkeys(one.key for one in readings))
