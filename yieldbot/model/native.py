"""The native token of a chain."""

from __future__ import annotations

from yieldbot.model.amounts import Token
from yieldbot.model.families import native_of
from yieldbot.model.settings import ChainSettings


def native_token(settings: ChainSettings) -> Token:
    """The chain's native token."""
    return native_of(settings.chain, settings.native_symbol)
