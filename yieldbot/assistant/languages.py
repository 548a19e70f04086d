"""How other languages write numbers, dates, times and units (German, French, Spanish, Italian), as English writes them.
Pure. What is in none of these tables stays, and a number that is not understood is one that no source has."""

from __future__ import annotations

import re

MONTHS = (
    "january januar janvier enero gennaio",
    "february februar février fevrier febrero febbraio",
    "march märz maerz mars marzo",
    "april avril abril aprile",
    "may mai mayo maggio",
    "june juni juin junio giugno",
    "july juli juillet julio luglio",
    "august août aout agosto",
    "september septembre septiembre settembre",
    "october oktober octobre octubre ottobre",
    "november novembre noviembre",
    "december dezember décembre decembre diciembre dicembre",
)
_MONTH = {word: line.split()[0] for line in MONTHS for word in line.split()}
_UNITS = {
    "%": r"prozent(?:punkte?n?)?|pour ?cent|por ciento|per cento|points? de pourcentage|puntos porcentuales|pp",
    "bp": r"basispunkte?n?|points? de base|puntos? básicos?|punt[oi] base",
    "thousand": r"tsd\.?|tausend|mille?",
    "million": r"mio\.?|millionen|millions|millones|milioni",
    "billion": r"mrd\.?|milliarden|milliards?|miliardi",
    "seconds": r"sekunden?|secondes?|segundos?|second[oi]",
    "minutes": r"minuten|minutos?|minut[oi]",
    "hours": r"stunden?|heures?|horas?|or[ea]",
    "days": r"tage?n?|jours?|días?|giorn[oi]",
    "weeks": r"wochen?|semaines?|semanas?|settiman[ae]",
    "months": r"monate?n?|mois|mes(?:es)?|mes[ei]",
    "years": r"jahre?n?|ans?|années?|años?|ann[oi]",
}
_UNIT = re.compile(
    r"(?<=\d)([ -]?)(?:"
    + "|".join(f"(?P<{'u' + str(at)}>{one})" for at, one in enumerate(_UNITS.values()))
    + r")(?!\w)",
    re.I,
)
_NAMES = list(_UNITS)
_DAY = re.compile(
    rf"(?<![\w.,])(\d{{1,2}})(?:\.|er|º|°)?\s+(?:de\s+)?({'|'.join(sorted(_MONTH, key=len, reverse=True))})(?!\w)"
    r"(?P<of>\s+(?:de|del)\s+(?=\d{4}))?",
    re.I,
)
_NUMERIC = re.compile(r"(?<![\w./])(\d{1,2})([./])(\d{1,2})\2(\d{4})(?![\w/])")
_CLOCK = re.compile(
    r"(?<![\w:.,])(?:(?P<h>[01]?\d|2[0-3])(?:[:.](?P<m>[0-5]\d))?\s?(?P<half>[ap])\.?m\.?(?!\w)"
    r"|(?P<fh>[01]?\d|2[0-3])\s?h\s?(?P<fm>[0-5]\d)(?!\w)"
    r"|(?P<gh>[01]?\d|2[0-3])(?:[.:](?P<gm>[0-5]\d))?\s?uhr(?:\s(?P<gn>[0-5]\d))?(?![\w.,]))",
    re.I,
)


def _in_order(words: str) -> list[str]:
    return words.split()


_DE = _in_order("null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf")
_FR = _in_order("zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize")
_ES = _in_order("cero un dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince")
_IT = _in_order("zero un due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici")
_TENS = (
    "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
    "vingt trente quarante cinquante soixante",
    "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
    "venti trenta quaranta cinquanta sessanta settanta ottanta novanta",
)
WORDS = {word: value for line in (_DE, _FR, _ES, _IT) for value, word in enumerate(line) if value > 1}
WORDS |= {word: 10 * value for line in _TENS for value, word in enumerate(line.split(), start=2)}
WORDS |= {
    f"{one}und{ten}": WORDS[ten] + value for value, one in enumerate(_DE[:10]) for ten in _TENS[0].split() if value
}
WORDS |= {f"veinti{word}": 20 + value for value, word in enumerate(_ES[:10]) if value > 1}
_ALSO_ENGLISH = frozenset(("elf", "once", "due", "sept", "six", "seize", "sei", "cinque"))
_FOREIGN = re.compile(
    r"\b(?:der|die|das|und|für|hat|von|bei|mit|ist|sind|le|les|des|est|sont|une|el|los|las|hay|son|una|il|gli|sono|che)\b",
    re.I,
)
_ENGLISH = re.compile(r"\b(?:the|and|is|are|of|it|was|has|have|with|an?)\b", re.I)
_WORD = re.compile(rf"(?<!\w)(?:{'|'.join(sorted(WORDS, key=len, reverse=True))})(?!\w)", re.I)


_COMMA = re.compile(r"(?<![\d.,])(?:\d{1,3}(?:\.\d{3})+,\d+|0,\d+|\d+,(?:\d{1,2}|\d{4,}))(?![\d,]|\.\d)")
"""Numbers that have a decimal comma for certain."""
_POINT = re.compile(r"(?<![\d.,])(?:\d{1,3}(?:,\d{3})+\.\d+|\d+\.(?:\d{1,2}|\d{4,}))(?![\d.]|,\d)")
"""Numbers that have a decimal point for certain."""
_WRITTEN = re.compile(r"(?<![\w.,])(\d{1,3}(?:\.\d{3})+|\d+)(?:,(\d+))?(?![\d,]|\.\d)")


def _with_points(text: str) -> str:
    """The numbers of a sentence that writes decimal commas, with decimal points and nothing between thousands."""
    foreign = _FOREIGN.search(text) is not None and _ENGLISH.search(text) is None
    if _POINT.search(text) is not None or (_COMMA.search(text) is None and not foreign):
        return text

    def one(found: re.Match[str]) -> str:
        whole = found[1] if found[1].startswith("0") else found[1].replace(".", "")
        return f"{whole}.{found[2]}" if found[2] else whole

    return _WRITTEN.sub(one, text)


def is_english(text: str) -> bool:
    """Whether a sentence is an English one."""
    return _ENGLISH.search(text) is not None


def in_english(text: str) -> str:
    """The text with dates, times, units and small numbers in words as English writes them."""
    english = _ENGLISH.search(text) is not None or _FOREIGN.search(text) is None

    def word(one: re.Match[str]) -> str:
        found = one[0].lower()
        return one[0] if found in _ALSO_ENGLISH and english else str(WORDS[found])

    text = _with_points(_NUMERIC.sub(_numeric, text))
    text = _DAY.sub(lambda one: f"{one[1]} {_MONTH[one[2].lower()].title()}{' ' if one['of'] else ''}", text)
    text = _CLOCK.sub(_clock, text)
    text = _WORD.sub(word, text)
    return _UNIT.sub(lambda one: f"{one[1]}{_NAMES[int((one.lastgroup or 'u0')[1:])]}", text)


def _numeric(one: re.Match[str]) -> str:
    """A date in digits, where it is clear which of them are the month."""
    first, second = int(one[1]), int(one[3])
    if one[2] == "/" and first <= 12 and second <= 12 and first != second:
        return one[0]
    day, month = (second, first) if second > 12 else (first, second)
    return f"{one[4]}-{month:02}-{day:02}" if month <= 12 and day <= 31 else one[0]


def _clock(one: re.Match[str]) -> str:
    hour = int(one["h"] or one["fh"] or one["gh"])
    if one["half"]:
        if not 1 <= hour <= 12:
            return one[0]
        hour = hour % 12 + (12 if one["half"].lower() == "p" else 0)
    return f"{hour:02}:{one['m'] or one['fm'] or one['gm'] or one['gn'] or '00'}"
