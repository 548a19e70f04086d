"""``decode`` on Solana: whole transactions, or their messages."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from yieldbot.chains.solana.execution.clear import DecodedTx, KnownNames, read
from yieldbot.errors import ConfigError

if TYPE_CHECKING:
    from yieldbot.chains.decoding import ToDecode


def decode(request: ToDecode) -> DecodedTx:
    """Decodes a transaction or its message. Raises ConfigError for bytes that are neither."""
    for flag, given in (
        ("--to", request.to),
        ("--from", request.sender),
        ("--value", request.value),
        ("--descriptors", request.descriptors),
    ):
        if given:
            raise ConfigError(f"{flag} means nothing on Solana: the transaction names all of it")
    reading = read(_base64(request.text()), KnownNames.of(request.chain))
    if reading is None:
        raise ConfigError("CALLDATA is no Solana transaction and no message of one: give all of its bytes, in base64")
    return reading


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError("CALLDATA is no base64: on Solana give a transaction, or its message, in base64") from None
