"""docs/protocols.md has a row for every adapter that reads markets or swaps, with all of its columns said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from yieldbot.model.market import Kind
from yieldbot.protocols import adapters, exchanges, svm_adapters

DOC = Path(__file__).parents[2] / "docs" / "protocols.md"
WALLET = Kind.IDLE.value
"""The adapter of the wallet's own balance, which is no protocol."""


def rows(head: str) -> list[list[str]]:
    """The cells of the rows of one part's table."""
    part = DOC.read_text(encoding="utf-8").split(f"\n## {head}\n", 1)[1].split("\n## ", 1)[0]
    found = [re.split(r"(?<!\\)\|", line.strip().strip("|")) for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in found[1:]]


@pytest.mark.parametrize(
    ("head", "names"), [("EVM", adapters()), ("Solana", svm_adapters()), ("Exchanges", exchanges())]
)
def test_each_adapter_has_a_row_that_says_how_it_was_tried_and_what_is_exact(head: str, names: set[str]) -> None:
    listed = {name: row for row in rows(head) for name in re.findall(r"`([a-z0-9_]+)\b", row[0]) if row[1] and row[2]}
    assert not set(names) - {WALLET} - set(listed)
    for name in set(names) - {WALLET}:
        assert re.search(r"\b(doubles?|real|none)\b", listed[name][1]), f"{name}: a double, real contracts, or none"
