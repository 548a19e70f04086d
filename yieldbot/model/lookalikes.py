"""Recognises names that imitate a listed token: the same letters to the eye, and another address.

The letters are those of Unicode's list of confusable characters (UTS 39, confusables.txt) that look like a Latin letter
or a digit in most fonts; accents, invisible characters, case, width and signs between letters do not count.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

_LOOKS_LIKE = {
    "a": "аαɑ⍺ᴀ@Λ∆Δ4",
    "b": "Ьƅʙв8βВ",
    "c": "сϲⅽᴄ¢СϹ",
    "d": "ԁⅾɗᴅđ",
    "e": "еҽεєℯᴇЕΕ3€",
    "f": "ƒғꜰ",
    "g": "ɡցɢ9",
    "h": "һհнʜΗ",
    "i": "іιıⅰɩᎥІΙɪ1lӏⅼ|!ł",
    "j": "јϳᴊ",
    "k": "κкᴋΚК",
    "m": "мⅿᴍΜМ",
    "n": "ոпηɴΝ",
    "o": "оοօᴏσ0ОΟøѲθ",
    "p": "рρᴘРΡ",
    "q": "ԛգ",
    "r": "гʀяᴦ",
    "s": "ѕꜱ5$Ѕʂ",
    "t": "тτᴛТΤ₮†7",
    "u": "υսᴜμµ",
    "v": "νѵᴠⅴ",
    "w": "ԝωѡᴡɯ",
    "x": "хχⅹΧХ×",
    "y": "уγʏүУΥ¥",
    "z": "ᴢΖƶ2",
}
_LETTERS = {sign: latin for latin, signs in _LOOKS_LIKE.items() for sign in signs}


def skeleton(text: str) -> str:
    """The text as it looks: Latin small letters for all that look like them."""
    found = []
    for sign in unicodedata.normalize("NFKD", text):
        latin = _LETTERS.get(sign) or _LETTERS.get(sign.casefold()) or sign.casefold()
        found += [one for one in latin if one.isalnum()]
    return "".join(found)


def imitated(text: str, address: str, listed: Mapping[str, str]) -> str | None:
    """The listed token that a name looks like though its address is another; None: it looks like none.

    listed: addresses by symbol.
    """
    if not text or address.lower() in {one.lower() for one in listed.values()}:
        return None
    looks = skeleton(text)
    return next((symbol for symbol in sorted(listed) if skeleton(symbol) == looks), None)
