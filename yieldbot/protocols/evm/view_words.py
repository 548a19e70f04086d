"""Reads of view functions by signature, and decoding of their answers into numbers within bounds, addresses, or
nothing. Never raises, whatever a contract answers."""

from __future__ import annotations

from yieldbot.model.ids import Address
from yieldbot.model.reads import EthCall
from yieldbot.protocols.evm.abi import checksum, selector_of

LARGEST = 2**160
"""Amounts and prices of at least this are taken for nonsense."""


def call(to: str, signature: str, *words: int | str) -> EthCall:
    """A read of a view function of static arguments; numbers, or addresses in hex."""
    numbers = (int(word, 16) if isinstance(word, str) else word for word in words)
    return EthCall(
        Address(to),
        selector_of(signature) + b"".join(number.to_bytes(32, "big") for number in numbers),
        optional=True,
    )


def number(answer: bytes, place: int = 0) -> int | None:
    """The 32-byte word at index ``place`` of an answer as a number; None if there is none, or it is LARGEST or more."""
    word = answer[32 * place : 32 * place + 32]
    found = int.from_bytes(word, "big") if len(word) == 32 else LARGEST
    return found if found < LARGEST else None


def amount(answer: bytes, place: int = 0) -> float:
    """As ``number``; 0 instead of None."""
    return float(number(answer, place) or 0)


def address(answer: bytes, place: int = 0) -> Address | None:
    """The address in the 32-byte word at index ``place``; None if there is none, and for the zero address."""
    found = number(answer, place)
    return checksum(f"0x{found:040x}") if found else None


def addresses(answer: bytes, most: int) -> tuple[Address, ...]:
    """The first ``most`` addresses of an answer of type address[]; empty for any other answer."""
    if number(answer) != 32 or (count := number(answer, 1)) is None:
        return ()
    found = (address(answer, 2 + place) for place in range(min(count, most)))
    return tuple(one for one in found if one is not None)
