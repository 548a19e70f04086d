"""What a swap's quote is made of, read at one block: pools' states, independent prices, feeds and the price of gas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.chains.evm.quotes import of_evm
from yieldbot.chains.quote_values import Read
from yieldbot.chains.solana.quotes import of_solana
from yieldbot.model.amounts import Token

if TYPE_CHECKING:
    from yieldbot.model.policy import ChainSettings


async def read(chain: ChainSettings, given: Token, wanted: Token) -> Read:
    """The pools of all the chain's tokens at one block, and the prices that they do not make alone."""
    return await (of_evm if chain.svm is None else of_solana)(chain, given, wanted)
