"""The numbers of what a model was given, each with its place: documents (JSON), pages and the user's own words. Pure.

Names of markets and tokens are text that strangers wrote: no number in them supports anything.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from yieldbot.assistant.figures import Figure, Kind, figures, plain
from yieldbot.assistant.pages import Place, blocks, sides
from yieldbot.assistant.rows import HIDDEN, MOST_DEPTH, OF_MARKET, labels, market_of, name_of, named_in

FOREIGN = frozenset(
    (
        *("name", "symbol", "label", "title", "protocol", "curator", "description", "message", "memo", "risks"),
        *("unread",),
    )
)
"""Fields whose text strangers may have written: its numbers support nothing, its words may be quoted."""
MIXED = frozenset(("words", "calls", "changes"))
"""Fields whose text begins with our amounts; names follow them behind a preposition."""
_PREPOSITION = re.compile(r"\s(?:into|from|in|to|of|at|on|with|through|by)\s")
_TIME = re.compile(
    r"^(?:at|as_of|now|timestamp|since|until|time|read|start|end|day|first|last|[a-z_]+_(?:at|time|until|since))$"
)
_RATE = re.compile(
    r"quoted|apy|apr|rate|yield|mean|share|fraction|utili|skill|coverage|change|low|high|weight|median|growth"
)
_BPS = re.compile(r"(?:^|_)(?:bps|bp)(?:_|$)")
_PERCENT = re.compile(r"(?:^|_)(?:percent|pct)(?:_|$)")
_SECONDS = re.compile(r"(?:^|_)seconds?(?:_|$)")
_DAYS, _HOURS = re.compile(r"(?:^|_)days?(?:_|$)"), re.compile(r"(?:^|_)hours?(?:_|$)")
_SAFETY = re.compile(r"safety|grade|score|short$|long$|letter")
_DEFAULT = re.compile(r"`([a-z]\w*)`[^`]{0,80}?(?<![\w.,])(\d+(?:\.\d+)?)\s+by default\b")
_ID = re.compile(r"(?=.*\d)(?=.*[a-z])[a-z0-9]{4,}")
MARKET = "(market) "
"""Stands before the identifier of a market whose name no document has given so far."""
PAGE = "(page)"
"""Stands for the name of a row in numbers of our documentation, which has examples: none is of a market."""
SPANS = ("days", "horizon_days", "limit")
"""Inputs of tools that say how much was asked for."""
VERBS = {
    "deposit": "deposit/einlage/einzahlung/dépôt/depósito",
    "withdraw": "withdraw/abhebung/auszahlung/retrait/retir",
    "allow": "approval/allow/freigabe/approbation/autoris/aprobaci",
}
"""What transactions do, and how words for it begin in sentences."""
SAID = {"queued": "wait", "legs": "step", "calls": "step"}
"""Values and lists for which sentences have another word."""
NOUNS = ("market", "position", "plan", "transaction", "signal")
"""What rows of documents are: words in the names of tools and in sentences."""


class Of(StrEnum):
    """What a number in a source is of, beside the kinds of figures."""

    NUMBER = "number"
    """An amount, a count, a fraction or anything else that its field names."""
    TIME = "time"
    """A moment in unix seconds."""
    TEXT = "text"
    """A number in a text, as it is written there."""
    COUNT = "count"
    """How many rows there are, or rows with one value."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A number of a source."""

    value: Decimal
    """The value."""
    of: Of
    """What it is of."""
    source: str
    """The source, as S1."""
    path: str
    """Where in it, as items[0].safety."""
    key: str = ""
    """The last field of the path."""
    symbol: str = ""
    """The token that it counts; empty: none is named."""
    owners: frozenset[str] = frozenset()
    """Names of the rows that it stands in."""
    says: str = ""
    """Of a count of some of the rows: a word that a sentence about them has; empty: any sentence may be."""
    figure: Figure | None = None
    """The number as it is written in a text; None: it comes from a field of its own."""
    day: str = ""
    """The day of the row that it stands in, as 2026-11-30; empty: the row has none."""
    horizon: str = ""
    """The horizon of the row that it stands in, in days; empty: the row has none, or its list has no other."""
    aspect: str = ""
    """The aspect of the row that it stands in, in lower case; empty: the row has none."""
    event: str = ""
    """The words of the transaction or step that it is of, in lower case, as "deposit 5 usdc into ..."; empty: none."""
    place: Place | None = None
    """Where it stands in a page of ours; None: it stands in none."""
    noun: str = ""
    """Of a count of a document's rows: what they are, as market, or else the tool that gave them; empty: neither is
    known."""

    @property
    def is_rate(self) -> bool:
        """Whether it may be said in percent as it is."""
        return (
            self.of is Of.NUMBER and not self.symbol and abs(self.value) <= 1000 and _RATE.search(self.key) is not None
        )

    def seconds(self) -> Decimal | None:
        """The length of time that it is; None: it is none."""
        for pattern, scale in ((_SECONDS, 1), (_DAYS, 86_400), (_HOURS, 3600)):
            if pattern.search(self.key) is not None:
                return self.value * scale
        return None

    @property
    def fraction(self) -> Decimal | None:
        """The fraction that it is; None: it is none."""
        if self.of is Of.NUMBER and _BPS.search(self.key) is not None:
            return self.value / 10_000
        if self.of is Of.NUMBER and _PERCENT.search(self.key) is not None:
            return self.value / 100
        return self.value if self.is_rate else None

    @property
    def is_grade(self) -> bool:
        """Whether it is a safety grade."""
        return _SAFETY.search(self.key) is not None


@dataclass(slots=True)
class Sources:
    """Everything that a model was given, by the number of the source."""

    leaves: list[Leaf] = field(default_factory=list)
    """All numbers."""
    said: set[str] = field(default_factory=set)
    """Words of sentences about some of the rows."""
    keys: set[str] = field(default_factory=set)
    """Names of fields that hold numbers."""
    now: int = 0
    """The present time in unix seconds, for words such as "two hours ago"; 0: not known."""
    names: set[str] = field(default_factory=set)
    """Texts of foreign fields, in lower case: an answer may quote them."""
    rows: set[str] = field(default_factory=set)
    """Names of rows, in lower case."""
    ids: set[str] = field(default_factory=set)
    """Those of them that are identifiers, as plans have, and no names."""
    aspects: set[str] = field(default_factory=set)
    """What rows judge, as liquidity."""
    horizons: set[str] = field(default_factory=set)
    """Horizons of rows, in days."""
    words: set[str] = field(default_factory=set)
    """Words that hold digits, in lower case."""
    called: dict[str, str] = field(default_factory=dict)
    """Names of markets, in lower case, by their identifiers."""
    events: set[str] = field(default_factory=set)
    """Names of markets in the words of transactions, in lower case."""

    def add_document(
        self, source: str, document: Any, given: Mapping[str, Any] = MappingProxyType({}), of: str = ""
    ) -> None:
        """Add a document as JSON values.

        given: the input that a model chose for it: numbers that the document merely repeats support nothing, unless a
        source had them before; lengths of time and counts of rows do. of: the tool that gave it, whose name says what
        its rows are.
        """
        before = {leaf.value for leaf in self.leaves}
        chosen = {one for name, value in given.items() if name not in SPANS for one in _values(value)} - before
        known = len(self.leaves)
        self._walk(source, document, "", "", "", frozenset(), 0)
        noun = next((one for one in NOUNS if one in of), of)
        self.events |= {named_in(leaf.event) for leaf in self.leaves[known:] if leaf.event} - {""}
        self.leaves[known:] = list(self._labelled(self.leaves[known:], document, noun))
        self.leaves[known:] = [leaf for leaf in self.leaves[known:] if leaf.value not in chosen]
        self.leaves = [self._called(leaf) for leaf in self.leaves]
        for name, value in given.items():
            if name in SPANS and isinstance(value, int | float):
                self.leaves.append(Leaf(Decimal(str(value)), Of.NUMBER, source, f"input.{name}", name))

    def _called(self, leaf: Leaf) -> Leaf:
        """The number with the name of its market, if a document has it; a document of one market needs none."""
        if not any(one.startswith(MARKET) for one in leaf.owners):
            return leaf
        names = {self.called.get(one.removeprefix(MARKET), one) for one in leaf.owners}
        if "[" not in leaf.path:
            names = {one for one in names if not one.startswith(MARKET)}
        return replace(leaf, owners=frozenset(names)) if names != leaf.owners else leaf

    def _labelled(self, leaves: Sequence[Leaf], document: Any, noun: str) -> Iterator[Leaf]:
        """The numbers with the day, horizon and aspect of their rows; counts of rows with what these are."""
        rows = dict(labels(document))
        for leaf in leaves:
            at, found = leaf.path.rfind("]") + 1, dict[str, str]()
            while at > 0:
                for name, label in rows.get(leaf.path[:at], {}).items():
                    found.setdefault(name, label)
                at = leaf.path.rfind("]", 0, at - 1) + 1
            self.horizons |= {found["horizon"]} if "horizon" in found else set()
            self.aspects |= {found["aspect"]} if "aspect" in found else set()
            yield replace(
                leaf,
                day=found.get("day", ""),
                horizon=found.get("horizon", ""),
                aspect=found.get("aspect", ""),
                event=leaf.event or found.get("event", ""),
                noun=noun if (leaf.of is Of.COUNT and "[" not in leaf.path) or leaf.path == "total" else "",
            )

    def add_text(self, source: str, text: str, path: str = "") -> None:
        """Add a text of ours or of the user."""
        for one in figures(text):
            if one.kind is Kind.WORD:
                self.words.add(one.word)
            else:
                self.leaves.append(Leaf(one.value, Of.TEXT, source, path, figure=one))
        self._defaults(source, text, path, frozenset())

    def _defaults(self, source: str, text: str, path: str, owners: frozenset[str]) -> None:
        """Numbers that a page gives as the default of a setting: its name says whether they are hours or a share."""
        for name, number in _DEFAULT.findall(plain(text)):
            self.leaves.append(Leaf(Decimal(number), Of.NUMBER, source, path, name, "", owners))

    def _walk(
        self, source: str, value: Any, path: str, key: str, symbol: str, owners: frozenset[str], depth: int
    ) -> None:
        if depth > MOST_DEPTH or value is None or isinstance(value, bool):
            return
        if isinstance(value, Mapping):
            own, market = name_of(value), market_of(value)
            if not own and _ID.fullmatch(str(value.get("id"))):
                own = plain(value["id"]).lower()  # a plan has no other name
                self.ids.add(own)
            elif own and market:
                self.called.setdefault(market, own)
            if own:
                owners = owners | {own}
                self.rows.add(own)
            elif market:
                owners = owners | {MARKET + market}
            if value.keys() == {"place", "text"}:
                owners = owners | {PAGE}
            money = value.get("symbol")
            money = money if isinstance(money, str) and "text" in value else symbol if key == "money" else ""
            base = value.get("base") if isinstance(value.get("base"), str) else ""
            for name, part in value.items():
                where = f"{path}.{name}" if path else str(name)
                if name in HIDDEN:
                    if isinstance(part, str):
                        self._keep_words(part)
                    continue
                unit = base if base and isinstance(part, str) else money
                self._walk(source, part, where, key if name == "text" and money else str(name), unit, owners, depth + 1)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            self._count(source, value, path, key, owners)
            for index, part in enumerate(value):
                self._walk(source, part, f"{path}[{index}]", key, "", owners, depth + 1)
        elif isinstance(value, str):
            self._text(source, value, path, key, symbol, owners)
        elif isinstance(value, int | float | Decimal):
            number = Decimal(str(value))
            if number.is_finite():
                of = Of.TIME if _is_time(key, number) else Of.NUMBER
                if of is Of.NUMBER:  # "since" behind a number is no name of what it counts
                    self.keys.add(key)
                self.leaves.append(Leaf(number, of, source, path, key, symbol, owners))

    def _text(self, source: str, text: str, path: str, key: str, symbol: str, owners: frozenset[str]) -> None:
        if symbol and re.fullmatch(r"-?\d+(?:\.\d+)?", text):
            self.leaves.append(Leaf(Decimal(text), Of.NUMBER, source, path, key, symbol, owners))
            return
        self._keep_words(text)
        named = OF_MARKET.match(text)
        if key in FOREIGN and not (key == "risks" and named is not None):
            self.names.add(plain(text).lower())
            return
        event = plain(text).lower() if key in MIXED else ""
        if event:
            text = _PREPOSITION.split(text, maxsplit=1)[0]
        elif named is not None:  # its numbers are that market's, and those of its name nobody's
            own = plain(named[1] or named[2]).lower()
            owners = owners | {own}
            self.rows.add(own)
            text = text[named.end(1 if named[1] else 2) :]
        if PAGE in owners:
            self._page(source, text, path, key, owners)
            return
        for one in figures(text):
            if one.kind is not Kind.WORD:
                self.leaves.append(Leaf(one.value, Of.TEXT, source, path, key, "", owners, figure=one, event=event))

    def _page(self, source: str, text: str, path: str, key: str, owners: frozenset[str]) -> None:
        """The numbers of a page of ours, each with its line, and its row and column in a table."""
        for block, place in blocks(text):
            at = 0
            for one in figures(block):
                if one.kind is Kind.WORD:
                    continue
                begin = block.find(one.text.strip(), at)
                end = begin + len(one.text.strip())
                if begin >= 0:
                    number = re.match(r"\D*[\d.,' ]*\d", block[begin:end])
                    behind = block[begin + (number.end() if number else 0) :]
                    there, at = replace(place, sides=sides(block[:begin], behind)), end
                else:
                    there = place
                self.leaves.append(Leaf(one.value, Of.TEXT, source, path, key, "", owners, figure=one, place=there))
        self._defaults(source, text, path, owners)

    def _keep_words(self, text: str) -> None:
        self.words |= {one.word for one in figures(text) if one.kind is Kind.WORD}
        if " " not in text:
            self.words.add(plain(text).lower())

    def _count(self, source: str, rows: Sequence[Any], path: str, key: str, owners: frozenset[str]) -> None:
        """How many rows there are, how many have each value of a field, and how many have something in a list."""
        counts = Counter[tuple[str, str]]({("", ""): len(rows)})
        for row in rows:
            if isinstance(row, str) and key in MIXED and (verb := row.split(" ")[0]) in VERBS:
                counts[f"begins with {verb}", VERBS[verb]] += 1
            if isinstance(row, Mapping):
                for name, value in row.items():
                    if name == "words" and isinstance(value, str) and (verb := value.split(" ")[0]) in VERBS:
                        counts[f"{name} begins with {verb}", VERBS[verb]] += 1
                    elif isinstance(value, str) and value:
                        counts[f"{name}={value}", f"{value}/{SAID[value]}" if value in SAID else value.lower()] += 1
                    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
                        counts[f"{name} is not empty", name.removesuffix("s")] += 1
                    elif isinstance(value, Mapping) and str(value.get("text", "0")).strip("0."):
                        counts[f"{name} is not zero", name] += 1
        if rows and all(isinstance(row, Mapping) and "day" in row for row in rows):
            self.leaves.append(Leaf(Decimal(len(rows)), Of.NUMBER, source, f"count({path})", "days", "", owners))
        for (what, says), number in counts.items():
            where = f"count({path}{' where ' + what if what else ''})"[:200]
            self.leaves.append(Leaf(Decimal(number), Of.COUNT, source, where, key, "", owners, says))
            if says and "[" not in path and says not in VERBS.values():
                self.said |= set(says.split("/"))


def _values(value: Any) -> set[Decimal]:
    """The numbers in the input of a tool."""
    if isinstance(value, list | tuple):
        return {number for part in value for number in _values(part)}
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return set()
    return {one.value for one in figures(str(value))}


def _is_time(key: str, value: Decimal) -> bool:
    return _TIME.match(key) is not None and 10**9 < value < 5 * 10**9
