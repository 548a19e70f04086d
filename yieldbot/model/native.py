"""A chain's own coin as a token: the address that stands for it, by the convention of many protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address
from yieldbot.model.policy import ChainSettings

if TYPE_CHECKING:
    pass

NATIVE = Address("0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE")
"""Stands for a chain's native token where a token is asked for (the widespread convention; no contract is there)."""


def native_token(settings: ChainSettings) -> Token:
    """The chain's native token, of 18 decimals."""
    return Token(settings.chain, NATIVE, settings.native_symbol, 18)
