"""Parses addresses written in files. EVM: with an EIP-55 checksum, else refused with the right spelling in the message;
Solana: a public key in base58."""

from __future__ import annotations

import re

from yieldbot.model.ids import Address
from yieldbot.model.keccak import keccak

_HEX = re.compile(r"0x[0-9a-fA-F]{40}")


def checksummed(text: str) -> Address:
    """The EIP-55 form of 40 hex digits after 0x. Source: EIP-55 (a letter is upper case where the nibble of
    keccak-256 of the lower-case digits at its place is 8 or more). Raises ValueError for other text."""
    if not _HEX.fullmatch(text):
        raise ValueError(f"{text!r} is not an address: write 0x and 40 hex digits")
    digits = text[2:].lower()
    nibbles = keccak(digits.encode()).hex()
    return Address("0x" + "".join(c.upper() if int(n, 16) >= 8 else c for c, n in zip(digits, nibbles, strict=False)))


def parse_address(text: str) -> Address:
    """An EVM address as written in a file. Raises ValueError that names the remedy.

    An address without mixed case has no checksum, so a typing error would go unnoticed: it is refused like a wrong one.
    """
    right = checksummed(text)
    if text == right:
        return right
    if text[2:] in (text[2:].lower(), text[2:].upper()) and any(c.isalpha() for c in text[2:]):
        raise ValueError(f"{text} carries no checksum: compare it with its source, then write {right}")
    raise ValueError(f"{text} has a bad checksum: compare it with its source; with these digits it is {right}")


def parse_own(text: str) -> Address:
    """The address of a wallet of ours as written in a file. Raises ValueError, also for the zero address."""
    found = parse_any(text)
    if set(text.removeprefix("0x")) <= {"0"} or set(text) == {"1"}:
        raise ValueError(f"{text} is the zero address, which nobody has the key of: write your wallet's")
    return found


def parse_key(text: str) -> Address:
    """A Solana public key as written in a file. Raises ValueError. Base58 has no checksum: a typing error is not
    noticed."""
    from solders.pubkey import Pubkey

    try:
        return Address(str(Pubkey.from_string(text)))
    except ValueError:
        raise ValueError(f"{text!r} is no Solana address: write a public key in base58 (32 to 44 characters)") from None


def parse_any(text: str) -> Address:
    """An address of either family: one that begins with 0x is an EVM chain's. Raises ValueError."""
    return parse_address(text) if text.startswith("0x") or len(text) < SHORTEST_KEY else parse_key(text)


SHORTEST_KEY = 32
"""Characters of the shortest public key in base58."""
