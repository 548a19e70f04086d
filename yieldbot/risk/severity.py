"""How grave a change of a market's contracts is: fixed for each function and event in ``severities.toml``, before
anybody puts it into words. Pure.

Facts raise it, and nothing lowers it. Where a language model words a change, this severity stands beside its words.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from yieldbot.model.controls import UNREADABLE, ControlEvent
from yieldbot.model.dataclass import dataclass
from yieldbot.model.keccak import keccak
from yieldbot.model.notices import Severity
from yieldbot.model.text import one_line

NOT_UNDERSTOOD = "not understood"


@dataclass(frozen=True, slots=True)
class Gravity:
    """How grave a change is, and why."""

    severity: Severity
    """How much it matters."""
    why: str
    """The reason, in one line."""
    understood: bool = True
    """Whether each function and event in it is in the table."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table."""

    name: str
    """What kind of change it is."""
    severity: Severity
    """How grave it is."""
    why: str
    """The reason."""
    source: str
    """Whose functions and events these are."""
    by_calls: bool = False
    """Whether the event only announces calls, whose own rows count."""


@dataclass(frozen=True, slots=True)
class Severities:
    """The whole table."""

    functions: Mapping[str, Row]
    """Rows by the first four bytes of calldata in hex; ``0x`` is a transfer of the native token alone."""
    events: Mapping[str, Row]
    """Rows by an event's name."""

    def of_call(self, selector: str) -> Gravity:
        """How grave a call is."""
        row = self.functions.get(selector.lower())
        if row is None:
            return Gravity(Severity.CRITICAL, f"{NOT_UNDERSTOOD}: {one_line(selector, 20) or 'no function'}", False)
        return Gravity(row.severity, f"{row.name}: {row.why}")

    def of(self, event: ControlEvent) -> Gravity:
        """How grave an event is: by its own row, or by the gravest of the calls that it announces."""
        row = self.events.get(event.what)
        if row is None or UNREADABLE in event.calls:
            return Gravity(Severity.CRITICAL, f"{NOT_UNDERSTOOD}: {one_line(event.what, 40)}", False)
        found = [self.of_call(one) for one in event.calls]
        if not row.by_calls:
            found.append(Gravity(row.severity, f"{row.name}: {row.why}"))
        elif not found:
            found.append(
                Gravity(Severity.CRITICAL, f"{NOT_UNDERSTOOD}: the calls of {event.what} are not known", False)
            )
        if event.weaker:
            found.append(Gravity(Severity.CRITICAL, event.weaker))
        return gravest(found)


def gravest(many: Iterable[Gravity]) -> Gravity:
    """The gravest of several; of equal ones what is not understood, then the first."""
    found = list(many)
    worst = max(found, key=lambda one: (one.severity.rank, not one.understood))
    return Gravity(worst.severity, worst.why, all(one.understood for one in found))


@cache
def severities() -> Severities:
    """The table that is shipped with yieldbot."""
    return read(Path(__file__).with_name("severities.toml").read_text(encoding="utf-8"))


def read(text: str) -> Severities:
    """Parse the text of a ``severities.toml``. Raises ValueError for one that says two things of a function or event,
    or lacks a reason or source."""
    functions, events = dict[str, Row](), dict[str, Row]()
    for entry in tomllib.loads(text)["row"]:
        row = Row(
            entry["name"], Severity(entry["severity"]), entry["why"], entry["source"], bool(entry.get("by_calls"))
        )
        if not row.why or not row.source:
            raise ValueError(f"{row.name}: say why, and whose these are")
        keys = [(functions, selector_of(one)) for one in entry.get("functions", ())]
        keys += [(events, str(one)) for one in entry.get("events", ())]
        for table, key in keys:
            if key in table:
                raise ValueError(f"{row.name}: {key} is in {table[key].name} too")
            table[key] = row
    return Severities(functions, events)


def selector_of(signature: str) -> str:
    """The first four bytes of calldata of a function, in hex; a word that is no signature stands for itself, and no
    word for a call without data."""
    if not signature:
        return "0x"
    if "(" not in signature:
        return signature
    return f"0x{keccak(signature.encode())[:4].hex()}"
