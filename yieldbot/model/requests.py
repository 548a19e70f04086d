"""EIP-7540 requests with a number other than 0, remembered from the transactions that made them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from yieldbot.model.market import Market

IDS = "request_ids"
"""Key of a market's params that holds the numbers of our open requests. They are ours, not the market's."""


def with_requests(market: Market, ids: Iterable[int]) -> Market:
    """The market, to be observed with these requests of ours too."""
    every = dict.fromkeys((*market.params.get(IDS, ()), *ids))
    return replace(market, params={**market.params, IDS: tuple(every)}) if every else market


def own_terms(params: Mapping[str, object]) -> dict[str, object]:
    """A market's params without our requests."""
    return {key: value for key, value in params.items() if key != IDS}
