"""A chain's own coin as a token: the address that stands for it, by the convention of many protocols."""

from __future__ import annotations

from yieldbot.model.amounts import Token
from yieldbot.model.families import EVM_NATIVE
from yieldbot.model.policy import ChainSettings

NATIVE = EVM_NATIVE


def native_token(settings: ChainSettings) -> Token:
    """The chain's native token, of 18 decimals."""
    return Token(settings.chain, NATIVE, settings.native_symbol, 18)
