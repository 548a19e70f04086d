"""Profit and loss since entry as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from yieldbot.books.text import day
from yieldbot.cli.render import money
from yieldbot.cli.tables import Sheet
from yieldbot.model.amounts import Amount

if TYPE_CHECKING:
    from rich.console import RenderableType

    from yieldbot.app.profit import Earned
    from yieldbot.model.policy import Job


def table(found: Sequence[tuple[Job, Sequence[Earned]]]) -> RenderableType:
    """A row for each market, of all jobs."""
    several = len(found) > 1
    units = {row.unit for _, rows in found for row in rows}
    unit = units.pop() if len(units) == 1 else "in its unit"
    sheet = Sheet(
        "Profit and loss since entry",
        "Market",
        *(["Where"] if several else []),
        ">Entered",
        ">Put in",
        ">Taken out",
        ">Earned",
        f">{unit}",
        ">of it realised",
        ">Gas apart",
        f">Gas {unit}",
    )
    for job, rows in found:
        for row in rows:
            where = [job.chain.name] if several else []
            name = f"{row.name} (left)" if row.left else row.name
            if isinstance(row.found, str):
                sheet.add_row(name, *where, *["-"] * 8)
                continue
            told = row.found
            cells = [short(told.base), short(told.realised), short_gas(told.gas), short(told.gas_base)]
            amounts = [f"{money(told.put_in)}", money(told.taken_out), f"{money(told.earned, 4)} {job.asset.symbol}"]
            sheet.add_row(name, *where, day(told.since), *amounts, *cells)
    return sheet


def short(value: Any) -> str:
    """Base currency to four decimals."""
    return "-" if value is None else f"{float(value):,.4f}"


def short_gas(value: Amount | None) -> str:
    """Native tokens to four digits."""
    return "-" if value is None else f"{float(value):.4g} {value.token.symbol}"
