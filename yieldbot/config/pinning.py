"""Adds found markets to the text of a chain's file: every other line, comments included, stays as it is. The loader
reads the new text before anything is written."""

from __future__ import annotations

import copy
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from yieldbot.config.chain import load_chain
from yieldbot.config.held import text_of
from yieldbot.config.load import chain_names
from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.discovery import PinnedRow
from yieldbot.resources import folder, why

_HEADER = re.compile(r"^\[\[\s*protocols\s*\]\]\s*(?:#.*)?$")


@dataclass(frozen=True, slots=True)
class Pin:
    """One market to be pinned."""

    row: PinnedRow
    """Where it is written."""
    symbol: str
    """Symbol of its asset in the chain's file."""
    comment: str
    """What stands behind it, in ASCII without line ends."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A chain's file as it would be."""

    source: Path
    """The file that was read."""
    target: Path
    """The file to write: ``source``, or a copy of the file that comes with yieldbot beside yieldbot.toml."""
    before: str
    """The text that was read."""
    after: str
    """The text to write."""


def draft(config: Path, chain: str, pins: Sequence[Pin], environ: Mapping[str, str]) -> Draft:
    """The chain's file with the markets added. config: yieldbot.toml. Raises ConfigError if the file has a form in
    which nothing can be added, or the loader refuses the result."""
    source = chain_names(config).get(chain)
    if source is None:
        raise ConfigError(f"chain {chain}: there is no chains/{chain}.toml")
    own = config.expanduser().absolute().parent / "chains" / f"{chain}.toml"
    target = source if source.resolve().parent != folder("chains").resolve() or source == own else own
    before = text_of(source)
    line_end = "\r\n" if "\r\n" in before else "\n"
    text = before if before.endswith("\n") or not before else before + line_end
    wanted = tomllib.loads(text)
    for pin in pins:
        text = _added(text, wanted, pin)
    if tomllib.loads(text) != wanted:
        lines = "; ".join(_by_hand(pin) for pin in pins)
        raise ConfigError(
            f"{source}: its tables are written in a way that nothing can be added to: add by hand: {lines}"
        )
    load_chain(target, wanted, environ)
    return Draft(source, target, before, text)


def write(made: Draft) -> None:
    """Write a draft, whole or not at all. Raises ConfigError if the file has changed since, or cannot be written."""
    if text_of(made.source) != made.before or (made.target != made.source and made.target.exists()):
        raise ConfigError(f"{made.source} has changed meanwhile: nothing was written; try again")
    target = made.target.resolve()
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
        with os.fdopen(
            os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "w", encoding="utf-8", newline=""
        ) as file:
            file.write(made.after)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    except OSError as failure:
        raise ConfigError(f"{target}: nothing was written ({why(failure, target)})") from None
    finally:
        part.unlink(missing_ok=True)


def _added(text: str, tables: dict[str, Any], pin: Pin) -> str:
    """The text with one market added; ``tables`` gets it too."""
    rows = tables.setdefault("protocols", [])
    fitting = (at for at, one in enumerate(rows) if not pin.row.own_table and _fits(one, pin))
    place = next(fitting, None)
    if place is None:
        return _new_table(text, rows, pin)
    lines, row = text.split("\n"), pin.row
    start, end = _span(lines, place, _by_hand(pin))
    if row.listed_in is not None and row.value.lower() not in [str(one).lower() for one in rows[place][row.listed_in]]:
        lines = _with_value(lines, start, end, row.listed_in, row.value, pin.comment)
        rows[place][row.listed_in].append(row.value)
        start, end = _span(lines, place, _by_hand(pin))
    if pin.symbol not in rows[place]["assets"]:
        lines = _with_value(lines, start, end, "assets", pin.symbol, "")
        rows[place]["assets"].append(pin.symbol)
    return "\n".join(lines)


def _fits(table: Mapping[str, Any], pin: Pin) -> bool:
    """Whether a [[protocols]] table is the one to which a market is added."""
    row = pin.row
    if table.get("protocol") != row.protocol or (row.listed_in is not None and row.listed_in not in table):
        return False
    return all(str(table.get(key, "")).lower() == value.lower() for key, value in row.same.items())


def _new_table(text: str, rows: list[Any], pin: Pin) -> str:
    row = pin.row
    table: dict[str, Any] = {"protocol": row.protocol, "name": row.name, **row.same, **row.extra}
    lines = ["", f"[[protocols]]{_comment('' if row.listed_in else pin.comment)}"]
    lines += [f"{key} = {_toml(value)}" for key, value in table.items()]
    if row.listed_in is not None:
        table[row.listed_in] = [row.value]
        lines += [f"{row.listed_in} = [", f"  {_toml(row.value)},{_comment(pin.comment)}", "]"]
    table["assets"] = [pin.symbol]
    lines += [f"assets = {_toml([pin.symbol])}", ""]
    rows.append(copy.deepcopy(table))
    return text + ("\r\n" if "\r\n" in text else "\n").join(lines)


def _by_hand(pin: Pin) -> str:
    """What a person would add for a market."""
    row = pin.row
    where = "" if row.listed_in is None else f"{row.listed_in} = [{_toml(row.value)}], "
    return f"{where}assets = [{_toml(pin.symbol)}] in the table of {row.protocol}"


def _span(lines: Sequence[str], place: int, line: str) -> tuple[int, int]:
    """First line of a [[protocols]] table and the line behind its last one. Raises ConfigError, with
    the ``line`` to add, if it is not found."""
    starts = [at for at, line in enumerate(lines) if _HEADER.match(line.strip())]
    if place >= len(starts):
        raise ConfigError(
            f"[[protocols]] tables are written in a way that nothing can be added to: add by hand: {line}"
        )
    begin = starts[place]
    end = next((at for at in range(begin + 1, len(lines)) if _opens(lines[at])), len(lines))
    return begin, end


def _opens(line: str) -> bool:
    """Whether a line begins another table: a bracket that begins an array's element does not."""
    return bool(re.match(r"^\[{1,2}[A-Za-z0-9_.\"' -]+\]{1,2}\s*(?:#.*)?$", line))


def _with_value(lines: Sequence[str], start: int, end: int, key: str, value: str, comment: str) -> list[str]:
    """The lines with a value added at the end of a key's array; brackets and commas in comments and strings are none of
    it. The line that is added ends as the others do."""
    head = next((at for at in range(start, end) if re.match(rf"^\s*{re.escape(key)}\s*=\s*\[", lines[at])), None)
    found = None if head is None else _array(lines, head, lines[head].index("[") + 1, end)
    if head is None or found is None:
        raise ConfigError(
            f"{key} of a [[protocols]] table is written in a way that nothing can be added to: add {_toml(value)} "
            "to it by hand"
        )
    (last, at), (close, bracket) = found
    changed, empty = list(lines), lines[last][at] == "["
    if close == head or lines[close][:bracket].strip():  # the bracket stands behind the last element
        before = lines[close][:bracket].rstrip().rstrip(",")
        changed[close] = f"{before}{'' if empty else ', '}{_toml(value)}{lines[close][bracket:]}"
        return changed
    if not empty and lines[last][at] != ",":
        changed[last] = f"{lines[last][: at + 1]},{lines[last][at + 1 :]}"
    indent = "  " if last == head else lines[last][: len(lines[last]) - len(lines[last].lstrip())]
    changed.insert(close, f"{indent}{_toml(value)},{_comment(comment)}{_carriage(lines[head])}")
    return changed


def _array(lines: Sequence[str], line: int, column: int, end: int) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """(line, column) of the last sign inside of an array that begins before ``column``, and of the bracket that closes
    it; comments and white space are no signs. None if it does not end before line ``end``."""
    last, depth = (line, column - 1), 1
    for at in range(line, end):
        signs = re.finditer(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'|#.*|\S', lines[at][column if at == line else 0 :])
        shift = column if at == line else 0
        for sign in signs:
            if sign[0].startswith("#"):
                break
            depth += {"[": 1, "]": -1}.get(sign[0], 0)
            if not depth:
                return last, (at, shift + sign.start())
            last = (at, shift + sign.end() - 1)
    return None


def _carriage(line: str) -> str:
    """What a line has before its line feed: files of Windows have a carriage return there."""
    return "\r" if line.endswith("\r") else ""


def _comment(text: str) -> str:
    return f" # {text}" if text else ""


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    if isinstance(value, int | float):
        return str(value)
    if not re.fullmatch(r"[ !#-\[\]-~]*", str(value)):  # a quote, a backslash or a sign that is not ASCII
        raise ConfigError(f"{value!r} cannot be written into a chain's file")
    return f'"{value}"'
