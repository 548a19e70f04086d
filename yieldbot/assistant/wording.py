"""Writes a value of a document with its unit, in the language of an answer. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum

from yieldbot.assistant.labels import word
from yieldbot.assistant.links import without_links
from yieldbot.model.dataclass import dataclass

MOST_DECIMALS = 18
DAY = 86_400
_STEPS = (("day", DAY), ("hour", 3600), ("minute", 60), ("second", 1))
_PLAIN_NAME = re.compile(r"[^\W\d_][\w .()/-]{0,60}")
_LOOSE_NUMBER = re.compile(r"(?<![A-Za-z])\d")
_DATES = {"en": "%Y-%m-%d", "de": "%d.%m.%Y", "fr": "%d/%m/%Y", "es": "%d/%m/%Y"}
_MARKS = {"en": (",", "."), "de": (".", ","), "fr": ("\u00a0", ","), "es": (".", ",")}
_QUOTES = {"en": "“{}”", "de": "„{}“", "fr": "«\u00a0{}\u00a0»", "es": "«{}»"}
LONGEST_QUOTE = 1200


class Kind(StrEnum):
    """What a value is."""

    FRACTION = "fraction"
    """A fraction that is shown as a percentage."""
    YIELD = "yield"
    """A fraction a year, shown as a percentage: its unit says whether it is simple (APR) or compounded (APY)."""
    BP = "bp"
    """Basis points."""
    NUMBER = "number"
    """A number without a unit, or an amount with its symbol."""
    TIME = "time"
    """A moment, in unix seconds."""
    SPAN = "span"
    """A length of time in seconds."""
    CODE = "code"
    """A word of yieldbot's own, as a status."""
    TEXT = "text"
    """A text, which is quoted."""
    PAGE = "page"
    """A text of yieldbot's documentation, which is quoted as it stands."""
    FLAG = "flag"
    """Yes or no."""
    NONE = "none"
    """No value."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a document."""

    kind: Kind
    """What it is."""
    number: Decimal = Decimal(0)
    """The number; of texts: 0."""
    unit: str = ""
    """The token's symbol, or another unit that stands behind the number."""
    text: str = ""
    """The text, if it is one."""


def written(value: Value, language: str, now: int, decimals: int | None = None) -> str:
    """A value with its unit. decimals: how many, else as many as tell something."""
    match value.kind:
        case Kind.FRACTION | Kind.YIELD:
            found = f"{number(value.number * 100, language, _fewer(decimals, 2))}\u00a0%"
            return f"{found} {value.unit}" if value.unit else found
        case Kind.BP:
            return f"{number(value.number, language, _fewer(decimals, 0))}\u00a0bp"
        case Kind.NUMBER:
            found = number(value.number, language, decimals)
            return f"{found}\u00a0{without_links(value.unit)}" if value.unit else found
        case Kind.TIME:
            return moment(int(value.number), language, now)
        case Kind.SPAN:
            return span(value.number, language)
        case Kind.FLAG:
            return word("yes" if value.number else "no", language)
        case Kind.NONE:
            return word(value.text or "unstated", language)
        case Kind.CODE:
            return without_links(value.text)
        case Kind.TEXT:
            return quoted(without_links(value.text), language)
        case Kind.PAGE:
            return quoted(value.text, language)


def number(value: Decimal, language: str, decimals: int | None = None) -> str:
    """A number, rounded to so many decimals; a smaller one keeps its first digits, so that none becomes 0."""
    exponent = value.as_tuple().exponent
    there = max(0, -exponent) if isinstance(exponent, int) else 0
    if decimals is None:
        decimals = 2 if abs(value) >= 1 or not value else 4 - value.adjusted()
    if value and abs(value) < Decimal(1).scaleb(-decimals):
        decimals = -value.adjusted() + 1
    decimals = min(decimals, there, MOST_DECIMALS)
    rounded = value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN) + 0
    if abs(rounded) < 1:
        rounded = rounded.normalize()
    group, point = _MARKS[language]
    return f"{rounded:,f}".replace(",", "\0").replace(".", point).replace("\0", group).replace("-", "\u2212")


def _fewer(decimals: int | None, usual: int) -> int:
    return usual if decimals is None else decimals


def moment(at: int, language: str, now: int) -> str:
    """A moment in UTC, and how long ago it was or how long it is until then."""
    then = datetime.fromtimestamp(at, UTC)
    found = word("at", language).format(then.strftime(_DATES[language]), then.strftime("%H:%M"))
    if not now or abs(now - at) < 1:
        return found
    far = span(Decimal(abs(now - at)), language, whole=True)
    far += "n" if language == "de" and far.endswith("Tage") else ""
    return f"{found} ({word('ago' if at <= now else 'ahead', language).format(far)})"


def span(seconds: Decimal, language: str, whole: bool = False) -> str:
    """A length of time in the largest unit that it reaches. whole: no part of that unit."""
    for name, one in _STEPS:
        if seconds >= one or name == "second":
            much = seconds // one if whole else seconds / one
            return f"{number(much, language)} {word(name if much == 1 else name + 's', language)}"
    raise AssertionError("the last unit is a second")


def quoted(text: str, language: str) -> str:
    """A text of a source in quotation marks, none of which is its own."""
    text = re.sub(r"[“”„«»\"]", "'", " ".join(text.split()))
    return _QUOTES[language].format(text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]} …")


def name(text: str, language: str) -> str:
    """A name; in quotation marks where it could be read as more than a name: strangers write them."""
    text = " ".join(without_links(text).split())
    plain = _PLAIN_NAME.fullmatch(text) is not None and _LOOSE_NUMBER.search(text) is None
    return text if plain else quoted(text[:120], language)
