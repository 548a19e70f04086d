"""What staked tokens earn by themselves: the growth of what their own contracts say that one of them is worth, over the
last days. Flows, no I/O.

Sources: Lido's WstETH (``stEthPerToken``), Rocket Pool's rETH (``getExchangeRate``), ether.fi's weETH (``getRate``),
Coinbase's cbETH (``exchangeRate``), Chainlink's feeds of exchange rates (``latestAnswer``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from yieldbot.chains.growths import believed
from yieldbot.errors import MarketError
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.ids import Address
from yieldbot.model.known import MULTICALL3
from yieldbot.model.reads import EthCall, Flow
from yieldbot.model.settings import GrowthSource
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.rpc.flows import Flows, Handle

CALLS = {
    "stEthPerToken": bytes.fromhex("035faf82"),
    "getExchangeRate": bytes.fromhex("e6aa216c"),
    "getRate": bytes.fromhex("679aefce"),
    "exchangeRate": bytes.fromhex("3ba0b9a9"),
    "latestAnswer": bytes.fromhex("50d25bcd"),
}
"""Four-byte selectors of the functions that say what a token is worth."""
TIMESTAMP = bytes.fromhex("0f28c97d")  # Multicall3.getCurrentBlockTimestamp()
LEAST_SECONDS = 86_400
"""Growth over less than this is not believed: these rates move once a day."""


def token_growth(source: GrowthSource, block: BlockRef) -> Flow[float]:
    """A token's growth, a simple annual fraction, in one round. Raises MarketError if it cannot be read or be true."""
    call = CALLS[source.call]
    lag = source.lookback_blocks
    now, before, time = yield [
        EthCall(source.contract, call),
        EthCall(source.contract, call, lag_blocks=lag),
        EthCall(MULTICALL3, TIMESTAMP, lag_blocks=lag),
    ]
    worth, earlier, since = (int.from_bytes(word[-32:], "big") for word in (now, before, time))
    seconds = block.timestamp - since
    if not worth or not earlier or seconds < LEAST_SECONDS:
        raise MarketError(f"{source.contract}: {source.call} of {max(0, seconds):,} s ago is no rate")
    return believed((worth / earlier - 1.0) * SECONDS_PER_YEAR / seconds, f"{source.contract}: {source.call}")


def add_growths(
    flows: Flows, tokens: Iterable[Token], sources: Mapping[Address, GrowthSource], block: BlockRef
) -> list[tuple[Token, Handle[float]]]:
    """A read of each token that grows by itself."""
    return [
        (token, flows.add(token_growth(sources[token.address], block))) for token in tokens if token.address in sources
    ]
