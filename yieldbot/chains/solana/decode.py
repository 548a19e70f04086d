"""``decode`` on Solana: whole transactions, or their messages."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from yieldbot.chains.solana.execution.clear import Book, Reading, read
from yieldbot.errors import ConfigError

if TYPE_CHECKING:
    from yieldbot.chains.decoding import ToDecode


def decode(asked: ToDecode) -> Reading:
    """What a transaction says. Raises ConfigError for what is none."""
    for flag, given in (
        ("--to", asked.to),
        ("--from", asked.sender),
        ("--value", asked.value),
        ("--descriptors", asked.descriptors),
    ):
        if given:
            raise ConfigError(f"{flag} means nothing on Solana: the transaction names all of it")
    reading = read(_base64(asked.text()), Book.of(asked.chain))
    if reading is None:
        raise ConfigError("CALLDATA is no Solana transaction and no message of one: give all of its bytes, in base64")
    return reading


def _base64(said: str) -> bytes:
    try:
        return base64.b64decode(said.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError("CALLDATA is no base64: on Solana give a transaction, or its message, in base64") from None
