"""Requests of EIP-7540 whose number is not 0: what a market is asked by, remembered from the transaction that asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from yieldbot.model.market import Market

IDS = "request_ids"
"""In a market's params: the numbers of our open requests. They are ours, and no property of the market."""


def with_requests(market: Market, ids: Iterable[int]) -> Market:
    """The market as it is asked for these requests of ours too; as it is without any."""
    every = dict.fromkeys((*market.params.get(IDS, ()), *ids))
    return replace(market, params={**market.params, IDS: tuple(every)}) if every else market


def own_terms(params: Mapping[str, object]) -> dict[str, object]:
    """What a market's params say of itself."""
    return {key: value for key, value in params.items() if key != IDS}
