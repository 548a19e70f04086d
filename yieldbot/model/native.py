"""The native token of a chain."""

from __future__ import annotations

from yieldbot.model.amounts import Token
from yieldbot.model.families import native_of
from yieldbot.model.ids import ChainId
from yieldbot.model.settings import ChainSettings

_BEGIN_WITH = {
    "eip155:1": "0.02",
    "eip155:100": "1",
    "eip155:137": "5",
    "eip155:43114": "0.1",
    "eip155:56": "0.01",
    "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp": "0.05",
}
"""By chain, native tokens that pay for some ten plans at usual fees; other chains are rollups with ETH."""


def fees_to_begin_with(chain: ChainId) -> str:
    """How much of the native token a new wallet should have for fees, in whole tokens: about ten plans at usual
    fees."""
    return _BEGIN_WITH.get(chain, "0.002")


def native_token(settings: ChainSettings) -> Token:
    """The chain's native token."""
    return native_of(settings.chain, settings.native_symbol)
