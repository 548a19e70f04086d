"""What a sentence says of its days, times of day and lengths of time: of which event they are. A day and a time that
stand together are one moment; a length beside "since" begins on the day that is named. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from yieldbot.assistant.figures import Figure, Kind, figures, is_symbol
from yieldbot.assistant.sources import Leaf, Of, Sources

_VERBS = {
    verb: re.compile(rf"\b(?:{words})\b", re.I)
    for verb, words in (
        ("deposit", r"deposit\w*|einlagen?|einzahlung\w*|eingezahlt|dépôts?|déposé\w*|depósitos?|depositó"),
        ("withdraw", r"withdr\w+|abhebung\w*|abgehoben|auszahlung\w*|abzug|retraits?|retiré\w*|retir[oó]s?|retiradas?"),
        ("allow", r"approvals?|allow\w*|freigaben?|approbations?|autorisations?|aprobaci[oó]n\w*|autorizaci[oó]n\w*"),
        ("approve", r"approvals?"),
    )
}
"""Words of sentences for what transactions do, by the word that theirs begin with."""
_OF = re.compile(r"\b(?:(?:of|von|über|de|d')\s*)$", re.I)
_DONE = re.compile(
    r"\b(?:executed|signed|confirmed|sent|approved|rejected|opened|ausgeführt|bestätigt|exécuté\w*|confirmé\w*"
    r"|ejecut\w+|confirm\w+)\b",
    re.I,
)
_ENDS = re.compile(
    r"\b(?:until|till|expir\w*|valid|lapses?|bis|läuft|gültig|abl\w+|caduca|vence|hasta|jusqu\w*|valable)\b", re.I
)
_SINCE = re.compile(r"\b(?:since|seit|depuis|desde)\b[^.;]{0,20}$", re.I)
_READ = ("as_of", "now", "timestamp")
TOGETHER = 8
"""Most characters between a day and its time of day."""


class Moments:
    """The days and times of a sentence."""

    def __init__(self, text: str, found: Sequence[Figure], sources: Sources) -> None:
        """found: all numbers of the text."""
        self._sources = sources
        places = sorted(_places(text, found), key=lambda one: one[0])
        self._with = dict[int, Figure]()
        self._said = dict[int, str]()
        last, begin = 0, 0
        for at, (start, end, figure) in enumerate(places):
            other = places[at - 1] if at else None
            if (
                other is not None
                and start - other[1] <= TOGETHER
                and other[2].kind is not figure.kind
                and id(other[2]) not in self._with
            ):
                self._with[id(figure)], self._with[id(other[2])] = other[2], figure
            else:
                begin = last
            self._said[id(figure)] = text[begin:start]
            last = end
        days = [one for _, _, one in places if one.kind is Kind.DATE]
        self._since = days[0] if len(days) == 1 and _SINCE.search(self._said[id(days[0])]) is not None else None

    def may_be(self, figure: Figure, leaf: Leaf) -> bool:
        """Whether the sentence lets this day, time of day or length of time be that one of a source."""
        if leaf.of is not Of.TIME:
            return True
        if figure.kind is Kind.SECONDS:
            return self._since is None or is_moment(self._since, leaf)
        other = self._with.get(id(figure))
        if other is not None and not is_moment(other, leaf):
            return False
        if id(figure) not in self._said:
            return True
        before = self._said[id(figure)]
        ends = _ENDS.search(before) is not None
        if leaf.key == "expires_at" or (ends and leaf.key == "at"):
            return ends == (leaf.key == "expires_at")
        verbs = [verb for verb, words in _VERBS.items() if words.search(before) is not None]
        if leaf.key in _READ and (verbs or _DONE.search(before) is not None or _SINCE.search(before) is not None):
            return False
        return not leaf.event or self._of_event(before, leaf.event, verbs)

    def _of_event(self, before: str, event: str, verbs: Sequence[str]) -> bool:
        """Whether what stands before a time speaks of this event: what it does, in which market, with how much."""
        if verbs and not event.startswith(tuple(verbs)):
            return False
        names = [name for name in self._sources.rows | self._sources.events if " " in name and name in before.lower()]
        if names and not any(name in event for name in names):
            return False
        amounts = [one.value for one in figures(before) if one.kind is Kind.PLAIN and is_symbol(one.word)]
        return not amounts or any(one.value in amounts for one in figures(event))


def of_verb(before: str, leaf: Leaf, sources: Sources) -> bool:
    """Whether a number behind "deposit of" or the like is of a deposit, if the sources have any."""
    said = _OF.search(before)
    verbs = (
        []
        if said is None
        else [verb for verb, words in _VERBS.items() if words.search(before[max(0, said.start() - 14) :])]
    )
    known = not verbs or any(one.event.startswith(tuple(verbs)) for one in sources.leaves)
    return not verbs or not known or leaf.event.startswith(tuple(verbs))


def is_moment(figure: Figure, leaf: Leaf) -> bool:
    """Whether a moment of a source is on a day, or at a time of day."""
    at = datetime.fromtimestamp(int(leaf.value), UTC)
    if figure.kind is Kind.DATE:
        return figure.word in (at.strftime("%Y-%m-%d"), at.strftime("%m-%d"))
    return figure.word == at.strftime("%H:%M:%S" if figure.word.count(":") > 1 else "%H:%M")


def _places(text: str, found: Sequence[Figure]) -> Iterator[tuple[int, int, Figure]]:
    at = dict[str, int]()
    for figure in found:
        if figure.kind in (Kind.DATE, Kind.CLOCK):
            begin = text.find(figure.text, at.get(figure.text, 0))
            if begin >= 0:
                at[figure.text] = begin + len(figure.text)
                yield begin, begin + len(figure.text), figure
