"""Pages: all rows once, in order, whatever the page's size; what is not understood is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldbot.api.listing import MOST, etag, matches, page, wanted
from yieldbot.api.problems import Problem

KNOWN = ("key", "name", "safety", "held", "open")
values = st.one_of(st.none(), st.integers(-5, 5), st.floats(-2, 2), st.text(max_size=3))
rows_of = st.lists(st.tuples(values, st.text(max_size=2), st.booleans()), max_size=40).map(
    lambda found: [
        {"key": f"k{at}", "name": name, "safety": value, "held": {"text": f"{at}.5"}, "open": is_open}
        for at, (value, name, is_open) in enumerate(found)
    ]
)


def asked(query: str) -> Any:
    return wanted([tuple(part.split("=", 1)) for part in query.split("&") if part], KNOWN)  # type: ignore[misc]


@given(rows_of, st.integers(1, 9), st.sampled_from(("", "safety", "-safety", "name", "-held", "open")))
def test_pages_hold_every_row_once_in_one_order(rows: list[dict[str, Any]], limit: int, sort: str) -> None:
    query = f"limit={limit}&sort={sort}" if sort else f"limit={limit}"
    seen, cursor = list[str](), None
    for _ in range(60):
        items, cursor, total = page(rows, asked(query + (f"&cursor={cursor}" if cursor else "")), "key")
        assert total == len(rows) and len(items) <= limit
        seen += [one["key"] for one in items]
        if cursor is None:
            break
    whole, _, _ = page(rows, asked(f"limit={MOST}" + (f"&sort={sort}" if sort else "")), "key")
    assert seen == [one["key"] for one in whole] and sorted(seen) == sorted(one["key"] for one in rows)


@given(rows_of.filter(lambda rows: len(rows) > 8), st.sampled_from(("", "safety", "-safety")), st.data())
def test_rows_that_come_and_go_between_pages_repeat_none(rows: list[dict[str, Any]], sort: str, data: Any) -> None:
    query = "limit=4" + (f"&sort={sort}" if sort else "")
    first, cursor, _ = page(rows, asked(query), "key")
    gone = data.draw(st.sets(st.sampled_from([one["key"] for one in rows]), max_size=3))
    gone -= {first[-1]["key"]} if not sort else set()
    later = [one for one in rows if one["key"] not in gone]
    second, _, _ = page(later, asked(f"{query}&cursor={cursor}"), "key")
    assert not {one["key"] for one in first} & {one["key"] for one in second}


def test_filters_bounds_and_fields() -> None:
    rows = [
        {"key": f"k{at}", "name": "ab"[at % 2], "safety": at, "held": {"text": str(at * 10)}, "open": at > 2}
        for at in range(5)
    ]
    assert [one["key"] for one in page(rows, asked("name=b"), "key")[0]] == ["k1", "k3"]
    assert [one["key"] for one in page(rows, asked("min_safety=2&max_safety=3"), "key")[0]] == ["k2", "k3"]
    assert [one["key"] for one in page(rows, asked("min_held=25&open=true&sort=-safety"), "key")[0]] == ["k4", "k3"]
    assert page(rows, asked("fields=key,safety&limit=1"), "key")[0] == [{"key": "k0", "safety": 0}]
    assert page([{**rows[0], "safety": None}], asked("min_safety=0"), "key")[2] == 0, "what is not known fits no bound"


@pytest.mark.parametrize(
    "query",
    ["x=1", "limit=0", f"limit={MOST + 1}", "limit=-1", "limit=1e3", "limit=", "limit=٣", "limit=1&limit=2", "sort=x",
     "sort=--safety", "fields=key,x", "min_x=1", "min_safety=a", "max_safety=nan", "KEY=1", "__class__=1",
     "cursor=%", "cursor=e30", "cursor=WzFd", "cursor=W1tbW1tb", "limit=99999999999999999999"],
)  # fmt: skip
def test_what_is_not_understood_is_refused(query: str) -> None:
    with pytest.raises(Problem) as refused:
        page([{"key": "k", "name": "", "safety": 1, "held": None, "open": False}], asked(query), "key")
    assert refused.value.status == 400


@given(st.text(max_size=30))
def test_any_cursor_gives_a_page_or_a_refusal(text: str) -> None:
    rows = [{"key": f"k{at}", "name": "", "safety": at, "held": None, "open": False} for at in range(5)]
    for sort in ("", "&sort=-safety"):
        try:
            page(rows, wanted([("cursor", text), *([("sort", "-safety")] if sort else [])], KNOWN), "key")
        except Problem as refused:
            assert refused.status == 400


def test_validators() -> None:
    tag = etag(b"body")
    assert matches(tag, tag) and matches(f'"x", W/{tag}', tag) and matches("*", tag)
    assert not matches(None, tag) and not matches('"x"', tag) and etag(b"other") != tag
