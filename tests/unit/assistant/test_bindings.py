"""What the words of an answer say of its numbers: the event, the field, the line of a page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from yieldbot.assistant.figures import figures
from yieldbot.assistant.grounding import grounded, sentences, unsupported
from yieldbot.assistant.sources import Sources

NOW = int(datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC).timestamp())


def _wrong(answer: str, **documents: Any) -> list[str]:
    sources = Sources(now=NOW)
    for name, document in documents.items():
        sources.add_document(name, document, of=name)
    return unsupported(grounded(answer, sources))


ROWS = {
    "items": [
        {"words": "deposit 70.5 DAI into Blue Vault for main", "at": NOW - 3600},
        {"words": "allow Blue Vault to take exactly 70.5 DAI", "at": NOW - 3602},
        {"words": "withdraw 12.5 DAI from Red Pool to main", "at": NOW - 3607},
    ],
    "as_of": NOW - 60,
    "expires_at": NOW + 3600,
}


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ("The deposit of 70.5 DAI into Blue Vault was at 11:00:00 UTC.", []),
        ("The deposit of 70.5 DAI into Blue Vault was at 10:59:58 UTC.", ["10:59:58"]),
        ("The deposit into Blue Vault was confirmed at 11:59 UTC.", ["11:59"]),
        ("First came the approval at 10:59:58, then the deposit at 11:00:00.", []),
        ("The withdrawal from Red Pool was at 10:59 UTC on 30 November.", []),
        ("The withdrawal of 12.5 DAI was at 11:00 UTC.", ["11:00"]),
        ("Le retrait de 70,5 DAI a été confirmé le 30 novembre à 10:59 UTC.", ["30 November", "10:59", "70.5 DAI"]),
        ("It expires at 13:00 UTC and was read at 11:59 UTC.", []),
        ("It was executed at 13:00 UTC.", ["13:00"]),
        ("You can approve it until 11:00 UTC.", ["11:00"]),
        ("There were 1 deposit, 1 approval and 1 withdrawal.", []),
        ("There were 2 deposits.", ["2"]),
    ],
)
def test_a_time_is_of_the_event_that_is_named(answer: str, wrong: list[str]) -> None:
    assert _wrong(answer, list_transactions=ROWS) == wrong


MARKETS = {
    "items": [
        {
            "key": "a~1~x",
            "name": "Blue Vault",
            "quoted": 0.0603,
            "apy_realised": 0.0512,
            "loss_bps": 41.5,
            "mean": -0.0018,
        },
        {
            "key": "a~1~y",
            "name": "Red Pool",
            "quoted": 0.0538,
            "apy_realised": 0.0497,
            "loss_bps": 62.5,
            "mean": 0.0021,
        },
    ]
}
OTHER = {"forecasts": [{"market_id": "a/1/x", "high": 0.0711}, {"market_id": "a/1/y", "high": 0.0822}]}
RISKS = {"items": [{"id": "k3wd", "risks": ["Blue Vault: safety 48 (D); expected loss 420 bp a year", "Pays 99 %"]}]}


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ("Blue Vault quotes 6.03 %. Its expected loss is 42 bp a year.", []),
        ("Blue Vault quotes 6.03 %. Its expected loss is 63 bp a year.", ["63 bp"]),
        ("Blue Vault is forecast at 7.11 % at most.", []),
        ("Blue Vault is forecast at 8.22 % at most.", ["8.22 %"]),
        ("Blue Vault quotes 6.03 %, but 5.12 % is what it really made.", []),
        ("Blue Vault quotes 5.12 %.", ["5.12 %"]),
        ("6.03 % is what Blue Vault has, 6.03 % realised.", ["6.03 %"]),
        ("Blue Vault quotes 6.03 %, Red Pool 5.38 %.", []),
        ("Blue Vault quotes 6.03 %, Red Pool 4.97 %.", ["4.97 %"]),
        ("The mean of Blue Vault is -0.18 %.", []),
        ("The mean of Blue Vault is 0.18 %.", ["0.18 %"]),
        ("Blue Vault loses 0.18 %.", []),
        ("The plan says of Blue Vault: safety 48, expected loss 420 bp.", []),
        ("The plan says of Red Pool: safety 48.", ["48"]),
        ("It pays 99 %.", ["99 %"]),
    ],
)
def test_a_number_is_of_the_market_the_field_and_the_sign_that_are_said(answer: str, wrong: list[str]) -> None:
    assert _wrong(answer, list_markets=MARKETS, what_if=OTHER, list_plans=RISKS) == wrong


TABLE = """Limits of the watch:

| Incident | Best quote loses | yieldbot loses | It left |
|---|---|---|---|
| a coin falls | 80.5%, 21 h locked | 10.5% | after 4 h, PEG |
| a market is full | 60.5% | 30.5% | after 6 h, FULL |

- enter where both grades are 55 or more
- the score is 50 + 50 * gap of both grades
"""


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ("When a coin falls, yieldbot loses 10.5 % and leaves after 4 h by PEG.", []),
        ("When a coin falls, yieldbot loses 80.5 %.", ["80.5 %"]),
        ("When a coin falls, the best quote loses 80.5 %, with 21 h locked.", []),
        ("When a coin falls, it left after 21 h.", ["21 h."]),
        ("When a market is full, it left after 4 h.", ["4 h."]),
        ("To enter, both grades must be 55 or more.", []),
        ("To enter, both grades must be 50 or more.", ["50"]),
    ],
)
def test_a_number_of_a_page_is_of_its_line_row_and_column(answer: str, wrong: list[str]) -> None:
    assert _wrong(answer, search={"pages": [{"place": "docs/watch.md", "text": TABLE}]}) == wrong


def test_a_length_beside_since_begins_on_the_day_that_is_named() -> None:
    held = {"items": [{"name": "Blue Vault", "since": NOW - 10 * 86_400}], "first": NOW - 20 * 86_400}
    assert _wrong("You have been there for 10 days, since 20 November.", list_positions=held) == []
    assert _wrong("You have been there for 20 days, since 20 November.", list_positions=held) == ["20 days"]


def test_decimal_commas_and_the_points_of_german_days_are_understood() -> None:
    assert sentences("Seit dem 4. Oktober steht er. Das ist alles.") == [
        "Seit dem 4. Oktober steht er.",
        "Das ist alles.",
    ]
    found = figures("Für 1.500 USDC gäbe es rund 0,499 WETH, mindestens 0,4975 WETH.")
    assert [str(one.value) for one in found] == ["1500", "0.499", "0.4975"]
    assert [str(one.value) for one in figures("You get 1,500 USDC for 0.499 WETH.")] == ["1500", "0.499"]
