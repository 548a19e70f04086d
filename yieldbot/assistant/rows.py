"""What rows of documents are of: the market, the day, the horizon, the aspect and the event that a row names. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from yieldbot.assistant.figures import plain

HIDDEN = frozenset(("raw", "hash", "digest", "calldata", "data", "schema", "hex"))
"""Fields whose numbers nobody means: base units, hashes."""
HORIZONS = ("horizon_days", "days")
"""Fields that say over how many days a row of a list is."""
MOST_DEPTH = 40
OF_MARKET = re.compile(r"(.{3,80}?) pays |(.{3,120}): (?=safety \d+ \([A-F]\))")
"""Texts of plans about one market, which they name first."""
NOBODYS = "idle/"
"""How the identifier of what is in no market begins."""
_MARKETS = ("market_id", "target", "market", "key", "id")
_EVENT_OF = re.compile(r"\b(?:into|from|allow) (\S+ .+?) (?:for|to) ")


def judges(row: Mapping[str, Any]) -> bool:
    """Whether a row judges one aspect of a market: its name is the aspect's."""
    return "score" in row and ("weight" in row or "evidence" in row)


def market_of(row: Mapping[str, Any]) -> str:
    """The identifier of the market that a row is of, in one form; empty: it has none."""
    for name in _MARKETS:
        value = row.get(name)
        if isinstance(value, str) and ("/" in value or "~" in value) and not value.startswith(NOBODYS):
            return value.replace("~", "/").lower()
    return ""


def name_of(row: Mapping[str, Any]) -> str:
    """The name that a row gives its market, in lower case; empty: it gives none."""
    own = "" if judges(row) else row.get("name") or row.get("market_name")
    if not own and "market_id" in row:
        own = row.get("market")
    if not own and isinstance(row.get("reason"), str):
        named = OF_MARKET.match(row["reason"])
        own = (named[1] or named[2]) if named is not None and "target" in row else ""
    return plain(own).lower() if isinstance(own, str) else ""


def named_in(event: str) -> str:
    """The market that the words of a transaction name, in lower case; empty: none."""
    found = _EVENT_OF.search(event)
    return plain(found[1]).lower() if found is not None else ""


def labels(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, str]]]:
    """The path of each row of each list, with what its numbers are of."""
    if depth > MOST_DEPTH:
        return
    if isinstance(value, Mapping):
        for name, part in value.items():
            if name not in HIDDEN:
                yield from labels(part, f"{path}.{name}" if path else str(name), depth + 1)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        key = next((one for one in HORIZONS if any(isinstance(row, Mapping) and one in row for row in value)), "")
        several = len({row.get(key) for row in value if isinstance(row, Mapping)}) > 1
        for index, row in enumerate(value):
            if isinstance(row, Mapping):
                found = dict[str, str]()
                if isinstance(row.get("day"), str):
                    found["day"] = row["day"][:10]
                if several and isinstance(row.get(key), int):
                    found["horizon"] = str(row[key])
                aspect = row.get("aspect") or (row.get("name") if judges(row) else None)
                if isinstance(aspect, str):
                    found["aspect"] = plain(aspect).lower().replace("_", " ")
                event = row.get("words") or row.get("kind")
                if isinstance(event, str):
                    found["event"] = plain(event).lower()
                yield f"{path}[{index}]", found
            yield from labels(row, f"{path}[{index}]", depth + 1)
