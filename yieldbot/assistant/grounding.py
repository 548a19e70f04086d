"""Whether each number of an answer is in its sources. Pure; no model judges a model here.

A percentage must be a fraction of a source, an amount must be of the token that the answer names, and where a sentence
names a market, its numbers must not be those of another market alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from yieldbot.assistant.events import Moments, is_moment
from yieldbot.assistant.figures import Figure, Kind, figures, in_digits, is_symbol, items, plain
from yieldbot.assistant.languages import MONTHS, in_english
from yieldbot.assistant.sayings import Sayings
from yieldbot.assistant.sources import NOUNS, PAGE, SAID, VERBS, Leaf, Of, Sources

_SENTENCES = re.compile(rf"(?<=[.!?])\s+(?!(?<=\d\.\s)(?:{'|'.join(' '.join(MONTHS).split())})\b)(?=[^\d\s])|\n+", re.I)
_UNITS = re.compile(r"%|\$|€|percent|per cent|\bap[yr]\b|\bbps?\b|usd|eur\b|basis|tokens?\b|million|billion", re.I)
_LONGEST_NAME_NUMBER = 2
_MONEY = re.compile(r"\b(?:pays?|paid|yields?|earn\w*|returns?|ap[yr]|held|hold|safety|graded?)\b", re.I)
_CLAUSE = re.compile(r"[,;:()]")
_ROWS = re.compile(r"\s+(?:\w+\s)?(?:markets?|positions?|vaults?|pools?|plans?|transactions?|rows?)\b", re.I)
_NOUN = re.compile(
    r"\s+(?:(?:of|the|all|our|your|these|those|open|active|listed|queued|waiting|executed|rejected|confirmed|other|more"
    rf"|(?-i:[A-Z]\w*[A-Z]\w*))\s+){{0,3}}({'|'.join(NOUNS)})s?\b",
    re.I,
)
_OUT_OF = re.compile(
    r"\b(?:of|von|der|des|de|sur|parmi|entre|su|dei|delle)\s+(?:(?:the|our|all|den|unseren|los|las|les|nos|nuestros)\s+)*$",
    re.I,
)
_OTHER_TIME = re.compile(r"\b(?:timelock|expires? after|reject\w*|live|cooldown|delay|wait\w*)\b", re.I)
_AGO = re.compile(
    r"\b(?:ago|since|been|old|left|remain\w*|expires?|(?:last|past)|vor|seit|il y a|hace|depuis|desde)\b", re.I
)
_EVENT = re.compile(r"\b(?:executed|signed|confirmed|sent|approved|rejected|alarm\w*|expires?|created|made)\b", re.I)
_READING = re.compile(r"\b(?:readings?|read|as of)\b[^.;]{0,25}$", re.I)
_GRADE = re.compile(r"(?:safety|grade|score|graded|rated)(?:\s+\w+){0,3}\s*[:=]?\s*$", re.I)
_OUT_OF_100 = re.compile(r"\b(\d{1,3})\s?(?:/|out of|of|von|sur)\s?100(?![\d.,]*\d|\s?%)", re.I)
_OF_SEVERAL = re.compile(r"\b(?:average\w*|altogether|combined|in total|in all|in sum|all together)\b", re.I)
_SEVERAL = re.compile(r"mean|average|median|realised|predicted|sum|wealth|total(?!_apy)")
_PAIR = re.compile(
    r"\b(the|these|those|die|beiden|les|los|las) (?:two|deux|dos)(?=[,.;:?!]|\s(?:differ|are|have|were|of them)\b)",
    re.I,
)
_TOP = re.compile(r"\btop \d(?![\d.,]*\d|\s?%)", re.I)
_NO_LOSS = re.compile(r"\bexpected loss\w*|\bnothing (?:is )?lost\b", re.I)
_BELOW = re.compile(
    r"\b(?:minus|negativ\w*|los(?:es?|ing|t)|loss|fell|fallen|falls?|dropp?\w*|declin\w*|down|shr[iau]nk\w*|decreas\w*"
    r"|lower|less|below|under|verl\w+|sinkt|sank|gesunken|gefallen|perd\w*|perte|baiss\w*|pierde\w*|pérdida|cae|bajó)\b",
    re.I,
)
_OUTGOING = re.compile(r"cost|loss|lost|gas|fee|spent|impact|given|amount|change")
_THINGS = re.compile(r"\s+(?!says|has|was|does|needs|pays|stands|waits)[a-zà-ÿ]{3,}s\s", re.I)
NAMED_IN = {"signal": "market"}
"""What rows are also called: each signal is one market's."""
LISTS = ("items", "total", "pages", "journal", "findings")
"""Lists whose names say nothing of their rows, or too much."""
NEAR = 32
"""Most characters between how many steps and what they do."""
MARKS = 0xE000
"""The first of the characters that stand for names in a sentence (no text may hold them: they are for private use)."""
COMMON = frozenset(("erc-20", "erc-4626", "erc-7540", "erc-7730", "eip-712", "eip-1559", "24/7", "utf-8", "24h", "x"))
"""Words with digits that say nothing of the user's money."""


@dataclass(frozen=True, slots=True)
class Found:
    """A number of an answer, and where it comes from."""

    figure: Figure
    """The number."""
    leaf: Leaf | None
    """Its source; None: no source has it."""


def unsupported(found: Iterable[Found]) -> list[str]:
    """The numbers that no source has, as they are written."""
    return [one.figure.text for one in found if one.leaf is None]


def grounded(answer: str, sources: Sources, before: str = "") -> list[Found]:
    """Every number of an answer with its source. before: what the answer said so far, if this is only a part."""
    known = plain(before)
    text = items(known + plain(answer))[len(known) :]
    last, found = frozenset[str](), list[Found]()
    for sentence in sentences(known):
        last = _spoken_of(_without_names(sentence, sources)[1], last, sources)
    for sentence in sentences(text):
        found += _of_sentence(sentence, sources, last)
        last = _spoken_of(_without_names(sentence, sources)[1], last, sources)
    return found


def _spoken_of(named: frozenset[str], last: frozenset[str], sources: Sources) -> frozenset[str]:
    """The markets and plans that the next sentence goes on about, if it names none."""
    markets, plans = named - sources.ids, named & sources.ids
    return (markets or last - sources.ids) | (plans or last & sources.ids)


def sentences(answer: str) -> list[str]:
    """The sentences and lines of a text."""
    return [one for one in _SENTENCES.split(plain(answer)) if one.strip()]


def _of_sentence(sentence: str, sources: Sources, last: frozenset[str]) -> Iterator[Found]:
    text, named, marks = _without_names(sentence, sources)
    spoken = _spoken_of(named, last, sources)
    text = _TOP.sub("top", _OUT_OF_100.sub(r"score \1", in_digits(in_english(_PAIR.sub(r"\1 pair", text)))))
    of_several = not named and _OF_SEVERAL.search(text) is not None
    found = figures(text, english=True)
    moments = Moments(text, found, sources)
    said = Sayings(text, found, sources, marks)
    for figure in found:
        if figure.kind is Kind.WORD:
            yield Found(figure, _word(figure, sources))
            continue
        close = [leaf for leaf in sources.leaves if _fits(figure, leaf, text, sources)]
        money = bool(named) or _MONEY.search(text) is not None
        own = [
            leaf
            for leaf in close
            if _of_named(leaf, named if PAGE in leaf.owners else spoken, sources)
            and moments.may_be(figure, leaf)
            and said.may_be(figure, leaf)
            and (PAGE not in leaf.owners or _of_page(figure, leaf, text, bool(named), money))
            and not (of_several and _of_one_of_several(leaf, sources))
        ]
        yield Found(figure, min(own, key=_rank, default=None))


def _of_named(leaf: Leaf, named: frozenset[str], sources: Sources) -> bool:
    """Whether a number is of one of the rows that a sentence names: of its markets, and of its plans."""
    for kind in (leaf.owners & sources.ids, leaf.owners - sources.ids):
        there = named & sources.ids if kind & sources.ids else named - sources.ids
        if kind and there and not kind & there:
            return False
    return True


def _of_page(figure: Figure, leaf: Leaf, text: str, named: bool, money: bool) -> bool:
    """Whether a number of one of our pages is what a sentence tells: not of a market, but of a rule or an example."""
    if named or leaf.place is None:
        return not money
    before, found, behind = text.partition(figure.text)
    number = re.search(r"[\d.,' ]*\d", found)
    behind = found[number.end() if number else len(found) :] + behind
    return leaf.place.may_be(figure, before, behind) and (not money or leaf.place.shares(text))


def _of_one_of_several(leaf: Leaf, sources: Sources) -> bool:
    """Whether a number is one row's own where others have such a number too: it is no total and no average of them."""
    if leaf.of is not Of.NUMBER or not leaf.owners - {PAGE} or _SEVERAL.search(leaf.key) is not None:
        return False
    like = (one for one in sources.leaves if (one.key, one.symbol) == (leaf.key, leaf.symbol))
    return len({one.owners for one in like}) > 1


def _rank(leaf: Leaf) -> int:
    """Fields of their own before texts, texts before counts."""
    return (Of.NUMBER, Of.TIME, Of.TEXT, Of.COUNT).index(leaf.of)


def _without_names(sentence: str, sources: Sources) -> tuple[str, frozenset[str], dict[str, str]]:
    """The sentence without the names that it quotes, those of them that are rows' names, and the names by the marks
    that stand for them. A name whose number could be taken for a figure stays."""
    text, named, marks = sentence, set[str](), dict[str, str]()
    for name in sorted(sources.names | sources.rows, key=len, reverse=True):
        if len(name) < 3 or name not in text.lower():
            continue
        pattern = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.I)
        if pattern.search(text) is None:
            continue
        if name in sources.rows:
            named.add(name)
        if any(sign.isdigit() for sign in in_digits(name)):
            between = re.compile(rf"[\"“„«`']{re.escape(name)}[\"”“»`']", re.I)  # who reads it sees that it is a name
            mark = f" {chr(MARKS + len(marks))} "
            marks[mark.strip()] = name
            text = (pattern if _harmless(name) else between).sub(mark, text)
    return text, frozenset(named), marks


def _harmless(name: str) -> bool:
    numbers = re.findall(r"\d[\d.,]*", in_digits(name))
    return _UNITS.search(name) is None and all(len(one.strip(".,")) <= _LONGEST_NAME_NUMBER for one in numbers)


def _word(figure: Figure, sources: Sources) -> Leaf | None:
    word = figure.word.strip(".-:/")
    known = word in COMMON or word in sources.words or any(word in one.split() for one in sources.names if word in one)
    return Leaf(Decimal(0), Of.TEXT, "", "", figure=figure) if known else None


def _fits(figure: Figure, leaf: Leaf, text: str, sources: Sources) -> bool:
    if not _signed(figure, leaf, text):
        return False
    if leaf.figure is not None:
        of_day = figure.kind is Kind.DATE and leaf.key == "day"
        said = not of_day or (_EVENT.search(text) is None and _of_reading(figure, leaf, text))
        return said and _fits_text(figure, leaf.figure)
    match figure.kind:
        case Kind.FRACTION:
            return leaf.fraction is not None and _close(figure, leaf.fraction)
        case Kind.DATE:
            return leaf.of is Of.TIME and is_moment(figure, leaf) and _of_reading(figure, leaf, text)
        case Kind.CLOCK:
            return leaf.of is Of.TIME and is_moment(figure, leaf) and _of_reading(figure, leaf, text)
        case Kind.SECONDS:
            if leaf.horizon and _OTHER_TIME.search(text) is not None:
                return False
            if leaf.of is Of.TIME:
                return bool(sources.now) and _since(figure, leaf, text, sources.now)
            seconds = leaf.seconds()
            return seconds is not None and _close(figure, seconds, exact=False)
        case Kind.DOLLARS:
            return leaf.of is Of.NUMBER and ("usd" in leaf.key or leaf.symbol == "USD") and _close(figure, leaf.value)
        case _:
            return _fits_plain(figure, leaf, text, sources)


def _since(figure: Figure, leaf: Leaf, text: str, now: int) -> bool:
    """Whether a length of time is the one from a moment until now, or from now to a moment, if the sentence says so."""
    said = _AGO.search(text) is not None and _OTHER_TIME.search(text) is None and _of_reading(figure, leaf, text)
    return said and abs(abs(now - leaf.value) - figure.value) < figure.unit


def _signed(figure: Figure, leaf: Leaf, text: str) -> bool:
    """Whether a number may be this one by its sign: costs and what went out may have a minus, and a fraction below zero
    has one, if no word says so."""
    if not figure.sign:
        below = leaf.of is Of.NUMBER and leaf.value < 0 and leaf.fraction is not None
        return not below or _BELOW.search(_NO_LOSS.sub("", text)) is not None
    if leaf.figure is not None:
        return leaf.figure.sign in ("", figure.sign)
    return (leaf.value < 0) == (figure.sign == "-") or (
        leaf.value > 0 and leaf.of is Of.NUMBER and _OUTGOING.search(leaf.key) is not None
    )


def _fits_plain(figure: Figure, leaf: Leaf, text: str, sources: Sources) -> bool:
    if leaf.of is Of.TIME:
        year = datetime.fromtimestamp(int(leaf.value), UTC).year
        return figure.value in (year, leaf.value) and figure.unit == 1
    if leaf.symbol and is_symbol(figure.word) and figure.word.lower() != leaf.symbol.lower():
        return False
    if leaf.of is Of.NUMBER and not leaf.symbol and leaf.fraction is not None and leaf.fraction == leaf.value:
        return figure.unit < 1 and _close(figure, leaf.value)
    before, _, behind = text.partition(figure.text)
    if leaf.of is Of.NUMBER and leaf.fraction is not None and not text.startswith("|"):
        return False  # basis points and percent are said with their unit, but for cells of tables
    noun = _NOUN.match(behind)
    rows = leaf.key == "total" or (noun is not None and noun[1].lower() in leaf.key)
    if leaf.of is Of.NUMBER and noun is not None and figure.unit == 1 and not (rows or leaf.symbol):
        return False  # so many rows are no other number
    if leaf.of is Of.NUMBER and is_symbol(figure.word) and not leaf.symbol and leaf.value.as_tuple().exponent == 0:
        return False  # a count is no amount
    if (leaf.of is Of.COUNT or (leaf.key == "total" and not leaf.symbol)) and not any(
        _counts(leaf, figure.word, text[: one.start()], text[one.end() :], sources)
        for one in re.finditer(rf"(?<![\w.,]){re.escape(figure.text)}", text)
    ):
        return False
    if leaf.of is Of.COUNT and is_symbol(figure.word) and _ROWS.match(behind) is None:
        return False
    if _GRADE.search(before) is not None and not leaf.is_grade:
        return False
    if figure.word.lower() in sources.keys and leaf.key != figure.word.lower():
        return False
    small = figure.unit == 1 and figure.value < 100 and not is_symbol(figure.word)
    return not (small and leaf.symbol) and _close(figure, leaf.value, exact=small)


def _counts(leaf: Leaf, word: str, before: str, behind: str, sources: Sources) -> bool:
    """Whether a count is of what the part of the sentence around it speaks of."""
    noun = _NOUN.match(behind)
    if noun is not None and leaf.noun and noun[1].lower() not in (leaf.noun, NAMED_IN.get(leaf.noun)):
        return False
    if leaf.says in VERBS.values():
        return any(f" {one}" in _CLAUSE.split(f" {word} {behind}")[0].lower()[:NEAR] for one in leaf.says.split("/"))
    other = _THINGS.match(f" {word} ") is not None and noun is None and _ROWS.match(f" {word} ") is None
    if other and leaf.key in LISTS and not leaf.says and word.lower().removesuffix("s") not in leaf.key:
        return False  # so many other things are no rows
    around = (_CLAUSE.split(before)[-1] + f" {word} " + _CLAUSE.split(behind)[0]).lower()
    if leaf.says:
        return any(word in around for word in leaf.says.split("/"))
    if "[" in leaf.path:  # a list in a row: its own name, or that of its rows
        return any(word in around for word in (leaf.key.removesuffix("s"), SAID.get(leaf.key, leaf.key)))
    some = any(word in around for word in sources.said)
    return not some or _OUT_OF.search(before) is not None


def _of_reading(figure: Figure, leaf: Leaf, text: str) -> bool:
    """Whether a time that the text says was that of a reading is one."""
    said = _READING.search(text.partition(figure.text)[0]) is not None
    return not said or leaf.key in ("as_of", "now", "timestamp", "at", "utc")


def _fits_text(figure: Figure, written: Figure) -> bool:
    """Whether a number in an answer is one that a text has."""
    if figure.kind in (Kind.DATE, Kind.CLOCK) or written.kind in (Kind.DATE, Kind.CLOCK):
        one, other = figure.word, written.word
        return figure.kind is written.kind and (
            one == other or other.endswith(f"-{one}") or other.startswith(f"{one}:")
        )
    if figure.kind is Kind.SECONDS and written.kind is Kind.PLAIN and figure.word.lower().startswith("sec"):
        return figure.value == written.value
    if figure.kind is not written.kind:
        return False
    small = figure.unit == 1 and figure.value < 100 and not is_symbol(figure.word)
    if small and is_symbol(written.word):
        return False
    if small and len(written.word) > 2 and figure.word and _stem(written.word) != _stem(figure.word):
        return False  # "3 times the median" are no three markets
    if is_symbol(figure.word) and is_symbol(written.word) and figure.word.lower() != written.word.lower():
        return False
    return _close(figure, written.value, exact=small)


def _stem(word: str) -> str:
    return word.lower().removesuffix("s")


def _close(figure: Figure, true: Decimal, exact: bool = False) -> bool:
    """Whether a figure is this value, rounded (or, with three digits or more, cut off) as it is written."""
    value, true = abs(figure.value), abs(true)
    if exact and not figure.about:
        return value == true
    off, unit = abs(value - true), figure.unit
    if figure.about and value:
        rough = max(unit, Decimal(1).scaleb(value.normalize().as_tuple().exponent))  # type: ignore[arg-type]
        if figure.about == "about":
            return off <= rough / 2
        return off <= unit / 2 or (off < rough and off <= value / 4 and (value <= true) == (figure.about == "over"))
    if figure.kind in (Kind.FRACTION, Kind.SECONDS) and figure.digits == 1:
        return off <= unit / 10  # one digit is rounded only by those who say so
    return off <= unit / 2 or (figure.digits >= 3 and value <= true and off < unit)
