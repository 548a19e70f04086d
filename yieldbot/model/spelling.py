"""Names that a person types: which known name is intended, and what to suggest where none is. The one place for both,
used wherever a command, market, token, chain, wallet or setting is looked up. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

MOST_SUGGESTED = 3
LEAST_PART = 3
"""Least characters of a part of a name that stands for the whole."""
LONGEST = 100
"""Most characters of a typed word that are compared."""
MOST_LISTED = 24
"""Most names that a message lists."""
_ALIKE, _AS_NEAR, _SWAPPED = 0.7, 0.05, 0.9
"""Similarity (0 to 1) from which a name is suggested, by how much less than the nearest it may be, and that of a name
with the same letters in another order."""


def intended(word: str, known: Iterable[str]) -> str | None:
    """The known name that is written like ``word``, or else the only one that differs from it in capitals or spaces at
    its ends alone; None: there is none, or there are several."""
    names = list(dict.fromkeys(known))
    if word in names:
        return word
    same = [name for name in names if name.casefold() == word.strip().casefold()]
    return same[0] if len(same) == 1 else None


def with_part(word: str, known: Iterable[str]) -> str | None:
    """The only known name with ``word`` in it, in any capitals; None: there is none, there are several, or the word is
    too short to say."""
    low = word.strip().casefold()
    found = [name for name in dict.fromkeys(known) if low in name.casefold()] if len(low) >= LEAST_PART else []
    return found[0] if len(found) == 1 else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The most similar known names as a question; all known names if none is similar."""
    names = sorted(known) if isinstance(known, Set) else list(dict.fromkeys(known))
    if near := nearest(word, names):
        *others, last = near
        return f"did you mean {', '.join(others)} or {last}?" if others else f"did you mean {last}?"
    if not names:
        return "there is none to choose from"
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return f"known are: {', '.join(names[:MOST_LISTED])}{more}"


def nearest(word: str, names: Sequence[str]) -> list[str]:
    """At most MOST_SUGGESTED names: those that begin with the word, as if it was not written to its end; else those
    with it as one of their words; else those that are spelled almost alike."""
    low = word.strip().casefold()[:LONGEST]
    if not low:
        return []
    exactly = [name for name in names if name.startswith(word)]
    begins = sorted(exactly or (name for name in names if name.casefold().startswith(low)), key=len)
    within = [name for name in names if f" {low} " in f" {name.casefold()} "]
    return (begins or within or _alike(low, names))[:MOST_SUGGESTED]


def _alike(low: str, names: Sequence[str]) -> list[str]:
    from difflib import SequenceMatcher  # here: most commands mistype nothing

    matcher = SequenceMatcher(b=low, autojunk=False)
    found = list[tuple[float, str]]()
    for name in names:
        matcher.set_seq1(name.casefold())
        if matcher.quick_ratio() >= _ALIKE:
            swapped = sorted(name.casefold()) == sorted(low)
            found.append((max(matcher.ratio(), _SWAPPED if swapped else 0.0), name))
    best = max((ratio for ratio, _ in found), default=0.0)
    near = [one for one in found if one[0] >= max(_ALIKE, best - _AS_NEAR)]
    return [name for _, name in sorted(near, key=lambda one: -one[0])]
