"""Compound v2 and what was made from it (Moonwell, Venus): every market of a comptroller.

Source: compound-protocol (Comptroller.sol, getAllMarkets).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from yieldbot.model.discovery import FoundMarket, Listed, PinnedRow, Registry
from yieldbot.model.reads import Flow
from yieldbot.model.units import WAD
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.evm.registries.base import (
    NoEvents,
    Table,
    amount_of,
    text_of,
    whole_list,
)
from yieldbot.protocols.reads import Reads


class Params(Table):
    """Keys of the table."""

    comptroller: str
    """The comptroller."""


class ComptrollerMarkets(NoEvents):
    """cTokens, which a comptroller's governance lists."""

    kind: ClassVar[str] = "compound_v2"
    params: ClassVar[type[BaseModel]] = Params
    address_key: ClassVar[str] = "comptroller"

    def listing(self, registry: Registry) -> Flow[tuple[Listed, ...]]:
        return (yield from whole_list(registry, "getAllMarkets"))

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        of, at, reads = abi("registries"), checksum(key), Reads()
        underlying = reads.add(of.read(at, "underlying", optional=True))
        name = reads.add(of.read(at, "symbol", optional=True))
        shares = reads.add(of.read(at, "totalSupply", optional=True))
        price = reads.add(of.read(at, "exchangeRateStored", optional=True))
        yield from reads.made()
        if not underlying.data:
            return FoundMarket(key=at, name=text_of(name.data), fault="it lends the native token")
        worth = amount_of(shares.data, "totalSupply") * amount_of(price.data, "exchangeRateStored") // WAD
        return FoundMarket(
            key=at, asset=of.one("underlying", underlying.data), name=text_of(name.data), supplied_raw=worth
        )

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        same = {"comptroller": str(registry.address)}
        return PinnedRow(protocol="compound_v2", name=registry.name, same=same, listed_in="markets", value=found.key)


REGISTRY = ComptrollerMarkets()
