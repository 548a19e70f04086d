"""Which of a row's numbers a sentence means ("costs 1.84" is no gain), by the words beside a number. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

_FILL = (
    r"(?:\s|\*|:|=|about|around|roughly|nearly|only|just|a|an|the|is|was|are|of|at|to|some|~|≈|\$|rund|etwa|nur|bei|von"
    r"|liegt|beträgt|ist|est|de|es|environ|one|grade|score|mean|yield)*$"
)
_SAID = r"(?:\s(?:is|was|were|are|has|have|been|what|it|they|really|actually|had))*"
_KEYS = tuple(
    (
        re.compile(rf"\b(?:{words}){_FILL}", re.I),
        re.compile(rf"\s?%?\s?(?:(?-i:[A-Za-z]*[A-Z]{{2}}\w*)\s?)?(?:{_SAID}\s)?(?:{words})\b", re.I),
        re.compile(keys),
    )
    for words, keys in (
        (r"costs?|costing|kostet\w*|coût\w*|cuesta|costó|costaría", r"cost|fee|gas|loss|spent|impact"),
        (r"gains?|gaining|gained", r"gain|earn|profit|interest|income|realised"),
        (
            r"earned|earnings|rapporté|eingebracht|verdient|gagné|ganado|ganó|generado|rendido",
            r"earn|profit|pnl|total|realised|interest|gain|income",
        ),
        (r"predicted|expected|forecast\w*", r"predict|mean|forecast|low|high|after|gain|loss"),
        (r"realised|realized|really (?:made|paid|earned)|actually (?:made|paid|earned)", r"realis|earn|profit"),
        (r"chance|probability", r"chance|prob|loss"),
        (r"pays|paying", r"apy|apr|rate|yield|realis|return"),
        (r"quotes?|quoted|cotiza|bietet", r"quoted|^(?!.*(?:realis|predict|after)).*(?:apy|apr|rate)"),
        (r"expected loss|erwarteter? verlust|perte attendue|pérdida esperada", r"loss"),
        (r"short(?:-term)?(?: grade)?", r"short"),
        (r"long(?:-term)?(?: grade)?", r"long"),
        (r"gas", r"gas|cost"),
        (r"utili[sz]ation|auslastung|utilización", r"utili|limit|max"),
        (r"idle", r"idle|cash|wallet|held"),
        (r"safety(?: grade)?|sicherheit|sécurité|seguridad", r"safety|grade|score"),
        (
            r"holds?|détient|détenez",
            r"held|withdraw|amount|balance|worth|value|invest|wealth|total|assets|idle|suppl|reading|count",
        ),
        (r"put in|deposited", r"put_in|deposit|amount|given"),
        (r"after (?:your|our|the|a) deposit", r"after"),
        (r"invested", r"invest|held"),
        (r"attempts?|tries", r"attempt|tries"),
    )
)
"""(words before a number, the same behind it, names of the fields that it may be of then)."""
_JOIN = re.compile(
    r"(?:\s|[,;:%|*\"“”„«»'-]|\b(?:and|und|et|y|e|about|rund|etwa|environ|UTC|since|seit|depuis|desde|le|dem|el|of|de"
    r"|while|in|for|from|at|bei|für|pour|chez|dans|para|par|con|with|it|is|was|[A-Z]{2,6}|[a-z]{1,4}[A-Z]{2,6})\b)*",
)
"""What may stand between two numbers of a list that are of one field, beside names and days."""

_UNIT = re.compile(r"[\d.,' ]*\d\s?(%|bp|[A-Za-z]*[A-Z]{2}\w*)?")


class Fields:
    """A sentence's words of fields."""

    def __init__(
        self,
        text: str,
        numbers: Sequence[tuple[int, int]],
        keys: Collection[str],
        skipped: Sequence[tuple[int, int, str]],
    ) -> None:
        """keys: the names of all fields. skipped: where names and days stand."""
        self._keys = keys
        self._said = dict[tuple[int, int], list[re.Pattern[str]]]()
        last: tuple[int, int] | None = None
        for place in numbers:
            said = _beside(text, place)
            if not said and last is not None and _listed(text, last, place, skipped):
                said = self._said[last]
            self._said[place] = said
            last = place

    def may_be(self, place: tuple[int, int], key: str) -> bool:
        """Whether the number at this place may be of this field."""
        said = self._said.get(place, [])
        return not said or any(
            keys.search(key) is not None or not any(keys.search(name) for name in self._keys) for keys in said
        )


def _beside(text: str, place: tuple[int, int]) -> list[re.Pattern[str]]:
    before, behind = text[: place[0]], text[place[1] :]
    said = [keys for _, words, keys in _KEYS if words.match(behind)]
    return said or [keys for words, _, keys in _KEYS if words.search(before)]


def _listed(text: str, last: tuple[int, int], place: tuple[int, int], skipped: Sequence[tuple[int, int, str]]) -> bool:
    """Whether two numbers are of one list ("A earned 1, B 2"): of one unit, with hardly more than a name in between."""
    if not any(last[1] <= one[0] and one[1] <= place[0] for one in skipped) or _unit(text, last) != _unit(text, place):
        return False
    return _JOIN.fullmatch(_between(text, last[1], place[0], skipped)) is not None


def _unit(text: str, place: tuple[int, int]) -> str:
    found = _UNIT.match(text[place[0] : place[1] + 12])
    return (found[1] or "").lower() if found is not None else ""


def _between(text: str, begin: int, end: int, skipped: Sequence[tuple[int, int, str]]) -> str:
    """The text between two numbers without names and days."""
    kept = [sign for at, sign in enumerate(text[begin:end], begin) if not any(one[0] <= at < one[1] for one in skipped)]
    return "".join(kept)
