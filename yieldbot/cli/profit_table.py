"""The table of profit and loss since entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from yieldbot.app.results import day
from yieldbot.cli.render import money
from yieldbot.cli.tables import TextTable
from yieldbot.model.amounts import Amount
from yieldbot.model.numbers import significant

if TYPE_CHECKING:
    from rich.console import RenderableType

    from yieldbot.app.profit import Earned
    from yieldbot.app.totals import AssetTotals
    from yieldbot.model.settings import Job


def wheres(jobs: Sequence[Job]) -> list[str]:
    """Labels that tell the jobs of one table apart: the chain, and wallet and asset where they differ."""
    wallets = len({(job.chain.name, job.wallet.name) for job in jobs}) > len({job.chain.name for job in jobs})
    assets = len({job.asset.symbol for job in jobs}) > 1
    return [
        " ".join(
            part
            for part, needed in ((job.chain.name, True), (job.asset.symbol, assets), (job.wallet.name, wallets))
            if needed
        )
        for job in jobs
    ]


def table(found: Sequence[tuple[Job, Sequence[Earned]]], totals: Sequence[AssetTotals] = ()) -> RenderableType:
    """A row for each market of each job, and the sum of each asset."""
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
    for (job, rows), place in zip(found, wheres([job for job, _ in found]), strict=True):
        for row in rows:
            where = [place] if several else []
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
    if sum(len(rows) for _, rows in found) > 1:
        for one in totals:
            sheet.add_row(*_sum(one, [row for job, row in _rows(found) if job.asset.symbol == one.asset], several))
    return sheet


def _rows(found: Sequence[tuple[Job, Sequence[Earned]]]) -> list[tuple[Job, Earned]]:
    return [(job, row) for job, rows in found for row in rows]


def _sum(one: AssetTotals, rows: Sequence[Earned], several: bool) -> list[str]:
    """The cells of an asset's row: sums of what is known of every row; - where something is not."""
    known = [row.found for row in rows if not isinstance(row.found, str)]
    whole = len(known) == len(rows)
    columns = [[profit.put_in for profit in known], [profit.taken_out for profit in known]]
    amounts = [money_of(column, whole) for column in columns]
    earned = money_of([profit.earned for profit in known], whole, 4)
    realised = [profit.realised for profit in known if profit.realised is not None]
    fees = [profit.gas for profit in known if profit.gas is not None]
    one_token = len({fee.token for fee in fees}) == 1 and len(fees) == len(rows)
    return [
        f"All {one.asset}",
        *([""] if several else []),
        "",
        *amounts,
        earned if earned == "-" else f"{earned} {one.asset}",
        "-" if one.profit is None else f"{float(one.profit):z,.4f}",
        short(sum(realised)) if len(realised) == len(rows) else "-",
        short_gas(Amount(fees[0].token, sum(fee.raw for fee in fees))) if one_token else "-",
        "-" if one.gas is None else f"{float(one.gas):z,.4f}",
    ]


def money_of(amounts: Sequence[Amount], whole: bool, places: int = 2) -> str:
    """The sum of amounts of an asset, on several chains perhaps; - where one is not known."""
    return f"{float(sum(amount.decimal for amount in amounts)):z,.{places}f}" if whole and amounts else "-"


def short(value: Any) -> str:
    """An amount in the base currency, to four decimals; - where it is not known."""
    return "-" if value is None else f"{float(value):z,.4f}"


def short_gas(value: Amount | None) -> str:
    """Native tokens, to four significant digits; - where they are not known."""
    return "-" if value is None else f"{significant(float(value), 4)} {value.token.symbol}"
