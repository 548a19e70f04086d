"""Documents as a model is sent them: each row with an identifier, each figure with its unit; and what a citation such
as ``S3r2.earned`` stands for. Pure.

Names of rows say what a figure is of. Texts that strangers wrote cannot be cited, except where a row is called so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from decimal import Decimal
from typing import Any

from yieldbot.assistant.labels import WORDS, label, word
from yieldbot.assistant.links import without_links
from yieldbot.assistant.pages import pieces
from yieldbot.assistant.units import shown, value_of
from yieldbot.assistant.wording import Kind, Value, name, quoted
from yieldbot.model.dataclass import dataclass

ID = "@"
"""The field that holds a row's identifier."""
FOREIGN = frozenset(("message", "memo", "title", "description", "label", "curator", "symbol"))
"""Fields whose text strangers may have written: they are sent, and cannot be cited."""
HIDDEN = frozenset(("raw", "schema"))
"""Fields that are not sent: base units, names of forms."""
SUPPOSING = ("what_if", "rehearse", "quote")
"""Tools whose figures are of what was supposed and is not so."""
MOST_DEPTH = 40
MOST_LISTED = 12
_MARKETS = ("market_id", "target", "market", "key", "id")
_PLAN = re.compile(r"[0-9a-f]{12,64}|id-[a-z]+")
_TOOL = re.compile(r"[a-z]+(?:_[a-z]+)+|quote|rehearse|decode|search")
_SWAP = re.compile(r'\{"given": "([^"]*)", "wanted": "([^"]*)", "amount": "([\d.]+)"')
_BACK = re.compile(
    r"…|\W*(?:(?:beyond|without|with|after|before|in|of|for|by) )?(?:such|its?|they|them|their|this|these|that|those"
    r"|then|there|so|both|neither|either|others?|otherwise|also|but|and|or|here)\b",
    re.IGNORECASE,
)
"""How pieces of a page begin that may point back to the one before."""
_CITE = re.compile(r"(S\d+(?:r\d+)?)((?:\.[A-Za-z0-9_]+)*)")


class NoSuch(Exception):
    """A citation that names nothing, with why in words for the model."""


@dataclass(slots=True)
class Row:
    """A mapping that can be cited."""

    id: str
    """Its identifier, as S3r2."""
    source: str
    """Its source, as S3."""
    path: str
    """Where in the document, as items[1]."""
    value: Mapping[str, Any]
    """Its fields."""
    above: tuple[Mapping[str, Any], ...]
    """The mappings that it is in, the outermost first."""
    owners: tuple[tuple[str, str], ...]
    """What it and those are called: pairs of a kind (as ``name`` or ``plan``) and the text."""


@dataclass(frozen=True, slots=True)
class Cited:
    """What a citation stands for."""

    source: str
    """Its source, as S3."""
    path: str
    """Where in the document, as items[1].earned."""
    key: str
    """The field's name."""
    value: Value
    """The value."""
    owners: tuple[tuple[str, str], ...]
    """What it is of, the outermost first."""
    home: tuple[str, str, str] = ("", "", "")
    """The chain, the asset and the wallet that it is of, where they are known."""
    parts: tuple[Value, ...] = ()
    """The values of a list, in the place of ``value``."""


@dataclass(slots=True)
class Facts:
    """What can be cited in one conversation."""

    now: int = 0
    """Unix seconds."""
    rows: dict[str, Row] = field(default_factory=dict)
    """Rows by their identifiers."""
    tools: dict[str, str] = field(default_factory=dict)
    """The tool that gave a source, with its input, or what else the source is called."""
    called: dict[str, str] = field(default_factory=dict)
    """Names of markets by their identifiers."""
    homes: dict[str, set[tuple[str, str, str]]] = field(default_factory=dict)
    """Chains, assets and wallets of what is called so: names are not unique."""

    def add(self, source: str, document: Any, tool: str = "") -> Any:
        """Add a document; returns it as it is sent. tool: the tool with its input."""
        self.tools[source] = tool
        if isinstance(document, str):
            document = {"text": document}
        if not isinstance(document, Mapping):
            return document
        document = _in_pieces(document)
        self._learn(document, 0)
        owners = (("tool", tool),) if tool.partition(" ")[0] in SUPPOSING else ()
        return self._sent(source, document, "", "", (), owners, True)

    def know(self, called: Mapping[str, str]) -> None:
        """Add names of markets by their identifiers."""
        for market, own in called.items():
            self.called.setdefault(_same(market), own)

    def cited(self, text: str) -> Cited:
        """What ``S3r2.earned`` stands for. Raises NoSuch."""
        row, names = self._place(text)
        if not names:
            some = "text.1, one of its paragraphs" if "place" in row.value else _some_field(row.value)
            raise NoSuch(f"{text}: cite one of its fields, as {text}.{some}")
        value, holder, path = self._walked(row, names, text)
        key = names[-1] if not names[-1].isdigit() else names[-2]
        path = f"{row.path}.{path}".strip(".")
        if key in FOREIGN:
            raise NoSuch(f"{text}: a text that strangers wrote cannot be cited")
        above = (*row.above, row.value, *holder)
        if "place" in row.value and key == "text" and isinstance(row.value["text"], list):
            quote = _in_context(row.value["text"], int(names[-1]) - 1 if names[-1].isdigit() else None)
            return Cited(row.source, path, key, Value(Kind.PAGE, text=quote), row.owners)
        owners = row.owners
        for one in holder:
            owners = self._with(one, owners)
        cited = Cited(row.source, path, key, Value(Kind.NONE), owners, _home(above))
        if isinstance(value, list):
            if len(value) > MOST_LISTED:
                raise NoSuch(f"{text}: a long list; cite one of its rows, or count it")
            parts = tuple(self._called(one) or self._part(one, key, above, text) for one in value)
            return replace(cited, parts=parts, value=Value(Kind.NONE, text="" if parts else "none"))
        return replace(cited, value=self._part(value, key, above, text))

    def listed(self, text: str) -> tuple[str, str, list[Mapping[str, Any]], Row]:
        """The rows of a whole list such as ``S2.items``, their identifiers' beginning aside. Raises NoSuch."""
        row, names = self._place(text)
        value, _, path = self._walked(row, names, text) if names else (row.value.get("items"), (), "items")
        if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
            raise NoSuch(f"{text}: no list of rows that is there as a whole")
        total = row.value.get("total")
        if path == "items" and (row.value.get("next") or (isinstance(total, int) and total != len(value))):
            raise NoSuch(f"{text}: only a part of the list is there")
        return row.source, f"{row.path}.{path}".strip("."), value, row

    def row_of(self, value: Mapping[str, Any]) -> Row:
        """The row of a mapping."""
        return next(one for one in self.rows.values() if one.value is value)

    def _place(self, text: str) -> tuple[Row, list[str]]:
        found = _CITE.fullmatch(text)
        if found is None or found[1] not in self.rows:
            raise NoSuch(f"{text[:60]}: no source has such an identifier")
        return self.rows[found[1]], found[2].split(".")[1:]

    def _walked(self, row: Row, names: Sequence[str], text: str) -> tuple[Any, tuple[Mapping[str, Any], ...], str]:
        value: Any = row.value
        holder, path = list[Mapping[str, Any]](), ""
        for part in names:
            if isinstance(value, Mapping) and part in value and part not in HIDDEN:
                if value is not row.value:
                    holder.append(value)
                value, path = value[part], f"{path}.{part}".strip(".")
            elif isinstance(value, list) and part.isdigit() and 1 <= int(part) <= len(value):
                value, path = value[int(part) - 1], f"{path}[{int(part) - 1}]"
                if isinstance(value, Mapping):
                    raise NoSuch(f"{text}: that row's identifier is {self.row_of(value).id}")
            else:
                raise NoSuch(f"{text}: there is no {part}")
        return value, tuple(holder), path

    def _part(self, value: Any, key: str, above: Sequence[Mapping[str, Any]], text: str) -> Value:
        """One value of a field."""
        if isinstance(value, Mapping) and isinstance(value.get("text"), str) and "symbol" in value:
            return Value(Kind.NUMBER, Decimal(value["text"]), str(value["symbol"]))
        if isinstance(value, Mapping):
            raise NoSuch(f"{text}: cite one of its fields, as {text}.{_some_field(value)}")
        return value_of(value, key, above)

    def _called(self, value: Any) -> Value | None:
        """A row of a list by what it is called; None: it is no row, or has no name."""
        own = _ident(value, self.called) if isinstance(value, Mapping) else None
        kind = Kind.TEXT if own is not None and own[0] in ("words", "name") else Kind.CODE
        return None if own is None else Value(kind, text=own[1])

    def _with(self, value: Mapping[str, Any], owners: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        """The owners of what a mapping holds."""
        own = _ident(value, self.called)
        if own is not None and own not in owners:
            owners = (*owners, own)
        if isinstance(value.get("days"), int | float) and value.keys() & {"mean", "low"} and value.keys() & {"high"}:
            owners = (*owners, ("over", f"{value['days']:g}"))
        return owners

    def _learn(self, value: Any, depth: int) -> None:
        """Note the names of markets by their identifiers."""
        if depth > MOST_DEPTH:
            return
        if isinstance(value, Mapping):
            own = value.get("name") or value.get("market_name")
            if not own and "market_id" in value:
                own = value.get("market")
            if isinstance(own, str) and not _judges(value):
                for at in _MARKETS:
                    if isinstance(one := value.get(at), str) and one != own:
                        self.called.setdefault(_same(one), own)
            for part in value.values():
                self._learn(part, depth + 1)
        elif isinstance(value, list):
            for part in value:
                self._learn(part, depth + 1)

    def _sent(
        self,
        source: str,
        value: Any,
        path: str,
        key: str,
        above: tuple[Mapping[str, Any], ...],
        owners: tuple[tuple[str, str], ...],
        is_row: bool,
    ) -> Any:
        """A value as it is sent; rows are noted with their identifiers."""
        if len(above) > MOST_DEPTH:
            return None
        if isinstance(value, Mapping):
            if isinstance(value.get("text"), str) and "symbol" in value:
                return f"{value['text']} {value['symbol']}"
            found = dict[str, Any]()
            own = _ident(value, self.called)
            if own is not None:
                self.homes.setdefault(own[1], set()).add(_home((*above, value)))
            owners = self._with(value, owners)
            if is_row:
                number = sum(one.source == source for one in self.rows.values())
                found[ID] = source if not above else f"{source}r{number}"
                self.rows[found[ID]] = Row(found[ID], source, path, value, above, owners)
            for one, part in value.items():
                if one not in HIDDEN and one != ID:
                    where = f"{path}.{one}".strip(".")
                    found[one] = self._sent(source, part, where, one, (*above, value), owners, False)
            return found
        if isinstance(value, list):
            if value and all(isinstance(one, str) for one in value):
                return {str(at): one for at, one in enumerate(value, 1)}
            several = len(value) > 1
            return [
                self._sent(source, part, f"{path}[{at}]", key, above, _row_owner(part, owners, key, at, several), True)
                for at, part in enumerate(value)
            ]
        return shown(value, key, above)


def _home(above: Sequence[Mapping[str, Any]]) -> tuple[str, str, str]:
    """The chain, the asset and the wallet of the nearest mapping that says them."""
    chain, asset, wallet = (
        next((str(one[key]) for one in reversed(above) if isinstance(one.get(key), str)), "")
        for key in ("chain", "asset", "wallet")
    )
    return "" if ":" in chain else chain, asset, wallet


def _in_context(there: Sequence[str], at: int | None) -> str:
    """A piece of a page, with those before it that it points back to, and "…" where others stand before or behind it.
    at: None: all of it."""
    first, last = (0, len(there) - 1) if at is None else (at, at)
    while first and _BACK.match(there[first]) is not None:
        first -= 1
    return f"{'… ' if first else ''}{' '.join(there[first : last + 1])}{' …' if last < len(there) - 1 else ''}"


def _in_pieces(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document whose pages of ours have their text as a list of paragraphs and lines, each of which can be cited."""
    found = dict(document)
    if "place" in found and isinstance(found.get("text"), str):
        found["text"] = pieces(found["text"])
    for key in ("pages", "rows"):
        if isinstance(rows := found.get(key), list):
            found[key] = [_in_pieces(one) if isinstance(one, Mapping) else one for one in rows]
    return found


def owner(facts: Facts, cited: Cited, language: str) -> str:
    """What a figure is of, in words; where another thing is called so too, with what tells them apart."""
    found = [_owner(kind, text, language) for kind, text in cited.owners]
    for kind, text in cited.owners:
        homes = facts.homes.get(text, set()) if kind == "name" else set()
        for at, own in enumerate(cited.home):
            if own and len({one[at] for one in homes if one[at]}) > 1 and own not in found:
                found.append(own)
    return ", ".join(found)


def _owner(kind: str, text: str, language: str) -> str:
    match kind:
        case "plan" | "alarm":
            return word(kind, language).format(without_links(text))
        case "over":
            return word("over", language).format(f"{text} {word('day' if text == '1' else 'days', language)}")
        case "words":
            return quoted(without_links(text), language)
        case "name":
            return name(text, language)
        case "tool":
            return nouns(text, language) + narrowed(text)
        case "row":
            key, _, at = text.partition(" ")
            return f"{label(key, language)} {at}"
        case _:
            return without_links(text)


def narrowed(tool: str) -> str:
    """The input of a tool, which narrowed what it gave."""
    given = tool.partition(" ")[2].strip()
    if (swap := _SWAP.match(given)) is not None and tool.startswith("quote "):
        return f" ({swap[3]} {without_links(swap[1])} → {without_links(swap[2])})"
    found = re.findall(r'"(\w+)": ("[^"]*"|[\w.]+)', given)
    named = [f"{key}: {value.strip(chr(34))}" for key, value in found if key not in ("limit", "key", "plan_id")]
    return f" ({', '.join(named)})" if named else ""


def nouns(tool: str, language: str) -> str:
    """What rows of a tool's list are called; of a source of another kind its name."""
    head = tool.partition(" ")[0].strip(",")
    if _TOOL.fullmatch(head) is None:
        return tool
    noun = head.removeprefix("list_")
    return word(noun, language) if noun in WORDS else noun.replace("_", " ")


def _row_owner(
    part: Any, owners: tuple[tuple[str, str], ...], key: str, at: int, several: bool
) -> tuple[tuple[str, str], ...]:
    """The owners of a row that names itself in no way: its place in its list."""
    if not isinstance(part, Mapping) or not several or _ident(part, {}) is not None:
        return owners
    return (*owners, ("row", f"{key} {at + 1}"))


def _judges(row: Mapping[str, Any]) -> bool:
    return "score" in row and ("weight" in row or "evidence" in row)


def _same(market: str) -> str:
    return market.replace("~", "/").lower()


def _ident(row: Mapping[str, Any], called: Mapping[str, str]) -> tuple[str, str] | None:
    """What a mapping is called; None: it has no name of its own."""
    text = {one: value for one, value in row.items() if isinstance(value, str) and value}
    if isinstance(inner := row.get("market"), Mapping):
        return _ident(inner, called)
    if _judges(row) and "name" in text:
        return "aspect", text["name"].replace("_", " ")
    if "name" in text or "market_name" in text:
        return "name", text.get("name") or text["market_name"]
    if "code" in text:
        return "alarm", text["code"]
    if isinstance(row.get("horizon_days"), int | float) and "mean" in row:
        return "over", f"{row['horizon_days']:g}"
    if "gain_per_year" in row and "id" in text and _PLAN.fullmatch(text["id"]):
        return "plan", text["id"]
    if "words" in text and "at" in row:
        return "words", text["words"]
    if "day" in text:
        return "day", text["day"][:10]
    if "place" in text:
        return "place", text["place"]
    if "what" in text:
        return "what", text["what"]
    for at in ("market_id", "target", "market"):
        if at in text and text[at].startswith("idle/"):
            return "market", "IDLE"
        if at in text and ("/" in text[at] or "~" in text[at]):
            return ("name", called[_same(text[at])]) if _same(text[at]) in called else ("market", text[at])
    if "source" in text and "rate" in row:
        return "name", text["source"]
    return None


def _some_field(row: Mapping[str, Any]) -> str:
    return next((one for one, value in row.items() if isinstance(value, int | float)), next(iter(row), "total"))
