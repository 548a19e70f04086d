"""``yieldbot decode``: what a transaction says, without a node and without trust.

On EVM chains ``CALLDATA --to ADDRESS --chain ID``, or a message to sign (EIP-712) with ``--typed
FILE.json``; on Solana a whole transaction, or its message, in base64.
"""

from __future__ import annotations

import base64
import binascii
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.app import documents as docs
from yieldbot.chains.evm.execution.abi_calls import abi_functions
from yieldbot.chains.evm.execution.clear import Book
from yieldbot.chains.evm.execution.clear_code import authorizations, read_authorizations
from yieldbot.chains.evm.execution.clear_typed import chain_of, read_typed
from yieldbot.chains.evm.execution.erc7730 import descriptors
from yieldbot.chains.evm.execution.erc7730.files import json_of
from yieldbot.cli.flags import natural
from yieldbot.config.address import parse_address
from yieldbot.config.chain import load_chain
from yieldbot.config.load import chain_names, read_toml
from yieldbot.errors import ConfigError
from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address, evm_chain
from yieldbot.model.native import native_token
from yieldbot.model.text import one_line
from yieldbot.resources import folder

if TYPE_CHECKING:
    import argparse

    from yieldbot.chains.evm.execution.clear import Reading
    from yieldbot.chains.evm.execution.erc7730 import Descriptor
    from yieldbot.cli.main import Listed
    from yieldbot.cli.screen import Screen
    from yieldbot.model.policy import ChainSettings


DANGEROUS = 4
"""Exit code where an allowance is given, or control or money handed over, as nobody should without thinking."""
MOST_BYTES = 4_000_000


def register(listed: Listed) -> None:
    parser = listed.add_parser("decode")
    said = "0x…; on Solana a transaction or its message in base64; - for standard input"
    parser.add_argument("calldata", metavar="CALLDATA", nargs="?", help=said)
    typed = "a message to sign (EIP-712) instead of a call: a JSON file with types, primaryType, domain and message"
    parser.add_argument("--typed", metavar="FILE.json", help=f"{typed}; - for standard input")
    parser.add_argument("--to", metavar="ADDRESS", help="whom it calls (EVM chains)")
    parser.add_argument("--chain", metavar="ID", help="8453, eip155:8453, base or solana; of a message: its domain's")
    parser.add_argument("--from", dest="sender", metavar="ADDRESS", help="who calls")
    parser.add_argument("--value", type=natural, default=0, metavar="WEI", help="native value sent along")
    folder = "folder of ERC-7730 descriptors; default: `descriptors` of yieldbot.toml"
    parser.add_argument("--descriptors", type=Path, metavar="DIR", help=folder)
    parser.set_defaults(command="decode", handler=decode)


def decode(args: argparse.Namespace, context: Screen) -> int:
    from yieldbot.chains.evm.execution.clear import Call, lines, read

    if args.typed is not None:
        return _of_typed(args, context)
    if args.calldata is None or args.chain is None:
        raise ConfigError("name CALLDATA with --chain ID, or a message to sign with --typed FILE.json")
    settings = _chain(context, args.chain)
    if settings.svm is not None:
        return _of_solana(args, context, settings)
    if args.to is None:
        raise ConfigError("--to is missing: name the address that is called")
    for name, said in (("--to", args.to), ("--from", args.sender)):
        try:
            parse_address(said) if said is not None else None
        except ValueError as bad:
            raise ConfigError(f"{name}: {bad}") from None
    call = Call(args.to, _bytes(args.calldata), args.value, args.sender)
    reading = read(call, _book(context, settings), abi_functions(folder("abis")), _known(args, context))
    document = docs.document("decode", chain_id=settings.chain, to=args.to, value_wei=str(args.value), **_doc(reading))
    context.show(document, lambda: "\n".join(lines(reading)))
    return DANGEROUS if reading.dangerous else 0


def _of_typed(args: argparse.Namespace, context: Screen) -> int:
    from yieldbot.chains.evm.execution.clear import Book, lines

    given = (("CALLDATA", args.calldata), ("--to", args.to), ("--from", args.sender), ("--value", args.value))
    for flag, said in given:
        if said:
            raise ConfigError(f"{flag} means nothing with --typed: the message names all of it")
    message = _message(args.typed)
    codes = authorizations(message)
    number = chain_of(message) if not codes else codes[0].chain or None
    settings = _chain(context, args.chain) if args.chain is not None else None
    if settings is not None and number is not None and settings.chain != evm_chain(number):
        raise ConfigError(
            f"--chain {args.chain}: the message is for {evm_chain(number)}, by its domain; leave --chain out"
        )
    if settings is None and number is not None:
        listed = {name: (file, read_toml(file)) for name, file in chain_names(context.config).items()}
        for _, (file, table) in sorted(listed.items()):
            if table.get("chain") == evm_chain(number):
                settings = load_chain(file, table, {})
    if settings is not None:
        book = _book(context, settings)
    else:  # a chain that no file describes, or none at all: no names are known there
        of = evm_chain(number or 0)
        book = Book(number or 0, Token(of, Address("0x" + "00" * 20), "ETH", 18), {}, {})
    if codes:
        reading = read_authorizations(codes, book)
    else:
        reading = read_typed(message, book, abi_functions(folder("abis")), _known(args, context))
    chain = str(settings.chain) if settings is not None else str(evm_chain(number)) if number is not None else None
    context.show(docs.document("decode", chain_id=chain, **_doc(reading)), lambda: "\n".join(lines(reading)))
    return DANGEROUS if reading.dangerous else 0


def _message(said: str) -> Any:
    file = Path(said)
    try:
        if said != "-" and (not file.is_file() or file.stat().st_size > MOST_BYTES):
            raise ConfigError(
                f"{file} is no regular file of at most {MOST_BYTES:,} bytes: name the message's JSON file"
            )
        text = sys.stdin.read(MOST_BYTES) if said == "-" else file.read_text(encoding="utf-8")
        return json_of(text, once=True)
    except (OSError, ValueError, RecursionError) as bad:
        why = one_line(str(bad))
        raise ConfigError(f"--typed {said} is no JSON file ({why}): give the message as a wallet shows it") from None


def _known(args: argparse.Namespace, context: Screen) -> tuple[Descriptor, ...]:
    where = args.descriptors or described_in(context)
    return descriptors(where, context.complain) if where else ()


def _book(context: Screen, settings: ChainSettings) -> Book:
    """The names of a chain, and the names of the chains that files describe."""
    chains = {}
    for name, file in chain_names(context.config).items():
        family, _, number = str(read_toml(file).get("chain", "")).partition(":")
        if family == "eip155" and number.isdigit():
            chains[int(number)] = name
    return replace(Book.of(settings, native_token(settings)), chains=chains)


def _of_solana(args: argparse.Namespace, context: Screen, settings: ChainSettings) -> int:
    from yieldbot.chains.solana.execution.clear import SvmBook, lines, read

    for flag, given in (
        ("--to", args.to),
        ("--from", args.sender),
        ("--value", args.value),
        ("--descriptors", args.descriptors),
    ):
        if given:
            raise ConfigError(f"{flag} means nothing on Solana: the transaction names all of it")
    reading = read(_base64(args.calldata), SvmBook.of(settings))
    if reading is None:
        raise ConfigError("CALLDATA is no Solana transaction and no message of one: give all of its bytes, in base64")
    document = docs.document(
        "decode",
        chain_id=settings.chain,
        payer=reading.payer,
        signatures=reading.signatures,
        lookup_tables=list(reading.tables),
        instructions=[
            {
                "program": said.program,
                "known": said.known,
                "contract": said.contract,
                "function": said.function,
                "intent": said.words,
                "fault": said.fault,
                "warnings": list(said.warnings),
                "dangers": list(said.dangers),
                "fields": [{"label": label, "value": value} for label, value in said.fields],
            }
            for said in reading.instructions
        ],
    )
    context.show(document, lambda: "\n".join(lines(reading)))
    return DANGEROUS if reading.dangerous else 0


def _base64(said: str) -> bytes:
    text = (sys.stdin.read() if said == "-" else said).strip()
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError("CALLDATA is no base64: on Solana give a transaction, or its message, in base64") from None


def described_in(context: Screen) -> Path | None:
    """The folder of descriptors that yieldbot.toml names; None without that key, or without the file."""
    return context.settings.descriptors if context.config.is_file() else None


def _chain(context: Screen, said: str) -> ChainSettings:
    """A chain by its number, CAIP-2 id or name."""
    files = chain_names(context.config)
    tables = {name: read_toml(file) for name, file in files.items()}
    for name, file in files.items():
        if said in (name, tables[name].get("chain"), str(tables[name].get("chain", "")).partition(":")[2]):
            return load_chain(file, tables[name], {})
    raise ConfigError(f"--chain {said}: no file of chains/ describes it; known are: {', '.join(sorted(files))}")


def _bytes(said: str) -> bytes:
    text = (sys.stdin.read() if said == "-" else said).strip()
    try:
        if not text.startswith("0x"):
            raise ValueError
        return bytes.fromhex(text[2:])
    except ValueError:
        raise ConfigError("CALLDATA is no bytes: write 0x and an even count of hex digits, or - for stdin") from None


def _doc(reading: Reading) -> dict[str, Any]:
    return {
        "known": reading.known,
        "contract": reading.contract,
        "function": reading.function,
        "source": reading.source,
        "intent": reading.intent,
        "fault": reading.fault,
        "owner": reading.owner,
        "sentence": reading.sentence or None,
        "warnings": list(reading.warnings),
        "dangers": list(reading.dangers),
        "fields": [{"label": f.label, "value": f.value, "visible": f.visible} for f in reading.fields],
        "nested": [_doc(inner) for inner in reading.nested],
    }
