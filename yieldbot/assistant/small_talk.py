"""Whether a sentence of a model's own says nothing of data: each of its words is one of a short list. Pure."""

from __future__ import annotations

import re

from yieldbot.assistant.labels import FOLDER

LONGEST = 120
_LINES = [
    one.partition(": ")[2].split()
    for one in (FOLDER / "small_talk.txt").read_text(encoding="utf-8").splitlines()
    if not one.startswith("#")
]
_NOT = ("not", "nicht", "ne", "no")
_PLAIN = frozenset(word for line in _LINES if line[0] not in _NOT for word in line)
_OF_ITSELF = frozenset(word for line in _LINES if line[0] in _NOT for word in line)
"""Words for what the assistant does not know or may not do."""
_SELF = frozenset(("i", "ich", "je", "j", "yo", "sé", "puedo", "encuentro", "encontré", "he"))
_WORD = re.compile(r"[^\W\d_]+")
_BETWEEN = re.compile(r"[\s.,;:!?¿¡'’-]*")


def is_small_talk(text: str) -> bool:
    """Whether a sentence of the model's own may be shown."""
    words = [one.lower() for one in _WORD.findall(text)]
    if len(text) > LONGEST or not words or _BETWEEN.fullmatch(_WORD.sub("", text)) is None:
        return False
    others = {one for one in words if one not in _PLAIN}
    return others <= _OF_ITSELF and (not others or not _SELF.isdisjoint(words))
