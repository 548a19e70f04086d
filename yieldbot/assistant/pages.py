"""Numbers of our own pages: each is of the line, the table's row and the column that it stands in, and is said as it is
there ("or more", "after", "locked"). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from yieldbot.assistant.figures import Figure, Kind, plain
from yieldbot.assistant.languages import is_english

_BLOCKS = re.compile(r"\n(?=\s*[-*|])|\n\s*\n")
_STEM, _SHORTEST = 5, 4
ENOUGH = 3
"""How many words a sentence shares with a line that it tells, if it is one of our rules and no market's number."""
_SIDES = {
    "min": (
        r"(?:at least|above|over|more than|from|minimum(?: of)?|exceeds?|mindestens|über|ab|au moins|al menos|≥|>)\s*$",
        r"\s*%?\s*(?:or more|or higher|or above|and above|on\b|oder mehr|ou plus|o más)",
    ),
    "max": (
        r"(?:below|under|less than|at most|up to|maximum(?: of)?|höchstens|unter|bis zu|au plus|como máximo|≤|<)\s*$",
        r"\s*%?\s*(?:or less|or lower|or below|oder weniger|ou moins|o menos)",
    ),
    "after": (r"(?:after|nach|après|después de|tras)\s*$", r"(?!)"),
    "locked": (r"(?!)", r"\s*\w{0,5}\s*(?:locked|gesperrt|bloqu\w+)"),
}
_OF_SIDE = {
    side: (re.compile(rf"(?<!\w){before}", re.I), re.compile(behind, re.I)) for side, (before, behind) in _SIDES.items()
}
_IDLE = frozenset(
    (
        *("after", "with", "that", "this", "from", "when", "than", "more", "year", "over", "hours", "days", "then"),
        *("they", "which", "nothing"),
    )
)
"""Words that say nothing of what a line is about."""
_CUT = re.compile(r"[,;:.()|]")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a number stands in a page."""

    line: frozenset[str]
    """The words of its line, paragraph or table row."""
    others: frozenset[str] = frozenset()
    """Words that other rows of its table have."""
    column: frozenset[str] = frozenset()
    """Words of its column's name that no other column's has."""
    columns: frozenset[str] = frozenset()
    """Such words of all columns."""
    sides: frozenset[str] = frozenset()
    """What the words directly around it say, as ``min`` for "or more"."""

    def may_be(self, figure: Figure, before: str, behind: str) -> bool:
        """Whether a number of a sentence may be the one that stands here."""
        around = sides(before, behind)
        if around - self.sides and (figure.kind is Kind.SECONDS or around & {"min", "max"}):
            return False
        sentence = before + behind
        own = words(sentence)
        pieces, rest = _CUT.split(before), _CUT.split(behind)[0]
        near = (words(" ".join((*pieces[-much:], rest))) for much in (1, 2))
        said = next((one for one in near if one & self.line), own)
        if self.others and not said & (self.line - self.others) and said & (self.others - self.line):
            return False
        if figure.kind is Kind.FRACTION and self.column:
            heads = [one for one in _ordered(pieces[-1]) if one in self.columns]
            if heads and heads[-1] not in self.column:
                return False
        return not is_english(sentence) or bool(own & self.line)

    def shares(self, sentence: str) -> bool:
        """Whether a sentence tells this line."""
        return len(words(sentence) & self.line) >= ENOUGH


def words(text: str) -> frozenset[str]:
    """What a text speaks of: the beginnings of its longer words."""
    return frozenset(_ordered(text))


def _ordered(text: str) -> list[str]:
    found = re.findall(r"[^\W\d_]+", text.lower())
    return [one[:_STEM] for one in found if len(one) >= _SHORTEST and one not in _IDLE]


def sides(before: str, behind: str) -> frozenset[str]:
    """What the words directly around a number say of it."""
    return frozenset(
        side
        for side, (front, back) in _OF_SIDE.items()
        if front.search(before[-24:]) is not None or back.match(behind) is not None
    )


def blocks(text: str) -> Iterator[tuple[str, Place]]:
    """The lines, paragraphs and cells of a page, each with its place."""
    parts = [one for one in _BLOCKS.split(plain(text)) if one.strip()]
    rows = [one for one in parts if one.lstrip().startswith("|")]
    heads = _heads(rows)
    known = [words(row) for row in rows[2:]]
    for part in parts:
        if part not in rows:
            yield part, Place(words(part))
            continue
        line = words(part)
        others = frozenset().union(*(one for one in known if one != line))
        cells = part.strip().strip("|").split("|")
        every = frozenset().union(*heads)
        for at, cell in enumerate(cells):
            yield cell, Place(line, others, heads[at] if at < len(heads) else frozenset(), every)


def _heads(rows: Sequence[str]) -> list[frozenset[str]]:
    """Of each column the words of its name that no other column's has."""
    names = [words(one) for one in rows[0].strip().strip("|").split("|")] if rows else []
    return [
        one - frozenset().union(*(other for far, other in enumerate(names) if far != at))
        for at, one in enumerate(names)
    ]
