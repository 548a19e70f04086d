"""``decode``: describes in words what a transaction or a message to sign does. No node is asked.

EVM chains: a call, or an EIP-712 message. Solana: a whole transaction, or its message.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from yieldbot.app.decode_documents import (
    CallDocument,
    DecodeDocument,
    InstructionField,
    MessageDocument,
    ReadCall,
    ReadField,
    ReadInstruction,
    TransactionDocument,
)
from yieldbot.chains import open as wings
from yieldbot.chains.decoding import Decoded, DecodedCall, DecodedTransaction, Known, ToDecode
from yieldbot.chains.evm.execution.erc7730.files import json_of
from yieldbot.config.chain import load_chain
from yieldbot.config.load import chain_names, read_toml
from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import ChainId
from yieldbot.model.spelling import did_you_mean, intended
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.model.settings import ChainSettings

DANGEROUS = 4
"""Exit code if something should not be signed without checking it: a dangerous allowance, or control or money given to
unknown addresses."""
MOST_BYTES = 4_000_000
"""The largest file of a message that is read."""
PIPED = "-"
"""Stands for standard input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeRequest:
    """A call, transaction or message to decode."""

    data: str | None = None
    """The call as 0x…; on Solana a transaction or its message in base64; ``-``: standard input."""
    typed: str | None = None
    """A message to sign instead: its JSON file, or ``-``."""
    piped: Callable[[int], str]
    """Reads at most this many characters of standard input; -1: all."""
    to: str | None = None
    """The contract that is called (EVM chains)."""
    chain: str | None = None
    """The chain's number, CAIP-2 identifier or name; None: the one that the message names."""
    sender: str | None = None
    """The caller (EVM chains)."""
    value: int = 0
    """Native value sent along, in wei (EVM chains)."""
    descriptors: Path | None = None
    """A folder of ERC-7730 descriptors; None: the configured one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeAnswer:
    """The call, transaction or message, decoded."""

    document: DecodeDocument
    """For ``--json``."""
    lines: tuple[str, ...]
    """The description as lines of text."""
    exit_code: int
    """DANGEROUS if any part of it is dangerous, else 0."""


def decode(request: DecodeRequest, context: Context) -> DecodeAnswer:
    """Describes what somebody would sign. Raises ConfigError for input that cannot be decoded."""
    if request.typed is not None:
        return _message(request, request.typed, context)
    data = request.data
    if data is None or request.chain is None:
        raise ConfigError("give CALLDATA with --chain ID, or a message to sign with --typed FILE.json")
    chain = _chain(context, request.chain)
    query = ToDecode(
        chain=chain,
        text=lambda: request.piped(-1) if data == PIPED else data,
        to=request.to,
        sender=request.sender,
        value=request.value,
        descriptors=request.descriptors is not None,
        known=_known(request, context),
    )
    return _answer(wings.decode(query), lambda decoded: _document(decoded, chain.chain, request))


def _message(request: DecodeRequest, typed: str, context: Context) -> DecodeAnswer:
    given = (("CALLDATA", request.data), ("--to", request.to), ("--from", request.sender), ("--value", request.value))
    for flag, value in given:
        if value:
            raise ConfigError(f"{flag} cannot be used with --typed: the message has all of it")
    message = _json(typed, request.piped)
    wing = wings.messages()
    chain_id = wing.message_chain(message)
    chain = _chain(context, request.chain) if request.chain is not None else None
    if chain is not None and chain_id is not None and chain.chain != chain_id:
        raise ConfigError(f"--chain {request.chain}: the message is for {chain_id}, by its domain; leave --chain out")
    if chain is None and chain_id is not None:
        for _, file in sorted(chain_names(context.config).items()):
            if (table := read_toml(file)).get("chain") == chain_id:
                chain = load_chain(file, table, {})
    reading = wing.decode_message(message, chain_id, chain, _known(request, context))
    return _answer(reading, lambda decoded: _document(decoded, chain.chain if chain is not None else chain_id, request))


def _answer(reading: Decoded, document: Callable[[Decoded], DecodeDocument]) -> DecodeAnswer:
    exit_code = DANGEROUS if reading.dangerous else 0
    return DecodeAnswer(document=document(reading), lines=tuple(reading.lines()), exit_code=exit_code)


def _json(source: str, piped: Callable[[int], str]) -> Any:
    file = Path(source)
    try:
        if source != PIPED and (not file.is_file() or file.stat().st_size > MOST_BYTES):
            raise ConfigError(
                f"{file} is not a regular file of at most {MOST_BYTES:,} bytes: name the message's JSON file"
            )
        text = piped(MOST_BYTES) if source == PIPED else file.read_text(encoding="utf-8")
        return json_of(text, once=True)
    except (OSError, ValueError, RecursionError) as bad:
        why = one_line(str(bad))
        raise ConfigError(
            f"--typed {source} is not a JSON file ({why}): give the message as a wallet shows it"
        ) from None


def _known(request: DecodeRequest, context: Context) -> Known:
    names = {ChainId(str(read_toml(file).get("chain", ""))): name for name, file in chain_names(context.config).items()}
    return Known(names=names, descriptors=lambda: request.descriptors or _described(context), say=context.complain)


def _described(context: Context) -> Path | None:
    """The folder of descriptors that yieldbot.toml names; None if it names none, or there is no such file."""
    return context.settings.descriptors if context.config.is_file() else None


def _chain(context: Context, name_or_id: str) -> ChainSettings:
    """A chain by its number, CAIP-2 id or name."""
    files = chain_names(context.config)
    tables = {name: read_toml(file) for name, file in files.items()}
    called = intended(name_or_id, files)
    for name, file in files.items():
        if name == called or name_or_id in (
            tables[name].get("chain"),
            str(tables[name].get("chain", "")).partition(":")[2],
        ):
            return load_chain(file, tables[name], {})
    hint = did_you_mean(name_or_id, sorted(files))
    raise ConfigError(f"--chain {name_or_id}: no file of chains/ describes it: {hint}")


def _document(reading: Decoded, chain_id: ChainId | None, request: DecodeRequest) -> DecodeDocument:
    if isinstance(reading, DecodedTransaction):
        return _transaction(reading, chain_id)
    call = dict(_read(cast("DecodedCall", reading)))
    if request.typed is not None:
        return MessageDocument(chain_id=chain_id, **call)
    return CallDocument(chain_id=chain_id, to=str(request.to), value_wei=str(request.value), **call)


def _read(reading: DecodedCall) -> ReadCall:
    return ReadCall(
        known=reading.known,
        contract=reading.contract,
        function=reading.function,
        source=reading.source,
        intent=reading.intent,
        fault=reading.fault,
        owner=reading.owner,
        sentence=reading.sentence or None,
        warnings=reading.warnings,
        dangers=reading.dangers,
        fields=tuple(ReadField(label=one.label, value=one.value, visible=one.visible) for one in reading.fields),
        nested=tuple(_read(inner) for inner in reading.nested),
    )


def _transaction(reading: DecodedTransaction, chain_id: ChainId | None) -> TransactionDocument:
    return TransactionDocument(
        chain_id=chain_id,
        payer=reading.payer,
        signatures=reading.signatures,
        lookup_tables=reading.tables,
        instructions=tuple(
            ReadInstruction(
                program=one.program,
                known=one.known,
                contract=one.contract,
                function=one.function,
                intent=one.description,
                fault=one.fault,
                warnings=one.warnings,
                dangers=one.dangers,
                fields=tuple(InstructionField(label=label, value=value) for label, value in one.fields),
            )
            for one in reading.instructions
        ),
    )
