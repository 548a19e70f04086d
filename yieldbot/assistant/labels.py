"""Which market, day, horizon or aspect each number of a sentence is said of. Pure.

A label behind a number and a preposition is that number's own ("71 for Moonwell", "4.1 % on 28 November"); else the
label, or the labels without a number between them, that stand before it. Where neither says it, it may be any label's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

FAR = 24
"""Most characters between a number and a label behind it."""
_BEHIND = re.compile(
    r"[^|;]{0,10}?\b(?:on|over|in|for|at|of|into|from|after|with|within|am|im|über|nach|bei|für|von|le|sur|dans|pour|chez"
    r"|en|el|para|a)\s+(?:the\s+|a\s+|next\s+|den\s+|der\s+|die\s+|les?\s+|los?\s+|las?\s+)*[\"“„«`'(*]*$"
    r"|[^|;,]{0,6}[(\[][\"“„«`'*\s]*$",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Label:
    """A label in a sentence."""

    begin: int
    """Where it begins."""
    end: int
    """Where it ends."""
    name: str
    """What it names."""


@dataclass(slots=True)
class Said:
    """The labels of one kind in a sentence."""

    labels: Sequence[Label]
    """Them, in any order."""
    numbers: Sequence[tuple[int, int]]
    """Where each number of the sentence begins and ends, those within labels left out."""
    text: str
    """The sentence."""
    before: bool = True
    """Whether a label may be that of a number behind it."""
    whole: bool = True
    """Whether a sentence's only label is that of all its numbers, also where it stands behind one of them."""
    _own: dict[tuple[int, int], str] = field(default_factory=dict)
    """Numbers with a label of their own behind them."""

    def __post_init__(self) -> None:
        self.labels = sorted(self.labels, key=lambda one: one.begin)
        for label in self.labels:
            behind = [one for one in self.numbers if one[1] <= label.begin]
            first = re.match(r"[\"”“»`'*]*\s*[:=]", self.text[label.end :]) is not None  # what follows is its number
            if behind and not first and label.begin - behind[-1][1] <= FAR and behind[-1] not in self._own:
                between = self.text[behind[-1][1] : label.begin]
                if not any(other.begin < label.begin and other.end > behind[-1][1] for other in self.labels) and (
                    _BEHIND.fullmatch(between) is not None
                ):
                    self._own[behind[-1]] = label.name

    def names(self, number: tuple[int, int] | None) -> frozenset[str]:
        """What a number may be said of; empty: of anything."""
        if number is not None and number in self._own:
            return frozenset((self._own[number],))
        every = frozenset(one.name for one in self.labels)
        if not self.before:
            return frozenset()
        if number is None or len(every) < 2:
            return frozenset() if self._own and not self.whole else every
        taken = [label for label in self.labels if label.name in self._own.values()]
        group = list[Label]()
        for label in self.labels:
            if label.end > number[0]:
                break
            if group and any(group[-1].end <= one[0] and one[1] <= label.begin for one in self.numbers):
                group = []
            group.append(label)
        if not group or any(label in taken for label in group):
            return every
        return frozenset(label.name for label in group)
