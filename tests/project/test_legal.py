"""docs/legal.md names each file that yieldbot keeps, each service that it may ask by itself, and how long things are
kept: as the code has it."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.kit import ROOT
from yieldbot.access.answers import KEPT_SECONDS
from yieldbot.access.keys import UNUSED_DAYS
from yieldbot.app.notice_rules import MOST_KNOWN, OLDEST_SECONDS
from yieldbot.history import columns

PAGE = (ROOT / "docs" / "legal.md").read_text()
MODULES = sorted((ROOT / "yieldbot").rglob("*.py"))


def parts_below_data_dir(path: Path) -> Iterator[str]:
    """The names of files and folders that a module looks for in data_dir."""
    text = path.read_text()
    if "data_dir" not in text:
        return
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.BinOp(left=ast.Name(id="data_dir") | ast.Attribute(attr="data_dir"), op=ast.Div(), right=part):
                match part:
                    case ast.Constant(value=str(name)):
                        yield name
                    case ast.Name(id=name) if name.isupper():
                        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
                        yield str(getattr(module, name))


def hosts(path: Path) -> Iterator[str]:
    """The hosts of the URLs that a module's code has as defaults; texts of messages and docstrings are none."""
    if "https:" not in (text := path.read_text()):  # else all files are parsed
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = re.fullmatch(r"https://([a-z0-9.-]+\.[a-z]+)(/\S*)?", node.value)
            if found and not found[1].endswith(".example"):
                yield found[1]


def urls(doc: Any) -> Iterator[str]:
    """Every URL among the values of a chain file."""
    if isinstance(doc, dict | list):
        for value in doc.values() if isinstance(doc, dict) else doc:
            yield from urls(value)
    elif isinstance(doc, str) and doc.startswith("https://"):
        yield doc


def test_each_file_that_is_kept_is_named() -> None:
    names = {name for path in MODULES for name in parts_below_data_dir(path)}
    assert {"journal.sqlite", "history", "notices", "logs", "proposals"} <= names
    assert not {name for name in names if f"`{name}" not in PAGE and not name.endswith((".lock", "-lock"))}


def test_each_service_that_is_asked_by_default_is_named() -> None:
    found = {host for path in MODULES for host in hosts(path)}
    assert {"api.telegram.org", "li.quest"} <= found
    assert not {host for host in found if f"`{host}`" not in PAGE}
    listed = {
        urlsplit(url).hostname for file in ROOT.glob("chains/*.toml") for url in urls(tomllib.loads(file.read_text()))
    }
    unknown = {host for host in listed if host and not re.search(r"merkl|safe", host)}
    assert not unknown, "a kind of service of chains/*.toml that docs/legal.md does not name"


def test_how_long_things_are_kept_is_what_the_code_does() -> None:
    assert KEPT_SECONDS == 24 * 3600 and "answers for 24 hours" in PAGE
    assert f"unused for {UNUSED_DAYS} days" in PAGE
    assert f"the last {MOST_KNOWN:,}" in PAGE and f"dropped after {OLDEST_SECONDS // 86_400} days" in PAGE
    if (ROOT / "yieldbot" / "assistant" / "budget.py").is_file():
        assert f"| {importlib.import_module('yieldbot.assistant.budget').KEPT_DAYS} days |" in PAGE


def test_what_memory_says_of_our_holdings_is_said() -> None:
    assert ("held" in columns.NUMBERS) == ("what we held in each market at each reading" in PAGE)
