"""``decode`` on EVM chains: calls, and messages to sign (EIP-712, EIP-7702)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from yieldbot.chains.evm.execution.abi_calls import abi_functions
from yieldbot.chains.evm.execution.clear import Call, DecodedTx, KnownNames, lines, read
from yieldbot.chains.evm.execution.clear_code import authorizations, read_authorizations
from yieldbot.chains.evm.execution.clear_typed import chain_of, read_typed
from yieldbot.chains.evm.execution.erc7730 import descriptors
from yieldbot.chains.evm.execution.rehearsal import RehearsedTx
from yieldbot.errors import ConfigError
from yieldbot.model.address import parse_address
from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address, evm_chain, evm_number
from yieldbot.model.native import native_token
from yieldbot.resources import folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from yieldbot.chains.decoding import Known, ToDecode
    from yieldbot.chains.evm.execution.erc7730 import Descriptor
    from yieldbot.model.ids import ChainId
    from yieldbot.model.settings import ChainSettings


def decode(request: ToDecode) -> DecodedTx:
    """Decodes a call. Raises ConfigError for input that is no call."""
    if request.to is None:
        raise ConfigError("--to is missing: name the address that is called")
    for name, address in (("--to", request.to), ("--from", request.sender)):
        try:
            parse_address(address) if address is not None else None
        except ValueError as bad:
            raise ConfigError(f"{name}: {bad}") from None
    call = Call(request.to, _bytes(request.text()), request.value, request.sender)
    return read(call, _book(request.chain, request.known), abi_functions(folder("abis")), _descriptors(request.known))


def message_chain(message: Any) -> ChainId | None:
    """The chain in a message's domain, or in its first EIP-7702 authorization; None: it names none, or is for all
    chains."""
    codes = authorizations(message)
    number = chain_of(message) if not codes else codes[0].chain or None
    return None if number is None else evm_chain(number)


def decode_message(message: Any, chain_id: ChainId | None, chain: ChainSettings | None, known: Known) -> DecodedTx:
    """What signing a message would do. Raises ConfigError for one that cannot be decoded."""
    if chain is not None:
        book = _book(chain, known)
    else:  # a chain that no file describes, or none at all: no names are known there
        number = 0 if chain_id is None else evm_number(chain_id)
        book = KnownNames(number, Token(evm_chain(number), Address("0x" + "00" * 20), "ETH", 18), {}, {})
    if codes := authorizations(message):
        return read_authorizations(codes, book)
    return read_typed(message, book, abi_functions(folder("abis")), _descriptors(known))


def _book(chain: ChainSettings, known: Known) -> KnownNames:
    """The names known on a chain, with the names of all chains that have a file."""
    chains = {}
    for chain_id, name in known.names.items():
        family, _, number = chain_id.partition(":")
        if family == "eip155" and number.isascii() and number.isdigit():
            chains[int(number)] = name
    return replace(KnownNames.of(chain, native_token(chain)), chains=chains)


def _descriptors(known: Known) -> tuple[Descriptor, ...]:
    where = known.descriptors()
    return descriptors(where, known.say) if where else ()


def _bytes(given: str) -> bytes:
    text = given.strip()
    try:
        if not text.startswith("0x"):
            raise ValueError
        return bytes.fromhex(text[2:])
    except ValueError:
        raise ConfigError("CALLDATA is no bytes: write 0x and an even count of hexadecimal digits") from None


def describer(
    chain: ChainSettings, owner: Address, files: Path, say: Callable[[str], None]
) -> Callable[[object], list[str]]:
    """A function that describes a rehearsed call of ``owner`` by its target's ERC-7730 descriptor; it returns no lines
    if there is none."""
    book, known = KnownNames.of(chain, native_token(chain)), descriptors(files, say)

    def described(tx: object) -> list[str]:
        if not isinstance(tx, RehearsedTx):
            return []
        call = tx.call
        reading = read(Call(call.to, call.data, call.value, owner), book, {}, known)
        return list(lines(reading)) if reading.source else []

    return described
