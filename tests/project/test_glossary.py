"""docs/glossary.md: words that it rules out do not occur in the docstrings of yieldbot."""

from __future__ import annotations

import ast
import gc
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
OTHER_SENSES = frozenset(
    re.findall(
        r"\w+",
        """
        action allowance approval apr asked backtest batch beside books ceiling cover database decoding depth
        distribution dry_run error event exchange forecast generic give hash holding impermanent_loss instance
        interval journal kind limit log look lp lp_token lvr mean model need path pause place prediction
        price_impact proof proposal provide query range rate_model rehearsal relay replay said score seen
        settings share side signer simulation slip slippage state status steps stuck task transfer until usage
        venue version wallet warning way word words yield
        """,
    )
)
"""Ordinary words, and right words for other terms of the glossary, whose use a person must judge. _ is a space."""


def ruled_out() -> set[str]:
    """The phrases of the third column that have no other sense; remarks in brackets and with * are left out."""
    found = set()
    for line in (ROOT / "docs" / "glossary.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 3 and cells[0] != "Term":
            plain = re.sub(r"\*\([^)]*\)\*|\([^)]*\)", "", cells[2])
            found |= {word.strip().lower() for word in plain.split(",")} - {"", "—"}
    return {word for word in found if word.replace(" ", "_") not in OTHER_SENSES}


class File(NamedTuple):
    docstrings: list[tuple[int, str]]
    """Every text that is a statement of its own, with its line: docstrings, and the texts behind fields."""
    bare: list[str]
    """Fields of dataclasses without a text behind them."""


@cache
def files() -> dict[str, File]:
    """What a test looks at in every file. Nothing is kept of a file's tree: a tree has thousands of objects."""
    found = {}
    gc.disable()  # each tree is freed without
    try:
        for path in sorted((ROOT / "yieldbot").rglob("*.py")):
            found[str(path.relative_to(ROOT))] = file = File([], [])
            waiting: list[Any] = [ast.parse(path.read_text())]
            while waiting:
                node = waiting.pop()
                for name in ("body", "orelse", "finalbody", "handlers", "cases"):
                    inner = getattr(node, name, None)
                    waiting += inner if isinstance(inner, list) else []
                if _is_text(node):
                    file.docstrings.append((node.lineno, node.value.value))
                elif isinstance(node, ast.ClassDef):
                    file.bare.extend(_bare(node))
    finally:
        gc.enable()
    return found


def _is_text(node: ast.stmt | None) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _bare(made: ast.ClassDef) -> Iterator[str]:
    """The fields without a text behind them, where the class is a dataclass."""
    if any("dataclass" in ast.dump(one) for one in made.decorator_list):
        for field, after in pairwise([*made.body, None]):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and not _is_text(after):
                yield f"{made.name}.{field.target.id}"


def test_no_docstring_uses_a_word_that_the_glossary_rules_out() -> None:
    words = ruled_out()
    assert {"purse", "witness", "told", "laid", "meant", "lay anew", "sighting"} <= words, "the glossary is read"
    by_first: dict[str, list[re.Pattern[str]]] = {}
    for word in sorted(words):
        made = re.compile(rf"\b{re.escape(word)}\b", re.IGNORECASE)
        by_first.setdefault(re.findall(r"\w+", word)[0], []).append(made)
    found = []
    for path, file in files().items():
        for line, text in file.docstrings:
            here = by_first.keys() & set(re.findall(r"\w+", text.lower()))
            prose = re.sub(r"``[^`]*``|\S*[/_]\S*", " ", text) if here else ""  # code, paths and names
            hits = (hit for first in sorted(here) for one in by_first[first] for hit in one.findall(prose))
            found += [f"{path}:{line}: {hit}" for hit in hits]
    assert found == []


def test_every_field_of_a_dataclass_is_explained_behind_itself() -> None:
    bare = [f"{path}: {field}" for path, file in files().items() for field in file.bare]
    assert not bare, "write a text behind each: " + ", ".join(bare)
