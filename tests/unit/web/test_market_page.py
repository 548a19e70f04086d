"""The overview, and the page of one market."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kit.api.served import Served
from tests.kit.web.browsing import Browsing, dangers
from tests.kit.web.rows import HOSTILE, named_markets
from yieldbot.web.charts import Chart, Line, _ticks, chart, spark
from yieldbot.web.figures import compact, money, percent, short


@pytest.fixture
def signed_in(browsing: Browsing) -> Browsing:
    """A person who may read."""
    browsing.sign_in()
    return browsing


def test_the_overview_says_what_there_is_and_what_is_missing(signed_in: Browsing, served: Served) -> None:
    text = signed_in.get("/").text
    (wealth,) = served.service.newest("wealth").rows
    assert f'value="{float(wealth["invested"]["text"])!r}"' in text
    assert "No run yet" in text and "away: nobody answers" in text, "empty parts say what fills them"
    assert dangers(text) == []


def test_a_market_has_its_figures_its_curve_and_the_evidence_of_its_grade(signed_in: Browsing, served: Served) -> None:
    row = served.service.newest("markets").rows[0]
    text = signed_in.get(f"/markets/{row['key']}").text
    grade = next(one for one in served.service.newest("grades").rows if one["id"] == row["id"])
    assert f'value="{row["total_apy_after_deposit"]!r}"' in text
    assert "We are here" in text and "What more of our money would earn" in text
    for side in grade["components"]:
        assert side["name"].replace("_", " ") in text
        for fact in side["evidence"]:
            assert fact["what"] in text
        for lack in side["missing"]:
            assert f"not known: {lack}" in text
    assert "No look was taken" in text and dangers(text) == []
    assert signed_in.get(f"/markets/{row['key']}?days=7").text.count('aria-current="true"') == 1
    assert signed_in.get("/markets/there~is~none").status_code == 404


def test_a_market_of_another_account_is_not_there(browsing: Browsing, served: Served) -> None:
    browsing.sign_in(accounts=frozenset(("0x" + "1" * 40,)))
    key = served.service.newest("markets").rows[0]["key"]
    assert browsing.get(f"/markets/{key}").status_code == 404
    assert "10,000" not in browsing.get("/").text


def test_names_of_strangers_are_text_on_the_market_page(browsing: Browsing, served: Served) -> None:
    rows = named_markets(served.service, len(HOSTILE), names=HOSTILE)
    browsing.sign_in()
    for row in rows:
        text = browsing.get(f"/markets/{row['key']}").text
        assert dangers(text) == [] and "<script>alert" not in text


def test_charts_have_round_scales_that_tell_their_values_apart() -> None:
    for low, high in ((0.0312, 0.0477), (99_990.0, 100_172.0), (-3.0, 8.0), (1e-9, 3e-9), (5.0, 5.0000001)):
        ticks = _ticks(low, high)
        assert len(ticks) == 5 and ticks[0] <= low and ticks[-1] >= high - 1e-12
    for last in (1_061_000.0, 100_160.0):
        made = chart(Chart("n", [0.0, 86_400.0, 172_800.0], [Line("a", [last * 0.998, None, last])], unit="amount"))
        assert len(set(_values(str(made)))) == 5, "no two ticks look the same"
    assert "M0.0" in made and "L600" not in made, "a gap is no line"
    flat = chart(Chart("n", [0.0, 1.0], [Line("a", [0.05, 0.05])]))
    assert "nan" not in flat.lower()


def _values(text: str) -> Iterator[str]:
    import re

    return iter(re.findall(r"<data[^>]*>([^<]*)</data>", text.split('class="drawing"')[0]))


def test_small_lines_say_their_ends_and_range_in_words() -> None:
    assert "from 3.05% to 5.13%, between 2.02% and 5.13%" in spark([0.03, None, 0.02, 0.05])
    assert "too little history" in spark([0.03, None]) and "too little history" in spark(None)


def test_figures_have_their_exact_value_for_the_script_and_a_text_without_it() -> None:
    amount = {"text": "1234567.891234", "symbol": "<b>"}
    assert "1,234,567.89" in money(amount) and "1.23M" in compact(amount) and "<b>" not in money(amount, unit=True)
    assert 'value="0.0425"' in percent(0.0425) and "4.25" in percent(0.0425) and "not known" in percent(None)
    assert [short(value) for value in (0.0, 999.0, 12_345.0, 2.5e9)] == ["0", "999", "12.3K", "2.5B"]
