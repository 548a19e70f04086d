"""What of a model's text is shown: what it cites, in yieldbot's own words.

A sentence with citations is written anew by the program, from the cited fields alone: the name of what each is of, the
name of the field, the value and its unit. Of other sentences only those are shown that say nothing of data. Pure.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from decimal import Decimal
from typing import Any

from yieldbot.assistant.citable import MOST_LISTED, SUPPOSING, Cited, Facts, NoSuch, narrowed, nouns, owner
from yieldbot.assistant.labels import SAYINGS, colon, label, word
from yieldbot.assistant.links import without_links
from yieldbot.assistant.small_talk import is_small_talk
from yieldbot.assistant.wording import MOST_DECIMALS, Kind, Value, written
from yieldbot.model.dataclass import dataclass

PLAIN = ("market", "plan", "block")
"""Fields that hold others, of which the owner says enough."""
AMOUNTS = frozenset(
    (
        *("held", "withdrawable", "earned", "put_in", "taken_out", "realised", "unrealised", "total"),
        *("gain_per_year", "cost", "gas", "gas_base"),
    )
)
"""Amounts of ours, which rows have each for itself; the cash of two markets may be the same cash."""
COUNTS = ("attempts", "gas", "readings")
"""Numbers without a unit that add up to one."""
MOST_ALIKE = 3
_CITATION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_ITEM = re.compile(r"\s*(?:(?:[-*•]|\d{1,2}[.)])\s+)?")
_OF_LIST = re.compile(r"(highest|lowest|sum|count)\s+(\S+)(?:\s+where\s+(not\s+)?([\w.]+)(?:\s*=\s*(.+))?)?")
_COMPARE = re.compile(r"compare\s+(\S+)\s+(?:with\s+|and\s+|to\s+)?(\S+)")
_ROUNDED = re.compile(r"(.+?)\s*\|\s*(\d{1,2})")
_NUMERIC = (Kind.FRACTION, Kind.YIELD, Kind.BP, Kind.NUMBER, Kind.TIME, Kind.SPAN)
_ABOVE = {False: {1: "above", -1: "below", 0: "equal"}, True: {1: "later", -1: "earlier", 0: "equal"}}
_ENDED = re.compile(r"[.!?…][\s”“»]*$")
_FIGURES = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of an answer."""

    text: str
    """As the answer writes it."""
    cited: Cited
    """What it is."""


@dataclass(slots=True)
class Said:
    """What became of a text of the model."""

    text: str = ""
    """What is shown."""
    figures: list[Figure] = field(default_factory=list)
    """Its figures, in the order of the text."""
    faults: list[str] = field(default_factory=list)
    """What is wrong with it, in words for the model; empty: nothing."""
    left_out: int = 0
    """How many sentences are not shown."""


@dataclass(frozen=True, slots=True)
class _Phrase:
    """One figure in words."""

    owner: str
    """What it is of; empty: the text says it."""
    text: str
    """The figure with its name, value and unit."""
    figures: tuple[Figure, ...] = ()
    """The figures in the text."""


def sentences(text: str) -> list[str]:
    """The whole sentences of a text, each with the space behind it; the last one may go on."""
    found, at = list[str](), 0
    for one in re.finditer(r"(?<=[.!?}])[*_\"”»“)]*\s+(?=[^\s])|\n+", text):
        part = text[at : one.end()]
        ends = "\n" in one[0] or not re.search(r"(?:^|\n)\s*\d{1,2}[.)]\s+$|\}\}\s+$", part)
        if one.end() < len(text) and ends and part.count("{{") <= part.count("}}"):
            found.append(part)
            at = one.end()
    return [*found, text[at:]]


class Speaker:
    """Says what a model cites, in one language."""

    def __init__(self, facts: Facts, language: str, proposed: bool = False) -> None:
        """proposed: whether anything was proposed."""
        self._facts, self._language, self._proposed = facts, language, proposed

    def say(self, text: str) -> Said:
        """A text of the model as it is shown."""
        found = Said()
        for sentence in sentences(text):
            if sentence.strip():
                self._sentence(sentence, found)
            elif found.text and "\n" in sentence:
                found.text += "\n"
        return found

    def _sentence(self, sentence: str, found: Said) -> None:
        bare = sentence.strip()
        behind = re.sub(r"\n\s+$", "\n", sentence[len(sentence.rstrip()) :])
        item = _ITEM.match(sentence)
        head = item[0] if item is not None else ""
        cites = [one for inner in _CITATION.findall(sentence) for one in _apart(inner)]
        phrases = list[_Phrase]()
        for cite in cites:
            try:
                phrases += self._phrase_of(cite)
            except NoSuch as fault:
                found.faults.append(str(fault))
        if phrases:
            text, figures = _joined(phrases, colon(self._language))
            found.text += f"{head}{text}{behind}"
            found.figures += figures
        elif cites:
            found.left_out += not found.faults
        else:
            own = bare[len(head.strip()) :].strip()
            if is_small_talk(own):
                found.text += f"{head}{without_links(own)}{behind}"
                return
            found.left_out += 1
            if _FIGURES.search(own) is not None:
                found.faults.append(f"a figure without a citation: {own[:80]}")

    def _phrase_of(self, cites: tuple[str, ...]) -> list[_Phrase]:
        """The first of several readings of a citation that names something; nothing where it names a name alone, which
        stands before the other fields anyway. Raises NoSuch."""
        for at, cite in enumerate(cites):
            try:
                made = self._phrase(cite)
            except NoSuch:
                if at == len(cites) - 1:
                    raise
                continue
            named = made.figures[0].cited if len(made.figures) == 1 else None
            return [] if named is not None and named.key == "name" else [made]
        return []

    def _phrase(self, cite: str) -> _Phrase:
        """One citation in words. Raises NoSuch."""
        if cite.startswith("say."):
            if cite[4:] not in SAYINGS:
                raise NoSuch(f"{cite}: there is no such sentence; there are {', '.join(SAYINGS)}")
            if cite == "say.proposed" and not self._proposed:
                raise NoSuch(f"{cite}: nothing was proposed: a tool does it")
            return _Phrase("", word(cite[4:], self._language))
        decimals = None
        if (rounded := _ROUNDED.fullmatch(cite)) is not None:
            cite, decimals = rounded[1], int(rounded[2])
        if (pair := _COMPARE.fullmatch(cite)) is not None:
            return self._compared(self._facts.cited(pair[1]), self._facts.cited(pair[2]))
        if (of_list := _OF_LIST.fullmatch(cite)) is not None:
            return self._of_list(of_list)
        cited = self._facts.cited(cite)
        text, figures = self._described(cited, decimals)
        if cited.key == "expires_at":  # it says nothing of a plan that is no longer open
            with contextlib.suppress(NoSuch):
                status = self._described(self._facts.cited(f"{cite.removesuffix('expires_at')}status"))
                text, figures = f"{text} ({status[0]})", (*figures, *status[1])
        return _Phrase(self._owner(cited), text, figures)

    def _owner(self, cited: Cited) -> str:
        own = cited.owners
        if own and cited.value.text == own[-1][1]:
            own = own[:-1]
        elif not own and cited.key != "utc":
            return self._source(cited.source)
        named = owner(self._facts, Cited(cited.source, "", "", cited.value, own, cited.home), self._language)
        return named if own and own[0][0] in ("name", "place") else named[:1].upper() + named[1:]

    def _source(self, source: str) -> str:
        """What the figures of a whole document are of."""
        tool = self._facts.tools[source]
        named = nouns(tool, self._language) + narrowed(tool)
        return named[:1].upper() + named[1:]

    def _described(self, cited: Cited, decimals: int | None = None) -> tuple[str, tuple[Figure, ...]]:
        """The field's name and value."""
        values = [self._written(one, decimals) for one in cited.parts or (cited.value,)]
        figures = tuple(Figure(one, cited) for one in values)
        if cited.value.kind in (Kind.TEXT, Kind.PAGE) and (
            cited.key in ("text", "lines") or (cited.key == "value" and cited.owners)
        ):
            return values[0], figures
        wide = cited.parts or cited.value.kind in (Kind.TEXT, Kind.NONE, Kind.FLAG)
        above = "".join(cited.path.split(".")[-2:-1])
        if not above and (tool := self._facts.tools[cited.source].partition(" ")[0]) in SUPPOSING:
            above = tool
        row = "[" in above or above in (*PLAIN, *SUPPOSING)
        named = label(cited.key, self._language, above.partition("[")[0], named=not row)
        return f"{named}{colon(self._language) if wide else ''} {', '.join(values)}", figures

    def _written(self, value: Value, decimals: int | None = None) -> str:
        if value.unit == "*":
            plain = written(Value(value.kind, value.number), self._language, 0, decimals)
            return f"{plain} {word('of_job', self._language)}"
        return written(value, self._language, self._facts.now, decimals)

    def _compared(self, one: Cited, other: Cited) -> _Phrase:
        """Which of two figures is higher, or later."""
        _comparable([one.value, other.value])
        if one.value.unit == "*" and one.owners != other.owners:
            raise NoSuch(f"{one.path}, {other.path}: their assets are not known to be the same")
        order = (one.value.number > other.value.number) - (one.value.number < other.value.number)
        for decimals in (None, *range(3, MOST_DECIMALS)):  # as many as show that they are not the same
            first, second = self._described(one, decimals), self._described(other, decimals)
            if not order or first[1][0].text != second[1][0].text:
                break
        mine, theirs = self._owner(one), self._owner(other)
        pattern = word(_ABOVE[one.value.kind is Kind.TIME][order], self._language)
        if mine == theirs:
            return _Phrase(mine, pattern.format(first[0], second[0]), (*first[1], *second[1]))
        text = pattern.format(f"{first[0]} ({mine})", f"{second[0]} ({theirs})")
        return _Phrase("", text, (*first[1], *second[1]))

    def _of_list(self, asked: re.Match[str]) -> _Phrase:
        """A count, a sum, or the highest or lowest figure of a list."""
        what, path, negated, where, value = asked.groups()
        prefix, names = path, list[str]()
        while True:
            try:
                source, place, rows, above = self._facts.listed(prefix)
                break
            except NoSuch:
                prefix, _, last = prefix.rpartition(".")
                if not prefix or what == "count":
                    self._facts.listed(path)
                    raise
                names.insert(0, last)
        key = place.rpartition(".")[2]
        noun = nouns(self._facts.tools[source], self._language) if key == "items" else label(key, self._language)
        noun += narrowed(self._facts.tools[source]) if key == "items" else ""
        if where is not None:
            matched = [row for row in rows if _holds(row, where, value)]
            if value is not None and not matched:
                there = ", ".join(sorted({str(row[where]) for row in rows if where in row})[:MOST_LISTED])
                raise NoSuch(f"where {where} = {value}: no row has that; there are {there[:200]}")
            rows = [row for row in rows if (row in matched) is not bool(negated)]
            state = str(matched[0][where]) if value else word("none" if negated else "some", self._language)
            noun += f"{' (' if what == 'count' else '; '}{label(where, self._language)}: "
            noun += f"{'≠ ' if negated and value else ''}{state}{')' if what == 'count' else ''}"
        of = owner(self._facts, Cited(source, "", "", Value(Kind.NONE), above.owners), self._language)
        if key != "items":
            of = f"{of}{narrowed(self._facts.tools[source])}" if of else self._source(source)
        if what == "count":
            cited = Cited(source, f"count({place})", key, Value(Kind.NUMBER, Decimal(len(rows))), above.owners)
            text = str(len(rows))
            return _Phrase(of, word("count", self._language).format(noun, text), (Figure(text, cited),))
        if not names:
            raise NoSuch(f"{path}: name a field of its rows")
        found = [one for row in rows if (one := self._field(row, names)) is not None]
        _comparable([one.value for one in found])
        head = label(names[-1], self._language, (names[-2:-1] or [key])[0], named=len(names) > 1)
        if what == "sum":
            if not _adds_up(found[0]):
                raise NoSuch(f"{path}: such figures do not add up to one")
            total = sum((one.value.number for one in found), Decimal(0))
            made = Value(found[0].value.kind, total, found[0].value.unit)
            text = self._written(made)
            cited = Cited(source, f"sum({place}.{'.'.join(names)})", names[-1], made, above.owners)
            words = word("sum", self._language).format(head, len(found), noun, text)
            return _Phrase(of, words, (Figure(text, cited),))
        if len(found) < 2:
            raise NoSuch(f"{path}: there is only one row, cite it")
        pick = max if what == "highest" else min
        best = pick(one.value.number for one in found)
        alike = [one for one in found if one.value.number == best]
        shown = [f"{self._owner(one)}, {self._written(one.value)}" for one in alike[:MOST_ALIKE]]
        if len(alike) > MOST_ALIKE:
            raise NoSuch(f"{path}: {len(alike)} rows have the same value")
        figures = tuple(Figure(self._written(one.value), one) for one in alike)
        return _Phrase(of, word(what, self._language).format(head, len(found), noun, "; ".join(shown)), figures)

    def _field(self, row: Mapping[str, Any], names: list[str]) -> Cited | None:
        """A field of a row; None: it has no value there."""
        cited = self._facts.cited(".".join((self._facts.row_of(row).id, *names)))
        return None if cited.value.kind is Kind.NONE else cited


def _apart(inner: str) -> Iterator[tuple[str, ...]]:
    """The citations between one pair of braces. A name alone is a field beside the one before it, or of its row."""
    row = beside = ""
    for part in inner.split(","):
        part = part.strip()
        if (found := re.match(r"S\d+(?:r\d+)?", part)) is not None:
            row, beside = found[0], part.partition("|")[0].strip().rpartition(".")[0]
            yield (part,)
        elif row and re.fullmatch(r"[a-z_][\w.]*(?:\s*\|\s*\d+)?", part) and not part.startswith("say."):
            yield tuple(dict.fromkeys((f"{beside or row}.{part}", f"{row}.{part}")))
        elif part:
            yield (part,)


def _joined(phrases: list[_Phrase], mark: str) -> tuple[str, list[Figure]]:
    """Phrases as sentences: those of one owner together."""
    texts, figures, last = list[str](), list[Figure](), None
    for one in phrases:
        if texts and one.owner and one.owner == last:
            texts[-1] += f"; {one.text}"
        else:
            texts.append(f"{one.owner}{mark} {one.text}" if one.owner else one.text[:1].upper() + one.text[1:])
        last = one.owner
        figures += one.figures
    return " ".join(one if _ENDED.search(one) is not None else f"{one}." for one in texts), figures


def _holds(row: Mapping[str, Any], where: str, value: str | None) -> bool:
    """Whether a row has this value in a field, or any."""
    found = row.get(where)
    if "." in where or where not in row:
        raise NoSuch(f"where {where}: the rows have no such field")
    if value is not None:
        if isinstance(found, list | Mapping):
            raise NoSuch(f"where {where}: write it without a value")
        return str(found).lower() == value.strip().strip("\"'").lower()
    if isinstance(found, Mapping) and "text" in found:
        return bool(str(found["text"]).strip("0."))
    return bool(found)


def _adds_up(cited: Cited) -> bool:
    """Whether figures of this kind add up to one: amounts of one token, and counts."""
    value = cited.value
    return value.kind is Kind.NUMBER and (cited.key in (AMOUNTS if value.unit not in ("", "*") else COUNTS))


def _comparable(values: list[Value]) -> None:
    if not values:
        raise NoSuch("no row has a value there")
    if any(one.kind not in _NUMERIC for one in values) or len({(one.kind, one.unit) for one in values}) > 1:
        raise NoSuch("only figures of one unit can be compared or added")
