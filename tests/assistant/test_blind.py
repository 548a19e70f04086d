"""Answers of a language model that had read the prompt and not the program, over documents of a real sandbox."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from yieldbot.assistant.citable import Facts
from yieldbot.assistant.speaking import Said, Speaker
from yieldbot.assistant.tongues import language_of

FOLDER = Path(__file__).parent / "blind"
GIVEN = json.loads((FOLDER / "documents.json").read_text())
ANSWERS = json.loads((FOLDER / "answers.json").read_text())


def shown(answer: dict[str, Any]) -> Said:
    facts = Facts(now=GIVEN["now"])
    for name in answer["sources"]:
        one = GIVEN["documents"][name]
        facts.add(one["id"], one["document"], one["tool"])
    return Speaker(facts, language_of(answer["question"])).say(answer["text"])


def test_no_false_words_are_shown_and_no_true_figure_is_lost() -> None:
    assert (len(ANSWERS), sum(one["supported"] for one in ANSWERS)) == (178, 87)
    lost = list[str]()
    for answer in ANSWERS:
        said = shown(answer)
        if answer["supported"]:
            lost += said.faults
        elif "{{" not in answer["false"]:
            assert answer["false"].strip() not in said.text, answer
    assert all(".text." in one for one in lost) and len(lost) <= 4, "pages were cut otherwise when it was written"


def test_what_was_read_as_false_is_asked_again() -> None:
    faults = "\n".join(fault for one in ANSWERS for fault in shown(one).faults)
    assert "status = congelado: no row has that; there are active, frozen" in faults
    assert faults.count("such figures do not add up to one") >= 2
