"""The collateral tokens behind a market, from the parameters that its adapter stores in ``Market.params``. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from yieldbot.model.ids import Address, MarketId
from yieldbot.model.market import Kind, Market, MarketState


def collaterals_of(market: Market) -> tuple[Address, ...]:
    """The collateral tokens of a market, each once: that of an isolated market (``params["collateral"]``), or those of
    all markets that a vault may lend to (``params["collaterals"]``: tokens, or tokens by pool). A vault's markets that
    hold none of its money are included, since it may lend there at any time."""
    found = market.params.get("collaterals") or ()
    several: Iterable[object] = found.values() if isinstance(found, Mapping) else found
    named = (market.params.get("collateral"), *several)
    return tuple(dict.fromkeys(Address(one) for one in named if isinstance(one, str) and _is_token(one)))


def rests_on(state: MarketState, states: Mapping[MarketId, MarketState]) -> tuple[Address, ...]:
    """The collateral tokens of a market, and of those markets in ``states`` in which its money ends up."""
    inside = (states[MarketId(pool)].market for pool in sorted(state.pools) if pool in states)
    markets = (state.market, *inside)
    return tuple(dict.fromkeys(token for market in markets for token in collaterals_of(market)))


def tokens_of(markets: Iterable[Market]) -> Iterator[Address]:
    """Assets and collaterals of markets, each once; the wallet's own tokens are included."""
    seen = set[Address]()
    for market in markets:
        if market.kind is Kind.EXCHANGE:
            continue
        for token in (market.asset.address, *collaterals_of(market)):
            if token not in seen:
                seen.add(token)
                yield token


def _is_token(text: str) -> bool:
    """Whether the text is an address, and not the zero address, which stands for a market without collateral."""
    return bool(text) and bool(text.lower().removeprefix("0x").strip("0"))
