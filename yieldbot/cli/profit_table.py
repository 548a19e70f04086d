"""The table of profit and loss since entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from yieldbot.app.results import day
from yieldbot.cli.render import money
from yieldbot.cli.tables import TextTable
from yieldbot.model.amounts import Amount

if TYPE_CHECKING:
    from rich.console import RenderableType

    from yieldbot.app.profit import Earned
    from yieldbot.model.settings import Job


def table(found: Sequence[tuple[Job, Sequence[Earned]]]) -> RenderableType:
    """A row for each market of each job."""
    several = len(found) > 1
    units = {row.unit for _, rows in found for row in rows}
    unit = units.pop() if len(units) == 1 else "in its unit"
    sheet = TextTable(
        "Profit and loss since entry",
        "Market",
        *(["Where"] if several else []),
        ">Entered",
        ">Put in",
        ">Taken out",
        ">Earned",
        f">{unit}",
        ">of it realised",
        ">Gas (not included)",
        f">Gas {unit}",
    )
    for job, rows in found:
        for row in rows:
            where = [job.chain.name] if several else []
            name = f"{row.name} (left)" if row.left else row.name
            if isinstance(row.found, str):
                sheet.add_row(name, *where, *["-"] * 8)
                continue
            profit = row.found
            cells = [short(profit.base), short(profit.realised), short_gas(profit.gas), short(profit.gas_base)]
            amounts = [
                f"{money(profit.put_in)}",
                money(profit.taken_out),
                f"{money(profit.earned, 4)} {job.asset.symbol}",
            ]
            sheet.add_row(name, *where, day(profit.since), *amounts, *cells)
    return sheet


def short(value: Any) -> str:
    """An amount in the base currency, to four decimals; - where it is not known."""
    return "-" if value is None else f"{float(value):z,.4f}"


def short_gas(value: Amount | None) -> str:
    """Native tokens, to four significant digits; - where they are not known."""
    return "-" if value is None else f"{float(value):.4g} {value.token.symbol}"
