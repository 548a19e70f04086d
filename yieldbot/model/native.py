"""A chain's own coin as a token: the address that stands for it, by the convention of its family."""

from __future__ import annotations

from yieldbot.model.amounts import Token
from yieldbot.model.families import native_of
from yieldbot.model.policy import ChainSettings


def native_token(settings: ChainSettings) -> Token:
    """The chain's native token, of its family's decimals (18 on EVM chains, 9 on Solana)."""
    return native_of(settings.chain, settings.native_symbol)
