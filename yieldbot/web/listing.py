"""Rows of a page's table: sorted, filtered and cut into pieces, with the addresses that ask for another order or the
next piece."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from yieldbot.model.dataclass import dataclass

Row = Mapping[str, Any]
PIECE = 100
"""Rows that a page shows at first, and that each further request adds."""
LONGEST = 100
"""Most characters of a parameter that count."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    """Its name in addresses."""
    title: str
    """Its head."""
    by: Callable[[Row], Any] | None = None
    """What its rows are sorted by, None counting as least; None: it cannot be sorted."""
    figures: bool = False
    """Whether it has figures, which are aligned at their end, and of which the greatest come first."""
    hint: str = ""
    """What it shows, in a sentence."""
    narrow: bool = True
    """Whether it is shown where there is little room."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a column as it is shown."""

    column: Column
    """The column."""
    order: str
    """``ascending``, ``descending`` or ``none``, as ``aria-sort``."""
    address: str
    """The page sorted by this column, in the other order where it is sorted by it already."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a table shows."""

    rows: Sequence[Row]
    """The piece of rows."""
    heads: Sequence[Head]
    """The heads."""
    total: int
    """Rows that match on all pieces."""
    of: int
    """Rows that there are without filters."""
    start: int
    """The first shown row's number, from 0."""
    more: str | None
    """The address of the next piece; None: this is the last."""
    sort: str
    """The order that was asked for; empty: the page's own."""


def text_of(request: Request, name: str) -> str:
    """A parameter's text, cut to what a filter may have; empty where it is missing."""
    return request.query_params.get(name, "").strip()[:LONGEST]


def listed(
    request: Request,
    rows: Sequence[Row],
    of: int,
    columns: Sequence[Column],
    filters: Sequence[str],
    piece: int = PIECE,
) -> Listing:
    """A piece of rows, which come in the page's own order. of: how many there are without filters; filters: names of
    the parameters that further addresses repeat."""
    path, total = request.url.path, len(rows)
    wanted = text_of(request, "sort")
    name, down = wanted.removeprefix("-"), wanted.startswith("-")
    kept = {one: text for one in filters if (text := text_of(request, one))}
    chosen = next((one for one in columns if one.name == name and one.by is not None), None)
    if chosen is None:
        wanted = ""
    else:
        rows = _sorted(rows, chosen, down)
    start = min(_number(text_of(request, "start")), total)
    shown = rows[start : start + piece]
    after = start + len(shown)
    again = kept | ({"sort": wanted} if wanted else {})
    return Listing(
        rows=shown,
        heads=[_head(one, chosen, down, path, kept) for one in columns],
        total=total,
        of=of,
        start=start,
        more=f"{path}?{urlencode(again | {'start': after})}" if after < total else None,
        sort=wanted,
    )


def choices(rows: Sequence[Row], name: str) -> list[str]:
    """The different texts of a field, in order."""
    return sorted({str(row[name]) for row in rows}, key=str.casefold)


def _head(column: Column, chosen: Column | None, down: bool, path: str, kept: Mapping[str, str]) -> Head:
    here = column is chosen
    order = ("descending" if down else "ascending") if here else "none"
    falls = (not down) if here else column.figures
    return Head(column, order, f"{path}?{urlencode(dict(kept) | {'sort': '-' * falls + column.name})}")


def _sorted(rows: Sequence[Row], column: Column, down: bool) -> list[Row]:
    assert column.by is not None
    by = column.by
    known = [row for row in rows if by(row) is not None]
    unknown = [row for row in rows if by(row) is None]
    return sorted(known, key=lambda row: by(row), reverse=down) + unknown  # what is not known comes last in both orders


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
