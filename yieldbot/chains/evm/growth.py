"""What staked tokens earn by themselves: the growth of what their own contracts say that one of them is worth, over the
last days. Flows, no I/O.

Sources: Lido's WstETH (``stEthPerToken``), Rocket Pool's rETH (``getExchangeRate``), ether.fi's weETH (``getRate``),
Coinbase's cbETH (``exchangeRate``), Chainlink's feeds of exchange rates (``latestAnswer``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from yieldbot.chains.growths import Grown, Growths, believed
from yieldbot.errors import MarketError
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.ids import Address
from yieldbot.model.known import MULTICALL3
from yieldbot.model.reads import EthCall, Flow
from yieldbot.model.settings import GrowthSource
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.rpc.flows import Flows

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


def token_growth(source: GrowthSource, block: BlockRef) -> Flow[Grown]:
    """A token's worth and growth, in one round; no growth where the node does not have the earlier block's state.
    Raises MarketError if its worth cannot be read, or its growth cannot be true."""
    call = CALLS[source.call]
    lag = source.lookback_blocks
    now, before, time = yield [
        EthCall(source.contract, call),
        EthCall(source.contract, call, lag_blocks=lag, optional=True),
        EthCall(MULTICALL3, TIMESTAMP, lag_blocks=lag, optional=True),
    ]
    worth, earlier, since = (int.from_bytes(word[-32:], "big") for word in (now, before, time))
    if not worth:
        raise MarketError(f"{source.contract}: {source.call} says that a token is worth nothing")
    if not before or not time:
        return Grown(float(worth), None)
    seconds = block.timestamp - since
    if not earlier or seconds < LEAST_SECONDS:
        raise MarketError(f"{source.contract}: {source.call} of {max(0, seconds):,} s ago is no rate")
    growth = (worth / earlier - 1.0) * SECONDS_PER_YEAR / seconds
    return Grown(float(worth), believed(growth, f"{source.contract}: {source.call}"))


def add_growths(
    flows: Flows, tokens: Iterable[Token], sources: Mapping[Address, GrowthSource], block: BlockRef
) -> Growths:
    """A read of each token that grows by itself."""
    return [
        (token, flows.add(token_growth(sources[token.address], block))) for token in tokens if token.address in sources
    ]
