"""Clear signing: what a call would do, in words for a person, from an ERC-7730 descriptor of its target, or else from
our own ABIs.

A call is *known* if its target is a contract in chains/*.toml, or one that a descriptor names. The selector proves
nothing, since anybody can write a contract with that function; arguments of an unknown contract are shown as what they
would mean. Amounts of tokens that chains/*.toml does not list are shown in base units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace

from yieldbot.chains.evm.execution import erc7730
from yieldbot.chains.evm.execution.abi_calls import UNBOUNDED, AbiFunction, addresses_in
from yieldbot.chains.evm.execution.calldata_rules import AMOUNTS
from yieldbot.chains.evm.execution.clear_bytes import decoded
from yieldbot.chains.evm.execution.clear_control import CONTROL, control_message, control_of
from yieldbot.chains.evm.execution.clear_grants import GRANTS, PLAIN, dangers, grants_of, in_words, plain_calls
from yieldbot.chains.evm.execution.clear_router import EXECUTE, routed
from yieldbot.chains.evm.execution.clear_v4 import v4_fields
from yieldbot.chains.evm.execution.erc7730 import DecodedValue, Descriptor, Mismatch, Scope, ShownField
from yieldbot.chains.evm.execution.permit2 import NAME as PERMIT2
from yieldbot.chains.evm.execution.swaps import GIVEN, LEAST, unpacked
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, evm_number
from yieldbot.model.settings import ChainSettings

MOST_NESTED = 4
"""How deep calls within calls are read."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call that might be made."""

    to: str
    """The contract."""
    data: bytes
    """Calldata, selector included."""
    value: int = 0
    """Wei sent along."""
    sender: str | None = None
    """Who makes it; None: unknown."""


@dataclass(frozen=True, slots=True)
class DecodedTx:
    """What a call, or a typed message, would do."""

    known: bool
    """Whether its target is known."""
    contract: str | None
    """The target's name; None: it has none."""
    function: str | None
    """The function's signature, or a typed message's primary type; None: unknown."""
    source: str | None
    """What the decoding rests on: a descriptor's file, ``abis``, or ``common`` for functions that many contracts
    have."""
    intent: str
    """What it does, in a few words."""
    fields: tuple[ShownField, ...]
    """Its arguments, as they are shown."""
    fault: str | None = None
    """Why it cannot be decoded further; None: it can."""
    nested: tuple[DecodedTx, ...] = ()
    """The decoded calls within its bytes."""
    warnings: tuple[str, ...] = ()
    """What a person should know in addition to the fields."""
    dangers: tuple[str, ...] = ()
    """What a person should not sign without checking it: an allowance without limit, control given to a stranger."""
    owner: str | None = None
    """The contract's owner, by the descriptor."""
    sentence: str = ""
    """The descriptor's own sentence (``interpolatedIntent``), filled in; empty where it has none."""
    typed: bool = False
    """True: it is a typed message to sign, not a call."""
    within: int = 0
    """How many calls its arguments contain, decoded or not."""

    @property
    def dangerous(self) -> bool:
        """Whether it, or a call within it, has a danger."""
        return bool(self.dangers) or any(one.dangerous for one in self.nested)

    def lines(self) -> Iterator[str]:
        """The decoded call as lines of text, for a terminal."""
        return lines(self)


@dataclass(frozen=True, slots=True)
class KnownNames:
    """The names that are known on one chain."""

    chain: int
    """The chain's number."""
    native: Token
    """The chain's coin."""
    names: Mapping[str, str]
    """Names of contracts and tokens by lower-case address."""
    tokens: Mapping[str, Token]
    """Tokens by lower-case address."""
    chains: Mapping[int, str] = field(default_factory=dict)
    """Names of chains by number."""

    @classmethod
    def of(cls, settings: ChainSettings, native: Token) -> KnownNames:
        """The names in a chain's settings. native: its coin."""
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
        """The address in checksum form, with its name where it has one."""
        from eth_utils.address import is_hex_address, to_checksum_address

        shown = str(to_checksum_address(address)) if is_hex_address(address) else address
        name = self.names.get(address.lower())
        return f"{shown} ({name})" if name else shown


def read(
    call: Call,
    book: KnownNames,
    abi: Mapping[bytes, tuple[AbiFunction, ...]],
    known: Sequence[Descriptor] = (),
    depth: int = 0,
) -> DecodedTx:
    """What a call would do. Never raises, whatever the bytes are. abi: our functions by selector; known: descriptors;
    depth: how many calls it is nested in."""
    if not call.data:
        intent = f"send {Amount(book.native, call.value)} to {book.named(call.to)}, without a call"
        return DecodedTx(True, book.names.get(call.to.lower()), None, None, intent, ())
    made = _by_descriptor(call, book, abi, known, depth)
    made = _by_abi(call, book, abi, known, depth) if made is None else made
    grants, moves, unread = routed(book, call.data)
    given = (*grants_of(call.to, call.data), *grants)
    handed = [control_message(book, one, call.sender) for one in (*control_of(book, call.to, call.data), *moves)]
    warnings = [*(f"allowance: {in_words(book, one)}" for one in given), *(note for note, _ in handed)]
    if call.value and not any("@.value" in one.paths for one in made.fields):
        warnings.append(f"sends {Amount(book.native, call.value)} along")
    found_dangers = [*dangers(book, given), *(danger for _, danger in handed if danger is not None), *unread]
    for known_by, what in ((GRANTS, "an allowance"), (CONTROL, "handing over control or money")):
        if call.data[:4] in known_by and decoded(known_by[call.data[:4]], call.data) is None:
            found_dangers.append(f"it looks like {what}, but its bytes cannot be read exactly")
    if depth == MOST_NESTED and (made.within or any(one.calls for one in made.fields)):
        found_dangers.append("calls are nested deeper than is read here")
    return replace(made, warnings=(*made.warnings, *warnings), dangers=tuple(found_dangers))


def _by_descriptor(
    call: Call, book: KnownNames, abi: Mapping[bytes, tuple[AbiFunction, ...]], known: Sequence[Descriptor], depth: int
) -> DecodedTx | None:
    here = (book.chain, call.to.lower())
    for descriptor in known:
        rule = descriptor.formats.get(call.data[:4]) if here in descriptor.deployments else None
        if rule is None or rule.function is None:
            continue
        names = (True, descriptor.name, rule.function.signature, descriptor.file)
        if (found := decoded(rule.function, call.data)) is None:
            fault = f"the bytes are not an exact call of {rule.function.signature}"
            return DecodedTx(*names, "", (), fault, owner=descriptor.owner)
        values, behind = found
        root = erc7730.tree(rule.function.inputs, values)
        container = {
            "to": DecodedValue("address", call.to),
            "value": DecodedValue("uint256", call.value),
            "chainId": DecodedValue("uint256", book.chain),
            "data": DecodedValue("bytes", call.data),
        }
        if call.sender is not None:
            container["from"] = DecodedValue("address", call.sender)
        scope = Scope(book, descriptor, root, container, own_token(descriptor, book, call.to))
        try:
            shown = scope.all(rule)
        except Mismatch as broken:
            return DecodedTx(*names, "", (), f"its descriptor does not fit it: {broken}", owner=descriptor.owner)
        intent, nested = rule.intent or rule.function.name, within(shown, book, abi, known, depth)
        held = plain_calls(rule.function, root, call.to)
        more = _read_all(call, held, rule.function, book, abi, known, depth)
        if nested and not any(one.dangerous for one in nested):  # bytes that a descriptor does not show are signed too
            more = tuple(one for one in more if one.dangerous)
        nested = (*nested, *more) if not any(one.dangerous for one in nested) else nested
        rest = (descriptor.owner, scope.sentence(rule, shown), False, len(held))
        return DecodedTx(*names, intent, tuple(shown), None, nested, tail(behind), (), *rest)
    return None


def own_token(descriptor: Descriptor, book: KnownNames, to: str) -> tuple[str, Token] | None:
    """(address in lower case, token) if a descriptor says that its contract is a token; else None."""
    metadata = descriptor.document.get("metadata")
    declared = metadata.get("token") if isinstance(metadata, Mapping) else None
    if not isinstance(declared, Mapping):
        return None
    ticker, decimals = declared.get("ticker"), declared.get("decimals")
    if isinstance(ticker, str) and isinstance(decimals, int) and 0 <= decimals <= 36:
        return to.lower(), Token(book.native.chain, Address(to), erc7730.clean(ticker[:40]), decimals)
    return None


def within(
    shown: Sequence[ShownField],
    book: KnownNames,
    abi: Mapping[bytes, tuple[AbiFunction, ...]],
    known: Sequence[Descriptor],
    depth: int,
) -> tuple[DecodedTx, ...]:
    """The decoded calls within a descriptor's fields, in order; calls without a known target are left out."""
    return tuple(
        read(Call(one.to, one.data, one.value, one.sender), book, abi, known, depth + 1)
        for part in shown
        for one in part.calls
        if one.to is not None and depth < MOST_NESTED
    )


def tail(behind: int) -> tuple[str, ...]:
    """The warning for ``behind`` bytes after the arguments; none for 0."""
    if not behind:
        return ()
    return (f"{behind} byte{'s' if behind > 1 else ''} behind the arguments, which the function does not read",)


def _by_abi(
    call: Call, book: KnownNames, abi: Mapping[bytes, tuple[AbiFunction, ...]], known: Sequence[Descriptor], depth: int
) -> DecodedTx:
    name = book.names.get(call.to.lower())
    candidates = list(abi.get(call.data[:4], ()))
    candidates += [common[call.data[:4]] for common in (PLAIN, GRANTS, CONTROL, EXECUTE) if call.data[:4] in common]
    exact = [(f, *v) for f in candidates if (v := decoded(f, call.data)) is not None]
    if not exact:
        fault = (
            f"the bytes are not an exact call of {candidates[0].signature}"
            if candidates
            else f"nothing that is known here describes the function 0x{call.data[:4].hex()}"
        )
        return DecodedTx(name is not None, name, None, None, "", (), fault)
    function, values, behind = min(exact, key=lambda one: one[2])
    root = erc7730.tree(function.inputs, values)
    held = plain_calls(function, root, call.to)
    nested = _read_all(call, held, function, book, abi, known, depth)
    tokens = _tokens(book, call.to, root)
    fields = tuple(
        ShownField(path, erc7730.clean(_by_name(book, tokens, path, node)), (path,))
        for path, node in erc7730.leaves(root)
        if not (nested and node.type == "bytes")
    )
    fields = v4_fields(book.tokens, book.named, function.signature, values) or fields
    if function.signature == "deposit()":
        fields = (ShownField("value", str(Amount(book.native, call.value)), ()),)
    source = "abis" if call.data[:4] in abi else "common"
    intent = function.name
    return DecodedTx(
        name is not None, name, function.signature, source, intent, fields, None, nested, tail(behind), within=len(held)
    )


def _read_all(
    call: Call,
    held: Sequence[tuple[bytes, str, int]],
    function: AbiFunction,
    book: KnownNames,
    abi: Mapping[bytes, tuple[AbiFunction, ...]],
    known: Sequence[Descriptor],
    depth: int,
) -> tuple[DecodedTx, ...]:
    """The decoded calls of a batch, each with its sender: a router's multicall calls the router on behalf of its
    caller; Multicall3 makes its calls itself; MultiSend's calls are made by the Safe that runs it."""
    if depth == MOST_NESTED:
        return ()
    sender = call.sender if function.name in ("multicall", "multiSend") else call.to
    return tuple(read(Call(to, data, value, sender), book, abi, known, depth + 1) for data, to, value in held)


def lines(reading: DecodedTx, indent: str = "") -> Iterator[str]:
    """The decoded call as lines for a terminal."""
    where = reading.contract or "an unknown contract"
    if reading.fault is not None:
        yield f"{indent}{where}: {reading.fault}"
        yield from (f"{indent}  note: {message}" for message in reading.warnings)
        yield from (f"{indent}  DANGER: {message}" for message in reading.dangers)
        return
    if reading.typed and reading.source is None:
        yield f"{indent}sign a message {reading.function} for {where}, which no descriptor describes; field by field:"
    elif reading.known:
        by = f" [{reading.source}]" if reading.source else ""
        yield f"{indent}{reading.intent}" + (f": {reading.function} of {where}{by}" if reading.function else "")
    else:
        yield f"{indent}UNKNOWN CONTRACT: what it does is unknown. If it is {reading.function}, then:"
    inner = indent + "  "
    if reading.sentence:
        yield f"{inner}in its owner's words: {reading.sentence}"
    for one in reading.fields:
        yield f"{inner}{one.label}: {one.value}" + ("" if one.visible else "  (not shown by the descriptor)")
    for message in reading.warnings:
        yield f"{inner}note: {message}"
    for message in reading.dangers:
        yield f"{inner}DANGER: {message}"
    for nested in reading.nested:
        yield from lines(nested, inner)


def _tokens(book: KnownNames, to: str, root: DecodedValue) -> dict[str, Token | None]:
    """By an argument's name in lower case, the token that it is an amount of; None: a token that is not listed."""
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
    amounts_of = ((AMOUNTS, token), (GIVEN, ends[0]), (LEAST, ends[-1]))
    return {name: of for names, of in amounts_of for name in names}


def _by_name(book: KnownNames, tokens: Mapping[str, Token | None], path: str, node: DecodedValue) -> str:
    """The value of an argument that only our ABI describes: an address with its name, an amount with its token."""
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
        return " > ".join(f"{step / 10_000:z.2f} %" if isinstance(step, int) else book.named(step) for step in way)
    return erc7730.plain(node)
