"""docs/figures.md explains every figure that the screens print: labels are read from the code that prints them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from html import unescape
from pathlib import Path

import pytest

from tests.kit import ROOT
from yieldbot.allocator.liquidity_advice import Advice
from yieldbot.app.run_log import OF_CODE
from yieldbot.cli import market_table
from yieldbot.errors import ConfigError
from yieldbot.journal.journal_entries import PlanStatus
from yieldbot.model.market import ExitKind, Status
from yieldbot.model.notices import Severity, Topic
from yieldbot.model.plan import LegKind
from yieldbot.model.risk import Act
from yieldbot.risk.scales import scales
from yieldbot.risk.yields import Signal
from yieldbot.web.markets import COLUMNS as MARKET_COLUMNS

PAGE = ROOT / "docs" / "figures.md"
SCREENS = ROOT / "yieldbot" / "cli"
TEMPLATES = ROOT / "yieldbot" / "web" / "templates"
FIGURE = re.compile(r"[dfg%e,]")
"""Part of a format specification that makes a figure of a value."""

Scope = Mapping[str, list[ast.expr]]


def texts(node: ast.expr, scope: Scope) -> Iterator[str]:
    """The texts that an expression may be: constants, formatted texts with … for each value, names that are assigned
    such, and lists of them."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr():
            yield shape(node)
        case ast.Name(id=name):
            for value in scope.get(name, ()):
                yield from texts(value, scope)
        case ast.Starred(value=inner) | ast.Call(func=ast.Attribute(value=inner)):
            yield from texts(inner, scope)
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            for part in parts:
                yield from texts(part, scope)
        case ast.IfExp(body=one, orelse=other) | ast.BinOp(left=one, right=other):
            yield from texts(one, scope)
            yield from texts(other, scope)
        case ast.GeneratorExp(elt=inner) | ast.ListComp(elt=inner):
            yield from texts(inner, scope)


def shape(node: ast.JoinedStr) -> str:
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)


def assigned(tree: ast.AST) -> Scope:
    """What each name of a function is assigned to, or loops over."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.For(target=ast.Name(id=name), iter=value):
                found.setdefault(name, []).append(value)
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                for one, value in zip(names, values, strict=True):
                    if isinstance(one, ast.Name):
                        found.setdefault(one.id, []).append(value)
    return found


def tables(path: Path) -> Iterator[tuple[str, frozenset[str]]]:
    """(function, labels) of every table that a file makes."""
    tree = ast.parse(path.read_text())
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        scope, labels = assigned(function), set[str]()
        for node in ast.walk(function):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "id", getattr(node.func, "attr", ""))
                wanted = {"TextTable": node.args[1:], "add_column": node.args[:1], "_table": node.args[:1]}
                if called == "_table" and path.name != "page.py":
                    continue
                for argument in wanted.get(called, ()):
                    labels |= {text.removeprefix(">").strip() for text in texts(argument, scope)}
        if labels - {""}:
            yield f"{path.stem}.{function.name}", frozenset(labels - {""})


def lines(path: Path) -> Iterator[str]:
    """Every text with a figure in it that a file formats, cells and markup left out."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            specs = (part.format_spec for part in node.values if isinstance(part, ast.FormattedValue))
            figures = [s for s in specs if isinstance(s, ast.JoinedStr) and FIGURE.search(shape(s))]
            text = " ".join(shape(node).split())
            if figures and len(re.findall("[a-z]", text)) >= 4 and not re.search(r"<\w", text):
                yield text


@cache
def sections() -> dict[str, frozenset[str]]:
    """The labels that each section of the page explains, by its heading."""
    found: dict[str, frozenset[str]] = {}
    for part in re.split(r"^##+ ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        rows = [line.split(" | ")[0] for line in part.splitlines() if line.startswith("| ") and "| --" not in line]
        cells = (re.findall(r"``(.+?)``(?!`)|`([^`]+)`", row) for row in rows)
        found[part.partition("\n")[0]] = frozenset((one or other).strip() for cell in cells for one, other in cell)
    return found


FILES = sorted(SCREENS.rglob("*.py"))
TABLES = {name: labels for path in FILES for name, labels in tables(path)}
TABLES["market_table.table"] |= {column.title.removeprefix(">") for column in market_table.COLUMNS.values()}


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_a_section_that_explains_each_of_its_columns(name: str) -> None:
    lacks = {heading: sorted(TABLES[name] - known) for heading, known in sections().items()}
    nearest = min(lacks, key=lambda heading: len(lacks[heading]))
    assert not lacks[nearest], f"docs/figures.md, {nearest}: {lacks[nearest]} of the table of {name} are not explained"


def test_the_tables_are_found() -> None:
    assert len(TABLES) >= 30
    assert {"APY after", "+ Rewards", "Over risk-free"} <= TABLES["market_table.table"]
    assert {"static's APY", "lost > 10 bp"} <= TABLES["page._results"]


def test_every_line_with_a_figure_is_explained() -> None:
    known = {" ".join(label.split()) for labels in sections().values() for label in labels}
    found = {line.strip() for path in FILES for line in lines(path)}
    assert len(found) >= 40
    assert not sorted(found - known)


def page_labels() -> set[str]:
    """The titles of columns, rows and figures in the templates of the web page; … stands for what is filled in."""
    found = set()
    for path in sorted(TEMPLATES.rglob("*.html")):
        for label in re.findall(r"<(?:dt|th)\b[^>]*>(.*?)</(?:dt|th)>", path.read_text(), re.DOTALL):
            label = re.sub(r"\{\{.*?\}\}", "…", re.sub(r"\{%.*?%\}", "", label, flags=re.DOTALL), flags=re.DOTALL)
            label = " ".join(unescape(re.sub(r"<[^>]+>", "", label)).split())
            if label.count("…") <= 2 and "·" not in label and re.search("[a-zA-Z]", label.replace("(now)", "")):
                found.add(label)
    return found | {one.title for one in MARKET_COLUMNS}


def test_every_figure_of_the_web_page_is_explained() -> None:
    known = {label for labels in sections().values() for label in labels}
    found = page_labels()
    assert {"Gain a year", "Earns now", "Cash for exits", "30 days"} <= found
    assert not sorted(found - known), "docs/figures.md explains what the page shows"


def test_every_metric_topic_severity_and_side_of_a_grade_is_explained() -> None:
    text = PAGE.read_text()
    names = set(re.findall(r'"(yieldbot_\w+)"', (ROOT / "yieldbot" / "api" / "metrics.py").read_text()))
    assert len(names) >= 15
    sides = set(scales().sides)
    assert not {one for one in names | {*Topic, *Severity} | sides if f"`{one}`" not in text}


def test_each_row_says_what_a_figure_is_and_gives_an_example() -> None:
    for line in PAGE.read_text().splitlines():
        if line.startswith("| ") and not line.startswith("| Figure"):
            cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
            assert len(cells) == 3 and all(cells), line


LITERAL = re.compile(r'(?:Declined|SafetyError|Refusal|refuse[ds]?|Found)\(\s*(?:code=)?"([A-Z][A-Z_]{3,})"')
"""A safety code or an alarm where it is made."""
FLAG = re.compile(r'"([a-z]+(?:-[a-z]+)+)"(?: *:| if|\)|,|\])')
"""A flag of a market where an adapter raises it."""
FLAGS, KEY = re.compile(r"\bflags = \{\n(.*?)\n\s*\}", re.S), re.compile(r'^\s+"([a-z-]+)": ', re.M)
"""A table of flags in an adapter, and the flags in it, whose names may be one word."""


def test_help_knows_every_state_flag_and_reason_that_a_screen_shows() -> None:
    from yieldbot.app.figure_help import FigureHelpRequest, explain

    code = {path: path.read_text() for path in (ROOT / "yieldbot").rglob("*.py")}
    codes = {found for text in code.values() for found in LITERAL.findall(text)}
    flags = {one for path, text in code.items() if "/protocols/" in path.as_posix() for one in FLAG.findall(text)}
    tables = [block for path, text in code.items() if "/protocols/" in path.as_posix() for block in FLAGS.findall(text)]
    flags |= {one for block in tables for one in KEY.findall(block)}
    enums = (PlanStatus, Status, ExitKind, Signal, Act, LegKind, Severity, Topic, Advice)
    states = {str(one.value) for group in enums for one in group}
    states |= {
        *OF_CODE.values(),
        "held",
        "skipped",
        "reverted",
        "executed",
        "wait",
        "stay out",
        "full",
        "way out untried",
    }
    assert len(codes) > 60 and len(flags) > 30
    unknown = []
    for word in sorted({*codes, *OF_CODE, *states, *flags}):
        try:
            explain(FigureHelpRequest(word))
        except ConfigError:
            unknown.append(word)
    assert not unknown, f"explain them in docs/figures.md, States and reasons; codes in docs/execution.md: {unknown}"
