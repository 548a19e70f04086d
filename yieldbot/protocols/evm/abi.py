"""Encoding calls and decoding answers by the ABIs in abis/, and explaining reverts."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from yieldbot.model import bounds
from yieldbot.model.abi_words import is_flat, is_static, pack, pack_flat, struct_of, unpack, unpack_flat, unpack_struct
from yieldbot.model.address import checksummed
from yieldbot.model.ids import Address
from yieldbot.model.json_text import loads
from yieldbot.model.keccak import keccak
from yieldbot.model.known import PANIC
from yieldbot.model.reads import EthCall
from yieldbot.model.text import one_line
from yieldbot.resources import folder

ERROR_STRING = bytes.fromhex("08c379a0")  # Error(string)
DECIMALS = ("decimals", "DECIMALS_OFFSET")
"""Functions that return an exponent of ten; an impossible value ends the market's flow."""


class Abi:
    """One file of abis/: a list of ABI entries with distinct function names."""

    def __init__(self, name: str) -> None:
        entries = loads((folder("abis") / f"{name}.json").read_text())
        self._functions = {e["name"]: e for e in entries if e["type"] == "function"}
        self._errors = [e for e in entries if e["type"] == "error"]

    @cache  # noqa: B019
    def selector(self, function: str) -> bytes:
        return selector_of(_signature(self._functions[function]))

    def encode(self, function: str, *args: Any) -> bytes:
        """Calldata of ``function``."""
        types = self._types(function, "inputs")
        if is_static(types):
            return self.selector(function) + pack(types, args)
        if is_flat(types):
            return self.selector(function) + pack_flat(types, args)
        from eth_abi.abi import encode

        return self.selector(function) + bytes(encode(types, args))

    def read(self, to: Address, function: str, *args: Any, optional: bool = False, lag_blocks: int = 0) -> EthCall:
        """The read of a view function."""
        return EthCall(to, self.encode(function, *args), optional=optional, lag_blocks=lag_blocks)

    def decode(self, function: str, data: bytes) -> tuple[Any, ...]:
        """A view function's decoded answer. A malformed one raises an error, which ends the market's flow."""
        types = self._types(function, "outputs")
        if is_static(types):
            values = unpack(types, data)
            if function in DECIMALS:
                bounds.decimals(values[0])
            return values
        if is_flat(types):
            return unpack_flat(types, data)
        if len(types) == 1 and (inner := struct_of(types[0])) is not None:
            return (unpack_struct(inner, data),)
        from eth_abi.abi import decode

        return tuple(decode(types, data))

    @cache  # noqa: B019 (one Abi a protocol, for the life of the process)
    def _types(self, function: str, side: str) -> tuple[str, ...]:
        return tuple(_type(item) for item in self._functions[function][side])

    def one(self, function: str, data: bytes) -> Any:
        """The only (or first) value of an answer; addresses in checksum form."""
        value = self.decode(function, data)[0]
        return checksum(value) if isinstance(value, str) and value.startswith("0x") else value

    def explain(self, data: bytes) -> str | None:
        """A custom error of this ABI with its arguments; None if it is not one."""
        from eth_abi.abi import decode
        from eth_abi.exceptions import DecodingError

        for entry in self._errors:
            if data[:4] == selector_of(_signature(entry)):
                try:
                    values = decode([_type(i) for i in entry["inputs"]], data[4:])
                except DecodingError:
                    return str(entry["name"])
                shown = ", ".join(f"{i['name']} {v}" for i, v in zip(entry["inputs"], values, strict=True))
                return f"{entry['name']}({shown})" if shown else str(entry["name"])
        return None


@cache
def abi(name: str) -> Abi:
    """The ABI of a protocol, read once."""
    return Abi(name)


def explain_standard(data: bytes) -> str | None:
    """Message of Solidity's own two errors, Error(string) and Panic(uint256); None for others."""
    from eth_abi.abi import decode
    from eth_abi.exceptions import DecodingError

    try:
        if data[:4] == ERROR_STRING:
            return one_line(str(decode(["string"], data[4:])[0]), 200)
        if data[:4] == PANIC:
            return f"panic 0x{decode(['uint256'], data[4:])[0]:02x}"
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return None
    return None


def explain(name: str, data: bytes) -> str | None:
    """The message of a revert of one protocol's contracts."""
    return abi(name).explain(data) or explain_standard(data)


@lru_cache(4096)
def checksum(address: str) -> Address:
    """The address in EIP-55 form. Raises ValueError for what is none."""
    return checksummed(address)


def label(data: bytes) -> str | None:
    """A string answer made fit for display: printable ASCII, at most 24 characters. Old tokens answer bytes32.

    None for anything else, because the name that a contract gives itself must not make it unreadable.
    """
    try:
        text = data.decode() if len(data) == 32 else str(unpack_flat(("string",), data)[0])
    except ValueError:
        return None
    return "".join(c for c in text if " " <= c <= "~")[:24] or None


def short(address: str) -> str:
    """An address shortened for comparison by eye: 0x1234…cdef."""
    return f"{address[:6]}…{address[-4:]}"


@cache
def selector_of(signature: str) -> bytes:
    return keccak(signature.encode())[:4]


def types_of(entry: dict[str, Any]) -> tuple[str, ...]:
    """The types of the inputs of an ABI entry, tuples written out."""
    return tuple(_type(item) for item in entry["inputs"])


def _signature(entry: dict[str, Any]) -> str:
    return f"{entry['name']}({','.join(types_of(entry))})"


def _type(item: dict[str, Any]) -> str:
    kind: str = item["type"]
    if kind.startswith("tuple"):
        return f"({','.join(_type(part) for part in item['components'])}){kind[5:]}"
    return kind
