"""Finds which installed distributions run in a process that uses some of our modules.

Imports inside functions count too: they are read from the source, so that no branch is missed.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.supply.locks import ROOT, canonical

OURS = "yieldbot"

LOOK = """
import importlib, json, sys
seen = {name.partition(".")[0] for name in sys.modules}
import asyncio
from importlib.metadata import packages_distributions
of, stages = packages_distributions(), []
for modules, more in json.loads(sys.stdin.read()):
    for name in modules:
        importlib.import_module(name)
    exec(more)
    tops = {name.partition(".")[0] for name in sys.modules} - seen
    seen |= tops
    stages.append(sorted({found for top in tops for found in of.get(top, ())}))
print(json.dumps(stages))
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """entries: our modules that are loaded; more: Python that is run then, for what others load only when used."""

    entries: Sequence[str]
    more: str = ""


def closure(entries: Iterable[str]) -> tuple[set[str], set[str]]:
    """Our modules that these may import, at any depth, themselves included, and the modules of others."""
    todo, ours, others = list(entries), set[str](), set[str]()
    while todo:
        module = todo.pop()
        if module in ours:
            continue
        ours.add(module)
        for name in imported(module):
            if name.partition(".")[0] == OURS:
                parts = name.split(".")
                todo += [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
            elif name.partition(".")[0] not in sys.stdlib_module_names:
                others.add(name)
    return ours, others


def imported(module: str) -> set[str]:
    """The modules that one of ours imports when it is loaded or in any of its functions; not for the types alone."""
    found: set[str] = set()
    for node in _run(ast.parse(_file(module).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None and not node.level, f"{module}: a relative import is not followed"
            found.add(node.module)
            whole = (f"{node.module}.{alias.name}" for alias in node.names if node.module.startswith(OURS))
            found |= {name for name in whole if _file(name).is_file()}
    return found


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """The tree without what stands under ``if TYPE_CHECKING``."""
    yield node
    typing_only = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    for child in node.orelse if typing_only and isinstance(node, ast.If) else ast.iter_child_nodes(node):
        yield from _run(child)


def _file(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def distributions(stages: Sequence[Stage]) -> list[set[str]]:
    """Of each stage, gone through in turn in one new interpreter: the distributions that none before it had loaded."""
    modules = [sorted(set().union(*closure(stage.entries))) for stage in stages]
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        input=json.dumps([(loaded, stage.more) for loaded, stage in zip(modules, stages, strict=True)]),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found, before = list[set[str]](), {OURS}
    for names in json.loads(done.stdout):
        found.append({canonical(name) for name in names} - before)
        before |= found[-1]
    return found


def documented(text: str, heading: str) -> set[str]:
    """The packages of the table under a heading of docs/dependencies.md: its first two columns.

    Raises ValueError where there is none.
    """
    section = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    if section is None:
        raise ValueError(f"docs/dependencies.md has no heading {heading}")
    rows = [line.strip("| ").split("|") for line in section[1].splitlines() if line.startswith("|")][2:]
    return {canonical(name) for row in rows for cell in row[:2] for name in re.findall(r"[A-Za-z][\w.-]*", cell)}
