"""Calls of view functions by their signature, and what their answers say, whatever a contract answers: numbers within
bounds, addresses, or nothing. Nothing here raises."""

from __future__ import annotations

from yieldbot.model.ids import Address
from yieldbot.model.reads import EthCall
from yieldbot.protocols.evm.abi import checksum, selector_of

LARGEST = 2**160
"""Amounts and prices from here on are none."""


def call(to: str, signature: str, *words: int | str) -> EthCall:
    """A read of a view function of static arguments; numbers, or addresses in hex."""
    numbers = (int(word, 16) if isinstance(word, str) else word for word in words)
    return EthCall(
        Address(to),
        selector_of(signature) + b"".join(number.to_bytes(32, "big") for number in numbers),
        optional=True,
    )


def number(answer: bytes, place: int = 0) -> int | None:
    """The word at a place of an answer; None where there is none, or it is no amount."""
    word = answer[32 * place : 32 * place + 32]
    found = int.from_bytes(word, "big") if len(word) == 32 else LARGEST
    return found if found < LARGEST else None


def amount(answer: bytes, place: int = 0) -> float:
    """The same, 0 where there is none."""
    return float(number(answer, place) or 0)


def address(answer: bytes, place: int = 0) -> Address | None:
    """The address at a place; None where there is none, or zero."""
    found = number(answer, place)
    return checksum(f"0x{found:040x}") if found else None


def addresses(answer: bytes, most: int) -> tuple[Address, ...]:
    """An address[], its first ``most``; none where the answer is no such list."""
    if number(answer) != 32 or (count := number(answer, 1)) is None:
        return ()
    found = (address(answer, 2 + place) for place in range(min(count, most)))
    return tuple(one for one in found if one is not None)
