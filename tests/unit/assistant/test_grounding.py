"""Recorded answers: none with a number that its sources do not have is shown, and few others are held back.

How they were made is in the file itself: no model was at hand.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from yieldbot.assistant.grounding import grounded, unsupported
from yieldbot.assistant.sources import Sources

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "answers.json").read_text(encoding="utf-8"))
UNSEEN: dict[str, Any] = json.loads((Path(__file__).parent / "answers_unseen.json").read_text(encoding="utf-8"))
SANDBOX: dict[str, Any] = json.loads((Path(__file__).parent / "answers_sandbox.json").read_text(encoding="utf-8"))
MOST_HELD_BACK = 0.05


@cache
def _sources(file: str, names: tuple[str, ...]) -> Sources:
    recorded = {"recorded": RECORDED, "unseen": UNSEEN, "sandbox": SANDBOX}[file]
    sources = Sources(now=recorded["now"])
    for name in names:
        value = recorded["sources"][name]
        if isinstance(value, str):
            sources.add_text(name, value)
        else:
            sources.add_document(name, value, of=name)
    return sources


def _wrong(answer: dict[str, Any], file: str = "recorded") -> list[str]:
    return unsupported(grounded(answer["text"], _sources(file, tuple(answer["sources"]))))


def test_no_recorded_answer_with_an_unsupported_number_is_shown() -> None:
    false = [one for one in RECORDED["answers"] if not one["supported"]]
    assert len(false) == 125
    assert [one["text"] for one in false if not _wrong(one)] == []


def test_few_true_answers_are_held_back() -> None:
    true = [one for one in RECORDED["answers"] if one["supported"]]
    held = [(one["text"], wrong) for one in true if (wrong := _wrong(one))]
    assert len(true) == 125 and len(held) <= MOST_HELD_BACK * len(true), held


@pytest.mark.parametrize(
    ("name", "answer", "shown"),
    [
        ("Vault 3", "Vault 3 pays 4.2 %.", True),
        ("pays 45 percent", "It pays 45 percent.", False),
        ("pays 45 percent", "“pays 45 percent” pays 4.2 %.", True),
        ("99 % APY", "99 % APY.", False),
        ("earns 5000 USDC", "It earns 5000 USDC.", False),
        ("Aave v3", "Aave v4 pays 4.2 %.", False),
    ],
)
def test_numbers_in_names_support_nothing(name: str, answer: str, shown: bool) -> None:
    sources = Sources()
    sources.add_document("S1", {"items": [{"name": name, "apy": 0.042, "words": f"deposit 7 USDC into {name}"}]})
    assert (unsupported(grounded(answer, sources)) == []) is shown


def test_of_answers_that_the_checker_was_not_made_with_those_are_held_back_that_the_file_says() -> None:
    assert [one["supported"] for one in UNSEEN["answers"]].count(True) == 50 == len(UNSEEN["answers"]) / 2
    held = [one["text"] for one in UNSEEN["answers"] if _wrong(one, "unseen")]
    assert held == [one["text"] for one in UNSEEN["answers"] if not one["supported"] or "held" in one]


def test_of_answers_over_a_real_sandboxs_documents_those_are_shown_that_the_file_says() -> None:
    shown = [one["text"] for one in SANDBOX["answers"] if not _wrong(one, "sandbox")]
    assert shown == [
        one["text"] for one in SANDBOX["answers"] if (one["supported"] and "held" not in one) or "shown" in one
    ]


TWO = [
    {"name": "One", "apy": 0.05, "safety": 80, "trend": -0.012, "cost": 1.5, "held": {"symbol": "DAI", "text": "70.5"}},
    {"name": "Two", "apy": 0.09, "safety": 40, "trend": 0.034, "cost": 2.5, "held": {"symbol": "DAI", "text": "12.5"}},
]


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ("One pays -5 %.", ["-5 %"]),
        ("One costs -1.5 a year.", []),
        ("One pays +5 %.", []),
        ("- One: 5 %\n- Two: 9 %", []),
        ("The average is 9 %.", ["9 %"]),
        ("In total we hold 70.5 DAI.", ["70.5 DAI."]),
        ("We hold 70.5 DAI in One.", []),
        ("One has 80 out of 100, Two 40/100.", []),
        ("One has 81 out of 100.", ["81"]),
        ("There are 80 of 120 left in One.", ["120"]),
        ("1. One pays 5 %.\n2. Two pays 9 %.", []),
        ("1. One pays 5 %.\n7. Two pays 9 %.", ["7"]),
    ],
)
def test_signs_totals_scales_and_numbers_of_items(answer: str, wrong: list[str]) -> None:
    sources = Sources()
    sources.add_document("S1", TWO)
    assert unsupported(grounded(answer, sources)) == wrong


def test_a_list_that_arrives_in_pieces_keeps_its_numbers() -> None:
    sources = Sources()
    sources.add_document("S1", TWO)
    said = "1. One pays 5 %.\n"
    assert unsupported(grounded("2. ", sources, said)) == []
    assert unsupported(grounded("3. ", sources, said)) == ["3"]


def test_a_default_in_a_page_is_a_share_or_hours_as_its_name_says() -> None:
    sources = Sources()
    sources.add_text(
        "S1", "`max_share_market` is the largest fraction: 0.35 by default. `wait_hours` is 36 by default."
    )
    assert unsupported(grounded("At most 35 %, after 36 hours.", sources)) == []
    assert unsupported(grounded("At most 36 %, after 35 hours.", sources)) == ["36 %", "35 hours."]


def test_numbers_of_other_plans_are_not_taken_for_those_of_the_named_one() -> None:
    sources = Sources()
    sources.add_document(
        "S1", {"items": [{"id": "k3wd", "cost": 1.5, "since": 1795950000}, {"id": "z8pq", "cost": 2.5}]}
    )
    assert unsupported(grounded("Plan k3wd costs 2.5. Plan z8pq costs 2.5 since then.", sources)) == ["2.5"]


def test_numbers_of_other_days_are_not_taken_for_those_of_the_named_one() -> None:
    rows = [{"day": "2026-11-28", "apy": 0.041}, {"day": "2026-11-29", "apy": 0.052}]
    sources = Sources()
    sources.add_document("S1", {"market": {"name": "One"}, "rows": rows, "total": {"symbol": "DAI", "text": "70.5"}})
    assert unsupported(grounded("On 28 November One paid 5.2 %. On Nov 29 it paid 5.2 %.", sources)) == ["5.2 %"]
    assert unsupported(grounded("It rose from 4.1 % on 28 November to 5.2 %.", sources)) == []
    assert unsupported(grounded("The top two days make 70.5 DAI in One.", sources)) == []


PAIR = {
    "items": [
        {"name": "Blue Vault", "apy": 0.0603, "safety": 83, "cost": 1.84},
        {"name": "Red Pool", "apy": 0.0538, "safety": 76, "cost": 2.91},
    ]
}
HORIZONS = {
    "name": "Blue Vault",
    "horizons": [
        {"days": 1, "mean": 0.0668, "low": 0.059, "high": 0.0741},
        {"days": 7, "mean": 0.0631, "low": 0.0488, "high": 0.0779},
        {"days": 30, "mean": 0.0586, "low": 0.0372, "high": 0.0804},
    ],
    "components": [{"aspect": "liquidity", "score": 58}, {"aspect": "control", "score": 84}],
    "timelock": "2 days",
}


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ("Blue Vault pays 6.03 % and Red Pool 5.38 %.", []),
        ("Blue Vault pays 5.38 % and Red Pool 6.03 %.", ["5.38 %", "6.03 %"]),
        ("Of the two, Blue Vault is safer (83 versus 76 for Red Pool).", []),
        ("It is 6.03 % at Blue Vault, compared with 5.38 % at Red Pool.", []),
        ("It is 5.38 % at Blue Vault, compared with 6.03 % at Red Pool.", ["5.38 %", "6.03 %"]),
        ("Blue Vault and Red Pool pay 6.03 % and 5.38 %.", []),
        ("Blue Vault costs 1.84.", []),
        ("Blue Vault costs 83.", ["83"]),
    ],
)
def test_each_number_of_a_sentence_with_two_names_is_its_own_markets(answer: str, wrong: list[str]) -> None:
    sources = Sources()
    sources.add_document("S1", PAIR, of="list_markets")
    assert unsupported(grounded(answer, sources)) == wrong


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ("Over 30 days it is expected to pay 5.86 %, between 3.72 % and 8.04 %.", []),
        ("Over 30 days it is expected to pay 6.31 %.", ["6.31 %"]),
        ("Tomorrow: 6.68 %, in a week: 6.31 %, in a month: 5.86 %.", []),
        ("Tomorrow: 6.31 %, in a week: 6.68 %.", ["6.31 %", "6.68 %"]),
        ("It falls from 6.68 % over 1 day to 5.86 % over 30 days.", []),
        ("It falls from 5.86 % over 1 day to 6.68 % over 30 days.", ["5.86 %", "6.68 %"]),
        ("In 30 Tagen werden 5,86 % erwartet, in einer Woche 6,31 %.", []),
        ("Liquidity has 58 and control 84.", []),
        ("Liquidity has 84 and control 58.", ["84", "58"]),
        ("The timelock is 2 days.", []),
        ("The timelock is 7 days.", ["7 days."]),
        ("There are three horizons: 1, 7 and 30 days.", []),
    ],
)
def test_a_number_of_another_horizon_or_aspect_is_not_the_one_that_is_named(answer: str, wrong: list[str]) -> None:
    sources = Sources()
    sources.add_document("S1", HORIZONS, of="get_forecast")
    assert unsupported(grounded(answer, sources)) == wrong


def test_so_many_rows_are_counted_in_their_own_document() -> None:
    sources = Sources()
    sources.add_document("S1", PAIR, of="list_markets")
    sources.add_document("S2", {"items": [{"id": "k3wd", "attempts": 4}] * 3, "total": 3}, of="list_plans")
    assert unsupported(grounded("There are 2 markets and 3 plans.", sources)) == []
    assert unsupported(grounded("There are 3 markets. There are 4 plans. Two open plans wait.", sources)) == [
        "3",
        "4",
        "2",
    ]


def test_what_a_plan_says_of_a_market_is_of_that_market_and_the_number_of_its_name_of_none() -> None:
    moves = [
        {"reason": "Blue 91.5 % pays 3.91 % after our deposit"},
        {"reason": "Red Pool pays 6.79 % after our deposit"},
    ]
    sources = Sources()
    sources.add_document("S1", {"moves": moves}, of="what_if")
    assert unsupported(grounded('"Blue 91.5 %" pays 3.91 %, Red Pool 6.79 %.', sources)) == []
    assert unsupported(grounded("Red Pool would pay 3.91 %. It would pay 91.5 %.", sources)) == ["3.91 %", "91.5 %"]


def test_a_small_number_of_a_text_is_of_what_the_text_counts() -> None:
    row = {"name": "Blue Vault", "vetoes": ["above 3 times the median"], "alarms": [{"code": "SPIKE"}]}
    sources = Sources()
    sources.add_document("S1", {"items": [row, row | {"name": "Red"}], "total": 2}, of="list_markets")
    assert unsupported(grounded("It is 3 times the median. Both of the 2 markets have an alarm.", sources)) == []
    assert unsupported(grounded("Of the 2 markets, three have an alarm.", sources)) == ["3"]
    assert unsupported(grounded("Zwei der 2 Märkte haben einen Alarm.", sources)) == []


def test_a_grades_aspects_are_no_markets_and_their_forecasts_horizons_are_named_as_the_documents_do() -> None:
    sources = Sources()
    sides = [("exit_liquidity", 33.71), ("asset", 90.0)]
    components = [{"name": name, "score": score, "weight": 0.1} for name, score in sides]
    risk = {"name": "Blue Vault", "safety": 48, "components": components}
    sources.add_document("S1", risk, of="get_risk")
    rows = [{"horizon_days": 7, "mean": 0.0784}, {"horizon_days": 30, "mean": 0.0742}]
    sources.add_document("S2", {"horizons": rows}, of="get_forecast")
    assert unsupported(grounded("The asset is graded 90, exit liquidity 33.71; its safety is 48.", sources)) == []
    assert unsupported(grounded("Exit liquidity has 90.", sources)) == ["90"]
    assert unsupported(grounded("Over 30 days 7.42 % are expected, over a week 7.84 %.", sources)) == []
    assert unsupported(grounded("Over 30 days 7.84 % are expected.", sources)) == ["7.84 %"]


def test_a_ratio_in_words_is_computed_by_who_says_it() -> None:
    sources = Sources()
    sources.add_document("S1", PAIR)
    assert unsupported(grounded("Blue Vault pays twice as much as Red Pool.", sources)) == ["twice"]
    sources.add_text("S2", "It pays twice as much.")
    assert unsupported(grounded("It pays twice as much.", sources)) == []


def test_what_a_model_gave_to_a_tool_supports_nothing_when_it_comes_back() -> None:
    sources = Sources()
    sources.add_text("S1", "What if we had 50000 USDC?")
    sources.add_document("S2", {"what_if": {"wealth": "99000"}, "cost": 2.5}, {"wealth": "99000", "horizon_days": 30})
    assert unsupported(grounded("With 99,000 it costs 2.5 over 30 days, with 50,000 USDC too.", sources)) == ["99,000"]


def test_numbers_of_other_markets_are_not_taken_for_those_of_the_named_one() -> None:
    sources = Sources()
    sources.add_document("S1", [{"name": "One", "apy": 0.05, "safety": 80}, {"name": "Two", "apy": 0.09, "safety": 40}])
    assert unsupported(grounded("One pays 9 %. Two has safety 80. It pays 9 %.", sources)) == ["9 %", "80"]
    assert unsupported(grounded("One pays 5 % and Two 9 %.", sources)) == []
