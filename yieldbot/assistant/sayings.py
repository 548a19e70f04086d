"""What the words of a sentence say of its numbers: of which market, plan, day, horizon or aspect each is, and which of
a row's numbers ("costs 1.84" is no gain). Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from yieldbot.assistant.events import of_verb
from yieldbot.assistant.fields import Fields
from yieldbot.assistant.figures import Figure, Kind, dates
from yieldbot.assistant.labels import Label, Said
from yieldbot.assistant.rows import HORIZONS
from yieldbot.assistant.sources import Leaf, Of, Sources

_SPAN = re.compile(
    r"\b(?:from|to|until|since|now|today|yesterday|currently|than|after|before|by|between|and then)\b", re.I
)
_DAYS = re.compile(
    r"\b(\d{1,3})[ -]?(?:days?|tage?n?|jours?|días?|giorni|dagen|dias?)\b"
    r"|\b(\d{1,2})[ -]?(?:weeks?|wochen?|semaines?)\b"
    r"|\b(?P<d1>tomorrow|24 hours|morgen|demain|mañana)\b"
    r"|\b(?:a|one|next|per|eine[rn]?|nächste[rn]?|une|la|una|próxima)\s+(?:(?P<w>week|woche|semaine|semana)"
    r"|(?P<m>month|monat|mois|mes))\b",
    re.I,
)
_BLOCK = re.compile(r"\bblocks?\s*(?:number|#|no\.)?\s*$", re.I)
NEAR = 14
"""Most characters between an aspect's name and its number."""


class Sayings:
    """A sentence."""

    def __init__(self, text: str, found: Sequence[Figure], sources: Sources, marks: Mapping[str, str]) -> None:
        """marks: characters of the text that stand for names."""
        self._text, self._sources = text, sources
        markets = sources.rows - sources.ids
        days, horizons = list(dates(text)), list(_horizons(text, sources))
        named = [*_words(text, markets)]
        named += [(at, at + 1, marks[sign]) for at, sign in enumerate(text) if marks.get(sign, "") in markets]
        self._at = dict(_places(text, found, [*days, *horizons]))
        numbers = sorted(self._at.values())
        self._markets = Said(_labels(named), numbers, text)
        self._days = Said(_labels(days), numbers, text, _SPAN.search(text) is None, whole=False)
        self._horizons = Said(_labels(horizons), numbers, text)
        self._fields = Fields(text, numbers, sources.keys, [*named, *days])
        self._aspects = _labels(_words(text, sources.aspects))

    def may_be(self, figure: Figure, leaf: Leaf) -> bool:
        """Whether the sentence lets this number be that one of a source."""
        place = self._at.get(id(figure))
        if figure.kind in (Kind.DATE, Kind.CLOCK):
            return True
        if leaf.of is Of.TIME:
            return place is None or _BLOCK.search(self._text[: place[0]]) is None
        of_row = self._of(self._markets, leaf.owners & (self._sources.rows - self._sources.ids), place)
        of_day = self._of(self._days, {leaf.day, leaf.day[5:]} if leaf.day else (), place)
        of_horizon = self._of(
            self._horizons, {leaf.horizon} if leaf.horizon and leaf.key not in HORIZONS else (), place
        )
        if not (of_row and of_day and of_horizon):
            return False
        if place is not None and not of_verb(self._text[: place[0]], leaf, self._sources):
            return False
        return place is None or figure.kind is Kind.SECONDS or (self._aspect(place, leaf) and self._key(place, leaf))

    def _of(self, said: Said, own: Collection[str], place: tuple[int, int] | None) -> bool:
        """Whether what a number is of in its source is what the sentence says it of."""
        names = said.names(place)
        return not own or not names or not names.isdisjoint(own)

    def _aspect(self, place: tuple[int, int], leaf: Leaf) -> bool:
        """Whether a number directly behind an aspect's name is that aspect's."""
        near = [one for one in self._aspects if one.end <= place[0] <= one.end + NEAR]
        if not near or not leaf.aspect or re.search("[,;(.]", self._text[near[-1].end : place[0]]) is not None:
            return True
        return near[-1].name == leaf.aspect

    def _key(self, place: tuple[int, int], leaf: Leaf) -> bool:
        """Whether a number beside a word such as ``costs`` is in a field of such a name, if there is one."""
        return leaf.of is not Of.NUMBER or leaf.figure is not None or self._fields.may_be(place, leaf.key)


def _labels(found: Iterable[tuple[int, int, str]]) -> list[Label]:
    return [Label(*one) for one in found]


def _places(
    text: str, found: Sequence[Figure], taken: Sequence[tuple[int, int, str]]
) -> Iterator[tuple[int, tuple[int, int]]]:
    """Where each number stands, by the object that it is; those within dates and horizons are left out."""
    at = 0
    for figure in found:
        if figure.kind in (Kind.DATE, Kind.CLOCK, Kind.WORD):
            continue
        number = re.search(r"\d[\d.,' ]*", figure.text)
        for part in (figure.text, number[0].strip(" .,'") if number else ""):
            begin = text.find(part, at) if part else -1
            if begin >= 0:
                at = begin + len(part)
                if not any(begin < end and at > start for start, end, _ in taken):
                    yield id(figure), (begin, at)
                break


def _words(text: str, names: frozenset[str] | set[str]) -> Iterator[tuple[int, int, str]]:
    """Where a text has one of these names; a longer one before a shorter one within it."""
    taken = list[tuple[int, int]]()
    for name in sorted(names, key=len, reverse=True):
        if len(name) < 3 or name not in text.lower():
            continue
        for one in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.I):
            if not any(one.start() < end and one.end() > begin for begin, end in taken):
                taken.append(one.span())
                yield one.start(), one.end(), name


def _horizons(text: str, sources: Sources) -> Iterator[tuple[int, int, str]]:
    """Where a text has a horizon of one of the rows, in days."""
    for one in _DAYS.finditer(text):
        days = one[1] or (str(int(one[2]) * 7) if one[2] else "1" if one["d1"] else "7" if one["w"] else "30")
        if days in sources.horizons:
            yield one.start(), one.end(), days
