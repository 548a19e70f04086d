"""What a Solana transaction says, in words: by our own layouts and those of the programs that everybody uses. Pure.

An instruction is *known* when its program is one of ours in chains/*.toml (or one of Solana's own), its bytes are
exactly what the layout says, and the market that it names is listed. An amount is one of a token only where a token
account of the payer's own, derived from that token's mint, stands where the program takes it from; else it is said in
base units. Addresses that come from a lookup table cannot be known without a node, and are said as such.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from yieldbot.chains.solana.execution.account import SYSTEM, WRAPPED_SOL
from yieldbot.chains.solana.execution.build import ATA_PROGRAM, COMPUTE_BUDGET, associated
from yieldbot.chains.solana.execution.roles import SIZES
from yieldbot.math.whirlpool import LEAST_SQRT_X64, MOST_SQRT_X64
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address
from yieldbot.model.policy import ChainSettings
from yieldbot.resources import folder

TOKEN_PROGRAM = Address("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022_PROGRAM = Address("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
MEMO = Address("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
SOLANAS = {
    SYSTEM: "the system program",
    COMPUTE_BUDGET: "the compute budget",
    ATA_PROGRAM: "associated token accounts",
    TOKEN_PROGRAM: "SPL Token",
    TOKEN_2022_PROGRAM: "Token-2022",
    MEMO: "Memo",
}
PLACES = ("reserves", "banks", "pools")
LAMPORTS = 10**9
MOST = 2**64 - 1
NO_LIMITS = (0, LEAST_SQRT_X64, MOST_SQRT_X64)
"""Price limits of a swap that stop nothing: none, and the prices of the outermost ticks."""
RIGHTS = {0: "mint more of", 1: "freeze accounts of", 2: "own", 3: "close"}
"""SPL Token's kinds of authority, each over an account or a mint (spl-token instruction.rs, AuthorityType)."""


@dataclass(frozen=True, slots=True)
class SvmBook:
    """The names of one cluster: programs and markets by address, tokens by mint, layouts by program."""

    programs: Mapping[Address, str]
    markets: Mapping[Address, str]
    tokens: Mapping[Address, Token]
    layouts: Mapping[Address, Mapping[str, Any]]

    @classmethod
    def of(cls, settings: ChainSettings) -> SvmBook:
        """The names in a cluster's file."""
        programs, layouts = dict(SOLANAS), {}
        markets: dict[Address, str] = {}
        for deployment in (*settings.deployments, *settings.exchanges):
            program = deployment.params.get("program")
            if program is None:
                continue
            programs.setdefault(Address(program), deployment.protocol)
            layouts[Address(program)] = json.loads((folder("abis") / f"{deployment.protocol}.json").read_text())
            markets |= {place: deployment.name for place in _places(deployment)}
        return cls(programs, markets, {t.address: t for t in settings.tokens.values()}, layouts)


@dataclass(frozen=True, slots=True)
class Said:
    """One instruction. known: whether all of it is; words: what it does; fields: (label, value); fault: why no more can
    be said; warnings: what the payer should know."""

    program: Address
    known: bool
    contract: str | None
    function: str | None
    words: str
    fields: tuple[tuple[str, str], ...] = ()
    fault: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SvmReading:
    """A transaction: who pays, how many must sign, and what each instruction does."""

    payer: Address
    signatures: int
    instructions: tuple[Said, ...]
    tables: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class _Call:
    payer: Address
    program: Address
    accounts: tuple[str, ...]
    data: bytes
    book: SvmBook = field(repr=False)


def read(raw: bytes, book: SvmBook) -> SvmReading | None:
    """What a transaction's bytes, or its message's alone, say; None where they are neither. Never raises for them."""
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
    said = []
    for instruction in message.instructions:
        indexes = [instruction.program_id_index, *instruction.accounts]
        if any(index >= len(keys) for index in indexes):
            return None
        program, *accounts = (keys[index] for index in indexes)
        call = _Call(Address(keys[0]), Address(program), tuple(accounts), bytes(instruction.data), book)
        said.append(_said(call))
    return SvmReading(Address(keys[0]), message.header.num_required_signatures, tuple(said), tuple(tables))


def lines(reading: SvmReading) -> Iterator[str]:
    """The reading as lines for a terminal."""
    more = f", and {reading.signatures - 1} more must sign" if reading.signatures > 1 else ""
    yield f"paid by {reading.payer}{more}"
    for number, said in enumerate(reading.instructions, 1):
        where = said.contract or f"program {said.program}"
        if said.fault is not None:
            yield f"{number}. NOT KNOWN: {where}: {said.fault}"
        elif said.known:
            yield f"{number}. {said.words}" + (f" [{said.function} of {where}]" if said.function else "")
        else:
            yield f"{number}. NOT KNOWN: {where}: if it is {said.function}, then: {said.words}"
        for label, value in said.fields:
            yield f"     {label}: {value}"
        for warning in said.warnings:
            yield f"     !! {warning}"


def _said(call: _Call) -> Said:
    name = call.book.programs.get(call.program)
    if call.program in call.book.layouts:
        return _ours(call, str(name))
    own = _of_solana(call)
    if own is not None:
        return Said(call.program, True, name, None, own[0], warnings=own[1])
    fields = (("data", "0x" + call.data.hex()), *((f"account {i}", a) for i, a in enumerate(call.accounts, 1)))
    return Said(call.program, False, name, None, "", fields, "nothing that is known here describes this instruction")


def _ours(call: _Call, name: str) -> Said:
    """An instruction of a program of the chain's file, by its layout."""
    kinds = call.book.layouts[call.program]["instructions"]
    for function, kind in kinds.items():
        tag = bytes.fromhex(kind["tag"])
        sizes = [SIZES[argument] for argument in kind["args"]]
        if not call.data.startswith(tag):
            continue
        names = [entry.partition(":")[0] for entry in kind["accounts"]]
        if len(call.data) != len(tag) + sum(sizes) or len(call.accounts) < len(names):
            return Said(call.program, False, name, function, "", (), f"the bytes are not an exact {function}")
        accounts = dict(zip(names, call.accounts, strict=False))
        numbers, at = [], len(tag)
        for size in sizes:
            numbers.append(int.from_bytes(call.data[at : at + size], "little"))
            at += size
        place = accounts.get(kind.get("market", ""))
        listed = place is None or place in call.book.markets
        words = str(kind["says"]).format(
            market=call.book.markets.get(Address(place or ""), place),
            amount=_amount(call, kind.get("amount"), accounts, numbers),
            units=f"{numbers[0]:,}" if numbers else "",
            least=f"{numbers[-1]:,}" if numbers else "",
            swap=_swap(call, accounts, numbers) if function == "swap" else "",
        )
        if function == "lending_account_withdraw" and numbers[1:] == [1, 1]:
            words = f"withdraw everything from {call.book.markets.get(Address(place or ''), place)}"
        shown = tuple(
            (label, address) for label, address in accounts.items() if label in ("owner", *kind.get("mine", ()))
        )
        return Said(call.program, listed, name, function, words, shown, warnings=_strangers(call, kind, accounts))
    return Said(call.program, False, name, None, "", (), f"0x{call.data[:8].hex()} is none of its instructions here")


def _amount(call: _Call, source: str | None, accounts: Mapping[str, str], numbers: list[int]) -> str:
    """The first number as what the payer's own account, or SOL, says that it is."""
    if source is None or not numbers:
        return ""
    if source == "SOL":
        return _sol(numbers[0])
    token = _own(call, accounts.get(source, "")) if source in accounts else None
    return str(Amount(token, numbers[0])) if token else f"{numbers[0]:,} base units of a token that is not told"


def _swap(call: _Call, accounts: Mapping[str, str], numbers: list[int]) -> str:
    """What a swap of an exact input (4th number: 1) or output gives and gets; the 5th says whether A goes in."""
    raw, bound, limit, exact_in, a_to_b = numbers
    until = ", or a part of it, up to a price limit" if limit not in NO_LIMITS else ""
    sides = ("owner_a", "owner_b") if a_to_b else ("owner_b", "owner_a")
    given, wanted = (_own(call, accounts[side]) for side in sides)

    def units(token: Token | None, raw: int) -> str:
        return str(Amount(token, raw)) if token else f"{raw:,} base units of a token that is not told"

    if exact_in:
        return f"{units(given, raw)} for at least {units(wanted, bound)}{until}"
    return f"at most {units(given, bound)} for {units(wanted, raw)}{until}"


def _own(call: _Call, account: str) -> Token | None:
    """The listed token whose account of the payer's own this is."""
    for token in call.book.tokens.values():
        if account in [associated(call.payer, token.address, p) for p in (TOKEN_PROGRAM, TOKEN_2022_PROGRAM)]:
            return token
    return None


def _strangers(call: _Call, kind: Mapping[str, Any], accounts: Mapping[str, str]) -> tuple[str, ...]:
    """Which accounts that should be the payer's own are not, as far as that can be told from the mints there are."""
    found = []
    if (owner := accounts.get("owner", call.payer)) != call.payer:
        found.append(f"the owner, {owner}, is not who pays")
    mints = [m for name in ("liquidity_mint", "collateral_mint", "pool_mint") if (m := accounts.get(name))]
    mints += list(call.book.tokens)
    programs = (TOKEN_PROGRAM, TOKEN_2022_PROGRAM)
    for label in kind.get("mine", ()):
        account = accounts[label]
        own = [call.payer] if label == "receiver" else [_ata(call.payer, m, p) for m in mints for p in programs]
        if account not in own:
            found.append(f"{label}, {account}, is no account of the payer's own that could be derived here")
    return tuple(found)


def _ata(owner: Address, mint: str, program: Address) -> str:
    try:
        return associated(owner, Address(mint), program)
    except ValueError:  # an address of a lookup table
        return ""


def _of_solana(call: _Call) -> tuple[str, tuple[str, ...]] | None:
    """Words and warnings of an instruction of one of Solana's own programs; None for one that is not known here."""
    data, accounts = call.data, call.accounts
    match call.program:
        case p if p == COMPUTE_BUDGET and len(data) == 5 and data[0] == 2:
            return f"use at most {struct.unpack_from('<I', data, 1)[0]:,} compute units", ()
        case p if p == COMPUTE_BUDGET and len(data) == 9 and data[0] == 3:
            return f"bid {struct.unpack_from('<Q', data, 1)[0]:,} micro-lamports a compute unit", ()
        case p if p == SYSTEM and len(data) == 12 and data[:4] == b"\2\0\0\0" and len(accounts) >= 2:
            return (
                f"send {_sol(struct.unpack_from('<Q', data, 4)[0])} from {accounts[0]} to {_to(call, accounts[1])}",
                (),
            )
        case p if p == ATA_PROGRAM and data in (b"", b"\0", b"\1") and len(accounts) >= 4:
            token = call.book.tokens.get(Address(accounts[3]))
            return f"open {accounts[2]}'s account of {token.symbol if token else 'mint ' + accounts[3]}", ()
        case p if p in (TOKEN_PROGRAM, TOKEN_2022_PROGRAM):
            return _of_tokens(call)
        case p if p == MEMO:
            return f"note {data[:200].decode('utf-8', 'replace')!r}", ()
    return None


def _of_tokens(call: _Call) -> tuple[str, tuple[str, ...]] | None:
    data, accounts, book = call.data, call.accounts, call.book
    tag, size, count = data[0] if data else 255, len(data), len(accounts)
    raw = struct.unpack_from("<Q", data, 1)[0] if size >= 9 else 0

    def units(mint: str | None, account: str) -> str:
        token = book.tokens.get(Address(mint)) if mint else _own(call, account)
        if raw == MOST and tag in (4, 13):
            return f"any amount of {token.symbol if token else mint or 'a token that is not told'}"
        return str(Amount(token, raw)) if token else f"{raw:,} base units of {mint or 'a token that is not told'}"

    if tag == 3 and size == 9 and count >= 3:
        return f"send {units(None, accounts[0])} from {accounts[0]} to {_to(call, accounts[1])}", ()
    if tag == 12 and size == 10 and count >= 4:
        return f"send {units(accounts[1], accounts[0])} from {accounts[0]} to {_to(call, accounts[2])}", ()
    if tag == 4 and size == 9 and count >= 3:
        allowed = f"{accounts[1]} may take up to {units(None, accounts[0])} out of {accounts[0]}"
        return f"allow that {allowed}", (allowed,)
    if tag == 13 and size == 10 and count >= 4:
        allowed = f"{accounts[2]} may take up to {units(accounts[1], accounts[0])} out of {accounts[0]}"
        return f"allow that {allowed}", (allowed,)
    if tag == 5 and size == 1 and count >= 2:
        return f"take back what was allowed on {accounts[0]}", ()
    if tag == 6 and count >= 2 and ((size == 3 and data[2] == 0) or (size == 35 and data[2] == 1)):
        return _authority(call, data)
    if tag == 9 and size == 1 and count >= 3:
        return f"close {accounts[0]}; its SOL goes to {_to(call, accounts[1])}", ()
    if tag == 17 and size == 1 and count >= 1:
        return f"count the SOL that lies in {accounts[0]}", ()
    return None


def _authority(call: _Call, data: bytes) -> tuple[str, tuple[str, ...]] | None:
    """SPL Token's SetAuthority, whose new holder is a public key or nobody; Token-2022 has more kinds than these."""
    if (right := RIGHTS.get(data[1])) is None:
        return None
    place = call.accounts[0]
    if data[2] == 0:
        return f"nobody may {right} {place} any more" + (" but its owner" if data[1] == 3 else ""), ()
    new = _key(data[3:35])
    words = f"from now on {_to(call, new) if new != call.payer else 'the payer'} may {right} {place}"
    if new == call.payer:
        return words, ()
    gone = f"all that lies in {place} is {new}'s from then on" if data[1] == 2 else words
    return words, (gone,)


def _key(raw: bytes) -> str:
    from solders.pubkey import Pubkey

    return str(Pubkey(raw))


def _to(call: _Call, address: str) -> str:
    if address == call.payer:
        return "the payer"
    token = _own(call, address)
    return (
        f"the payer's own {'wrapped ' if token.address == WRAPPED_SOL else ''}{token.symbol} account"
        if token
        else address
    )


def _sol(lamports: int) -> str:
    whole, part = divmod(lamports, LAMPORTS)
    return f"{whole:,}{f'.{part:09d}'.rstrip('0') if part else ''} SOL"


def _places(deployment: Deployment) -> tuple[Address, ...]:
    return tuple(Address(place) for key in PLACES for place in deployment.params.get(key, ()))


def _message(raw: bytes) -> Any:
    """A message of either version, alone or in a transaction; None for what is neither."""
    from solders.message import from_bytes_versioned, to_bytes_versioned
    from solders.transaction import VersionedTransaction

    ways: tuple[tuple[Any, Any], ...] = (
        (VersionedTransaction.from_bytes, bytes),
        (from_bytes_versioned, lambda message: bytes(to_bytes_versioned(message))),
    )
    for parse, back in ways:
        try:
            found = parse(raw)
            if back(found) != raw:  # bytes left over: not the whole of what was given is what would be read
                continue
        except BaseException as unreadable:  # solders' own errors, and a panic of its Rust for some bytes
            if isinstance(unreadable, KeyboardInterrupt | SystemExit):
                raise
            continue
        return getattr(found, "message", found)
    return None
