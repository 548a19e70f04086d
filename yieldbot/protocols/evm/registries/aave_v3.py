"""Aave v3 and Spark: every reserve of a pool.

Source: aave-v3-origin (IPool.sol, getReservesList).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from yieldbot.model.discovery import FoundMarket, Listed, PinnedRow, Registry
from yieldbot.model.reads import Flow
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.evm.registries.base import NoEvents, Table, amount_of, whole_list


class Params(Table):
    """Keys of the table."""

    pool: str
    """Pool's address."""
    data_provider: str
    """ProtocolDataProvider's address."""


class AaveReserves(NoEvents):
    """Reserves of an Aave v3 pool, which its governance lists."""

    kind: ClassVar[str] = "aave_v3"
    params: ClassVar[type[BaseModel]] = Params
    address_key: ClassVar[str] = "pool"

    def listing(self, registry: Registry) -> Flow[tuple[Listed, ...]]:
        found = yield from whole_list(registry, "getReservesList")
        return tuple(Listed(one.key, one.key) for one in found)

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        asset, aave = checksum(key), abi("aave_v3")
        provider = checksum(registry.params["data_provider"])
        (tokens,) = yield [aave.read(provider, "getReserveTokensAddresses", asset)]
        a_token = checksum(aave.decode("getReserveTokensAddresses", tokens)[0])
        if int(a_token, 16) == 0:
            return FoundMarket(key=asset, fault=f"{registry.name} has no such reserve", denied=True)
        (supply,) = yield [abi("registries").read(a_token, "totalSupply")]
        return FoundMarket(key=asset, asset=asset, supplied_raw=amount_of(supply, "totalSupply"))

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        same = {"pool": registry.address, "data_provider": checksum(registry.params["data_provider"])}
        return PinnedRow(protocol="aave_v3", name=registry.name, same=same, listed_in=None, value=found.key)


REGISTRY = AaveReserves()
