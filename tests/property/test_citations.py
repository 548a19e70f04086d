"""Whatever a document holds, a citation shows that value, with its unit, beside the name of what it is of."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldbot.assistant.citable import Facts
from yieldbot.assistant.labels import LANGUAGES
from yieldbot.assistant.speaking import Speaker
from yieldbot.assistant.wording import Kind, Value, written

MARKS = {"en": (",", "."), "de": (".", ","), "fr": ("\u00a0", ","), "es": (".", ",")}
AMOUNTS = st.decimals(min_value=-(10**12), max_value=10**12, places=6, allow_nan=False, allow_infinity=False)
RATES = st.floats(min_value=-1, max_value=10, allow_nan=False).map(lambda one: round(one, 12))
NAMES = st.text(min_size=1, max_size=40).filter(lambda one: one.strip())


def read(text: str, language: str) -> Decimal:
    """The first number of a text, read back as its language writes it."""
    group, point = MARKS[language]
    found = re.search(rf"\u2212?\d[\d{re.escape(group)}]*(?:{re.escape(point)}\d+)?", text)
    assert found is not None, text
    return Decimal(found[0].replace(group, "").replace(point, ".").replace("\u2212", "-"))


@pytest.mark.parametrize("language", LANGUAGES)
@given(value=AMOUNTS, rate=RATES, decimals=st.none() | st.integers(0, 8))
@settings(max_examples=60, deadline=None)
def test_a_number_can_be_read_back(language: str, value: Decimal, rate: float, decimals: int | None) -> None:
    for number, text in (
        (value, written(Value(Kind.NUMBER, value, "USDC"), language, 0, decimals)),
        (Decimal(str(rate)) * 100, written(Value(Kind.YIELD, Decimal(str(rate))), language, 0, decimals)),
    ):
        shown = read(text, language)
        places = 2 if decimals is None else decimals
        assert abs(shown - number) <= Decimal(5).scaleb(-places - 1)
        assert (shown == 0) is (number == 0), "nothing is rounded to nothing"
        assert not shown or (shown < 0) is (number < 0)


@given(name=NAMES, other=NAMES, held=AMOUNTS, rate=RATES)
@settings(max_examples=150, deadline=None)
def test_each_figure_stands_behind_its_own_name_whatever_names_hold(
    name: str, other: str, held: Decimal, rate: float
) -> None:
    facts = Facts(now=1_796_000_000)
    rows = [
        {"id": f"a/{at}", "name": text, "held": {"symbol": "USDC", "raw": "1", "text": f"{held:f}"}, "quoted_apy": rate}
        for at, text in enumerate((name, other))
    ]
    facts.add("S2", {"items": rows}, "list_markets {}")
    said = Speaker(facts, "en").say("Lies {{S2r1.held}} and {{S2r2.quoted_apy}} more.")
    assert not said.faults and len(said.figures) == 2
    assert said.figures[0].cited.path == "items[0].held" and said.figures[1].cited.path == "items[1].quoted_apy"
    bare = re.sub(r"“[^”]*”", "", said.text)
    assert bare.count("held") <= 1 + f"{name} {other}".count("held")
    numbers = re.findall(
        r"(?<![^\W\d_])\d[\d,.]*", bare.replace(said.figures[0].text, "", 1).replace(said.figures[1].text, "", 1)
    )
    assert not numbers, "numbers of names stand in quotation marks"
