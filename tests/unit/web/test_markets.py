"""The page of all markets: order, filters, pieces, hostile names, rights."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.kit.web.browsing import Browsing, dangers
from tests.kit.web.rows import HOSTILE, named_markets

NAMES = re.compile(r'<th scope="row"><a href="[^"]*"><bdi>([^<]*)</bdi>')


def shown(browsing: Browsing, query: str = "") -> list[str]:
    """The markets' names on the page, in order."""
    return NAMES.findall(browsing.get(f"/markets{query}").text)


@pytest.fixture
def signed_in(browsing: Browsing) -> Browsing:
    """A person who may read, before 250 markets."""
    named_markets(browsing.served.service, 250)
    browsing.sign_in()
    return browsing


def test_ours_come_first_then_the_best_yields(signed_in: Browsing) -> None:
    rows = signed_in.served.service.newest("markets").rows
    yields = {row["name"]: row["total_apy_after_deposit"] for row in rows}
    found = shown(signed_in)
    assert found[0] == "market 000" and len(found) == 100, "the one that holds our money, and a piece of the others"
    others = [yields[name] for name in found[1:]]
    assert others == sorted(others, reverse=True) and others[0] == max(list(yields.values())[1:])


@pytest.mark.parametrize(
    ("query", "field", "down"),
    [
        ("?sort=-apy", "total_apy_after_deposit", True),
        ("?sort=apy", "total_apy_after_deposit", False),
        ("?sort=-safety", "safety", True),
        ("?sort=name", "name", False),
    ],
)
def test_every_order_is_a_link_and_what_is_not_known_comes_last(
    signed_in: Browsing, query: str, field: str, down: bool
) -> None:
    rows = {row["name"]: row for row in signed_in.served.service.newest("markets").rows}
    values = [rows[name][field] for name in shown(signed_in, query)]
    assert values == sorted(values, reverse=down) and len(values) == 100
    text = signed_in.get(f"/markets{query}").text
    column = query.removeprefix("?sort=").removeprefix("-")
    assert f'aria-sort="{"descending" if down else "ascending"}" class="c-{column}' in text
    other = query.removeprefix("?sort=").removeprefix("-") if down else f"-{column}"
    assert f'href="/markets?sort={other}"' in text, "the same link turns the order around"


def test_filters_narrow_what_is_shown_and_survive_sorting_and_further_pieces(signed_in: Browsing) -> None:
    def kept(**wanted: object) -> set[str]:
        rows = signed_in.served.service.newest("markets").rows
        return {row["name"] for row in rows if all(row[name] == value for name, value in wanted.items())}

    assert set(shown(signed_in, "?chain=base")) <= kept(chain="base") and kept(chain="base")
    assert shown(signed_in, "?held=1") == ["market 000"]
    assert set(shown(signed_in, "?q=MARKET+00")) == {name for name in kept() if "00" in name}
    assert all(
        signed_in.served.service.newest("markets").rows[int(name[-3:])]["safety"] >= 70
        for name in shown(signed_in, "?safety=70")
    )
    text = signed_in.get("/markets?chain=base&sort=name").text
    assert 'href="/markets?chain=base&amp;sort=-name"' in text
    assert "No market matches" in signed_in.get("/markets?q=nothing-is-called-so").text


def test_pieces_have_every_market_once_with_and_without_the_script(signed_in: Browsing) -> None:
    for headers in ({}, {"HX-Request": "true"}):
        seen, address = list[str](), "/markets"
        while address:
            text = signed_in.get(address, headers=headers).text
            seen += NAMES.findall(text)
            found = re.search(r'href="(/markets\?start=\d+)"', text)
            address = found[1] if found else ""
        assert len(seen) == len(set(seen)) == 250
        assert ("<html" in text) is not bool(headers), "the script is sent rows alone, a person a page"


def test_names_of_strangers_are_text(browsing: Browsing) -> None:
    named_markets(browsing.served.service, len(HOSTILE), names=HOSTILE)
    browsing.sign_in()
    text = browsing.get("/markets").text
    assert dangers(text) == [] and "49" not in NAMES.findall(text)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    scripts = ("?q=<script>alert(1)</script>", '?sort="><script>', "?chain='onx=1", "?safety=<b>")
    for query in (*scripts, "?start=-1", "?start=²", "?safety=²", "?safety=1e9", "?safety=" + "9" * 90):
        found = browsing.get(f"/markets{query}")
        assert found.status_code == 200 and dangers(found.text) == []


def test_a_person_of_one_account_sees_nothing_of_another(browsing: Browsing) -> None:
    rows = named_markets(browsing.served.service, 4)
    other = "0x" + "1" * 40
    browsing.served.service._newest["markets"] = _owned(browsing, rows, other)
    browsing.sign_in(accounts=frozenset((rows[0]["owner"].lower(),)))
    assert shown(browsing) == ["market 000", "market 001"]
    assert "4" not in re.sub(r"<[^>]+>", "", browsing.get("/markets").text.split('id="count"')[1].split("</p>")[0])


def _owned(browsing: Browsing, rows: tuple[Mapping[str, Any], ...], other: str) -> Any:
    from dataclasses import replace

    found = browsing.served.service.newest("markets")
    return replace(found, rows=tuple(row if at < 2 else {**row, "owner": other} for at, row in enumerate(rows)))


def test_five_hundred_markets_are_a_small_page(browsing: Browsing) -> None:
    named_markets(browsing.served.service, 500)
    browsing.sign_in()
    with browsing.client.stream("GET", "/markets", headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip" and len(raw) < 60_000
    assert b"market 000" in gzip.decompress(raw)
