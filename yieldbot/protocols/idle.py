"""The wallet itself as a market, on any chain."""

from __future__ import annotations

from yieldbot.math.curves import ConstantCurve
from yieldbot.model.amounts import Amount, Apr, BlockRef
from yieldbot.model.market import Exit, Market, MarketState, Status


def idle_state(market: Market, block: BlockRef, held: Amount) -> MarketState:
    """The state of the wallet's own balance: it earns nothing, accepts anything and pays at once."""
    return MarketState(
        market=market,
        block=block,
        held=held,
        shares=held.raw,
        share_token=None,
        liquidity=held,
        capacity=None,
        supplied=held,
        borrowed=None,
        status=Status.ACTIVE,
        curve=ConstantCurve(0.0),
        quoted=Apr(0.0),
        pools=frozenset(),
        gas_deposit=0,
        gas_withdraw=0,
        exit=Exit(cash=held),
    )
