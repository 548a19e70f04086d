"""Recorded answers: none with a number that its sources do not have is shown, and few others are held back.

How they were made is in the file itself: no model was at hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from yieldbot.assistant.grounding import grounded, unsupported
from yieldbot.assistant.sources import Sources

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "answers.json").read_text(encoding="utf-8"))
MOST_HELD_BACK = 0.05


def _wrong(answer: dict[str, Any]) -> list[str]:
    sources = Sources(now=RECORDED["now"])
    for name in answer["sources"]:
        value = RECORDED["sources"][name]
        if isinstance(value, str):
            sources.add_text(name, value)
        else:
            sources.add_document(name, value)
    return unsupported(grounded(answer["text"], sources))


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
