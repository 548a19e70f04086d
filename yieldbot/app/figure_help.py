"""Use case ``help``: what a figure on a screen means, from docs/figures.md, what a code means, from the tables of
``CODES``, and what a word means, from docs/glossary.md; all lie in the wheel too. No configuration is read and no chain
is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

from yieldbot.app.figure_documents import FigureHelp, FigureHelpDocument
from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.spelling import nearest
from yieldbot.resources import folder, read_text

PAGE, WORDS = "figures.md", "glossary.md"
CODES = ("execution.md", "risk.md")
"""Pages with tables of codes."""
GLOSSARY, END = "Glossary", ".md"
_NAMES = re.compile(r"``(.+?)``(?!`)|`([^`]+)`")
_CELLS = re.compile(r"(?<!\\)\|")
_CELL_ROW = re.compile(r"^\| ([^|`*-][^|]*?) \| ([^|]+?) \|", re.M)
_CODE = re.compile(r"`([A-Z][A-Z0-9_]+)`")
_CODE_ROW = re.compile(r"^\| ((?:`[A-Z][A-Z0-9_]+` ?)+)(?<! ) \|")
LONGEST = 200


@dataclass(frozen=True, slots=True)
class FigureHelpRequest:
    """What is asked."""

    word: str
    """A figure's name as a screen writes it, or a table's; in any case, without its punctuation; empty: the tables."""


def explain(request: FigureHelpRequest) -> FigureHelpDocument:
    """The figures with this name, or all of the table with it, else the page with it. Raises ConfigError, with the
    nearest names, where there is none."""
    word = " ".join(request.word.split())[:LONGEST]
    if not word:
        tables = tuple(dict.fromkeys(one.table for one in _page()))
        return FigureHelpDocument(asked="", figures=(), tables=tables, pages=tuple(_pages()))
    if END in word and (file := _pages().get(_stem(word))):
        return FigureHelpDocument(asked=word, figures=(), tables=(), page=read_text(file))
    exact = dict.fromkeys((*_of_table(word), *_named(word)))
    for found in (tuple(exact), _with_values(word)):
        if found:
            return FigureHelpDocument(asked=word, figures=found, tables=())
    if (file := _pages().get(_stem(word))) is not None:
        return FigureHelpDocument(asked=word, figures=(), tables=(), page=read_text(file))
    known = {_plain(name): name for one in _page() for name in (*one.names, one.table) if _plain(name)}
    known = {_plain(name): name for name in _pages()} | known
    near = " or ".join(f"`{known[name]}`" for name in nearest(_plain(word), list(known)))
    remedy = f"did you mean {near}?" if near else "`yieldbot help` lists tables and pages"
    raise ConfigError(f"no figure or word is named {word}: {remedy}")


def _pages() -> dict[str, Path]:
    """The pages of docs/ by their names, as ``risk`` and ``decisions/0001-adapters-do-no-io``."""
    top = folder("docs")
    return {file.relative_to(top).with_suffix("").as_posix(): file for file in sorted(top.rglob(f"*{END}"))}


def _stem(word: str) -> str:
    """A page's name in what a message or another page writes, as docs/risk.md or docs/risk.md#exit."""
    return word.partition("#")[0].removeprefix("./").removeprefix("docs/").removesuffix(END).lower()


def _named(word: str) -> tuple[FigureHelp, ...]:
    plain, codes = _by_name().get(_plain(word), ()), _by_name().get(word.upper(), ())
    return (*codes, *plain) if word.isupper() else (*plain, *codes)


@cache
def _by_name() -> dict[str, list[FigureHelp]]:
    """Figures by each of their names as plain text; codes as they are, so that DRY_RUN is not the command dry-run."""
    found: dict[str, list[FigureHelp]] = {}
    for one in _page():
        for name in dict.fromkeys(name if _CODE.fullmatch(f"`{name}`") else _plain(name) for name in one.names):
            if name:
                found.setdefault(name, []).append(one)
    return found


def _of_table(word: str) -> tuple[FigureHelp, ...]:
    return tuple(one for one in _page() if _plain(word) == _plain(one.table))


def _with_values(word: str) -> tuple[FigureHelp, ...]:
    """Figures whose name has a value in it, as ``Gas ETH`` for ``Gas …``; a name of values alone fits everything."""
    return tuple(
        one
        for one in _page()
        for name in one.names
        if "…" in name
        and _plain(name)
        and re.fullmatch(".+".join(map(re.escape, name.lower().split("…"))), word.lower())
    )


@lru_cache(4096)
def _plain(text: str) -> str:
    """Letters, digits and the signs that are a figure's meaning, in lower case."""
    return " ".join(re.findall(r"[^\W_]+|[%+=<>]", text.lower()))


@cache
def _page() -> tuple[FigureHelp, ...]:
    words = _CELL_ROW.findall(read_text(folder("docs") / WORDS))
    return (
        *_rows(read_text(folder("docs") / PAGE)),
        *(one for page in CODES for one in _codes(page)),
        *(
            FigureHelp(table=GLOSSARY, names=(name,), meaning=_without_marks(meaning), example="")
            for name, meaning in words
            if name != "Term"
        ),
    )


def _codes(page: str) -> Iterator[FigureHelp]:
    """The safety codes and alarms of a page: lines of its tables that begin with names in capitals alone."""
    for line in read_text(folder("docs") / page).splitlines():
        if (found := _CODE_ROW.match(line)) is not None:
            meaning, asks = (_without_marks(one.replace("\\|", "|").strip()) for one in (*_CELLS.split(line), "")[2:4])
            meaning += f"; asks for {asks}" if asks.replace("LEAVE", "STOP").strip("STOP, ") == "" and asks else ""
            yield FigureHelp(table=f"docs/{page}", names=tuple(_CODE.findall(found[1])), meaning=meaning, example="")


def _rows(text: str) -> Iterator[FigureHelp]:
    """The lines of the page's tables, each with the heading above it."""
    heading = ""
    for line in text.splitlines():
        if line.startswith("##"):
            heading = line.lstrip("# ")
        if not line.startswith("| `"):
            continue
        names, meaning, example = (part.replace("\\|", "|").strip() for part in _CELLS.split(line)[1:4])
        found = tuple((one or other).strip() for one, other in _NAMES.findall(names))
        yield FigureHelp(table=heading, names=found, meaning=_without_marks(meaning), example=_without_marks(example))


def _without_marks(text: str) -> str:
    """A cell as plain text: links as their words, no marks of emphasis."""
    text = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text)
    return re.sub(r"(?<!\w)\*([^*]+)\*(?!\w)", r"\1", text).replace("**", "")
