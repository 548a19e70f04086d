"""What a call says, in words: by an ERC-7730 descriptor of its target, else by our own ABIs; never more than is known.

A call is *known* when its target is: a contract of chains/*.toml, or one that a descriptor names. The function's
selector alone proves nothing, for anybody can write a contract that answers to it: then the arguments are shown as what
they would be. Tokens are those of chains/*.toml; another one's amount is shown in its base units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from yieldbot.execution import erc7730
from yieldbot.execution.calldata import AMOUNTS, BY_DEADLINE, UNBOUNDED, AbiFunction, addresses_in
from yieldbot.execution.clear_v4 import spelled_out
from yieldbot.execution.erc7730 import Descriptor, Format, Node, Shown
from yieldbot.execution.permit2 import NAME as PERMIT2
from yieldbot.execution.swaps import GIVEN, LEAST, unpacked
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import evm_number
from yieldbot.model.policy import ChainSettings

MOST_NESTED = 4


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it would be made. ``sender`` None: not told."""

    to: str
    data: bytes
    value: int = 0
    sender: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a call says. known: whether the target is; source: whose word it is (a descriptor's file, or abis/).

    fault: why nothing more can be said. nested: calls within this one's bytes.
    """

    known: bool
    contract: str | None
    function: str | None
    source: str | None
    intent: str
    fields: tuple[Shown, ...]
    fault: str | None = None
    nested: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True)
class Book:
    """The names of one chain: contracts by lower-case address, tokens likewise."""

    chain: int
    native: Token
    names: Mapping[str, str]
    tokens: Mapping[str, Token]

    @classmethod
    def of(cls, settings: ChainSettings, native: Token) -> Book:
        """The names in a chain's file."""
        names = {settings.multicall3.lower(): "Multicall3"}
        for deployment in (*settings.deployments, *settings.exchanges):
            if permit2 := deployment.params.get("permit2"):
                names.setdefault(permit2.lower(), PERMIT2)
            for address in addresses_in(deployment.params):
                names.setdefault(address.lower(), deployment.name)
        tokens = {token.address.lower(): token for token in settings.tokens.values()}
        names |= {address: token.symbol for address, token in tokens.items()}
        return cls(evm_number(settings.chain), native, names, tokens)

    def named(self, address: str) -> str:
        """The address, with its name where it has one."""
        from eth_utils.address import is_hex_address, to_checksum_address

        shown = str(to_checksum_address(address)) if is_hex_address(address) else address
        name = self.names.get(address.lower())
        return f"{shown} ({name})" if name else shown


def read(
    call: Call,
    book: Book,
    abi: Mapping[bytes, tuple[AbiFunction, ...]],
    known: Sequence[Descriptor] = (),
    depth: int = 0,
) -> Reading:
    """What a call says. Never raises for what the bytes are."""
    here = (book.chain, call.to.lower())
    if not call.data:
        said = f"send {Amount(book.native, call.value)} to {book.named(call.to)}, without a call"
        return Reading(True, book.names.get(call.to.lower()), None, None, said, ())
    for descriptor in known:
        if here in descriptor.deployments:
            rule = descriptor.formats.get(call.data[:4])
            if rule is None:
                continue
            values = decoded(rule.function, call.data)
            if values is None:
                fault = f"the bytes are not an exact call of {rule.function.signature}"
                return Reading(True, descriptor.name, rule.function.signature, descriptor.file, "", (), fault)
            return _described(call, book, abi, known, descriptor, rule, values, depth)
    name = book.names.get(call.to.lower())
    exact = [(f, v) for f in abi.get(call.data[:4], ()) if (v := decoded(f, call.data)) is not None]
    if not exact:
        selector = "0x" + call.data[:4].hex()
        fault = (
            f"the bytes are not an exact call of {abi[call.data[:4]][0].signature}"
            if call.data[:4] in abi
            else f"nothing that is known here describes the function {selector}"
        )
        return Reading(name is not None, name, None, None, "", (), fault)
    function, values = exact[0]
    root = erc7730.tree(function.inputs, values)
    nested: tuple[Reading, ...] = ()
    if function.signature == BY_DEADLINE and depth < MOST_NESTED:  # a router calls itself, for who called it
        calls = [node.value for _, node in erc7730.leaves(root) if node.type == "bytes"]
        nested = tuple(read(replace(call, data=data, value=0), book, abi, known, depth + 1) for data in calls)
    tokens = _tokens(book, call.to, root)
    fields = tuple(
        Shown(path, erc7730.clean(_by_name(book, tokens, path, node)), (path,))
        for path, node in erc7730.leaves(root)
        if not (nested and node.type == "bytes")
    )
    fields = spelled_out(book.tokens, book.named, function.signature, values) or fields
    return Reading(name is not None, name, function.signature, "abis", function.name, fields, None, nested)


def decoded(function: AbiFunction, data: bytes) -> tuple[Any, ...] | None:
    """The arguments; None when the bytes are not exactly this function's encoding."""
    from eth_abi.abi import decode, encode
    from eth_abi.exceptions import DecodingError, EncodingError

    try:
        values = tuple(decode(function.types, data[4:]))
        return values if encode(function.types, values) == data[4:] else None
    except (DecodingError, EncodingError, OverflowError, ValueError):
        return None


def lines(reading: Reading, indent: str = "") -> Iterator[str]:
    """The reading as lines for a terminal."""
    where = reading.contract or "an unknown contract"
    if reading.fault is not None:
        yield f"{indent}{where}: {reading.fault}"
        return
    if reading.known:
        by = f" [{reading.source}]" if reading.source else ""
        yield f"{indent}{reading.intent}" + (f": {reading.function} of {where}{by}" if reading.function else "")
    else:
        yield f"{indent}UNKNOWN CONTRACT: what it does cannot be told. If it is {reading.function}, then:"
    inner = indent + "  "
    for field in reading.fields:
        yield f"{inner}{field.label}: {field.value}" + ("" if field.visible else "  (not shown by the descriptor)")
    for nested in reading.nested:
        yield from lines(nested, inner)


def _tokens(book: Book, to: str, root: Node) -> dict[str, Token | None]:
    """By an argument's lower-case name, the token that it is an amount of."""
    asset = erc7730.at(root, "asset")
    token = book.tokens.get(str(asset[0][1].value).lower() if asset else to.lower())
    way: list[str] = []
    for path, node in erc7730.leaves(root):
        name = path.rpartition(".")[2].lower()
        if name in ("tokenin", "tokenout") or "path.[" in path:
            way.append(str(node.value))
        elif name == "path" and isinstance(node.value, bytes):
            way += [str(step) for step in unpacked(node.value)]
    ends = [book.tokens.get(address.lower()) for address in way] or [None]
    meant = ((AMOUNTS, token), (GIVEN, ends[0]), (LEAST, ends[-1]))
    return {name: of for names, of in meant for name in names}


def _by_name(book: Book, tokens: Mapping[str, Token | None], path: str, node: Node) -> str:
    """An argument of a call that only our ABI describes: addresses with names, amounts where their token is known."""
    name = path.rpartition(".")[2].lower()
    if node.type == "address":
        return book.named(str(node.value))
    if node.type == "uint256" and node.value == UNBOUNDED:
        return "the greatest number there is (all, or without limit)"
    if node.type == "uint256" and (token := tokens.get(name if name not in AMOUNTS else path)) is not None:
        return str(Amount(token, node.value))
    if node.type == "uint256" and name == "deadline":
        return erc7730.date(node.value)
    if name == "path" and isinstance(node.value, bytes) and (way := unpacked(node.value)):
        return " > ".join(f"{step / 10_000:.2f} %" if isinstance(step, int) else book.named(step) for step in way)
    return erc7730.plain(node)


def _described(
    call: Call,
    book: Book,
    abi: Mapping[bytes, tuple[AbiFunction, ...]],
    known: Sequence[Descriptor],
    descriptor: Descriptor,
    rule: Format,
    values: Sequence[Any],
    depth: int,
) -> Reading:
    root = erc7730.tree(rule.function.inputs, values)
    scope = _Scope(call, book, descriptor, root)
    shown = [field for item in rule.fields for field in scope.fields(item, "")]
    covered = {path for field in shown for path in field.paths}
    missed = [  # what the descriptor does not speak of is shown as well
        Shown(path, book.named(str(node.value)) if node.type == "address" else erc7730.plain(node), (path,))
        for path, node in erc7730.leaves(root)
        if not any(path == one or path.startswith(f"{one}.") for one in covered)
    ]
    nested = tuple(
        read(Call(to, data, 0, call.to), book, abi, known, depth + 1)
        for field in shown
        for data, to in field.calls
        if to is not None and depth < MOST_NESTED
    )
    words = rule.intent or rule.function.name
    source = descriptor.file
    return Reading(True, descriptor.name, rule.function.signature, source, words, (*shown, *missed), None, nested)


@dataclass(frozen=True, slots=True)
class _Scope:
    """One call that a descriptor describes, with everything that its paths can point to."""

    call: Call
    book: Book
    descriptor: Descriptor
    root: Node

    def fields(self, item: Mapping[str, Any], prefix: str) -> Iterator[Shown]:
        """The fields of one entry; an entry with fields of its own is a group."""
        if isinstance(reference := item.get("$ref"), str):
            base = self._pointed(reference)
            item = {**(base if isinstance(base, Mapping) else {}), **item}
        path = str(item.get("path", ""))
        full = path if path.startswith(("@.", "$.", "#.")) or not prefix else f"{prefix}.{path}" if path else prefix
        if isinstance(group := item.get("fields"), list | tuple):
            for inner in group:
                yield from self.fields(inner, full)
            return
        label = erc7730.clean(str(item.get("label") or full or "value"))
        visible = item.get("visible") not in ("never", False)
        if not full:
            yield Shown(label, erc7730.clean(str(item.get("value", ""))), (), visible)
            return
        for place, node in self._at(full):
            for leaf_place, leaf in erc7730.leaves(node, place):
                value, calls = self._shown(leaf, str(item.get("format", "raw")), item.get("params") or {})
                yield Shown(label, erc7730.clean(value), (leaf_place,), visible, calls)

    def _at(self, path: str) -> list[tuple[str, Node]]:
        if path.startswith("@."):
            kept = {"to": ("address", self.call.to), "value": ("uint256", self.call.value)}
            if self.call.sender is not None:
                kept["from"] = ("address", self.call.sender)
            kept["chainId"] = ("uint256", self.book.chain)
            return [(path, Node(*kept[path[2:]]))] if path[2:] in kept else []
        if path.startswith("$."):
            value = self._pointed(path)
            return [(path, Node("constant", value))] if value is not None else []
        return erc7730.at(self.root, path)

    def _pointed(self, path: str) -> Any:
        """What a ``$.`` path of the descriptor's own document points to; None where there is nothing."""
        value: Any = self.descriptor.document
        for step in path.removeprefix("$.").split("."):
            if not isinstance(value, Mapping) or step not in value:
                return None
            value = value[step]
        return value

    def _shown(
        self, node: Node, kind: str, params: Mapping[str, Any]
    ) -> tuple[str, tuple[tuple[bytes, str | None], ...]]:
        value = node.value
        if kind == "calldata" and isinstance(value, bytes):
            return erc7730.plain(node), ((value, self._address(params, "callee")),)
        if node.type == "address" or kind == "addressName":
            return self.book.named(erc7730.plain(node)), ()
        if not isinstance(value, int) or isinstance(value, bool):
            return erc7730.plain(node), ()
        match kind:
            case "tokenAmount":
                return self._token_amount(value, params), ()
            case "amount":
                return str(Amount(self.book.native, value)), ()
            case "date" if params.get("encoding", "timestamp") == "timestamp":
                return erc7730.date(value), ()
            case "duration":
                return f"{value} s", ()
            case "enum":
                options = self._pointed(str(params.get("$ref", "")))
                name = options.get(str(value)) if isinstance(options, Mapping) else None
                return (f"{name} ({value})" if name else str(value)), ()
            case "unit":
                decimals, base = params.get("decimals", 0), str(params.get("base", ""))
                if isinstance(decimals, int) and 0 <= decimals <= 77:
                    return erc7730.unit(value, decimals, base, bool(params.get("prefix"))), ()
        return str(value), ()

    def _token_amount(self, raw: int, params: Mapping[str, Any]) -> str:
        if (threshold := self._number(params.get("threshold"))) is not None and raw >= threshold:
            return f"{params.get('message', 'Unlimited')} ({raw})"
        address = self._address(params, "token")
        if address is None:
            return f"{raw} base units of a token that is not said"
        natives = params.get("nativeCurrencyAddress", ())
        for one in natives if isinstance(natives, list) else (natives,):
            said = self._pointed(str(one)) if str(one).startswith("$.") else one
            if str(said).lower() == address.lower():
                return str(Amount(self.book.native, raw))
        token = self.book.tokens.get(address.lower())
        return str(Amount(token, raw)) if token else f"{raw} base units of {address}"

    def _address(self, params: Mapping[str, Any], name: str) -> str | None:
        """An address given as ``name`` or by ``namePath``; bytes of 20 are one, as in packed swap paths."""
        if isinstance(path := params.get(f"{name}Path"), str):
            found = self._at(path)
            if len(found) != 1:
                return None
            value = found[0][1].value
            if isinstance(value, bytes) and len(value) == 20:
                return "0x" + value.hex()
            return value if isinstance(value, str) and value.startswith("0x") and len(value) == 42 else None
        said = params.get(name)
        if isinstance(said, str) and said.startswith("$."):
            said = self._pointed(said)
        return said if isinstance(said, str) and said.startswith("0x") and len(said) == 42 else None

    def _number(self, said: Any) -> int | None:
        if isinstance(said, str) and said.startswith("$."):
            said = self._pointed(said)
        try:
            return int(said, 16) if isinstance(said, str) else int(said)
        except (TypeError, ValueError):
            return None
