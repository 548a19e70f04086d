"""Collections as pages: filters, order, a cursor, and only the requested fields. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from yieldbot.api.problems import Problem
from yieldbot.app.collections import Collection as Rows
from yieldbot.model.dataclass import dataclass
from yieldbot.model.json_text import loads

Row = Mapping[str, Any]
USUAL, MOST = 50, 500
"""Rows of a page: the default, and the most."""
_WORD = re.compile(r"^[a-z][a-z0-9_]{0,63}$")
_OWN = frozenset(("limit", "cursor", "sort", "fields"))
"""Query parameters that are not filters."""
SECRET_WORDS = frozenset(("key", "api_key", "apikey", "token", "access_token", "authorization", "auth", "secret"))
"""Names of query parameters in which other services accept keys. They are refused here, since servers and proxies log
URLs."""
_KEY = re.compile(r"yb_[0-9a-f]{8}_")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The part of a collection that a caller requests."""

    filters: tuple[tuple[str, str], ...] = ()
    """Fields with the value that they must have; ``min_X`` and ``max_X`` are bounds of a number."""
    sort: str | None = None
    """The field to order by; None: the collection's own order."""
    falling: bool = False
    """Whether the order is descending."""
    limit: int = USUAL
    """Rows of the page."""
    after: tuple[Any, str] | None = None
    """(order value, key) of the last row of the previous page; None: the first page."""
    fields: tuple[str, ...] = ()
    """Only these fields; empty: all."""


def wanted(parameters: Sequence[tuple[str, str]], known: Sequence[str]) -> Wanted:
    """The request in query parameters. Raises Problem (400) for one that is not understood.

    known: the fields of a row.
    """
    filters, own = [], dict[str, str]()
    for name, value in parameters:
        if name in _OWN:
            if name in own:
                raise Problem(400, "BAD_PARAMETER", f"{name} is given twice")
            own[name] = value
            continue
        if (_WORD.fullmatch(name) is None) or (name not in known and _bounded(name) not in known):
            raise Problem(400, "BAD_PARAMETER", f"{shown(name)} is no field: known are {', '.join(known)}")
        if name not in known and _number(value) is None:
            raise Problem(400, "BAD_PARAMETER", f"{name}={shown(value)}: write a number")
        filters.append((name, value))
    sort = own.get("sort") or None
    falling = sort is not None and sort.startswith("-")
    sort = sort.removeprefix("-") if sort else None
    if sort is not None and sort not in known:
        raise Problem(400, "BAD_PARAMETER", f"{shown(sort)} is no field: known are {', '.join(known)}")
    limit = _count(own.get("limit", str(USUAL)))
    return Wanted(tuple(filters), sort, falling, limit, _after(own.get("cursor")), fields(own.get("fields"), known))


def fields(text: str | None, known: Sequence[str]) -> tuple[str, ...]:
    """The fields in a list such as ``key,safety``; empty: all. Raises Problem (400) for one that is unknown."""
    found = tuple(one.strip() for one in text.split(",")) if text else ()
    for name in found:
        if name not in known:
            raise Problem(400, "BAD_PARAMETER", f"{shown(name)} is no field: known are {', '.join(known)}")
    return found


def page_of(found: Rows, rows: Sequence[Row], asked: Wanted, key: str) -> tuple[list[dict[str, Any]], str | None, int]:
    """A page of a collection, as ``page``. rows: those that the caller may see. Of a journal's older rows
    (``Collection.older``) there are pages without filters and in the usual order alone."""
    if found.read_older is not None and not asked.filters and asked.sort is None:
        return _with_older(found, found.read_older, asked)
    return page(rows, asked, key)


def page(rows: Sequence[Row], asked: Wanted, key: str) -> tuple[list[dict[str, Any]], str | None, int]:
    """(the rows of one page, the cursor of the next page or None, number of matching rows on all pages).

    key: the field that is unique to each row. Rows that appeared or disappeared since the previous page do not move
    other rows.
    """
    matching = [row for row in rows if all(_fits(row, name, value) for name, value in asked.filters)]
    placed = [(_order(row, asked.sort, at), str(row[key]), row) for at, row in enumerate(matching)]
    if asked.sort is not None:
        placed.sort(key=lambda one: (one[0], one[1]), reverse=asked.falling)
    start = 0 if asked.after is None else _start(placed, asked)
    shown = placed[start : start + asked.limit]
    more = start + asked.limit < len(placed)
    cursor = _cursor(shown[-1][0], shown[-1][1]) if more and shown else None
    items = [{name: row[name] for name in asked.fields or row} for _, _, row in shown]
    return items, cursor, len(matching)


def _with_older(
    found: Rows, read_older: Callable[[int, int], Sequence[Row]], asked: Wanted
) -> tuple[list[dict[str, Any]], str | None, int]:
    """A page of a journal, whose rows are numbered from 1; the newest is the first."""
    total, last = len(found.rows) + found.older, asked.after[1] if asked.after is not None else None
    if last is not None and not (last.isascii() and last.isdigit() and len(last) < 16):
        raise Problem(400, "BAD_CURSOR", "the cursor is none of ours: begin again without it")
    end = total if last is None else max(0, min(total, int(last) - 1))
    begin = max(0, end - asked.limit)
    shown = list(found.rows[total - end : total - begin])
    if begin < found.older:
        shown += read_older(begin, min(end, found.older))
    items = [{name: row[name] for name in asked.fields or row} for row in shown]
    return items, _cursor(total - begin - 1, str(begin + 1)) if begin and shown else None, total


def etag(body: bytes) -> str:
    """The validator (ETag) of a body."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def matches(header: str | None, tag: str) -> bool:
    """Whether If-None-Match names this validator."""
    if header is None:
        return False
    named = [one.strip().removeprefix("W/") for one in header.split(",")]
    return "*" in named or tag in named


def _start(placed: Sequence[tuple[Any, str, Row]], asked: Wanted) -> int:
    """Index at which the page after the cursor begins: after its row, or where that row would be."""
    assert asked.after is not None
    value, key = asked.after
    for at, (_, other, _row) in enumerate(placed):
        if other == key:
            return at + 1
    if asked.sort is None:
        return value if isinstance(value, int) and value >= 0 else 0
    mark = (tuple(value) if isinstance(value, list) else value, key)
    try:
        ahead = [(order, other) > mark if asked.falling else (order, other) < mark for order, other, _row in placed]
    except TypeError:
        raise Problem(400, "BAD_CURSOR", "the cursor is of another order: begin again without it") from None
    return sum(ahead)


def _order(row: Row, name: str | None, at: int) -> Any:
    """The value that rows are ordered by: numbers before text, unknown values last."""
    if name is None:
        return at
    value = row[name]
    if value is None:
        return (2, "")
    if isinstance(value, bool | int | float):
        return (0, value)
    if isinstance(value, Mapping) and "text" in value:  # an amount
        return (0, float(value["text"]))
    return (1, str(value))


def _fits(row: Row, name: str, value: str) -> bool:
    if name in row:
        return _text(row[name]) == value
    found = _number(_plain(row[_bounded(name)]))
    bound = _number(value)
    if found is None or bound is None:
        return False
    return found >= bound if name.startswith("min_") else found <= bound


def _plain(value: Any) -> Any:
    return value["text"] if isinstance(value, Mapping) and "text" in value else value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def _number(value: Any) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if found == found and abs(found) != float("inf") else None


def _bounded(name: str) -> str:
    return name[4:] if name.startswith(("min_", "max_")) else ""


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= MOST or len(text) > 6:
        raise Problem(400, "BAD_PARAMETER", f"limit={shown(text)}: write a number from 1 to {MOST}")
    return int(text)


def _cursor(order: Any, key: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([order, key]).encode()).rstrip(b"=").decode()


def _after(text: str | None) -> tuple[Any, str] | None:
    if text is None:
        return None
    try:
        found = loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        value, key = found
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise Problem(400, "BAD_CURSOR", "the cursor is none of ours: begin again without it") from None
    if not isinstance(key, str):
        raise Problem(400, "BAD_CURSOR", "the cursor is none of ours: begin again without it")
    return value, key


def holds_key(text: str) -> bool:
    """Whether a part of a URL, decoded or not, contains text in the form of one of our API keys."""
    return _KEY.search(unquote(unquote(text))) is not None


def shown(text: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in text[:60])
