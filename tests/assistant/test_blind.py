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
    assert (len(ANSWERS), sum(one["supported"] for one in ANSWERS)) == (88, 42)
    lost = list[str]()
    for answer in ANSWERS:
        said = shown(answer)
        if answer["supported"]:
            lost += said.faults
        elif "{{" not in answer["false"]:
            assert answer["false"].strip() not in said.text, answer
    assert lost == ["S17r2.text.10: there is no 10"], "pages were cut into sentences when it was written"


def test_a_condition_that_no_row_meets_is_never_counted() -> None:
    faults = [fault for one in ANSWERS for fault in shown(one).faults if "no row has that" in fault]
    assert len(faults) >= 2 and "status = congelado: no row has that; there are active, frozen" in "".join(faults)
