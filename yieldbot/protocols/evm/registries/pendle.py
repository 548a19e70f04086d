"""Pendle: every market that a factory made.

Source: pendle-core-v2-public (IPMarketFactoryV3.sol, CreateNewMarket, isValidMarket; IPMarket.sol, readTokens;
IStandardizedYield.sol, assetInfo).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from yieldbot.model.discovery import FoundMarket, Listed, PinnedRow, Registry
from yieldbot.model.reads import EthLog, Flow
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.evm.registries.base import NoList, Table, address_of, amount_of, denied, text_of, topic

CREATED = topic("CreateNewMarket(address,address,int256,int256,uint256)")


class Params(Table):
    """Keys of the table."""

    factory: str
    """PendleMarketFactoryV3, or a later one."""


class PendleMarkets(NoList):
    """Pendle markets, each for one principal token; anybody may create one."""

    kind: ClassVar[str] = "pendle"
    params: ClassVar[type[BaseModel]] = Params
    address_key: ClassVar[str] = "factory"
    topics: ClassVar[tuple[bytes, ...]] = (CREATED,)

    def listed(self, registry: Registry, log: EthLog) -> tuple[Listed, ...]:
        if len(log.topics) != 3:
            raise ValueError("the event lacks topics")
        return (Listed(address_of(log.topics[1]), "", log.block, log.tx),)

    def confirm(self, registry: Registry, key: str) -> Flow[FoundMarket]:
        of, at = abi("registries"), checksum(key)
        known, tokens, expired = yield [
            of.read(registry.address, "isValidMarket", at),
            of.read(at, "readTokens", optional=True),
            of.read(at, "isExpired", optional=True),
        ]
        if not of.one("isValidMarket", known):
            return denied(registry, key)
        if not tokens:
            return FoundMarket(key=at, fault="it names no tokens")
        standardized, principal = (checksum(one) for one in of.decode("readTokens", tokens)[:2])
        info, name, supply = yield [
            of.read(standardized, "assetInfo", optional=True),
            of.read(principal, "name", optional=True),
            of.read(principal, "totalSupply", optional=True),
        ]
        if not info:
            return FoundMarket(key=at, name=text_of(name), fault="its yield token names no asset")
        return FoundMarket(
            key=at,
            asset=checksum(of.decode("assetInfo", info)[1]),
            name=text_of(name),
            supplied_raw=amount_of(supply, "totalSupply"),
            fault="it has expired" if expired and of.one("isExpired", expired) else "",
        )

    def pinned(self, registry: Registry, found: FoundMarket) -> PinnedRow | None:
        return None


REGISTRY = PendleMarkets()
