"""Ids (other than 0) of our withdrawal requests (EIP-7540), taken from the transactions that made them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from yieldbot.model.market import Market

IDS = "request_ids"
"""Key in a market's params under which the ids of our open requests are kept, although they are no property of the
market."""


def with_requests(market: Market, ids: Iterable[int]) -> Market:
    """The market with the ids of our open requests in its params, so that they are observed too."""
    every = dict.fromkeys((*market.params.get(IDS, ()), *ids))
    return replace(market, params={**market.params, IDS: tuple(every)}) if every else market


def own_terms(params: Mapping[str, object]) -> dict[str, object]:
    """A market's params without the ids of our requests."""
    return {key: value for key, value in params.items() if key != IDS}
