"""The check of an answer's numbers over many draws: in true answers one number at a time is made a wrong one."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kit import ROOT
from yieldbot.assistant.grounding import grounded, unsupported
from yieldbot.assistant.sources import Sources

FILES = ("answers", "answers_unseen")
NUMBER = re.compile(r"(?<![\w.,])\d[\d.,]*\d|(?<![\w.,])\d")
ITEM = re.compile(r"^\s*$|\n\s*$")
"""What stands before the number of a list's item, which says nothing."""


def sources_of(recorded: dict[str, Any], names: list[str]) -> Sources:
    found = Sources(now=recorded["now"])
    for name in names:
        value = recorded["sources"][name]
        document = {"pages": [{"place": name, "text": value}]} if isinstance(value, str) else value
        found.add_document(name, document, of=name)
    return found


def changed(number: str, drawn: random.Random) -> Iterator[str]:
    """The number with another last digit, with one digit changed by one, and with two neighbours swapped."""
    digits = [at for at, sign in enumerate(number) if sign.isdigit()]
    yield number[:-1] + str((int(number[-1]) + drawn.randint(1, 9)) % 10)
    at = drawn.choice(digits)
    yield number[:at] + str((int(number[at]) + drawn.choice((1, 9))) % 10) + number[at + 1 :]
    pairs = [(one, other) for one, other in itertools.pairwise(digits) if number[one] != number[other]]
    if pairs:
        one, other = drawn.choice(pairs)
        signs = list(number)
        signs[one], signs[other] = signs[other], signs[one]
        yield "".join(signs)


@pytest.mark.parametrize(
    ("every", "most"), [(False, 0.025), (True, 0.09)], ids=["with its own documents", "with all eleven documents"]
)
def test_few_true_answers_with_one_number_changed_are_shown(every: bool, most: float) -> None:
    drawn, shown, tried = random.Random(7), list[str](), 0
    for name in FILES:
        recorded = json.loads((ROOT / "tests" / "unit" / "assistant" / f"{name}.json").read_text(encoding="utf-8"))
        known = dict[tuple[str, ...], Sources]()
        for answer in recorded["answers"][:: 4 if every else 1]:
            names = sorted(recorded["sources"]) if every else answer["sources"]
            sources = known.setdefault(tuple(names), sources_of(recorded, names))
            text = answer["text"]
            if not answer["supported"] or unsupported(grounded(text, sources)):
                continue
            for one in NUMBER.finditer(text):
                if ITEM.search(text[: one.start()]) and text[one.end() : one.end() + 2] == ". ":
                    continue
                for other in changed(one[0], drawn):
                    tried += 1
                    wrong = text[: one.start()] + other + text[one.end() :]
                    if not unsupported(grounded(wrong, sources)):
                        shown.append(f"{one[0]} -> {other}: {text}")
    assert tried > (250 if every else 1000) and len(shown) <= most * tried, (len(shown), tried, shown[:20])
