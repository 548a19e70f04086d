"""The native token of a chain."""

from __future__ import annotations

from yieldbot.model.amounts import Token
from yieldbot.model.families import EVM, family_of, native_of
from yieldbot.model.gas import USUAL
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.numbers import significant
from yieldbot.model.settings import ChainSettings
from yieldbot.model.units import GWEI

PLANS = 10
"""Plans that a new wallet should be able to pay for, each of one withdrawal and one deposit."""
_ASSUMED_GWEI = {"eip155:1": 4.0, "eip155:100": 5.0, "eip155:137": 100.0, "eip155:43114": 20.0, "eip155:56": 1.0}
_ASSUMED_GWEI |= {"eip155:146": 60.0, "eip155:5000": 70.0, "eip155:9745": 1.0}
"""By chain, a price of gas that is assumed, since nobody has read the chain yet; other chains are rollups."""
_ROLLUP_GWEI = 0.2
"""The assumed price on rollups, with what they take for data on L1."""
_SOL = 0.05
"""On Solana: fees, and the rent of the accounts that a wallet needs."""


def fees_to_begin_with(chain: ChainId) -> str:
    """How much of the native token a new wallet should have for fees, in whole tokens: an estimate from typical gas
    (``model/gas.py``) and an assumed price of it."""
    if family_of(chain) is not EVM:
        return significant(_SOL, 6)
    gwei = _ASSUMED_GWEI.get(chain, _ROLLUP_GWEI)
    return significant(PLANS * (USUAL.deposit + USUAL.withdraw) * gwei / GWEI, 6)


def native_token(settings: ChainSettings) -> Token:
    """The chain's native token."""
    return native_of(settings.chain, settings.native_symbol)


def feed_of(settings: ChainSettings, token: Token) -> Address | None:
    """The price feed of a token in the chain's file; None: it has none."""
    return settings.native_feed if token == native_token(settings) else settings.feeds.get(token.address)
