"""The documented table ``yieldbot/history-csv/v1``: CSV or Parquet, packed by gzip or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from yieldbot.errors import ConfigError
from yieldbot.history.importers.rows import ImportRow, amount, height_of, moment, number, text, truth
from yieldbot.history.networks import network
from yieldbot.history.reading import Fault, MarketKey, Reading
from yieldbot.history.series import Numbered

SCHEMA = "yieldbot/history-csv/v1"
NEEDED = ("timestamp", "chain", "market")
"""Columns without which a row names no reading."""
COLUMNS = (
    "timestamp",
    "chain",
    "protocol",
    "market",
    "asset",
    "supply_rate",
    "borrow_rate",
    "utilisation",
    "supplied",
    "borrowed",
    "cash",
    "reserve_factor",
    "frozen",
    "paused",
)
"""The schema's columns, in the order in which they are written."""
MORE = ("asset_address", "height", "index", "price_usd", "token_supply")
"""Columns that are read where they are there, and written by ``history show --csv``."""

Convert = Callable[[ImportRow, int], Reading]
"""One row of a known kind of file, as a reading; ``now`` in unix seconds. Raises ValueError for a row that is none."""


def converted(
    name: str, rows: Iterator[ImportRow], convert: Convert, now: int, faults: list[Fault]
) -> Iterator[Numbered]:
    """Each row as a reading; a row that is none is a fault of its own."""
    for row in rows:
        try:
            yield row.at, convert(row, now)
        except (ValueError, ConfigError) as failure:
            faults.append(Fault(f"{name} line {row.at}", str(failure), kind="row"))


def reading(row: ImportRow, now: int) -> Reading:
    """One row of ``SCHEMA``."""
    cells = row.cells
    market = text(cells.get("market"))
    if not market:
        raise ValueError("it names no market")
    supplied, borrowed = (amount(cells.get(name), name) for name in ("supplied", "borrowed"))
    utilisation = number(cells.get("utilisation"), "utilisation")
    if utilisation is None and supplied and borrowed is not None:
        utilisation = borrowed / supplied
    return Reading(
        key=MarketKey(
            chain=network(text(cells.get("chain"))),
            market=market,
            protocol=text(cells.get("protocol")),
            asset=text(cells.get("asset")),
            asset_address=text(cells.get("asset_address")),
        ),
        time=moment(cells.get("timestamp"), now),
        height=height_of(cells.get("height"), "height"),
        source="import:csv",
        supply_rate=number(cells.get("supply_rate"), "supply_rate"),
        borrow_rate=number(cells.get("borrow_rate"), "borrow_rate"),
        index=amount(cells.get("index"), "index"),
        utilisation=utilisation,
        supplied=supplied,
        borrowed=borrowed,
        cash=amount(cells.get("cash"), "cash"),
        reserve_factor=number(cells.get("reserve_factor"), "reserve_factor"),
        price_usd=amount(cells.get("price_usd"), "price_usd"),
        token_supply=amount(cells.get("token_supply"), "token_supply"),
        status=status(cells),
    )


def status(cells: Mapping[str, object]) -> str:
    """A market's status by its columns ``frozen`` and ``paused``."""
    frozen, paused = (truth(cells.get(name), name) for name in ("frozen", "paused"))
    return "paused" if paused else "frozen" if frozen else "active"
