"""Shared by adapters of exchanges: their router, descriptions of swaps, and messages of reverts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yieldbot.errors import MarketError
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import Address
from yieldbot.protocols.evm.abi import checksum, explain


def router_of(pools: Sequence[Pool]) -> Address:
    """The common router of all the pools. Raises MarketError if they have none."""
    routers = {checksum(pool.params["router"]) for pool in pools if pool.params.get("router")}
    if not routers:
        name = pools[0].name if pools else "a swap"
        raise MarketError(f"{name}: the chain's file names no router of this exchange: nothing can be swapped there")
    if len(routers) > 1 or not all(pool.params.get("router") for pool in pools):
        raise MarketError(f"{' and '.join(pool.name for pool in pools)} are not swapped in by one router")
    return routers.pop()


def explain_swap(abi_name: str, known: Mapping[str, str], data: bytes) -> str | None:
    """The message of a router's revert, with its short reasons spelled out."""
    message = explain(abi_name, data)
    return known.get(message, message) if message is not None else None
