"""Cleans text from outside (nodes, tokens, vaults, reverts, files) before a person reads it: one line of printable
characters.

Anything that could move a terminal's cursor, set its title, change the direction of writing or start a forged second
line is replaced. For Python, no control, format (bidi, zero width), surrogate or private-use character is printable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Beginnings of a cell that spreadsheets take for a formula."""
STANDS_IN = "\N{REPLACEMENT CHARACTER}"
_CONFIG = re.compile(r"(?<=^yieldbot) --config (?:'[^']*'|\S+)")
_TOGETHER = re.compile(r"[^\s`]*`[^`]*`\S*|\S+")
_FLAG = re.compile(r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)")


def one_line(text: str, longest: int | None = None) -> str:
    """The text as one line: white space becomes single spaces, unprintable characters a replacement character.

    longest: characters that are kept; None: all.
    """
    line = " ".join(text.split())
    if not line.isprintable():
        line = "".join(sign if sign.isprintable() else STANDS_IN for sign in line)
    return line if longest is None else line[:longest].rstrip()


def cell_text(text: str) -> str:
    """Text for a cell of CSV: on one line, and no spreadsheet takes it for a formula."""
    joined = one_line(text)
    return f"'{joined}" if joined.startswith(FORMULA) else joined


def counted(count: int, one: str, several: str = "") -> str:
    """A count and of what, as ``1 leg``, ``2 legs`` and ``1,200 entries``. several: the plural, if no s makes it."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def clipped(text: str, longest: int) -> str:
    """The text as one line of at most this many characters; an ellipsis marks a cut-off end."""
    line = one_line(text)
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def wrapped(text: str, width: int) -> str:
    """Our own text for a terminal of this width: lines end between words, and what is in backticks, which people copy,
    stays on one line, as does a word that is longer than the terminal. A line keeps its indent."""
    return "\n".join(_wrapped(line, width) for line in text.split("\n"))


def _wrapped(line: str, width: int) -> str:
    if len(line) < width:
        return line
    indent = line[: len(line) - len(line.lstrip())]
    rows, row = list[str](), indent
    for word in _TOGETHER.findall(line.strip()):
        if row.strip() and len(row) + 1 + len(word) >= width:
            rows.append(row)
            row = indent
        row += f" {word}" if row.strip() else word
    end = line[len(line.rstrip()) :]
    return "\n".join([*rows, row + end])


def as_fields(text: str, names: Mapping[str, str] | None = None, commands: Mapping[str, str] | None = None) -> str:
    """A message of the command line for callers who send fields: ``--max-share`` becomes ``max_share``.

    names: words of the command line whose field has another name, as ``--to`` and ``CALLDATA``. commands: commands in
    backticks, without ``--config``, and what these callers use in their place; any other command stays as it is, since
    a person runs it at the terminal.
    """
    parts = text.split("`")
    for place, part in enumerate(parts):
        if place % 2:
            parts[place] = (commands or {}).get(_CONFIG.sub("", part), part)
        else:
            for word, name in (names or {}).items():
                part = re.sub(rf"(?<![\w-]){re.escape(word)}(?![\w-])", name, part)
            parts[place] = _FLAG.sub(_field, part)
    return "`".join(parts)


def _field(found: re.Match[str]) -> str:
    return found[1].replace("-", "_")


def printable(text: str) -> str:
    """Our own text of several lines: line ends stay, everything else as in ``one_line``."""
    if _plain(text):
        return text
    return "".join(sign if sign == "\n" or sign.isprintable() else _instead(sign) for sign in text)


def _plain(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


def _instead(sign: str) -> str:
    return " " if sign in "\t\u00a0\u202f" else STANDS_IN


def escaped(text: str) -> str:
    """A JSON document with unprintable characters written as \\uXXXX, which parses to the same."""
    if _plain(text):
        return text
    return "".join(sign if sign == "\n" or sign.isprintable() else _escape(sign) for sign in text)


def _escape(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
