"""The fields of one call or message as its descriptor shows them: paths, groups, conditions, formats, sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any, Protocol

from yieldbot.chains.evm.execution.erc7730.files import Descriptor, Format, merged
from yieldbot.chains.evm.execution.erc7730.values import (
    DecodedValue,
    address_of,
    as_number,
    at,
    leaves,
    number,
    places,
    plain,
)
from yieldbot.chains.evm.execution.erc7730.words import clean, date, duration, unit
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass

NATIVE = "0x" + "ee" * 20
"""Address that many applications use for the chain's coin."""
MOST_FIELDS = 5_000
"""A call with more values than this is not shown by its descriptor."""
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


class Names(Protocol):
    """The names that are known on one chain: ``clear.Book``."""

    @property
    def chain(self) -> int:
        """The chain's number."""

    @property
    def native(self) -> Token:
        """The chain's coin."""

    @property
    def names(self) -> Mapping[str, str]:
        """Names of contracts and tokens by lower-case address."""

    @property
    def tokens(self) -> Mapping[str, Token]:
        """Tokens by lower-case address."""

    @property
    def chains(self) -> Mapping[int, str]:
        """Names of chains by number."""

    def named(self, address: str) -> str:
        """The address with its name, where it has one."""


@dataclass(frozen=True, slots=True)
class Inner:
    """A call within another call's arguments."""

    data: bytes
    """The inner call's calldata."""
    to: str | None
    """The contract called; None where the descriptor does not name it, or it is on another chain."""
    value: int = 0
    """Wei sent with the inner call."""
    sender: str | None = None
    """The account that makes the inner call; None: unknown."""


@dataclass(frozen=True, slots=True)
class ShownField:
    """One field for a person."""

    label: str
    """What the value is."""
    value: str
    """The value in its format."""
    paths: tuple[str, ...]
    """Full paths of the argument values that it shows."""
    visible: bool = True
    """Whether the descriptor itself would show it."""
    calls: tuple[Inner, ...] = ()
    """Calls within its value."""
    described: bool = True
    """False: no field of the descriptor is about this value."""


class Mismatch(Exception):
    """The values break a rule of the descriptor (such as ``mustMatch``), so it must not be used for them."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One call or message that a descriptor describes, with everything that its paths can refer to."""

    names: Names
    """The names of its chain."""
    descriptor: Descriptor
    """Its descriptor."""
    root: DecodedValue
    """The decoded arguments."""
    container: Mapping[str, DecodedValue]
    """What ``@.`` paths refer to: from, to, value, chainId, data."""
    own: tuple[str, Token] | None = None
    """(address in lower case, token) where the descriptor says that its contract is a token."""
    count: list[int] = field(default_factory=lambda: [0])
    """How many values were shown so far."""

    def all(self, rule: Format) -> list[ShownField]:
        """Every field of the descriptor, then every value that none of them shows. Raises Mismatch."""
        shown = [one for item in rule.fields for one in self.fields(item, "")]
        covered = {path for one in shown for path in one.paths}
        missed = (
            ShownField(clean(path), clean(self._bare(node)), (path,), described=False)
            for path, node in leaves(self.root)
            if not any(path == one or path.startswith(f"{one}.") for one in covered)
        )
        return [*shown, *missed]

    def fields(self, item: Mapping[str, Any], prefix: str) -> Iterator[ShownField]:
        """The fields of one entry of the descriptor; an entry with fields of its own is a group. prefix: the group's
        path. Raises Mismatch."""
        if isinstance(reference := item.get("$ref"), str):
            base = self.pointed(reference)
            item = merged(base, item) if isinstance(base, Mapping) else item
        path = str(item.get("path") or "")
        full = path if path.startswith(("@.", "$.", "#.")) or not prefix else f"{prefix}.{path}" if path else prefix
        if isinstance(group := item.get("fields"), list | tuple):
            yield from self._group(item, group, full)
            return
        label = clean(str(item.get("label") or full or "value"))
        params = item.get("params") if isinstance(item.get("params"), Mapping) else {}
        kind = str(item.get("format") or "raw")
        if not path:
            literal = self.constant(item.get("value"))
            found = [] if literal is None else [("", DecodedValue("constant", literal))]
        else:
            found = [pair for place, node in self.at(full) for pair in leaves(node, place)]
        for order, (place, node) in enumerate(found):
            self.count[0] += 1
            if self.count[0] > MOST_FIELDS:
                raise Mismatch(f"it has more than {MOST_FIELDS} values to show")
            near = _Near(prefix, place, order, len(found))
            visible = self._visible(item.get("visible"), node, label)
            calls: tuple[Inner, ...] = ()
            if isinstance(item.get("encryption"), Mapping):
                fallback = str(item["encryption"].get("fallbackLabel") or "[encrypted]")
                value = f"{fallback} {plain(node)}"
            else:
                value, calls = self.shown(node, kind, params or {}, near)
            if len(found) > 1 and isinstance(parting := item.get("separator"), str):
                label_of = f"{clean(parting.replace('{index}', str(order)))} {label}"
            else:
                label_of = label
            yield ShownField(label_of, clean(value), (place,) if place else (), visible, calls)

    def _group(self, item: Mapping[str, Any], group: Sequence[Any], full: str) -> Iterator[ShownField]:
        """A group's fields: element by element if its path leads through an array, or as its ``iteration`` says."""
        if full and item.get("iteration") != "sequential" and not full.startswith(("@.", "$.")):
            found = self.at(full)
            elements = [
                f"{place}.[{n}]" if isinstance(node.value, list) else place
                for place, node in found
                for n in range(len(node.value) if isinstance(node.value, list) else 1)
            ]
            if any(places(element) for element in elements):
                for element in elements:
                    for inner in group:
                        yield from self.fields(inner, element)
                return
        each = [list(self.fields(inner, full)) for inner in group]
        if item.get("iteration") == "bundled":
            if len({len(one) for one in each}) > 1:
                raise Mismatch("arrays that belong together have different lengths")
            yield from (one for bundle in zip(*each, strict=True) for one in bundle)
        else:
            yield from (one for part in each for one in part)

    def _visible(self, rule: Any, node: DecodedValue, label: str) -> bool:
        if isinstance(rule, Mapping):
            if isinstance(unless := rule.get("ifNotIn"), list):
                return not any(self._same(node, one) for one in unless)
            if isinstance(must := rule.get("mustMatch"), list):
                if not any(self._same(node, one) for one in must):
                    raise Mismatch(f"{label} is {plain(node)}, which its descriptor does not allow")
                return False
        return rule not in ("never", False)

    def _same(self, node: DecodedValue, expected: Any) -> bool:
        expected = self.constant(expected)
        mine, theirs = number(node), as_number(expected)
        if mine is not None and theirs is not None:
            return mine == theirs
        if isinstance(node.value, bool) or isinstance(expected, bool):
            return plain(node) == str(expected).lower()
        return plain(node).lower() == str(expected).lower()

    def at(self, path: str) -> list[tuple[str, DecodedValue]]:
        """(full path, value) of everything that a path refers to; empty if it refers to nothing."""
        if path.startswith("@."):
            name, _, rest = path[2:].partition(".")
            if name not in self.container:
                return []
            return [(path, node) for _, node in at(self.container[name], rest)]
        if path.startswith("$."):
            value = self.pointed(path)
            return [(path, DecodedValue("constant", value))] if value is not None else []
        return at(self.root, path)

    def pointed(self, path: str) -> Any:
        """What a ``$.`` path refers to in the descriptor's own document; None if it refers to nothing."""
        value: Any = self.descriptor.document
        for step in path.removeprefix("$.").split("."):
            if not isinstance(value, Mapping) or step not in value:
                return None
            value = value[step]
        return value

    def constant(self, value: Any) -> Any:
        """A literal itself, or the constant that a ``$.`` path refers to."""
        return self.pointed(value) if isinstance(value, str) and value.startswith("$.") else value

    def sentence(self, rule: Format, shown: Sequence[ShownField]) -> str:
        """The descriptor's sentence (``interpolatedIntent``) with the shown values; empty if it has none, or a value is
        missing."""
        text, failed = rule.sentence.replace("{{", "\0").replace("}}", "\1"), False

        def put(found: re.Match[str]) -> str:
            nonlocal failed
            path = found[1].strip()
            want = {place for place, _ in self.at(path)}
            parts = [one.value for one in shown if one.described and one.visible and want.intersection(one.paths)]
            failed = failed or not parts
            return " and ".join(parts)

        text = re.sub(r"\{([^{}]*)\}", put, text)
        return "" if failed else clean(text.replace("\0", "{").replace("\1", "}"))

    def _bare(self, node: DecodedValue) -> str:
        return self.names.named(str(node.value)) if node.type == "address" else plain(node)

    def shown(
        self, node: DecodedValue, kind: str, params: Mapping[str, Any], near: _Near
    ) -> tuple[str, tuple[Inner, ...]]:
        """(text, calls within it) of a value in the format ``kind``."""
        if kind == "calldata" and isinstance(node.value, bytes) and (node.value or params.get("selector")):
            return plain(node), (self._inner(node.value, params, near),)
        if kind in ("addressName", "tokenTicker") or (node.type == "address" and kind != "nftName"):
            return self._address_words(node, kind, params, near), ()
        if kind == "enum":
            options = self.pointed(str(params.get("$ref", "")))
            raw = number(node)
            keys = (plain(node), plain(node).title()) if raw is None else (str(raw), plain(node))
            name = (
                next((options[key] for key in keys if key in options), None) if isinstance(options, Mapping) else None
            )
            return (f"{name} ({plain(node)})" if name is not None else plain(node)), ()
        raw = number(node)
        if raw is None or (isinstance(node.value, bytes) and not node.part and kind in ("raw", "nftName")):
            return plain(node), ()
        match kind:
            case "tokenAmount":
                return self._token_amount(raw, params, near), ()
            case "amount":
                return str(Amount(self.names.native, raw)), ()
            case "date" if params.get("encoding", "timestamp") == "timestamp":
                return date(raw), ()
            case "date":
                return f"block {raw}", ()
            case "duration":
                return duration(raw), ()
            case "chainId":
                name = self.names.chains.get(raw)
                return (f"{name} ({raw})" if name else str(raw)), ()
            case "nftName":
                collection = self.address(params, "collection", near)
                known = self.names.names.get(collection.lower()) if collection else None
                return (f"{known} #{raw}" if known else f"#{raw}" + (f" of {collection}" if collection else "")), ()
            case "unit":
                decimals, base = as_number(self.constant(params.get("decimals", 0))), self.constant(params.get("base"))
                if decimals is not None and 0 <= decimals <= 77:
                    return unit(raw, decimals, str(base or ""), bool(params.get("prefix"))), ()
        return plain(node), ()

    def _address_words(self, node: DecodedValue, kind: str, params: Mapping[str, Any], near: _Near) -> str:
        address = address_of(node)
        if address is None:
            return plain(node)
        if kind == "tokenTicker":
            token = self._token(address, params, near)
            return f"{token.symbol} ({self.names.named(address)})" if token else self.names.named(address)
        if any(one.lower() == address.lower() for one in self._addresses(params.get("senderAddress"))):
            sender = self.container.get("from")
            return "Sender" + (f" ({self.names.named(str(sender.value))})" if sender else "")
        return self.names.named(address)

    def _token(self, address: str, params: Mapping[str, Any], near: _Near) -> Token | None:
        chain = self._number(params, "chainId", near)
        if chain is not None and chain != self.names.chain:
            return None
        return self.names.tokens.get(address.lower())

    def _token_amount(self, raw: int, params: Mapping[str, Any], near: _Near) -> str:
        address = self.address(params, "token", near)
        natives = {NATIVE, *(one.lower() for one in self._addresses(params.get("nativeCurrencyAddress")))}
        token = None
        if address is not None:
            token = self.names.native if address.lower() in natives else self._token(address, params, near)
        threshold = as_number(self.constant(params.get("threshold")))
        if threshold is not None and raw >= threshold:
            message = str(self.constant(params.get("message")) or "Unlimited")
            of = token.symbol if token else f"of {address}" if address else "of an unnamed token"
            return f"{message} {of} ({raw})"
        if address is None:
            return f"{raw} base units of an unnamed token"
        if token is not None:
            return str(Amount(token, raw))
        text = f"{raw} base units of {address}"
        if self.own is not None and self.own[0] == address.lower():  # the descriptor says so itself
            text += f" (by its descriptor {Amount(self.own[1], raw)})"
        return text

    def _inner(self, data: bytes, params: Mapping[str, Any], near: _Near) -> Inner:
        selector = self.constant(params.get("selector"))
        if selector is None and isinstance(params.get("selectorPath"), str):
            found = self.near(params["selectorPath"], near)
            selector = plain(found) if found is not None else None
        if (
            isinstance(selector, str)
            and re.fullmatch(r"0x[0-9a-fA-F]{8}", selector)
            and data[:4].hex() != selector[2:].lower()
        ):
            data = bytes.fromhex(selector[2:]) + data
        chain = self._number(params, "chainId", near)
        to = self.address(params, "callee", near) if chain in (None, self.names.chain) else None
        sender = self.address(params, "spender", near)
        if sender is None and (held := self.container.get("to")) is not None:
            sender = str(held.value)
        return Inner(data, to, self._number(params, "amount", near) or 0, sender)

    def _addresses(self, value: Any) -> list[str]:
        value = self.constant(value)
        listed = value if isinstance(value, list) else [value]
        return [one for entry in listed if isinstance(one := self.constant(entry), str)]

    def near(self, path: str, near: _Near) -> DecodedValue | None:
        """The one value that a parameter's path refers to: relative to the field's group, else from the root; for an
        array, the element at the field's own index."""
        found = []
        if near.prefix and not path.startswith(("@.", "$.", "#.")):
            found = self.at(f"{near.prefix}.{path}")
        found = found or self.at(path)
        if len(found) == 1:
            return found[0][1]
        mine = places(near.place)
        if mine:
            fitting = [node for place, node in found if places(place)[: len(mine)] == mine[: len(places(place))]]
            if len(fitting) == 1:
                return fitting[0]
        return found[near.order][1] if found and len(found) == near.of else None

    def address(self, params: Mapping[str, Any], name: str, near: _Near) -> str | None:
        """The address in the parameter ``name``, or at the path in ``namePath``; None if neither gives one."""
        if isinstance(path := params.get(f"{name}Path"), str):
            found = self.near(path, near)
            return address_of(found) if found is not None else None
        literal = self.constant(params.get(name))
        return literal if isinstance(literal, str) and _ADDRESS.fullmatch(literal) else None

    def _number(self, params: Mapping[str, Any], name: str, near: _Near) -> int | None:
        if isinstance(path := params.get(f"{name}Path"), str):
            found = self.near(path, near)
            return number(found) if found is not None else None
        return as_number(self.constant(params.get(name)))


@dataclass(frozen=True, slots=True)
class _Near:
    """The place of a value in the decoded arguments."""

    prefix: str
    """The path of the value's group."""
    place: str
    """The value's full path."""
    order: int
    """The value's position among those of its field, from 0."""
    of: int
    """How many values its field has."""
