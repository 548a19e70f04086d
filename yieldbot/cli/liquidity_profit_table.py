"""The table of liquidity's profit and loss since entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from yieldbot.app.results import day
from yieldbot.cli.profit_table import short, short_gas
from yieldbot.cli.tables import TextTable
from yieldbot.model.amounts import Amount
from yieldbot.model.numbers import significant

if TYPE_CHECKING:
    from rich.console import RenderableType

    from yieldbot.app.liquidity_profit import PoolProfit


def table(rows: Sequence[PoolProfit]) -> RenderableType:
    """A row for each pool, then what is unknown and why."""
    units = {row.unit for row in rows}
    unit = units.pop() if len(units) == 1 else "in its unit"
    heads = ("Put in", "Taken out", "Worth now", f">{unit}", ">of it realised", ">Gas (not included)", f">Gas {unit}")
    sheet = TextTable("Profit and loss of liquidity since entry", "Pool", ">Entered", *heads)
    lines = []
    for row in rows:
        name, profit = f"{row.name} (left)" if row.left else row.name, row.found
        why = profit if isinstance(profit, str) else profit.lacks
        lines += [f"{row.name}: profit and loss is {why}" if isinstance(profit, str) else f"{row.name}: {why}"] * bool(
            why
        )
        if isinstance(profit, str):
            sheet.add_row(name, *["-"] * 8)
            continue
        cells = [short(profit.base), short(profit.realised), short_gas(profit.gas), short(profit.gas_base)]
        amounts = [_amounts(part) for part in (profit.put_in, profit.taken_out, row.worth)]
        sheet.add_row(name, day(profit.since), *amounts, *cells)
    return Group(sheet, *(Text(line) for line in lines))


def _amounts(amounts: Sequence[Amount]) -> str:
    return "\n".join(f"{significant(float(amount), 6)} {amount.token.symbol}" for amount in amounts) or "-"
