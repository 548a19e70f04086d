"""Clear signing: what a Solana transaction would do, in words for a person, from our layouts and those of common
programs. Pure.

An instruction is *known* if its program is in chains/*.toml (or one of Solana's own), its bytes are exactly as its
layout says, and the market that it names is listed. An amount is shown with a token only if the account that the
program takes it from is the payer's associated account of that token; else in base units. Addresses in lookup tables
cannot be resolved without a node, and are shown as such.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from yieldbot.chains.solana.execution.clear_call import SOLANAS, OwnCall, own_account, own_token, sol
from yieldbot.chains.solana.execution.clear_own import recognise
from yieldbot.chains.solana.execution.roles import SIZES
from yieldbot.math.whirlpool import LEAST_SQRT_X64, MOST_SQRT_X64
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address
from yieldbot.model.json_text import loads
from yieldbot.model.known import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from yieldbot.model.settings import ChainSettings
from yieldbot.resources import folder

PLACES = ("reserves", "banks", "pools")
"""Parameters of a deployment that list its markets' accounts."""
NO_LIMITS = (0, LEAST_SQRT_X64, MOST_SQRT_X64)
"""Price limits of a swap that never apply: none, and the prices of the outermost ticks."""


@dataclass(frozen=True, slots=True)
class KnownNames:
    """The names that are known on one cluster."""

    programs: Mapping[Address, str]
    """Names of programs by address."""
    markets: Mapping[Address, str]
    """Names of deployments by their markets' accounts."""
    tokens: Mapping[Address, Token]
    """Tokens by mint."""
    layouts: Mapping[Address, Mapping[str, Any]]
    """Layout files (abis/*.json) by program."""

    @classmethod
    def of(cls, settings: ChainSettings) -> KnownNames:
        """The names in a cluster's settings."""
        programs, layouts = dict(SOLANAS), {}
        markets: dict[Address, str] = {}
        for deployment in (*settings.deployments, *settings.exchanges):
            program = deployment.params.get("program")
            if program is None:
                continue
            programs.setdefault(Address(program), deployment.protocol)
            layouts[Address(program)] = loads((folder("abis") / f"{deployment.protocol}.json").read_text())
            markets |= {place: deployment.name for place in _places(deployment)}
        return cls(programs, markets, {t.address: t for t in settings.tokens.values()}, layouts)


@dataclass(frozen=True, slots=True)
class InstructionReading:
    """What one instruction would do."""

    program: Address
    """The program that is called."""
    known: bool
    """Whether program, bytes and market are all known."""
    contract: str | None
    """The program's name; None: it has none."""
    function: str | None
    """The instruction's name in its layout; None: unknown, or an instruction of one of Solana's own programs."""
    description: str
    """What it does; empty if unknown."""
    fields: tuple[tuple[str, str], ...] = ()
    """(label, value) of everything else that is shown."""
    fault: str | None = None
    """Why it cannot be decoded further; None: it can."""
    warnings: tuple[str, ...] = ()
    """What the payer should know."""
    dangers: tuple[str, ...] = ()
    """What a person should not sign without checking it: control, money or an allowance for a stranger, an allowance
    without limit, a signature that never expires."""


@dataclass(frozen=True, slots=True)
class DecodedTx:
    """What a transaction would do."""

    payer: Address
    """Who pays the fee."""
    signatures: int
    """How many must sign."""
    instructions: tuple[InstructionReading, ...]
    """What each instruction would do, in order."""
    tables: tuple[Address, ...] = ()
    """Lookup tables that it uses."""

    @property
    def dangerous(self) -> bool:
        """Whether any instruction has a danger."""
        return any(one.dangers for one in self.instructions)

    def lines(self) -> Iterator[str]:
        """The decoded transaction as lines of text, for a terminal."""
        return lines(self)


@dataclass(frozen=True, slots=True)
class _Call(OwnCall):
    book: KnownNames = field(repr=False)
    """The names of its cluster."""


def read(raw: bytes, book: KnownNames) -> DecodedTx | None:
    """What a transaction, given whole or only as its message, would do; None if the bytes are neither. Never raises,
    whatever the bytes are."""
    message = _message(raw)
    if message is None:
        return None
    keys: list[str] = [str(key) for key in message.account_keys]
    tables: list[Address] = []
    late: tuple[list[str], list[str]] = ([], [])
    for lookup in getattr(message, "address_table_lookups", ()):
        table = Address(str(lookup.account_key))
        tables.append(table)
        for into, indexes in zip(late, (lookup.writable_indexes, lookup.readonly_indexes), strict=True):
            into.extend(f"address {index} of lookup table {table}" for index in list(indexes))
    keys += [*late[0], *late[1]]
    if not keys:
        return None
    readings: list[InstructionReading] = []
    required = message.header.num_required_signatures
    for instruction in message.instructions:
        indexes = [instruction.program_id_index, *instruction.accounts]
        if any(index >= len(keys) for index in indexes):
            return None
        program, *accounts = (keys[index] for index in indexes)
        data, first = bytes(instruction.data), not readings
        names = (frozenset(keys[:required]), book.programs, book.markets, book.tokens)
        readings.append(
            _instruction(_Call(Address(keys[0]), Address(program), tuple(accounts), data, first, *names, book))
        )
    return DecodedTx(Address(keys[0]), required, tuple(readings), tuple(tables))


def lines(reading: DecodedTx) -> Iterator[str]:
    """The decoded transaction as lines for a terminal."""
    more = f", and {reading.signatures - 1} more must sign" if reading.signatures > 1 else ""
    yield f"paid by {reading.payer}{more}"
    for number, one in enumerate(reading.instructions, 1):
        where = one.contract or f"program {one.program}"
        if one.fault is not None:
            yield f"{number}. NOT KNOWN: {where}: {one.fault}"
        elif one.known:
            yield f"{number}. {one.description}" + (f" [{one.function} of {where}]" if one.function else "")
        else:
            yield f"{number}. NOT KNOWN: {where}: if it is {one.function}, then: {one.description}"
        for label, value in one.fields:
            yield f"     {label}: {value}"
        for warning in one.warnings:
            yield f"     !! {warning}"
        for danger in one.dangers:
            yield f"     DANGER: {danger}"


def _instruction(call: _Call) -> InstructionReading:
    name = call.book.programs.get(call.program)
    if call.program in call.book.layouts:
        return _ours(call, str(name))
    own = recognise(call)
    if own is not None and not own.more:
        return InstructionReading(
            call.program, True, name, None, own.description, warnings=own.warnings, dangers=own.dangers
        )
    fields = (("data", "0x" + call.data.hex()), *((f"account {i}", a) for i, a in enumerate(call.accounts, 1)))
    fault = "nothing that is known here describes this instruction"
    return InstructionReading(
        call.program, False, name, None, "", fields, fault, dangers=own.dangers if own is not None else ()
    )


def _ours(call: _Call, name: str) -> InstructionReading:
    """An instruction of a program in the chain's settings, by its layout."""
    kinds = call.book.layouts[call.program]["instructions"]
    for function, kind in kinds.items():
        tag = bytes.fromhex(kind["tag"])
        sizes = [SIZES[argument] for argument in kind["args"]]
        if not call.data.startswith(tag):
            continue
        names = [entry.partition(":")[0] for entry in kind["accounts"]]
        if len(call.data) != len(tag) + sum(sizes) or len(call.accounts) < len(names):
            return InstructionReading(
                call.program, False, name, function, "", (), f"the bytes are not an exact {function}"
            )
        accounts = dict(zip(names, call.accounts, strict=False))
        numbers, at = [], len(tag)
        for size in sizes:
            numbers.append(int.from_bytes(call.data[at : at + size], "little"))
            at += size
        place = accounts.get(kind.get("market", ""))
        listed = place is None or place in call.book.markets
        description = str(kind["says"]).format(
            market=call.book.markets.get(Address(place or ""), place),
            amount=_amount(call, kind.get("amount"), accounts, numbers),
            units=f"{numbers[0]:,}" if numbers else "",
            least=f"{numbers[-1]:,}" if numbers else "",
            swap=_swap(call, accounts, numbers) if function == "swap" else "",
        )
        if function == "lending_account_withdraw" and numbers[1:] == [1, 1]:
            description = f"withdraw everything from {call.book.markets.get(Address(place or ''), place)}"
        shown = tuple(
            (label, address) for label, address in accounts.items() if label in ("owner", *kind.get("mine", ()))
        )
        return InstructionReading(
            call.program, listed, name, function, description, shown, warnings=_strangers(call, kind, accounts)
        )
    return InstructionReading(
        call.program, False, name, None, "", (), f"0x{call.data[:8].hex()} is none of its instructions here"
    )


def _amount(call: _Call, source: str | None, accounts: Mapping[str, str], numbers: list[int]) -> str:
    """The first argument as an amount: of SOL, or of the token whose associated account of the payer is called
    ``source`` in the layout; else in base units."""
    if source is None or not numbers:
        return ""
    if source == "SOL":
        return sol(numbers[0])
    token = own_token(call, accounts.get(source, "")) if source in accounts else None
    return str(Amount(token, numbers[0])) if token else f"{numbers[0]:,} base units of an unknown token"


def _swap(call: _Call, accounts: Mapping[str, str], numbers: list[int]) -> str:
    """What a Whirlpool swap pays and receives. Its 4th argument: whether the amount is the input; the 5th: whether
    token A goes in."""
    raw, bound, limit, exact_in, a_to_b = numbers
    until = ", or a part of it, up to a price limit" if limit not in NO_LIMITS else ""
    sides = ("owner_a", "owner_b") if a_to_b else ("owner_b", "owner_a")
    given, wanted = (own_token(call, accounts[side]) for side in sides)

    def units(token: Token | None, raw: int) -> str:
        return str(Amount(token, raw)) if token else f"{raw:,} base units of an unknown token"

    if exact_in:
        return f"{units(given, raw)} for at least {units(wanted, bound)}{until}"
    return f"at most {units(given, bound)} for {units(wanted, raw)}{until}"


def _strangers(call: _Call, kind: Mapping[str, Any], accounts: Mapping[str, str]) -> tuple[str, ...]:
    """A warning for each account that should be the payer's own but cannot be derived from the known mints."""
    found = []
    if (owner := accounts.get("owner", call.payer)) != call.payer:
        found.append(f"the owner, {owner}, is not who pays")
    mints = [m for name in ("liquidity_mint", "collateral_mint", "pool_mint") if (m := accounts.get(name))]
    mints += list(call.book.tokens)
    programs = (TOKEN_PROGRAM, TOKEN_2022_PROGRAM)
    for label in kind.get("mine", ()):
        account = accounts[label]
        own = [call.payer] if label == "receiver" else [own_account(call.payer, m, p) for m in mints for p in programs]
        if account not in own:
            found.append(f"{label}, {account}, is no account of the payer's own that could be derived here")
    return tuple(found)


def _places(deployment: Deployment) -> tuple[Address, ...]:
    return tuple(Address(place) for key in PLACES for place in deployment.params.get(key, ()))


def _message(raw: bytes) -> Any:
    """The message (legacy or version 0) in bytes that are either a message or a transaction; None for anything else.

    Some bytes of legacy messages also parse as transactions, with keys taken for signatures. A transaction must have as
    many signatures as its message demands. Bytes that are both are refused, because parsers differ in which of the two
    they see.
    """
    from solders.message import from_bytes_versioned, to_bytes_versioned
    from solders.transaction import VersionedTransaction

    ways: tuple[tuple[Any, Any], ...] = (
        (VersionedTransaction.from_bytes, bytes),
        (from_bytes_versioned, lambda message: bytes(to_bytes_versioned(message))),
    )
    made = []
    for parse, back in ways:
        try:
            found = parse(raw)
            if back(found) != raw:  # bytes are left over: the parser did not read all of them
                continue
        except BaseException as unreadable:  # solders' own errors, and panics of its Rust code for some bytes
            if isinstance(unreadable, KeyboardInterrupt | SystemExit):
                raise
            continue
        message = getattr(found, "message", found)
        if found is message or len(found.signatures) == message.header.num_required_signatures:
            made.append(message)
    return made[0] if len(made) == 1 else None
