"""No line says "1 legs": a count and of what is written by ``counted`` (model/text.py)."""

from __future__ import annotations

import re

from tests.kit import ROOT

PLURAL = re.compile(r"(?P<before>\S* ?)\{len\((?P<what>[^{}]*)\)(?::,)?\} (?P<words>(?:[a-z]+ )?[a-z]+s\b(?! of ours))")
"""A number of things, followed by their plural."""
SEVERAL = {
    "alerts,": "there are as many as there may be",
    "proposals wait": "there are as many as there may be",
    "pools match": "one would be taken",
    "markets (": "one would be taken",
    "rows have": "one would be taken",
    "columns:": "a table has several",
    "further actions": "named after several",
    "further changes": "named after several",
    "others": "named after several",
    "signers are left": "out of several",
    "transactions {": "a whole of which some were read",
}
"""Why a number is never one, by the words behind it."""
FEW = ("bytes", "this", "is", "has", "was", "its")
"""Words with an s that are no plural of a thing, or whose number is a file's or an answer's length."""
INSIDE = ("backtest/world.py", "model/abi_words.py", "chains/evm/signing/kms.py", "protocols/evm/merkl.py")
"""Files whose errors only a programmer makes, or that count what a contract must give."""


def several(text: str) -> list[tuple[int, str]]:
    """(line, words) of each number that may be one before a plural."""
    found = []
    for one in PLURAL.finditer(text):
        words = text[one.start("words") : one.end() + 12]
        whole = one["before"].strip() in ("of", "at", "than", "among", "with", "for", "are", "its")
        if not (whole or one["words"].split()[-1] in FEW or any(words.startswith(known) for known in SEVERAL)):
            found.append((text.count("\n", 0, one.start()) + 1, words.split("\n")[0]))
    return found


def test_a_single_thing_is_never_written_as_several() -> None:
    assert several('f"{whole}{len(found.legs)} legs; valid"') and several('f"{len(rows):,} earlier rows"')
    assert not several("f\"2 of {len(owners)} owners, {len(data)} bytes, {counted(len(a), 'leg')}\"")
    found = [
        f"{one.relative_to(ROOT)}:{line}: {words}"
        for one in sorted((ROOT / "yieldbot").rglob("*.py"))
        if not one.as_posix().endswith(INSIDE)
        for line, words in several(one.read_text())
    ]
    assert found == [], "write counted(len(legs), 'leg'), or one leg is shown as 1 legs: " + ", ".join(found)
