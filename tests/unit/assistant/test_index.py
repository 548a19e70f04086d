"""The search: a question finds the page that answers it, and an example of the documentation supports no yield."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from yieldbot.app.passages import Passage, _parts, pages
from yieldbot.assistant.index import FullText
from yieldbot.assistant.searching import Searcher
from yieldbot.errors import ConfigError
from yieldbot.model.assistance import Assistance

ASKED = {
    "How do I halt the bot?": "execution.md, The kill switch",
    "What does the certificate prove?": "allocator",
    "how are API keys rotated": "api",
    "Where do secrets come from, can I use pass?": "configuration",
    "What happens on a depeg?": "configuration.md, Policy",
    "How is the safety grade computed?": "risk",
    "telegram notices setup": "notices",
    "paper wallet": "paper",
    "What can the signer do that the server cannot?": "operations",
    "walk-forward backtest without looking ahead": "backtest",
}


@pytest.fixture(scope="module")
def index() -> FullText:
    return FullText(pages())


@pytest.mark.parametrize("question", ASKED)
def test_a_question_finds_its_page(index: FullText, question: str) -> None:
    found = [one.place for one in index.search(question, 5)]
    assert any(ASKED[question] in place for place in found), found


def test_odd_queries_are_no_syntax_and_find_nothing_or_something(index: FullText) -> None:
    for query in ('"', "NEAR(", "a* OR b:c", "-- ; DROP TABLE passages", "", "the of", "é" * 300, "x " * 5000):
        assert isinstance(index.search(query, 3), list)
    assert FullText([]).search("halt", 3) == []
    assert FullText([Passage("page", "p", "the halt")]).search("halt", 3)[0].place == "p"


def test_a_section_is_cut_between_lines_and_a_tables_head_goes_with_each_part() -> None:
    rows = [f"| row {at} | {'x' * 300} |" for at in range(12)]
    parts = _parts("\n".join(["Before.", "", "| a | b |", "|---|---|", *rows]))
    assert len(parts) > 1 and all(part.startswith("| a | b |\n|---|---|\n| row") for part in parts[1:])
    assert [line for part in parts for line in part.splitlines() if "row" in line] == rows
    assert not [one.place for one in pages() if one.place.endswith("npm packages")], "a comment in code is no heading"


class Last:
    """An index that finds the last passages, and one that is none of them."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = passages

    def search(self, query: str, most: int) -> list[Passage]:
        if query == "fail":
            raise RuntimeError("no model\nis there")
        return [Passage("page", "elsewhere", "99 %"), *reversed(self.passages)][: most + 1]


def test_an_installed_index_takes_the_place_of_the_full_text_one_and_may_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    point = SimpleNamespace(name="last", load=lambda: Last)
    monkeypatch.setattr("yieldbot.assistant.index.entry_points", lambda group: [point])
    lines = list[str]()
    settings = SimpleNamespace(assistance=Assistance(index="last"))
    service: Any = SimpleNamespace(context=SimpleNamespace(settings=settings, complain=lines.append))
    some = tuple(Passage("page", f"p{at}", f"the halt {at}") for at in range(5))
    searcher: Any = Searcher(service, cast(Any, None))
    assert [one.place for one in searcher._of_kind("page", some, "x", 2)] == ["p4", "p3"], "and none of its own"
    assert len(searcher._of_kind("page", some, "fail", 2)) == 0 and "full_text is used" in lines[0]
    assert [one.kind for one in searcher._of_kind("page", some, "halt", 1)] == ["page"] and len(lines) == 1
    settings.assistance = Assistance(index="embedings")
    with pytest.raises(ConfigError, match="no index embedings is installed: known are: full_text, last"):
        searcher._of_kind("page", some, "x", 2)
