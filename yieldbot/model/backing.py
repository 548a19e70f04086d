"""Which tokens a market's money rests on beside its own asset, by what its adapter keeps of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from yieldbot.model.ids import Address, MarketId
from yieldbot.model.market import Kind, Market, MarketState


def collaterals_of(market: Market) -> tuple[Address, ...]:
    """The collateral tokens of a market, each once: of a market of one collateral that one (``params["collateral"]``),
    of a vault that is looked through those of all markets that it may lend in (``params["collaterals"]``: tokens, or
    tokens by pool). A vault's markets without money of its count too: it may put some there at any time."""
    found = market.params.get("collaterals") or ()
    several: Iterable[object] = found.values() if isinstance(found, Mapping) else found
    named = (market.params.get("collateral"), *several)
    return tuple(dict.fromkeys(Address(one) for one in named if isinstance(one, str) and _is_token(one)))


def rests_on(state: MarketState, states: Mapping[MarketId, MarketState]) -> tuple[Address, ...]:
    """The collateral tokens of a market, and of the markets of ``states`` that its money ends in."""
    inside = (states[MarketId(pool)].market for pool in sorted(state.pools) if pool in states)
    markets = (state.market, *inside)
    return tuple(dict.fromkeys(token for market in markets for token in collaterals_of(market)))


def tokens_of(markets: Iterable[Market]) -> Iterator[Address]:
    """Assets and collaterals of markets, each once; of what lies in the wallet its token too."""
    seen = set[Address]()
    for market in markets:
        if market.kind is Kind.EXCHANGE:
            continue
        for token in (market.asset.address, *collaterals_of(market)):
            if token not in seen:
                seen.add(token)
                yield token


def _is_token(text: str) -> bool:
    """Whether it is an address, and not the zero address of a market without collateral."""
    return bool(text) and bool(text.lower().removeprefix("0x").strip("0"))
