"""A chain's native token, by the address that stands for it."""

from __future__ import annotations

from yieldbot.model.amounts import Token
from yieldbot.model.families import native_of
from yieldbot.model.settings import ChainSettings


def native_token(settings: ChainSettings) -> Token:
    """The chain's native token, of its family's decimals (18 on EVM chains, 9 on Solana)."""
    return native_of(settings.chain, settings.native_symbol)
