"""Finds every number in a text: percentages, basis points, amounts with separators, dates, times, counts, and numbers
in words. Pure; no model is asked."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from yieldbot.assistant.languages import in_english

MOST_DIGITS = 40


class Kind(StrEnum):
    """What a number in a text is of."""

    FRACTION = "fraction"
    """A percentage or basis points; the value is a fraction."""
    PLAIN = "plain"
    """An amount, a count, or a number without a unit."""
    DOLLARS = "dollars"
    """An amount in US dollars."""
    SECONDS = "seconds"
    """A length of time."""
    DATE = "date"
    """A day, as a text such as 2026-11-30, or 11-30 without a year."""
    CLOCK = "clock"
    """A time of day, as 14:05 or 14:05:09."""
    WORD = "word"
    """Letters and digits together, as a name or a hash."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number in a text."""

    text: str
    """As it is written."""
    kind: Kind
    """What it is of."""
    value: Decimal = Decimal(0)
    """The value; of dates, times and words: 0."""
    unit: Decimal = Decimal(1)
    """The value of one in the last digit that is written."""
    digits: int = 1
    """How many significant digits are written."""
    word: str = ""
    """The word behind it; of dates, times and words: the thing itself."""
    about: str = ""
    """``about``, ``over`` or ``under`` where the text says that it is approximate, on one side of it; else empty."""
    sign: str = ""
    """``+`` or ``-`` where it is written directly before the number; else empty."""


MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DATES = (
    re.compile(r"(?<![\w.])(?P<year>\d{4})-(?P<number>\d{2})-(?P<day>\d{2})(?=T\d|\b)"),
    re.compile(rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}(?:,?\s+(?P<year>\d{{4}}))?\b", re.I),
    re.compile(rf"\b{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s+(?P<year>\d{{4}})\b)?(?!\d)", re.I),
)
_CLOCK = re.compile(r"(?<![\d:])T?([01]?\d|2[0-3]):([0-5]\d)(?P<s>:[0-5]\d)?(?:\.\d+)?(?![\d:])Z?")
_SECONDS = {"second": 1, "sec": 1, "s": 1, "minute": 60, "min": 60, "hour": 3600, "h": 3600, "day": 86_400, "d": 86_400,
            "week": 604_800, "month": 2_592_000, "year": 31_536_000}  # fmt: skip
_SCALES = {"k": 3, "thousand": 3, "m": 6, "mn": 6, "mio": 6, "million": 6, "bn": 9, "billion": 9, "trillion": 12}
_GROUPED = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:'\d{3})+(?:\.\d+)?|\d{1,3}(?: \d{3})+(?:[.,]\d+)?(?!\d)"
_NUMBER = rf"{_GROUPED}|\d{{1,3}}(?:\.\d{{3}})+,\d+|\d+,\d{{1,2}}(?!\d)|\d+(?:\.\d+)?|\.\d+"
_UNIT = r"%|percent(?:age points?)?|per ?cent|bps?|basis[ -]points?|thousand|million|billion|trillion|mn|mio|bn|k|m"
_FIGURE = re.compile(
    rf"(?<![\w.])(?P<sign>[+\-]\s?)?(?P<money>[$€£]\s?|USD ?|US\$ ?)?(?P<number>{_NUMBER})"
    rf"(?P<power>e[+\-]?\d{{1,2}}\b)?(?:[ \-]?(?P<unit>{_UNIT})(?!\w))?"
    rf"(?:[ \-]?(?P<word>[A-Za-zÀ-ÿ$][A-Za-zÀ-ÿ0-9.₮]*))?",
    re.I,
)
_LETTERED = re.compile(
    r"(?<!\d[.,])(?<![A-Za-z0-9_])[A-Za-z0-9_]*(?:[A-Za-z_]+[0-9]|[0-9]+[A-Za-z_])[A-Za-z0-9_]*(?:[-.~:/][A-Za-z0-9_]+)*"
)
_JOINED = re.compile(r"\b[A-Za-z][A-Za-z0-9_]*(?:[-~:/][A-Za-z0-9_]+)*[-~:/][0-9]+(?:[-~:/.][A-Za-z0-9_]+)*\b")
_RANGE = re.compile(rf"({_NUMBER})(\s?(?:-|to|and|or|/)\s?)(?=(?:{_NUMBER})\s?({_UNIT})(?!\w))", re.I)
_ITEM = re.compile(r"^(\s*)(\d{1,2})([.)])(?=\s)", re.M)
_ROUGH = {
    "about": r"about|around|roughly|approximately|approx\.?|circa|ca\.|some|~|≈|etwa|rund|environ",
    "over": r"over|above|more than|at least|just over|>|≥|über",
    "under": r"nearly|almost|under|below|less than|at most|up to|just under|<|≤|fast|unter",
}
_ABOUT = re.compile("|".join(rf"(?P<{name}>(?<!\w)(?:{words}))" for name, words in _ROUGH.items()) + r"", re.I)
_ONES = re.split(
    " ",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SPELLED = {word: value for value, word in enumerate(_ONES)} | {
    word: 10 * value for value, word in enumerate(_TENS, start=2)
}
_HALF = re.compile(r"\bhalf an? (?=basis|percent|per cent|hour|day|week|month|year|million|billion)", re.I)
_RATIO = re.compile(
    r"\b(?:twice|thrice|doubl(?:e|ed|ing|es)|tripl(?:e|ed|ing|es)|halv(?:e|ed|ing|es)|\w+fold|(?:a|one|two|three)[ -]"
    r"(?:half|third|quarter|fifth|tenth)s?|half(?= (?:of|the|as|our|your))|(?:a )?dozens?|doppelt|halb|hälfte|"
    r"verdoppelt|moitié|mitad|doble|metà|doppio)\b",
    re.I,
)
"""Ratios in words: computed by whoever says them, unless a source says the same."""
_SPELLED_TEXT = re.compile(
    r"\b(?:{0})(?:[ -](?:and[ -])?(?:{0}|hundred|thousand|million))*\b".format("|".join(_SPELLED)), re.I
)


_PARTS = {"½": ".5", "¼": ".25", "¾": ".75"}
_HALVES, _SUPER = re.compile("[½¼¾]"), re.compile("[⁰¹²³⁴-⁹₀-₉]+")


def plain(text: str) -> str:
    """A text with one form for each digit, space and minus sign, and without invisible characters."""
    text = _HALVES.sub(lambda one: _PARTS[one[0]], re.sub(_SUPER, lambda one: f"^{one[0]}", text))
    text = unicodedata.normalize("NFKC", text)
    return "".join(_plain(sign) for sign in text if unicodedata.category(sign) not in ("Cf", "Co", "Mn"))


def _plain(sign: str) -> str:
    if sign.isascii():
        return sign
    digit = unicodedata.digit(sign, None)
    if digit is not None:
        return str(digit)
    category = unicodedata.category(sign)
    return (
        "-" if category == "Pd" or sign == "\u2212" else " " if category == "Zs" else "'" if sign == "\u2019" else sign
    )


def figures(text: str, english: bool = False) -> list[Figure]:
    """Every number in a text. english: it has been made so before."""
    text = plain(text)
    found = list[Figure]()
    text = items(text) if english else in_english(items(text))
    for pattern in _DATES:
        text = _cut(text, pattern, lambda one: found.append(_date(one)))
    text = _cut(text, _CLOCK, lambda one: found.append(_clock(one)))
    text = _cut(text, _RATIO, lambda one: found.append(Figure(one[0], Kind.WORD, word=one[0].lower())))
    text = _ranges(text)
    text = in_digits(text)
    text = _words(text, found)
    found += _numbers(text)
    return found


def dates(text: str) -> Iterator[tuple[int, int, str]]:
    """Where a text has dates: where each begins and ends, and the day, as 2026-11-30, or 11-30 without a year."""
    for pattern in _DATES:
        for one in pattern.finditer(text):
            yield one.start(), one.end(), _date(one).word
        text = pattern.sub(lambda one: " " * len(one[0]), text)


def items(text: str) -> str:
    """The text with spaces for the numbers of list items, where they count from 1."""
    expected = 1

    def item(one: re.Match[str]) -> str:
        nonlocal expected
        number = int(one[2])
        if number not in (1, expected):
            return one[0]
        expected = number + 1
        return " " * len(one[0])

    return _ITEM.sub(item, text)


def _cut(text: str, pattern: re.Pattern[str], take: object) -> str:
    def one(match: re.Match[str]) -> str:
        take(match)  # type: ignore[operator]
        return " | "

    return pattern.sub(one, text)


def _clock(one: re.Match[str]) -> Figure:
    return Figure(one[0], Kind.CLOCK, word=f"{int(one[1]):02}:{one[2]}{one['s'] or ''}")


def _date(one: re.Match[str]) -> Figure:
    groups = one.groupdict()
    month = groups.get("number") or f"{MONTHS.index(groups['month'][:3].lower()) + 1:02}"
    day = f"{month}-{int(groups['day']):02}"
    return Figure(one[0], Kind.DATE, word=f"{groups['year']}-{day}" if groups.get("year") else day)


def _ranges(text: str) -> str:
    """``3 to 5 %`` as ``3 % to 5 %``."""
    return _RANGE.sub(lambda one: f"{one[1]} {one[3]}{one[2].replace('-', ' to ')}", text)


def in_digits(text: str) -> str:
    """Numbers in words as digits; a ``one`` alone is rather an article."""

    def one(match: re.Match[str]) -> str:
        words = re.split(r"[ -]", match[0].lower())
        if words == ["one"] and re.match(rf"\s(?:{_UNIT})(?![A-Za-z])", text[match.end() :], re.I) is None:
            return match[0]
        total = part = 0
        for word in words:
            if word in _SPELLED:
                part += _SPELLED[word]
            elif word == "hundred":
                part *= 100
            elif word in ("thousand", "million"):
                total, part = total + part * (1000 if word == "thousand" else 10**6), 0
        return str(total + part)

    return _SPELLED_TEXT.sub(one, _HALF.sub("0.5 ", text))


def _words(text: str, found: list[Figure]) -> str:
    """The text without words that hold digits, as names and hashes do."""

    def one(match: re.Match[str]) -> str:
        if _FIGURE.fullmatch(match[0]) is not None and _suffixed(match[0]):
            return match[0]
        found.append(Figure(match[0], Kind.WORD, word=match[0].lower()))
        return " | "

    return _LETTERED.sub(one, _JOINED.sub(one, text))


def _suffixed(text: str) -> bool:
    """Whether digits are followed by a unit, as in 30d, 5k, 45bps and 7-day."""
    tail = re.fullmatch(r"[\d.,']+(?:e[+\-]?\d+)?-?([A-Za-z-]+)", text)
    if tail is None:
        return False
    word = tail[1].lower().strip("-")
    return word in _SCALES or word in ("bp", "bps", "percent", "x", "st", "nd", "rd", "th") or _length(word) is not None


def _length(word: str) -> int | None:
    word = word.lower().rstrip(".")
    return _SECONDS.get(word, _SECONDS.get(word.removesuffix("s")))


def _numbers(text: str) -> Iterator[Figure]:
    for one in _FIGURE.finditer(text):
        made = _number(one)
        if made is not None:
            before = text[max(0, one.start() - 20) : one.start()]
            sign = one["sign"] or ""
            clear = len(sign) == 1 and before[-1:] not in ("%", ")")  # else a dash between two things, or of a list
            yield replace(made, about=_about(before), sign=sign if clear else "")


def _about(before: str) -> str:
    """Which words of approximation stand at the end of a text."""
    found = [one for one in _ABOUT.finditer(before) if not before[one.end() :].strip(" a$€£")]
    return (found[-1].lastgroup or "") if found else ""


def _number(one: re.Match[str]) -> Figure | None:
    written = one["number"]
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d+|\d+,\d{1,2}|\d{1,3}(?: \d{3})+,\d+", written):
        written = written.replace(".", "").replace(" ", "").replace(",", ".")  # a decimal comma
    written = re.sub(r"[,' ]", "", written)[:MOST_DIGITS]
    if re.fullmatch(r"0\d+", written):
        return Figure(one[0], Kind.WORD, word=one["number"])  # a code such as 0600, and no amount
    try:
        value = Decimal(written + (one["power"] or ""))
    except InvalidOperation:
        return Figure(one[0], Kind.WORD, word=one[0].lower())
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    last, digits = Decimal(1).scaleb(exponent), len(written.replace(".", "").lstrip("0")) or 1
    unit, word = (one["unit"] or "").lower(), (one["word"] or "").rstrip(".")
    kind = Kind.DOLLARS if one["money"] and one["money"].strip() not in ("€", "£") else Kind.PLAIN
    if unit == "%" or unit.startswith("per"):
        value, last, kind = value / 100, last / 100, Kind.FRACTION
    elif unit in ("bp", "bps") or unit.startswith("basis"):
        value, last, kind = value / 10_000, last / 10_000, Kind.FRACTION
    elif unit in _SCALES:
        value, last = value.scaleb(_SCALES[unit]), last.scaleb(_SCALES[unit])
    elif (seconds := _length(word)) is not None:
        return Figure(one[0].strip(), Kind.SECONDS, value * seconds, last * seconds, digits, word)
    end = one.end() if is_symbol(word) else one.end("unit") if unit else one.end("number")
    return Figure(one[0][: end - one.start()].strip(), kind, value, last, digits, word)


def is_symbol(word: str) -> bool:
    """Whether a word is written as tokens' symbols are."""
    return len(word) >= 2 and sum(sign.isupper() for sign in word) >= 2
